"""
Algorithm 1 over its iterations
===============================

Residual and profit over its fifty iterations, at a temperature that falls. It is stopped, not settled.
"""

import matplotlib.pyplot as plt

from airan_market import load_scenario, solve

history = solve(load_scenario("teleoperation")).history[1:]
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.semilogy([state.residual for state, _ in history])
left.set(
    xlabel="iteration",
    ylabel="largest change of a probability",
    title="It moves more as temperature falls,",
)
right.plot([worth.operator_utility_usd_per_s.sum() for _, worth in history])
right.set(xlabel="iteration", ylabel="profit (USD/s)", title="and profit still grows at the end")
