"""How much an operator could gain by another menu when users choose without chance: Definition 2.

As in `deviation`, a strategy is a latency vector, and the deviator's prices follow (25) with the
load that its menu brings: its users are left the margin and their information rent. Rivals keep
their menus as posted. Users reselect from everyone out (`pure.reselect`) whatever the mechanism
was, so the baseline is what the operator gets from its posted menu when users may choose again:
with "mc" and "gsmc", whose users may not, this differs from its utility in the outcome.

The best menu is sought by `menu_search`; the gain is a lower bound. Whole
types move here, so the objective jumps, and the bound is less tight than for a mixed matching.
"""

from __future__ import annotations

import numpy as np

from airan_market.agents.certificate.menu_search import (
    LEAST_LATENCY,
    Deviation,
    Share,
    search_menu,
)
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.price import binding_utility
from airan_market.agents.contract.utility import Accounts, tie_usd
from airan_market.agents.mechanism.pure import (
    at_induced_load,
    choose,
    in_turn,
    nobody,
    parts,
    reselect,
    tie_order,
    type_utility,
)
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray, IntArray

STEP_LEVELS = 16  # latencies from which menus of two steps are made
PATIENCE = 12  # sweeps that users get to settle at a candidate; discarded and counted beyond


def best_pure_deviations(
    primitives: Primitives, menu: Menu, budget: int | None = None
) -> tuple[Deviation | None, ...]:
    """Best change of each operator's menu that was found, users reselecting.

    Parameters
    ----------
    primitives : Primitives
    menu : Menu
        Menus (M, N) as posted.
    budget : int, optional
        Menus to try at most, for each operator; see `menu_search.search_menu`.

    Returns
    -------
    tuple of Deviation or None
        None for every operator when users do not come to rest at the menus as posted.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> from airan_market.agents.mechanism.ct import assumed_menus
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> found = best_pure_deviations(market, assumed_menus(market)[1], budget=200)
    >>> [deviation.gain_usd_per_s >= 0 for deviation in found]
    [True, True, True]
    """
    selection = reselect(primitives, menu)
    if not selection.settled:
        return (None,) * primitives.operators
    matching = parts(primitives, selection.matching)
    found = Accounts(primitives, at_induced_load(primitives, menu, matching), matching)
    return tuple(
        search_menu(
            primitives,
            m,
            reselected_share(primitives, menu, m),
            menu.latency_s,
            budget,
            baseline_usd_per_s=float(baseline),
            further=_steps(primitives),
            jumps=True,
        )
        for m, baseline in enumerate(found.operator_utility_usd_per_s)
    )


def _steps(primitives: Primitives) -> list[FloatArray]:
    """Menus of two latencies, by the type at which they change: arrays (B, N), one a type.

    The objective jumps where a type changes sides, and a search from nearby does not cross the
    gap: menus that keep some types and drop others are tried from the start.
    """
    settings = primitives.mechanism
    lowest = max(settings.latency_min_s, LEAST_LATENCY * settings.latency_max_s)
    levels = np.geomspace(lowest, settings.latency_max_s, STEP_LEVELS)
    low, high = np.triu_indices(STEP_LEVELS, k=1)
    late = np.arange(primitives.types) >= np.arange(1, primitives.types)[:, np.newaxis]
    pairs = levels[low][:, np.newaxis], levels[high][:, np.newaxis]
    return [np.where(after, pairs[1], pairs[0]) for after in late]


def reselected_share(primitives: Primitives, menu: Menu, operator: int) -> Share:
    """What an operator gets for its latencies when users reselect, NaN after `PATIENCE` sweeps."""
    own = primitives.of_operator(operator)
    order, out = tie_order(primitives), primitives.opt_out_utility_usd
    known: dict[bytes, FloatArray] = {}  # utilities (M,) by where the types up to the own one are

    def posted_utility(matching: IntArray, n: int) -> FloatArray:
        # thousands of menus bring about a few matchings, and tails can be dear
        felt = np.ascontiguousarray(matching[..., : n + 1])
        keys = [row.tobytes() for row in felt]
        new = {key: row for key, row in zip(keys, felt, strict=True) if key not in known}
        if new:
            found = type_utility(primitives, menu, np.array(list(new.values())), n)
            known.update(zip(new, found, strict=True))
        return np.array([known[key] for key in keys])

    def share(latency_s: FloatArray) -> FloatArray:
        # `pure.reselect` for many menus of one operator at a time
        rent = binding_utility(own, latency_s)
        matching = np.repeat(nobody(primitives)[np.newaxis], len(latency_s), axis=0)
        settled = np.zeros(len(latency_s), dtype=bool)
        for _ in range(PATIENCE):
            before = matching.copy()
            for n, place, gain_usd in in_turn(primitives):
                value = posted_utility(matching, n)
                value[:, operator] = rent[:, n]
                value += gain_usd
                tie = tie_usd(primitives, value)
                here: tuple[slice | int, ...] = (slice(None), *place)
                matching[here] = choose(value, out, order, tie, matching[here])
            settled = (matching == before).reshape(len(matching), -1).all(axis=-1)
            if settled.all():
                break
        taken = parts(primitives, matching)[:, operator]
        return np.where(settled[:, np.newaxis], taken, np.nan)

    return share
