"""CT and MC with their rules of selection exchanged, which is how the paper's Table I looks.

By the text of section VII-A the users of CT reselect under congestion and those of MC choose once
by what is posted. Each of our two columns of Table I is then the other's published one. Exchanged,
CT's users choose once and the menus stay, MC's reselect and the menus follow: the published columns
come out, and this module says what the totals then are.
"""

from __future__ import annotations

from dataclasses import replace

from airan_market.agents.contract.utility import tie_usd, user_utility
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.mechanism.ct import assumed_menus
from airan_market.agents.mechanism.mc import redesigned
from airan_market.agents.mechanism.pure import (
    at_induced_load,
    choose,
    in_force,
    indicator,
    reselect,
    tie_order,
)
from airan_market.agents.primitives.primitives import Primitives


def exchanged(primitives: Primitives) -> dict[str, Agreement]:
    """What "ct" and "mc" arrive at when each selects as the other should, menus in force.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> found = exchanged(Primitives.from_scenario(load_scenario("teleoperation")))
    >>> (found["ct"].match_probability.argmax(axis=0) + 1).tolist()  # Table I, published
    [1, 1, 3, 3, 3, 3, 3, 3]
    >>> (found["mc"].match_probability.argmax(axis=0) + 1).tolist()
    [1, 1, 1, 1, 1, 1, 1, 1]
    """
    _, posted = assumed_menus(primitives)
    utility = user_utility(primitives, posted).T
    tie = tie_usd(primitives, utility)
    once = choose(utility, primitives.opt_out_utility_usd, tie_order(primitives), tie)
    chosen = indicator(once, primitives.operators)
    selection = reselect(primitives, posted)
    followed = redesigned(primitives, indicator(selection.matching, primitives.operators))
    follows = in_force(primitives, followed)
    return {
        "ct": Agreement(at_induced_load(primitives, posted, chosen), chosen),
        "mc": replace(followed, menu=follows, converged=selection.settled),
    }
