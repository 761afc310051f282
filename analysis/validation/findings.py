"""What a validation found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from airan_market.analysis.validation.offered import Offered
from airan_market.scenarios import Scenario

COMPLETE, INTERRUPTED = "complete", "interrupted"


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
        See `analysis.validation.bound.map.bound_map`, with the scenario's ζ; empty unless asked.
    independence : DataFrame
        See `analysis.validation.bound.independence.independence_table`; empty unless two stages of
        one operator queue and maps are asked for.
    batches : DataFrame
        See `analysis.validation.batches.batch_table`; empty unless the scenario's GPUs batch.
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
    independence: pd.DataFrame = field(default_factory=pd.DataFrame)
    batches: pd.DataFrame = field(default_factory=pd.DataFrame)
    summary: dict[str, Any] = field(default_factory=dict)
