"""Speed of the engines: tasks per second, time per event, and the ratio to Ciw on this machine.

Run `python tests/benchmarks/bench.py [--json PATH]`. Ciw is slow, so it gets fewer tasks of the
same workload; the ratio is of tasks per second, measured in the same run.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

sys.path.append(str(Path(__file__).resolve().parents[2]))  # run as a script from anywhere

import numpy as np
from ciw_tandem import run_ciw
from rich.console import Console
from rich.table import Table
from tandem8 import SERVERS, tandem8

from sim.engine import simulate
from sim.workload import Workload

END_S = 1e6  # long after the last task
Run = Callable[[Workload], None]


def busy8(tasks: int) -> Workload:
    """Tandem-8 at a GPU load of 0.95 instead of 0.75: long queues, many interruptions."""
    calm = tandem8(tasks)
    columns = calm.columns()
    columns["arrival_s"] = calm.arrival_s * (0.75 / 0.95)
    return Workload(**columns)


def simpy_engine(workload: Workload) -> None:
    """Run the SimPy engine."""
    trace, _ = simulate(workload, SERVERS, until_s=END_S)
    assert len(trace) == len(workload)


def ciw(workload: Workload) -> None:
    """Run Ciw."""
    end_s = run_ciw(workload, SERVERS[0].tolist(), END_S)
    assert not np.isnan(end_s).any()


WORKLOADS = {"tandem-8": tandem8, "tandem-8 at load 0.95": busy8}
ENGINES: dict[str, tuple[Run, int]] = {"simpy": (simpy_engine, 100_000), "ciw": (ciw, 5_000)}
YARDSTICK = "ciw"


def events(workload: Workload) -> int:
    """Count the events of a run: an arrival and an end at each stage, and each interruption."""
    trace, _ = simulate(workload, SERVERS, until_s=END_S)
    return 6 * len(workload) + int(trace.preemptions.sum())


def measure(repeats: int, scale: float) -> list[dict[str, object]]:
    """Time every engine on every workload; the best of `repeats` runs counts."""
    rows: list[dict[str, object]] = []
    for name, make in WORKLOADS.items():
        speed = {}
        for engine, (run, full_size) in ENGINES.items():
            workload = make(max(int(scale * full_size), 1))
            best_s = min(timed(run, workload) for _ in range(repeats))
            speed[engine] = len(workload) / best_s
            rows.append(
                {
                    "workload": name,
                    "engine": engine,
                    "tasks": len(workload),
                    "seconds": best_s,
                    "tasks_per_s": speed[engine],
                    "ns_per_event": 1e9 * best_s / events(workload),
                }
            )
        for row in rows[-len(ENGINES) :]:
            row["ratio_to_ciw"] = speed[str(row["engine"])] / speed[YARDSTICK]
    return rows


def timed(run: Run, workload: Workload) -> float:
    """Return the wall time of one run, s."""
    start = perf_counter()
    run(workload)
    return perf_counter() - start


def table(rows: list[dict[str, object]]) -> Table:
    """Return the results as people read them."""
    shown = Table("workload", "engine", title="Engines")
    for heading in ("tasks", "tasks/s", "ns/event", "times Ciw"):
        shown.add_column(heading, justify="right")
    for row in rows:
        shown.add_row(
            str(row["workload"]),
            str(row["engine"]),
            f"{row['tasks']:,}",
            f"{row['tasks_per_s']:,.0f}",
            f"{row['ns_per_event']:,.0f}",
            f"{row['ratio_to_ciw']:.1f}",
        )
    return shown


def main() -> None:
    """Measure, print the table, and write the JSON if asked to."""
    parser = argparse.ArgumentParser(description="speed of the engines on tandem-8")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results here too")
    parser.add_argument("--repeats", type=int, default=3, help="runs a cell, the best counts")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the tasks, for a try")
    options = parser.parse_args()
    rows = measure(options.repeats, options.scale)
    Console().print(table(rows))
    if options.json:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({**machine, "results": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
