"""What the AI-RAN paper leaves out, found from its Table I and its two default totals.

Run `python -m analysis.calibration` for the whole account; equal inputs print equal text.

**What is fitted.** The rate of one uplink, GPU and downlink server, α_1 q, the last temperature
τ_K, and the users of each type. **To what.** The 24 matching probabilities of Table I and the two
totals at 150 users, nothing else.

**How.** Residuals are in units of the rounding of the printed digits. The paper draws its shares
from Dirichlet(10, …, 10) and does not print the draw, so that density enters as the prior of the
users. Algorithm 1 as read here misses the table by more than its rounding; the residuals that
remain set the dispersion φ (squared residuals per degree of freedom, at least the 1/3 of uniform
rounding), and prior and data are weighed with it: φ is iterated to a fixed point.

**What is pinned down.** Along the profile of a parameter (all others fitted again) twice the rise
of the cost over φ stays below the F quantile of the level (Bates and Watts, Nonlinear Regression
Analysis, 1988, section 6.1). A profile that meets the search bound first says that the published
numbers do not limit the parameter on that side.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import beta, qmc
from scipy.stats import f as f_distribution

from agents.assignment import largest_remainder
from agents.mixed import designed_menus, iterate
from agents.outcome import expected_utilities
from agents.primitives import Primitives
from agents.utility import social_welfare
from analysis.published import (
    default_totals,
    default_totals_rounding,
    table_i,
    table_i_rounding,
)
from scenarios import Scenario, load_scenario

FloatArray = NDArray[np.float64]

UPLINK, GPU, DOWNLINK = "uplink rate", "GPU rate", "downlink rate"
VALUE, TEMPERATURE = "service value", "last temperature"
MARKET = (UPLINK, GPU, DOWNLINK, VALUE, TEMPERATURE)

ROUNDING_VARIANCE = 1.0 / 3.0  # of a uniform error, in squared half units
LEVEL = 0.95
DIRICHLET = 10.0  # section VII-A
_TIGHT = 1e-3  # users by which the sum of the types may miss the total
_SMALLEST_STEP = 1e-4  # of a profile, as a part of the search interval
_DIFFERENCE = 1e-5  # relative step of the numerical Jacobian; the model is smooth to 1e-9


@dataclass(frozen=True)
class Parameter:
    """A number to be fitted: name, unit, search bounds, starting value, and its scale.

    `logarithmic` parameters are searched by their logarithm.
    """

    name: str
    unit: str
    low: float
    high: float
    start: float
    logarithmic: bool = True

    def inward(self, value: float) -> float:
        """The value as the search sees it."""
        return float(np.log(value)) if self.logarithmic else value

    def outward(self, searched: float) -> float:
        """The inverse of `inward`, inside the bounds to the last digit."""
        value = float(np.exp(searched)) if self.logarithmic else searched
        return min(max(value, self.low), self.high)  # exp(log(bound)) may miss by one rounding


@dataclass(frozen=True, eq=False)
class Problem:
    """Data, their rounding, and a model of them.

    Attributes
    ----------
    parameters : tuple of Parameter
    target, rounding : array (D,)
        The printed numbers and half a unit of their last digits.
    predict : function
        Values of the parameters → array (D,).
    prior : function
        Values → residuals of unit variance, (P,), not data; (0,) for none.
    constraint : function
        Values → residuals that are to vanish, (C,), in units of what may be missed.
    """

    parameters: tuple[Parameter, ...]
    target: FloatArray
    rounding: FloatArray
    predict: Callable[[FloatArray], FloatArray]
    prior: Callable[[FloatArray], FloatArray] = lambda values: np.empty(0)
    constraint: Callable[[FloatArray], FloatArray] = lambda values: np.empty(0)

    def outward(self, searched: FloatArray) -> FloatArray:
        """Values of the parameters at a point of the search."""
        pairs = zip(self.parameters, searched, strict=True)
        return np.array([parameter.outward(float(x)) for parameter, x in pairs])

    def inward(self, values: Sequence[float] | FloatArray) -> FloatArray:
        """Point of the search for values of the parameters."""
        pairs = zip(self.parameters, values, strict=True)
        return np.array([parameter.inward(float(value)) for parameter, value in pairs])

    def misfit(self, values: FloatArray) -> FloatArray:
        """(predicted − printed) / half a unit, (D,)."""
        return (self.predict(values) - self.target) / self.rounding

    def residuals(self, values: FloatArray, dispersion: float) -> FloatArray:
        """All that least squares makes small; the prior weighed with the dispersion φ."""
        return np.concatenate(
            [
                self.misfit(values),
                np.sqrt(dispersion) * self.prior(values),
                self.constraint(values),
            ]
        )


@dataclass(frozen=True, eq=False)
class Fit:
    """A point of least cost: values, prediction, cost ½ Σ r², dispersion φ, degrees of freedom."""

    values: FloatArray
    predicted: FloatArray
    cost: float
    dispersion: float
    freedom: int


@dataclass(frozen=True)
class Interval:
    """Range of a parameter that the data allow; None on a side that they leave open."""

    parameter: Parameter
    best: float
    low: float | None
    high: float | None

    @property
    def identified(self) -> bool:
        """Whether both sides are limited by the data and not by the search bounds."""
        return self.low is not None and self.high is not None


def fit(problem: Problem, starts: int = 4, rounds: int = 3) -> Fit:
    """Least squares from several starts, the dispersion iterated to a fixed point.

    Starts are the parameters' starting values and points of a scrambled Sobol sequence of fixed
    seed in the middle half of the bounds.

    Parameters
    ----------
    problem : Problem
    starts : int
        Starts of the first round, at least 1; later rounds go on from the best.
    rounds : int
        Fits after which the dispersion is taken as settled.
    """
    points = [problem.inward([p.start for p in problem.parameters])]
    if starts > 1:
        low, high = _bounds(problem)
        sobol = qmc.Sobol(low.size, seed=0).random(1 << (starts - 2).bit_length())
        points += list(low + (high - low) * (0.25 + 0.5 * sobol[: starts - 1]))
    dispersion = ROUNDING_VARIANCE
    for _ in range(rounds):
        best = min(
            (_descend(problem, point, dispersion) for point in points),
            key=lambda candidate: candidate[1],
        )
        points = [best[0]]
        values = problem.outward(best[0])
        dispersion = _dispersion(problem, values)
    # the cost belongs to the last dispersion, so that profiles start from a true minimum
    searched, cost = _descend(problem, points[0], dispersion)
    values = problem.outward(searched)
    return Fit(values, problem.predict(values), cost, dispersion, _freedom(problem, values))


def profile(problem: Problem, best: Fit, which: int, level: float = LEVEL) -> Interval:
    """Range of one parameter whose profile cost stays within the level.

    The parameter walks away from its best value in growing steps, the first as large as its
    linear standard error, all others fitted again at each; three bisections bracket the crossing
    and the outer end of the bracket is given.

    Raises
    ------
    IndexError
        When there is no such parameter.
    """
    parameter = problem.parameters[which]
    allowed = allowed_rise(best, 1, level)
    step = _first_step(problem, best, which)
    low, high = (_walk(problem, best, which, bound, step, allowed) for bound in (0, 1))
    return Interval(parameter, float(best.values[which]), low, high)


def allowed_rise(best: Fit, parameters: int, level: float = LEVEL) -> float:
    """Rise of the cost, ½ φ p F(p, freedom), that chance explains when p parameters are held.

    Examples
    --------
    >>> one = Fit(np.zeros(1), np.zeros(1), 0.0, 2.0, 10)
    >>> round(allowed_rise(one, 1), 2)  # F(0.95; 1, 10) = 4.96
    4.96
    """
    quantile = float(f_distribution.ppf(level, parameters, best.freedom))
    return 0.5 * best.dispersion * parameters * quantile


def _first_step(problem: Problem, best: Fit, which: int) -> float:
    """Standard error by linear propagation, kept between a 10,000th and 1/4 of the bounds."""
    low, high = _bounds(problem)
    span = high - low
    origin = np.clip(problem.inward(best.values), low + 1e-4 * span, high - 1e-4 * span)

    def residuals(point: FloatArray) -> FloatArray:
        return problem.residuals(problem.outward(point), best.dispersion)

    at_origin = residuals(origin)
    steps = 1e-4 * span * np.eye(span.size)
    jacobian = np.array([(residuals(origin + step) - at_origin) / 1e-4 for step in steps]).T
    covariance = best.dispersion * np.linalg.pinv(jacobian.T @ jacobian)
    error = float(np.sqrt(max(covariance[which, which], 0.0)))
    # no influence gives 0 under the pseudo-inverse, and means a large step, not a small one
    flat = not jacobian[:, which].any()
    return float(span[which] * (0.25 if flat else min(max(error, _SMALLEST_STEP), 0.25)))


def _walk(
    problem: Problem, best: Fit, which: int, side: int, step: float, allowed: float
) -> float | None:
    """Where the profile leaves the allowed rise, towards the low (0) or high (1) bound."""
    bound = float(_bounds(problem)[side][which])
    warm = problem.inward(best.values)
    inside, direction = float(warm[which]), (-1.0, 1.0)[side]
    outside: float | None = None
    while outside is None:
        trial = inside + direction * step
        at_bound = (trial - bound) * direction >= 0
        trial = bound if at_bound else trial
        moved, cost = _descend(problem, warm, best.dispersion, held=(which, trial))
        if cost - best.cost > allowed:
            outside = trial
        elif at_bound:
            return None
        else:
            inside, warm, step = trial, moved, 2.0 * step
    for _ in range(3):
        trial = 0.5 * (inside + outside)
        moved, cost = _descend(problem, warm, best.dispersion, held=(which, trial))
        if cost - best.cost > allowed:
            outside = trial
        else:
            inside, warm = trial, moved
    return problem.parameters[which].outward(outside)


def _descend(
    problem: Problem,
    searched: FloatArray,
    dispersion: float,
    held: tuple[int, float] | None = None,
) -> tuple[FloatArray, float]:
    """Least squares from a point, one coordinate held if wanted: the end and its cost."""
    low, high = _bounds(problem)
    free = np.arange(low.size) != (-1 if held is None else held[0])

    def whole(part: FloatArray) -> FloatArray:
        point = searched.copy()
        if held is not None:
            point[held[0]] = held[1]
        point[free] = part
        return point

    inside = 1e-9 * (high - low)  # the optimiser starts strictly inside its bounds
    found = least_squares(
        lambda part: problem.residuals(problem.outward(whole(part)), dispersion),
        np.clip(searched, low + inside, high - inside)[free],
        bounds=(low[free], high[free]),
        x_scale=(high - low)[free],
        diff_step=_DIFFERENCE,
        xtol=1e-6,
        ftol=1e-5,
        max_nfev=60,
    )
    return whole(found.x), float(found.cost)


def _bounds(problem: Problem) -> tuple[FloatArray, FloatArray]:
    return (
        problem.inward([p.low for p in problem.parameters]),
        problem.inward([p.high for p in problem.parameters]),
    )


def _freedom(problem: Problem, values: FloatArray) -> int:
    """Residuals less parameters; prior and constraint count as what they add."""
    known = problem.prior(values).size + problem.constraint(values).size
    return max(1, problem.target.size + known - len(problem.parameters))


def _dispersion(problem: Problem, values: FloatArray) -> float:
    """φ: squared residuals per degree of freedom, never below that of rounding."""
    spread = float((problem.misfit(values) ** 2).sum()) / _freedom(problem, values)
    return max(spread, ROUNDING_VARIANCE)


# --- the market of the paper ---------------------------------------------------------------


def market_parameters(scenario: Scenario, types: int | None = None) -> tuple[Parameter, ...]:
    """The parameters of the paper's market, started from a scenario.

    GPU instances are searched from where the three operators together just carry the demand to
    over twice that; radio servers from slower than a GPU instance to far faster, where they no
    longer matter; the users of a type from a hundredth to two fifths of all.
    """
    economics, mechanism = scenario.economics, scenario.mechanism
    operator, total = scenario.operators[0], float(scenario.users.total)
    types = types or len(scenario.users.latency_sensitivity_usd_per_s)
    return (
        Parameter(UPLINK, "bit/s", 10e6, 1000e6, operator.uplink.rate_bps),
        Parameter(GPU, "FLOP/s", 30e12, 80e12, operator.gpu.rate_flop_per_s),
        Parameter(DOWNLINK, "bit/s", 10e6, 1000e6, operator.downlink.rate_bps),
        Parameter(VALUE, "USD/task", 4e-4, 2e-3, economics.service_value_usd),
        Parameter(TEMPERATURE, "USD/task", 2e-6, 9e-5, mechanism.temperature_end_usd),
        *(
            Parameter(
                f"users of type {n + 1}",
                "users",
                0.01 * total,
                0.4 * total,
                total / types,
                logarithmic=False,
            )
            for n in range(types)
        ),
    )


def with_values(
    base: Primitives, scenario: Scenario, names: Sequence[str], values: FloatArray
) -> Primitives:
    """Primitives of the scenario with the named parameters set; users in type order.

    Parameters
    ----------
    base : Primitives
        Of that scenario.
    names : sequence of str
        From `MARKET`, or "users of type n"; either all users or none.
    values : array like names
    """
    given = dict(zip(names, values, strict=True))
    task = scenario.task
    rates = base.service_rate_per_s.copy()
    stages = ((UPLINK, task.input_bits), (GPU, task.work_flop), (DOWNLINK, task.output_bits))
    for stage, (name, size) in enumerate(stages):
        if name in given:
            rates[:, stage] = given[name] / size
    users = [value for name, value in given.items() if name.startswith("users")]
    value = base.service_value_usd
    return replace(
        base,
        users=np.array(users) if users else base.users,
        service_rate_per_s=rates,
        service_value_usd=np.full_like(value, given[VALUE]) if VALUE in given else value,
        mechanism=base.mechanism.model_copy(
            update={"temperature_end_usd": given[TEMPERATURE]} if TEMPERATURE in given else {}
        ),
    )


def published_numbers(primitives: Primitives) -> FloatArray:
    """What the paper prints of a market: Table I type by type, then the two totals, USD/s.

    Algorithm 1 is run without certificates.

    Returns
    -------
    array (M N + 2,)

    Examples
    --------
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> numbers = published_numbers(market)
    >>> numbers.shape, [round(p, 2) for p in numbers[:3].tolist()]
    ((26,), [0.25, 0.25, 0.25])
    """
    matching = deque(iterate(primitives), maxlen=1).pop().match_probability
    _, menu = designed_menus(primitives, matching)
    rate = matching * primitives.demand_per_s
    operators_usd_per_s, users_usd = expected_utilities(primitives, rate, menu)
    welfare = social_welfare(operators_usd_per_s, rate, users_usd)
    return np.concatenate([matching.T.ravel(), [operators_usd_per_s.sum(), welfare]])


def dirichlet_prior(shares: FloatArray, alpha: float) -> FloatArray:
    """Residuals whose half sum of squares is the negative log density of Dirichlet(α, …, α).

    Up to a constant, and with the sum of the shares taken as 1: each share s of N adds
    (α − 1) (N s − 1 − ln N s), which is never negative and 0 at s = 1/N.

    Examples
    --------
    >>> dirichlet_prior(np.full(8, 0.125), 10.0).tolist() == [0.0] * 8
    True
    """
    relative = shares * shares.size
    surprise = (alpha - 1.0) * (relative - 1.0 - np.log(relative))
    # at relative = 1 rounding may leave a negative zero of the size of one ulp
    return np.sign(relative - 1.0) * np.sqrt(2.0 * np.maximum(surprise, 0.0))


def paper_problem(
    scenario: Scenario,
    users: FloatArray | None = None,
    *,
    alpha: float | None = DIRICHLET,
    target: FloatArray | None = None,
) -> Problem:
    """The calibration of a scenario against Table I and the default totals.

    Parameters
    ----------
    scenario : Scenario
        Gives everything that is not fitted.
    users : array (N,), optional
        Users of each type when they are not to be fitted.
    alpha : float, optional
        Parameter of the prior of the shares; None for none.
    target : array, optional
        Other numbers than the paper's, for tests.
    """
    base = Primitives.from_scenario(scenario)
    total = float(scenario.users.total)
    parameters = market_parameters(scenario, base.types)
    if users is not None:
        base, parameters = replace(base, users=users), parameters[: len(MARKET)]
    names = [parameter.name for parameter in parameters]
    counts = slice(len(MARKET), None)
    fitted = users is None
    return Problem(
        parameters,
        np.concatenate([table_i().ravel(), default_totals()]) if target is None else target,
        np.concatenate([table_i_rounding().ravel(), default_totals_rounding()]),
        lambda values: published_numbers(with_values(base, scenario, names, values)),
        (lambda values: dirichlet_prior(values[counts] / total, alpha))
        if fitted and alpha is not None
        else (lambda values: np.empty(0)),
        (lambda values: np.array([(values[counts].sum() - total) / _TIGHT]))
        if fitted
        else (lambda values: np.empty(0)),
    )


# --- the account ---------------------------------------------------------------------------

RADIO_BPS = 50e6  # rate of a radio server in the proposal; the profiles only bound it from below


@dataclass(frozen=True, eq=False)
class Account:
    """Everything that `python -m analysis.calibration` tells.

    Attributes
    ----------
    problem, best : Problem, Fit
        The full fit, users with the prior.
    intervals : tuple of Interval
        One for each parameter of it.
    variants : dict
        Name → (users (N,), fit with these): equal shares, without prior, whole users, truncated.
    proposal : Fit
        Whole users, radio servers at `RADIO_BPS`, the rest fitted.
    proposed_users : array (N,)
    """

    problem: Problem
    best: Fit
    intervals: tuple[Interval, ...]
    variants: dict[str, tuple[FloatArray, Fit]]
    proposal: Fit
    proposed_users: FloatArray


def calibrate(scenario_name: str = "teleoperation", processes: int = 2) -> Account:
    """The whole calibration of a scenario; the number of processes changes nothing but time."""
    scenario = load_scenario(scenario_name)
    problem = paper_problem(scenario)
    with _pool(processes) as pool:
        no_prior = pool.submit(_free_fit, scenario_name)
        best = fit(problem)
        jobs = [
            pool.submit(_profile_of, scenario_name, best, which)
            for which in range(len(problem.parameters))
        ]
        total = scenario.users.total
        fitted = best.values[len(MARKET) :]
        whole = largest_remainder(fitted / fitted.sum(), total).astype(float)
        variants = {
            name: (users, fit(paper_problem(scenario, users), starts=2))
            for name, users in (
                ("the same users, rounded to whole ones", whole),
                ("the same users, truncated to whole ones", np.floor(fitted)),
                ("equal shares", np.full(fitted.size, total / fitted.size)),
            )
        }
        free = no_prior.result()
        variants["shares without their prior"] = free.values[len(MARKET) :], free
        proposal, users = _proposal(scenario)
        intervals = tuple(job.result() for job in jobs)
    return Account(problem, best, intervals, variants, proposal, users)


def _proposal(scenario: Scenario) -> tuple[Fit, FloatArray]:
    """Fit with the radio held at `RADIO_BPS`, then its users rounded and the rest fitted again."""
    problem = _radio_held(paper_problem(scenario))
    fitted = fit(problem, starts=2).values[len(MARKET) :]
    users = largest_remainder(fitted / fitted.sum(), scenario.users.total).astype(float)
    return fit(_radio_held(paper_problem(scenario, users)), starts=2), users


def _radio_held(problem: Problem) -> Problem:
    """Hold the radio by bounds a millionth apart: a fit with fewer parameters in all but name."""
    return replace(
        problem,
        parameters=tuple(
            replace(p, low=RADIO_BPS * (1 - 1e-6), high=RADIO_BPS * (1 + 1e-6), start=RADIO_BPS)
            if p.name in (UPLINK, DOWNLINK)
            else p
            for p in problem.parameters
        ),
    )


def _pool(processes: int) -> ProcessPoolExecutor:
    # spawned, not forked: the parent may hold threads of the linear algebra library
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))


def _free_fit(scenario_name: str) -> Fit:
    return fit(paper_problem(load_scenario(scenario_name), alpha=None), starts=2)


def _profile_of(scenario_name: str, best: Fit, which: int) -> Interval:
    return profile(paper_problem(load_scenario(scenario_name)), best, which)


def prior_range(types: int, total: float, alpha: float = DIRICHLET) -> tuple[float, float]:
    """Central range, at `LEVEL`, of the users of one type under the prior, fractional.

    A share of Dirichlet(α, …, α) has the law Beta(α, (N − 1) α).
    """
    tails = [0.5 - LEVEL / 2, 0.5 + LEVEL / 2]
    low, high = total * beta(alpha, (types - 1) * alpha).ppf(tails)
    return float(low), float(high)


def largest_table_error(predicted: FloatArray) -> float:
    """Largest distance from an entry of Table I, of numbers in the order of that table first."""
    table = table_i().ravel()
    return float(np.abs(predicted[: table.size] - table).max())


def account_text(account: Account) -> str:
    """The account in words and columns."""
    lines = ["Fit of what the paper leaves out to Table I and the two default totals", ""]
    lines += [_fit_line("best fit", account.best)]
    lines += [_fit_line(name, found) for name, (_, found) in account.variants.items()]
    lines += [_fit_line(f"proposal, radio {RADIO_BPS / 1e6:g} Mbit/s", account.proposal)]
    best, shares = account.best, account.proposed_users.size - 1
    lines += [
        "",
        "Cost is half the sum of squared residuals in half units of the last digit printed (and of",
        "the prior, where there is one), with a dispersion of "
        f"{best.dispersion:.0f}; rounding alone would be 1/3.",
        f"A rise by {allowed_rise(best, 1):.0f} for one parameter, or by "
        f"{allowed_rise(best, shares):.0f} for {shares} shares together, is within chance at "
        f"{LEVEL:.0%}.",
    ]
    lines += ["", f"Range of each parameter at {LEVEL:.0%}, all others fitted again", ""]
    lines += [_interval_line(interval) for interval in account.intervals]
    low, high = prior_range(account.proposed_users.size, account.proposed_users.sum())
    lines.append(f"  (users under the prior alone: {low:.4g} to {high:.4g})")
    lines += ["", "Table I and totals: published, best fit, difference", ""]
    table, predicted = table_i(), account.best.predicted
    ours = predicted[: table.size].reshape(table.shape)
    for n, (row, fitted) in enumerate(zip(table, ours, strict=True)):
        cells = (f"{a:.3f} {b:.3f} {b - a:+.3f}" for a, b in zip(row, fitted, strict=True))
        lines.append(f"  type {n + 1}   " + "    ".join(cells))
    for name, total, value in zip(
        ("operator utility", "social welfare"), default_totals(), predicted[-2:], strict=True
    ):
        lines.append(f"  {name:<16} {total:.2f} {value:.3f} {value / total - 1:+.1%}")
    users = ", ".join(f"{count:g}" for count in account.proposed_users)
    lines += ["", f"Proposed users by type: {users}"]
    for parameter, value in zip(MARKET, account.proposal.values, strict=False):
        lines.append(f"Proposed {parameter}: {value:.4g}")
    return "\n".join(lines)


def _fit_line(name: str, found: Fit) -> str:
    operator, welfare = found.predicted[-2:]
    return (
        f"  {name:<42} cost {found.cost:7.0f}  largest Table I error "
        f"{largest_table_error(found.predicted):.4f}  totals {operator:.3f} {welfare:.3f}"
    )


def _interval_line(interval: Interval) -> str:
    parameter = interval.parameter
    low, high = interval.low, interval.high
    if low is not None and high is not None:
        reach = f"{low:.4g} to {high:.4g}"
    elif low is not None:
        reach = f"at least {low:.4g}; not limited above (searched to {parameter.high:.4g})"
    elif high is not None:
        reach = f"at most {high:.4g}; not limited below (searched to {parameter.low:.4g})"
    else:
        reach = f"not identified (searched {parameter.low:.4g} to {parameter.high:.4g})"
    return f"  {parameter.name:<18} {interval.best:>10.4g} {parameter.unit:<9} {reach}"


if __name__ == "__main__":
    # the imported module, not this one: worker processes must find its functions under its name
    from analysis.calibration import account_text, calibrate

    sys.stdout.write(account_text(calibrate()) + "\n")
