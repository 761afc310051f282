"""The primitives of a market: what a mechanism is given before anybody decides anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from airan_market.agents.primitives.population import users_by_type
from airan_market.agents.primitives.quality import quality_shares, service_values
from airan_market.agents.primitives.services import Services, by_type
from airan_market.agents.primitives.stations import rates_of
from airan_market.agents.primitives.traffic import knows_traffic, laws_of
from airan_market.scenarios import Mechanism, Scenario
from airan_market.scenarios.schema.checks.consistency import SHARE_TOLERANCE
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.estimation.pilot import PilotRun
from airan_market.sim.theory.domain import server_counts, service_rates

PILOT_RUN = PilotRun()

Amount = Any
"""A number that is common to all types, or an array (N,) in a market of several services."""


@dataclass(frozen=True, eq=False)
class Primitives:
    """One market as arrays: N types, M operators, the three stages uplink, GPU, downlink.

    Equation: AI-RAN (16)

    Attributes
    ----------
    users : array (N,)
        I_n, users of each type, whole numbers or fractions.
    latency_sensitivity_usd_per_s : array (N,)
        β_n, USD per task and second, never increasing, positive.
    task_rate_per_user_per_s : float
        δ; with several services an array (N,), and so are refund, violation cost, running cost.
    servers, service_rate_per_s : array (M, 3)
        c and μ of every stage.
    service_value_usd : array (M,)
        α_1 q_m per task, or that of the lowest quality type which the prices leave taking part.
    refund_usd, violation_cost_usd, running_cost_usd, opt_out_utility_usd : float
        R̄, C̄, κ and u_0 per task.
    mechanism : scenarios.Mechanism
        The settings of the mechanism: belief, ζ, latency bounds, temperatures and so on.
    own_margin_usd : array (M,), optional
        Participation margin of each operator, USD per task and at least 0; by default that of the
        mechanism for all.
    pilot : airan_market.sim.estimation.pilot.PilotRun
        The traffic in which operators measure, for the beliefs that do.
    quality_value_usd : array (M, X), optional
        α_x q_m per task, never decreasing along the quality types; without it all users have
        `service_value_usd`.
    quality_share : array (X, N), optional
        Part of the users of each type that is of each quality type; given with the values.
    services : Services, optional
        How the tasks of the types differ, where there are several services; service rates are
        then those of the reference task.

    Raises
    ------
    ValueError
        When shapes do not fit, a number is not finite, β is not positive and ordered, or servers
        or service rates are outside the domain of the queueing formulas (`sim.theory.domain`).

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> market.operators, market.types, float(market.users.sum())
    (3, 8, 150.0)
    """

    users: FloatArray
    latency_sensitivity_usd_per_s: FloatArray
    task_rate_per_user_per_s: float | FloatArray
    servers: FloatArray
    service_rate_per_s: FloatArray
    service_value_usd: FloatArray
    refund_usd: Amount
    violation_cost_usd: Amount
    running_cost_usd: Amount
    opt_out_utility_usd: float
    mechanism: Mechanism
    own_margin_usd: FloatArray | None = None
    pilot: PilotRun = PILOT_RUN
    quality_value_usd: FloatArray | None = None
    quality_share: FloatArray | None = None
    services: Services | None = None

    def __post_init__(self) -> None:
        sensitivity = self.latency_sensitivity_usd_per_s
        if self.users.shape != sensitivity.shape or sensitivity.ndim != 1:
            raise ValueError(
                f"users {self.users.shape} and latency sensitivities {sensitivity.shape}: "
                "must be one number each per type"
            )
        stages = self.servers.shape
        if self.service_rate_per_s.shape != stages or self.service_value_usd.shape != stages[:-1]:
            raise ValueError(
                f"servers {stages}, service rates {self.service_rate_per_s.shape} and service "
                f"values {self.service_value_usd.shape}: must belong to the same operators"
            )
        server_counts(self.servers)
        service_rates(self.service_rate_per_s)
        if not ((sensitivity > 0).all() and (np.diff(sensitivity) <= 0).all()):
            raise ValueError(
                f"latency_sensitivity_usd_per_s = {sensitivity.tolist()}: "
                "must be positive and never increasing"
            )
        if not (np.isfinite(self.users).all() and (self.users >= 0).all()):
            raise ValueError(f"users = {self.users.tolist()}: must be finite and at least 0")
        if not (np.isfinite(self.service_value_usd).all() and np.isfinite(sensitivity).all()):
            raise ValueError("service values and latency sensitivities must be finite")
        margin = self.participation_margin_usd
        if margin.shape != self.service_value_usd.shape or not (
            np.isfinite(margin).all() and (margin >= 0).all()
        ):
            raise ValueError(
                f"own_margin_usd = {margin.tolist()}: must be one finite number, at least 0, for "
                "each operator"
            )
        _check_qualities(self)

    @classmethod
    def from_scenario(cls, scenario: Scenario, seed: int = 0) -> Primitives:
        """Arrays of a scenario; service rates are (D^UL/d_in, D^P/w, D^DL/d_out), 1/s.

        Equation: AI-RAN (2), (6)

        `seed` only matters to shares drawn from a Dirichlet law, and to beliefs that measure.

        Raises
        ------
        airan_market.sim.traffic.trace_file.TraceError
            When a measured rate cannot be read, or a file of requests for a belief that measures.
        """
        scenario = scenario.folded
        economics, operators = scenario.economics, scenario.operators
        users, value = users_by_type(scenario.users, seed), service_values(scenario)
        share = quality_shares(scenario.users, users)
        lowest = (scenario.mechanism.lowest_served_quality or 1) - 1
        services = Services.of_scenario(scenario)

        def own(table: Any, key: str) -> Any:
            return getattr(table, key) if services is None else by_type(scenario, key)

        return cls(
            users=users,
            latency_sensitivity_usd_per_s=np.array(scenario.users.latency_sensitivity_usd_per_s),
            task_rate_per_user_per_s=own(scenario.users, "tasks_per_user_per_s"),
            servers=np.array(
                [[o.uplink.servers, o.gpu.servers, o.downlink.servers] for o in operators],
                dtype=float,
            ),
            service_rate_per_s=rates_of(operators)
            / [scenario.task.input_bits, scenario.task.work_flop, scenario.task.output_bits],
            service_value_usd=value[:, lowest],
            refund_usd=own(economics, "refund_usd"),
            violation_cost_usd=own(economics, "violation_cost_usd"),
            running_cost_usd=own(economics, "running_cost_usd"),
            opt_out_utility_usd=economics.opt_out_utility_usd,
            mechanism=scenario.mechanism,
            pilot=PilotRun(*laws_of(scenario), seed)
            if knows_traffic(scenario.mechanism.belief)
            else PILOT_RUN,
            quality_value_usd=None if share is None else value,
            quality_share=share,
            services=services,
        )

    @property
    def operators(self) -> int:
        """M; 1 for the row of one operator."""
        return self.service_value_usd.size

    @property
    def types(self) -> int:
        """N."""
        return self.users.size

    @property
    def qualities(self) -> int:
        """X; 1 where all users value quality alike."""
        return 1 if self.quality_share is None else len(self.quality_share)

    @cached_property
    def quality_gain_usd(self) -> FloatArray:
        """What a task is worth to each quality type beyond `service_value_usd`, USD, (M, X).

        (α_x − α_x̲) q_m with x̲ the lowest type that prices leave taking part: below 0 under it.
        """
        if self.quality_value_usd is None:
            return np.zeros((*self.service_value_usd.shape, 1))
        return self.quality_value_usd - self.service_value_usd[..., np.newaxis]

    @cached_property
    def demand_per_s(self) -> FloatArray:
        """I_n δ, tasks/s that all users of a type ask for, (N,); computed once."""
        return self.users * self.task_rate_per_user_per_s

    @cached_property
    def capacity_per_s(self) -> FloatArray:
        """min_s c_m^s μ_m^s, what the bottleneck can do, tasks/s, (M,); computed once."""
        return (self.servers * self.service_rate_per_s).min(axis=-1)

    @cached_property
    def effective_capacity_per_s(self) -> FloatArray:
        """λ̄_m = χ min_s c_m^s μ_m^s, tasks/s, (M,).

        Equation: AI-RAN (31)
        """
        return self.mechanism.capacity_safety * self.capacity_per_s

    @property
    def value_by_type_usd(self) -> FloatArray:
        """Value of a task, (M, N) with several services, else (M, 1): the same for all types."""
        value = np.asarray(self.service_value_usd)[..., np.newaxis]
        return value if self.services is None else value + self.services.added_value_usd

    def added_value_usd(self, type_: int, quality: int) -> float | FloatArray:
        """What a task is worth to a user beyond `service_value_usd`, USD: a number, or (M,).

        It is that of the service that its type asks for, or of its quality type (both 0-based).
        """
        if self.quality_share is not None:
            return self.quality_gain_usd[:, quality]
        return 0.0 if self.services is None else float(self.services.added_value_usd[type_])

    @cached_property
    def task_size(self) -> FloatArray | float:
        """How many reference tasks fill the bottleneck as much as one task of each type, (M, N).

        Of the stages that which it fills most counts: max_s w_n^s / (c^s μ^s) · min_s c^s μ^s.
        """
        if self.services is None:
            return 1.0
        free = (self.servers * self.service_rate_per_s)[..., np.newaxis, :]
        return (self.services.work / free).max(axis=-1) * self.capacity_per_s[..., np.newaxis]

    def bottleneck_load_per_s(self, match_probability: FloatArray) -> FloatArray:
        """Load of each operator, in reference tasks/s that fill its busiest stage as much, (...).

        With one service that is its load, Σ_n I_n z_{m,n} δ.
        """
        rate = match_probability * self.demand_per_s
        if self.services is None:
            return rate.sum(axis=-1)
        stages = (rate[..., np.newaxis] * self.services.work).sum(axis=-2)
        busiest = (stages / (self.servers * self.service_rate_per_s)).max(axis=-1)
        return busiest * self.capacity_per_s

    @property
    def net_violation_cost_usd(self) -> Amount:
        """C̄ − R̄, what a violation costs an operator and no user receives; may be negative."""
        return self.violation_cost_usd - self.refund_usd

    @property
    def participation_margin_usd(self) -> FloatArray:
        """What each operator's contracts leave every type at least, USD per task, (M,)."""
        if self.own_margin_usd is not None:
            return np.asarray(self.own_margin_usd, dtype=float)
        return np.full(self.service_value_usd.shape, self.mechanism.participation_margin_usd)

    def of_service(self, service: int) -> Primitives:
        """What the types of one service are offered, with the rates of its own tasks.

        Prices, rents and the design of a menu concern them alone; only loads are those of all.
        """
        assert self.services is not None
        types = self.services.types_of(service)
        first = types[0]
        one: dict[str, Any] = {
            name: float(getattr(self, name)[first])
            for name in ("refund_usd", "violation_cost_usd", "running_cost_usd")
        }
        return replace(
            self,
            users=self.users[types],
            latency_sensitivity_usd_per_s=self.latency_sensitivity_usd_per_s[types],
            task_rate_per_user_per_s=float(np.asarray(self.task_rate_per_user_per_s)[first]),
            service_rate_per_s=self.service_rate_per_s / self.services.work[first],
            service_value_usd=self.service_value_usd + self.services.added_value_usd[first],
            services=None,
            **one,
        )

    def require_one_service(self, what: str) -> None:
        """Refuse a market of several services where only that of one is reckoned with.

        Raises
        ------
        ValueError
        """
        if self.services is not None:
            raise ValueError(f"services: {what} knows markets of one service only")

    def of_operator(self, operator: int | slice | IntArray) -> Primitives:
        """What one operator knows: its own row; several keep the axis of operators.

        Every pure function of this floor that takes the primitives of all operators and arrays
        (M, N) also takes those of one operator and arrays (N,).
        """
        return replace(
            self,
            servers=self.servers[operator],
            service_rate_per_s=self.service_rate_per_s[operator],
            service_value_usd=self.service_value_usd[operator],
            own_margin_usd=None if self.own_margin_usd is None else self.own_margin_usd[operator],
            quality_value_usd=(
                None if self.quality_value_usd is None else self.quality_value_usd[operator]
            ),
        )

    def serving_from(self, quality: int | IntArray) -> Primitives:
        """Prices that leave this quality type (0-based; one, or one an operator) taking part.

        Examples
        --------
        >>> from airan_market.scenarios import load_scenario
        >>> market = Primitives.from_scenario(load_scenario("quality_types"))
        >>> market.serving_from(np.array([0, 1, 2])).service_value_usd.round(7).tolist()
        [0.0007627, 0.0007865, 0.0008675]
        """
        if self.quality_value_usd is None:
            raise ValueError("all users value quality alike: there is no type to leave out")
        lowest = np.broadcast_to(quality, self.service_value_usd.shape)
        value = np.take_along_axis(self.quality_value_usd, lowest[..., np.newaxis], axis=-1)
        return replace(self, service_value_usd=value[..., 0])


def _check_qualities(primitives: Primitives) -> None:
    value, share = primitives.quality_value_usd, primitives.quality_share
    if (value is None) != (share is None):
        raise ValueError("quality_value_usd and quality_share: must be given together")
    if value is None or share is None:
        return
    shape = (*primitives.service_value_usd.shape, len(share))
    if value.shape != shape or not (np.isfinite(value).all() and (np.diff(value) >= 0).all()):
        raise ValueError(
            f"quality_value_usd {value.shape}: must be {shape} finite numbers that never decrease "
            "from one quality type to the next"
        )
    whole = np.abs(share.sum(axis=0) - 1) <= SHARE_TOLERANCE
    if share.shape[1:] != primitives.users.shape or not ((share >= 0).all() and whole.all()):
        raise ValueError(
            "quality_share: must be parts of the users of each type, at least 0, sum 1"
        )
