"""Several services in one market: which types ask for which, and how their tasks differ."""

from collections.abc import Iterator
from typing import Annotated, Any

from annotated_types import MinLen

from airan_market.scenarios.schema.checks.consistency import Finding, Settings
from airan_market.scenarios.schema.quantity import Label, NonNegative, Number, Positive, StepCount
from airan_market.scenarios.schema.table import Table, setting

#: What a service may have of its own, and the table whose value it has otherwise.
COMMON = {
    "input_bits": "task",
    "work_flop": "task",
    "output_bits": "task",
    "tasks_per_user_per_s": "users",
    "service_value_usd": "economics",
    "refund_usd": "economics",
    "violation_cost_usd": "economics",
    "running_cost_usd": "economics",
}
BELIEF = "chernoff"


def _own(unit: str, meaning: str, table: str) -> Any:
    return setting(unit, meaning, default=None, default_text=f"that of {table}")


class Service(Table):
    """One service of a market: the types that ask for it, and what their tasks are like."""

    name: Label = setting("-", "unique among the services")
    types: Annotated[tuple[StepCount, ...], MinLen(1)] = setting(
        "-", "types of users that ask for it, counted from 1; every type asks for one service"
    )
    input_bits: Positive | None = _own("bit", "d_in of its tasks", "task")
    work_flop: Positive | None = _own("FLOP", "w of its tasks", "task")
    output_bits: Positive | None = _own("bit", "d_out of its tasks", "task")
    tasks_per_user_per_s: Positive | None = _own(
        "tasks/(user s)", "δ, how often one of its users asks", "users"
    )
    service_value_usd: Number | None = _own(
        "USD/task",
        "α_1 q of its tasks; an operator that has a value of its own adds what that is above the "
        "one of economics",
        "economics",
    )
    refund_usd: NonNegative | None = _own("USD/task", "R̄ of its tasks", "economics")
    violation_cost_usd: NonNegative | None = _own("USD/task", "C̄ of its tasks", "economics")
    running_cost_usd: NonNegative | None = _own(
        "USD/task", "κ of its tasks, with what else a task is expected to cost", "economics"
    )


def services_consistency(settings: Settings) -> Iterator[Finding]:
    """Yield what contradicts itself between services, and what a market of several has not.

    Examples
    --------
    >>> wrong = {"users": {"latency_sensitivity_usd_per_s": [2.0, 1.0]},
    ...          "services": [{"name": "a", "types": [1]}]}
    >>> list(services_consistency(Settings(wrong)))[0].allowed
    'must hold every type from 1 to 2 once (type 2 has no service)'
    """
    count = settings.count("services")
    if count is None:
        return
    yield from _types(settings, count)
    yield from _names(settings, count)
    if count == 1:
        return
    for key, only in (
        (("mechanism", "name"), ("mixed",)),
        (("mechanism", "belief"), (BELIEF,)),
        (("simulation", "assignment"), ("sampled", "proportional")),
    ):
        found = settings.reliable_or(only[0], *key)
        if found is not None and found not in only:
            said = " or ".join(f'"{word}"' for word in only)
            yield Finding(key, f"must be {said} in a market of several services")
    operators = settings.count("operators") or 0
    for path in (
        ("users", "strategy"),
        ("simulation", "batching"),
        ("simulation", "arrivals", "trace"),
        *(("operators", m, "strategy") for m in range(operators)),
    ):
        if settings.present(*path):
            yield Finding(path, "must not be given in a market of several services")


def _types(settings: Settings, count: int) -> Iterator[Finding]:
    types = settings.count("users", "latency_sensitivity_usd_per_s")
    lists = [settings.reliable("services", place, "types") for place in range(count)]
    if types is None or None in lists:
        return
    owner: dict[int, int] = {}
    for place, numbers in enumerate(lists):
        for number in numbers:
            path = ("services", place, "types")
            if number > types:
                yield Finding(path, f"must be numbers of types, 1 to {types} (has {number})")
            elif number in owner:
                yield Finding(path, f"must not hold type {number}, which has a service already")
            owner.setdefault(number, place)
    missing = [number for number in range(1, types + 1) if number not in owner]
    if missing:
        allowed = f"must hold every type from 1 to {types} once (type {missing[0]} has no service)"
        yield Finding(("services",), allowed)


def _names(settings: Settings, count: int) -> Iterator[Finding]:
    seen: set[str] = set()
    for place in range(count):
        name = settings.reliable("services", place, "name")
        if name in seen:
            yield Finding(("services", place, "name"), "must differ from those of other services")
        seen |= {name}
