"""MC, the benchmark of static matching with contracts: users choose once, menus follow once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from airan_market.agents.contract.design import designed_menus
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.mechanism.ct import assumed_menus
from airan_market.agents.mechanism.pure import parts, quality_parts, select
from airan_market.agents.primitives.primitives import Primitives


def agree(primitives: Primitives) -> Agreement:
    """One choice from the menus of CT, one redesign under the load it brings.

    Users believe the posted workload, or what `mechanism.mc_belief` says. Each operator then
    designs its menu anew for the types it got, with the demand floor of eq. (37) on those it did
    not; nobody chooses again.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> agreed = agree(Primitives.from_scenario(load_scenario("teleoperation")))
    >>> agreed.match_probability.sum(axis=0).tolist()  # everybody is somewhere
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    _, posted = assumed_menus(primitives)
    choice = select(primitives, posted, primitives.mechanism.mc_belief).matching
    agreement = redesigned(primitives, parts(primitives, choice))
    return replace(agreement, by_quality=quality_parts(primitives, choice))


def redesigned(primitives: Primitives, matching: np.ndarray) -> Agreement:
    """Agreement on the menus designed for the load of a matching (M, N), users staying put."""
    return Agreement(designed_menus(primitives, matching), matching, design_probability=matching)
