"""Agents of one's own: which class stands for whom, and the word for an answer that cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from airan_market.scenarios import InputError
from airan_market.sim.arrays import BoolArray


class AgentError(InputError, ValueError):
    """An agent answered what the market cannot take, or is of a class that is no such agent."""


def classes_of(given: type | Mapping[str, type], names: Sequence[str], base: type) -> list[type]:
    """Class of every agent: one for all, or by name, `base` for those not named.

    Raises
    ------
    AgentError
        On a name that nobody has, or a class that does not derive from `base`.

    Examples
    --------
    >>> class Bold(int): ...
    >>> classes_of({"b": Bold}, ["a", "b"], int)
    [<class 'int'>, <class 'airan_market.agents.rounds.agents.Bold'>]
    >>> classes_of({"c": Bold}, ["a", "b"], int)
    Traceback (most recent call last):
        ...
    airan_market.agents.rounds.agents.AgentError: 'c': no such agent; allowed are 'a', 'b'
    """
    by_name = given if isinstance(given, Mapping) else dict.fromkeys(names, given)
    for name, cls in by_name.items():
        if name not in names:
            raise AgentError(f"{name!r}: no such agent; allowed are {', '.join(map(repr, names))}")
        if not (isinstance(cls, type) and issubclass(cls, base)):
            raise AgentError(f"{cls!r}: allowed a class derived from {base.__name__}")
    return [by_name.get(name, base) for name in names]


def require(agent: Any, right: BoolArray | bool, what: str, value: Any, allowed: str) -> None:
    """Refuse an answer of an agent unless all of it is right.

    Raises
    ------
    AgentError
        One line: class of the agent, what it answered, what is allowed.

    Examples
    --------
    >>> require(3, False, "price_usd", -1.0, "finite numbers")
    Traceback (most recent call last):
        ...
    airan_market.agents.rounds.agents.AgentError: int: price_usd = -1.0: allowed finite numbers
    """
    if right is not True and not np.all(right):
        shown = value.tolist() if isinstance(value, np.ndarray) else repr(value)
        raise AgentError(f"{type(agent).__name__}: {what} = {shown}: allowed {allowed}")
