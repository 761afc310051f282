"""Speed of Algorithm 1: the default market, its scaling, and its menu step by a general optimiser.

Run `python tests/benchmarks/algorithm1.py [--json PATH]`. Times are wall times inside one process,
after one run to warm up. Noise of a shared machine only adds to them: the least time of many
counts, the median is shown beside it, and exponents are fitted to the least times.
"""

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.contract.design import design_menu, virtual_slope
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.price import binding_prices
from airan_market.agents.matching.load import cumulative_load, demand_weight
from airan_market.agents.mechanism.agreement import Iteration
from airan_market.agents.mechanism.mixed import iterate
from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios import load_scenario
from airan_market.sim.streams import stream

Row = dict[str, Any]
WIDTH = 130  # of the widest table
OPERATORS, TYPES = (3, 10, 30, 100, 300, 1000), (8, 16, 32, 64, 128, 256)
SIDE = {"operators": 64, "types": 100}  # the number that stands still: of types, of operators
ITERATIONS = 10  # of a market in the scaling table; the cost of one does not depend on their number


def default_market() -> Primitives:
    """Return the market of the paper."""
    return Primitives.from_scenario(load_scenario("teleoperation"))


def large_market(operators: int, types: int, iterations: int) -> Primitives:
    """Return operators like those of the paper, half to one and a half their size, load 0.6.

    The users of a type are drawn like those of the paper, Dirichlet(10, …, 10): with many types
    neighbours differ by chance, so that about half of the items have to be pooled.
    """
    paper, rng = default_market(), stream(1, "algorithm 1 benchmark", operators, types)
    like = rng.integers(paper.operators, size=operators)
    size = rng.uniform(0.5, 1.5, (operators, 1))
    servers, rates = np.round(paper.servers[like] * size), paper.service_rate_per_s[like]
    demand_per_s = 0.6 * (servers * rates).min(axis=-1).sum()
    return Primitives(
        users=rng.dirichlet(np.full(types, 10.0)) * demand_per_s / paper.task_rate_per_user_per_s,
        latency_sensitivity_usd_per_s=np.linspace(8e-4, 1e-4, types),
        task_rate_per_user_per_s=paper.task_rate_per_user_per_s,
        servers=servers,
        service_rate_per_s=rates,
        service_value_usd=paper.service_value_usd[like],
        refund_usd=paper.refund_usd,
        violation_cost_usd=paper.violation_cost_usd,
        running_cost_usd=paper.running_cost_usd,
        opt_out_utility_usd=paper.opt_out_utility_usd,
        mechanism=paper.mechanism.model_copy(update={"max_iterations": iterations}),
    )


def times_s(runs: list[Callable[[], object]], repeats: int) -> list[list[float]]:
    """Return the wall times of `repeats` runs of each, after one that does not count.

    They take turns, so that a machine that is slow for a while is slow for all of them.
    """
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(repeats + 1):
        for run, own in zip(runs, times, strict=True):
            start = perf_counter()
            run()
            if turn:
                own.append(perf_counter() - start)
    return times


def pooled_share(menu: Menu) -> float:
    """Share of the items that have the latency of the one before them."""
    return float((np.diff(menu.latency_s) == 0).mean()) if menu.latency_s.shape[-1] > 1 else 0.0


def solve_rows(markets: dict[str, Primitives], repeats: int) -> list[Row]:
    """Time of Algorithm 1 from its start to its last iteration, a row for each market."""

    def solver(market: Primitives) -> Callable[[], list[Iteration]]:
        return lambda: list(iterate(market))

    times = times_s([solver(market) for market in markets.values()], repeats)
    rows: list[Row] = []
    for (name, market), own in zip(markets.items(), times, strict=True):
        last = list(iterate(market))[-1]
        rows.append(
            {
                "market": name,
                "operators": market.operators,
                "types": market.types,
                "iterations": last.iteration,
                "pooled_share": pooled_share(last.menu),
                "repeats": repeats,
                "least_s": min(own),
                "median_s": median(own),
            }
        )
    return rows


def target_rows(repeats: int) -> list[Row]:
    """Return the default market, and a thousand operators with 64 types, both with K = 50."""
    large = {"large": large_market(1000, 64, 50)}
    return [
        *solve_rows({"default": default_market()}, 20 * repeats),
        *solve_rows(large, max(1, repeats // 3)),
    ]


def scaling_rows(repeats: int) -> dict[str, list[Row]]:
    """Return markets of more and more operators, and of more and more types."""
    sizes = {
        "operators": [(operators, SIDE["operators"]) for operators in OPERATORS],
        "types": [(SIDE["types"], types) for types in TYPES],
    }
    return {
        over: solve_rows({f"{m} × {n}": large_market(m, n, ITERATIONS) for m, n in some}, repeats)
        for over, some in sizes.items()
    }


def exponent_rows(scaling: dict[str, list[Row]]) -> list[Row]:
    """Fit time = constant · size^exponent to each part of the scaling table, on logarithms.

    Small markets cost mostly what a call costs, whatever its size, so the larger sizes are fitted
    by themselves as well. A residual of 0.1 is a time 10 % above the fit.
    """
    rows: list[Row] = []
    for over, part in scaling.items():
        for some in (part, part[len(part) // 3 :]):
            size = np.log([row[over] for row in some])
            time = np.log([row["least_s"] for row in some])
            exponent, constant = np.polyfit(size, time, 1)
            rows.append(
                {
                    "over": over,
                    "sizes": [row[over] for row in some],
                    "exponent": float(exponent),
                    "residuals": (time - exponent * size - constant).round(4).tolist(),
                }
            )
    return rows


# ------------------------------------------------------------ the menu step by a general optimiser


def income_usd_per_s(
    market: Primitives, load: np.ndarray, weight: np.ndarray, latency_s: np.ndarray
) -> float:
    """Objective (38a) of one operator, p the raw expression of the belief."""
    raw = operator_belief(market, load).raw(latency_s)
    price = binding_prices(
        market.service_value_usd,
        market.latency_sensitivity_usd_per_s,
        market.refund_usd,
        latency_s,
        raw,
    )
    return float((weight * (price - market.violation_cost_usd * raw)).sum())


def general_optimum(market: Primitives, load: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Latencies of one operator by SLSQP: objective (38a), its exact gradient, N − 1 constraints.

    Like the design it is timed against, it works out the belief of its loads once.
    """
    belief, beta = operator_belief(market, load), market.latency_sensitivity_usd_per_s
    slope, types = virtual_slope(beta, weight), weight.size
    margin = market.violation_cost_usd - market.refund_usd
    scale = 1 / (weight.sum() * market.service_value_usd)  # the objective is then around 1

    def loss(latency_s: np.ndarray) -> float:
        raw = belief.raw(latency_s)
        price = binding_prices(market.service_value_usd, beta, market.refund_usd, latency_s, raw)
        return -scale * float((weight * (price - market.violation_cost_usd * raw)).sum())

    def gradient(latency_s: np.ndarray) -> np.ndarray:
        falls = belief.exponent_per_s * belief.raw(latency_s)  # of the Chernoff belief: η p
        return -scale * (margin * weight * falls - slope)

    order = np.eye(types)[1:] - np.eye(types)[:-1]
    settings = market.mechanism
    return minimize(
        loss,
        np.linspace(0.05, 0.5, types),
        jac=gradient,
        bounds=[(settings.latency_min_s, settings.latency_max_s)] * types,
        constraints={"type": "ineq", "fun": lambda x: order @ x, "jac": lambda x: order},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 1000},
    ).x


def menu_steps() -> dict[str, tuple[Primitives, np.ndarray]]:
    """Markets and matchings: where the default one ends, every second type rare, many types."""
    market = default_market()
    matching = list(iterate(market))[-1].match_probability
    rare = np.where(np.arange(market.types) % 2, 0.05, 1.0)
    many = large_market(3, 64, ITERATIONS)
    return {
        "default market": (market, matching),
        "every second type rare": (market, matching * rare),
        "64 types": (many, list(iterate(many))[-1].match_probability),
    }


def optimiser_rows(repeats: int) -> list[Row]:
    """Time and outcome of step (38) for all operators, compared with SLSQP operator by operator.

    The latency difference is the largest; the income is the sum of the operators' objectives (38a).
    """
    rows: list[Row] = []
    for name, (market, matching) in menu_steps().items():
        demand = market.demand_per_s
        load = cumulative_load(matching, demand)
        weight = demand_weight(matching, demand, market.mechanism.demand_floor)
        own = [market.of_operator(m) for m in range(market.operators)]

        def design(market=market, load=load, weight=weight) -> Menu:
            return design_menu(market, load, weight)

        def general(own=own, load=load, weight=weight) -> np.ndarray:
            return np.array(
                [general_optimum(*each) for each in zip(own, load, weight, strict=True)]
            )

        menu, theirs = design(), general()
        income, their_income = (
            sum(income_usd_per_s(*each) for each in zip(own, load, weight, latency, strict=True))
            for latency in (menu.latency_s, theirs)
        )
        (times,) = times_s([design], 100 * repeats)
        (their_times,) = times_s([general], max(1, repeats // 3))
        least_s, their_least_s = min(times), min(their_times)
        rows.append(
            {
                "loads": name,
                "types": market.types,
                "pooled_share": pooled_share(menu),
                "least_s": least_s,
                "slsqp_least_s": their_least_s,
                "ratio": their_least_s / least_s,
                "latency_difference_s": float(np.abs(theirs - menu.latency_s).max()),
                "income_usd_per_s": income,
                "above_slsqp_usd_per_s": income - their_income,
            }
        )
    return rows


def measure(repeats: int = 9) -> dict[str, list[Row]]:
    """Measure everything: rows by table."""
    scaling = scaling_rows(repeats)
    return {
        "algorithm 1": target_rows(repeats),
        "scaling of algorithm 1": [row for part in scaling.values() for row in part],
        "exponents of algorithm 1": exponent_rows(scaling),
        "menu step against SLSQP": optimiser_rows(repeats),
    }


FORMATS = {"_s": "{:.3g}", "share": "{:.0%}", "exponent": "{:.2f}", "ratio": "{:,.0f}"}


def tables(results: dict[str, list[Row]]) -> list[Table]:
    """Return the results as people read them."""
    return [table(title, rows) for title, rows in results.items()]


def table(title: str, rows: list[Row]) -> Table:
    """Return one table; columns are the entries of its rows."""
    shown = Table(title=title)
    for heading in rows[0]:
        shown.add_column(heading.replace("_", " "), justify="right")
    for row in rows:
        shown.add_row(*(text(key, value) for key, value in row.items()))
    return shown


def text(key: str, value: Any) -> str:
    """Return one entry with as many digits as it deserves."""
    for end, form in FORMATS.items():
        if key.endswith(end) and isinstance(value, float):
            return form.format(value)
    if isinstance(value, list):
        return " ".join(
            f"{entry:+.2f}" if isinstance(entry, float) else f"{entry}" for entry in value
        )
    return str(value)


def main() -> None:
    """Measure, print the tables, and write the JSON if asked to."""
    parser = argparse.ArgumentParser(description="speed of Algorithm 1")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results here too")
    parser.add_argument("--repeats", type=int, default=9, help="runs a cell; small cells get more")
    options = parser.parse_args()
    results = measure(options.repeats)
    console = Console(width=max(WIDTH, Console().width))
    for shown in tables(results):
        console.print(shown)
    if options.json:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({**machine, **results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
