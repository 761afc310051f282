"""
PACT: what a better service costs
=================================

Cost by quality, with the fitted curve and its residuals, without and with liability.
"""

from airan_market import load_pact, solve_pact
from airan_market.analysis.pact.figures import services

figure = services(solve_pact(load_pact("pact")).markets[0])
