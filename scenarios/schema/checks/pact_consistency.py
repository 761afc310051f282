"""Checks between the settings of a PACT scenario, as `consistency` has those of a market."""

import math
import operator
from collections.abc import Iterator
from typing import Final

from airan_market.scenarios.fault import KeyPath, key_text, value_text
from airan_market.scenarios.schema.checks.consistency import (
    SHARE_TOLERANCE,
    Finding,
    Settings,
    engine_of_discipline,
    in_order,
    interval,
    sum_to_one,
    times_of_a_run,
)

PHYSICS: Final = (
    "input_kb",
    "output_kb",
    "parameters",
    "layers",
    "context_tokens",
    "attention_width",
    "rate_flop_per_s",
)
"""What a service described by its physics must say."""

DIRECT: Final = ("quality", "cost_usd")
"""What a service described directly must say."""

_NOT_DIRECT: Final = (
    *PHYSICS,
    "satisfaction",
    "answers_met",
    "answers_rated",
    "dimensions",
    "hardware_cost_usd",
    "model_cost_usd",
)
_ESTIMATED: Final = ("answers_met", "answers_rated")


def pact_contradictions(settings: Settings) -> Iterator[Finding]:
    """Yield every contradiction between settings that are sound by themselves.

    Examples
    --------
    >>> wrong = {"pact": {"types": [1.0, 1.0], "services": []}}
    >>> list(pact_contradictions(Settings(wrong)))[0].allowed
    'must increase from one type to the next (type 2: 1.0 follows 1.0)'
    """
    yield from _types(settings, ("pact",))
    yield from interval(settings, "pact", "quality_{}")
    yield from _valuation(settings)
    yield from _dimensions(settings)
    yield from _tasks(settings)
    yield from _names(settings, "services")
    for place in range(settings.count("pact", "services") or 0):
        yield from _service(settings, place)
    yield from times_of_a_run(settings)
    yield from engine_of_discipline(settings)


def _types(settings: Settings, table: KeyPath) -> Iterator[Finding]:
    types, probabilities = (*table, "types"), (*table, "probabilities")
    yield from in_order(types, settings.reliable(*types), "increase", operator.gt)
    shares = settings.count(*probabilities)
    # a task without types of its own has those of pact
    owner = types if settings.present(*types) else ("pact", "types")
    count = settings.count(*owner)
    if shares is not None and count is not None and shares != count:
        rule = f"must have one probability for each of the {count} types"
        yield Finding(probabilities, f"{rule} (has {shares})")
    yield from sum_to_one(probabilities, settings.reliable(*probabilities))


def _valuation(settings: Settings) -> Iterator[Finding]:
    table: KeyPath = ("pact", "valuation")
    form = settings.reliable(*table, "form") or "log"
    written = settings.present(*table, "expression")
    parameter = settings.reliable(*table, "parameter")
    if form == "expression" and not written:
        yield Finding((*table, "expression"), 'required with form = "expression"')
    if form != "expression" and written:
        yield Finding((*table, "expression"), f'must not be given with form = "{form}"')
    if form == "expression" and parameter is not None:
        yield Finding((*table, "parameter"), 'must not be given with form = "expression"')
    if form == "power" and parameter is not None and parameter >= 1:
        yield Finding((*table, "parameter"), 'must be below 1 with form = "power"')


def _dimensions(settings: Settings) -> Iterator[Finding]:
    yield from _names(settings, "dimensions")
    count = settings.count("pact", "dimensions") or 0
    weights = [settings.reliable("pact", "dimensions", i, "weight") for i in range(count)]
    known = [weight for weight in weights if weight is not None]
    if known and math.fsum(known) > 1 + SHARE_TOLERANCE:
        rule = "the weights of all dimensions must not sum to more than 1"
        yield Finding(("pact", "dimensions"), f"{rule} (sum to {math.fsum(known):.12g})")


def _tasks(settings: Settings) -> Iterator[Finding]:
    count = settings.count("pact", "tasks")
    if count is None:
        return
    yield from _names(settings, "tasks")
    for place in range(count):
        yield from _types(settings, ("pact", "tasks", place))
    shares = [settings.reliable("pact", "tasks", place, "share") for place in range(count)]
    if None not in shares:
        rule = "the shares of all tasks must sum to 1"
        total = math.fsum(shares)
        if abs(total - 1) > SHARE_TOLERANCE:
            yield Finding(("pact", "tasks"), f"{rule} (sum to {total:.12g})")
    names = _known_names(settings, "tasks")
    served = {
        settings.reliable("pact", "services", i, "task")
        for i in range(settings.count("pact", "services") or 0)
    }
    for place, name in names.items():
        if name not in served:
            yield Finding(("pact", "tasks", place, "name"), "must be the task of a service")


def _names(settings: Settings, list_: str) -> Iterator[Finding]:
    first: dict[tuple[str | None, str], KeyPath] = {}
    for place, name in _known_names(settings, list_).items():
        path: KeyPath = ("pact", list_, place, "name")
        task = settings.reliable("pact", list_, place, "task") if list_ == "services" else None
        if (task, name) in first:
            yield Finding(path, f"must differ from {key_text(first[task, name])}")
        first.setdefault((task, name), path)


def _known_names(settings: Settings, list_: str) -> dict[int, str]:
    count = settings.count("pact", list_) or 0
    names = {i: settings.reliable("pact", list_, i, "name") for i in range(count)}
    return {i: name for i, name in names.items() if name is not None}


def _service(settings: Settings, place: int) -> Iterator[Finding]:
    path: KeyPath = ("pact", "services", place)
    if not settings.is_table(*path):
        return
    given = [key for key in (*DIRECT, "latency_s") if settings.present(*path, key)]
    if given:
        yield from _direct_service(settings, path, given[0])
    else:
        yield from _physical_service(settings, path)
    yield from _task_of(settings, path)


def _direct_service(settings: Settings, path: KeyPath, given: str) -> Iterator[Finding]:
    for key in DIRECT:
        if not settings.present(*path, key):
            yield Finding((*path, key), f"required with {given}")
    for key in _NOT_DIRECT:
        # the two costs have 0 as their default, which says nothing
        if settings.present(*path, key) and settings.reliable(*path, key) != 0.0:
            yield Finding((*path, key), f"must not be given together with {given}")


def _physical_service(settings: Settings, path: KeyPath) -> Iterator[Finding]:
    missing = [key for key in PHYSICS if not settings.present(*path, key)]
    if len(missing) == len(PHYSICS):
        yield Finding((*path, "quality"), f"required with cost_usd, or else {', '.join(PHYSICS)}")
        return
    for key in missing:
        yield Finding((*path, key), "required, as for every service described by its physics")
    yield from _satisfaction(settings, path)
    wanted = settings.count("pact", "dimensions") or 0
    found = settings.count(*path, "dimensions") or 0
    if wanted != found:
        rule = f"must have one value for each of the {wanted} [[pact.dimensions]]"
        yield Finding((*path, "dimensions"), f"{rule} (has {found})")


def _satisfaction(settings: Settings, path: KeyPath) -> Iterator[Finding]:
    given = settings.present(*path, "satisfaction")
    counted = [key for key in _ESTIMATED if settings.present(*path, key)]
    for key in counted if given else ():
        yield Finding((*path, key), "must not be given together with satisfaction")
    if not given and len(counted) == 1:
        other = _ESTIMATED[1 - _ESTIMATED.index(counted[0])]
        yield Finding((*path, other), f"required with {counted[0]}")
    if not given and not counted and not settings.present("pact", "outcomes"):
        rule = "required, or answers_met and answers_rated, or pact.outcomes in its place"
        yield Finding((*path, "satisfaction"), rule)
    met, rated = (settings.reliable(*path, key) for key in _ESTIMATED)
    if rated is not None and not given:
        if rated == 0:
            yield Finding((*path, "answers_rated"), "must be at least 1")
        elif met is not None and met > rated:
            yield Finding((*path, "answers_met"), f"must not exceed answers_rated = {rated}")


def _task_of(settings: Settings, path: KeyPath) -> Iterator[Finding]:
    task = settings.reliable(*path, "task")
    if settings.count("pact", "tasks") is None:
        if task is not None:
            yield Finding((*path, "task"), "must not be given without [[pact.tasks]]")
    elif task is None:
        if not settings.present(*path, "task"):
            yield Finding((*path, "task"), "required with [[pact.tasks]]")
    elif task not in (known := _known_names(settings, "tasks").values()):
        yield Finding((*path, "task"), f"must be one of {', '.join(map(value_text, known))}")
