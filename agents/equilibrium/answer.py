"""The best answer of one operator to the others: its menu, and its margin where margins are free.

The search is that of the certificates (`certificate.menu_search`), begun from one place more: the
best path over a grid of all menus (`chain`). Where margins are free they are moved with the menu.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.certificate.deviation import repriced
from airan_market.agents.certificate.menu_search import (
    CLIMBING,
    LEAST_LATENCY,
    STEP,
    Deviation,
    Share,
    search_menu,
    utility_of_menu,
)
from airan_market.agents.contract.price import binding_utility, priced_menu
from airan_market.agents.contract.utility import quality_utility
from airan_market.agents.equilibrium.chain import Facing, menu_bound, reckons, start_menu
from airan_market.agents.equilibrium.profile import Profile, settle_users, with_margins
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray

BUDGET = 1_500  # menus an answer tries, for one margin
TURNS = 4  # in which menu and margin are sought in turn, at most
MARGINS = 40  # of a grid around the margin, each turn finer
CERTIFYING = 6_000  # menus of a certificate


@dataclass(frozen=True, eq=False)
class Rules:
    """What operators may play.

    Attributes
    ----------
    margins : bool
        Whether margins are free, from 0 to the service value.
    price_floor_usd : float
        No item that somebody takes may cost less when it is posted. Prices (25) follow the load
        with the refund, so one at the floor may slip below it as rivals move, until its operator
        answers.
    """

    margins: bool = False
    price_floor_usd: float = -np.inf


@dataclass(frozen=True, eq=False)
class Answer:
    """A strategy of one operator, what it earns, and what the old one earned, USD/s."""

    latency_s: FloatArray
    margin_usd: float
    value_usd_per_s: float
    before_usd_per_s: float

    @property
    def gain_usd_per_s(self) -> float:
        """At least 0: the old strategy is one of the choices."""
        return max(0.0, self.value_usd_per_s - self.before_usd_per_s)


def facing(primitives: Primitives, profile: Profile, operator: int) -> Facing:
    """What an operator faces when the others play their part of a profile."""
    primitives.require_one_service("the search for an equilibrium")
    own = with_margins(primitives, profile)
    tau = primitives.mechanism.temperature_end_usd
    utility = quality_utility(primitives, binding_utility(own, profile.latency_s))
    utility = np.delete(utility, operator, axis=0)
    out = np.full((1, *utility.shape[1:]), primitives.opt_out_utility_usd)
    return Facing(
        primitives.of_operator(operator), logsumexp(np.vstack([out, utility]) / tau, axis=0), tau
    )


def best_answer(
    primitives: Primitives,
    profile: Profile,
    operator: int,
    rules: Rules | None = None,
    *,
    budget: int = BUDGET,
    everywhere: bool = False,
) -> Answer:
    """Best strategy found of one operator against the others.

    Parameters
    ----------
    primitives : Primitives
    profile : Profile
    operator : int
    rules : Rules, optional
    budget : int
        Menus to try, for each margin.
    everywhere : bool
        Whether to begin from the best path of the chain as well, where the belief allows it.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> flat = Profile(np.full((3, 8), 0.1), np.zeros(3))
    >>> best_answer(market, flat, 0, budget=200).gain_usd_per_s > 0
    True
    """
    rules = rules or Rules()
    latency_s, margin = profile.latency_s[operator], float(profile.margin_usd[operator])
    before = strategy_value(
        primitives, profile, operator, latency_s[np.newaxis], np.array([margin]), rules
    )
    best = Answer(latency_s, margin, float(before[0]), float(before[0]))
    chain = everywhere and reckons(primitives)
    width = 0.25 * float(primitives.service_value_usd[operator])
    for turn in range(TURNS if rules.margins else 1):
        start = best.value_usd_per_s
        if rules.margins:
            best = _other_margin(primitives, profile, operator, best, rules, width)
            width /= 5
            best = _climb(primitives, profile, operator, best, rules)
        own = profile.of(operator, best.latency_s, best.margin_usd)
        market = with_margins(primitives, own)
        reach = repriced(market, settle_users(primitives, own), operator)
        share = _allowed(market, operator, reach, rules)
        known = []
        if chain and turn == 0:
            known = [start_menu(facing(primitives, own, operator), best.margin_usd)[np.newaxis]]
        found = search_menu(market, operator, share, own.latency_s, budget, further=known)
        # None: the floor forbids what it plays; then everything allowed is better
        if found is None:
            found = _from_flat(market, operator, share, own.latency_s, budget)
        if found is not None:
            value = found.baseline_usd_per_s + found.gain_usd_per_s
            if value > best.value_usd_per_s:
                best = replace(best, latency_s=found.latency_s, value_usd_per_s=value)
        if turn and best.value_usd_per_s - start <= 1e-7 * abs(start):
            break
    return best


def bound_of(primitives: Primitives, profile: Profile, operator: int, rules: Rules) -> float:
    """What no strategy of an operator can pass against the others, USD/s; infinite if unknown."""
    if not reckons(primitives):
        return np.inf
    most = float(primitives.service_value_usd[operator]) if rules.margins else 0.0
    low = 0.0 if rules.margins else float(profile.margin_usd[operator])
    return menu_bound(facing(primitives, profile, operator), (low, max(low, most)))


def certified_gains(primitives: Primitives, profile: Profile, rules: Rules) -> list[Answer]:
    """What a profile lacks: the best answers of all operators, with many menus and everywhere."""
    return [
        best_answer(primitives, profile, m, rules, budget=CERTIFYING, everywhere=True)
        for m in range(primitives.operators)
    ]


def evolved_gain(
    primitives: Primitives, profile: Profile, operator: int, rules: Rules, *, seed: int = 0,
    generations: int = 150,
) -> float:  # fmt: skip
    """What differential evolution (Storn and Price 1997) gains, USD/s; another search altogether.

    Over the logarithms of latencies put in order, and the margin where it is free. Not polished; at
    least 0.
    """
    from scipy.optimize import differential_evolution  # here: SciPy takes long to import

    settings, size = primitives.mechanism, primitives.types
    worth = float(primitives.service_value_usd[operator])
    low = np.log(max(settings.latency_min_s, LEAST_LATENCY * settings.latency_max_s))
    high = np.log(settings.latency_max_s)

    def loss(points: FloatArray) -> FloatArray:
        menus = np.exp(np.sort(points[:size].T, axis=1))
        menus = np.clip(menus, settings.latency_min_s, settings.latency_max_s)
        margin = np.full(len(menus), profile.margin_usd[operator])
        if rules.margins:
            margin = worth * points[size]
        value = strategy_value(primitives, profile, operator, menus, margin, rules)
        return np.where(np.isfinite(value), -value, 1e300)

    own = profile.latency_s[operator][np.newaxis], profile.margin_usd[operator : operator + 1]
    before = float(strategy_value(primitives, profile, operator, *own, rules)[0])
    found = differential_evolution(
        loss, [(low, high)] * size + [(0.0, 1.0)] * rules.margins, maxiter=generations, tol=0.0,
        polish=False, vectorized=True, updating="deferred", seed=seed,
    )  # fmt: skip
    return max(0.0, -float(found.fun) - before)


def _from_flat(
    market: Primitives, operator: int, share: Share, latency_s: FloatArray, budget: int
) -> Deviation | None:
    """Search from the best flat menu that the floor allows, where there is one."""
    objective = utility_of_menu(market.of_operator(operator), share)
    settings = market.mechanism
    flat = np.repeat(
        np.geomspace(settings.latency_min_s, settings.latency_max_s, 64)[:, np.newaxis],
        market.types, axis=1,
    )  # fmt: skip
    values = objective(flat)
    if np.isneginf(values).all():
        return None
    own = latency_s.copy()
    own[operator] = flat[values.argmax()]
    return search_menu(market, operator, share, own, budget)


def strategy_value(
    primitives: Primitives, profile: Profile, operator: int, latency_s: FloatArray,
    margin_usd: FloatArray, rules: Rules,
) -> FloatArray:  # fmt: skip
    """Utility (B,) of an operator over strategies (B, N) and (B,); −inf where the floor forbids."""
    faced = facing(primitives, profile, operator)
    own = replace(faced.own, own_margin_usd=np.zeros(()))
    utility = binding_utility(own, latency_s) + margin_usd[:, np.newaxis]
    share = np.stack([faced.share(n, utility[:, n]) for n in range(own.types)], axis=-1)
    menu = priced_menu(own, operator_belief(own, cumulative_load(share, own.demand_per_s)),
                       latency_s)  # fmt: skip
    price = menu.price_usd - margin_usd[:, np.newaxis]
    tasks = share * own.demand_per_s
    cost = own.violation_cost_usd * menu.violation_probability + own.running_cost_usd
    allowed = ((price >= rules.price_floor_usd) | (tasks <= 0)).all(axis=-1)
    return np.where(allowed, (tasks * (price - cost)).sum(axis=-1), -np.inf)


def _allowed(market: Primitives, operator: int, share: Share, rules: Rules) -> Share:
    """The share, NaN for menus that the floor forbids: the search leaves these aside."""
    if np.isneginf(rules.price_floor_usd):
        return share
    own = market.of_operator(operator)

    def within(latency_s: FloatArray) -> FloatArray:
        matched = share(latency_s)
        belief = operator_belief(own, cumulative_load(matched, own.demand_per_s))
        price = priced_menu(own, belief, latency_s).price_usd
        sold = matched * own.demand_per_s > 0
        low = np.any((price < rules.price_floor_usd) & sold, axis=-1, keepdims=True)
        return np.where(low, np.nan, matched)

    return within


def _other_margin(
    primitives: Primitives, profile: Profile, operator: int, best: Answer, rules: Rules,
    width_usd: float,
) -> Answer:  # fmt: skip
    """The best margin of a grid around the present one, menu and menus a little longer or shorter.

    A margin and all latencies can stand in for each other, so they are moved together.
    """
    most = float(primitives.service_value_usd[operator])
    margins = np.clip(best.margin_usd + width_usd * np.linspace(-1, 1, 2 * MARGINS + 1), 0.0, most)
    settings = primitives.mechanism
    factors = np.geomspace(0.25, 4.0, 41)
    latency_s = np.clip(factors[:, np.newaxis] * best.latency_s, settings.latency_min_s,
                        settings.latency_max_s)  # fmt: skip
    many = np.repeat(latency_s, len(margins), axis=0), np.tile(margins, len(factors))
    value = strategy_value(primitives, profile, operator, *many, rules)
    place = int(value.argmax())
    if not value[place] > best.value_usd_per_s:
        return best
    return replace(best, latency_s=many[0][place], margin_usd=float(many[1][place]),
                   value_usd_per_s=float(value[place]))  # fmt: skip


def _climb(
    primitives: Primitives, profile: Profile, operator: int, best: Answer, rules: Rules
) -> Answer:
    """Margin and menu uphill together (SLSQP), with slopes of difference quotients."""
    from scipy.optimize import minimize  # here: SciPy takes long to import
    from threadpoolctl import threadpool_limits

    settings, size = primitives.mechanism, primitives.types
    worth = float(primitives.service_value_usd[operator])
    low = np.log(max(settings.latency_min_s, LEAST_LATENCY * settings.latency_max_s))
    high = np.log(settings.latency_max_s)
    scale = max(abs(best.value_usd_per_s), 1e-300)
    found = best

    def loss(point: FloatArray) -> tuple[float, FloatArray]:
        nonlocal found
        here = np.append(np.clip(point[0], 0.0, 1.0),
                         np.maximum.accumulate(np.clip(point[1:], low, high)))  # fmt: skip
        step = np.where(here + STEP > np.append(1.0, np.full(size, high)), -STEP, STEP)
        points = np.vstack([here, here + np.diag(step)])
        menus = np.clip(np.exp(points[:, 1:]), settings.latency_min_s, settings.latency_max_s)
        value = strategy_value(primitives, profile, operator, menus, worth * points[:, 0], rules)
        if not np.isfinite(value).all():
            raise StopIteration
        if value[0] > found.value_usd_per_s:
            found = replace(found, latency_s=menus[0], margin_usd=float(worth * here[0]),
                            value_usd_per_s=float(value[0]))  # fmt: skip
        return -value[0] / scale, (value[0] - value[1:]) / (step * scale)

    order = np.hstack([np.zeros((size - 1, 1)), np.eye(size - 1, size, 1) - np.eye(size - 1, size)])
    start = np.append(
        best.margin_usd / worth,
        np.log(np.clip(best.latency_s, np.exp(low), settings.latency_max_s)),
    )
    with suppress(StopIteration), threadpool_limits(1, "blas"):
        minimize(
            loss, start, jac=True, bounds=[(0.0, 1.0)] + [(low, high)] * size, method="SLSQP",
            constraints=[{"type": "ineq", "fun": lambda x: order @ x, "jac": lambda x: order}],
            options={"maxiter": CLIMBING, "ftol": 1e-12},
        )  # fmt: skip
    return found
