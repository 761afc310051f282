"""
PACT: who has what
==================

Users, provider and both, by type.
"""

from airan_market import load_pact, solve_pact
from airan_market.analysis.pact.figures import utilities

figure = utilities(solve_pact(load_pact("pact")).markets[0])
