"""What can be varied on the page: for every control the setting behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airan_market.scenarios import PactScenario, Scenario, shipped_readings
from airan_market.scenarios.registry import BELIEFS, MECHANISMS

#: Iterations a round where a scenario has none: without them a market cannot meet events.
ITERATIONS = 5
MOST_OPERATORS = 6  # with sliders of their own; further ones by "other settings"
NO_READING = "as the scenario says"
SEED, READING, OTHER = "seed", "reading", "other"
_ASSIGNMENTS = ("sampled", "proportional", "projected")
_TRUST = ("promised", "measured")


@dataclass(frozen=True)
class Control:
    """A slider or a choice.

    Attributes
    ----------
    keys : tuple of str
        Dotted keys that get the value; their text behind the value is `exponent` ("e-4").
    label : str
    base : float or str
        What the scenario has.
    value : float or str
        What the page begins with.
    low, high, step : float
        Of a slider. Ends may lie beyond what is allowed: the page then says what is.
    choices : tuple of str
        Of a choice.
    """

    keys: tuple[str, ...]
    label: str
    base: Any
    value: Any
    low: float = 0.0
    high: float = 0.0
    step: float = 1
    choices: tuple[str, ...] = ()
    exponent: str = ""

    @property
    def name(self) -> str:
        """Its first key."""
        return self.keys[0]

    def shown(self) -> dict[str, Any]:
        """As Mesa's page wants it among the parameters of a model."""
        if self.choices:
            values = list(self.choices)
            return {"type": "Select", "label": self.label, "value": self.value, "values": values}
        whole = isinstance(self.value, int) and isinstance(self.step, int)
        return {
            "type": "SliderInt" if whole else "SliderFloat", "label": self.label,
            "value": self.value, "min": self.low, "max": self.high, "step": self.step,
        }  # fmt: skip

    def overrides(self, value: Any) -> list[str]:
        """Settings of a value, none where it is the scenario's own.

        Examples
        --------
        >>> refund = Control(("economics.refund_usd",), "refund", 1.2, 1.2, exponent="e-4")
        >>> refund.overrides(1.2), refund.overrides(4)
        ([], ['economics.refund_usd=4e-4'])
        """
        if value == self.base:
            return []
        text = value if isinstance(value, str) else f"{value:.10g}{self.exponent}"
        return [f"{key}={text}" for key in self.keys]


def controls(scenario: Scenario | PactScenario) -> list[Control]:
    """The controls of a scenario, in the order of the page.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> [control.label for control in controls(load_scenario("teleoperation"))][:2]
    ['users', 'GPU servers, operator 1']
    """
    made = _of_market(scenario) if isinstance(scenario, Scenario) else _of_pact(scenario)
    return [*made, _whole("simulation.rounds", "rounds", scenario.simulation.rounds, 200)]


def parameters(scenario: Scenario | PactScenario, seed: int) -> dict[str, Any]:
    """Parameters of `analysis.dashboard.model.LiveModel` for Mesa's page."""
    shown: dict[str, Any] = {control.name: control.shown() for control in controls(scenario)}
    if isinstance(scenario, Scenario):
        names = [NO_READING, *shipped_readings()]
        shown[READING] = {
            "type": "Select", "label": "reading", "value": NO_READING, "values": names,
        }  # fmt: skip
    shown[SEED] = {"type": "InputText", "label": "seed", "value": str(seed)}
    shown[OTHER] = {"type": "InputText", "label": "other settings: key=value; …", "value": ""}
    return shown


def overrides(scenario: Scenario | PactScenario, values: Mapping[str, Any]) -> list[str]:
    """Settings that differ from the scenario's, and those written by hand after them.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> values = {"users.total": 90, "other": "task.work_flop=1e11; users.total=80"}
    >>> overrides(load_scenario("teleoperation"), values)
    ['users.total=90', 'task.work_flop=1e11', 'users.total=80']
    """
    changed = [
        text
        for control in controls(scenario)
        if control.name in values
        for text in control.overrides(values[control.name])
    ]
    return [*changed, *written(str(values.get(OTHER, "")))]


def played(scenario: Scenario | PactScenario) -> str:
    """What is played, control by control, with its value.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> played(load_scenario("teleoperation", ["users.total=90"]))[:37]
    'users 90; GPU servers, operator 1 24;'
    """
    return "; ".join(
        f"{c.label} {c.base if isinstance(c.base, str) else format(c.base, '.4g')}"
        for c in controls(scenario)
    )


def written(text: str) -> list[str]:
    """Settings as somebody writes them on one line, with semicolons between."""
    return [part.strip() for part in text.split(";") if part.strip()]


def _of_market(scenario: Scenario) -> list[Control]:
    operators, mechanism, economics = scenario.operators, scenario.mechanism, scenario.economics
    found = [_whole("users.total", "users", scenario.users.total, 4 * scenario.users.total)]
    for number, operator in enumerate(operators[:MOST_OPERATORS], start=1):
        key, servers = f"operators[{number}].gpu.servers", operator.gpu.servers
        found.append(_whole(key, f"GPU servers, {operator.name}", servers, 2 * servers))
    rates = {getattr(operator.gpu, "rate_flop_per_s", None) for operator in operators}
    if len(rates) == 1 and isinstance(rate := rates.pop(), float):
        keys = tuple(
            f"operators[{number}].gpu.rate_flop_per_s" for number in range(1, len(operators) + 1)
        )
        found.append(_number(keys, "rate of a GPU (TFLOP/s)", rate * 1e-12, "e12"))
    iterations = mechanism.iterations_per_round or 0
    return [
        *found,
        _number(("economics.refund_usd",), "refund R̄ (10⁻⁴ USD)", economics.refund_usd * 1e4,
                "e-4"),
        _number(("economics.violation_cost_usd",), "violation cost C̄ (10⁻⁴ USD)",
                economics.violation_cost_usd * 1e4, "e-4"),
        Control(("mechanism.chernoff_zeta",), "ζ of the Chernoff bound", mechanism.chernoff_zeta,
                mechanism.chernoff_zeta, 0.0, 1.0, 0.05),
        _choice("mechanism.name", "mechanism", mechanism.name, MECHANISMS.names()),
        _choice("mechanism.belief", "belief", mechanism.belief, BELIEFS.names()),
        _choice("simulation.assignment", "how probabilities become users",
                scenario.simulation.assignment, _ASSIGNMENTS),
        Control(("mechanism.iterations_per_round",), "iterations a round (0: spread over rounds)",
                iterations, iterations or ITERATIONS, 0, max(20, 2 * iterations)),
    ]  # fmt: skip


def _of_pact(scenario: PactScenario) -> list[Control]:
    traffic, pact = scenario.traffic, scenario.pact
    rate = traffic.requests_per_user_per_s
    return [
        _whole("traffic.users", "users", traffic.users, 4 * traffic.users),
        _number(("traffic.requests_per_user_per_s",), "requests of a user (1/s)", rate),
        _whole("traffic.inference_servers", "inference servers of a service",
               traffic.inference_servers, 4 * traffic.inference_servers),
        Control(("pact.liability_level",), "liability level", pact.liability_level,
                pact.liability_level, 0.0, max(3.0, 2 * pact.liability_level), 0.05),
        Control(("pact.satisfaction_weight",), "weight of satisfaction δ",
                pact.satisfaction_weight, pact.satisfaction_weight, 0.0, 1.0, 0.05),
        _choice("traffic.trust", "belief: users trust what is", traffic.trust, _TRUST),
    ]  # fmt: skip


def _whole(key: str, label: str, value: int, high: int) -> Control:
    return Control((key,), label, value, value, 0, max(high, 2 * value))


def _number(keys: tuple[str, ...], label: str, value: float, exponent: str = "") -> Control:
    """A slider from 0 to some three times the value, in steps of a fiftieth of it or so."""
    value = float(f"{value:.10g}")  # 1.2e-4 × 1e4 is not 1.2
    step = float(f"{value / 50 or 0.02:.0e}")
    return Control(keys, label, value, value, 0.0, 3 * value or 1.0, step, exponent=exponent)


def _choice(key: str, label: str, value: str, choices: Sequence[str]) -> Control:
    return Control((key,), label, value, value, choices=tuple(choices))
