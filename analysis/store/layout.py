"""Which tables a run directory holds: those of the kind of market that was played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from airan_market.analysis.store.tables import SCHEMAS

RunKind = Literal["market", "pact"]


@dataclass(frozen=True)
class Layout:
    """The tables of one kind of run.

    Attributes
    ----------
    kind : {"market", "pact"}
    schemas : mapping of str to Schema
        By name of the table, in the order of the manifest.
    """

    kind: RunKind
    schemas: Mapping[str, pa.Schema]

    @property
    def frames(self) -> list[str]:
        """Tables that are written when all rounds are played; `tasks` is written on the way."""
        return [name for name in self.schemas if name != "tasks"]


def layout_of(kind: RunKind) -> Layout:
    """Layout of a kind of run.

    Examples
    --------
    >>> layout_of("market").frames
    ['rounds', 'market', 'operators']
    """
    if kind == "market":
        return Layout(kind, SCHEMAS)
    from airan_market.analysis.store.pact_tables import SCHEMAS as OF_PACT

    return Layout(kind, OF_PACT)
