"""Every reading that the rules on offer can make, and how many published claims each brings out.

A reading that was found by looking has had the choice among many. So all are tried: the design, how
users become whole, ties, what a type believes in CT and in MC, and of GSMC what it believes,
whether quotas bind and what it moves. A mechanism knows some of these rules only, so its outcomes
are computed once for each set of the rules that it knows, on the same draws, and put together
afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from airan_market.analysis.reproduction.cells import Cell, cells, compute, totals
from airan_market.analysis.reproduction.claim import HOLDS, counts
from airan_market.analysis.reproduction.verdicts import verdict_rows
from airan_market.analysis.store.cell_store import pool
from airan_market.scenarios import Reading, Scenario

Rules = Mapping[str, Any]

#: Rule (a setting) → its values; the first is what the text of the paper says.
EVERY: dict[str, tuple[Any, ...]] = {
    "mechanism.design": ("exact", "local"),
    "users.rounding": ("largest-remainder", "floor"),
    "mechanism.ties": ("capacity", "number"),
    "mechanism.ct_belief": ("congested", "posted", "placed", "empty"),
    "mechanism.mc_belief": ("posted", "congested", "placed", "empty"),
    "mechanism.gsmc_belief": ("posted", "empty"),
    "mechanism.gsmc_quotas": (True, False),
    "mechanism.gsmc_unit": ("user", "type"),
}
_MARKET = ("mechanism.design", "users.rounding")
#: Mechanism → the rules that it knows.
KNOWN: dict[str, tuple[str, ...]] = {
    "mixed": _MARKET,
    "ct": (*_MARKET, "mechanism.ties", "mechanism.ct_belief"),
    "mc": (*_MARKET, "mechanism.ties", "mechanism.mc_belief"),
    "gsmc": (
        *_MARKET,
        "mechanism.ties",
        "mechanism.gsmc_belief",
        "mechanism.gsmc_quotas",
        "mechanism.gsmc_unit",
    ),
}


@dataclass(frozen=True)
class Variant:
    """A mechanism under the rules that it knows, over all sweeps."""

    mechanism: str
    values: tuple[Any, ...]
    draws: int
    reading: Reading = field(hash=False)

    @property
    def rules(self) -> Rules:
        """Its rules by name."""
        return dict(zip(KNOWN[self.mechanism], self.values, strict=True))

    @property
    def name(self) -> str:
        """Name of its file without the ending."""
        words = (str(value).lower() for value in self.values)
        return "-".join(("rules", self.mechanism, *words))

    def cells(self) -> list[Cell]:
        """Its cells: those of a reproduction under the reading with these rules in it."""
        return cells((), self.draws, [with_rules(self.reading, self.rules)])


def with_rules(reading: Reading, rules: Rules) -> Reading:
    """The reading with some of its settings replaced.

    Examples
    --------
    >>> with_rules(Reading("mine"), {"mechanism.ties": "number"}).settings
    {'mechanism': {'ties': 'number'}}
    """
    settings = {table: dict(own) for table, own in reading.settings.items()}
    for key, value in rules.items():
        table, _, word = key.partition(".")
        settings.setdefault(table, {})[word] = value
    return Reading(
        reading.name,
        reading.description,
        settings,
        reading.each_operator,
        reading.users,
        reading.used,
        reading.used_for_users,
    )


def variants(reading: Reading, draws: int) -> list[Variant]:
    """Every mechanism under every set of the rules that it knows.

    Examples
    --------
    >>> len(variants(Reading("mine"), 5))
    116
    """
    needed = {
        (mechanism, tuple(rules[rule] for rule in known))
        for rules in every_reading()
        for mechanism, known in KNOWN.items()
    }
    return [
        Variant(mechanism, values, draws, reading)
        for mechanism, known in KNOWN.items()
        for values in product(*(EVERY[rule] for rule in known))
        if (mechanism, values) in needed
    ]


def outcomes(variant: Variant, base: Scenario) -> list[dict[str, Any]]:
    """Answers of all its cells, as `reproduction.cells.compute` gives them."""
    return [compute(cell, base, (variant.mechanism,)) for cell in variant.cells()]


def every_reading() -> Iterator[dict[str, Any]]:
    """The rules of every reading; the first is that of the text.

    Where GSMC has no quotas it does not matter what it moves, and one of the two stands for both.

    Examples
    --------
    >>> len(list(every_reading()))
    768
    """
    for values in product(*EVERY.values()):
        rules = dict(zip(EVERY, values, strict=True))
        if rules["mechanism.gsmc_quotas"] or rules["mechanism.gsmc_unit"] == "user":
            yield rules


def held(
    answers: Mapping[Variant, Sequence[Mapping[str, Any]]], reading: Reading, workers: int = 1
) -> pd.DataFrame:
    """How many claims each reading brings out, by our rule of the median.

    Parameters
    ----------
    answers : mapping
        `outcomes` of every variant.
    reading : Reading
        What all have in common: the market, and which claims it looked at.
    workers : int
        Processes.

    Returns
    -------
    DataFrame
        A column per rule; holds (of the claims that the market did not use), `in_sample_holds`.
    """
    frames = {
        (variant.mechanism, variant.values): totals(found) for variant, found in answers.items()
    }
    parts = [list(every_reading())[k::workers] for k in range(workers)]
    if workers == 1:
        counted = [_counted(frames, reading, parts[0])]
    else:
        with pool(workers) as processes:
            counted = list(processes.map(partial(_counted, frames, reading), parts))
    rows = [row for part in counted for row in part]
    order = {tuple(rules.values()): k for k, rules in enumerate(every_reading())}
    rows.sort(key=lambda row: order[tuple(row[rule] for rule in EVERY)])
    return pd.DataFrame(rows)


def _counted(
    frames: Mapping[tuple[str, tuple[Any, ...]], pd.DataFrame],
    reading: Reading,
    readings: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    rows = []
    for rules in readings:
        parts = [
            frames[mechanism, tuple(rules[rule] for rule in known)]
            for mechanism, known in KNOWN.items()
        ]
        found = counts(verdict_rows(pd.concat(parts, ignore_index=True), reading))
        rows.append({**rules, "holds": found["out"][HOLDS], "in_sample_holds": found["in"][HOLDS]})
    return rows


def best_by_chance(holds: Sequence[int], tried: int) -> float:
    """Claims that the best of so many readings, taken at random, brings out on average.

    Parameters
    ----------
    holds : sequence of int
        Of all readings.
    tried : int

    Examples
    --------
    >>> best_by_chance([0, 10], 1), best_by_chance([0, 10], 2)
    (5.0, 7.5)
    """
    values, number = np.unique(np.asarray(holds), return_counts=True)
    below = np.cumsum(number) / number.sum()
    chance = np.diff(np.concatenate([[0.0], below**tried]))
    return float(values @ chance)
