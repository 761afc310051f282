"""The scenario of a PACT market: services, user types and how their contract is found.

Equation numbers are those of *PACT: A Contract-Theoretic Framework for Pricing Agentic AI Services
Powered by Large Language Models*; the symbols stand in the descriptions. Money is per request.
"""

from typing import Annotated, Literal

from annotated_types import Ge, Le, MinLen
from pydantic import Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from airan_market.scenarios.fault import key_text
from airan_market.scenarios.registry import DISCIPLINES
from airan_market.scenarios.schema.consistency import PREEMPTIVE, Settings
from airan_market.scenarios.schema.kind import Kind
from airan_market.scenarios.schema.market import (  # one style for both kinds of scenario
    WorkLawSetting,
    _Table,
    _unit,
)
from airan_market.scenarios.schema.pact_consistency import pact_contradictions
from airan_market.scenarios.schema.quantity import (
    ClosedFraction,
    FilePath,
    Flag,
    Label,
    NonNegative,
    OpenFraction,
    Positive,
    Says,
    ServerCount,
    Slug,
    StepCount,
    UpperFraction,
    UserCount,
    named,
)

_COUNT = Annotated[int, Strict(), Ge(0), Le(1_000_000_000)]


class PactService(_Table):
    """One service: by its physics, from which (1)–(7) follow, or directly by quality and cost."""

    name: Label = Field(
        description="unique among the services of its task", json_schema_extra=_unit("-")
    )
    task: Label | None = Field(
        default=None,
        description="name of the [[pact.tasks]] table that the service belongs to; required with "
        "tasks",
        json_schema_extra=_unit("-"),
    )
    quality: ClosedFraction | None = Field(
        default=None,
        description="q, given directly; together with cost_usd, in place of the physics",
        json_schema_extra=_unit("1"),
    )
    cost_usd: NonNegative | None = Field(
        default=None,
        description="what a request costs the provider without liability, given directly",
        json_schema_extra=_unit("USD/request"),
    )
    latency_s: NonNegative | None = Field(
        default=None,
        description="T, given directly: shown, and in a run the mean time at the inference station",
        json_schema_extra=_unit("s"),
    )
    input_kb: NonNegative | None = Field(
        default=None, description="D_in, data of a request", json_schema_extra=_unit("KB")
    )
    output_kb: NonNegative | None = Field(
        default=None, description="D_out, data of a response", json_schema_extra=_unit("KB")
    )
    parameters: Positive | None = Field(
        default=None,
        description="β, parameters of the model",
        json_schema_extra=_unit("parameters"),
    )
    layers: UserCount | None = Field(
        default=None, description="n_layer of the model", json_schema_extra=_unit("layers")
    )
    context_tokens: UserCount | None = Field(
        default=None,
        description="n_ctx, the most input tokens of the model",
        json_schema_extra=_unit("tokens"),
    )
    attention_width: UserCount | None = Field(
        default=None,
        description="n_attn, dimension of the attention output",
        json_schema_extra=_unit("1"),
    )
    rate_flop_per_s: Positive | None = Field(
        default=None, description="γ, rate of the server", json_schema_extra=_unit("FLOP/s")
    )
    satisfaction: ClosedFraction | None = Field(
        default=None,
        description="A, probability that an answer meets what the user expects, (5)",
        json_schema_extra=_unit("1"),
    )
    answers_met: _COUNT | None = Field(
        default=None,
        description="answers that met what the user expected, to estimate A from",
        json_schema_extra=_unit("answers"),
    )
    answers_rated: _COUNT | None = Field(
        default=None,
        description="answers that were rated at all, to estimate A from",
        json_schema_extra=_unit("answers"),
    )
    dimensions: Annotated[tuple[ClosedFraction, ...], MinLen(1)] | None = Field(
        default=None,
        description="the service's values of the [[pact.dimensions]], in their order",
        json_schema_extra=_unit("1"),
    )
    hardware_cost_usd: NonNegative = Field(
        default=0.0, description="c_h of a request, (7)", json_schema_extra=_unit("USD/request")
    )
    model_cost_usd: NonNegative = Field(
        default=0.0, description="c_m of a request, (7)", json_schema_extra=_unit("USD/request")
    )
    liability_usd: NonNegative = Field(
        default=0.0,
        description="c_l, expected liability of a request at liability level 1, (7)",
        json_schema_extra=_unit("USD/request"),
    )
    links: ServerCount | None = Field(
        default=None,
        description="requests of this service that are transmitted at a time, each at rate_bps",
        json_schema_extra=_unit("servers", "that of traffic"),
    )
    tokenisers: ServerCount | None = Field(
        default=None,
        description="requests of this service that are tokenised at a time",
        json_schema_extra=_unit("servers", "that of traffic"),
    )
    inference_servers: ServerCount | None = Field(
        default=None,
        description="requests of this service that are computed at a time, each at rate_flop_per_s",
        json_schema_extra=_unit("servers", "that of traffic"),
    )


class PactDimension(_Table):
    """A further dimension of quality."""

    name: Label = Field(description="what it measures", json_schema_extra=_unit("-"))
    weight: OpenFraction = Field(
        description="weight in q; satisfaction and speed share what the dimensions leave",
        json_schema_extra=_unit("1"),
    )


_TYPES = Annotated[tuple[Positive, ...], MinLen(1)]
_PROBABILITIES = Annotated[tuple[UpperFraction, ...], MinLen(1)]


class PactTask(_Table):
    """One of several tasks, each with services and a contract of its own."""

    name: Label = Field(description="unique among the tasks", json_schema_extra=_unit("-"))
    share: UpperFraction = Field(
        description="part of all requests; the shares sum to 1", json_schema_extra=_unit("1")
    )
    satisfaction_weight: ClosedFraction | None = Field(
        default=None, description="δ of this task", json_schema_extra=_unit("1", "that of pact")
    )
    types: _TYPES | None = Field(
        default=None,
        description="θ_k of this task",
        json_schema_extra=_unit("USD/request", "those of pact"),
    )
    probabilities: _PROBABILITIES | None = Field(
        default=None,
        description="P_k of this task",
        json_schema_extra=_unit("1", "uniform with types of its own, else those of pact"),
    )


class PactValuation(_Table):
    """v, how users value quality: strictly increasing, strictly concave, v(0) = 0, (9)."""

    form: Literal["log", "power", "exponential", "expression"] = Field(
        default="log",
        description="log: ln(1 + a q); power: q^a with a < 1; exponential: 1 − exp(−a q); "
        "expression: as written there; all times scale",
        json_schema_extra=_unit("-"),
    )
    scale: Positive = Field(
        default=1.0, description="factor before v", json_schema_extra=_unit("1")
    )
    parameter: Positive | None = Field(
        default=None,
        description="a of the form",
        json_schema_extra=_unit("1", "1; 0.5 for power"),
    )
    expression: Annotated[str, Strict(), Says('an expression in q, such as "sqrt(q)"')] | None = (
        Field(
            default=None,
            description="v in terms of q, of + − * / ** and sqrt, log, log1p, exp, expm1, tanh, "
            "atan",
            json_schema_extra=_unit("1"),
        )
    )


class PactCostCurve(_Table):
    """The convex increasing curve C(q) through the services."""

    form: Literal["exponential", "power", "convex", "quadratic"] = Field(
        default="exponential",
        description="exponential: a + b (e^{κq} − 1)/(e^κ − 1); power: a + b q^κ; convex: "
        "piecewise linear convex regression; quadratic: plain least squares, refused when it "
        "is not convex and increasing",
        json_schema_extra=_unit("-"),
    )
    hold_shape: Flag = Field(
        default=True,
        description="keep the κ of the costs without liability when liability is added",
        json_schema_extra=_unit("-"),
    )


class Pact(_Table):
    """Services, types and the contract between them."""

    types: _TYPES = Field(
        description="θ_k, what a unit of v is worth to a user of type k, strictly increasing, (8)",
        json_schema_extra=_unit("USD/request"),
    )
    probabilities: _PROBABILITIES | None = Field(
        default=None,
        description="P_k, share of the users of each type, summing to 1 within 1e-9",
        json_schema_extra=_unit("1", "uniform"),
    )
    satisfaction_weight: ClosedFraction = Field(
        default=0.5,
        description="δ, weight of satisfaction against speed 1 − T, (6)",
        json_schema_extra=_unit("1"),
    )
    rate_bps: Positive = Field(
        default=20e6,
        description="r, rate between user and cloud, (1)",
        json_schema_extra=_unit("bit/s"),
    )
    tokenise_s_per_kb: NonNegative = Field(
        default=5e-4, description="a_t, tokenisation, (2)", json_schema_extra=_unit("s/KB")
    )
    detokenise_s_per_kb: NonNegative = Field(
        default=5e-4, description="a_dt, detokenisation, (2)", json_schema_extra=_unit("s/KB")
    )
    tokens_per_kb: Positive = Field(
        default=0.25,
        description="g(D)/D, tokens of a KB; the paper prints 4, its Table I follows from 1/4",
        json_schema_extra=_unit("tokens/KB"),
    )
    flop_cost_usd: NonNegative = Field(
        default=1e-12,
        description="c, cost of a floating-point operation, (7)",
        json_schema_extra=_unit("USD/FLOP"),
    )
    outcomes: FilePath | None = Field(
        default=None,
        description="CSV file of rated answers, columns service and met (1 or 0), for the services "
        "without satisfaction; a relative path starts at the working directory",
        json_schema_extra=_unit("-"),
    )
    confidence: OpenFraction = Field(
        default=0.95,
        description="level of the intervals of estimated satisfaction",
        json_schema_extra=_unit("1"),
    )
    menu: Literal["continuous", "discrete"] = Field(
        default="continuous",
        description="continuous: quality along the cost curve; discrete: the services alone",
        json_schema_extra=_unit("-"),
    )
    serve_all: Flag = Field(
        default=True,
        description="every type is served, at a cost; false: the lowest may be left out, at none",
        json_schema_extra=_unit("-"),
    )
    quality_min: ClosedFraction = Field(
        default=0.0,
        description="lowest quality of a continuous menu, (13)",
        json_schema_extra=_unit("1"),
    )
    quality_max: ClosedFraction = Field(
        default=1.0,
        description="highest quality of a continuous menu, (13)",
        json_schema_extra=_unit("1"),
    )
    liability_level: NonNegative = Field(
        default=1.0,
        description="factor on every liability_usd in the results with liability",
        json_schema_extra=_unit("1"),
    )
    valuation: PactValuation = Field(
        default_factory=PactValuation,
        description="how users value quality",
        json_schema_extra=_unit("-"),
    )
    cost_curve: PactCostCurve = Field(
        default_factory=PactCostCurve,
        description="curve through the services",
        json_schema_extra=_unit("-"),
    )
    dimensions: Annotated[tuple[PactDimension, ...], MinLen(1)] | None = Field(
        default=None,
        description="further dimensions of quality, one [[pact.dimensions]] table each",
        json_schema_extra=_unit("-"),
    )
    tasks: Annotated[tuple[PactTask, ...], MinLen(1)] | None = Field(
        default=None,
        description="Φ, several tasks, one [[pact.tasks]] table each",
        json_schema_extra=_unit("-"),
    )
    services: Annotated[
        tuple[PactService, ...], MinLen(1), Says("one or more [[pact.services]] tables")
    ] = Field(
        description="what can be served, one [[pact.services]] table each",
        json_schema_extra=_unit("-"),
    )


class PactTraffic(_Table):
    """Who asks how often in a run, and how many servers a service has."""

    users: UserCount = Field(
        default=300,
        description="users of all tasks and types, rounded to whole ones by largest remainder",
        json_schema_extra=_unit("users"),
    )
    requests_per_user_per_s: Positive = Field(
        default=0.1,
        description="requests that one user sends per second, as a Poisson process",
        json_schema_extra=_unit("requests/(user s)"),
    )
    links: ServerCount = Field(
        default=4,
        description="requests that a service transmits at a time, each at rate_bps",
        json_schema_extra=_unit("servers"),
    )
    tokenisers: ServerCount = Field(
        default=4,
        description="requests that a service tokenises at a time",
        json_schema_extra=_unit("servers"),
    )
    inference_servers: ServerCount = Field(
        default=4,
        description="requests that a service computes at a time, each at rate_flop_per_s",
        json_schema_extra=_unit("servers"),
    )
    law: WorkLawSetting = Field(
        default="deterministic",
        description="how the sizes of requests vary around those of the services: not at all, "
        "exponential at every station, or a table: lognormal, or the tokens of real requests, "
        "context for D_in and answer for D_out",
        json_schema_extra=_unit("-"),
    )
    trust: Literal["promised", "measured"] = Field(
        default="promised",
        description="the quality by which users choose: what the menu promises, or, from round 2 "
        "on, what was measured in the round before",
        json_schema_extra=_unit("-"),
    )
    quality_tolerance: OpenFraction = Field(
        default=0.01,
        description="shortfall of quality up to which a promise counts as kept, for the largest "
        "number of users",
        json_schema_extra=_unit("1"),
    )


class PactSimulation(_Table):
    """How the traffic of a run is played."""

    rounds: StepCount = Field(
        default=10, description="rounds of choice and traffic", json_schema_extra=_unit("rounds")
    )
    horizon_s: Positive = Field(
        default=60.0, description="simulated time of one round", json_schema_extra=_unit("s")
    )
    warmup_s: NonNegative = Field(
        default=5.0,
        description="traffic before round 1, at its choices, that nobody pays for",
        json_schema_extra=_unit("s"),
    )
    engine: Literal["simpy", "compiled"] = Field(
        default="compiled", description="what simulates the stations", json_schema_extra=_unit("-")
    )
    discipline: Annotated[str, *named(DISCIPLINES)] = Field(
        default=PREEMPTIVE,
        description="whom a station serves next, and whom it interrupts; engine simpy plays all",
        json_schema_extra=_unit("-"),
    )


class PactScenario(_Table):
    """A PACT market, completely described: frozen, validated, every default resolved.

    Made by `load_pact`, which tells all faults at once. Direct construction checks the same and
    raises pydantic's ``ValidationError``.

    Examples
    --------
    >>> from airan_market.scenarios import load_pact
    >>> market = load_pact("pact")
    >>> len(market.pact.services), market.pact.types[-1]
    (8, 15.0)
    """

    schema_version: Annotated[int, Strict(), Ge(1), Le(1)] = Field(
        default=1, description="version of these keys", json_schema_extra=_unit("-")
    )
    name: Slug = Field(
        description="name of the scenario, part of a run's directory", json_schema_extra=_unit("-")
    )
    pact: Pact = Field(description="services and types", json_schema_extra=_unit("-"))
    traffic: PactTraffic = Field(
        default_factory=PactTraffic,
        description="what is asked of the services in a run",
        json_schema_extra=_unit("-"),
    )
    simulation: PactSimulation = Field(
        default_factory=PactSimulation,
        description="how the traffic is played",
        json_schema_extra=_unit("-"),
    )

    @model_validator(mode="after")
    def _check_consistency(self) -> "PactScenario":
        found = list(pact_contradictions(Settings(self.model_dump())))
        if found:
            lines = "\n".join(f"{key_text(path)}: {allowed}" for path, allowed in found)
            raise PydanticCustomError("contradiction", "{lines}", {"lines": lines})
        return self


PACT = Kind(PactScenario, pact_contradictions, {"pact": Pact})
