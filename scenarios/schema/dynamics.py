"""What happens to a market in time: events, the RAN's load, and the strategies of its agents.

Every table here is optional, and without it a scenario means what it meant before.
"""

from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import Strict

from airan_market.scenarios.schema.quantity import (
    ClosedFraction,
    FilePath,
    Flag,
    Label,
    LowerFraction,
    NonNegative,
    Number,
    OpenFraction,
    Positive,
    StepCount,
    UpperFraction,
)
from airan_market.scenarios.schema.table import Table, setting

What = Literal[
    "servers", "rate", "enters", "leaves", "fails", "recovers", "is_bought",
    "service_value", "refund", "violation_cost", "running_cost", "opt_out_utility",
    "demand", "users", "set",
]  # fmt: skip
TypeNumber = Annotated[int, Strict(), Ge(1), Le(1_000_000)]


class Event(Table):
    """One change of the conditions, from a round or a moment on."""

    at_round: StepCount | None = setting(
        "-",
        "round from whose first moment it holds, 1: from the start, warm-up included; either this "
        "or at_s",
        default=None,
    )
    at_s: NonNegative | None = setting(
        "s",
        "moment from which it holds, also inside a round; agents learn of it at the next round; "
        "for servers, rate, fails and recovers",
        default=None,
    )
    what: What = setting(
        "-",
        "servers, rate: of a stage of an operator; enters, leaves, recovers; fails: its servers "
        "stop, tasks under way wait and are late; is_bought: leaves, and its servers go to the "
        "operator `by` a round later; service_value of one operator or all; refund, "
        "violation_cost, running_cost (the price of energy), opt_out_utility; demand: δ; users: "
        "of a type; set: any other key of users, economics or mechanism",
    )
    who: Label | TypeNumber | None = setting(
        "-",
        "name of the operator, or number of the type",
        default=None,
        default_text="all, where that has a meaning",
    )
    stage: Literal["uplink", "gpu", "downlink"] | None = setting(
        "-", "servers, rate: of which stage", default=None
    )
    by: Label | None = setting("-", "is_bought: name of the buyer", default=None)
    key: Label | None = setting("-", "set: dotted key, say mechanism.damping", default=None)
    value: Number | Flag | Label | None = setting(
        "-", "the new value, in the unit of the setting that it replaces", default=None
    )


class RanPolicy(Table):
    """How many GPU instances an operator's orchestrator gives to the RAN."""

    kind: Literal["fixed", "threshold", "predictive"] = setting(
        "-",
        "fixed: always enough for the share `reserve` of the peak; threshold: one instance more "
        "when the load passes `high` of what the RAN has, one less below `low`; predictive: enough "
        "for the forecast of the next period and `margin`",
        default="threshold",
    )
    reserve: ClosedFraction = setting("1", "fixed: part of the peak load covered", default=1.0)
    high: UpperFraction = setting("1", "threshold: load above which it takes more", default=0.9)
    low: LowerFraction = setting("1", "threshold: load below which it gives back", default=0.6)
    margin: NonNegative = setting(
        "1", "predictive: added to the forecast, of the peak", default=0.1
    )
    memory: LowerFraction = setting(
        "1",
        "predictive: weight of the forecast so far in the smoothed level and trend",
        default=0.5,
    )


class Ran(Table):
    """The RAN comes first: GPU instances that baseband processing takes away from AI work."""

    peak_gpus: StepCount = setting("servers", "instances that the RAN needs at its highest load")
    control_period_s: Positive = setting(
        "s", "time between two decisions of the orchestrator", default=1.0
    )
    policy: RanPolicy = setting("-", "who gets the GPUs", default_factory=RanPolicy)
    mean_load: OpenFraction = setting("1", "mean of the RAN's load, of its peak", default=0.45)
    swing: LowerFraction = setting("1", "amplitude of its daily rhythm, of the mean", default=0.5)
    day_s: Positive = setting("s", "simulated time of a day of the rhythm", default=60.0)
    noise: NonNegative = setting(
        "1", "standard deviation of ln load around the rhythm, of all operators apart", default=0.2
    )
    noise_memory_s: Positive = setting("s", "time after which noise is forgotten", default=5.0)
    trace: FilePath | None = setting(
        "-", "file of loads in place of rhythm and noise, as of a measured rate", default=None
    )
    column: Label = setting("-", "trace: column of the loads", default="load")
    time: Label = setting("-", "trace: column of the times", default="time_s")
    trace_peak: Positive = setting("-", "trace: what counts as the peak load", default=1.0)


class Rhythm(Table):
    """Demand that follows days and weeks: what users ask for in a round, over the mean."""

    day_s: Positive = setting("s", "simulated time of a day")
    swing: LowerFraction = setting("1", "amplitude of the daily rhythm", default=0.5)
    peak_hour: NonNegative = setting("h", "hour of the day at which it is highest", default=15.0)
    second_swing: LowerFraction = setting(
        "1", "amplitude of a second harmonic, which has two peaks a day", default=0.0
    )
    second_peak_hour: NonNegative = setting("h", "hour of the first of these", default=10.0)
    noise: NonNegative = setting(
        "1", "standard deviation of ln demand around the rhythm, normal", default=0.0
    )
    noise_memory_s: Positive = setting("s", "time after which noise is forgotten", default=10.0)
    weekend: UpperFraction = setting(
        "1", "demand at the weekend, of that on a weekday", default=1.0
    )
    trace: FilePath | None = setting(
        "-",
        "file of rates in place of the rhythm, as of a measured rate; over their mean",
        default=None,
    )
    format: Literal["columns", "servegen-windows"] = setting(
        "-",
        "trace: columns with names, or windows of ServeGen: no names, start and requests/s first",
        default="columns",
    )
    column: Label = setting("-", "trace: column of the rates", default="rate")
    time: Label = setting("-", "trace: column of the times", default="time_s")
    speed_up: Positive = setting(
        "1", "trace: seconds of the file in one simulated second", default=1.0
    )


class OperatorStrategy(Table):
    """How an operator makes its menus."""

    kind: Literal["algorithm-1", "best-response", "inertia", "over-promise", "rent", "learning"] = (
        setting(
            "-",
            "algorithm-1: the paper's; best-response: what a search finds best against "
            "the rivals' last menus; inertia: a new menu every `every_rounds` rounds; "
            "over-promise: announces `factor` times the latency that it reckons with; rent: every "
            "price higher by `rent_usd`; learning: knows neither the shares of the types nor the "
            "tails of its own service, and estimates both from what it sold and served",
            default="algorithm-1",
        )
    )
    every_rounds: StepCount = setting(
        "rounds", "best-response, inertia: rounds between two menus", default=1
    )
    margins: Flag = setting(
        "-",
        "best-response: whether it also chooses what it leaves to every type, from 0 to the "
        "service value; prices follow (25) with that margin",
        default=False,
    )
    factor: OpenFraction = setting("1", "over-promise", default=0.5)
    rent_usd: Number = setting("USD/task", "rent", default=5e-6)
    memory: LowerFraction = setting(
        "1", "learning: weight of the rounds before in what it knows", default=0.8
    )
    confidence: OpenFraction = setting(
        "1", "learning: level of the upper limit that it believes its tail to have", default=0.9
    )
    tails: Literal["violations", "latencies"] = setting(
        "-",
        "learning: violations: corrects the tail that everybody believes by the violations that it "
        "saw; latencies: fits an exponential tail to the latencies of its own tasks in a round",
        default="violations",
    )


class UserStrategy(Table):
    """How users choose."""

    kind: Literal["response", "bayesian", "loyal", "quits", "served", "picks"] = setting(
        "-",
        "response: the paper's; bayesian: believes its own experience of every operator's "
        "violations, begun with what was announced; loyal: chooses anew only with probability "
        "1 - loyalty; quits: stays out after `patience` bad rounds in a row; served: prefers the "
        "operator whose item pays best by the latencies and violations that its users met so far; "
        "picks: as served, and takes the item that pays best, whichever type it is meant for",
        default="response",
    )
    memory: UpperFraction = setting(
        "1", "bayesian, served, picks: weight of what was met before, a round later", default=0.9
    )
    prior_tasks: Positive = setting(
        "tasks", "bayesian, served, picks: what an announcement counts for", default=50.0
    )
    loyalty: ClosedFraction = setting("1", "loyal", default=0.9)
    patience: StepCount = setting("rounds", "quits", default=2)
    bad: OpenFraction = setting("1", "quits: violated part of a round that is bad", default=0.2)
