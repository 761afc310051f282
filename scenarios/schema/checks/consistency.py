"""What single values cannot show: checks between the settings of a scenario.

Each check reads only the settings it needs and is silent where one of them is faulty by itself, so
that all faults of a file can be told at once, none of them twice.
"""

import math
import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from airan_market.scenarios.fault import KeyPath, key_text, value_text
from airan_market.scenarios.tables import value_at

BURST_SHARE: Final = 0.1
BURST_MEAN_S: Final = 1.0  # defaults, read by a check as well as by the schema

CONTINUOUS: Final = "continuous-batching"  # the discipline that reads simulation.batching
PREEMPTIVE: Final = "preemptive-resume"  # the discipline of both engines

GREATEST_CHANGES: Final = 10_000_000
"""Changes between bursts and calm that a run may have: their times are held in memory."""

GREATEST_TIME_S, RESOLUTION = 1e15, 1e-12
"""End of a run at the latest, and the smallest part of it that its times are sure to tell apart."""

_SPANS: Final = ("rounds", "horizon_s", "warmup_s")

SHARE_TOLERANCE: Final = 1e-9
"""How far the shares of the types may sum from one."""


class Finding(NamedTuple):
    """A fault before it is known which source to name: where, and what is allowed."""

    path: KeyPath
    allowed: str


class Settings:
    """The settings that can be relied on in tables of which some values may be faulty.

    Parameters
    ----------
    tables
        The scenario as nested tables and lists, defaults written out.
    faulty
        Paths of the values that are wrong by themselves.

    Examples
    --------
    >>> settings = Settings({"users": {"shares": [0.5, -1.0]}}, [("users", "shares", 1)])
    >>> settings.reliable("users", "shares"), settings.present("users", "shares")
    (None, True)
    >>> settings.count("users", "shares")
    2
    """

    def __init__(self, tables: Mapping[str, Any], faulty: Collection[KeyPath] = ()) -> None:
        self._tables = tables
        self._faulty = frozenset(faulty)

    def present(self, *path: str | int) -> bool:
        """Tell whether there is a value, or a misspelt key that stands for it."""
        return value_at(self._tables, path) is not None or path in self._faulty

    def is_table(self, *path: str | int) -> bool:
        """Tell whether there is a table, whatever is in it."""
        return isinstance(value_at(self._tables, path), Mapping) and not self._faulty_above(path)

    def reliable(self, *path: str | int) -> Any:
        """Return the value, None where it is absent or anything in it, or above it, is faulty."""
        if self._faulty_above(path) or any(bad[: len(path)] == path for bad in self._faulty):
            return None
        return value_at(self._tables, path)

    def reliable_or(self, default: Any, *path: str | int) -> Any:
        """Return the value, or the default where there is none; None where it is faulty."""
        return self.reliable(*path) if self.present(*path) else default

    def count(self, *path: str | int) -> int | None:
        """Return the length of a list, though items of it may be faulty; None without a list."""
        value = None if self._faulty_above(path) else value_at(self._tables, path)
        return len(value) if isinstance(value, list | tuple) else None

    def _faulty_above(self, path: KeyPath) -> bool:
        return any(path[:length] in self._faulty for length in range(1, len(path) + 1))


def contradictions(settings: Settings) -> Iterator[Finding]:
    """Yield every contradiction between settings that are sound by themselves.

    Examples
    --------
    >>> wrong = {"mechanism": {"latency_min_s": 2.0, "latency_max_s": 1.0}}
    >>> list(contradictions(Settings(wrong)))
    [Finding(path=('mechanism', 'latency_min_s'), allowed='must be below latency_max_s = 1.0')]
    """
    yield from _shares_or_dirichlet(settings)
    yield from _one_share_per_type(settings)
    yield from sum_to_one(_SHARES, settings.reliable(*_SHARES))
    sensitivity = settings.reliable(*_SENSITIVITY)
    yield from in_order(_SENSITIVITY, sensitivity, "not increase", operator.le)
    yield from interval(settings, "mechanism", "latency_{}_s")
    yield from _cooling(settings)
    yield from _operator_names(settings)
    yield from _one_source_of_work(settings)
    yield from _tokens(settings)
    yield from _tokens_of_the_radio(settings)
    yield from _changes_of_phase(settings)
    yield from times_of_a_run(settings)
    yield from engine_of_discipline(settings)


_SHARES: Final = ("users", "shares")
_DIRICHLET: Final = ("users", "dirichlet_alpha")
_SENSITIVITY: Final = ("users", "latency_sensitivity_usd_per_s")


def _shares_or_dirichlet(settings: Settings) -> Iterator[Finding]:
    if not settings.is_table("users"):
        return
    shares, dirichlet = settings.present(*_SHARES), settings.present(*_DIRICHLET)
    if shares and dirichlet:
        yield Finding(_DIRICHLET, "must not be given together with users.shares")
    if not shares and not dirichlet:
        yield Finding(_SHARES, "required, or users.dirichlet_alpha in its place")


def _one_share_per_type(settings: Settings) -> Iterator[Finding]:
    shares, types = settings.count(*_SHARES), settings.count(*_SENSITIVITY)
    if shares is not None and types is not None and shares != types:
        rule = f"must have one share for each of the {types} latency sensitivities"
        yield Finding(_SHARES, f"{rule} (has {shares})")


def sum_to_one(path: KeyPath, shares: Collection[float] | None) -> Iterator[Finding]:
    """Yield shares that do not sum to one; None, faulty or absent ones, is passed over."""
    if shares is not None and abs(math.fsum(shares) - 1) > SHARE_TOLERANCE:
        yield Finding(path, f"must sum to 1 (sums to {math.fsum(shares):.12g})")


def in_order(
    path: KeyPath, values: Sequence[float] | None, rule: str, follows: Callable[[Any, Any], bool]
) -> Iterator[Finding]:
    """Yield the first value that must not follow the one before it."""
    for place, (before, value) in enumerate(pairwise(values or ()), start=2):
        if not follows(value, before):
            found = f"{value_text(value)} follows {value_text(before)}"
            yield Finding(path, f"must {rule} from one type to the next (type {place}: {found})")
            return


def interval(settings: Settings, table: str, noun: str) -> Iterator[Finding]:
    """Yield a lower end `noun.format("min")` that is not below the upper end."""
    low, high = noun.format("min"), noun.format("max")
    lowest, highest = settings.reliable(table, low), settings.reliable(table, high)
    if lowest is not None and highest is not None and lowest >= highest:
        yield Finding((table, low), f"must be below {high} = {value_text(highest)}")


def _cooling(settings: Settings) -> Iterator[Finding]:
    start = settings.reliable("mechanism", "temperature_start_usd")
    end = settings.reliable("mechanism", "temperature_end_usd")
    if start is not None and end is not None and start < end:
        allowed = f"must not be below temperature_end_usd = {value_text(end)}"
        yield Finding(("mechanism", "temperature_start_usd"), allowed)


def _operator_names(settings: Settings) -> Iterator[Finding]:
    first: dict[str, KeyPath] = {}
    for place in range(settings.count("operators") or 0):
        path: KeyPath = ("operators", place, "name")
        name = settings.reliable(*path)
        if name is None:
            continue
        if name in first:
            yield Finding(path, f"must differ from {key_text(first[name])}")
        first.setdefault(name, path)


def _one_source_of_work(settings: Settings) -> Iterator[Finding]:
    law = settings.reliable("task", "law")
    if law not in (None, "exponential") and settings.present("simulation", "arrivals", "trace"):
        allowed = 'must be "exponential", the default, with simulation.arrivals.trace: its requests'
        yield Finding(("task", "law"), f"{allowed} bring their own work")


def _tokens(settings: Settings) -> Iterator[Finding]:
    arrivals = ("simulation", "arrivals")
    if not settings.present(*arrivals, "trace"):
        return
    in_tokens = settings.reliable(*arrivals, "format") != "tasks"
    for word in ("bits_per_token", "flop_per_token"):
        path = (*arrivals, word)
        if in_tokens and not settings.present(*path):
            yield Finding(path, "required, must be a finite number > 0")
        if not in_tokens and settings.present(*path):
            yield Finding(path, 'must not be given with format = "tasks"')


def _changes_of_phase(settings: Settings) -> Iterator[Finding]:
    if not settings.present("simulation", "arrivals", "burst_ratio"):
        return
    path = ("simulation", "arrivals", "burst_mean_s")
    share = settings.reliable_or(BURST_SHARE, "simulation", "arrivals", "burst_share")
    burst_s = settings.reliable_or(BURST_MEAN_S, *path)
    spans = [settings.reliable("simulation", name) for name in _SPANS]
    if None in (*spans, share, burst_s):
        return
    rounds, horizon_s, warmup_s = spans
    run_s = warmup_s + rounds * horizon_s
    least_s = 2 * run_s * share / GREATEST_CHANGES
    if burst_s < least_s:
        rule = f"must be at least {least_s:.3g}: the run of {run_s:g} s may have"
        yield Finding(path, f"{rule} {GREATEST_CHANGES} bursts and calms on average")


def times_of_a_run(settings: Settings) -> Iterator[Finding]:
    """Yield a horizon that the times of the run are too large to tell, or at which they end.

    Examples
    --------
    >>> simulation = {"rounds": 10, "horizon_s": 1e-9, "warmup_s": 1e6}
    >>> list(times_of_a_run(Settings({"simulation": simulation})))[0].allowed
    'must be at least 1e-06: times of the run up to 1e+06 s are told apart to 1e-12 of that'
    """
    rounds, horizon_s, warmup_s = (settings.reliable("simulation", name) for name in _SPANS)
    if None in (rounds, horizon_s, warmup_s):
        return
    run_s = warmup_s + rounds * horizon_s
    if run_s > GREATEST_TIME_S:
        path = ("simulation", "horizon_s" if horizon_s > warmup_s else "warmup_s")
        yield Finding(path, f"the run ends at {run_s:.3g} s, allowed up to {GREATEST_TIME_S:g} s")
    elif horizon_s < RESOLUTION * run_s:
        rule = f"must be at least {RESOLUTION * run_s:.3g}: times of the run up to {run_s:.3g} s"
        yield Finding(
            ("simulation", "horizon_s"), f"{rule} are told apart to {RESOLUTION:g} of that"
        )


def engine_of_discipline(settings: Settings) -> Iterator[Finding]:
    """Yield a discipline that the engine does not play; markets of both kinds have the keys.

    Examples
    --------
    >>> list(engine_of_discipline(Settings({"simulation": {"discipline": "fcfs"}})))[0].allowed
    'must be "preemptive-resume" with simulation.engine = "compiled"; "simpy" plays the others'
    """
    path = ("simulation", "discipline")
    engine = settings.reliable_or("compiled", "simulation", "engine")
    if engine == "compiled" and settings.reliable(*path) not in (None, PREEMPTIVE):
        rule = f'must be {value_text(PREEMPTIVE)} with simulation.engine = "compiled"'
        yield Finding(path, f'{rule}; "simpy" plays the others')
    batching = settings.reliable_or(None, "simulation", "batching")
    if batching is not None and settings.reliable(*path) not in (None, CONTINUOUS):
        rule = f"must be {value_text(CONTINUOUS)} where there is a table simulation.batching"
        yield Finding(path, rule)


def _tokens_of_the_radio(settings: Settings) -> Iterator[Finding]:
    """Yield radio rates that change, where tokens are counted by their time on the radio."""
    if settings.reliable("simulation", "batching", "bits_per_token") is None:
        return
    because = "simulation.batching.bits_per_token counts tokens by their time on the radio"
    for place in range(settings.count("operators") or 0):
        for stage in ("uplink", "downlink"):
            path: KeyPath = ("operators", place, stage, "rate_bps")
            if settings.is_table(*path):
                yield Finding(path, f"must be a number: {because}")
    for place in range(settings.count("events") or 0):
        event = settings.reliable("events", place)
        if event and event.get("what") == "rate" and event.get("stage") != "gpu":
            yield Finding(("events", place, "stage"), f'must be "gpu" with rate: {because}')
