"""What do operators learn who know no formulas: bandits, Q-learners, and whatever is brought.

Bandits and Q-learners play a game of latency scales and margins; `environment` (extra `rl`) is the
simulated market as a PettingZoo environment. What was learned is judged by the certificates of
`equilibrium`, never by its reward.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
