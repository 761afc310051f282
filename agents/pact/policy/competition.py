"""Providers that compete for the same users, through the machinery of the other market.

Algorithm 1 of the AI-RAN market with PACT's contracts in place of its own: in every iteration each
provider designs the best menu for the users it now expects, users of every type answer with the
mixed response (33) over the providers and staying out, at a temperature that falls
(`matching.response`), and a part of the way to that answer is gone (35). A provider expects

    P_{m,k} ∝ P_k (z_{m,k} + ρ),

z_{m,k} the probability that type k comes to it; ρ > 0 keeps every type in its design, as in (37).

Within a menu a user's own item stays the best (12), so that a type's utility at a provider is that
of its own item there. The lowest type that a provider serves keeps nothing whatever the rivals do,
as in (25) of the other paper: providers compete by quality, and prices follow. They do not
undercut each other; what undercutting would gain is told (`Competition.undercutting_gain_usd`).

A design jumps when a type is dropped, or another service becomes the best for it, so that users
and providers may chase each other: the colder the users choose, the more so. Then `converged` is
false and `residual` says by how much users still move. A smaller step, or users who choose less
sharply, settle most markets; hence the defaults of `compete`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from airan_market.agents.matching.response import (
    damp,
    mixed_response,
    opt_out_probability,
    temperature,
)
from airan_market.agents.pact.contract.contract import Contract
from airan_market.agents.pact.contract.virtual_types import Types
from airan_market.agents.pact.market import PactMarket
from airan_market.sim.arrays import FloatArray


@dataclass(frozen=True)
class Competition:
    """Where providers and users end.

    Attributes
    ----------
    contracts : tuple of Contract
        Last menu of every provider; their `probability` is what the provider expected.
    match_probability : array (M, K)
        z_{m,k}.
    probability : array (K,)
        P_k of the whole market.
    iterations : int
    residual : float
        Largest change of a matching probability in the last iteration.
    converged : bool
    """

    contracts: tuple[Contract, ...]
    match_probability: FloatArray
    probability: FloatArray
    iterations: int
    residual: float
    converged: bool

    @property
    def provider_utility_usd(self) -> FloatArray:
        """Σ_k P_k z_{m,k} (p_{m,k} − C_{m,k}) of every provider, (M,), USD per request."""
        profit = np.array([contract.profit_usd for contract in self.contracts])
        return (self.match_probability * profit) @ self.probability

    @property
    def users_utility_usd(self) -> float:
        """Σ_k P_k Σ_m z_{m,k} u_{m,k}, USD per request; who stays out has 0."""
        utility = np.array([contract.user_utility_usd for contract in self.contracts])
        return float((self.match_probability * utility).sum(axis=0) @ self.probability)

    @property
    def social_welfare_usd(self) -> float:
        """Users' and all providers' utility together."""
        return float(self.provider_utility_usd.sum()) + self.users_utility_usd

    def undercutting_gain_usd(self) -> FloatArray:
        """What each provider would gain by lowering all its prices by one amount, (M,).

        With rivals' menus as posted, every type then goes where it has most (to the one who
        undercuts, at a tie). The best amount is one that just wins a type, so those are tried. A
        lower bound of what another menu could gain; positive means that prices are not those of a
        price equilibrium.
        """
        utility = np.array([contract.user_utility_usd for contract in self.contracts])
        profit = np.array([contract.profit_usd for contract in self.contracts])
        gains = []
        for m, own in enumerate(utility):
            rivals = np.delete(utility, m, axis=0)
            wanted = np.maximum(rivals.max(axis=0, initial=0.0), 0.0) - own
            best = -np.inf
            for cut in np.unique(np.maximum(wanted, 0.0)):
                won = self.contracts[m].served & (wanted <= cut)
                best = max(best, float(self.probability @ np.where(won, profit[m] - cut, 0.0)))
            gains.append(best - self.provider_utility_usd[m])
        return np.array(gains)

    @property
    def opt_out_probability(self) -> FloatArray:
        """Probability that a type takes no provider, (K,)."""
        return opt_out_probability(self.match_probability)


def compete(
    markets: Sequence[PactMarket],
    *,
    liability_level: float = 0.0,
    iterations: int = 200,
    damping: float = 0.1,
    demand_floor: float = 0.05,
    temperature_start_usd: float = 1.0,
    temperature_end_usd: float = 0.1,
    tolerance: float = 1e-9,
) -> Competition:
    """Let providers design menus for the users they get, until users stay where they are.

    Parameters
    ----------
    markets : sequence of PactMarket
        One per provider; all with the same types and probabilities.
    liability_level : float
    iterations : int
        K; the temperature falls geometrically over them, and stays at its last value for as many
        more at the most.
    damping, demand_floor : float
        ϑ of (35) and ρ of (37).
    temperature_start_usd, temperature_end_usd : float
        τ_1 and τ_K of (33), USD per request.
    tolerance : float
        What counts as no change at the last temperature.

    Raises
    ------
    ValueError
        When the providers do not face the same users.

    Examples
    --------
    >>> from airan_market.agents.pact.market import markets_of
    >>> from airan_market.scenarios import load_pact
    >>> one = markets_of(load_pact("pact"))[0]
    >>> twins = compete([one, one], iterations=20)
    >>> bool(np.allclose(twins.match_probability[0], twins.match_probability[1]))
    True
    """
    types = markets[0].types
    for market in markets[1:]:
        same = np.array_equal(market.types.theta_usd, types.theta_usd) and np.array_equal(
            market.types.probability, types.probability
        )
        if not same:
            raise ValueError("markets: all providers must face the same types and probabilities")
    z = np.full((len(markets), types.size), 1 / (len(markets) + 1))
    residual, done = np.inf, 0
    contracts: tuple[Contract, ...] = ()
    for done in range(1, 2 * iterations + 1):
        tau = temperature_end_usd
        if done <= iterations:
            tau = temperature(done, iterations, temperature_start_usd, temperature_end_usd)
        contracts = _designs(markets, types, z, demand_floor, liability_level)
        utility = np.array([contract.user_utility_usd for contract in contracts])
        moved = damp(z, mixed_response(utility, 0.0, tau), damping)
        residual, z = float(np.abs(moved - z).max()), moved
        if done >= iterations and residual <= tolerance:
            break
    return Competition(contracts, z, types.probability, done, residual, bool(residual <= tolerance))


def _designs(
    markets: Sequence[PactMarket],
    types: Types,
    match_probability: FloatArray,
    demand_floor: float,
    liability_level: float,
) -> tuple[Contract, ...]:
    """Best menu of every provider for the users it expects."""
    contracts = []
    for market, share in zip(markets, match_probability, strict=True):
        weight = types.probability * (share + demand_floor)
        expected = Types(types.theta_usd, weight / weight.sum())
        contracts.append(market.contract(liability_level, types=expected))
    return tuple(contracts)
