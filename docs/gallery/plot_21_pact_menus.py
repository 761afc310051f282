"""
PACT: the menu
==============

Quality and price by type, beside the first best.
"""

from airan_market import load_pact, solve_pact
from airan_market.analysis.pact.figures import menus

figure = menus(solve_pact(load_pact("pact")).markets[0])
