"""What a run will take: tasks, memory, disk; and whether there is room for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airan_market.analysis.store.manifest import RunError
from airan_market.scenarios import Fault, ScenarioError
from airan_market.scenarios.schema.checks.doubts import BYTES_OF_A_TASK

if TYPE_CHECKING:
    from airan_market.agents.rounds.model import RoundModel

BASE_BYTES = 380e6
"""Memory of a run besides its tasks: the interpreter, its libraries, figures."""

DISK_OF_A_TASK, PART_OF_A_TASK = 65, 80
"""Bytes that a task takes in `tasks.parquet`, and in a part until the run is complete. Measured, of
the default market: 63 and 78."""


@dataclass(frozen=True)
class Expectation:
    """What is left of a run will take.

    Attributes
    ----------
    tasks, most : float
        Mean number of tasks, of all rounds and the warm-up, and of the longest of them.
    left : float
        Of those still to be played.

    Examples
    --------
    >>> print(Expectation(309_000, 30_900, 309_000))
    about 309,000 tasks, 0.4 GB of memory, 0.045 GB of disk (0.02 GB when it is complete)
    """

    tasks: float
    most: float
    left: float

    @classmethod
    def of(cls, market: RoundModel) -> Expectation:
        """Expectation of what a market has still to play."""
        tasks = market.expected_tasks
        left = tasks if market.round == 0 else tasks[market.round + 1 :]
        return cls(float(tasks.sum()), float(left.max(initial=0.0)), float(left.sum()))

    @property
    def memory_bytes(self) -> float:
        """Memory at the most."""
        return BASE_BYTES + self.most * BYTES_OF_A_TASK

    @property
    def disk_bytes(self) -> float:
        """Disk at the most, besides what is there."""
        return self.left * PART_OF_A_TASK + self.tasks * DISK_OF_A_TASK

    def __str__(self) -> str:
        sizes = (self.memory_bytes, self.disk_bytes, self.tasks * DISK_OF_A_TASK)
        memory, disk, kept = (f"{size / 1e9:.2g}" for size in sizes)
        return (
            f"about {self.tasks:,.0f} tasks, {memory} GB of memory, {disk} GB of disk "
            f"({kept} GB when it is complete)"
        )


def require_room(expected: Expectation, name: str, horizon_s: float, place: Path) -> None:
    """Refuse what cannot fit.

    Parameters
    ----------
    expected : Expectation
    name : str
        Of the scenario.
    horizon_s : float
        Length of a round, s.
    place : Path
        A directory that is there, on the disk in question.

    Raises
    ------
    ScenarioError
        When a round takes more memory than is free.
    RunError
        When the run takes more disk than is free.
    """
    memory = free_memory()
    if memory is not None and expected.memory_bytes > memory:
        room = max(0.0, memory - BASE_BYTES) / BYTES_OF_A_TASK / expected.most
        text = (
            f"{expected.most:,.0f} tasks at a time take about {expected.memory_bytes / 1e9:.2g} GB "
            f"of memory, {memory / 1e9:.2g} GB are free; allowed is up to {horizon_s * room:.2g} "
            "here (and more rounds)"
        )
        raise ScenarioError([Fault(name, "simulation.horizon_s", f"{horizon_s:g}", text)])
    disk = shutil.disk_usage(place).free
    if expected.disk_bytes > disk:
        raise RunError(
            f"{place}: the run takes about {expected.disk_bytes / 1e9:.2g} GB of disk, "
            f"{disk / 1e9:.2g} GB are free; allowed are fewer rounds (simulation.rounds), shorter "
            "ones (simulation.horizon_s) or another --out"
        )


def free_memory() -> float | None:
    """Memory that a process can still have, bytes; None where the system does not say.

    The least of what the kernel counts as available and what the control group leaves.
    """
    return min(_available(), default=None)


def _available() -> Iterator[float]:
    meminfo, group = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        yield next(float(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line)
    except (OSError, ValueError, StopIteration):
        if "SC_PHYS_PAGES" in os.sysconf_names:  # all there is, where nobody says what is free
            yield float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    try:
        most, used = ((group / f"memory.{word}").read_text() for word in ("max", "current"))
        yield float(most) - float(used)
    except (OSError, ValueError):
        pass
