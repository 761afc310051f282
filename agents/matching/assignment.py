"""From a mixed matching to whole users: which operator each user's tasks go to in one round."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from airan_market.agents.primitives.population import largest_remainder
from airan_market.sim.arrays import BoolArray, IntArray
from airan_market.sim.traffic.demand import OUT as OUT  # a user that takes no operator


def draw(probabilities: ArrayLike, uniform: float) -> int:
    """Operator that one user draws from its mixed strategy, `OUT` if it stays out.

    The strategy taken literally: operator m with probability z_m, none with 1 − Σ z. The
    interval [0, 1) is laid out as operator 1, …, operator M, out, and `uniform` falls in one.

    Parameters
    ----------
    probabilities : array (M,)
        z_m of each operator; the rest up to 1 is staying out.
    uniform : float
        A number in [0, 1).

    Examples
    --------
    >>> [draw([0.25, 0.5], u) for u in (0.1, 0.3, 0.8)]
    [0, 1, -1]
    """
    edges = np.cumsum(np.asarray(probabilities, dtype=float))
    operator = int(np.searchsorted(edges, uniform, side="right"))
    return operator if operator < edges.size else OUT


def split_proportionally(match_probability: ArrayLike, users_by_type: ArrayLike) -> NDArray:
    """Operator of every user when the users of a type split in proportion to z.

    Users of a type are dealt out by largest remainder over (operator 1, …, operator M, out),
    in that order, so the numbers differ from I_n z by less than one.

    Parameters
    ----------
    match_probability : array (M, N)
        z_{m,n}.
    users_by_type : array (N,) of int
        I_n; users are numbered type after type.

    Returns
    -------
    array (U,) of int
        Operator of each user, `OUT` for those that stay out.

    Examples
    --------
    >>> split_proportionally([[0.5], [0.25]], [4]).tolist()
    [0, 0, 1, -1]
    """
    matching = np.asarray(match_probability, dtype=float)
    operators = np.append(np.arange(matching.shape[0]), OUT)
    dealt = []
    for z, users in zip(matching.T, np.asarray(users_by_type), strict=True):
        out = max(0.0, 1.0 - float(z.sum()))  # rounding may leave 1 − Σz at −1e-17
        dealt.append(np.repeat(operators, largest_remainder(np.append(z, out), int(users))))
    return np.concatenate(dealt)


def deal(
    rule: Callable[[IntArray], IntArray], class_of: IntArray, present: BoolArray, classes: int
) -> IntArray:
    """Operator of every user, `OUT` for absent ones, from a rule that deals out whole classes.

    Parameters
    ----------
    rule : callable
        From users of each class, (C,), to the operator of every user, class after class.
    class_of : array (U,) of int
        Class of every user; users of a class need not stand together.
    present : array (U,) of bool
    classes : int
        C.

    Examples
    --------
    >>> here = np.array([True, True, False, True])
    >>> rule = lambda users: follow_projection([0, 1], users)
    >>> deal(rule, np.array([1, 0, 0, 1]), here, 2).tolist()
    [1, 0, -1, 1]
    """
    everybody = np.full(class_of.size, OUT)
    here = np.flatnonzero(present)
    here = here[np.argsort(class_of[here], kind="stable")]
    everybody[here] = rule(np.bincount(class_of[here], minlength=classes))
    return everybody


def follow_projection(matching: ArrayLike, users_by_type: ArrayLike) -> NDArray:
    """Operator of every user when all users of a type follow the deterministic matching.

    Parameters
    ----------
    matching : array (N,) of int
        0-based operator of each type, `OUT` if it stays out.
    users_by_type : array (N,) of int

    Examples
    --------
    >>> follow_projection([1, -1], [2, 1]).tolist()
    [1, 1, -1]
    """
    return np.repeat(np.asarray(matching, dtype=np.int64), np.asarray(users_by_type, dtype=int))
