"""Processes that compile at the same time must not harm each other's machine code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMMAND = [
    *(sys.executable, "-c", "from airan_market.__main__ import main; main()"),
    *("run", "teleoperation", "--rounds", "1", "--horizon", "0.2", "--quiet"),
]


@pytest.mark.long
def test_processes_may_start_together_with_nothing_compiled(tmp_path: Path) -> None:
    """Four first runs at once, then four with what they left; none may die.

    Compiled ufuncs failed here in about one start of eight (a jump to address 0).
    """
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }
    for start in ("cold", "warm"):
        processes = [
            subprocess.Popen([*COMMAND, "--out", str(tmp_path / f"{start}-{n}")], env=environment)
            for n in range(4)
        ]
        assert [process.wait(timeout=300) for process in processes] == [0] * 4
