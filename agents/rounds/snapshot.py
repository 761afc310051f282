"""What a market holds between two rounds, as bytes that an equal, new market takes back.

Only what changes in play is kept. What the scenario gives (primitives, laws, the agents' own row of
a market) is named by its place and found again in the new market. Bytes come from a file that
somebody may have sent, so nothing is made from them but numbers, containers, NumPy's arrays and
generators, and instances of classes of this package's `agents` and `sim` and of the modules that
the agents' own classes are from.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

from mesa.agent import AgentSet
from pydantic import BaseModel

from airan_market.scenarios import InputError

Places = Mapping[tuple[str, str], object]
FLOORS = ("airan_market.agents.", "airan_market.sim.")
_MADE_OF_NUMBERS = {
    "builtins": {"bytearray", "complex", "frozenset", "range", "set", "slice"},
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "random": {"Random"},
    "numpy": {"ndarray", "dtype"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.numeric": {"_frombuffer"},
    "numpy.random._pickle": {"__generator_ctor", "__bit_generator_ctor"},
    "numpy.random._pcg64": {"PCG64", "PCG64DXSM"},
    "numpy.random.bit_generator": {"SeedSequence"},
}


class SnapshotError(InputError, ValueError):
    """Something that an agent holds cannot be kept, or bytes are not those of such a market."""


def given(owners: Mapping[str, object], parts: Mapping[str, object]) -> Places:
    """What does not change in play, by owner and attribute.

    The owners themselves (an attribute without a name), and of their attributes frozen dataclasses
    of this package, settings, sets of agents and functions: a new market has the like at the same
    places. Of parts, which change themselves, only settings and sets of agents.
    """
    places: dict[tuple[str, str], object] = {(name, ""): owner for name, owner in owners.items()}
    for name, holder in {**owners, **parts}.items():
        for attribute, value in vars(holder).items():
            stands = isinstance(value, BaseModel | AgentSet)
            if stands or (name in owners and (_is_frozen(value) or callable(value))):
                places[name, attribute] = value
    return places


def _is_frozen(value: object) -> bool:
    parameters = getattr(type(value), "__dataclass_params__", None)
    return (
        parameters is not None and parameters.frozen and type(value).__module__.startswith(FLOORS)
    )


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, places: Places) -> None:
        super().__init__(file, protocol=5)
        self._place_of = {id(value): place for place, value in places.items()}

    def persistent_id(self, obj: object) -> tuple[str, str] | None:
        return self._place_of.get(id(obj))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, places: Places, modules: set[str]) -> None:
        super().__init__(file)
        self._places, self._modules = places, modules

    def persistent_load(self, pid: tuple[str, str]) -> object:
        return self._places[pid]

    def find_class(self, module: str, name: str) -> Any:
        if name in _MADE_OF_NUMBERS.get(module, ()):
            return super().find_class(module, name)
        if module.startswith(FLOORS) or module in self._modules:
            found = vars(import_module(module)).get(name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise SnapshotError(f"{module}.{name}: not what the state of a market is made of")


def packed(content: object, places: Places) -> bytes:
    """Bytes of plain content, what is given left out.

    Raises
    ------
    SnapshotError
        When something in it cannot be written down: an open file, a lock, a function.

    Examples
    --------
    >>> places = given({}, {})
    >>> unpacked(packed({"round": 3, "menu": [0.5]}, places), places)
    {'round': 3, 'menu': [0.5]}
    """
    file = io.BytesIO()
    try:
        _Pickler(file, places).dump(content)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise SnapshotError(f"the state of the market cannot be kept: {error}") from error
    return file.getvalue()


def unpacked(
    snapshot: bytes,
    places: Places,
    modules: Iterable[str] = (),
    check: Callable[[Any], bool] = lambda content: True,
) -> Any:
    """Content of bytes that `packed` made.

    Parameters
    ----------
    snapshot : bytes
    places : mapping
        As `given` found them in the new market.
    modules : iterable of str
        Whose classes may be made, besides those of `FLOORS`.
    check : function
        Whether the content is of the shape expected.

    Raises
    ------
    SnapshotError
        When they are other bytes, or ask for anything else.
    """
    try:
        content = _Unpickler(io.BytesIO(snapshot), places, set(modules)).load()
    except SnapshotError:
        raise
    except Exception as error:  # broken bytes can end in any exception
        raise SnapshotError(f"not the state of such a market: {error}") from error
    if not check(content):
        raise SnapshotError("not the state of such a market")
    return content
