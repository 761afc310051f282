"""Engines measured in turn: A B C, A B C, ..., each in a process of its own.

The speed of a shared machine drifts by a third within a minute. Engines that take turns drift
together, and a ratio of two times of the same turn hardly drifts: ratios are medians over turns.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

Row = dict[str, Any]
WORKER = Path(__file__).with_name("worker.py")
#: Names of `workloads.py`, which is not imported here: a process that starts with less memory than
#: its parent has is counted from the parent's.
MARKET = "default market"
WORKLOADS = ("tandem-8", "load 0.95", MARKET)
#: What is shown of an engine: the engine as it is called; its kernel alone; and the workload made
#: in the same measurement.
ALL = ("kernel alone", "engine", "with sampling")
PARTS = {
    "compiled": ALL,
    "compiled, all processors": ALL[1:],
    "first Numba": ALL,
    "simpy": ("engine",),
    "ciw": ("engine",),
}
YARDSTICKS = ("simpy", "ciw", "first Numba")


class Cell(NamedTuple):
    """One engine on some number of tasks of a workload."""

    engine: str
    tasks: int


class Worker:
    """The process of a cell."""

    def __init__(self, workload: str, cell: Cell) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), cell.engine, workload, str(cell.tasks)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def answer(self) -> Row:
        """Return the next line that it prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a worker has failed, see above")
        return json.loads(line)

    def run(self) -> Row:
        """Have it run once; returns the seconds of each part."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return self.answer()

    def close(self) -> Row:
        """End it; returns what it did."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        facts = self.answer()
        self._process.wait()
        return facts

    def stop(self) -> None:
        """End it at once, if it has not ended."""
        self._process.kill()
        self._process.wait()


def take_turns(workload: str, cells: Sequence[Cell], repeats: int) -> list[Row]:
    """Measure some engines on one workload; a row for each part of each."""
    workers: dict[str, Worker] = {}
    try:
        for cell in cells:
            workers[cell.engine] = Worker(workload, cell)
        for worker in workers.values():
            worker.answer()  # ready
        turns = [
            {engine: worker.run() for engine, worker in workers.items()} for _ in range(repeats)
        ]
        facts = {engine: worker.close() for engine, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.stop()
    check(workload, facts)
    return [
        row_of(workload, engine, part, turns, facts) for engine in workers for part in PARTS[engine]
    ]


def check(workload: str, facts: dict[str, Row]) -> None:
    """Refuse to compare engines that do not do the same."""
    for engine, fact in facts.items():
        if fact["largest_difference_s"] != 0:
            raise SystemExit(
                f"{engine} on {workload}: its ends of service are not those of the compiled engine "
                f"(largest difference {fact['largest_difference_s']} s)"
            )


def row_of(
    workload: str, engine: str, part: str, turns: list[dict[str, Row]], facts: dict[str, Row]
) -> Row:
    """Return medians and bests of one part of one engine, and its ratios to the yardsticks."""
    fact = facts[engine]
    seconds = [turn[engine][part] for turn in turns]
    row = {
        "workload": workload,
        "engine": engine,
        "part": part,
        **fact,
        "seconds": seconds,
        "tasks_per_s": fact["tasks"] / median(seconds),
        "tasks_per_s_best": fact["tasks"] / min(seconds),
        "ns_per_event": 1e9 * median(seconds) / fact["events"],
        "ns_per_event_best": 1e9 * min(seconds) / fact["events"],
    }
    for yardstick in YARDSTICKS:
        if yardstick in facts:
            key = f"ratio_to_{yardstick.replace(' ', '_').lower()}"
            row[key] = ratio(engine, yardstick, part, turns, facts)
    return row


def ratio(
    engine: str, yardstick: str, part: str, turns: list[dict[str, Row]], facts: dict[str, Row]
) -> float:
    """How many times as fast as a yardstick, by time per event: they may get more or fewer tasks.

    Like is compared with like, as far as the yardstick has that part.
    """
    its_part = part if part in PARTS[yardstick] else "engine"
    events, its_events = facts[engine]["events"], facts[yardstick]["events"]
    return median(
        (turn[yardstick][its_part] / its_events) / (turn[engine][part] / events) for turn in turns
    )
