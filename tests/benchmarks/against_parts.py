"""What `against.py` measures of parts without a command: prints CPU seconds.

`python against_parts.py arrivals|crowd`. It is run by interpreters that have other versions of the
program installed, 0.3.0 the oldest, so it knows where things were then.
"""

import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np

UNTIL_S, RATES_PER_S = 700.0, [180.0] * 8  # about a million tasks
MEAN_S = [0.025, 0.0125, 0.1]
OPERATORS, USERS = 20, 10_000


def found(*places: str) -> Any:
    """Return the first of these `module:name` that there is."""
    for place in places:
        module, _, name = place.partition(":")
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue
    raise SystemExit(f"none of {', '.join(places)}")


def arrivals() -> float:
    """Draw the tasks of one replication."""
    source = found("airan_market.sim.traffic.arrival_stream:ArrivalStream", "sim.source:Source")
    law = found("airan_market.sim.traffic.work_laws:Exponential", "sim.laws:Exponential")
    poisson = found("airan_market.sim.traffic.arrival_laws:Poisson", "sim.arrival_laws:Poisson")
    seconds = []
    for replication in range(5):
        own = source(
            np.array(RATES_PER_S), np.array(MEAN_S), law(), poisson(), (1, "bench", replication)
        )
        before = process_time()
        own.until(UNTIL_S)
        seconds.append(process_time() - before)
    return min(seconds)


def crowd() -> float:
    """Play a market of many users and operators."""
    load = found("airan_market.scenarios:load_scenario", "scenarios:load_scenario")
    market = found("airan_market.agents.market.model:Market", "agents.market:Market")
    shipped = found("airan_market.scenarios.dump:dump_toml", "scenarios.dump:dump_toml")
    text = shipped(load("teleoperation", [f"users.total={USERS}"]))
    start, end = text.index("[[operators]]"), text.index("[mechanism]")
    operators = "\n".join(
        f'[[operators]]\nname = "operator {number}"\n'
        f"uplink = {{ servers = {up}, rate_bps = 200e6 }}\n"
        f"gpu = {{ servers = {gpu}, rate_flop_per_s = 40e12 }}\n"
        f"downlink = {{ servers = {down}, rate_bps = 200e6 }}\n"
        for number, (up, gpu, down) in enumerate([(430, 170, 1600)] * OPERATORS, start=1)
    )
    with TemporaryDirectory() as directory:
        path = Path(directory, "crowd.toml")
        path.write_text(f"{text[:start]}{operators}\n{text[end:]}")
        scenario = load(str(path), ["simulation.rounds=20", "simulation.horizon_s=0.25"])
        market(load(str(path), ["simulation.rounds=1", "simulation.horizon_s=0.01"]), seed=1).run()
    before = process_time()
    market(scenario, seed=1).run()
    return process_time() - before


if __name__ == "__main__":
    print({"arrivals": arrivals, "crowd": crowd}[sys.argv[1]]())
