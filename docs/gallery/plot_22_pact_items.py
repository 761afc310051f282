"""
PACT: everybody takes its own item
==================================

What some types would gain from every item.
"""

from airan_market import load_pact, solve_pact
from airan_market.analysis.pact.figures import own_items

figure = own_items(solve_pact(load_pact("pact")).markets[0])
