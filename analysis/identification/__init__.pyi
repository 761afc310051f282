from .posterior import Posterior as Posterior
from .report import identify_into as identify_into
