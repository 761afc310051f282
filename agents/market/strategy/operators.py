"""Operators with strategies of their own.

Each is an `OperatorAgent` that makes its menus in another way; its settings are the table
`strategy` of the operator in the scenario.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from airan_market.agents.belief.belief import ChernoffBelief, operator_belief
from airan_market.agents.certificate.deviation import best_deviation, repriced
from airan_market.agents.contract.design import designed_by_terms, load_and_weight
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.price import binding_prices, priced_menu
from airan_market.agents.contract.utility import task_utility
from airan_market.agents.equilibrium.answer import Rules, best_answer
from airan_market.agents.equilibrium.profile import Profile, settle_users
from airan_market.agents.market.announcement import Announcement
from airan_market.agents.market.operator import OperatorAgent
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios.schema.dynamics import OperatorStrategy
from airan_market.sim.arrays import FloatArray
from airan_market.sim.estimation.proportions import binomial_upper

BUDGET = 1500  # menus that a best response tries
LEAST_TASKS = 100  # of a type in a round, for its tail to be fitted
UPPER = 0.1  # part of them that the fit of the tail looks at


class Strategic(OperatorAgent):
    """An operator whose scenario says how it makes its menus."""

    def __init__(self, model: Any, number: int, primitives: Primitives) -> None:
        super().__init__(model, number, primitives)
        asked = model.scenario.operators[number].strategy
        self.strategy: OperatorStrategy = asked or OperatorStrategy()

    def announce(self) -> Announcement:
        """Announce the menu of the strategy."""
        plain = super().announce()
        return replace(plain, menu=self.menu(plain.menu))

    def menu(self, designed: Menu) -> Menu:
        """What becomes of the menu of Algorithm 1."""
        return designed


class Rent(Strategic):
    """Every price higher by the same amount (lower, where it is negative)."""

    def menu(self, designed: Menu) -> Menu:
        """Prices with the rent."""
        return replace(designed, price_usd=designed.price_usd + self.strategy.rent_usd)


class OverPromise(Strategic):
    """Announces a part of the latencies that it reckons with, as if they were as safe.

    It asks the prices (25) of what it announces: a shorter latency at the violation probability of
    the honest one.
    """

    def menu(self, designed: Menu) -> Menu:
        """Shorter latencies, with their prices."""
        own = self.primitives
        shortest = own.mechanism.latency_min_s
        latency_s = np.maximum(self.strategy.factor * designed.latency_s, shortest)
        price_usd = binding_prices(
            own.service_value_usd, own.latency_sensitivity_usd_per_s, own.refund_usd,
            latency_s, designed.violation_probability, own.participation_margin_usd,
        )  # fmt: skip
        return Menu(latency_s, price_usd, designed.violation_probability)


class Inertia(Strategic):
    """Keeps a menu for some rounds before it makes another."""

    _kept: Menu | None = None
    _since = -1

    def menu(self, designed: Menu) -> Menu:
        """The kept menu, or the new one when it is time."""
        played = self.model.round
        due = self._kept is None or (
            played % self.strategy.every_rounds == 0 and played != self._since
        )
        if due or played == self._since:
            self._kept, self._since = self.new_menu(designed), played
        assert self._kept is not None
        return self._kept

    def new_menu(self, designed: Menu) -> Menu:
        """The menu that it would make now."""
        return designed


class BestResponse(Inertia):
    """The best menu that a search finds against the rivals' last ones, users responding (30).

    The search is that of the certificates (`agents.certificate`), with fewer menus. It is made once
    a round, from the menus of the round before, and in the first round it is that of Algorithm 1.
    With `margins` it is the search of `agents.equilibrium`, and what it leaves to every type is
    chosen with the menu.
    """

    def menu(self, designed: Menu) -> Menu:
        """The menu of the round, searched for once."""
        if not self.model.agreed:
            return designed
        if self._since == self.model.round and self._kept is not None:
            return self._kept
        return super().menu(designed)

    def new_menu(self, designed: Menu) -> Menu:
        """Search from the menus of the round before."""
        last = self.model.agreed[-1]
        open_ = np.flatnonzero(last.board.open)  # nobody answers those who are closed
        if self.number not in open_:
            return designed
        market = last.conditions.primitives.of_operator(open_)
        market = replace(market, mechanism=self.primitives.mechanism)
        own, menu = int(np.searchsorted(open_, self.number)), last.board.menu[open_]
        if self.strategy.margins:
            return self.with_margin(market, menu, own)
        agreement = Agreement(
            menu, last.match_probability[open_],
            temperature_usd=self.primitives.mechanism.temperature_end_usd,
            shadow_price_usd=last.board.shadow_price_usd[open_],
        )  # fmt: skip
        found = best_deviation(market, agreement, own, BUDGET)
        if found is None:
            return designed
        share = repriced(market, agreement, own)(found.latency_s[np.newaxis])[0]
        load = cumulative_load(share, self.primitives.demand_per_s)
        return priced_menu(self.primitives, operator_belief(self.primitives, load), found.latency_s)

    def with_margin(self, market: Primitives, menu: Menu, own: int) -> Menu:
        """Menu and margin against the menus (M, N) of all, as they stand on the board."""
        profile = Profile(menu.latency_s, left_margins(market, menu))
        answer = best_answer(market, profile, own, Rules(margins=True), budget=BUDGET // 5)
        answered = profile.of(own, answer.latency_s, answer.margin_usd)
        return settle_users(market, answered).menu[own]


def left_margins(market: Primitives, menu: Menu) -> FloatArray:
    """What posted menus leave to type 1, which gets least, (M,): public, as menus are.

    A menu that leaves it less than nothing (a rent on every price) counts as leaving nothing.
    """
    left = task_utility(
        market.service_value_usd, market.latency_sensitivity_usd_per_s[0], menu.latency_s[:, 0],
        menu.price_usd[:, 0], menu.violation_probability[:, 0], market.refund_usd,
    )  # fmt: skip
    return np.maximum(left, 0.0)


class Learning(Strategic):
    """Knows neither the shares of the types nor the tails of its own service.

    It estimates z_n by the tasks that its items of type n brought over those that the type asks
    for, which is public, and corrects the tail that it believes by a factor for every type: the
    upper confidence limit of the violations that it saw over those that it had believed. Both are
    discounted from round to round. In the first round it knows what everybody believes.

    With `tails = "latencies"` it believes the tail that fits its own tasks of the last round
    (`fitted_tail`), for every type of which at least `LEAST_TASKS` ended.
    """

    _share: FloatArray | None = None

    def __init__(self, model: Any, number: int, primitives: Primitives) -> None:
        super().__init__(model, number, primitives)
        types = primitives.types
        self._tasks, self._late, self._believed = np.zeros((3, types))
        self.correction = np.ones(types)
        self._fitted = np.full((2, types), np.nan)  # ln G and exponent, where they are known

    @property
    def wants_latencies(self) -> bool:
        """Whether the market has to keep the latencies of a round."""
        return self.strategy.tails == "latencies"

    def expect(self, match_probability: FloatArray) -> None:
        """What others would know is not told: its own estimate stands in its place."""
        super().expect(match_probability if self._share is None else self._share)

    def menu(self, designed: Menu) -> Menu:
        """Designed with the corrected tail."""
        known = not np.isnan(self._fitted).all() if self.wants_latencies else False
        if self.primitives.mechanism.belief != "chernoff" or not (
            known or (self.correction != 1).any()
        ):
            return designed
        load, weight = load_and_weight(self.primitives, self.match_probability)
        plain = operator_belief(self.primitives, load)
        assert isinstance(plain, ChernoffBelief)
        if self.wants_latencies:
            seen = ~np.isnan(self._fitted[0])
            corrected = ChernoffBelief(
                np.where(seen, self._fitted[0], plain.log_gain),
                np.where(seen, self._fitted[1], plain.exponent_per_s),
            )
        else:
            log_gain = plain.log_gain + np.log(self.correction)
            corrected = ChernoffBelief(log_gain, plain.exponent_per_s)
        return designed_by_terms(self.primitives, corrected, weight)

    def observe(self, tasks: FloatArray, violations: FloatArray) -> None:
        """Learn from the tasks of a round and its broken agreements."""
        super().observe(tasks, violations)
        keep, model = self.strategy.memory, self.model
        asked = self.primitives.demand_per_s * model.scenario.simulation.horizon_s
        seen = np.divide(tasks, asked, out=np.zeros(len(asked)), where=asked > 0)
        before = self.match_probability if self._share is None else self._share
        self._share = np.minimum(keep * before + (1 - keep) * seen, 1.0)
        if self.wants_latencies:
            self._fit()
            return
        promised = model.terms.board.menu[self.number].violation_probability
        # of what was believed before it was corrected: else corrections would pile up
        plain = np.minimum(promised / self.correction, 1.0)
        self._tasks = keep * self._tasks + tasks
        self._late = keep * self._late + violations
        self._believed = keep * self._believed + tasks * plain
        known = (self._tasks > 0) & (self._believed > 0)
        upper = binomial_upper(self._late, np.maximum(self._tasks, 1), self.strategy.confidence)
        self.correction = np.where(
            known, upper * self._tasks / np.where(known, self._believed, 1.0), 1.0
        )

    def _fit(self) -> None:
        """Fit the tails of the types to the tasks that ended in the round."""
        fresh = self.model.clearing.fresh
        mine = [trace.operator == self.number for trace in fresh]
        types = np.concatenate([t.type[own] for t, own in zip(fresh, mine, strict=True)])
        latency_s = np.concatenate([t.latency_s[own] for t, own in zip(fresh, mine, strict=True)])
        for n in range(self.primitives.types):
            own = latency_s[types == n]
            if own.size >= LEAST_TASKS:
                self._fitted[:, n] = fitted_tail(own, self.strategy.confidence)


def fitted_tail(latency_s: FloatArray, confidence: float) -> tuple[float, float]:
    """Exponential tail ln p(t) = g - b t of latencies, at its upper limit: (g, b).

    b is the maximum likelihood of what is beyond the upper tenth (a peak over a threshold with
    exponential excesses); g is such that the tail passes through the upper confidence limit
    (Clopper and Pearson) of the tenth itself. Beyond the threshold it is a fit, below it too high.

    Parameters
    ----------
    latency_s : array (n,)
        At least `LEAST_TASKS`.
    confidence : float

    Examples
    --------
    >>> sample = np.random.default_rng(1).exponential(0.5, 100_000)
    >>> g, b = fitted_tail(sample, 0.9)
    >>> round(b, 1), round(float(np.exp(g - b * 2.3)), 3)
    (2.0, 0.01)
    """
    threshold_s = float(np.quantile(latency_s, 1 - UPPER))
    excess_s = latency_s[latency_s > threshold_s] - threshold_s
    exponent_per_s = 1 / float(excess_s.mean())
    upper = float(binomial_upper(np.array(float(excess_s.size)), np.array(float(latency_s.size)),
                                 confidence))  # fmt: skip
    return float(np.log(upper)) + exponent_per_s * threshold_s, exponent_per_s


OPERATORS: dict[str, type[OperatorAgent]] = {
    "algorithm-1": OperatorAgent,
    "best-response": BestResponse,
    "inertia": Inertia,
    "over-promise": OverPromise,
    "rent": Rent,
    "learning": Learning,
}
