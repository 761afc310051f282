"""What a validation found, before it is written, and after it is read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from airan_market.agents.primitives.primitives import Primitives
from airan_market.analysis.validation.ladder import CHERNOFF
from airan_market.analysis.validation.offered import Offered
from airan_market.analysis.validation.verdicts import IDLE, SATURATED
from airan_market.scenarios import Scenario

COMPLETE, INTERRUPTED = "complete", "interrupted"


class Reported(Protocol):
    """What figures and pages are made of: findings, or a validation read back."""

    @property
    def scenario(self) -> Scenario:
        """What was validated."""

    @property
    def approximations(self) -> pd.DataFrame:
        """See `analysis.validation.tables.approximations`."""

    @property
    def verdicts(self) -> pd.DataFrame:
        """See `analysis.validation.tables.verdict_table`."""

    @property
    def beyond(self) -> pd.DataFrame:
        """See `analysis.validation.beyond.beyond_table`."""

    @property
    def map(self) -> pd.DataFrame:
        """See `analysis.validation.bound.map.bound_map`."""

    @property
    def summary(self) -> dict[str, Any]:
        """See `analysis.validation.report.summary.summarise_validation`."""


@dataclass(frozen=True, eq=False)
class Findings:
    """What a validation found.

    Attributes
    ----------
    scenario : Scenario
    seed : int
    status : str
        `complete`, or `interrupted` after Ctrl-C: tables hold what was finished.
    sites : tuple of Offered
        What each operator is offered at the solved loads.
    simulated : int
        Operators simulated.
    approximations : DataFrame
        See `analysis.validation.tables.approximations`.
    verdicts : DataFrame
        See `analysis.validation.tables.verdict_table`.
    beyond : DataFrame
        See `analysis.validation.beyond.beyond_table`; empty unless asked for.
    map : DataFrame
        See `analysis.validation.bound.map.bound_map`, with the scenario's ζ; empty unless asked for.
    markets : DataFrame
        See `analysis.validation.bound.markets.market_table`; empty unless asked for.
    spent : tuple of dict
        What the replications of each operator took (`analysis.validation.truth.Truth.spent`).
    notes : tuple of str
    summary : dict
        See `analysis.validation.report.summary.summarise_validation`.
    """

    scenario: Scenario
    seed: int
    status: str
    sites: tuple[Offered, ...]
    simulated: int
    approximations: pd.DataFrame
    verdicts: pd.DataFrame
    beyond: pd.DataFrame
    map: pd.DataFrame
    markets: pd.DataFrame
    spent: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    summary: dict[str, Any] = field(default_factory=dict)


def places_on_map(found: Reported) -> pd.DataFrame:
    """Where the types of the market stand on the map: operator, type, servers, load, position.

    Servers are those of the bottleneck; types without traffic or a stationary law are left out.
    """
    paper = found.verdicts[found.verdicts["method"] == CHERNOFF]
    there = paper[~paper["verdict"].isin([SATURATED, IDLE])]
    market = Primitives.from_scenario(found.scenario, found.summary["seed"])
    bottleneck = (market.servers * market.service_rate_per_s).argmin(axis=1)
    servers = np.take_along_axis(market.servers, bottleneck[:, np.newaxis], axis=1)[:, 0]
    return there[["operator", "type", "load"]].assign(
        servers=servers[there["operator"] - 1].astype(int), position=1 / there["own_share"]
    )
