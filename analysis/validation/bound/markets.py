"""Does the paper's bound fail in markets that menus really produce? Variants of one scenario.

Two families, each a question that an operator may well ask: the same GPU capacity in fewer, faster
instances, and other draws of the users' types, as in the paper's own sweep over the Dirichlet
parameter. Every variant is solved, and the belief of every type at its agreed latency is held
against the exact preemptive law (stages independent, which simulation finds to be nearly true).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive
from airan_market.analysis.reproduction.cells import drawn
from airan_market.analysis.validation.ladder import CHERNOFF, PRIORITY, ladder
from airan_market.analysis.validation.offered import Offered, sites
from airan_market.scenarios import Scenario, dump_toml, load_scenario

#: GPU instances are pooled by these factors; the last makes one instance of all.
POOLED = (1, 2, 4, 8, 10**6)
DIRICHLET = (0.1, 1.0, 10.0)
DRAWS = 20


def variants(scenario: Scenario, draws: int = DRAWS) -> Iterator[tuple[str, str, int, Scenario]]:
    """Family, setting, draw and scenario of every variant.

    Examples
    --------
    >>> found = list(variants(load_scenario("bound_fails"), draws=1))
    >>> [(family, setting) for family, setting, _, _ in found]
    [('pooled GPUs', '1'), ('Dirichlet', '0.1'), ('Dirichlet', '1'), ('Dirichlet', '10')]
    """
    met = set()
    for factor in POOLED:
        plain = tomllib.loads(dump_toml(scenario))
        for operator in plain["operators"]:
            gpu = operator["gpu"]
            fewer = max(1, round(gpu["servers"] / factor))
            gpu["rate_flop_per_s"] *= gpu["servers"] / fewer
            gpu["servers"] = fewer
        counts = ", ".join(str(operator["gpu"]["servers"]) for operator in plain["operators"])
        if counts not in met:
            met.add(counts)
            yield "pooled GPUs", counts, 0, load_scenario(plain)
    for alpha in DIRICHLET:
        for draw in range(draws):
            yield "Dirichlet", f"{alpha:g}", draw, drawn(scenario, alpha)


def market_table(
    scenario: Scenario,
    draws: int = DRAWS,
    on_variant: Callable[[int, int], None] = lambda done, of: None,
) -> pd.DataFrame:
    """Solve every variant and compare the bound with the exact preemptive law.

    Returns
    -------
    DataFrame
        A row per variant, operator and type that is neither saturated nor without traffic:
        `family, setting, draw, operator, type, servers, load, own_share, position, latency_s,
        belief, exact, ratio` = exact/belief at the agreed latency, above 1 where the bound fails.
    """
    wanted = list(variants(scenario, draws))
    rows: list[dict[str, Any]] = []
    for done, (family, setting, draw, variant) in enumerate(wanted, start=1):
        primitives = Primitives.from_scenario(variant, draw)
        found = arrive(primitives)
        for site in sites(primitives, found.match_probability, found.menu):
            common = {"family": family, "setting": setting, "draw": draw}
            rows += [common | row for row in market_rows(site)]
        on_variant(done, len(wanted))
    return pd.DataFrame(rows)


def market_rows(site: Offered) -> list[dict[str, Any]]:
    """Where every type of an operator stands on the map, and its bound at the agreed latency."""
    tails = ladder(site, site.agreed_s[:, np.newaxis])
    bottleneck = int((site.servers * site.service_rate_per_s).argmin())
    rows = []
    for n in site.looked_at:
        belief, exact = float(tails[CHERNOFF][n, 0]), float(tails[PRIORITY][n, 0])
        rows.append(
            {
                "operator": site.operator + 1,
                "type": int(n) + 1,
                "servers": int(site.servers[bottleneck]),
                "load": site.load_per_s[n] / site.capacity_per_s,
                "own_share": site.own_rate_per_s[n] / site.load_per_s[n],
                "position": site.load_per_s[n] / site.own_rate_per_s[n],
                "latency_s": site.agreed_s[n],
                "belief": belief,
                "exact": exact,
                "ratio": exact / belief,
            }
        )
    return rows


def summarise_markets(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per family and setting: draws, pairs, how many fail, in how many draws, the worst."""
    answers = []
    for (family, setting), group in rows.groupby(["family", "setting"], sort=False):
        failing = group[group["ratio"] > 1]
        worst = group.loc[group["ratio"].idxmax()]
        answers.append(
            {
                "family": family,
                "setting": setting,
                "draws": group["draw"].nunique(),
                "pairs": len(group),
                "pairs_that_fail": len(failing),
                "draws_that_fail": failing["draw"].nunique(),
                **{
                    f"worst_{column}": worst[column]
                    for column in ("draw", "operator", "type", "load", "belief", "exact", "ratio")
                },
            }
        )
    return pd.DataFrame(answers)
