"""The PACT paper's claims, held against every reading of what it leaves open.

The paper gives neither v, nor P, nor c, c_h, c_m, nor the form of its fit. Each claim is therefore
judged twice: at the scenario as it is, and over a grid of readings, whose share in which the claim
holds is reported, by value of every assumption. The criteria are fixed here, before any number is
looked at; nothing is tuned so that a claim holds.

A claim of a menu that has no curve (the form is refused for these costs) is judged where there is
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from airan_market.agents.pact.contract.certificates import check_contract
from airan_market.agents.pact.contract.contract import Contract
from airan_market.agents.pact.contract.valuation import valuation
from airan_market.agents.pact.contract.virtual_types import Types
from airan_market.agents.pact.market import PactMarket
from airan_market.analysis.verdict import Verdict
from airan_market.analysis.wording import Section

#: Smallest change that counts as one: below it is rounding.
CHANGE = 1e-9
#: "Slightly": the mean over types rises by no more than this, in quality and in part of the price.
SLIGHT_QUALITY, SLIGHT_PRICE = 0.1, 0.2

#: What the paper leaves open, and the values tried; the form of fit "services" is a discrete menu.
AXES: dict[str, tuple] = {
    "valuation": ("log", "power", "exponential"),
    "value scale": (0.1, 0.2, 0.5, 1.0, 2.0),
    "types": ("uniform", "falling", "rising"),
    "computation cost": (0.1, 1.0, 3.0),
    "fixed cost, USD": (0.0, 0.1),
    "form of fit": (
        "exponential", "exponential, refitted", "power", "power, refitted", "convex", "services",
    ),
    "highest quality": ("1", "best service"),
}  # fmt: skip
_SKEW = 0.85  # falling: each type is this times as likely as the one below it

CLAIMS = {
    "own item": "Fig. 2: every type's own item is its best, and not negative",
    "quality rises": "Fig. 3: liability lowers no type's quality and raises one's",
    "price rises": "Fig. 3: liability lowers no type's price and raises one's",
    "slightly": "Fig. 3: both rise by little (mean quality by up to 0.1, mean price by up to 20 %)",
    "users keep nothing": "Fig. 4: with full information users keep nothing",
    "first best earns more": "Fig. 4: with full information the provider earns more",
    "positive without": "Fig. 4: without liability the provider's expected utility is positive",
    "negative with": "Fig. 4: with liability the provider's expected utility is negative",
}


@dataclass(frozen=True)
class ClaimRow:
    """A claim, what became of it in the scenario as it is, and over the readings."""

    claim: str
    here: str
    verdict: str
    share: float
    readings: int
    turns_on: str


def readings(market: PactMarket) -> Iterator[tuple[dict, PactMarket]]:
    """Yield every reading as its values and the market it makes.

    The computation cost is a factor on the services' costs, the fixed cost is added to them.
    """
    best = float(market.services.quality.max())
    for values in product(*AXES.values()):
        chosen = dict(zip(AXES, values, strict=True))
        form, _, how = chosen["form of fit"].partition(", ")
        alone = form == "services"
        if alone and chosen["highest quality"] != "1":
            continue  # the same menu twice
        cost = market.services.base_cost_usd * chosen["computation cost"]
        yield (
            chosen,
            replace(
                market,
                services=replace(market.services, base_cost_usd=cost + chosen["fixed cost, USD"]),
                types=Types(market.types.theta_usd, _shares(chosen["types"], market.types.size)),
                valuation=valuation(chosen["valuation"], chosen["value scale"]),
                menu="discrete" if alone else "continuous",
                quality_max=1.0 if chosen["highest quality"] == "1" else best,
                curve_form=market.curve_form if alone else form,
                hold_shape=how != "refitted",
            ),
        )


def count_readings() -> int:
    """Number of markets that `readings` yields."""
    every = int(np.prod([len(values) for values in AXES.values()]))
    return every - every // len(AXES["form of fit"]) // 2


def _shares(name: str, size: int) -> np.ndarray:
    weights = _SKEW ** np.arange(size) if name != "uniform" else np.ones(size)
    return (weights if name != "rising" else weights[::-1]) / weights.sum()


def judge(market: PactMarket, level: float = 1.0) -> dict[str, bool | float]:
    """Every claim about one market, and the numbers behind them.

    Parameters
    ----------
    market : PactMarket
    level : float
        Liability of "with liability".

    Returns
    -------
    dict
        A truth value by the names of `CLAIMS`, and the provider's utilities and mean changes.
    """
    without, with_ = market.contract(), market.contract(level)
    best, liable_best = market.first_best(), market.first_best(level)
    quality, price = with_.quality - without.quality, with_.price_usd - without.price_usd
    share = without.probability
    paid = float(share @ without.price_usd)
    price_change = float(share @ price) / paid if paid > 0 else np.inf
    scale = float((best.theta_usd * best.valuation).max())
    earns_more = [
        full.provider_utility_usd - menu.provider_utility_usd > CHANGE * scale
        for full, menu in ((best, without), (liable_best, with_))
    ]
    return {
        "own item": check_contract(without).holds and check_contract(with_).holds,
        "quality rises": _rises(quality),
        "price rises": _rises(price),
        "slightly": _rises(quality)
        and _rises(price)
        and float(share @ quality) <= SLIGHT_QUALITY
        and price_change <= SLIGHT_PRICE,
        "users keep nothing": _keeps_nothing(best, scale) and _keeps_nothing(liable_best, scale),
        "first best earns more": all(earns_more),
        "positive without": without.provider_utility_usd > 0,
        "negative with": with_.provider_utility_usd < 0,
        "provider without, USD": without.provider_utility_usd,
        "provider with, USD": with_.provider_utility_usd,
        "mean change of quality": float(share @ quality),
        "mean change of price": price_change,
    }


def _rises(change: np.ndarray) -> bool:
    return bool((change >= -CHANGE).all() and (change > CHANGE).any())


def _keeps_nothing(menu: Contract, scale: float) -> bool:
    return bool(np.abs(menu.user_utility_usd).max() <= CHANGE * scale)


def over_readings(
    market: PactMarket, level: float = 1.0, on_reading: Callable[[int], None] | None = None
) -> pd.DataFrame:
    """Judge every reading: a row each, its values and its claims."""
    rows = []
    for done, (chosen, reading) in enumerate(readings(market), start=1):
        rows.append({**chosen, **judge(reading, level)})
        if on_reading:
            on_reading(done)
    return pd.DataFrame(rows)


def claim_rows(here: dict[str, bool | float], grid: pd.DataFrame) -> list[ClaimRow]:
    """One row per claim: as it is here, over the readings, and what it turns on."""
    rows = []
    for name, text in CLAIMS.items():
        share = float(grid[name].mean())
        rows.append(
            ClaimRow(text, _numbers(name, here), _verdict(bool(here[name]), share), share,
                     len(grid), "" if share in (0.0, 1.0) else turns_on(grid, name))
        )  # fmt: skip
    return rows


#: Verdicts on a claim as they are told.
WORDS = {Verdict.HOLDS: "holds", Verdict.FAILS: "does not hold"}


def _verdict(here: bool, share: float) -> str:
    word = WORDS[Verdict.HOLDS if here else Verdict.FAILS]
    return word if share == float(here) else f"{word} here, depends on the reading"


def _numbers(name: str, here: dict[str, bool | float]) -> str:
    if name in ("quality rises", "price rises", "slightly"):
        return (
            f"mean quality {here['mean change of quality']:+.3f}, mean price "
            f"{100 * here['mean change of price']:+.1f} %"
        )
    if name in ("positive without", "negative with"):
        key = "provider without, USD" if name == "positive without" else "provider with, USD"
        return f"{here[key]:.4g} USD per request"
    return "yes" if here[name] else "no"


def by_value(grid: pd.DataFrame, claim: str) -> dict[str, dict[str, float]]:
    """Share of readings in which a claim holds, by assumption and value."""
    return {
        axis: {str(value): float(share) for value, share in found.items()}
        for axis in AXES
        for found in [grid.groupby(axis, sort=False)[claim].mean()]
    }


def turns_on(grid: pd.DataFrame, claim: str) -> str:
    """The assumption whose value moves a claim's share most, with the share at each value."""
    shares = by_value(grid, claim)
    axis = max(shares, key=lambda name: max(shares[name].values()) - min(shares[name].values()))
    told = ", ".join(f"{value}: {100 * share:.0f} %" for value, share in shares[axis].items())
    return f"{axis} ({told})"


def all_at_once(grid: pd.DataFrame) -> pd.DataFrame:
    """The readings under which every claim holds together."""
    return grid[grid[list(CLAIMS)].all(axis=1)]


def markdown(rows: Sequence[ClaimRow], grid: pd.DataFrame) -> str:
    """The claims as a page: verdicts, what they turn on, whether any reading holds them all."""
    every = "; ".join(f"{axis}: {', '.join(map(str, v))}" for axis, v in AXES.items())
    head = ("claim", "here", "verdict", "holds in", "turns mostly on")
    told = [
        (row.claim, row.here, row.verdict, f"{100 * row.share:.1f} % of readings", row.turns_on)
        for row in rows
    ]
    lines = [
        "# The PACT paper's claims, over what it leaves open",
        "",
        f"Judged in this scenario and over {len(grid)} readings: {every}.",
        "",
        Section("", head, told).markdown(),
    ]
    together = all_at_once(grid)
    lines += ["", f"All claims hold together in {len(together)} of {len(grid)} readings."]
    if len(together):
        where = {axis: ", ".join(map(str, pd.unique(together[axis]))) for axis in AXES}
        lines += ["", "Values that occur among them:", ""]
        lines += [f"- {axis}: {values}" for axis, values in where.items()]
    return "\n".join(lines) + "\n"
