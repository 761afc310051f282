from .bound import Bound as Bound
from .bound import welfare_bound as welfare_bound
from .load_cost import LoadCost as LoadCost
from .planner import Plan as Plan
from .planner import first_best_welfare as first_best_welfare
from .planner import plan as plan
from .planner import plan_market as plan_market
