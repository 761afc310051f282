"""The calibration's problem: the paper's market, what is fitted in it, and to what.

Fitted: the rate of one uplink, GPU and downlink server, α_1 q, the last temperature τ_K, and the
users of each type. To: the 24 matching probabilities of Table I and the two totals at 150 users,
nothing else. The paper draws its shares from Dirichlet(10, …, 10) and does not print the draw, so
that density enters as the prior of the users.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import beta

from airan_market.agents.contract.design import designed_menus
from airan_market.agents.contract.utility import Accounts
from airan_market.agents.mechanism.mixed import iterate
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.primitives.stations import rates_of
from airan_market.analysis.calibration.fit import Parameter, Problem
from airan_market.analysis.calibration.profile import LEVEL
from airan_market.analysis.reproduction.published import (
    DIRICHLET,
    default_totals,
    default_totals_rounding,
    table_i,
    table_i_rounding,
)
from airan_market.scenarios import InputError, Scenario
from airan_market.sim.arrays import FloatArray

UPLINK, GPU, DOWNLINK = "uplink rate", "GPU rate", "downlink rate"
VALUE, TEMPERATURE = "service value", "last temperature"
MARKET = (UPLINK, GPU, DOWNLINK, VALUE, TEMPERATURE)
_TIGHT = 1e-3  # users by which the sum of the types may miss the total


def market_parameters(scenario: Scenario, types: int | None = None) -> tuple[Parameter, ...]:
    """The parameters of the paper's market, started from a scenario.

    GPU instances are searched from where the three operators together just carry the demand to
    over twice that; radio servers from slower than a GPU instance to far faster, where they no
    longer matter; the users of a type from a hundredth to two fifths of all.
    """
    value, mechanism = scenario.economics.service_value_usd, scenario.mechanism
    if value is None:
        raise InputError("economics.service_value_usd: required, it is one of what is searched")
    (uplink_bps, flop_per_s, downlink_bps), *_ = rates_of(scenario.operators).tolist()
    total = float(scenario.users.total)
    types = types or len(scenario.users.latency_sensitivity_usd_per_s)
    return (
        Parameter(UPLINK, "bit/s", 10e6, 1000e6, uplink_bps),
        Parameter(GPU, "FLOP/s", 30e12, 80e12, flop_per_s),
        Parameter(DOWNLINK, "bit/s", 10e6, 1000e6, downlink_bps),
        Parameter(VALUE, "USD/task", 4e-4, 2e-3, value),
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
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> numbers = published_numbers(market)
    >>> numbers.shape, [round(p, 2) for p in numbers[:3].tolist()]
    ((26,), [0.25, 0.25, 0.25])
    """
    matching = deque(iterate(primitives), maxlen=1).pop().match_probability
    found = Accounts(primitives, designed_menus(primitives, matching), matching)
    operators_usd_per_s = found.operator_utility_usd_per_s.sum()
    return np.concatenate(
        [matching.T.ravel(), [operators_usd_per_s, found.social_welfare_usd_per_s]]
    )


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
