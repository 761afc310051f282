"""
Several services share the stations
===================================

Vehicles ask more often; what chats are promised, at a third of the users of every type each.
"""

import matplotlib.pyplot as plt
import numpy as np

from airan_market import Primitives, load_scenario
from airan_market.agents.contract import designed_menus

factor = np.linspace(1.0, 6.0, 21)
split = np.full((3, 9), 1 / 3)
promised_s = []
for times in factor:
    more = [f"services.1.tasks_per_user_per_s={10 * times}"]
    market = Primitives.from_scenario(load_scenario("several_services", more))
    promised_s.append(designed_menus(market, split).latency_s[1])
of_service = market.services.of_type
for number, style in ((2, "-"), (1, "--"), (0, ":")):
    for n in np.flatnonzero(of_service == number)[-1:]:
        label = f"{market.services.names[number]} (type {n + 1})"
        plt.plot(factor, np.array(promised_s)[:, n], style, label=label)
plt.gca().set(
    xlabel="tasks of vehicles, times those of the scenario",
    ylabel="agreed latency of operator 2 (s)",
    yscale="log",
    yticks=[0.15, 0.3, 0.6, 1, 2],
    yticklabels=["0.15", "0.3", "0.6", "1", "2"],
    title="The more vehicles ask, the later the patient of other services",
)
plt.minorticks_off()
plt.legend()
