"""What the AI-RAN paper leaves out, found from its Table I and its two default totals.

`airan-market calibrate` prints the whole account; equal inputs print equal text. `market` says
what is fitted to what, `fit` how, `profile` what the data pin down of it.

**The proposal** for the default market is not the point of least cost. The published numbers leave
a valley: radio rates are bounded from below only, and along the GPU rate all else makes up for it
over a fifth of its value. Radio servers are set to `RADIO_BPS`, and the GPU rate to the lowest of
`VALLEY_FLOP_PER_S` at which no shadow price is active in the outcome: below it the market depends
on assumptions (effective capacity, step of the shadow prices, longest agreement of a saturated
operator) that no published number speaks of.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from airan_market.agents.mechanism.mixed import iterate
from airan_market.agents.primitives.population import largest_remainder
from airan_market.agents.primitives.primitives import Primitives
from airan_market.analysis.calibration.fit import Fit, Problem, fit
from airan_market.analysis.calibration.market import (
    DIRICHLET,
    DOWNLINK,
    GPU,
    MARKET,
    UPLINK,
    paper_problem,
    with_values,
)
from airan_market.analysis.calibration.profile import Interval, profile
from airan_market.analysis.store.cell_store import pool
from airan_market.scenarios import Scenario
from airan_market.sim.arrays import FloatArray
from airan_market.sim.processors import processors

RADIO_BPS = 200e6  # rate of a radio server in the proposal; the profiles only bound it from below
VALLEY_FLOP_PER_S = (36e12, 38e12, 40e12, 42e12, 44e12)


@dataclass(frozen=True, eq=False)
class Held:
    """A fit with radio and GPU rates held, and what its market comes to.

    Attributes
    ----------
    gpu_flop_per_s : float
    found : Fit
    utilisation : float
        Load of the busiest operator as a part of its capacity; 1 is saturation.
    shadow_price_usd : float
        The largest when Algorithm 1 ends.
    """

    gpu_flop_per_s: float
    found: Fit
    utilisation: float
    shadow_price_usd: float


@dataclass(frozen=True, eq=False)
class Account:
    """Everything that `airan-market calibrate` tells.

    Attributes
    ----------
    best : Fit
        The full fit, users with the prior.
    intervals : tuple of Interval
        One for each parameter of it.
    variants : dict
        Name → (users (N,), fit with these): equal shares, without prior, whole users, truncated.
    valley : tuple of Held
        One for each of `VALLEY_FLOP_PER_S`.
    proposal : Fit
        Whole users, radio and GPU rates held, the rest fitted.
    proposed_users : array (N,)
    """

    best: Fit
    intervals: tuple[Interval, ...]
    variants: dict[str, tuple[FloatArray, Fit]]
    valley: tuple[Held, ...]
    proposal: Fit
    proposed_users: FloatArray


def calibrate(
    scenario: Scenario,
    workers: int | None = None,
    on_step: Callable[[str, int, int], None] = lambda what, done, of: None,
) -> Account:
    """The whole calibration of a scenario; the number of processes changes nothing but time.

    Parameters
    ----------
    scenario : Scenario
        Gives what is not fitted, and where the search begins.
    workers : int, optional
        Processes; by default as many as there are processors to be had.
    on_step : function
        Told what was finished, how many fits and profiles are, and of how many.
    """
    parameters = paper_problem(scenario).parameters
    total = scenario.users.total
    names = ("the same users, rounded to whole ones", "the same users, truncated to whole ones",
             "equal shares", "shares without their prior")  # fmt: skip
    every = 2 + len(parameters) + len(names) + len(VALLEY_FLOP_PER_S)
    done = itertools.count(1)

    def finished(what: str, job: Future[Any]) -> Any:
        found = job.result()
        on_step(what, next(done), every)
        return found

    with pool(workers or processors()) as processes:
        submit = processes.submit
        bends = [submit(_valley_fit, scenario, rate) for rate in VALLEY_FLOP_PER_S]
        free = submit(_fit_with, scenario, alpha=None)
        best = finished("best fit", submit(_fit_with, scenario, starts=4))
        profiles = [submit(_profile_of, scenario, best, n) for n in range(len(parameters))]
        fitted = best.values[len(MARKET) :]
        whole = largest_remainder(fitted / fitted.sum(), total).astype(float)
        users = [whole, np.floor(fitted), np.full(fitted.size, total / fitted.size)]
        fits = [*(submit(_fit_with, scenario, counts) for counts in users), free]
        valley = tuple(finished("along the GPU rate", job) for job in bends)
        proposal, proposed = propose(scenario, valley)
        on_step("proposal", next(done), every)
        found = [finished(name, job) for name, job in zip(names, fits, strict=True)]
        users.append(found[-1].values[len(MARKET) :])
        intervals = tuple(
            finished(f"range of the {parameter.name}", job)
            for parameter, job in zip(parameters, profiles, strict=True)
        )
    variants = dict(zip(names, zip(users, found, strict=True), strict=True))
    return Account(best, intervals, variants, valley, proposal, proposed)


def propose(scenario: Scenario, valley: tuple[Held, ...]) -> tuple[Fit, FloatArray]:
    """Fit at the lowest GPU rate without an active shadow price, users rounded, the rest again.

    Raises
    ------
    ArithmeticError
        When shadow prices are active all along the valley.
    """
    quiet = [held for held in valley if held.shadow_price_usd == 0]
    if not quiet:
        raise ArithmeticError("a shadow price is active at every GPU rate of the valley")
    chosen = min(quiet, key=lambda held: held.gpu_flop_per_s)
    fitted = chosen.found.values[len(MARKET) :]
    users = largest_remainder(fitted / fitted.sum(), scenario.users.total).astype(float)
    problem = hold(paper_problem(scenario, users), _rates(chosen.gpu_flop_per_s))
    return fit(problem, starts=2), users


def hold(problem: Problem, values: Mapping[str, float]) -> Problem:
    """Hold parameters by bounds a millionth apart: fewer parameters in all but name.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> held = hold(paper_problem(load_scenario("teleoperation")), {GPU: 40e12})
    >>> [p.name for p in held.parameters if p.high / p.low < 1.001]
    ['GPU rate']
    """
    return replace(
        problem,
        parameters=tuple(
            replace(
                p,
                low=values[p.name] * (1 - 1e-6),
                high=values[p.name] * (1 + 1e-6),
                start=values[p.name],
            )
            if p.name in values
            else p
            for p in problem.parameters
        ),
    )


def _rates(gpu_flop_per_s: float) -> dict[str, float]:
    return {UPLINK: RADIO_BPS, DOWNLINK: RADIO_BPS, GPU: gpu_flop_per_s}


def _valley_fit(scenario: Scenario, gpu_flop_per_s: float) -> Held:
    problem = hold(paper_problem(scenario), _rates(gpu_flop_per_s))
    found = fit(problem, starts=2)
    names = [parameter.name for parameter in problem.parameters]
    market = with_values(Primitives.from_scenario(scenario), scenario, names, found.values)
    state = deque(iterate(market), maxlen=1).pop()
    load = state.match_probability @ market.demand_per_s
    utilisation, shadow = (load / market.capacity_per_s).max(), state.shadow_price_usd.max()
    return Held(gpu_flop_per_s, found, float(utilisation), float(shadow))


def _fit_with(
    scenario: Scenario,
    users: FloatArray | None = None,
    *,
    alpha: float | None = DIRICHLET,
    starts: int = 2,
) -> Fit:
    return fit(paper_problem(scenario, users, alpha=alpha), starts=starts)


def _profile_of(scenario: Scenario, best: Fit, which: int) -> Interval:
    return profile(paper_problem(scenario), best, which)
