"""The tables of a PACT menu: services, menus, and who gains from liability and audits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from airan_market.agents.pact.contract.cost_curve import CostCurveError
from airan_market.agents.pact.contract.valuation import Valuation
from airan_market.agents.pact.market import PactMarket
from airan_market.agents.pact.outcome import SolvedMarket
from airan_market.agents.pact.policy.audit import optimal_audit
from airan_market.agents.pact.policy.liability import break_even, sweep

LEVELS = 61  # of a sweep
SCALES = np.geomspace(0.05, 5.0, 21)
FINES = (0.5, 1.0, 2.0)  # levels charged when a harmful answer is found
AUDIT_COSTS = np.geomspace(1e-3, 3.0, 61)  # USD
_FORMS = ("exponential", "power", "convex", "services")


def break_evens(market: PactMarket) -> dict[str, float | None]:
    """Liability level at which the provider breaks even, by kind of menu; None if there is none."""
    kinds = ["continuous", "discrete"] if market.menu == "continuous" else ["discrete"]
    return {kind: break_even(replace(market, menu=kind)).level for kind in kinds}


def service_table(solved: SolvedMarket) -> pd.DataFrame:
    """A row per service: quality with its interval, latency, costs, fitted curve, residuals."""
    market, table = solved.market, solved.market.services
    columns: dict[str, Any] = {
        "service": table.names,
        "quality": table.quality,
        "quality_low": table.quality_low,
        "quality_high": table.quality_high,
        "satisfaction": table.satisfaction,
        "latency_s": table.latency_s,
        "base_cost_usd": table.base_cost_usd,
        "liability_usd": table.liability_usd,
    }
    if market.menu == "continuous":
        for name, level in (("", 0.0), ("liable_", solved.liability_level)):
            curve = market.curve(level)
            columns[f"{name}fitted_cost_usd"] = curve.value(table.quality)
            columns[f"{name}residual_usd"] = curve.residual_usd
    return pd.DataFrame(columns)


def menu_table(solved: SolvedMarket) -> pd.DataFrame:
    """A row per type and menu: without and with liability, private types and first best."""
    rows = []
    for level, best, menu in (
        (0.0, False, solved.contract),
        (0.0, True, solved.first_best),
        (solved.liability_level, False, solved.liable_contract),
        (solved.liability_level, True, solved.liable_first_best),
    ):
        rows.append(
            pd.DataFrame(
                {
                    "liability_level": level,
                    "first_best": best,
                    "type": np.arange(1, menu.quality.size + 1),
                    "theta_usd": menu.theta_usd,
                    "probability": menu.probability,
                    "served": menu.served,
                    "service": menu.service + 1,  # 0: none of the services
                    "quality": menu.quality,
                    "price_usd": menu.price_usd,
                    "cost_usd": menu.cost_usd,
                    "user_utility_usd": menu.user_utility_usd,
                    "provider_utility_usd": menu.profit_usd,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def liability_table(market: PactMarket) -> tuple[pd.DataFrame, dict[str, float | None]]:
    """Sweep of the liability level on both kinds of menu, and each one's break-even."""
    zeros = break_evens(market)
    known = [zero for zero in zeros.values() if zero is not None]
    levels = np.linspace(0.0, max([2.0, *(1.2 * zero for zero in known)]), LEVELS)
    rows = []
    for kind in zeros:
        try:
            points = sweep(replace(market, menu=kind), levels)
        except CostCurveError:
            continue  # no curve of this form at some level; the other kind needs none
        rows += [{"menu": kind, **asdict(point)} for point in points]
    return pd.DataFrame(rows), zeros


def audit_table(market: PactMarket, kinds: Iterable[str]) -> pd.DataFrame:
    """Best audit rate by its cost, on both kinds of menu, for several levels charged at once."""
    rows = []
    for kind in kinds:
        try:
            own = replace(market, menu=kind)
            found = [optimal_audit(own, AUDIT_COSTS, fine) for fine in FINES]
        except CostCurveError:
            continue
        rows += [
            pd.DataFrame(
                {
                    "menu": kind,
                    "fine_level": policy.fine_level,
                    "cost_usd": policy.cost_usd,
                    "rate": policy.rate,
                    "liability_level": policy.level,
                    "welfare_usd": policy.welfare_usd,
                }
            )
            for policy in found
        ]
    return pd.concat(rows, ignore_index=True)


def scale_table(market: PactMarket) -> pd.DataFrame:
    """Break-even level by the scale of the valuation, for every form of fit."""
    rows = []
    for form in _FORMS:
        for scale in SCALES:
            menu = "discrete" if form == "services" else "continuous"
            curve = market.curve_form if form == "services" else form
            scaled = replace(
                market, valuation=_scaled(market.valuation, scale), curve_form=curve, menu=menu
            )
            try:
                level = break_even(scaled).level
            except CostCurveError:
                level = None
            rows.append({"form": form, "scale": scale, "level": np.nan if level is None else level})
    return pd.DataFrame(rows)


def _scaled(v: Valuation, scale: float) -> Valuation:
    return Valuation(lambda q: scale * v.value(q), lambda q: scale * v.slope(q), v.name)
