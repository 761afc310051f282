"""Two files that `bench.py --json` wrote, side by side: `python compare.py OLD NEW`.

Speeds of different days drift with the machine; what each engine makes of SimPy's speed in its own
run drifts little, and is compared beside them.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]


def paired(old: Row, new: Row) -> list[tuple[str, float, float]]:
    """What both files have: name, old and new value; speeds, ratios to SimPy, starts, exponents."""
    both = [values(old), values(new)]
    return [(name, both[0][name], both[1][name]) for name in both[0] if name in both[1]]


def values(written: Row) -> dict[str, float]:
    """Every figure of a file, by a name that says what it is.

    Examples
    --------
    >>> values({"start": [{"what": "airan-market --help", "median_s": 0.2}]})
    {'airan-market --help, s': 0.2}
    """
    found: dict[str, float] = {}
    for row in written.get("engines", []):
        name = f"{row['workload']}, {row['engine']}, {row['part']}"
        found[f"{name}, tasks/s"] = row["tasks_per_s"]
        if "ratio_to_simpy" in row:
            found[f"{name}, times SimPy"] = row["ratio_to_simpy"]
    for row in written.get("start", []):
        found[f"{row['what']}, s"] = row["median_s"]
    for row in written.get("laws", []):
        name = f"{row['what']} over {row['grows_with']}"
        found[f"{name}, exponent of time"] = row["time_exponent"]
        found[f"{name}, exponent of memory"] = row["memory_exponent"]
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="two files of the benchmark side by side")
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args()
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in vars(options).values())
    shown = Table("what", title="Benchmarks")
    for heading in (options.old.stem, options.new.stem, "new / old"):
        shown.add_column(heading, justify="right")
    for name, before, after in paired(old, new):
        shown.add_row(name, f"{before:.4g}", f"{after:.4g}", f"{after / before:.2f}")
    console = Console(width=140)
    if old.get("machine") != new.get("machine"):
        console.print("measured on different machines, or with other packages")
    console.print(shown)


if __name__ == "__main__":
    main()
