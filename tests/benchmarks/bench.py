"""Speed of the engines beside their peers, what their start costs, and speed of Algorithm 1.

Run `python tests/benchmarks/bench.py [--json PATH] [--only PART ...]`. It prints tables, and writes
them to JSON with the facts of the machine that they depend on. An event is an arrival or an end of
service at a stage, or an interruption.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from start_up import command_rows, first_call_rows
from turns import MARKET, WORKLOADS, YARDSTICKS, Cell, Worker, take_turns

from airan_market.sim.processors import processors

Row = dict[str, Any]
PACKAGES = ("numpy", "numba", "llvmlite", "simpy", "ciw", "scipy")


class Scale(NamedTuple):
    """How much is measured: tasks a run of each engine, and repeats."""

    compiled: int
    simpy: int
    ciw: int
    turns: int
    starts: int
    algorithm1: int


SCALES = {
    "full": Scale(1_000_000, 20_000, 5_000, turns=7, starts=5, algorithm1=3),
    "tiny": Scale(2_000, 500, 200, turns=2, starts=1, algorithm1=1),
}


def engines(workload: str) -> Callable[[Scale], list[Row]]:
    """Return the measurement of all engines on a workload."""

    def measure(scale: Scale) -> list[Row]:
        cells = [
            Cell("compiled", scale.compiled),
            Cell("first Numba", scale.compiled),
            Cell("simpy", scale.simpy),
            Cell("ciw", scale.ciw),
        ]
        if workload == MARKET:  # the others have a single operator, nothing to share out
            cells.insert(1, Cell("compiled, all processors", scale.compiled))
        return take_turns(workload, cells, scale.turns)

    return measure


#: Part of the benchmark by the name that `--only` knows: its measurement, and the table it is in.
PARTS: dict[str, tuple[Callable[[Scale], list[Row]], str]] = {
    **{name.replace(" ", "-"): (engines(name), "engines") for name in WORKLOADS},
    "first-call": (lambda scale: first_call_rows(scale.starts), "start"),
    "command": (lambda scale: command_rows(scale.starts), "start"),
    "laws": (lambda scale: law_rows(tiny=scale is SCALES["tiny"]), "laws"),
}
ALGORITHM_1 = "algorithm-1"  # has tables of its own


def compile_all() -> None:
    """Have the machine code of both kernels made, so that no measurement contains it."""
    workers = [Worker("tandem-8", Cell(engine, 0)) for engine in ("compiled", "first Numba")]
    for worker in workers:
        worker.answer()
        worker.stop()


def machine() -> Row:
    """Return what the figures depend on."""
    return {
        "processor": processor(),
        "machine": platform.machine(),
        "system": platform.system(),
        "processors": os.cpu_count(),
        "processors_granted": processors(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def processor() -> str:
    """Model of the processor; Linux has it in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def engine_tables(rows: list[Row]) -> list[Table]:
    """Return the engines as people read them, a table for each workload."""
    by_workload: dict[str, list[Row]] = {}
    for row in rows:
        by_workload.setdefault(row["workload"], []).append(row)
    return [engine_table(workload, own) for workload, own in by_workload.items()]


def engine_table(workload: str, rows: list[Row]) -> Table:
    """Return the engines on one workload; speeds are medians over turns, and bests."""
    shown = Table(title=f"Engines on {workload}")
    shown.add_column("engine", min_width=26)
    headings = ("tasks", "interr.", "tasks/s", "best", "ns/event", "best", "peak", "a task")
    for heading in (*headings, *(f"× {yardstick}" for yardstick in YARDSTICKS)):
        # a heading may be broken into words, a number may not
        shown.add_column(heading, justify="right", min_width=6)
    for row in rows:
        shown.add_row(
            row["engine"] if row["part"] == "engine" else f"{row['engine']}, {row['part']}",
            f"{row['tasks']:,}",
            f"{row['interruptions'] / row['tasks']:.2f}",
            short(row["tasks_per_s"]),
            short(row["tasks_per_s_best"]),
            f"{row['ns_per_event']:,.0f}",
            f"{row['ns_per_event_best']:,.0f}",
            f"{row['peak_bytes'] / 1e6:,.0f} MB",
            f"{row['peak_increase_bytes'] / row['tasks']:,.0f} B",
            *(short(row[key]) for key in row if key.startswith("ratio_to_")),
        )
    shown.caption = (
        "interr.: interruptions of a task. peak: most memory of the process. a task: increase of "
        "that by the runs, workload included. × simpy: how many times as fast as SimPy, by time "
        "per event, median over turns."
    )
    return shown


def short(number: float) -> str:
    """Return a number with three digits and a unit."""
    if number >= 1e6:
        return f"{number / 1e6:.3g} M"
    if number >= 1e4:
        return f"{number / 1e3:.3g} k"
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}"


def start_tables(rows: list[Row]) -> list[Table]:
    """Return the costs of a start as people read them."""
    shown = Table("what", title="Start")
    for heading in ("times", "median, s", "best, s"):
        shown.add_column(heading, justify="right")
    for row in rows:
        shown.add_row(
            row["what"],
            str(len(row["seconds"])),
            f"{row['median_s']:.3g}",
            f"{row['best_s']:.3g}",
        )
    return [shown]


def law_rows(*, tiny: bool) -> list[Row]:
    """Cost laws, measured in a process of their own."""
    command = [sys.executable, str(Path(__file__).with_name("cost_laws.py")), *["--tiny"] * tiny]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def law_tables(rows: list[Row]) -> list[Table]:
    """Return the cost laws as people read them."""
    shown = Table("cost of", "grows with", title="Cost laws: exponents fitted to CPU time, memory")
    for heading in ("sizes", "CPU time", "time ~ n^", "memory ~ n^"):
        shown.add_column(heading, justify="right")
    for row in rows:
        shown.add_row(
            row["what"],
            row["grows_with"],
            ", ".join(f"{size:,}" for size in row["sizes"]),
            ", ".join(f"{s:.3g} s" for s in row["cpu_s"]),
            f"{row['time_exponent']:.2f}",
            f"{row['memory_exponent']:.2f}",
        )
    return [shown]


TABLES = {"engines": engine_tables, "start": start_tables, "laws": law_tables}


def main() -> None:
    """Measure, print the tables, and write the JSON if asked to."""
    parser = argparse.ArgumentParser(description="speed of engines, start, Algorithm 1")
    names = [*PARTS, ALGORITHM_1]
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results here too")
    parser.add_argument("--only", nargs="+", choices=names, metavar="PART", help=", ".join(names))
    parser.add_argument("--scale", choices=SCALES, default="full", help="tiny: to try it out")
    options = parser.parse_args()
    chosen, scale = options.only or names, SCALES[options.scale]
    start = perf_counter()
    facts = machine()
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
    compile_all()
    results: dict[str, Any] = {}
    for name, (measure, table) in PARTS.items():
        if name in chosen:
            results.setdefault(table, []).extend(measure(scale))
    for table, rows in results.items():
        for shown in TABLES[table](rows):
            console.print(shown)
    if ALGORITHM_1 in chosen:
        # imported last: what this process weighs would show in the memory of its children
        import algorithm1

        results[ALGORITHM_1] = algorithm1.measure(scale.algorithm1)
        for shown in algorithm1.tables(results[ALGORITHM_1]):
            console.print(shown)
    seconds = perf_counter() - start
    console.print(f"measured in {seconds:.0f} s")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        written = {"machine": facts, "scale": options.scale, "seconds": seconds, **results}
        options.json.write_text(json.dumps(written, indent=2) + "\n")


if __name__ == "__main__":
    main()
