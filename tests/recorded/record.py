"""Hashes of everything a user measures, taken through the command line before and after a change.

    python tests/recorded/record.py write FILE [--program PATH]   # play everything, keep the hashes
    python tests/recorded/record.py compare OLD NEW               # what differs; status 1 if so

`hashes.json` beside this file are those of the state that is released; a test plays all again.

Short runs of every shipped scenario, on both engines and under every mechanism, and the JSON of
`solve`, `validate` and `pact`. Of a table every column is hashed on its own, by the bytes of its
values and of its nulls, so that a new column does not hide whether the old ones are the same. Equal
hashes are expected on one processor and one set of package versions only, which stand in the file:
another may round the last bit of a sum elsewhere.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from llvmlite.binding import get_host_cpu_name

PROGRAM = str(Path(sys.executable).with_name("airan-market"))
Hashes = dict[str, dict[str, dict[str, str]]]  # by command, table, column or entry

PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "pandas", "pyarrow", "simpy", "mesa")
SHORT = ["--rounds", "2", "--horizon", "0.5", "--set", "simulation.warmup_s=0.2"]
TRACE = "trace.csv"
MARKETS = {
    "teleoperation": [],
    "bound_fails": [],
    "llm_replay": ["--set", f"simulation.arrivals.trace={TRACE}"],
}
MECHANISMS = ("mixed", "ct", "mc", "gsmc")
BELIEFS = ("chernoff-optimised", "fifo", "priority", "measured")
EFFORT = [
    "--replications", "10", "--tasks", "2e4", "--paths", "200", "--points", "5", "--warmup", "0.2",
]  # fmt: skip


def commands() -> dict[str, list[str]]:
    """Name and arguments of everything that is played; `{out}` is a directory to write to."""
    played: dict[str, list[str]] = {}
    for name, own in MARKETS.items():
        for engine in ("compiled", "simpy"):
            for mechanism in MECHANISMS:
                played[f"run {name} {engine} {mechanism}"] = [
                    "run", name, *own, *SHORT, "--engine", engine, "--mechanism", mechanism,
                    "--out", "{out}",
                ]  # fmt: skip
        chosen = [("--mechanism", mechanism) for mechanism in MECHANISMS]
        for option, value in [*chosen, *(("--belief", belief) for belief in BELIEFS)]:
            played[f"solve {name} {value}"] = ["solve", name, "--json", *own, option, value]
    laws = {
        "bursts": ["--set", "simulation.arrivals.burst_ratio=4"],
        "lognormal": ["--set", "task.law.lognormal_cv=2"],
        "projected": ["--set", "simulation.assignment=projected"],
        "margin": ["--set", "mechanism.participation_margin_usd=5e-6"],
    }
    for law, own in laws.items():
        played[f"run teleoperation {law}"] = [
            "run", "teleoperation", *own, *SHORT, "--out", "{out}",
        ]  # fmt: skip
    for name, own in (("bound_fails", []), ("teleoperation", ["--no-beyond", "--no-map"])):
        played[f"validate {name}"] = [
            "validate", name, "--json", *own, *EFFORT, "--out", "{out}",
        ]  # fmt: skip
    for engine in ("compiled", "simpy"):
        played[f"run pact {engine}"] = ["run", "pact", *SHORT, "--engine", engine, "--out", "{out}"]
    for menu in ("continuous", "discrete"):
        played[f"pact {menu}"] = ["pact", "pact", "--json", "--set", f"pact.menu={menu}"]
    played["pact tables"] = ["pact", "pact", "--out", "{out}"]
    return played


def write_trace(path: Path, requests: int = 3000) -> None:
    """Write requests in the columns of the Azure trace, ten minutes of them, from a fixed seed."""
    rng = np.random.default_rng(1)
    second = np.sort(rng.uniform(0.0, 600.0, requests))
    asked, written = rng.integers(10, 4000, requests), rng.integers(1, 700, requests)
    rows = [
        f"2023-11-16 18:{int(s // 60):02d}:{s % 60:010.7f},{a},{w}"
        for s, a, w in zip(second, asked, written, strict=True)
    ]
    path.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows, ""]))


def digest(content: bytes) -> str:
    """Eight hexadecimal digits of SHA-256."""
    return hashlib.sha256(content).hexdigest()[:8]


def column_digest(column: pa.ChunkedArray) -> str:
    """Hash of a column's values, nulls told apart, however the file cuts it into pieces."""
    values = column.to_pylist()
    return digest(json.dumps(values).encode())


def table_digests(path: Path) -> dict[str, str]:
    """Hash of every column of a Parquet table."""
    table = pq.read_table(path)
    return {name: column_digest(table.column(name)) for name in table.column_names}


def json_digests(content: dict, prefix: str = "") -> dict[str, str]:
    """Hash of every entry of a JSON object, two levels deep."""
    found: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, dict) and not prefix:
            found |= json_digests(value, f"{key}.")
        else:
            found[f"{prefix}{key}"] = digest(json.dumps(value, sort_keys=True).encode())
    return found


def taken_on() -> dict[str, str]:
    """What equal hashes are expected on only."""
    found = {"python": platform.python_version(), "processor": get_host_cpu_name()}
    return found | {package: version(package) for package in PACKAGES}


def play(program: str, arguments: list[str], directory: Path) -> dict[str, dict[str, str]]:
    """Run one command in `directory` and hash what it left and printed."""
    out = directory / "out"
    words = [word.replace("{out}", str(out)) for word in arguments]
    done = subprocess.run(
        [program, *words], cwd=directory, capture_output=True, text=True, check=False,
        env={**os.environ, "NUMBA_NUM_THREADS": "1"},
    )  # fmt: skip
    if done.returncode:
        return {"failed": {"status": str(done.returncode), "says": done.stderr[-300:]}}
    found: dict[str, dict[str, str]] = {}
    if "--json" in words:
        found["json"] = json_digests(json.loads(done.stdout))
    for path in sorted(out.rglob("*")) if out.is_dir() else ():
        if path.suffix == ".parquet":
            found[path.name] = table_digests(path)
        elif path.suffix in (".csv", ".md"):
            found[path.name] = {"bytes": digest(path.read_bytes())}
    return found


def record(program: str = PROGRAM, only: str = "") -> Hashes:
    """Play every command, two at a time, and return what each gave."""
    wanted = {name: words for name, words in commands().items() if only in name}
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(2) as pool:

        def one(entry: tuple[int, tuple[str, list[str]]]) -> tuple[str, dict[str, dict[str, str]]]:
            number, (name, words) = entry
            directory = Path(place) / str(number)
            directory.mkdir()
            write_trace(directory / TRACE)
            found = play(program, words, directory)
            shutil.rmtree(directory)
            print(name, "FAILED" if "failed" in found else "", file=sys.stderr)
            return name, found

        return dict(pool.map(one, enumerate(wanted.items())))


def differences(old: Hashes, new: Hashes) -> list[str]:
    """Lines that say what of `old` is missing or different in `new`, and what is new there."""
    lines = []
    for command in sorted(old.keys() | new.keys()):
        before, after = old.get(command, {}), new.get(command, {})
        for table in sorted(before.keys() | after.keys()):
            one, two = before.get(table, {}), after.get(table, {})
            for entry in sorted(one.keys() | two.keys()):
                if one.get(entry) != two.get(entry):
                    how = "gone" if entry not in two else "new" if entry not in one else "differs"
                    lines.append(f"{command}: {table}: {entry}: {how}")
    return lines


def written(hashes: Hashes) -> str:
    """Text of a file of hashes, a line a table."""
    lines = []
    for command, tables in sorted(hashes.items()):
        rows = [f"   {json.dumps(name)}: {json.dumps(tables[name])}" for name in sorted(tables)]
        lines.append(f"  {json.dumps(command)}: {{\n" + ",\n".join(rows) + "\n  }")
    every = ",\n".join(lines)
    return f'{{\n "taken_on": {json.dumps(taken_on())},\n "hashes": {{\n{every}\n }}\n}}\n'


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest="what", required=True)
    writing = kinds.add_parser("write")
    writing.add_argument("file", type=Path)
    writing.add_argument("--program", default=PROGRAM)
    writing.add_argument("--only", default="", help="commands whose name holds this")
    comparing = kinds.add_parser("compare")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    asked = parser.parse_args()
    if asked.what == "write":
        found = record(asked.program, asked.only)
        asked.file.write_text(written(found))
        return int(any("failed" in entry for entry in found.values()))
    old, new = (json.loads(file.read_text())["hashes"] for file in (asked.old, asked.new))
    lines = differences(old, new)
    print("\n".join(lines) or "everything is the same")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
