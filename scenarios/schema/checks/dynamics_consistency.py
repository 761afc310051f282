"""What single values of events cannot show: who they are about, and whether that makes sense."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from airan_market.scenarios.fault import KeyPath
from airan_market.scenarios.schema.checks.consistency import Finding, Settings


class Kind(NamedTuple):
    """What an event of a kind needs."""

    who: str = ""  # "operator", "operator?" where it may be left out, "type"
    stage: bool = False
    value: str = ""  # words for what it has to be; none where there is no value
    fits: Callable[[Any], bool] = lambda value: True
    in_round: bool = False  # whether it can happen inside a round


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: _is_number(value) and value >= least and float(value).is_integer()


_AT_LEAST_0: Final = "a number, at least 0"
KINDS: Final[Mapping[str, Kind]] = {
    "servers": Kind("operator", True, "a whole number, at least 1", _whole(1), True),
    "rate": Kind("operator", True, "a number above 0", lambda v: _is_number(v) and v > 0, True),
    "enters": Kind("operator"),
    "leaves": Kind("operator"),
    "fails": Kind("operator", in_round=True),
    "recovers": Kind("operator", in_round=True),
    "is_bought": Kind("operator"),
    "service_value": Kind("operator?", value="a number", fits=_is_number),
    **{
        name: Kind(value=_AT_LEAST_0, fits=lambda v: _is_number(v) and v >= 0)
        for name in ("refund", "violation_cost", "running_cost")
    },
    "opt_out_utility": Kind(value="a number", fits=_is_number),
    "demand": Kind(value="a number above 0", fits=lambda v: _is_number(v) and v > 0),
    "users": Kind("type", value="a whole number, at least 0", fits=_whole(0)),
    "set": Kind(value="a value"),
}
#: Where keys that `set` may change begin, and those there that it may not.
SETTABLE: Final = ("economics.", "mechanism.")
FIXED: Final = ("mechanism.name", "mechanism.max_iterations", "mechanism.iterations_per_round")


def dynamics(settings: Settings) -> Iterator[Finding]:
    """Yield what contradicts itself in events, and what they need elsewhere.

    Examples
    --------
    >>> wrong = {"events": [{"at_round": 1, "what": "fails"}], "operators": [{"name": "one"}],
    ...          "mechanism": {"name": "mixed", "iterations_per_round": 5}}
    >>> list(dynamics(Settings(wrong)))
    [Finding(path=('events', 0, 'who'), allowed='required: the name of an operator')]
    """
    for place in range(settings.count("events") or 0):
        event = settings.reliable("events", place)
        if event is not None:
            yield from _event(settings, ("events", place), event)
    moving = [name for name in ("events", "ran") if settings.present(name)]
    if settings.present("users", "rhythm"):
        moving.append("users.rhythm")
    if not moving:
        return
    mixed = settings.reliable_or("mixed", "mechanism", "name") == "mixed"
    if mixed and not settings.present("mechanism", "iterations_per_round"):
        yield Finding(("mechanism", "iterations_per_round"), f"required with {moving[0]}")
    traced = settings.is_table("simulation", "arrivals") and settings.present(
        "simulation", "arrivals", "trace"
    )
    if traced and "users.rhythm" in moving:
        yield Finding(("users", "rhythm"), "must not be given together with recorded arrivals")


def _event(settings: Settings, path: KeyPath, event: Mapping[str, Any]) -> Iterator[Finding]:
    given = {key: value for key, value in event.items() if value is not None}
    what = given["what"]
    kind = KINDS[what]
    rounds = settings.reliable_or(10, "simulation", "rounds")
    if ("at_round" in given) == ("at_s" in given):
        yield Finding((*path, "at_round"), "required, or at_s in its place")
    elif "at_s" in given and not kind.in_round:
        yield Finding((*path, "at_s"), f"must not be given for {what}: at_round is")
    elif rounds is not None and given.get("at_round", 1) > rounds:
        yield Finding((*path, "at_round"), f"must be a round, up to {rounds}")
    yield from _who(settings, path, kind, given)
    if kind.stage != ("stage" in given):
        yield Finding((*path, "stage"), "required" if kind.stage else f"has no meaning for {what}")
    if ("value" in given) != bool(kind.value):
        yield Finding(
            (*path, "value"), f"required: {kind.value}" if kind.value else f"none for {what}"
        )
    elif kind.value and not kind.fits(given["value"]):
        yield Finding((*path, "value"), f"must be {kind.value}")
    if ("key" in given) != (what == "set"):
        yield Finding((*path, "key"), "required" if what == "set" else "only for set")
    elif what == "set" and (not given["key"].startswith(SETTABLE) or given["key"] in FIXED):
        yield Finding((*path, "key"), "must be a key of economics or mechanism that can change")
    trace = settings.reliable("simulation", "arrivals", "trace")
    if what in ("demand", "users") and trace is not None:
        yield Finding((*path, "what"), "must not change what a file of requests says")


def _who(
    settings: Settings, path: KeyPath, kind: Kind, given: Mapping[str, Any]
) -> Iterator[Finding]:
    names = [
        settings.reliable("operators", m, "name") for m in range(settings.count("operators") or 0)
    ]
    types = settings.count("users", "latency_sensitivity_usd_per_s")
    who = given.get("who")
    if kind.who == "type":
        if not isinstance(who, int) or (types is not None and who > types):
            yield Finding((*path, "who"), f"required: the number of a type, 1 to {types}")
    elif kind.who == "operator" and who is None:
        yield Finding((*path, "who"), "required: the name of an operator")
    elif not kind.who and who is not None:
        yield Finding((*path, "who"), f"has no meaning for {given['what']}")
    elif who is not None and None not in names and who not in names:
        yield Finding((*path, "who"), f"must be one of {', '.join(map(str, names))}")
    if given["what"] == "is_bought":
        if given.get("by") not in names or given.get("by") == who:
            yield Finding((*path, "by"), "required: the name of another operator")
    elif "by" in given:
        yield Finding((*path, "by"), "only for is_bought")
