"""The scenario of a PACT market: services, user types and how their contract is found.

Equation numbers are those of *PACT: A Contract-Theoretic Framework for Pricing Agentic AI Services
Powered by Large Language Models*; the symbols stand in the descriptions. Money is per request.
"""

from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, MinLen
from pydantic import Strict

from airan_market.scenarios.schema.checks.pact_consistency import pact_contradictions
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
    StepCount,
    UpperFraction,
    UserCount,
)
from airan_market.scenarios.schema.table import Described, Rounds, Table, setting
from airan_market.scenarios.schema.traffic import WorkLawSetting

_COUNT = Annotated[int, Strict(), Ge(0), Le(1_000_000_000)]


class PactService(Table):
    """One service: by its physics, from which (1)–(7) follow, or directly by quality and cost."""

    name: Label = setting("-", "unique among the services of its task")
    task: Label | None = setting(
        "-",
        "name of the [[pact.tasks]] table that the service belongs to; required with tasks",
        default=None,
    )
    quality: ClosedFraction | None = setting(
        "1", "q, given directly; together with cost_usd, in place of the physics", default=None
    )
    cost_usd: NonNegative | None = setting(
        "USD/request",
        "what a request costs the provider without liability, given directly",
        default=None,
    )
    latency_s: NonNegative | None = setting(
        "s",
        "T, given directly: shown, and in a run the mean time at the inference station",
        default=None,
    )
    input_kb: NonNegative | None = setting("KB", "D_in, data of a request", default=None)
    output_kb: NonNegative | None = setting("KB", "D_out, data of a response", default=None)
    parameters: Positive | None = setting("parameters", "β, parameters of the model", default=None)
    layers: UserCount | None = setting("layers", "n_layer of the model", default=None)
    context_tokens: UserCount | None = setting(
        "tokens", "n_ctx, the most input tokens of the model", default=None
    )
    attention_width: UserCount | None = setting(
        "1", "n_attn, dimension of the attention output", default=None
    )
    rate_flop_per_s: Positive | None = setting("FLOP/s", "γ, rate of the server", default=None)
    satisfaction: ClosedFraction | None = setting(
        "1", "A, probability that an answer meets what the user expects, (5)", default=None
    )
    answers_met: _COUNT | None = setting(
        "answers", "answers that met what the user expected, to estimate A from", default=None
    )
    answers_rated: _COUNT | None = setting(
        "answers", "answers that were rated at all, to estimate A from", default=None
    )
    dimensions: Annotated[tuple[ClosedFraction, ...], MinLen(1)] | None = setting(
        "1", "the service's values of the [[pact.dimensions]], in their order", default=None
    )
    hardware_cost_usd: NonNegative = setting("USD/request", "c_h of a request, (7)", default=0.0)
    model_cost_usd: NonNegative = setting("USD/request", "c_m of a request, (7)", default=0.0)
    liability_usd: NonNegative = setting(
        "USD/request", "c_l, expected liability of a request at liability level 1, (7)", default=0.0
    )
    links: ServerCount | None = setting(
        "servers",
        "requests of this service that are transmitted at a time, each at rate_bps",
        default=None,
        default_text="that of traffic",
    )
    tokenisers: ServerCount | None = setting(
        "servers",
        "requests of this service that are tokenised at a time",
        default=None,
        default_text="that of traffic",
    )
    inference_servers: ServerCount | None = setting(
        "servers",
        "requests of this service that are computed at a time, each at rate_flop_per_s",
        default=None,
        default_text="that of traffic",
    )


class PactDimension(Table):
    """A further dimension of quality."""

    name: Label = setting("-", "what it measures")
    weight: OpenFraction = setting(
        "1", "weight in q; satisfaction and speed share what the dimensions leave"
    )


_TYPES = Annotated[tuple[Positive, ...], MinLen(1)]
_PROBABILITIES = Annotated[tuple[UpperFraction, ...], MinLen(1)]


class PactTask(Table):
    """One of several tasks, each with services and a contract of its own."""

    name: Label = setting("-", "unique among the tasks")
    share: UpperFraction = setting("1", "part of all requests; the shares sum to 1")
    satisfaction_weight: ClosedFraction | None = setting(
        "1", "δ of this task", default=None, default_text="that of pact"
    )
    types: _TYPES | None = setting(
        "USD/request", "θ_k of this task", default=None, default_text="those of pact"
    )
    probabilities: _PROBABILITIES | None = setting(
        "1",
        "P_k of this task",
        default=None,
        default_text="uniform with types of its own, else those of pact",
    )


class PactValuation(Table):
    """v, how users value quality: strictly increasing, strictly concave, v(0) = 0, (9)."""

    form: Literal["log", "power", "exponential", "expression"] = setting(
        "-",
        "log: ln(1 + a q); power: q^a with a < 1; exponential: 1 − exp(−a q); "
        "expression: as written there; all times scale",
        default="log",
    )
    scale: Positive = setting("1", "factor before v", default=1.0)
    parameter: Positive | None = setting(
        "1", "a of the form", default=None, default_text="1; 0.5 for power"
    )
    expression: Annotated[str, Strict(), Says('an expression in q, such as "sqrt(q)"')] | None = (
        setting(
            "1",
            "v in terms of q, of + − * / ** and sqrt, log, log1p, exp, expm1, tanh, atan",
            default=None,
        )
    )


class PactCostCurve(Table):
    """The convex increasing curve C(q) through the services."""

    form: Literal["exponential", "power", "convex", "quadratic"] = setting(
        "-",
        "exponential: a + b (e^{κq} − 1)/(e^κ − 1); power: a + b q^κ; convex: "
        "piecewise linear convex regression; quadratic: plain least squares, refused when it "
        "is not convex and increasing",
        default="exponential",
    )
    hold_shape: Flag = setting(
        "-", "keep the κ of the costs without liability when liability is added", default=True
    )


class Pact(Table):
    """Services, types and the contract between them."""

    types: _TYPES = setting(
        "USD/request",
        "θ_k, what a unit of v is worth to a user of type k, strictly increasing, (8)",
    )
    probabilities: _PROBABILITIES | None = setting(
        "1",
        "P_k, share of the users of each type, summing to 1 within 1e-9",
        default=None,
        default_text="uniform",
    )
    satisfaction_weight: ClosedFraction = setting(
        "1", "δ, weight of satisfaction against speed 1 − T, (6)", default=0.5
    )
    rate_bps: Positive = setting("bit/s", "r, rate between user and cloud, (1)", default=20e6)
    tokenise_s_per_kb: NonNegative = setting("s/KB", "a_t, tokenisation, (2)", default=5e-4)
    detokenise_s_per_kb: NonNegative = setting("s/KB", "a_dt, detokenisation, (2)", default=5e-4)
    tokens_per_kb: Positive = setting(
        "tokens/KB",
        "g(D)/D, tokens of a KB; the paper prints 4, its Table I follows from 1/4",
        default=0.25,
    )
    flop_cost_usd: NonNegative = setting(
        "USD/FLOP", "c, cost of a floating-point operation, (7)", default=1e-12
    )
    outcomes: FilePath | None = setting(
        "-",
        "CSV file of rated answers, columns service and met (1 or 0), for the services "
        "without satisfaction; a relative path starts at the working directory",
        default=None,
    )
    confidence: OpenFraction = setting(
        "1", "level of the intervals of estimated satisfaction", default=0.95
    )
    menu: Literal["continuous", "discrete"] = setting(
        "-",
        "continuous: quality along the cost curve; discrete: the services alone",
        default="continuous",
    )
    serve_all: Flag = setting(
        "-",
        "every type is served, at a cost; false: the lowest may be left out, at none",
        default=True,
    )
    quality_min: ClosedFraction = setting(
        "1", "lowest quality of a continuous menu, (13)", default=0.0
    )
    quality_max: ClosedFraction = setting(
        "1", "highest quality of a continuous menu, (13)", default=1.0
    )
    liability_level: NonNegative = setting(
        "1", "factor on every liability_usd in the results with liability", default=1.0
    )
    valuation: PactValuation = setting(
        "-", "how users value quality", default_factory=PactValuation
    )
    cost_curve: PactCostCurve = setting(
        "-", "curve through the services", default_factory=PactCostCurve
    )
    dimensions: Annotated[tuple[PactDimension, ...], MinLen(1)] | None = setting(
        "-", "further dimensions of quality, one [[pact.dimensions]] table each", default=None
    )
    tasks: Annotated[tuple[PactTask, ...], MinLen(1)] | None = setting(
        "-", "Φ, several tasks, one [[pact.tasks]] table each", default=None
    )
    services: Annotated[
        tuple[PactService, ...], MinLen(1), Says("one or more [[pact.services]] tables")
    ] = setting("-", "what can be served, one [[pact.services]] table each")


class PactTraffic(Table):
    """Who asks how often in a run, and how many servers a service has."""

    users: UserCount = setting(
        "users",
        "users of all tasks and types, rounded to whole ones by largest remainder",
        default=300,
    )
    requests_per_user_per_s: Positive = setting(
        "requests/(user s)",
        "requests that one user sends per second, as a Poisson process",
        default=0.1,
    )
    links: ServerCount = setting(
        "servers", "requests that a service transmits at a time, each at rate_bps", default=4
    )
    tokenisers: ServerCount = setting(
        "servers", "requests that a service tokenises at a time", default=4
    )
    inference_servers: ServerCount = setting(
        "servers", "requests that a service computes at a time, each at rate_flop_per_s", default=4
    )
    law: WorkLawSetting = setting(
        "-",
        "how the sizes of requests vary around those of the services: not at all, "
        "exponential at every station, or a table: lognormal, or the tokens of real requests, "
        "context for D_in and answer for D_out",
        default="deterministic",
    )
    trust: Literal["promised", "measured"] = setting(
        "-",
        "the quality by which users choose: what the menu promises, or, from round 2 "
        "on, what was measured in the round before",
        default="promised",
    )
    quality_tolerance: OpenFraction = setting(
        "1",
        "shortfall of quality up to which a promise counts as kept, for the largest "
        "number of users",
        default=0.01,
    )


class PactSimulation(Rounds):
    """How the traffic of a run is played."""

    rounds: StepCount = setting("rounds", "rounds of choice and traffic", default=10)
    horizon_s: Positive = setting("s", "simulated time of one round", default=60.0)
    warmup_s: NonNegative = setting(
        "s", "traffic before round 1, at its choices, that nobody pays for", default=5.0
    )


class PactScenario(Described):
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

    contradictions = staticmethod(pact_contradictions)
    filled: ClassVar = {"pact": Pact}

    pact: Pact = setting("-", "services and types")
    traffic: PactTraffic = setting(
        "-", "what is asked of the services in a run", default_factory=PactTraffic
    )
    simulation: PactSimulation = setting(
        "-", "how the traffic is played", default_factory=PactSimulation
    )
