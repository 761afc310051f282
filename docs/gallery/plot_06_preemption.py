"""
One urgent task interrupts others
=================================

Three tasks at one GPU, drawn from the trace of the engine: a lower number is more urgent.
"""

import matplotlib.pyplot as plt

from airan_market import Workload, simulate

work = Workload(
    task=[0, 1, 2], arrival_s=[0.0, 0.5, 1.2], type=[2, 0, 1], operator=[0, 0, 0],
    user=[0, 1, 2], service_s=[[0.0, 1.0, 0.0]] * 3,
)  # fmt: skip
trace, _ = simulate(work, [[1, 1, 1]], until_s=10.0)
_, axis = plt.subplots(figsize=(8, 3), layout="constrained")
axis.barh(trace.task, trace.latency_s, left=trace.arrival_s, color=["0.75", "0.35", "0.55"])
for task, end_s, times in zip(trace.task, trace.stage_end_s[:, 1], trace.preemptions[:, 1]):
    axis.text(end_s + 0.05, task, f"interrupted {times} times", va="center")
axis.set_yticks(trace.task, [f"task {t}, type {n + 1}" for t, n in zip(trace.task, trace.type)])
axis.set(xlabel="time (s)", xlim=(0, 4.2), title="The first to come is the last to leave")
