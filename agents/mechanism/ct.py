"""CT, the benchmark of posted contracts: fixed menus, users who reselect under congestion."""

from __future__ import annotations

import numpy as np

from airan_market.agents.contract.design import designed_menus
from airan_market.agents.contract.menu import Menu
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.mechanism.pure import MOST_SWEEPS, Selection, parts, quality_parts, select
from airan_market.agents.primitives.primitives import Primitives


def assumed_menus(primitives: Primitives) -> tuple[np.ndarray, Menu]:
    """Menus that operators post before they know their users.

    Each operator takes `assumed_workload_share` of the whole demand of every type as its own,
    for the loads as for the weights. (The demand floor of eq. (37) then scales all weights alike
    and changes no menu.)

    Returns
    -------
    share : array (M, N)
    menu : Menu
        Arrays (M, N).

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> share, menu = assumed_menus(Primitives.from_scenario(load_scenario("teleoperation")))
    >>> round(float(share[2, 7]), 6), bool((np.diff(menu.latency_s) >= 0).all())
    (0.333333, True)
    """
    shape = (primitives.operators, primitives.types)
    share = np.full(shape, primitives.mechanism.assumed_workload_share)
    return share, designed_menus(primitives, share)


def agree(primitives: Primitives) -> Agreement:
    """Posted menus and the selection equilibrium (Definition 1) that users reach by themselves.

    "Traditional contract theory" of section VII-A. Latencies and prices stay as posted; the
    violation probabilities that the outcome reckons with follow the load, and so, unless
    `mechanism.ct_belief` says otherwise, do those that users reckon with.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> agree(Primitives.from_scenario(load_scenario("teleoperation"))).converged
    True
    """
    share, menu = assumed_menus(primitives)
    selection = select(primitives, menu, primitives.mechanism.ct_belief)
    return Agreement(
        menu=menu,
        design_probability=share,
        match_probability=parts(primitives, selection.matching),
        by_quality=quality_parts(primitives, selection.matching),
        iterations=selection.sweeps,
        converged=selection.settled,
        notes=_unrest(selection),
    )


def _unrest(selection: Selection) -> tuple[str, ...]:
    if selection.settled:
        return ()
    if selection.cycle:
        return (
            f"users do not come to rest: their choices repeat every {selection.cycle} sweeps; "
            f"the matching is that after sweep {selection.sweeps}",
        )
    within = f"users do not come to rest within {MOST_SWEEPS} sweeps"
    return (f"{within}; the matching is that after the last",)
