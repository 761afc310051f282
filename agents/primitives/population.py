"""How many users of each type there are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from airan_market.scenarios import Users
from airan_market.sim.streams import stream


def type_shares(users: Users, seed: int) -> NDArray[np.float64]:
    """Share of the users that each type has.

    The shares of the scenario, or one draw from the symmetric Dirichlet distribution with its
    parameter, out of the stream (seed, "shares").

    Returns
    -------
    array (N,)
        Non-negative, sum 1 up to rounding.

    Examples
    --------
    >>> two = Users(total=3, latency_sensitivity_usd_per_s=(2e-4, 1e-4), shares=(0.6, 0.4),
    ...             tasks_per_user_per_s=24.0)
    >>> type_shares(two, seed=0).tolist()
    [0.6, 0.4]
    """
    if users.shares is not None:
        return np.asarray(users.shares, dtype=float)
    types = len(users.latency_sensitivity_usd_per_s)
    if users.dirichlet_alpha is None:
        raise ValueError("users: either shares or dirichlet_alpha must be given")
    return stream(seed, "shares").dirichlet(np.full(types, users.dirichlet_alpha))


def users_by_type(users: Users, seed: int = 0) -> NDArray[np.float64]:
    """Users of each type, I_n.

    Whole users, by largest remainder of the shares (equal remainders to the earlier type), or with
    `rounding = "floor"` ⌊share · total⌋; with `whole_users = false` the fractions share · total are
    kept, for analysis only.

    Parameters
    ----------
    users : Users
        The [users] table of a scenario.
    seed : int
        Root seed of the run; only a Dirichlet draw uses it.

    Returns
    -------
    array (N,)
        Users per type, in type order. By largest remainder they sum to `users.total`.

    Examples
    --------
    >>> two = Users(total=3, latency_sensitivity_usd_per_s=(2e-4, 1e-4), shares=(0.6, 0.4),
    ...             tasks_per_user_per_s=24.0)
    >>> users_by_type(two).tolist()
    [2.0, 1.0]
    """
    shares = type_shares(users, seed)
    if users.whole_users and users.rounding == "floor":
        # a quotient that rounding left just below a whole number is that number
        return np.floor(shares * users.total * (1 + 1e-12))
    if users.whole_users:
        return largest_remainder(shares, users.total).astype(float)
    return shares * users.total


def largest_remainder(weights: ArrayLike, total: int) -> NDArray[np.int64]:
    """Whole numbers in proportion to `weights` that sum to `total` (Hamilton's method).

    Each gets the floor of its quota, the units left over go to the largest remainders; equal
    remainders go to the earlier entry.

    Raises
    ------
    ValueError
        When a weight is negative or not finite, or when all are zero and `total` is not.

    Examples
    --------
    >>> largest_remainder([0.5, 0.3, 0.2], 9).tolist()
    [4, 3, 2]
    """
    weight = np.asarray(weights, dtype=float)
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(f"weights = {weight.tolist()}: must be finite and at least 0")
    mass = weight.sum()
    if total == 0:
        return np.zeros(weight.size, dtype=np.int64)
    if mass <= 0:
        raise ValueError("weights: all are 0, nothing says where the units go")
    quota = weight / mass * total
    whole = np.floor(quota).astype(np.int64)
    order = np.argsort(-(quota - whole), kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return whole
