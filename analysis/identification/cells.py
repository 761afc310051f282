"""What identification computes, cut into cells: a posterior per reading, a mechanism per rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from airan_market.analysis.identification.posterior import LIVE, SEED, posterior
from airan_market.analysis.identification.rules import Variant, outcomes, variants
from airan_market.analysis.reproduction.cells import SCENARIO
from airan_market.analysis.store.cell_store import code_mark, mark_of
from airan_market.scenarios import InputError, Reading, dump_toml, load_reading, load_scenario

POSTERIOR, RULES = "posterior", "rules"
PARTS = (POSTERIOR, RULES)
#: Readings that differ in what Table I and the totals of the proposed method see of them.
READINGS = ("ours", "exact", "as_published")
#: The reading whose market the search over rules has.
SEARCHED = "as_published"
DRAWS = 20
_HERE = "airan_market.analysis.identification."
_MODULES = {
    POSTERIOR: [f"{_HERE}{noun}" for noun in ("prior", "likelihood", "posterior")],
    RULES: [f"{_HERE}rules", "airan_market.analysis.reproduction.cells"],
}


@dataclass(frozen=True)
class Sampled:
    """The posterior of one reading."""

    reading: Reading = field(hash=False)
    live: int

    @property
    def name(self) -> str:
        """Name of its file without the ending."""
        return f"{POSTERIOR}-{self.reading.name}"


Cell = Sampled | Variant


def cells(
    only: Sequence[str] = (),
    names: Sequence[str] = (),
    *,
    draws: int = DRAWS,
    live: int = LIVE,
) -> list[Cell]:
    """The cells of the parts named, of both when none is; those that take long first.

    Parameters
    ----------
    only : sequence of str
        From `PARTS`.
    names : sequence of str
        Readings to sample, by name or file; `READINGS` by default.
    draws : int
        Of the users, for the search over rules.
    live : int
        Points of the nested sampling.

    Raises
    ------
    InputError
        When a part is unknown, or a number is out of its domain.

    Examples
    --------
    >>> [cell.name for cell in cells(["posterior"], ["ours"])]
    ['posterior-ours']
    """
    for name in only:
        if name not in PARTS:
            raise InputError(f"--only = {name}: allowed are {', '.join(PARTS)}")
    if draws < 1:
        raise InputError(f"--draws = {draws}: must be at least 1")
    if live < 30:
        raise InputError(f"--live = {live}: must be at least 30, over twice the dimensions")
    wanted = only or PARTS
    found: list[Cell] = []
    if POSTERIOR in wanted:
        found += [Sampled(load_reading(name), live) for name in names or READINGS]
    if RULES in wanted:
        found += variants(load_reading(SEARCHED), draws)
    return found


def compute(cell: Cell) -> Any:
    """Answer of a cell as plain data."""
    base = load_scenario(SCENARIO)
    if isinstance(cell, Variant):
        return outcomes(cell, base)
    return posterior(load_scenario(base, reading=cell.reading), live=cell.live).to_json()


def marks(wanted: Sequence[Cell]) -> dict[Cell, str]:
    """Hashes of all that the numbers of cells depend on."""
    code = {part: code_mark(modules) for part, modules in _MODULES.items()}
    base = load_scenario(SCENARIO)
    found: dict[Cell, str] = {}
    for cell in wanted:
        market = dump_toml(load_scenario(base, reading=cell.reading))
        if isinstance(cell, Variant):
            found[cell] = mark_of(market, cell.name, cell.draws, code[RULES])
        else:
            found[cell] = mark_of(market, cell.name, cell.live, SEED, code[POSTERIOR])
    return found
