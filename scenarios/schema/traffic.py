"""How traffic varies: the laws of work and of arrivals that a scenario can ask for."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from airan_market.scenarios.schema.checks.consistency import BURST_MEAN_S, BURST_SHARE
from airan_market.scenarios.schema.quantity import (
    BurstRatio,
    Correlation,
    FilePath,
    OpenFraction,
    Positive,
    Share,
    WorkVariation,
)
from airan_market.scenarios.schema.table import Table, setting

TraceFormat = Literal["azure-llm-2023", "tasks"]
WorkFormat = Literal["azure-llm-2023", "mooncake-2025", "servegen-2025", "tasks"]
WITH_TRACE = "required with a trace"
_WITH_TOKENS = "required with azure-llm-2023"


class LognormalWork(Table):
    """Work that spreads more, or less, than exponential work."""

    lognormal_cv: WorkVariation = setting(
        "1",
        "coefficient of variation of lognormal demands, independent at the three "
        "stages; 1 is that of exponential ones",
        default_text="required with lognormal work",
    )


class TraceWork(Table):
    """Work of real requests, drawn from a file with replacement; only its proportions count."""

    trace: FilePath = setting(
        "-",
        "file of real requests that give the demands, divided by their means: those of tasks, or "
        "tokens, context to go up, both to compute, answer to come down; whole requests are drawn",
        default_text="required with work from a trace",
    )
    format: WorkFormat = setting(
        "-", "how the file is read", default_text="required with work from a trace"
    )
    work_of: Literal["request", "answer"] = setting(
        "-",
        "what the work goes by: the request as the file has it, or what comes down alone, as the "
        "time in a GPU that batches does",
        default="request",
    )


class TokenWork(Table):
    """Work by tokens: a prompt goes up, an answer comes down, and both make the work."""

    prompt_cv: WorkVariation = setting(
        "1",
        "coefficient of variation of prompts, lognormal; 0.96 in an hour of chat (Azure, 2023)",
        default_text="required with work by tokens",
    )
    answer_cv: WorkVariation = setting(
        "1", "the same of answers; that hour's by default", default=0.77
    )
    correlation: Correlation = setting(
        "1", "of the logarithms of prompt and answer; that hour's by default", default=0.09
    )
    prompt_share: Share = setting(
        "1", "part of the mean work that prompts make, the rest answers", default=0.0
    )


def _work_branch(value: Any) -> str:
    if isinstance(value, TokenWork | LognormalWork | TraceWork):
        return {TokenWork: "tokens", LognormalWork: "lognormal", TraceWork: "trace"}[type(value)]
    if not isinstance(value, Mapping):
        return "word"
    if "trace" in value:
        return "trace"
    return "tokens" if TokenWork.model_fields.keys() & value.keys() else "lognormal"


WorkLawSetting = Annotated[
    Annotated[Literal["exponential", "deterministic"], Tag("word")]
    | Annotated[LognormalWork, Tag("lognormal")]
    | Annotated[TokenWork, Tag("tokens")]
    | Annotated[TraceWork, Tag("trace")],
    Discriminator(_work_branch),
]


class TraceArrivals(Table):
    """Arrivals and demands read from a file of real requests."""

    trace: FilePath = setting(
        "-", "the file; a relative path starts at the working directory", default_text=WITH_TRACE
    )
    format: TraceFormat = setting(
        "-",
        "how the file is read: Azure's requests in tokens, or tasks: columns arrival_s, "
        "input_bits, work_flop, output_bits, and type or user, counted from 1",
        default_text=WITH_TRACE,
    )
    speed_up: Positive = setting(
        "1", "seconds of the trace played in one simulated second", default=1.0
    )
    bits_per_token: Positive | None = setting(
        "bit/token", "size of a token on the radio", default=None, default_text=_WITH_TOKENS
    )
    flop_per_token: Positive | None = setting(
        "FLOP/token",
        "computation for a token, read or written",
        default=None,
        default_text=_WITH_TOKENS,
    )


class BurstArrivals(Table):
    """Arrivals of two speeds, the same for all users: bursts, and calm between them (an MMPP)."""

    burst_ratio: BurstRatio = setting(
        "1",
        "rate of arrivals in a burst over that between bursts; the mean rate stays",
        default_text="required with bursts",
    )
    burst_share: OpenFraction = setting(
        "1", "part of all time that is in bursts", default=BURST_SHARE
    )
    burst_mean_s: Positive = setting(
        "s",
        "mean time of a burst, which is exponential like that between bursts",
        default=BURST_MEAN_S,
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
