"""A profile: what every operator plays, latencies and a margin, and where users settle.

Strategies are latency vectors, as in problem (30), and, where margins are free, the utility that an
operator leaves to every type beyond its information rent. Prices follow (25); users respond (33) at
the final temperature, with shadow prices 0: an operator that takes too many pays for it in broken
promises. Where they value quality differently every class (α_x, β_n) responds for itself;
menus stay by latency type, and margins are left to all quality types alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.contract.price import binding_utility, priced_menu
from airan_market.agents.contract.utility import Accounts, quality_utility
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.matching.quality import over_qualities
from airan_market.agents.matching.response import mixed_response
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Profile:
    """Strategies of all operators.

    Attributes
    ----------
    latency_s : array (M, N)
        Never decreasing along the types.
    margin_usd : array (M,)
        Per task, at least 0.

    Examples
    --------
    >>> one = Profile(np.full((2, 3), 0.5), np.zeros(2))
    >>> one.distance(Profile(np.full((2, 3), 0.6), np.zeros(2)), latency_s=2.0, value_usd=1.0)
    0.05
    """

    latency_s: FloatArray
    margin_usd: FloatArray

    def towards(self, other: Profile, part: float) -> Profile:
        """Go a part of the way to another profile."""
        return Profile(
            self.latency_s + part * (other.latency_s - self.latency_s),
            self.margin_usd + part * (other.margin_usd - self.margin_usd),
        )

    def of(self, operator: int, latency_s: FloatArray, margin_usd: float) -> Profile:
        """The profile with another strategy of one operator."""
        latencies, margins = self.latency_s.copy(), self.margin_usd.copy()
        latencies[operator], margins[operator] = latency_s, margin_usd
        return Profile(latencies, margins)

    def distance(self, other: Profile, latency_s: float, value_usd: float) -> float:
        """Largest difference of a latency in units of L_max, or of a margin in units of α_1 q."""
        latencies = np.abs(self.latency_s - other.latency_s).max() / latency_s
        margins = np.abs(self.margin_usd - other.margin_usd).max() / value_usd
        return round(float(max(latencies, margins)), 12)


def with_margins(primitives: Primitives, profile: Profile) -> Primitives:
    """The market in which operators leave the margins of the profile."""
    return replace(primitives, own_margin_usd=profile.margin_usd)


def settle_users(primitives: Primitives, profile: Profile) -> Agreement:
    """Where users settle, and the menus priced for the loads that follow.

    Under the prices (25) users' utilities depend on latencies and margins alone, so the response
    (33) is explicit and nothing is iterated.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> found = settle_users(market, Profile(np.full((3, 8), 0.5), np.zeros(3)))
    >>> bool(np.allclose(found.match_probability[:, 0], 1 / 4))  # type 1: nothing, everywhere
    True
    """
    own = with_margins(primitives, profile)
    tau = primitives.mechanism.temperature_end_usd
    utility = quality_utility(primitives, binding_utility(own, profile.latency_s))
    response = mixed_response(utility, primitives.opt_out_utility_usd, tau)
    matching = over_qualities(response, primitives.quality_share)
    by_quality = None if primitives.quality_share is None else response
    belief = operator_belief(own, cumulative_load(matching, own.demand_per_s))
    menu = priced_menu(own, belief, profile.latency_s)
    return Agreement(menu, matching, temperature_usd=tau, by_quality=by_quality)


def accounts_of(primitives: Primitives, profile: Profile) -> Accounts:
    """What a profile is worth to everybody."""
    return Accounts.of(primitives, settle_users(primitives, profile))
