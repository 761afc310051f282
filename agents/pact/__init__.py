"""PACT: contract pricing of services that differ in quality, the second market.

>>> from airan_market.agents.pact import solve_pact
>>> from airan_market.scenarios import load_pact
>>> outcome = solve_pact(load_pact("pact"))
>>> len(outcome.markets[0].contract.theta_usd)
15
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
