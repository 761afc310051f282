"""Methods for rare violations compared: `python tests/benchmarks/rare_event.py [--paths N]`.

For tandems with one dominant stage and balanced ones, loads from 0.5 to 0.98, the highest and the
lowest type, each method estimates P(T > t) at 1e-3 to 1e-9. A row says

- the relative standard error ε, and the largest batch's share in the sum (1/32 is perfect; from a
  fifth on the error cannot be trusted, and is itself more often too small than too large);
- ε² × events: relative variance times work, the smaller the better;
- how many times fewer tasks, and events, than crude Monte Carlo needs for the same ε. Crude needs
  (1 - p)/(p ε²) tasks. Its events are those of the cheaper of two ways: the tagged chain, measured,
  or a simulation of everybody, taken as 2S events for a task of any type and no two correlated.

p is the estimate of splitting, which tests/sim/rare/test_rare_event.py holds against exact answers.
A method that is more than four standard errors of both away from it is called wrong: it has missed
the paths that matter, and its own error with them.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rival_methods import METHODS

from airan_market.sim.rare.rare_event import rare_tail

COMPARED = ("splitting", "importance", "time splitting")
TARGETS = (1e-3, 1e-5, 1e-7, 1e-9)
TYPES = 4
Tandem = tuple[list[int], list[float], float]

#: name: servers, service rates (1/s), load of the slowest stage by all types
TANDEMS: dict[str, Tandem] = {
    "GPU dominant, 0.70": ([28, 12, 115], [278.0, 111.0, 185.0], 0.70),
    "GPU dominant, 0.95": ([28, 12, 115], [278.0, 111.0, 185.0], 0.95),
    "single servers, 0.50": ([1, 1, 1], [2.0, 2.0, 2.0], 0.50),
    "single servers, 0.90": ([1, 1, 1], [2.0, 2.0, 2.0], 0.90),
    "balanced 5, 0.80": ([5, 5, 5], [2.0, 2.0, 2.0], 0.80),
    "balanced 5, 0.98": ([5, 5, 5], [2.0, 2.0, 2.0], 0.98),
    "balanced 24, 0.90": ([24, 24, 24], [2.0, 2.0, 2.0], 0.90),
}


def latencies_at(targets: tuple[float, ...], where: tuple[Any, ...], seed: int) -> list[float]:
    """Latencies with about these probabilities, from a coarse curve."""
    mu = where[1]
    end_s = 10 * sum(1 / rate for rate in mu)
    while rare_tail([end_s], *where, seed=seed, paths=640).probability[0] > min(targets) / 3:
        end_s *= 1.5
    t = np.linspace(0, end_s, 40)
    probability = rare_tail(t, *where, seed=seed, paths=320).probability
    return [
        float(np.interp(-np.log(target), -np.log(np.maximum(probability, 1e-300)), t))
        for target in targets
    ]


def measure(
    name: str, where: tuple[Any, ...], type_name: str, paths: int, seed: int
) -> list[dict[str, Any]]:
    """Rows of one type of a tandem."""
    servers, _, rates, type_ = where
    everybody = 2 * len(servers) * sum(rates[: type_ + 1]) / rates[type_]
    rows = []
    for t in latencies_at(TARGETS, where, seed):
        crude = rare_tail([t], *where, seed=seed, paths=3200, method=METHODS["crude"])
        crude_events = min(crude.events / crude.paths, everybody)
        p = first_error = 0.0
        for method in COMPARED:
            start = time.process_time()
            tail = rare_tail([t], *where, seed=seed, paths=paths, method=METHODS[method])
            seconds = time.process_time() - start
            p = p or float(tail.probability[0])
            estimate = float(tail.probability[0])
            error = float(tail.standard_error[0]) / p
            first_error = first_error or error
            # a method that has seen nothing has no error to speak of
            saved = (1 - p) / (p * error**2 * tail.paths) if estimate > 0 else 0.0
            rows.append(
                {
                    "tandem": name,
                    "type": type_name,
                    "latency_s": t,
                    "probability": p,
                    "method": method,
                    "estimate": estimate,
                    "relative_error": error,
                    "agrees": bool(abs(estimate / p - 1) < 4 * np.hypot(error, first_error)),
                    "largest_share": float(tail.largest_share[0]),
                    "variance_times_events": error**2 * tail.events,
                    "events_per_path": tail.events / tail.paths,
                    "fewer_tasks": saved,
                    "fewer_events": saved * crude_events * tail.paths / tail.events,
                    "cpu_s": seconds,
                }
            )
            print(line(rows[-1]), flush=True)
    return rows


HEADER = (
    f"{'tandem, load':22}{'type':8}{'P':>9} {'method':16}{'estimate/P':>10}{'ε':>8}{'share':>7}"
    f"{'ε² × events':>13}{'fewer tasks':>13}{'fewer events':>14}{'CPU s':>8}"
)


def line(row: dict[str, Any]) -> str:
    """Return a row of the table."""
    trusted = row["largest_share"] < 0.2
    saved = [f"{row[key]:.1e}" if trusted else "?" for key in ("fewer_tasks", "fewer_events")]
    if not row["agrees"]:
        saved = ["wrong", "wrong"]
    return (
        f"{row['tandem']:22}{row['type']:8}{row['probability']:9.1e} {row['method']:16}"
        f"{row['estimate'] / row['probability']:10.2f}{row['relative_error']:8.3f}"
        f"{row['largest_share']:7.2f}{row['variance_times_events']:13.1e}"
        f"{saved[0]:>13}{saved[1]:>14}{row['cpu_s']:8.2f}"
    )


def main(arguments: list[str]) -> None:
    """Print the table, and write it as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=3200, help="tagged tasks of each estimate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="tandems whose name contains this")
    parser.add_argument("--json", type=Path, help="write the rows there too")
    options = parser.parse_args(arguments)
    rows = []
    print(HEADER)
    for name, (servers, mu, load) in TANDEMS.items():
        if options.only not in name:
            continue
        total = load * min(c * rate for c, rate in zip(servers, mu, strict=True))
        rates = [total / TYPES] * TYPES
        for type_name, type_ in (("highest", 0), ("lowest", TYPES - 1)):
            where = servers, mu, rates, type_
            rows += measure(name, where, type_name, options.paths, options.seed)
    for key in ("fewer_tasks", "fewer_events"):
        near = [
            r[key] for r in rows if r["method"] == "splitting" and 3e-8 < r["probability"] < 3e-7
        ]
        if near:
            print(
                f"splitting near 1e-7, {key.replace('_', ' ')} than crude: at least {min(near):.0f}"
            )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
