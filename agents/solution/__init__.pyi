from .outcome import Outcome as Outcome
from .solver import agree as agree
from .solver import arrive as arrive
from .solver import settle as settle
from .solver import solve as solve
