"""The scenario of a market: every setting with its unit, its range and its default.

Attribute names are the keys of the TOML file. Equation and section numbers are those of
*Matching-with-Contracts for the AI-RAN Market*; the symbols stand in the descriptions.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Le, MinLen
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from airan_market.scenarios.fault import key_text
from airan_market.scenarios.registry import BELIEFS, DISCIPLINES, MECHANISMS
from airan_market.scenarios.schema.consistency import (
    BURST_MEAN_S,
    BURST_SHARE,
    PREEMPTIVE,
    Settings,
    contradictions,
)
from airan_market.scenarios.schema.quantity import (
    BurstRatio,
    ClosedFraction,
    FilePath,
    Flag,
    Label,
    LowerFraction,
    NonNegative,
    Number,
    OpenFraction,
    Positive,
    Says,
    ServerCount,
    Slug,
    StepCount,
    UpperFraction,
    UserCount,
    WorkVariation,
    named,
)


def _unit(unit: str, default_text: str = "") -> dict[str, Any]:
    return {"unit": unit, "default_text": default_text}


class _Table(BaseModel):
    """A table of the file: it never changes, and knows no keys but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Users(_Table):
    """Who asks: how many users, of which types, how often."""

    total: UserCount = Field(
        description="number of users of all types, Σ I_n", json_schema_extra=_unit("users")
    )
    latency_sensitivity_usd_per_s: Annotated[tuple[Positive, ...], MinLen(1)] = Field(
        description="β_n, what a second of agreed latency costs a user of type n; one for each "
        "type, the most sensitive type first, never increasing",
        json_schema_extra=_unit("USD/(task s)"),
    )
    shares: Annotated[tuple[ClosedFraction, ...], MinLen(1)] | None = Field(
        default=None,
        description="share of the users that each type has, summing to 1 within 1e-9; rounded to "
        "whole users by largest remainder; either this or dirichlet_alpha",
        json_schema_extra=_unit("1"),
    )
    dirichlet_alpha: Positive | None = Field(
        default=None,
        description="draw the shares from a symmetric Dirichlet distribution with this parameter, "
        "by the run's seed; either this or shares",
        json_schema_extra=_unit("1"),
    )
    whole_users: Flag = Field(
        default=True,
        description="round shares to whole users; false keeps fractional users (analysis only)",
        json_schema_extra=_unit("-"),
    )
    tasks_per_user_per_s: Positive = Field(
        description="δ, tasks that one user asks for per second",
        json_schema_extra=_unit("tasks/(user s)"),
    )


WORDS_OR_TABLES: Final = (("simulation", "arrivals"), ("task", "law"), ("traffic", "law"))
"""The settings that may be a word or a table."""


class LognormalWork(_Table):
    """Work that spreads more, or less, than exponential work."""

    lognormal_cv: WorkVariation = Field(
        description="coefficient of variation of lognormal demands, independent at the three "
        "stages; 1 is that of exponential ones",
        json_schema_extra=_unit("1", "required with lognormal work"),
    )


class TraceWork(_Table):
    """Work of real requests, drawn from a file with replacement; only its proportions count."""

    trace: FilePath = Field(
        description="file of real requests whose tokens give the demands, context to go up, both "
        "to compute, answer to come down, divided by their means; whole requests are drawn",
        json_schema_extra=_unit("-", "required with work from a trace"),
    )
    format: Literal["azure-llm-2023"] = Field(
        description="how the file is read",
        json_schema_extra=_unit("-", "required with work from a trace"),
    )


def _work_branch(value: Any) -> str:
    if isinstance(value, LognormalWork) or (isinstance(value, Mapping) and "trace" not in value):
        return "lognormal"
    return "trace" if isinstance(value, Mapping | TraceWork) else "word"


WorkLawSetting = Annotated[
    Annotated[Literal["exponential", "deterministic"], Tag("word")]
    | Annotated[LognormalWork, Tag("lognormal")]
    | Annotated[TraceWork, Tag("trace")],
    Discriminator(_work_branch),
]


class Task(_Table):
    """What a task needs on average at the three stages, and how it varies around that."""

    input_bits: Positive = Field(
        description="d_in, mean size of what is sent up", json_schema_extra=_unit("bit")
    )
    work_flop: Positive = Field(
        description="w, mean computation on a GPU instance", json_schema_extra=_unit("FLOP")
    )
    output_bits: Positive = Field(
        description="d_out, mean size of what is sent down", json_schema_extra=_unit("bit")
    )
    law: WorkLawSetting = Field(
        default="exponential",
        description="how sizes and work vary around their means: the paper's exponential law, no "
        "variation, or a table",
        json_schema_extra=_unit("-"),
    )


class Economics(_Table):
    """What a task is worth and what it costs."""

    service_value_usd: Number = Field(
        description="α_1 q, what a served task is worth to a user before latency and price; an "
        "operator may have its own",
        json_schema_extra=_unit("USD/task"),
    )
    refund_usd: NonNegative = Field(
        description="R̄, paid back to the user when the agreed latency is exceeded",
        json_schema_extra=_unit("USD/task"),
    )
    violation_cost_usd: NonNegative = Field(
        description="C̄, what exceeding the agreed latency costs the operator, refund included",
        json_schema_extra=_unit("USD/task"),
    )
    running_cost_usd: NonNegative = Field(
        description="κ, what running the model costs the operator",
        json_schema_extra=_unit("USD/task"),
    )
    opt_out_utility_usd: Number = Field(
        default=0.0,
        description="u_0, utility of a user who takes no operator",
        json_schema_extra=_unit("USD/task"),
    )


class RadioStage(_Table):
    """The uplink or the downlink of an operator."""

    servers: ServerCount = Field(
        description="c, transmissions that go on side by side", json_schema_extra=_unit("servers")
    )
    rate_bps: Positive = Field(
        description="D, rate of one server", json_schema_extra=_unit("bit/s")
    )


class GpuStage(_Table):
    """The GPU instances of an operator."""

    servers: ServerCount = Field(
        description="c^P, GPU instances", json_schema_extra=_unit("servers")
    )
    rate_flop_per_s: Positive = Field(
        description="D^P, rate of one instance", json_schema_extra=_unit("FLOP/s")
    )


class Operator(_Table):
    """One operator: three stages that a task passes in this order."""

    name: Label = Field(description="unique among the operators", json_schema_extra=_unit("-"))
    uplink: RadioStage = Field(description="first stage", json_schema_extra=_unit("-"))
    gpu: GpuStage = Field(description="second stage", json_schema_extra=_unit("-"))
    downlink: RadioStage = Field(description="third stage", json_schema_extra=_unit("-"))
    service_value_usd: Number | None = Field(
        default=None,
        description="α_1 q_m of this operator",
        json_schema_extra=_unit("USD/task", "that of economics"),
    )


class Mechanism(_Table):
    """How contracts and the matching are found."""

    name: Annotated[str, *named(MECHANISMS)] = Field(
        default="mixed",
        description="mixed: the paper's Algorithm 1; ct, mc, gsmc: its benchmarks; or one's own",
        json_schema_extra=_unit("-"),
    )
    belief: Annotated[str, *named(BELIEFS)] = Field(
        default="chernoff",
        description="what operators take the probability of a violation to be",
        json_schema_extra=_unit("-"),
    )
    chernoff_zeta: OpenFraction = Field(
        default=0.9,
        description="ζ, place of the Chernoff exponent in its domain, (12)",
        json_schema_extra=_unit("1"),
    )
    latency_min_s: NonNegative = Field(
        default=1e-3, description="L_min, shortest latency agreed", json_schema_extra=_unit("s")
    )
    latency_max_s: Positive = Field(
        default=2.0, description="L_max, longest latency agreed", json_schema_extra=_unit("s")
    )
    demand_floor: LowerFraction = Field(
        default=0.05,
        description="ρ, weight of a type's whole demand in an operator's design, (37)",
        json_schema_extra=_unit("1"),
    )
    damping: UpperFraction = Field(
        default=0.35,
        description="ϑ, weight of the new response in an iteration, (35)",
        json_schema_extra=_unit("1"),
    )
    max_iterations: StepCount = Field(
        default=50, description="K, iterations at most", json_schema_extra=_unit("iterations")
    )
    tolerance: NonNegative = Field(
        default=1e-9,
        description="stop when no matching probability moves by more",
        json_schema_extra=_unit("1"),
    )
    temperature_start_usd: Positive = Field(
        default=1e-4,
        description="τ_1, temperature of the first response, (33)",
        json_schema_extra=_unit("USD/task"),
    )
    temperature_end_usd: Positive = Field(
        default=1e-5,
        description="τ_K, temperature of the last response, reached geometrically; not above τ_1",
        json_schema_extra=_unit("USD/task"),
    )
    capacity_safety: UpperFraction = Field(
        default=0.95,
        description="χ, part of the bottleneck's capacity that counts as effective, (31)",
        json_schema_extra=_unit("1"),
    )
    shadow_price_step_usd: NonNegative = Field(
        default=1e-6,
        description="v, step of an operator's shadow price, (36)",
        json_schema_extra=_unit("USD"),
    )
    participation_margin_usd: NonNegative = Field(
        default=0.0,
        description="utility per task that every contract leaves its user at least, type 1 "
        "exactly; lowers all prices (25) by as much; 0 is the paper's individual rationality (20)",
        json_schema_extra=_unit("USD/task"),
    )
    # No default of its own: it depends on the operators, and Scenario fills it in.
    assumed_workload_share: UpperFraction = Field(
        description="share of the whole demand that an operator assumes before it knows its load; "
        "ct, mc, gsmc",
        json_schema_extra=_unit("1", "1 / number of operators"),
    )
    gsmc_unit: Literal["user", "type"] = Field(
        default="user",
        description="gsmc: what the stable matching moves, each user by itself within the quotas, "
        "or all users of a type, the last type taken overfilling its operator",
        json_schema_extra=_unit("-"),
    )


_WITH_TRACE = "required with a trace"


class TraceArrivals(_Table):
    """Arrivals and demands read from a file of real requests."""

    trace: FilePath = Field(
        description="the file; a relative path starts at the working directory",
        json_schema_extra=_unit("-", _WITH_TRACE),
    )
    format: Literal["azure-llm-2023"] = Field(
        description="how the file is read", json_schema_extra=_unit("-", _WITH_TRACE)
    )
    speed_up: Positive = Field(
        default=1.0,
        description="seconds of the trace played in one simulated second",
        json_schema_extra=_unit("1"),
    )
    bits_per_token: Positive = Field(
        description="size of a token on the radio",
        json_schema_extra=_unit("bit/token", _WITH_TRACE),
    )
    flop_per_token: Positive = Field(
        description="computation for a token, read or written",
        json_schema_extra=_unit("FLOP/token", _WITH_TRACE),
    )


class BurstArrivals(_Table):
    """Arrivals of two speeds, the same for all users: bursts, and calm between them (an MMPP)."""

    burst_ratio: BurstRatio = Field(
        description="rate of arrivals in a burst over that between bursts; the mean rate stays",
        json_schema_extra=_unit("1", "required with bursts"),
    )
    burst_share: OpenFraction = Field(
        default=BURST_SHARE,
        description="part of all time that is in bursts",
        json_schema_extra=_unit("1"),
    )
    burst_mean_s: Positive = Field(
        default=BURST_MEAN_S,
        description="mean time of a burst, which is exponential like that between bursts",
        json_schema_extra=_unit("s"),
    )


def _arrivals_branch(value: Any) -> str:
    if isinstance(value, Mapping):
        bursts = "trace" not in value and any(key.startswith("burst") for key in map(str, value))
        return "bursts" if bursts else "trace"
    if isinstance(value, BurstArrivals):
        return "bursts"
    return "trace" if isinstance(value, TraceArrivals) else "word"


Arrivals = Annotated[
    Annotated[Literal["poisson"], Tag("word")]
    | Annotated[TraceArrivals, Tag("trace")]
    | Annotated[BurstArrivals, Tag("bursts")],
    Discriminator(_arrivals_branch),
]


class Simulation(_Table):
    """How the traffic is played."""

    rounds: StepCount = Field(
        default=10, description="rounds of contracts and traffic", json_schema_extra=_unit("rounds")
    )
    horizon_s: Positive = Field(
        default=10.0, description="simulated time of one round", json_schema_extra=_unit("s")
    )
    warmup_s: NonNegative = Field(
        default=2.0,
        description="traffic before round 1, at its menus, that no contract covers",
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
    assignment: Literal["sampled", "proportional", "projected"] = Field(
        default="sampled",
        description="how matching probabilities become users: each draws its operator every round, "
        "or a split by largest remainder, or each type goes where it is likeliest",
        json_schema_extra=_unit("-"),
    )
    arrivals: Arrivals = Field(
        default="poisson",
        description="Poisson arrivals, or a table: bursts, or a trace of real requests that "
        "brings its own work",
        json_schema_extra=_unit("-"),
    )


class Scenario(_Table):
    """A market, completely described: frozen, validated, every default resolved.

    Made by `load_scenario`, which tells all faults at once. Direct construction checks the same
    and raises pydantic's ``ValidationError``.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = load_scenario("teleoperation")
    >>> market.operators[2].gpu.servers, market.users.tasks_per_user_per_s
    (12, 24.0)
    >>> market.users.total = 1
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: 1 validation error for Users
    ...
    """

    schema_version: Annotated[int, Strict(), Ge(1), Le(1)] = Field(
        default=1, description="version of these keys", json_schema_extra=_unit("-")
    )
    name: Slug = Field(
        description="name of the scenario, part of a run's directory", json_schema_extra=_unit("-")
    )
    users: Users = Field(description="who asks", json_schema_extra=_unit("-"))
    task: Task = Field(description="what a task needs", json_schema_extra=_unit("-"))
    economics: Economics = Field(
        description="what a task is worth and costs", json_schema_extra=_unit("-")
    )
    operators: Annotated[
        tuple[Operator, ...], MinLen(1), Says("one or more [[operators]] tables")
    ] = Field(description="who serves, one [[operators]] table each", json_schema_extra=_unit("-"))
    # Filled in by _resolve when absent, because one of its defaults depends on the operators.
    mechanism: Mechanism = Field(
        description="how contracts and matching are found", json_schema_extra=_unit("-")
    )
    simulation: Simulation = Field(
        default_factory=Simulation,
        description="how the traffic is played",
        json_schema_extra=_unit("-"),
    )

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, tables: Any) -> Any:
        """Write out the one default that depends on other settings."""
        if not isinstance(tables, Mapping):
            return tables
        mechanism = tables.get("mechanism", {})
        if not isinstance(mechanism, Mapping):
            return tables
        operators = tables.get("operators")
        count = len(operators) if isinstance(operators, list | tuple) else 0
        # without operators the scenario is refused anyway, for that and not for this setting
        share = 1 / max(count, 1)
        return {**tables, "mechanism": {"assumed_workload_share": share, **mechanism}}

    @model_validator(mode="after")
    def _check_consistency(self) -> "Scenario":
        found = list(contradictions(Settings(self.model_dump())))
        if found:
            lines = "\n".join(f"{key_text(path)}: {allowed}" for path, allowed in found)
            raise PydanticCustomError("contradiction", "{lines}", {"lines": lines})
        return self
