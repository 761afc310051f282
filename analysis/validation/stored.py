"""A validation directory opened for reading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airan_market.analysis.store.reader import Stored, Table, opened

APPROXIMATIONS, VERDICTS, BEYOND, MAP, INDEPENDENCE, MARKETS, BATCHES = (
    "approximations",
    "verdicts",
    "beyond",
    "map",
    "independence",
    "markets",
    "batches",
)


@dataclass(frozen=True)
class Validation(Stored):
    """A validation read back; tables are read when they are first asked for.

    `beyond`, `map` and `markets` are empty where they were not asked for, `batches`
    where no GPU batches, `independence` where no two stages of an operator queue.
    """

    approximations = Table("See `analysis.validation.tables.approximations`.")
    verdicts = Table("See `analysis.validation.tables.verdict_table`.")
    beyond = Table("See `analysis.validation.beyond.beyond_table`.", optional=True)
    map = Table("See `analysis.validation.bound.map.bound_map`.", optional=True)
    independence = Table(
        "See `analysis.validation.bound.independence.independence_table`.", optional=True
    )
    batches = Table("See `analysis.validation.batches.batch_table`.", optional=True)
    markets = Table("See `analysis.validation.bound.markets.market_table`.", optional=True)


def load_validation(directory: str | Path, *, verify: bool = False) -> Validation:
    """Open a validation directory.

    Parameters
    ----------
    directory : str or Path
        What `airan-market validate` printed.
    verify : bool
        Whether to compare every table with the manifest.

    Raises
    ------
    RunError
        When it is no validation, or was changed.
    """
    found = Validation(Path(directory), opened(directory, "validation"))
    if verify:
        found.verify()
    return found
