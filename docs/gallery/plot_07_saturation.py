"""
Latency and load
================

Mean latency of a tandem as its GPU fills up: simulated, two engines give the same.
"""

import matplotlib.pyplot as plt
import numpy as np

from airan_market import Workload, simulate

rng, loads = np.random.default_rng(1), np.linspace(0.3, 0.97, 12)
for servers in (1, 4, 16):
    means = []
    for load in loads:
        n = 40_000
        work = Workload(
            task=np.arange(n),
            arrival_s=np.cumsum(rng.exponential(1 / (load * servers), n)),
            type=np.zeros(n, int),
            operator=np.zeros(n, int),
            user=np.zeros(n, int),
            service_s=np.column_stack([np.zeros(n), rng.exponential(1, n), np.zeros(n)]),
        )
        means.append(simulate(work, [[1, servers, 1]], until_s=1e9)[0].latency_s.mean())
    plt.semilogy(loads, means, "o-", label=f"{servers} servers")
plt.gca().set(
    xlabel="load of the GPU",
    ylabel="mean latency (mean services)",
    title="Many servers wait for nobody until they are nearly full",
)
plt.legend()
