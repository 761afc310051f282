"""The contract of a PACT provider: quality and price for every type, (9)–(16) of the paper.

With prices p_1 = θ_1 v(q_1), p_k = p_{k−1} + θ_k (v(q_k) − v(q_{k−1})) every constraint (11), (12)
holds for any non-decreasing q, and the provider's utility (10) is

    Σ_k P_k [φ_k v(q_k) − C(q_k)],   φ_k the virtual types (`virtual_types.Types.virtual_usd`).

*Pooling is exact whatever the sign of φ_k.* Where φ_k < 0 the term in brackets is not concave in q,
as φ_k v is convex. It is in x = v(q): φ_k x − C(v⁻¹(x)), and C(v⁻¹(x)) is convex, because v⁻¹ is
convex and increasing, and C is too. The substitution keeps the order of the q_k and the bounds, so
the problem is the one `screening.monotone` solves. The derivative with respect to x is

    φ_k − r(q),   r = C′/v′ = dC/dv at x = v(q),

and r does not decrease: the marginal cost of a unit of v. A block of types is solved at
φ̄ = r(q), φ̄ its mean virtual type; with φ̄ < 0 it lies at the lower bound.

*Who is left out.* When types may be left out, at no cost and no price, those left out are the
lowest: a type above one that is served would take that one's item and gain. Without the lowest m
types the others' virtual types stay as they are (the rent of a type is what it leaves to types
*above* it), so all m from 0 to K are tried, each solved exactly, and the smallest of the best kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airan_market.agents.pact.contract.cost_curve import CostCurve
from airan_market.agents.pact.contract.valuation import Valuation
from airan_market.agents.pact.contract.virtual_types import Types
from airan_market.agents.screening.monotone import DerivativePieces, pool
from airan_market.sim.arrays import BoolArray, FloatArray, IntArray

NO_SERVICE = -1


@dataclass(frozen=True)
class Contract:
    """A menu: item k is meant for type k. All arrays are (K,), money in USD per request.

    Attributes
    ----------
    theta_usd, probability : array
        θ_k and P_k.
    quality, price_usd, cost_usd : array
        q_k, p_k, and what serving type k costs; all 0 for a type that is left out.
    valuation : array
        v(q_k).
    served : array of bool
    service : array of int
        0-based service of a discrete menu, `NO_SERVICE` for a type left out and along a curve.
    """

    theta_usd: FloatArray
    probability: FloatArray
    quality: FloatArray
    price_usd: FloatArray
    cost_usd: FloatArray
    valuation: FloatArray
    served: BoolArray
    service: IntArray

    @property
    def user_utility_usd(self) -> FloatArray:
        """u_k = θ_k v(q_k) − p_k.

        Equation: PACT (9)
        """
        return self.theta_usd * self.valuation - self.price_usd

    @property
    def profit_usd(self) -> FloatArray:
        """p_k − C(q_k), what the provider gains from a user of type k."""
        return self.price_usd - self.cost_usd

    @property
    def provider_utility_usd(self) -> float:
        """Σ P_k (p_k − C(q_k)).

        Equation: PACT (10)
        """
        return float(self.probability @ self.profit_usd)

    @property
    def users_utility_usd(self) -> float:
        """Σ P_k u_k."""
        return float(self.probability @ self.user_utility_usd)

    @property
    def social_welfare_usd(self) -> float:
        """Users' and provider's utility together."""
        return self.provider_utility_usd + self.users_utility_usd

    def choice_utility_usd(self) -> FloatArray:
        """What type k would gain from item j, θ_k v(q_j) − p_j, (K, K)."""
        return np.multiply.outer(self.theta_usd, self.valuation) - self.price_usd


def screening_prices(theta_usd: FloatArray, value: FloatArray) -> FloatArray:
    """Highest prices that keep all of (11), (12): p_k = p_{k−1} + θ_k (v_k − v_{k−1}), v_0 = 0.

    Equation: PACT (14), (15)

    Parameters
    ----------
    theta_usd, value : array (K,)
        θ_k, and v(q_k) non-decreasing; 0 for the types left out.

    Examples
    --------
    >>> screening_prices(np.array([1.0, 2.0]), np.array([0.3, 0.5])).tolist()
    [0.3, 0.7]
    """
    return np.cumsum(theta_usd * np.diff(value, prepend=0.0))


def contract_at(
    types: Types,
    quality: FloatArray,
    value: FloatArray,
    cost_usd: FloatArray,
    served: BoolArray,
    service: IntArray | None = None,
    *,
    first_best: bool = False,
) -> Contract:
    """Contract of given qualities: prices as high as may be, nothing for a type that is left out.

    Parameters
    ----------
    types : Types
    quality, value, cost_usd : array (K,)
        q_k, v(q_k) and what it costs to serve type k.
    served : array (K,) of bool
    service : array (K,) of int, optional
        Of a discrete menu.
    first_best : bool
        Whether the provider knows every type and takes all that its item is worth to it, θ v(q).
    """
    value = np.where(served, value, 0.0)
    return Contract(
        types.theta_usd,
        types.probability,
        np.where(served, quality, 0.0),
        types.theta_usd * value if first_best else screening_prices(types.theta_usd, value),
        np.where(served, cost_usd, 0.0),
        value,
        served,
        np.where(served, NO_SERVICE if service is None else service, NO_SERVICE),
    )


def marginal_cost_usd(valuation: Valuation, curve: CostCurve, quality: float) -> float:
    """r(q) = C′(q)/v′(q), the cost of a unit of v; 0 where v′ is infinite."""
    with np.errstate(divide="ignore"):  # a power has an infinite slope at 0
        return float(curve.slope(quality) / valuation.slope(quality))


def continuous_contract(
    types: Types,
    valuation: Valuation,
    curve: CostCurve,
    lower: float = 0.0,
    upper: float = 1.0,
    *,
    serve_all: bool = True,
) -> Contract:
    """Menu along a cost curve that maximises the provider's utility.

    Equation: PACT (13)-(16)

    Parameters
    ----------
    types : Types
    valuation : Valuation
    curve : CostCurve
        Convex and increasing on [lower, upper].
    lower, upper : float
        Bounds of quality, 0 ≤ lower ≤ upper ≤ 1, (13).
    serve_all : bool
        Whether every type is served, at a cost, if only with the lowest quality; else the lowest
        types may be left out.

    Returns
    -------
    Contract
        Of several best ones that with the lowest qualities, and the fewest types left out.

    Examples
    --------
    >>> from airan_market.agents.pact.contract.valuation import valuation
    >>> curve = CostCurve("given", lambda q: np.square(q), lambda q: 2 * np.asarray(q))
    >>> menu = continuous_contract(Types([1.0, 2.0, 3.0]), valuation(), curve)
    >>> menu.quality.round(6).tolist()  # 0 for φ = −1, then q (1 + q) = φ/2
    [0.0, 0.366025, 0.822876]
    """
    virtual, probability = types.virtual_usd(), types.probability
    maximisers = _pieces(virtual, probability, valuation, curve, lower, upper).maximisers()
    found = []
    for left_out in range(1 if serve_all else types.size + 1):
        rest = slice(left_out, None)
        terms = _pieces(virtual[rest], probability[rest], valuation, curve, lower, upper)
        pooled = pool(terms, maximisers[rest], lower, upper)
        quality = np.concatenate([np.zeros(left_out), pooled])
        served = np.arange(types.size) >= left_out
        value, cost = valuation.value(quality), curve.value(quality)
        found.append(contract_at(types, quality, value, cost, served))
    return max(found, key=lambda contract: contract.provider_utility_usd)  # the first of equals


def _pieces(
    virtual_usd: FloatArray,
    probability: FloatArray,
    valuation: Valuation,
    curve: CostCurve,
    lower: float,
    upper: float,
) -> DerivativePieces:
    # of a block: its weight and its weighted virtual type, as differences of running sums
    weight = np.concatenate([[0.0], np.cumsum(probability)])
    rent = np.concatenate([[0.0], np.cumsum(probability * virtual_usd)])

    def derivative(quality: float, first: int, last: int) -> float:
        marginal = marginal_cost_usd(valuation, curve, quality)
        return float(rent[last] - rent[first] - (weight[last] - weight[first]) * marginal)

    return DerivativePieces(virtual_usd.size, derivative, lower, upper)


def continuous_first_best(
    types: Types,
    valuation: Valuation,
    curve: CostCurve,
    lower: float = 0.0,
    upper: float = 1.0,
    *,
    serve_all: bool = True,
) -> Contract:
    """What a provider who knows every type would sell: θ v′(q) = C′(q) at the price θ v(q).

    Users keep nothing. Unless all must be served, a type whose whole surplus θ v(q) − C(q) is
    negative is left out.

    Examples
    --------
    >>> from airan_market.agents.pact.contract.valuation import valuation
    >>> curve = CostCurve("given", lambda q: np.square(q), lambda q: 2 * np.asarray(q))
    >>> menu = continuous_first_best(Types([1.0, 2.0]), valuation(), curve)
    >>> menu.quality.round(6).tolist(), menu.user_utility_usd.tolist()
    ([0.366025, 0.618034], [0.0, 0.0])
    """
    alone = _pieces(types.theta_usd, np.ones(types.size), valuation, curve, lower, upper)
    quality = alone.maximisers()
    value, cost = valuation.value(quality), curve.value(quality)
    served = np.full(types.size, True) if serve_all else types.theta_usd * value >= cost
    return contract_at(types, quality, value, cost, served, first_best=True)
