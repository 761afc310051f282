"""GPUs that batch: steps that are counted beside steps that are visited, in turn.

    .venv/bin/python tests/benchmarks/batching.py

Three GPUs of the scenario `batching` at the load of its users, 120 s of traffic from empty.
"""

import statistics
import time

import numpy as np

from airan_market.agents.primitives.stations import engine_of, rates_of, servers_of
from airan_market.agents.primitives.traffic import traffic_of
from airan_market.scenarios import load_scenario
from airan_market.sim.engines.batching import ContinuousBatching
from airan_market.sim.engines.engine import simulate
from airan_market.sim.traffic.demand import offer

SPAN_S, TURNS = 120.0, 5


def main() -> None:
    """Print the median time of each, s, and how many times as fast counting is."""
    scenario = load_scenario("batching")
    users = np.array([12, 24, 36, 48])
    demand = traffic_of(scenario, 1, users).demand(1, 0.0, SPAN_S, 0)
    chosen = np.arange(users.sum()) % 2
    work = offer(demand, chosen, rates_of(scenario.operators))
    counted = engine_of(scenario)["station"]
    visited = type("Visited", (ContinuousBatching,), {"settings": counted.settings})
    took: dict[str, list[float]] = {"visited": [], "counted": []}
    for _ in range(TURNS):
        for name, station in (("visited", visited), ("counted", counted)):
            began = time.perf_counter()
            simulate(work, servers_of(scenario.operators), until_s=SPAN_S, station=station)
            took[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times) for name, times in took.items()}
    for name, median in medians.items():
        print(f"{name}: {median:.3f} s for {len(work):,} tasks")
    print(f"counted is {medians['visited'] / medians['counted']:.1f} times as fast")


if __name__ == "__main__":
    main()
