from .engines.capacity import CapacityChanges as CapacityChanges
from .engines.engine import simulate as simulate
from .trace import State as State
from .trace import Trace as Trace
from .workload import Workload as Workload
