"""
The paper's bound beside the law with priorities
================================================

Both bounds lie above the law; from 0.3 s on the one that holds in general is the nearer.
"""

import matplotlib.pyplot as plt
import numpy as np

from airan_market import Primitives, load_scenario, solve
from airan_market.agents.belief import operator_belief

scenario = load_scenario("teleoperation")
outcome, latency_s = solve(scenario), np.linspace(0.02, 0.7, 60)
for name in ("chernoff", "chernoff-priority", "priority"):
    market = Primitives.from_scenario(load_scenario(scenario, [f"mechanism.belief={name}"]))
    belief = operator_belief(market.of_operator(2), outcome.load_per_s[2])
    tail = [belief.probability(np.full(8, t))[7] for t in latency_s]
    plt.semilogy(latency_s, tail, label=name)
plt.axvline(outcome.menu.latency_s[2, 7], color="0.3", ls=":", label="promised")
plt.gca().set(
    xlabel="latency (s)",
    ylabel="probability to take longer",
    title="Operator 3, type 8: three beliefs about one promise",
)
plt.legend()
