"""Many users on many operators, played and written: what a task costs, by stage of its way.

    python crowd.py                                  # 10,000 users, 20 operators, 200 rounds of 1 s
    python crowd.py --users 100000 --operators 100 --rounds 50
    python crowd.py --laws                           # exponents in users, operators and rounds

Operators have 23 servers for 25 users, so load does not depend on the size. The run directory is
written to a temporary folder, and removed; figures are left out. Times of stages are those of the
thread that plays: what is written beside it shows in CPU time alone.
"""

import argparse
import json
import resource
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any
from warnings import simplefilter

from cost_laws import exponent

import airan_market.agents.rounds.model as rounds_model
from airan_market.agents.market.clearing import ClearingHouse
from airan_market.agents.market.model import Market
from airan_market.agents.primitives.traffic import DrawnTraffic
from airan_market.analysis import play as playing
from airan_market.analysis.store.writer import RunWriter
from airan_market.scenarios import load_scenario
from airan_market.scenarios.dump import dump_toml

#: Where a stage of a task's way is: what is called, and under which name.
STAGES: dict[str, tuple[Any, str]] = {
    "agreed": (Market, "_agree"),
    "drawn": (DrawnTraffic, "demand"),
    "offered": (Market, "_workload"),
    "charged": (ClearingHouse, "admit"),
    "simulated": (Market, "_simulate"),
    "counted": (rounds_model, "occupancy"),
    "settled": (ClearingHouse, "settle"),
    "observed": (Market, "_observe"),
    "written": (RunWriter, "commit"),
    "finished": (RunWriter, "finish"),
    "summed up": (playing, "write_summary"),
}
SERVERS_PER_USER = {"uplink": 0.86, "gpu": 0.34, "downlink": 3.2}
WARM_UP = 1_000
LAWS = {
    "users": (5_000, 10_000, 20_000, 40_000),
    "operators": (10, 20, 40, 80),
    "rounds": (5, 10, 20, 40),
}
USUAL = {"users": 10_000, "operators": 20, "rounds": 10}


def crowd(directory: Path, users: int, operators: int, rounds: int) -> Any:
    """The default market with so many users, on so many operators alike, in rounds of 1 s."""
    text = dump_toml(
        load_scenario("teleoperation", [f"users.total={users}", "simulation.rounds=1"])
    )
    start, end = text.index("[[operators]]"), text.index("[mechanism]")
    rates = {
        "uplink": "rate_bps = 200e6",
        "gpu": "rate_flop_per_s = 40e12",
        "downlink": "rate_bps = 200e6",
    }
    stations = "\n".join(
        f"{stage} = {{ servers = {max(1, round(each * users / operators))}, {rates[stage]} }}"
        for stage, each in SERVERS_PER_USER.items()
    )
    tables = "\n".join(
        f'[[operators]]\nname = "operator {number}"\n{stations}\n'
        for number in range(1, operators + 1)
    )
    path = directory / "crowd.toml"
    path.write_text(f"{text[:start]}{tables}\n{text[end:]}", encoding="utf-8")
    settings = [f"simulation.rounds={rounds}", "simulation.horizon_s=1", "simulation.warmup_s=1"]
    return load_scenario(str(path), settings)


def timed(spent: dict[str, float], stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which adds the seconds that it takes."""

    def play(*given: Any, **settings: Any) -> Any:
        before = perf_counter()
        try:
            return work(*given, **settings)
        finally:
            spent[stage] += perf_counter() - before

    return play


def measured(users: int, operators: int, rounds: int) -> dict[str, Any]:
    """Play and write one market; seconds, and nanoseconds a task by stage."""
    simplefilter("ignore")  # that a round has many tasks is known
    spent: dict[str, float] = defaultdict(float)
    with TemporaryDirectory() as name:
        directory = Path(name)
        playing.play(crowd(directory, WARM_UP, 2, 1), 1, directory / "first", figures=False)
        for stage, (owner, attribute) in STAGES.items():
            setattr(owner, attribute, timed(spent, stage, getattr(owner, attribute)))
        scenario = crowd(directory, users, operators, rounds)
        wall_s, cpu_s = perf_counter(), process_time()
        playing.play(scenario, 1, directory / "run", figures=False)
        wall_s, cpu_s = perf_counter() - wall_s, process_time() - cpu_s
        manifest = json.loads((directory / "run" / "manifest.json").read_text(encoding="utf-8"))
    tasks = manifest["tables"]["tasks.parquet"]["rows"]
    return {
        "users": users, "operators": operators, "rounds": rounds, "tasks": tasks,
        "wall_s": wall_s, "cpu_s": cpu_s,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "ns_a_task": {stage: 1e9 * seconds / tasks for stage, seconds in spent.items()},
    }  # fmt: skip


def told(row: dict[str, Any]) -> str:
    """A market in a line, its stages in another."""
    each = ", ".join(f"{stage} {ns:.0f}" for stage, ns in row["ns_a_task"].items())
    return (
        f"{row['users']:,} users, {row['operators']} operators, {row['rounds']} rounds: "
        f"{row['tasks']:,} tasks in {row['wall_s']:.0f} s ({row['cpu_s']:.0f} s of CPU), "
        f"{row['peak_bytes'] / 1e9:.1f} GB\n  ns a task: {each}"
    )


def alone(**size: int) -> dict[str, Any]:
    """`measured` in a process of its own, so that memory is its own."""
    asked = [word for name, n in size.items() for word in (f"--{name}", str(n))]
    ran = subprocess.run(
        [sys.executable, __file__, *asked, "--json"], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(ran.stdout)


def main() -> None:
    """Measure one size, or how it grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in {**USUAL, "rounds": 200}.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--laws", action="store_true", help="fit exponents, over four sizes each")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if not asked.laws:
        row = measured(asked.users, asked.operators, asked.rounds)
        print(json.dumps(row) if asked.json else told(row))
        return
    for name, sizes in LAWS.items():
        rows = [alone(**{**USUAL, name: size}) for size in sizes]
        for row in rows:
            print(told(row))
        time, memory = (
            exponent(sizes, [row[key] for row in rows]) for key in ("cpu_s", "peak_bytes")
        )
        print(f"{name}: CPU time grows with exponent {time:.2f}, memory with {memory:.2f}\n")


if __name__ == "__main__":
    main()
