"""This version beside an earlier one: both in turn on one machine, CPU time, ratios.

Run `python tests/benchmarks/against.py REV [--json PATH] [--only ROW ...] [--turns N]`, or
`make bench-against REV=...`. The other version is checked out below `.venv/against` and installed
there into an environment of its own; a second time it is found there.

The speed of a shared machine drifts by a third within a minute, so the two take turns, and a ratio
is the median of the ratios within turns. Engines are measured by each version's own `worker.py`,
commands by the CPU time of their processes, machine code warm; what has no command by
`against_parts.py`, which knows how things were called.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from turns import WORKLOADS

Row = dict[str, Any]
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TASKS = 1_000_000
_NUMBERS = count()
SEEDED = ["--seed", "1", "--quiet", "--force", "--out"]
PARTS = {
    "kernel": lambda told: told["kernel alone"],
    "simulate": lambda told: told["engine"],
    "sampling": lambda told: told["with sampling"] - told["engine"],
    "with sampling": lambda told: told["with sampling"],
}


class Version(NamedTuple):
    """A checked-out version and the interpreter it is installed for."""

    name: str
    root: Path
    python: Path

    def command(self, arguments: list[str], directory: str) -> list[str]:
        """The command line of `airan-market`, with a place to write to."""
        place = Path(directory, f"out-{next(_NUMBERS)}")  # nothing is there to go on from
        out = [str(place)] if arguments[-1] == "--out" else []
        return [str(self.python.with_name("airan-market")), *arguments, *out]


def earlier(revision: str) -> Version:
    """Check out and install a revision, unless it is there."""
    name = git("rev-parse", "--short=12", f"{revision}^{{commit}}")
    root = ROOT / ".venv" / "against" / name
    python = root / ".venv" / "bin" / "python"
    if not (root / "installed").exists():
        if not root.exists():
            git("worktree", "prune")
            git("worktree", "add", "--detach", str(root), name)
        subprocess.run([sys.executable, "-m", "venv", root / ".venv"], check=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, "-c", "constraints.txt", "-e", ".[dev]"], cwd=root, check=True)
        (root / "installed").touch()
    return Version(f"{revision} ({name})", root, python)


def git(*arguments: str) -> str:
    """Return what git says about this checkout."""
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def cpu_s(command: list[str], cwd: Path | str, **environment: str) -> float:
    """Return the CPU time of a process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, env=os.environ | environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def told_by(version: Version, script: str, *arguments: str) -> float:
    """Return the number that a script of this directory prints, run by a version."""
    output = subprocess.run(
        [version.python, HERE / script, *arguments], cwd=version.root, check=True,
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    return float(output)


def engine_rows(workload: str, versions: list[Version], turns: int) -> list[Row]:
    """Each version's own worker on one workload, in turn."""
    workers = [
        subprocess.Popen(
            [v.python, v.root / "tests" / "benchmarks" / "worker.py", "compiled", workload,
             str(TASKS)],
            cwd=v.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for v in versions
    ]  # fmt: skip
    try:
        told: list[list[Row]] = [[] for _ in versions]
        for worker in workers:
            assert worker.stdout is not None
            json.loads(worker.stdout.readline())  # ready
        for _ in range(turns):
            for worker, own in zip(workers, told, strict=True):
                assert worker.stdin is not None
                assert worker.stdout is not None
                worker.stdin.write("run\n")
                worker.stdin.flush()
                own.append(json.loads(worker.stdout.readline()))
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    return [
        row(f"{workload}: {part}", [[of(turn) for turn in own] for own in told])
        for part, of in PARTS.items()
    ]


def row(what: str, seconds: list[list[float]]) -> Row:
    """Return medians of both, and of the ratio within turns."""
    old, new = seconds
    ratios = [b / a for a, b in zip(old, new, strict=True)]
    return {
        "what": what, "old_s": old, "new_s": new, "old_median_s": median(old),
        "new_median_s": median(new), "ratio": median(ratios),
    }  # fmt: skip


def in_turn(measure: Callable[[Version], float], versions: list[Version], turns: int) -> Any:
    """Return the seconds of all turns by version."""
    return list(zip(*([measure(v) for v in versions] for _ in range(turns)), strict=True))


def command_row(what: str, arguments: list[str]) -> Callable[[list[Version], int], list[Row]]:
    """A command, warm: its first run makes machine code and is not counted."""

    def measure(versions: list[Version], turns: int) -> list[Row]:
        with TemporaryDirectory() as directory:
            once = [v.command(arguments, directory) for v in versions]
            for command in once:
                cpu_s(command, directory)
            seconds = in_turn(lambda v: cpu_s(v.command(arguments, directory), directory),
                              versions, turns)  # fmt: skip
        return [row(what, seconds)]

    return measure


def module_row(what: str, module: str, command: list[str]) -> Callable[..., list[Row]]:
    """What was `python -m MODULE` before there was a command, and the command; once, warm."""

    def run(version: Version) -> list[str]:
        if (version.root / "airan_market").exists():
            return [str(version.python.with_name("airan-market")), *command]
        return [str(version.python), "-m", module, *command[1:]]

    def measure(versions: list[Version], turns: int) -> list[Row]:
        def seconds(version: Version) -> float:
            with TemporaryDirectory() as directory:
                out = ["--out", str(Path(directory, "out"))] if module in WRITERS else []
                return cpu_s([*run(version), *out], version.root)

        return [row(what, in_turn(seconds, versions, 1))]

    return measure


def part_row(what: str, part: str) -> Callable[[list[Version], int], list[Row]]:
    """A part of the program without a command of its own."""
    return lambda versions, turns: [
        row(what, in_turn(lambda v: told_by(v, "against_parts.py", part), versions, turns))
    ]


def first_compile(versions: list[Version], turns: int) -> list[Row]:
    """The first call of the engine, with nothing compiled."""

    def measure(version: Version) -> float:
        script = version.root / "tests" / "benchmarks" / "first_call.py"
        with TemporaryDirectory() as cache:
            return cpu_s([str(version.python), str(script)], version.root, NUMBA_CACHE_DIR=cache)

    return [row("first compile of the engine", in_turn(measure, versions, turns))]


#: Modules that ask for a directory to write to.
WRITERS = ("analysis.questions",)
SOLVE = ["solve", "teleoperation", "--belief", "priority", "--json", "--mechanism"]
#: What is measured, by the name that `--only` knows.
ROWS: dict[str, Callable[[list[Version], int], list[Row]]] = {
    **{
        name.replace(" ", "-"): lambda versions, turns, name=name: engine_rows(
            name, versions, max(turns, 7)
        )
        for name in WORKLOADS
    },
    "arrivals": part_row("arrivals of a replication (ArrivalStream.until)", "arrivals"),
    "crowd": part_row("10,000 users on 20 operators, 20 rounds of 0.25 s", "crowd"),
    **{
        f"solve-{name}": command_row(f"solve, {name} under priority", [*SOLVE, name])
        for name in ("ct", "mc", "gsmc")
    },
    "run": command_row("run teleoperation", ["run", "teleoperation", *SEEDED]),
    "validate": command_row("validate teleoperation", ["validate", "teleoperation", *SEEDED]),
    "reproduce": command_row("reproduce", ["reproduce", "--out"]),
    "questions": module_row(
        "questions, the rents",
        "analysis.questions",
        ["questions", "teleoperation", "--only", "rent", "--quiet"],
    ),
    "calibrate": module_row("calibrate", "analysis.calibration", ["calibrate", "--quiet"]),
    "first-compile": first_compile,
}


def shown(rows: list[Row], versions: list[Version]) -> Iterator[Table]:
    """Yield the table as people read it."""
    table = Table("what", title="CPU time, in turn", min_width=90)
    for heading in (*(v.name for v in versions), "new / old", "times as fast"):
        table.add_column(heading, justify="right")
    for found in rows:
        table.add_row(
            found["what"], f"{found['old_median_s']:.3g} s", f"{found['new_median_s']:.3g} s",
            f"{found['ratio']:.2f}", f"{1 / found['ratio']:.2f}",
        )  # fmt: skip
    yield table


def main() -> None:
    """Measure, print the table, and write the JSON if asked to."""
    parser = argparse.ArgumentParser(description="this version beside an earlier one")
    parser.add_argument("revision", metavar="REV", help="what git knows it by")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results here too")
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    dirty = "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    here = Version(
        f"here ({git('rev-parse', '--short=12', 'HEAD')}{dirty})", ROOT, Path(sys.executable)
    )
    versions, rows = [earlier(options.revision), here], []
    console = Console(width=None if sys.stdout.isatty() else 140)
    for name in options.only or ROWS:
        console.print(f"measuring {name}", style="dim")
        try:
            rows += ROWS[name](versions, options.turns)
        except subprocess.CalledProcessError as error:
            console.print(f"{name}: not measured, {' '.join(map(str, error.cmd[1:]))} failed")
    for table in shown(rows, versions):
        console.print(table)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        written = {"old": versions[0].name, "new": versions[1].name, "rows": rows}
        options.json.write_text(json.dumps(written, indent=2) + "\n")


if __name__ == "__main__":
    main()
