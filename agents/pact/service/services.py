"""The services of a scenario: latency, satisfaction, quality and cost of each, (1)–(7)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from airan_market.agents.pact.service.latency import (
    flop_per_token,
    inference_s,
    tokenisation_s,
    tokens,
    transmission_s,
)
from airan_market.agents.pact.service.quality import quality
from airan_market.agents.pact.service.satisfaction import Satisfaction, estimate, read_outcomes
from airan_market.scenarios import Fault, ScenarioError
from airan_market.scenarios.fault import value_text
from airan_market.scenarios.schema.pact import Pact, PactScenario, PactService, PactTask
from airan_market.sim.arrays import FloatArray


@dataclass(frozen=True)
class Services:
    """Configured services, arrays (S,), money in USD per request.

    Attributes
    ----------
    names : tuple of str
    quality : array
        q in [0, 1].
    quality_low, quality_high : array
        q at the ends of the interval of an estimated satisfaction; q itself where it is given.
    latency_s : array
        T, NaN where a service is described directly and does not say it.
    satisfaction : array
        A, NaN where a service is described directly.
    base_cost_usd : array
        c tokens F + c_h + c_m, eq. (7) without liability.
    liability_usd : array
        c_l at liability level 1.
    """

    names: tuple[str, ...]
    quality: FloatArray
    quality_low: FloatArray
    quality_high: FloatArray
    latency_s: FloatArray
    satisfaction: FloatArray
    base_cost_usd: FloatArray
    liability_usd: FloatArray

    def cost_usd(self, liability_level: float = 0.0) -> FloatArray:
        """Cost of a request at each service, with liability at a level.

        Equation: PACT (7)
        """
        return self.base_cost_usd + liability_level * self.liability_usd


def services_of(scenario: PactScenario, task: PactTask | None = None) -> Services:
    """Services of a scenario, or of one of its tasks.

    Raises
    ------
    ScenarioError
        When a quality is outside [0, 1], costs given directly fall with quality, or the file of
        outcomes does not tell a service's satisfaction; a line for each.

    Examples
    --------
    >>> from airan_market.agents.pact.service.quality import cut
    >>> from airan_market.scenarios import load_pact
    >>> cut(services_of(load_pact("pact")).quality).tolist()  # the paper's Table I
    [0.531, 0.555, 0.584, 0.655, 0.691, 0.728, 0.814, 0.848]
    """
    pact = scenario.pact
    numbered = numbered_services(pact, task)
    outcomes = read_outcomes(pact.outcomes) if pact.outcomes else {}
    faults: list[Fault] = []
    rows = []
    for place, service in numbered:
        satisfied = _satisfaction(pact, service, outcomes)
        if satisfied is None:
            source = pact.outcomes or scenario.name
            faults.append(Fault(source, "", "", f"holds no rated answer of {service.name!r}"))
            continue
        row = _row(pact, service, satisfied, satisfaction_weight(pact, task))
        rows.append(row)
        if not 0 <= row["quality"] <= 1:
            key = f"pact.services[{place}]"
            allowed = f"its quality is {row['quality']:.4g}: must be from 0 to 1"
            latency = f"latency {row['latency']:.4g} s"
            faults.append(Fault(scenario.name, key, "", f"{allowed} ({latency})"))
    if faults:
        raise ScenarioError(faults)
    columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    _refuse_falling_costs(scenario, numbered, columns)
    return Services(
        tuple(service.name for _, service in numbered),
        columns["quality"],
        columns["low"],
        columns["high"],
        columns["latency"],
        columns["satisfaction"],
        columns["cost"],
        np.array([service.liability_usd for _, service in numbered]),
    )


def numbered_services(pact: Pact, task: PactTask | None) -> list[tuple[int, PactService]]:
    """Services of a task, all where there is but one, each with its 1-based number in the file."""
    return [
        (place, service)
        for place, service in enumerate(pact.services, start=1)
        if task is None or service.task == task.name
    ]


def satisfaction_weight(pact: Pact, task: PactTask | None) -> float:
    """δ of a task, that of the scenario unless it has its own."""
    own = None if task is None else task.satisfaction_weight
    return pact.satisfaction_weight if own is None else own


def _satisfaction(
    pact: Pact, service: PactService, outcomes: dict[str, tuple[int, int]]
) -> Satisfaction | None:
    if service.quality is not None:
        return Satisfaction.given(np.nan)
    if service.satisfaction is not None:
        return Satisfaction.given(service.satisfaction)
    if service.answers_met is not None and service.answers_rated is not None:
        return estimate(service.answers_met, service.answers_rated, pact.confidence)
    if service.name in outcomes:
        return estimate(*outcomes[service.name], pact.confidence)
    return None


def _row(
    pact: Pact, service: PactService, satisfied: Satisfaction, weight: float
) -> dict[str, float]:
    if service.quality is not None and service.cost_usd is not None:
        latency = np.nan if service.latency_s is None else service.latency_s
        same = dict.fromkeys(("quality", "low", "high"), service.quality)
        return same | {"latency": latency, "satisfaction": np.nan, "cost": service.cost_usd}
    flop = request_flop(pact, service)
    latency = latency_of(pact, service)
    extra = None if pact.dimensions is None else [d.weight for d in pact.dimensions]
    low, middle, high = (
        float(quality(a, latency, weight, service.dimensions, extra))
        for a in (satisfied.low, satisfied.estimate, satisfied.high)
    )
    return {
        "quality": middle,
        "low": low,
        "high": high,
        "latency": latency,
        "satisfaction": satisfied.estimate,
        "cost": pact.flop_cost_usd * flop + service.hardware_cost_usd + service.model_cost_usd,
    }


def request_flop(pact: Pact, service: PactService) -> float:
    """Computation of a request, tokens F, of a service described by its physics."""
    read, written = _physics(service, "input_kb", "output_kb")
    size = _physics(service, "parameters", "layers", "context_tokens", "attention_width")
    return float(tokens(read, written, pact.tokens_per_kb) * flop_per_token(*size))


def latency_of(pact: Pact, service: PactService) -> float:
    """T = T_tran + T_tok + T_inf, s, of a service described by its physics.

    Equation: PACT (4)
    """
    read, written, rate = _physics(service, "input_kb", "output_kb", "rate_flop_per_s")
    return float(
        transmission_s(read, written, pact.rate_bps)
        + tokenisation_s(read, written, pact.tokenise_s_per_kb, pact.detokenise_s_per_kb)
        + inference_s(request_flop(pact, service), rate)
    )


def _physics(service: PactService, *keys: str) -> list[float]:
    """Settings that the checks of the scenario have made sure of."""
    return [float(getattr(service, key)) for key in keys]


def dominated(quality: FloatArray, cost_usd: FloatArray) -> list[tuple[int, int]]:
    """Pairs (worse, better) of neighbours in quality of which the better costs less, 0-based.

    Examples
    --------
    >>> dominated(np.array([0.2, 0.6, 0.9]), np.array([0.3, 0.1, 0.4]))
    [(0, 1)]
    """
    order = np.lexsort((cost_usd, quality))
    return [
        (int(worse), int(better))
        for worse, better in pairwise(order)
        if cost_usd[better] < cost_usd[worse] and quality[better] > quality[worse]
    ]


def _refuse_falling_costs(
    scenario: PactScenario,
    numbered: list[tuple[int, PactService]],
    columns: dict[str, FloatArray],
) -> None:
    """Refuse costs given directly that fall with quality: the table must be wrong.

    Where quality or cost follows from physics it is a finding, not a fault (`PactOutcome.notes`).
    """
    faults = []
    for worse, better in dominated(columns["quality"], columns["cost"]):
        (first, dear), (place, cheap) = numbered[worse], numbered[better]
        if dear.cost_usd is None or cheap.cost_usd is None:
            continue
        reason = (
            f"costs must not decrease with quality (pact.services[{first}] has lower quality "
            f"and costs {value_text(dear.cost_usd)})"
        )
        key = f"pact.services[{place}].cost_usd"
        faults.append(Fault(scenario.name, key, value_text(cheap.cost_usd), reason))
    if faults:
        raise ScenarioError(faults)
