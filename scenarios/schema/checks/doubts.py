"""What is allowed and can hardly be meant: units that were mixed up, rounds that no machine holds.

A doubt is told as a warning when a scenario is loaded. Only what cannot be played is refused, and
only where it is played: `solve` needs no traffic.
"""

from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel

from airan_market.scenarios.fault import Fault, KeyPath, ScenarioError, key_text, value_text
from airan_market.scenarios.schema.checks.consistency import Finding, Settings

BYTES_OF_A_TASK: Final = 500
"""Memory that a task of a round takes while it is played; measured at 480 to 630. An upper limit
of rounds played in parts (`agents.rounds.model.TASKS_AT_A_TIME`): 184 at ten million tasks."""

MOST_USERS: Final = 1_000_000
"""Users of a run at the most: each is an agent that answers every menu, some ms and 1 KB."""

MANY_TASKS, MOST_TASKS = 2e7, 1e9
"""Tasks of a round, or of the warm-up, that are told (10 GB), and that are refused."""

SHORT_S, LONG_S = 1e-6, 1e4
"""Mean times of a service, s, outside of which units are looked at."""

_POWERS: Final = {"k": 3, "M": 6, "G": 9, "T": 12, "P": 15}
_USUAL: Final = {  # least and most that is usual, the unit, and its prefixes by likelihood
    "rate_bps": (1e3, 1e13, "bit/s", "MkG"),
    "rate_flop_per_s": (1e9, 1e18, "FLOP/s", "TGP"),
    "input_bits": (64.0, 1e13, "bit", "kM"),
    "work_flop": (1e3, 1e21, "FLOP", "GTM"),
    "output_bits": (64.0, 1e13, "bit", "kM"),
}
_STAGES: Final = (
    ("uplink", "rate_bps", "input_bits"),
    ("gpu", "rate_flop_per_s", "work_flop"),
    ("downlink", "rate_bps", "output_bits"),
)


def doubts(settings: Settings) -> Iterator[Finding]:
    """Yield settings of a sound scenario of either kind that are hardly meant.

    Sizes and rates are looked at together: in a scenario in units of its own, where a task takes
    a second or so of a server of rate 1, nothing is doubted.

    Examples
    --------
    >>> gpu = {"gpu": {"servers": 24, "rate_flop_per_s": 40.0}}
    >>> found = doubts(Settings({"task": {"work_flop": 3.6e11}, "operators": [gpu]}))
    >>> print(next(found).allowed)
    in FLOP/s; the mean task would take 9e+09 s; did you mean 40e12 (40 TFLOP/s)?
    """
    found: dict[KeyPath, str] = {}
    for place in range(settings.count("operators") or 0):
        for stage, rate_word, work_word in _STAGES:
            paths: list[KeyPath] = [("operators", place, stage, rate_word), ("task", work_word)]
            rate, work = (settings.reliable(*path) for path in paths)
            if not isinstance(rate, float) or work is None or SHORT_S <= work / rate <= LONG_S:
                continue  # a measured rate is no number
            said = f"the mean task would take {work / rate:.3g} s"
            for path, value in zip(paths, (rate, work), strict=True):
                least, most, unit, prefixes = _USUAL[str(path[-1])]
                if not least <= value <= most:
                    fits = (p for p in prefixes if least <= value * 10.0 ** _POWERS[p] <= most)
                    found[path] = f"in {unit}; {said}{_hint(value, unit, next(fits, ''))}"
                    break
            else:
                found |= {paths[0]: said} if work / rate > LONG_S else {}
    yield from (Finding(path, text) for path, text in found.items())
    path, tasks = _longest(settings)
    if MANY_TASKS < tasks <= MOST_TASKS:
        yield Finding(path, _memory(settings, path, tasks))


def _hint(value: float, unit: str, prefix: str) -> str:
    return (
        f"; did you mean {value:g}e{_POWERS[prefix]} ({value:g} {prefix}{unit})?" if prefix else ""
    )


def require_playable(scenario: BaseModel) -> None:
    """Refuse a round, or a warm-up, whose tasks or users no machine can hold.

    Raises
    ------
    ScenarioError
        Naming the setting, and the number of tasks with the memory they would take.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> require_playable(load_scenario("teleoperation", ["simulation.horizon_s=1e9"]))
    Traceback (most recent call last):
        ...
    airan_market.scenarios.fault.ScenarioError: teleoperation: simulation.horizon_s = \
1000000000.0: 3.6e+12 tasks at a time take about 1.8e+06 GB of memory, allowed up to 1e+09 tasks; \
did you mean 1000 (1e+09 µs)?
    """
    settings = Settings(scenario.model_dump())
    for users in (("users", "total"), ("traffic", "users")):
        count = settings.reliable(*users) or 0
        if count > MOST_USERS:
            text = f"each is an agent, allowed up to {MOST_USERS} in a run (`solve` takes more)"
            raise ScenarioError(
                [Fault(settings.reliable("name"), key_text(users), f"{count}", text)]
            )
    path, tasks = _longest(settings)
    if tasks > MOST_TASKS:
        text = _memory(settings, path, tasks, f", allowed up to {MOST_TASKS:g} tasks")
        value = value_text(settings.reliable(*path))
        raise ScenarioError([Fault(settings.reliable("name"), key_text(path), value, text)])


def _longest(settings: Settings) -> tuple[KeyPath, float]:
    """What is played at a time, a round or the warm-up, and the mean number of its tasks."""
    if settings.present("simulation", "arrivals", "trace"):
        return (), 0.0  # as many as the file has
    rates_per_s = [
        (settings.reliable(table, users) or 0) * (settings.reliable(table, each) or 0.0)
        for table, users, each in (
            ("users", "total", "tasks_per_user_per_s"),
            ("traffic", "users", "requests_per_user_per_s"),
        )
    ]
    services = range(settings.count("services") or 0)
    own = [settings.reliable("services", m, "tasks_per_user_per_s") for m in services]
    if any(own):  # at most as many: if all users asked for the busiest service
        common = [] if all(own) else [settings.reliable("users", "tasks_per_user_per_s") or 0.0]
        busiest = max([*common, *(rate or 0.0 for rate in own)])
        rates_per_s[0] = (settings.reliable("users", "total") or 0) * busiest
    lengths = [("simulation", word) for word in ("horizon_s", "warmup_s")]
    path = max(lengths, key=lambda path: settings.reliable(*path) or 0.0)
    return path, sum(rates_per_s) * (settings.reliable(*path) or 0.0)


def _memory(settings: Settings, path: KeyPath, tasks: float, limit: str = "") -> str:
    memory_gb = tasks * BYTES_OF_A_TASK / 1e9
    said = f"{tasks:.3g} tasks at a time take about {memory_gb:.3g} GB of memory{limit}"
    lasts_s = settings.reliable(*path)
    for factor, unit in ((1e3, "ms"), (1e6, "µs")):
        if lasts_s >= factor and tasks / factor <= MANY_TASKS:
            return f"{said}; did you mean {lasts_s / factor:g} ({lasts_s:g} {unit})?"
    return said
