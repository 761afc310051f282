"""Commands small enough to be played again and again, and what they leave."""

import subprocess
import sys
from pathlib import Path

from airan_market.analysis.cli.program import invoke

SMALL_RUN = ["--set", "simulation.warmup_s=0.05", "--rounds", "3", "--horizon", "0.1"]
SMALL_PACT = ["--set", "traffic.users=30", "--set", "simulation.rounds=2",
              "--set", "simulation.horizon_s=2"]  # fmt: skip
COMMANDS = {
    "run": ["run", "teleoperation", *SMALL_RUN],
    "run pact": ["run", "pact", *SMALL_PACT],
    "pact": ["pact", "pact"],
    "validate": ["validate", "bound_fails", "--tasks", "2e4", "--replications", "5", "--paths",
                 "64", "--points", "2", "--no-beyond", "--no-map"],
    "reproduce": ["reproduce", "--only", "table1", "--draws", "1", "--workers", "1"],
    "questions": ["questions", "bound_fails", "--only", "rent", "--draws", "1", "--replications",
                  "2", "--workers", "1"],
}  # fmt: skip


def files(directory: Path) -> dict[str, bytes]:
    """Every file but the manifest, which holds the start and the wall time, and pages with it."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in ("manifest.json", "report.html")
    }


def unpictured(found: dict[str, bytes]) -> dict[str, bytes]:
    """Those of the files that are no figures."""
    return {name: content for name, content in found.items() if not name.startswith("figures")}


def command(arguments: list[str], out: Path) -> int:
    """Status of a command in this process."""
    return invoke([*arguments, "--out", str(out), "--quiet"])


def finished(arguments: list[str], out: Path) -> int:
    """Status of a command repeated; where all but the drawing was there, of `report`."""
    status = command(arguments, out)
    there = out / "manifest.json"
    if status == 2 and there.exists() and '"status": "complete"' in there.read_text("utf-8"):
        return invoke(["report", str(out), "--quiet"])
    return status


def process(arguments: list[str], **named) -> subprocess.Popen:
    """A command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "airan_market", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **named,
    )  # fmt: skip
