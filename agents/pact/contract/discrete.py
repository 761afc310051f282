"""Menus of the configured services alone: for every type one of them, chosen exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from airan_market.agents.pact.contract.contract import NO_SERVICE, Contract, contract_at
from airan_market.agents.pact.contract.valuation import Valuation
from airan_market.agents.pact.contract.virtual_types import Types
from airan_market.sim.arrays import FloatArray, IntArray


def best_monotone_path(gain: FloatArray) -> IntArray:
    """Columns s_1 ≤ … ≤ s_K that maximise Σ_k gain[k, s_k], by dynamic programming.

    best[k, s] = gain[k, s] + max_{r ≤ s} best[k−1, r]: O(K S), exact for any gains. Of several
    best paths the one with the smallest columns, from the last row on.

    Parameters
    ----------
    gain : array (K, S)

    Returns
    -------
    array (K,) of int

    Examples
    --------
    >>> best_monotone_path(np.array([[1.0, 3.0], [2.0, 0.0]])).tolist()
    [0, 0]
    >>> best_monotone_path(np.array([[1.0, 3.0], [2.0, 1.5]])).tolist()
    [1, 1]
    """
    rows = [gain[0]]
    for row in gain[1:]:
        rows.append(row + np.maximum.accumulate(rows[-1]))
    path = [int(np.argmax(rows[-1]))]
    for best in reversed(rows[:-1]):
        path.append(int(np.argmax(best[: path[-1] + 1])))
    return np.array(path[::-1])


def discrete_contract(
    types: Types,
    valuation: Valuation,
    quality: ArrayLike,
    cost_usd: ArrayLike,
    *,
    serve_all: bool = True,
) -> Contract:
    """Menu of configured services that maximises the provider's utility.

    Equation: PACT (16)

    The objective is that of the continuous menu, Σ P_k [φ_k v(q_s) − C_s], and so are the prices;
    nothing is asked of the costs, which need not even increase with quality. Of services of one
    quality the cheapest is offered. To leave types out is one more choice, of quality 0 and cost 0,
    below all others (a type above one that is served would take that one's item, see
    `agents.pact.contract.contract`).

    Parameters
    ----------
    types : Types
    valuation : Valuation
    quality, cost_usd : array (S,)
        Of the services, in any order; quality in [0, 1].
    serve_all : bool
        Whether every type must be served.

    Returns
    -------
    Contract
        Of several best ones that with the lowest qualities.

    Examples
    --------
    >>> from airan_market.agents.pact.contract.valuation import valuation
    >>> menu = discrete_contract(Types([1.0, 3.0]), valuation(), [0.6, 0.2], [0.5, 0.05])
    >>> menu.service.tolist(), menu.price_usd.round(4).tolist()
    ([1, 0], [0.1823, 1.0454])
    """
    q, cost, service = _choices(quality, cost_usd, serve_all=serve_all)
    value = _worth(valuation, q, service)
    virtual = types.virtual_usd()
    gain = types.probability[:, None] * (np.multiply.outer(virtual, value) - cost)
    path = best_monotone_path(gain)
    chosen = service[path]
    return contract_at(types, q[path], value[path], cost[path], chosen != NO_SERVICE, chosen)


def discrete_first_best(
    types: Types,
    valuation: Valuation,
    quality: ArrayLike,
    cost_usd: ArrayLike,
    *,
    serve_all: bool = True,
) -> Contract:
    """What a provider who knows every type would sell: the service with the largest θ v(q) − C.

    Examples
    --------
    >>> from airan_market.agents.pact.contract.valuation import valuation
    >>> menu = discrete_first_best(Types([1.0, 3.0]), valuation(), [0.6, 0.2], [0.5, 0.05])
    >>> menu.service.tolist(), menu.user_utility_usd.tolist()
    ([1, 0], [0.0, 0.0])
    """
    q, cost, service = _choices(quality, cost_usd, serve_all=serve_all)
    value = _worth(valuation, q, service)
    best = (np.multiply.outer(types.theta_usd, value) - cost).argmax(axis=1)
    chosen = service[best]
    offer = q[best], value[best], cost[best], chosen != NO_SERVICE, chosen
    return contract_at(types, *offer, first_best=True)


def _choices(
    quality: ArrayLike, cost_usd: ArrayLike, *, serve_all: bool
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Quality, cost and number of what can be chosen, by quality, the cheapest of each."""
    q, cost = np.asarray(quality, dtype=float), np.asarray(cost_usd, dtype=float)
    order = np.lexsort((cost, q))
    kept = order[np.concatenate([[True], np.diff(q[order]) > 0])]
    if serve_all:
        return q[kept], cost[kept], kept
    none = np.zeros(1)
    return (
        np.concatenate([none, q[kept]]),
        np.concatenate([none, cost[kept]]),
        np.concatenate([[NO_SERVICE], kept]),
    )


def _worth(valuation: Valuation, quality: FloatArray, service: IntArray) -> FloatArray:
    return np.where(service == NO_SERVICE, 0.0, valuation.value(quality))
