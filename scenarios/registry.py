"""Mechanisms, beliefs and disciplines by name: ours, and those that others bring.

A setting holds the name. What stands behind it is fetched when it is first used:

- ours by reference, so that nothing is imported for the sake of a name;
- what code has registered: a cell of a notebook, or a module that `use` (`--use`) imported;
- an entry point of an installed package, in the group "airan_market.mechanisms", ".beliefs" or
  ".disciplines"; its name is read without importing the package.

A scenario file can only name them. Files are passed between people and must not run code.
"""

import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airan_market.scenarios.fault import InputError, one_line, value_text

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

    from pydantic import ValidationInfo

T = TypeVar("T")

UNKNOWN: Final = "unknown_name"
"""Pydantic's word for the fault of a name that nothing is registered under."""
PLAYED: Final = "played"
"""Pydantic's context for a scenario that is read to know what was played."""


class RegistryError(InputError, ValueError):
    """What a name stands for cannot be had, or is not what it has to be; one line says why."""


class Registry:
    """What can be named in one setting.

    Parameters
    ----------
    noun
        What is registered, in one word; its plural ends the name of the group of entry points.
    takes
        The parameters with which it is called, those after `*` by keyword.
    ours
        Those that ship, by name, which is taken: "module:attribute", and after it the modules whose
        machine code is needed.

    Examples
    --------
    >>> greetings = Registry("greeting", "name", {})
    >>> @greetings.register("plain")
    ... def hello(name):
    ...     return f"Hello, {name}."
    >>> greetings.get("plain")("Ada"), greetings.names()
    ('Hello, Ada.', ['plain'])
    >>> greetings.get("plane")
    Traceback (most recent call last):
        ...
    airan_market.scenarios.registry.RegistryError: greeting 'plane': must be one of "plain", or a \
registered name (--use); did you mean "plain"?
    """

    def __init__(self, noun: str, takes: str, ours: Mapping[str, Sequence[str]]) -> None:
        self.noun = noun
        self.ours = MappingProxyType(dict(ours))
        self.group = f"airan_market.{noun}s"
        self._takes = takes
        self._found: dict[str, Any] = {}

    def names(self) -> list[str]:
        """Every name there is: ours first, then the others; nothing is imported."""
        others = {*self._found, *(point.name for point in _points(self.group))}
        return [*self.ours, *sorted(others - self.ours.keys())]

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate what is to be known by a name.

        The same code may come again, as when a cell of a notebook is run twice; the last one holds.

        Raises
        ------
        RegistryError
            When the name is taken by something else, or what is registered takes other parameters.
        """

        def keep(thing: T) -> T:
            said, mine = f"{self.noun} {name!r}", place_of(thing)
            owner = place_of(self._found.get(name, thing))
            owner = "one that ships" if name in self.ours else owner
            if owner != mine:
                raise RegistryError(f"{said}: the name is taken by {owner}, {mine} cannot have it")
            check_call(said, thing, self._takes)
            self._found[name] = thing
            return thing

        return keep

    def get(self, name: str) -> Any:
        """What a name stands for, imported when it is asked for first.

        Raises
        ------
        RegistryError
            When there is none of that name, two packages offer it, it cannot be imported, or it
            takes other parameters.
        """
        if name not in self._found:
            ours = self.ours.get(name)
            self._found[name] = self._offered(name) if ours is None else _at(ours[0])
        return self._found[name]

    def kernels(self, name: str) -> tuple[str, ...]:
        """Modules whose machine code it needs; none are known of what others bring."""
        return tuple(self.ours.get(name, ())[1:])

    def known(self, name: str, info: "ValidationInfo") -> str:
        """Return a name that there is; for a field of a schema, hence pydantic's error.

        With `PLAYED` for a context every name is taken: of what was played, no code is needed.
        """
        # an installed package is looked for only when the name is nobody else's
        known = name in self.ours or name in self._found or name in self.names()
        if known or info.context == PLAYED:
            return name
        from pydantic_core import PydanticCustomError  # `--help` has names, and must be quick

        raise PydanticCustomError(UNKNOWN, "{rule}", {"rule": self._must_be(name)})

    def allowed(self, names: Sequence[str] = ()) -> str:
        """What the setting may be, in words: one of these names, by default ours."""
        words = ", ".join(value_text(name) for name in names or self.ours)
        return f"one of {words}, or a registered name (--use)"

    def _must_be(self, name: str) -> str:
        names = self.names()
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {value_text(near[0])}?" if near else ""
        return f"must be {self.allowed(names)}{hint}"

    def _offered(self, name: str) -> Any:
        points = list(_points(self.group).select(name=name))
        if not points:
            raise RegistryError(f"{self.noun} {name!r}: {self._must_be(name)}")
        said = f"{self.noun} {name!r} of {' and of '.join(map(_source, points))}"
        if len(points) > 1:
            raise RegistryError(f"{said}: one of them has to go")
        thing = _imported(f"{said}, {points[0].value}", points[0].load)
        check_call(said, thing, self._takes)
        return thing


def check_call(said: str, thing: object, takes: str) -> None:
    """Refuse, by RegistryError, what cannot be called with these parameters."""
    before, _, after = takes.partition("*")
    positional = before.replace(",", " ").split()
    keywords = dict.fromkeys(after.replace(",", " ").split())
    try:
        # as it is called: a decorator of one's own may take other parameters than it shows
        inspect.signature(thing, follow_wrapped=False).bind(*positional, **keywords)  # type: ignore[arg-type]  # what is not callable is a TypeError too
    except TypeError as error:
        raise RegistryError(f"{said}: must take ({takes}): {error}") from None
    except ValueError:
        pass  # written in C, without a signature to look at


def _at(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _imported(said: str, load: Callable[[], T]) -> T:
    try:
        return load()
    except Exception as error:
        reason = one_line(str(error))
        raise RegistryError(f"{said}: {type(error).__name__}: {reason}") from error


def place_of(thing: object) -> str:
    """Where something was defined, "module.name"; what it looks like when it does not say."""
    name = getattr(thing, "__qualname__", None)
    return f"{thing.__module__}.{name}" if name else repr(thing)


def _points(group: str) -> "EntryPoints":
    from importlib.metadata import entry_points  # slow to import, and most names are ours

    return entry_points(group=group)


def _source(point: "EntryPoint") -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


_SIM = "airan_market.sim"
_BELIEF, _MECHANISM = "airan_market.agents.belief", "airan_market.agents.mechanism"
MECHANISMS = Registry(
    "mechanism",
    "primitives",
    {name: (f"{_MECHANISM}.{name}:agree",) for name in ("mixed", "ct", "mc", "gsmc")},
)
BELIEFS = Registry(
    "belief",
    "servers, service_rate_per_s, load_per_s, *, zeta, pilot",
    {
        "chernoff": (f"{_BELIEF}.chernoff_design:chernoff", f"{_BELIEF}.chernoff_design"),
        "chernoff-optimised": (f"{_BELIEF}.optimised_law:optimised",),
        "chernoff-priority": (
            f"{_BELIEF}.priority_bound:chernoff_priority",
            f"{_SIM}.theory.preemptive_kernel",
        ),
        "fifo": (f"{_BELIEF}.fcfs_law:first_come",),
        "priority": (f"{_BELIEF}.priority_law:priority", f"{_SIM}.theory.preemptive_kernel"),
        "measured": (f"{_BELIEF}.measured:measured", f"{_SIM}.engines.kernel"),
    },
)
DISCIPLINES = Registry(
    "discipline",
    "clock, stage, servers, types, leave",
    {
        "preemptive-resume": (f"{_SIM}.engines.station:Station",),
        "non-preemptive": (f"{_SIM}.engines.disciplines:NonPreemptive",),
        "fcfs": (f"{_SIM}.engines.disciplines:FirstComeFirstServed",),
        "continuous-batching": (f"{_SIM}.engines.batching_counted:CountingBatching",),
    },
)

register_mechanism = MECHANISMS.register
register_belief = BELIEFS.register
register_discipline = DISCIPLINES.register

_used: list[str] = []


def use(module: str) -> None:
    """Import a module that registers something, as `--use` does.

    The working directory is searched last, so that no file in it takes the place of an installed
    module. Worker processes import the module again: what is registered otherwise, in a cell of a
    notebook say, is known only in the process that registered it.

    Raises
    ------
    RegistryError
        When there is no such module, importing it fails, or it registers nothing.

    Examples
    --------
    >>> use("no.such")
    Traceback (most recent call last):
        ...
    airan_market.scenarios.registry.RegistryError: --use no.such: ModuleNotFoundError: No module \
named 'no'
    """
    said = f"--use {value_text(module)[1:-1]}"
    if not all(part.isidentifier() for part in module.split(".")):
        raise RegistryError(f"{said}: must be a module as in `import package.module`, not a file")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    fresh, before = module not in sys.modules, _registered()
    found = _imported(said, lambda: importlib.import_module(module))
    if fresh and _registered() == before:
        nothing = "registers no mechanism, no belief and no discipline"
        raise RegistryError(f"{said}: {nothing} (it is {getattr(found, '__file__', 'built in')})")
    if module not in _used:
        _used.append(module)


def used() -> tuple[str, ...]:
    """Modules that `use` imported: worker processes are given these to import."""
    return tuple(_used)


def _registered() -> int:
    return sum(len(r._found.keys() - r.ours) for r in (MECHANISMS, BELIEFS, DISCIPLINES))
