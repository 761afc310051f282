from .account import Account as Account
from .account import calibrate as calibrate
from .fit import Fit as Fit
from .fit import Parameter as Parameter
from .fit import Problem as Problem
from .market import paper_problem as paper_problem
from .profile import Interval as Interval
from .text import account_text as account_text
