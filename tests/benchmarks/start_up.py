"""What comes before the first task: compiling, loading machine code, the start of the command.

Every time is that of a process of its own. What Numba compiles goes to a temporary directory, so
the first run finds nothing and the others what it has left.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

Row = dict[str, Any]
FIRST_CALL = Path(__file__).with_name("first_call.py")
COMMAND = str(Path(sys.executable).with_name("airan-market"))
RUN = ["run", "teleoperation"]
# how the lines of standard error begin
STARTED = "playing 10 rounds"
ROUND_DONE = "round 1 of 10"


def first_call_rows(repeats: int) -> list[Row]:
    """Cost of the engine's first call in a process, without machine code on disk and with it."""
    with TemporaryDirectory() as cache:
        cold = [first_call(cache)]
        warm = [first_call(cache) for _ in range(repeats)]
    return [
        row(f"compiled engine, {disk}: {what}", [times[what] for times in measured])
        for disk, measured in (("nothing on disk", cold), ("machine code on disk", warm))
        for what in measured[0]
        if disk == "machine code on disk" or what == "first call"
    ]


def first_call(cache: str) -> dict[str, float]:
    """Return the seconds that `first_call.py` prints."""
    output = subprocess.run(
        [sys.executable, str(FIRST_CALL)], env=with_cache(cache), capture_output=True, check=True
    ).stdout
    return json.loads(output)


def command_rows(repeats: int) -> list[Row]:
    """Wall time of the command: its help, a run until it plays and until round 1 is finished."""
    with TemporaryDirectory() as cache:
        cold = [until_said(cache)]
        helped, warm = [], []
        for _ in range(repeats):
            helped.append(help_s(cache))
            warm.append(until_said(cache))
    shown = f"airan-market {' '.join(RUN)}"
    return [
        row("airan-market --help", helped),
        row(f"{shown}, nothing on disk: until round 1 is finished", [cold[0][ROUND_DONE]]),
        row(f"{shown}, machine code on disk: until it plays", [said[STARTED] for said in warm]),
        row(
            f"{shown}, machine code on disk: until round 1 is finished",
            [said[ROUND_DONE] for said in warm],
        ),
    ]


def help_s(cache: str) -> float:
    """Return the wall time of `airan-market --help`."""
    start = perf_counter()
    subprocess.run([COMMAND, "--help"], env=with_cache(cache), capture_output=True, check=True)
    return perf_counter() - start


def until_said(cache: str) -> dict[str, float]:
    """Return the wall time until a run says each of its first lines; then it is ended."""
    with TemporaryDirectory() as directory:
        start = perf_counter()
        with subprocess.Popen(
            [COMMAND, *RUN, "--out", str(Path(directory, "run"))],
            env=with_cache(cache),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            lines, seconds = [], {}
            for line in process.stderr:
                lines.append(line)
                for beginning in (STARTED, ROUND_DONE):
                    if line.startswith(beginning):
                        seconds[beginning] = perf_counter() - start
                if ROUND_DONE in seconds:
                    process.kill()  # figures and report are another matter
                    return seconds
        raise SystemExit(f"airan-market has finished no round:\n{''.join(lines)}")


def with_cache(cache: str) -> dict[str, str]:
    """Return the environment with the cache of machine code in a directory, bytecode kept."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "NUMBA_CACHE_DIR": cache}


def row(what: str, seconds: list[float]) -> Row:
    """Return median and best of some times."""
    return {"what": what, "seconds": seconds, "median_s": median(seconds), "best_s": min(seconds)}
