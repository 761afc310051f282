"""An operator of a market: its stations, their rates, what it is worth and how it plays."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from airan_market.scenarios.schema.dynamics import OperatorStrategy
from airan_market.scenarios.schema.quantity import (
    FilePath,
    Label,
    NonNegative,
    Number,
    Positive,
    ServerCount,
)
from airan_market.scenarios.schema.table import Table, setting
from airan_market.scenarios.schema.traffic import WITH_TRACE


class MeasuredRate(Table):
    """A rate that was measured over time."""

    trace: FilePath = setting(
        "-",
        "CSV (.gz or not) or Parquet file; a rate holds until the next, and after the last the "
        "first follows; the work of a task is divided by the rate at its arrival, and operators "
        "reckon with 1 / E[1 / rate]",
        default_text=WITH_TRACE,
    )
    column: Label = setting("-", "column of the rates", default_text=WITH_TRACE)
    unit_bps: Positive = setting(
        "bit/s", "what the rates are counted in, 1e3 for kbit/s", default=1.0
    )
    time: Label = setting("-", "column of the times, never decreasing", default="time_s")
    time_format: Label | None = setting(
        "-",
        "how times are written, as for Python's strptime, say %Y-%m-%d %H:%M:%S",
        default=None,
        default_text="as seconds",
    )
    least_bps: Positive | None = setting(
        "bit/s",
        "rows with a lower rate, or with none, are left out; a measured rate is low also where "
        "nothing was sent",
        default=None,
        default_text="every row must have a rate above 0",
    )


class FadingRate(Table):
    """A rate that fades: the radio of users on the road, as a process."""

    mean_bps: Positive = setting("bit/s", "mean rate", default_text="required with fading")
    fading: NonNegative = setting(
        "1", "standard deviation of ln rate, which is normal; drawn once a second", default=0.8
    )
    memory_s: Positive = setting(
        "s", "time after which a rate is forgotten, a first-order autoregression", default=2.6
    )


def _rate_branch(value: Any) -> str:
    if isinstance(value, FadingRate) or (isinstance(value, Mapping) and "mean_bps" in value):
        return "fading"
    return "trace" if isinstance(value, Mapping | MeasuredRate) else "number"


Rate = Annotated[
    Annotated[Positive, Tag("number")]
    | Annotated[MeasuredRate, Tag("trace")]
    | Annotated[FadingRate, Tag("fading")],
    Discriminator(_rate_branch),
]


class RadioStage(Table):
    """The uplink or the downlink of an operator."""

    servers: ServerCount = setting("servers", "c, transmissions that go on side by side")
    rate_bps: Rate = setting(
        "bit/s", "D, rate of one server, or a table: as it was measured, or fading"
    )


class GpuStage(Table):
    """The GPU instances of an operator."""

    servers: ServerCount = setting("servers", "c^P, GPU instances")
    rate_flop_per_s: Positive = setting("FLOP/s", "D^P, rate of one instance")


class Operator(Table):
    """One operator: three stages that a task passes in this order."""

    name: Label = setting("-", "unique among the operators")
    uplink: RadioStage = setting("-", "first stage")
    gpu: GpuStage = setting("-", "second stage")
    downlink: RadioStage = setting("-", "third stage")
    service_value_usd: Number | None = setting(
        "USD/task", "α_1 q_m of this operator", default=None, default_text="that of economics"
    )
    quality: Positive | None = setting(
        "1",
        "q_m, in place of service_value_usd where users have quality sensitivities",
        default=None,
        default_text="service_value_usd / α_1",
    )
    strategy: OperatorStrategy | None = setting("-", "how it makes its menus", default=None)
