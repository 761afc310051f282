"""
Q-learners collude
==================

Sessions of the duopoly of Calvano and others (2020): collusion index by session.
"""

import matplotlib.pyplot as plt
import numpy as np

from airan_market.agents.learning import Logit, learn

duopoly = Logit()
gains = sorted(duopoly.gain(learn(duopoly.payoffs(), 15, s).profit.mean()) for s in range(12))
plt.plot(gains, "o")
plt.axhline(0.85, color="0.5", ls="--", label="published mean")
plt.gca().set(
    xlabel="session, sorted",
    ylabel="collusion index",
    ylim=(0, 1.05),
    title=f"Mean of these sessions: {np.mean(gains):.2f}",
)
plt.legend()
