from .contract.menu import Menu as Menu
from .market.model import Market as Market
from .market.tables import Tables as Tables
from .planner.planner import Plan as Plan
from .planner.planner import plan as plan
from .primitives.primitives import Primitives as Primitives
from .solution.outcome import Outcome as Outcome
from .solution.solver import solve as solve
