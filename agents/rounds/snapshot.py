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
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any

import numpy as np
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
    "numpy.random._generator": {"Generator"},
    "numpy.random._pcg64": {"PCG64", "PCG64DXSM"},
    "numpy.random._mt19937": {"MT19937"},
    "numpy.random._philox": {"Philox"},
    "numpy.random._sfc64": {"SFC64"},
    "numpy.random.bit_generator": {"SeedSequence", "__pyx_unpickle_SeedSequence"},
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


def _is_allowed(module: str, name: str, modules: Collection[str]) -> bool:
    listed = name in _MADE_OF_NUMBERS.get(module, ())
    return listed or module.startswith(FLOORS) or module in modules


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, places: Places, modules: Collection[str]) -> None:
        super().__init__(file, protocol=5)
        self._place_of = {id(value): place for place, value in places.items()}
        self._modules = modules

    def persistent_id(self, obj: object) -> tuple[str, str] | None:
        return self._place_of.get(id(obj))

    def reducer_override(self, obj: Any) -> Any:
        named = obj if callable(obj) and hasattr(obj, "__name__") else type(obj)
        module, name = named.__module__, named.__name__
        if not isinstance(obj, np.generic | np.dtype) and not _is_allowed(
            module, name, self._modules
        ):
            raise SnapshotError(f"it holds {module}.{name}")
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, places: Places, modules: Collection[str]) -> None:
        super().__init__(file)
        self._places, self._modules = places, modules

    def persistent_load(self, pid: tuple[str, str]) -> object:
        return self._places[pid]

    def find_class(self, module: str, name: str) -> Any:
        if name in _MADE_OF_NUMBERS.get(module, ()):
            return super().find_class(module, name)
        if _is_allowed(module, name, self._modules):
            found = vars(import_module(module)).get(name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise SnapshotError(f"{module}.{name}: not what the state of a market is made of")


def packed(content: object, places: Places, modules: Collection[str] = ()) -> bytes:
    """Bytes of plain content, what is given left out; `unpacked` takes them.

    Raises
    ------
    SnapshotError
        When something in it cannot be written down: an open file, a lock, a function, a frame.

    Examples
    --------
    >>> places = given({}, {})
    >>> unpacked(packed({"round": 3, "menu": [0.5]}, places), places)
    {'round': 3, 'menu': [0.5]}
    """
    file = io.BytesIO()
    try:
        _Pickler(file, places, modules).dump(content)
    except (pickle.PicklingError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise SnapshotError(f"the state of the market cannot be kept, {error}") from error
    return file.getvalue()


def unpacked(
    snapshot: bytes,
    places: Places,
    modules: Collection[str] = (),
    check: Callable[[Any], bool] = lambda content: True,
) -> Any:
    """Content of bytes that `packed` made.

    Parameters
    ----------
    snapshot : bytes
    places : mapping
        As `given` found them in the new market.
    modules : collection of str
        Whose classes may be made, besides those of `FLOORS`.
    check : function
        Whether the content is of the shape expected.

    Raises
    ------
    SnapshotError
        When they are other bytes, or ask for anything else.
    """
    try:
        content = _Unpickler(io.BytesIO(snapshot), places, modules).load()
    except SnapshotError:
        raise
    except Exception as error:  # broken bytes can end in any exception
        raise SnapshotError(f"not the state of such a market: {error}") from error
    if not check(content):
        raise SnapshotError("not the state of such a market")
    return content
