"""Every published claim held against the reproduction: all rows, in the order of the paper."""

from __future__ import annotations

import pandas as pd

from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.claim import Row, used_by
from airan_market.analysis.reproduction.claim_default import (
    benchmark_rows,
    menu_row,
    table_rows,
    total_rows,
)
from airan_market.analysis.reproduction.claim_draws import Outcomes
from airan_market.analysis.reproduction.claim_gains import best_rows, gain_row, sign_rows
from airan_market.analysis.reproduction.claim_levels import level_row, refund_rows, ten_types_row
from airan_market.scenarios import Reading


def verdict_rows(frame: pd.DataFrame, reading: Reading) -> list[Row]:
    """All rows of the reproduction table of a reading.

    Parameters
    ----------
    frame : DataFrame
        As `reproduction.totals` returns it. A claim whose cells are not in it is `not computed`.
    reading : Reading
        Whose rows of the frame are judged.

    Examples
    --------
    >>> {row.verdict for row in verdict_rows(pd.DataFrame(), Reading("ours"))}
    {'not computed'}
    """
    if len(frame):
        frame = frame[frame["reading"] == reading.name]
    outcomes = Outcomes(frame)
    rows = [
        *table_rows(outcomes),
        *benchmark_rows(outcomes),
        *total_rows(outcomes),
        menu_row(outcomes),
        *(level_row(outcomes, level) for level in published.LEVELS),
        *(gain_row(outcomes, gain) for gain in published.GAINS),
        ten_types_row(outcomes),
        *refund_rows(outcomes),
        *sign_rows(outcomes),
        *best_rows(outcomes),
    ]
    return [used_by(row, reading) for row in rows]
