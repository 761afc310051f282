"""The scenario of a market: every setting with its unit, its range and its default.

Attribute names are the keys of the TOML file. Equation and section numbers are those of
*Matching-with-Contracts for the AI-RAN Market*; the symbols stand in the descriptions.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from annotated_types import MinLen
from pydantic import (
    model_validator,
)

from airan_market.scenarios.fault import KeyPath
from airan_market.scenarios.registry import BELIEFS, MECHANISMS
from airan_market.scenarios.schema.batching import Batching
from airan_market.scenarios.schema.checks.consistency import (
    Finding,
    Settings,
    contradictions,
)
from airan_market.scenarios.schema.checks.dynamics_consistency import dynamics
from airan_market.scenarios.schema.checks.quality_consistency import qualities
from airan_market.scenarios.schema.dynamics import (
    Event,
    Ran,
    Rhythm,
    UserStrategy,
)
from airan_market.scenarios.schema.operator import Operator
from airan_market.scenarios.schema.quantity import (
    Flag,
    LowerFraction,
    NonNegative,
    Number,
    OpenFraction,
    Positive,
    Says,
    Share,
    StepCount,
    UpperFraction,
    UserCount,
    named,
)
from airan_market.scenarios.schema.service import COMMON, Service, services_consistency
from airan_market.scenarios.schema.table import Described, Rounds, Table, setting
from airan_market.scenarios.schema.traffic import Arrivals, WorkLawSetting


class Users(Table):
    """Who asks: how many users, of which types, how often."""

    total: UserCount = setting("users", "number of users of all types, Σ I_n")
    latency_sensitivity_usd_per_s: Annotated[tuple[Positive, ...], MinLen(1)] = setting(
        "USD/(task s)",
        "β_n, what a second of agreed latency costs a user of type n; one for each "
        "type, the most sensitive type first, never increasing",
    )
    shares: Annotated[tuple[Share, ...], MinLen(1)] | None = setting(
        "1",
        "share of the users that each type has, summing to 1 within 1e-9; rounded to "
        "whole users by largest remainder; either this or dirichlet_alpha",
        default=None,
    )
    dirichlet_alpha: Positive | None = setting(
        "1",
        "draw the shares from a symmetric Dirichlet distribution with this parameter, "
        "by the run's seed; either this or shares",
        default=None,
    )
    quality_sensitivity_usd: Annotated[tuple[Positive, ...], MinLen(1)] | None = setting(
        "USD/task",
        "α_x, what a unit of quality is worth to a user of quality type x, never decreasing; "
        "without it all users value a service alike",
        default=None,
    )
    quality_shares: Annotated[tuple[tuple[Share, ...], ...], MinLen(1)] | None = setting(
        "1",
        "share of every quality type, summing to 1 within 1e-9: one row for all users, or one row "
        "for each latency sensitivity",
        default=None,
        default_text="required with several quality sensitivities",
    )
    whole_users: Flag = setting(
        "-",
        "round shares to whole users; false keeps fractional users (analysis only)",
        default=True,
    )
    rounding: Literal["largest-remainder", "floor"] = setting(
        "-",
        "whole_users: what becomes of the fractions of users that shares leave, given out by "
        "largest remainder, or dropped: then fewer users than total take part",
        default="largest-remainder",
    )
    tasks_per_user_per_s: Positive = setting(
        "tasks/(user s)", "δ, tasks that one user asks for per second"
    )
    rhythm: Rhythm | None = setting("-", "demand that follows days and weeks", default=None)
    strategy: UserStrategy | None = setting("-", "how users choose", default=None)


_WORDS_OR_TABLES: Final = {
    ("simulation", "arrivals"),
    ("task", "law"),
    ("traffic", "law"),
    ("operators", 0, "uplink", "rate_bps"),
    ("operators", 0, "downlink", "rate_bps"),
}


def word_or_table(path: KeyPath) -> bool:
    """Say whether a word or a number may stand at a path as well as a table."""
    return tuple(0 if isinstance(step, int) else step for step in path) in _WORDS_OR_TABLES


class Task(Table):
    """What a task needs on average at the three stages, and how it varies around that."""

    input_bits: Positive = setting("bit", "d_in, mean size of what is sent up")
    work_flop: Positive = setting("FLOP", "w, mean computation on a GPU instance")
    output_bits: Positive = setting("bit", "d_out, mean size of what is sent down")
    law: WorkLawSetting = setting(
        "-",
        "how sizes and work vary around their means: the paper's exponential law, no "
        "variation, or a table",
        default="exponential",
    )


class Economics(Table):
    """What a task is worth and what it costs."""

    service_value_usd: Number | None = setting(
        "USD/task",
        "α_1 q, what a served task is worth to a user before latency and price; an "
        "operator may have its own",
        default=None,
        default_text="required, unless every operator has a quality",
    )
    refund_usd: NonNegative = setting(
        "USD/task", "R̄, paid back to the user when the agreed latency is exceeded"
    )
    violation_cost_usd: NonNegative = setting(
        "USD/task", "C̄, what exceeding the agreed latency costs the operator, refund included"
    )
    running_cost_usd: NonNegative = setting(
        "USD/task", "κ, what running the model costs the operator"
    )
    opt_out_utility_usd: Number = setting(
        "USD/task", "u_0, utility of a user who takes no operator", default=0.0
    )


Choosing = Literal["posted", "empty", "placed", "congested"]


class Mechanism(Table):
    """How contracts and the matching are found."""

    name: Annotated[str, *named(MECHANISMS)] = setting(
        "-",
        "mixed: the paper's Algorithm 1; ct, mc, gsmc: its benchmarks; or one's own",
        default="mixed",
    )
    design: Literal["exact", "local"] = setting(
        "-",
        "menus that are best, or those at which a solver stops that follows the gradient from "
        "latencies spread evenly over [L_min, L_max]: as the paper's seem to be",
        default="exact",
    )
    belief: Annotated[str, *named(BELIEFS)] = setting(
        "-", "what operators take the probability of a violation to be", default="chernoff"
    )
    chernoff_zeta: OpenFraction = setting(
        "1", "ζ, place of the Chernoff exponent in its domain, (12)", default=0.9
    )
    latency_min_s: NonNegative = setting("s", "L_min, shortest latency agreed", default=1e-3)
    latency_max_s: Positive = setting("s", "L_max, longest latency agreed", default=2.0)
    demand_floor: LowerFraction = setting(
        "1", "ρ, weight of a type's whole demand in an operator's design, (37)", default=0.05
    )
    damping: UpperFraction = setting(
        "1", "ϑ, weight of the new response in an iteration, (35)", default=0.35
    )
    max_iterations: StepCount = setting("iterations", "K, iterations at most", default=50)
    iterations_per_round: StepCount | None = setting(
        "iterations",
        "mixed: all max_iterations are played before round 1, and so many more in every round, at "
        "τ_K, whatever the tolerance",
        default=None,
        default_text="max_iterations are spread over the rounds",
    )
    tolerance: NonNegative = setting(
        "1", "stop when no matching probability moves by more", default=1e-9
    )
    temperature_start_usd: Positive = setting(
        "USD/task", "τ_1, temperature of the first response, (33)", default=1e-4
    )
    temperature_end_usd: Positive = setting(
        "USD/task",
        "τ_K, temperature of the last response, reached geometrically; not above τ_1",
        default=1e-5,
    )
    capacity_safety: UpperFraction = setting(
        "1", "χ, part of the bottleneck's capacity that counts as effective, (31)", default=0.95
    )
    shadow_price_step_usd: NonNegative = setting(
        "USD", "v, step of an operator's shadow price, (36)", default=1e-6
    )
    participation_margin_usd: NonNegative = setting(
        "USD/task",
        "utility per task that every contract leaves its user at least, type 1 "
        "exactly; lowers all prices (25) by as much; 0 is the paper's individual rationality (20)",
        default=0.0,
    )
    lowest_served_quality: StepCount | None = setting(
        "-",
        "number of the quality type whose users of latency type 1 the prices (25) leave just "
        "taking part; the paper's is 1, above it users who value quality less may stay out",
        default=None,
        default_text="1",
    )
    # No default of its own: it depends on the operators, and Scenario fills it in.
    assumed_workload_share: UpperFraction = setting(
        "1",
        "share of the whole demand that an operator assumes before it knows its load; ct, mc, gsmc",
        default_text="1 / number of operators",
    )
    gsmc_unit: Literal["user", "type"] = setting(
        "-",
        "gsmc: what the stable matching moves, each user by itself within the quotas, "
        "or all users of a type, the last type taken overfilling its operator",
        default="user",
    )
    ct_belief: Choosing = setting(
        "-",
        "ct: violation probability that a type reckons with when it takes its best posted item: as "
        "posted; of an empty market; at the load that the types before it have placed; congested: "
        "at the load that all bring, types choosing again until none moves",
        default="congested",
    )
    mc_belief: Choosing = setting("-", "mc: the same for its one choice", default="posted")
    gsmc_belief: Literal["posted", "empty"] = setting(
        "-", "gsmc: the same for the preferences of users", default="posted"
    )
    gsmc_quotas: Flag = setting(
        "-", "gsmc: whether an operator takes no more than fit its effective capacity", default=True
    )
    ties: Literal["capacity", "number"] = setting(
        "-",
        "ct, mc, gsmc: which of equally good operators a user takes, that with the larger "
        "effective capacity or that with the lower number",
        default="capacity",
    )


class Simulation(Rounds):
    """How the traffic is played."""

    assignment: Literal["sampled", "proportional", "projected"] = setting(
        "-",
        "how matching probabilities become users: each draws its operator every round, "
        "or a split by largest remainder, or each type goes where it is likeliest",
        default="sampled",
    )
    arrivals: Arrivals = setting(
        "-",
        "Poisson arrivals, or a table: bursts, or a trace of real requests that "
        "brings its own work",
        default="poisson",
    )
    batching: Batching | None = setting(
        "-",
        'GPUs that batch; with simulation.discipline = "continuous-batching"',
        default=None,
    )


def _all_contradictions(settings: Settings) -> Iterator[Finding]:
    yield from contradictions(settings)
    yield from dynamics(settings)
    yield from qualities(settings)
    yield from services_consistency(settings)


class Scenario(Described):
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

    contradictions = staticmethod(_all_contradictions)
    filled: ClassVar = {"mechanism": Mechanism, "simulation": Simulation}

    users: Users = setting("-", "who asks")
    task: Task = setting("-", "what a task needs")
    economics: Economics = setting("-", "what a task is worth and costs")
    operators: Annotated[
        tuple[Operator, ...], MinLen(1), Says("one or more [[operators]] tables")
    ] = setting("-", "who serves, one [[operators]] table each")
    services: Annotated[tuple[Service, ...], MinLen(1)] | None = setting(
        "-",
        "several services in one market, one [[services]] table each",
        default=None,
        default_text="one service, that of task, users and economics",
    )
    # Filled in by _resolve when absent, because one of its defaults depends on the operators.
    mechanism: Mechanism = setting("-", "how contracts and matching are found")
    simulation: Simulation = setting("-", "how the traffic is played", default_factory=Simulation)
    ran: Ran | None = setting("-", "GPU instances that the RAN takes away", default=None)
    events: Annotated[tuple[Event, ...], MinLen(1)] | None = setting(
        "-", "what changes in the course of a run, one [[events]] table each", default=None
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

    @property
    def folded(self) -> "Scenario":
        """The scenario itself; with one service, that without services which says the same."""
        if self.services is None or len(self.services) > 1:
            return self
        (service,) = self.services
        changed: dict[str, dict[str, Any]] = {}
        for key, table in COMMON.items():
            if (value := getattr(service, key)) is not None:
                changed.setdefault(table, {})[key] = value
        tables = {name: getattr(self, name).model_copy(update=u) for name, u in changed.items()}
        return self.model_copy(update={**tables, "services": None})

    @property
    def service_of_types(self) -> list[str] | None:
        """Name of the service that each type asks for; None in a market of one."""
        if self.services is None:
            return None
        name = {type_: service.name for service in self.services for type_ in service.types}
        return [name[type_] for type_ in sorted(name)]

    def of_services(self, key: str) -> list[float]:
        """A setting that services may have of their own, service by service."""
        common = getattr(getattr(self, COMMON[key]), key)
        own = [getattr(service, key) for service in self.services or ()]
        return [common if value is None else value for value in own]
