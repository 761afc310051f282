"""Cost laws: how time and memory grow with tasks, types, servers, operators, users and rounds.

`python cost_laws.py [--tiny]` prints JSON lines, a size each; `bench.py` calls it, so that memory
is that of a process of its own, and fits an exponent to each law: the slope of ln time over ln
size, by least squares over the least times.
"""

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np

from airan_market.agents.market.model import Market
from airan_market.scenarios import load_scenario
from airan_market.sim.engines.engine import simulate
from airan_market.sim.streams import stream
from airan_market.sim.workload import Workload

REPEATS = 3
LOAD = 0.75
END_S = 1e7


def tandem(tasks: int = 200_000, types: int = 8, servers: int = 24, operators: int = 1) -> Any:
    """Serve a workload of single-speed stations, load 0.75 at each, `servers` servers a station."""
    rng = stream(1, "cost laws", tasks, types, servers, operators)
    work = Workload.arriving(
        np.cumsum(rng.standard_exponential(tasks)) / (LOAD * servers * operators),
        rng.integers(types, size=tasks),
        rng.standard_exponential((tasks, 3)),
        operator=rng.integers(operators, size=tasks),
    )
    stations = np.full((operators, 3), servers)
    return lambda: simulate(work, stations, until_s=END_S)


def market(users: int = 150, rounds: int = 4) -> Any:
    """Play the default market with so many users, who ask the same altogether, and rounds."""
    settings = {
        "users.total": users, "users.tasks_per_user_per_s": 24.0 * 150 / users,
        "simulation.rounds": rounds, "simulation.horizon_s": 0.5, "simulation.warmup_s": 0.5,
    }  # fmt: skip
    scenario = load_scenario("teleoperation", [f"{k}={v}" for k, v in settings.items()])
    return lambda: Market(scenario, seed=1, task_sink=lambda rows: None).run()


LAWS: dict[tuple[str, str], tuple[Callable[..., Any], tuple[int, ...]]] = {
    ("simulate", "tasks"): (tandem, (50_000, 200_000, 800_000)),
    ("simulate", "types"): (tandem, (2, 16, 128)),
    ("simulate", "servers"): (tandem, (4, 32, 256)),
    ("simulate", "operators"): (tandem, (1, 8, 64)),
    ("Market.run", "users"): (market, (500, 2_000, 8_000)),
    ("Market.run", "rounds"): (market, (4, 16, 64)),
}


def laws(*, tiny: bool = False) -> list[dict[str, Any]]:
    """Measure every law; a row each, with its exponents."""
    return [law(*key, *how, tiny=tiny) for key, how in LAWS.items()]


def law(
    what: str, name: str, make: Callable[..., Any], sizes: tuple[int, ...], *, tiny: bool
) -> dict[str, Any]:
    """Measure one law: least CPU time of some runs, and the most memory that arrays had."""
    sizes = tuple(size // 50 or 1 for size in sizes) if tiny else sizes
    times, memory = [], []
    for size in sizes:
        play = make(**{name: size})
        play()
        times.append(min(_cpu_s(play) for _ in range(1 if tiny else REPEATS)))
        gc.collect()
        tracemalloc.start()
        play()
        memory.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return {
        "what": what, "grows_with": name, "sizes": sizes, "cpu_s": times, "peak_bytes": memory,
        "time_exponent": exponent(sizes, times), "memory_exponent": exponent(sizes, memory),
    }  # fmt: skip


def exponent(sizes: Any, values: Any) -> float:
    """Slope of ln values over ln sizes, by least squares.

    Examples
    --------
    >>> round(exponent([1, 10, 100], [3.0, 300.0, 30_000.0]), 9)
    2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def _cpu_s(play: Callable[[], Any]) -> float:
    gc.collect()
    before = process_time()
    play()
    return process_time() - before


if __name__ == "__main__":
    print(json.dumps(laws(tiny="--tiny" in sys.argv)))
