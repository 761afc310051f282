"""How much an operator could gain by changing its menu alone: Definition 2.

Strategies are latency vectors, as in problem (30): the deviator's menu has the prices (25) at the
load that its change brings about. Users re-equilibrate: their mixed matching is the fixed point of
the response (33) at the final temperature, shadow prices held. What rivals do is read in
two ways:

repriced
    Their latencies stay and their prices follow (25) with their loads, as in the best response
    (30), in which every menu is a function of its latencies and the matching. A user's utility is
    then the margin and its information rent, which depends on latencies only, so the fixed point
    is explicit.
posted
    Their latencies and prices both stay as posted, and the refund that users expect follows the
    load. More users mean a higher refund at the same price, so this fixed point can have several
    solutions; the damped iteration takes the one it reaches from the final matching. A
    candidate for which it does not settle is discarded and counted.

The best menu is sought by `menu_search`, so the gain is a lower bound of the true one; it is never
negative, because the incumbent is a candidate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.special import expit, logsumexp

from airan_market.agents.certificate.menu_search import Deviation, Share, search_menu
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.price import binding_utility
from airan_market.agents.contract.utility import quality_utility, user_utility
from airan_market.agents.matching.quality import over_qualities
from airan_market.agents.matching.response import adjusted_utility, damp, mixed_response
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.mechanism.pure import at_induced_load
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray

Rivals = Literal["repriced", "posted"]

SETTLED, PATIENCE = 1e-10, 500  # residual and iterations of the fixed point of "posted"


def best_deviation(
    primitives: Primitives,
    agreement: Agreement,
    operator: int,
    budget: int | None = None,
    rivals: Rivals = "repriced",
) -> Deviation | None:
    """Search for the best unilateral change of one operator's menu.

    Equation: AI-RAN (30)

    Parameters
    ----------
    primitives : Primitives
        Of all operators.
    agreement : Agreement
        What the mechanism arrived at, with a temperature.
    operator : int
        0-based.
    budget : int, optional
        Menus to try at most; see `menu_search.search_menu`.
    rivals : {"repriced", "posted"}
        See the module.

    Returns
    -------
    Deviation or None
        None when users do not settle even at the menus as they are ("posted" only).

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> from airan_market.agents.solution.solver import solve
    >>> deviation = solve(load_scenario("teleoperation")).certificates.deviations[0]
    >>> deviation.gain_usd_per_s >= 0, deviation.discarded
    (True, 0)
    """
    share = SHARES[rivals](primitives, agreement, operator)
    return search_menu(primitives, operator, share, agreement.menu.latency_s, budget)


def _penalised(primitives: Primitives, agreement: Agreement, utility_usd: FloatArray) -> FloatArray:
    """û of all operators, (..., M, N); (..., M, X, N) where users value quality differently."""
    adjusted = adjusted_utility(
        utility_usd,
        agreement.response[1],
        primitives.demand_per_s,
        primitives.effective_capacity_per_s,
        primitives.task_size,
    )
    return quality_utility(primitives, adjusted)


def repriced(primitives: Primitives, agreement: Agreement, operator: int) -> Share:
    """Share z of each type that an operator gets for its latencies, when all prices follow (25)."""
    own = primitives.of_operator(operator)
    rent = binding_utility(primitives, agreement.menu.latency_s)
    others = np.delete(_penalised(primitives, agreement, rent), operator, axis=0)
    out = np.full((1, *others.shape[1:]), primitives.opt_out_utility_usd)
    tau, _ = agreement.response
    elsewhere = logsumexp(np.vstack([out, others]) / tau, axis=0)
    penalty = _penalised(primitives, agreement, np.zeros_like(rent))[operator]

    def share(latency_s: FloatArray) -> FloatArray:
        utility = binding_utility(own, latency_s)
        if primitives.quality_share is not None:
            utility = utility[..., np.newaxis, :]  # the penalty brings what qualities gain
        response = expit((utility + penalty) / tau - elsewhere)
        return over_qualities(response, primitives.quality_share)

    return share


def posted(primitives: Primitives, agreement: Agreement, operator: int) -> Share:
    """Share z of each type, when rivals keep prices and the refunds follow the loads; else NaN."""

    def share(latency_s: FloatArray) -> FloatArray:
        shape = (len(latency_s), *agreement.match_probability.shape)
        matching = np.broadcast_to(agreement.match_probability, shape).copy()
        result = np.full(latency_s.shape, np.nan)
        active = np.arange(len(latency_s))
        rent = binding_utility(primitives.of_operator(operator), latency_s)
        for _ in range(PATIENCE):
            utility = posted_utility(primitives, agreement.menu, matching[active])
            utility[:, operator] = rent[active]
            response = np.moveaxis(
                mixed_response(
                    np.moveaxis(_penalised(primitives, agreement, utility), 1, 0),
                    primitives.opt_out_utility_usd,
                    agreement.response[0],
                ),
                0,
                1,
            )
            response = over_qualities(response, primitives.quality_share)
            residual = np.abs(response - matching[active]).max(axis=(1, 2))
            matching[active] = damp(matching[active], response, primitives.mechanism.damping)
            done = active[residual <= SETTLED]
            result[done] = matching[done, operator]
            active = active[residual > SETTLED]
            if not active.size:
                break
        return result

    return share


SHARES: dict[Rivals, Callable[[Primitives, Agreement, int], Share]] = {
    "repriced": repriced,
    "posted": posted,
}


def posted_utility(primitives: Primitives, menu: Menu, match_probability: FloatArray) -> FloatArray:
    """Utility of every type at posted menus and the loads of a matching, (..., M, N), eq. (27)."""
    return user_utility(primitives, at_induced_load(primitives, menu, match_probability))
