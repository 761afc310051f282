"""Services of a PACT catalogue as AI-RAN operators would sell them: tasks, values and costs."""

from __future__ import annotations

from dataclasses import dataclass

from airan_market.agents.pact.contract.valuation import Valuation
from airan_market.agents.pact.service.latency import BITS_PER_KB
from airan_market.agents.pact.service.services import request_flop, services_of
from airan_market.scenarios import Fault, PactScenario, ScenarioError


@dataclass(frozen=True)
class RanService:
    """What `[[services]]` of a market takes of a service of PACT, by the names of its keys."""

    input_bits: float
    work_flop: float
    output_bits: float
    service_value_usd: float
    running_cost_usd: float


def ran_service(
    scenario: PactScenario, valuation: Valuation, name: str, theta: float
) -> RanService:
    r"""A service of a catalogue, for users whose type in PACT is θ.

    Its task is one request: 8000 D_in bits up, tokens · F FLOP, 8000 D_out bits down, (1) and (3).
    It is worth θ v(q), and costs the operator what it costs PACT's provider, (7): computation,
    hardware, model, and the expected liability c_l at the scenario's level. The quality q is that
    of the catalogue, at its own unhurried latency; what a later answer is worth is up to β in the
    market that sells it.

    Parameters
    ----------
    scenario : PactScenario
        Services described by their physics.
    valuation : Valuation
        v.
    name : str
        Of one of its services.
    theta : float
        θ, USD.

    Raises
    ------
    ScenarioError
        When there is no such service, or it is described without sizes.

    Examples
    --------
    >>> from airan_market.agents.pact.market import markets_of
    >>> from airan_market.scenarios import load_pact
    >>> pact = load_pact("pact")
    >>> sold = ran_service(pact, markets_of(pact)[0].valuation, "Phi-2, 20+20 KB", 8.0)
    >>> sold.input_bits, round(sold.service_value_usd, 3), round(sold.running_cost_usd, 3)
    (160000.0, 4.032, 0.554)
    """
    found = services_of(scenario)
    if name not in found.names:
        allowed = f"must be one of {', '.join(found.names)}"
        raise ScenarioError([Fault(scenario.name, "pact.services", f'"{name}"', allowed)])
    place = found.names.index(name)
    service = scenario.pact.services[place]
    if service.input_kb is None or service.output_kb is None:
        key = f"pact.services[{place + 1}].input_kb"
        raise ScenarioError([Fault(scenario.name, key, "", "required, to be sent over the air")])
    return RanService(
        input_bits=BITS_PER_KB * service.input_kb,
        work_flop=request_flop(scenario.pact, service),
        output_bits=BITS_PER_KB * service.output_kb,
        service_value_usd=theta * float(valuation.value(found.quality[place])),
        running_cost_usd=float(found.cost_usd(scenario.pact.liability_level)[place]),
    )
