"""Demand: what users ask for, before they have chosen an operator.

Everybody's demand is drawn, whatever operator they take and whether they take one, so that two
mechanisms can be compared on the same tasks (common random numbers).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.columns import Amounts, Column, Columns, Numbers
from airan_market.sim.streams import stream
from airan_market.sim.traffic.arrival_laws import Intensity, Poisson
from airan_market.sim.traffic.rate_trace import RateSteps, RateTrace
from airan_market.sim.traffic.work_laws import Exponential, TaskLaw
from airan_market.sim.workload import Workload, check_unique, order_of

OUT = -1  # the operator of a user who has opted out
POISSON = Poisson()
EXPONENTIAL = Exponential()


@dataclass(frozen=True, eq=False)
class Demand(Columns):
    """Tasks that users ask for, sorted by arrival.

    Attributes
    ----------
    task : (n,) int64
        Number of the task, unique.
    arrival_s : (n,) float
        Absolute simulated time, s.
    type, user : (n,) int64
        0-based; users are numbered type by type, those of type 0 first.
    work : (n, 3) float
        What uplink, GPU and downlink have to carry or compute: bit, FLOP, bit; or relative sizes,
        those over their means.
    """

    task: Numbers
    arrival_s: Amounts
    type: Numbers
    user: Numbers
    work: Annotated[FloatArray, Column(np.float64, 3, finite=True, non_negative=True)]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_unique(self.task)

    @classmethod
    def arriving(cls, first_task: int, **columns: npt.NDArray) -> Self:
        """Return the demand of the given columns, sorted by arrival and numbered in that order."""
        order = order_of(columns["arrival_s"])
        rows = {name: values.take(order, axis=0) for name, values in columns.items()}
        return cls(task=first_task + np.arange(len(order)), **rows)

    def between(self, start_s: float, stop_s: float, first_task: int) -> Self:
        """Return the tasks of [start_s, stop_s), numbered anew in their order."""
        rows = slice(*np.searchsorted(self.arrival_s, [start_s, stop_s]))
        columns = self.columns(rows)
        columns["task"] = first_task + np.arange(len(columns["task"]))
        return replace(self, **columns)


def drawn_demand(
    seed: int,
    round_index: int,
    start_s: float,
    duration_s: float,
    users_by_type: npt.ArrayLike,
    tasks_per_user_per_s: npt.ArrayLike,
    mean_work: npt.ArrayLike,
    first_task: int = 0,
    *,
    intensity: Intensity = POISSON,
    law: TaskLaw = EXPONENTIAL,
    first_user: IntArray | None = None,
) -> Demand:
    """Draw the tasks of one round, by default Poisson arrivals and exponential work.

    Type n has I_n users with δ tasks/s each on average, so its tasks arrive at the intensity times
    I_n δ; given their number, users are uniform and the work of tasks is independent. The chance of
    type n in round r comes from `stream(seed, "demand", r, n)` alone. The work of a type is drawn
    last, so under another law the same tasks come at the same times from the same users.

    Parameters
    ----------
    seed, round_index : int
        Root seed of the run and number of the round.
    start_s, duration_s : float
        The round covers [start_s, start_s + duration_s).
    users_by_type : (N,) array_like of int
        I_n.
    tasks_per_user_per_s : float, or (N,) array_like of float
        δ, 1/s.
    mean_work : (3,) or (N, 3) array_like of float
        Of all types, or of each: mean input size, bit; work, FLOP; output size, bit.
    first_task : int
        Number of the first task; the others follow in order of arrival.
    intensity : Intensity
        Of the whole run and of all types (`sim.traffic.arrival_laws`): bursts come to all at once.
    law : TaskLaw
        Of the work of a task over its mean (`sim.traffic.work_laws`).
    first_user : (N,) array of int, optional
        Number of the first user of each type; by default there are no others between them.

    Returns
    -------
    Demand

    Raises
    ------
    ValueError
        Naming argument and value: not finite, negative, users that are not whole, or an intensity
        that does not cover the round.

    Examples
    --------
    >>> drawn = drawn_demand(1, 0, 0.0, 10.0, [2, 1], 24.0, [180e3, 3.6e11, 270e3])
    >>> len(drawn), np.bincount(drawn.type), np.unique(drawn.user)
    (720, array([463, 257]), array([0, 1, 2]))
    """
    users = _whole_users(users_by_type)
    several = np.ndim(mean_work) == 2
    mean = _finite("mean_work", mean_work, (len(users), 3) if several else (3,))
    mean = np.broadcast_to(mean, (len(users), 3))
    start_s = float(_finite("start_s", start_s))
    duration_s = float(_finite("duration_s", duration_s))
    each = np.ndim(tasks_per_user_per_s) > 0
    rate = _finite("tasks_per_user_per_s", tasks_per_user_per_s, (len(users),) if each else ())
    rates_per_s = np.broadcast_to(rate, len(users)).tolist()
    if first_user is None:
        first_user = np.cumsum(users) - users
    chance = [stream(seed, "demand", round_index, n) for n in range(len(users))]
    arrivals, owners = [], []
    for rng, count, rate_per_s, first in zip(chance, users, rates_per_s, first_user, strict=True):
        arrivals.append(intensity.arrivals(rng, count * rate_per_s, start_s, duration_s))
        tasks = len(arrivals[-1])
        owners.append(first + rng.integers(max(count, 1), size=tasks))  # no users, no tasks
    tasks_by_type = [len(times) for times in arrivals]
    ends = np.cumsum(tasks_by_type)
    work = np.empty((ends[-1], 3))
    for rng, tasks, end, size in zip(chance, tasks_by_type, ends, mean, strict=True):
        np.multiply(law.work(rng, tasks), size, out=work[end - tasks : end])
    return Demand.arriving(
        first_task,
        arrival_s=np.concatenate(arrivals),
        type=np.repeat(np.arange(len(users)), tasks_by_type),
        user=np.concatenate(owners),
        work=work,
    )


def recorded_demand(
    arrival_s: npt.ArrayLike,
    work: npt.ArrayLike,
    users_by_type: npt.ArrayLike | None,
    seed: int,
    *,
    type: npt.ArrayLike | None = None,
    user: npt.ArrayLike | None = None,
) -> Demand:
    """Return recorded tasks as demand, each of a type and a user.

    The type of a known user is known. Else types are drawn by their shares of the users, and any
    user of the type is as likely.

    Parameters
    ----------
    arrival_s : (n,) array_like of float
    work : (n, 3) array_like of float
        Bit, FLOP, bit.
    users_by_type : (N,) array_like of int, optional
        I_n; users are numbered type by type. Without them nothing is drawn: what is unknown is 0.
    seed : int
        Root seed of the run; types come from `stream(seed, "trace types")`, users from
        `stream(seed, "trace users")`.
    type, user : (n,) array_like of int, optional
        0-based, where they are known; at most one of them.

    Raises
    ------
    ValueError
        Naming argument and value: out of its domain, or a type or user that there is not.

    Examples
    --------
    >>> demand = recorded_demand([0.0, 1.0], [[1600.0, 1e11, 160.0]] * 2, [1, 1], 1, type=[1, 0])
    >>> demand.type, demand.user, demand.between(0.5, 2.0, first_task=7).task
    (array([1, 0]), array([1, 0]), array([7]))
    """
    arrival_s = _finite("arrival_s", arrival_s)
    tasks = len(arrival_s)
    if users_by_type is None:
        unknown = np.zeros(tasks, dtype=np.int64)
        type_, user = (unknown if known is None else np.asarray(known) for known in (type, user))
        return Demand.arriving(0, arrival_s=arrival_s, type=type_, user=user, work=np.asarray(work))
    users = _whole_users(users_by_type)
    ends = np.cumsum(users)
    if not ends[-1]:
        raise ValueError(f"users_by_type = {users.tolist()}: allowed at least one user")
    if user is not None:
        user = np.asarray(user)
        type_ = np.searchsorted(ends, user, side="right")
    elif type is not None:
        type_ = np.asarray(type)
    else:
        type_ = stream(seed, "trace types").choice(len(users), size=tasks, p=users / ends[-1])
    if (type_ >= len(users)).any() or (users[type_] == 0).any():
        raise ValueError("type, user: allowed those that there are")
    if user is None:
        within = (stream(seed, "trace users").random(tasks) * users[type_]).astype(np.int64)
        user = (ends - users)[type_] + within
    return Demand.arriving(0, arrival_s=arrival_s, type=type_, user=user, work=np.asarray(work))


def offer(
    demand: Demand,
    operator_of_user: npt.ArrayLike,
    rates: npt.ArrayLike,
    measured: Mapping[tuple[int, int], RateTrace | RateSteps] = MappingProxyType({}),
) -> Workload:
    """Send every user's tasks to the operator that the user has chosen.

    A task needs work / rate seconds of a server: input over uplink rate, work over GPU rate,
    output over downlink rate.

    Parameters
    ----------
    demand : Demand
        What the users ask for.
    operator_of_user : (U,) array_like of int
        Operator of each user, -1 for a user who is out; tasks of users who are out are dropped.
    rates : (M, 3) array_like of float
        Rate of one server at each operator and stage: bit/s, FLOP/s, bit/s.
    measured : mapping of (operator, stage) to RateTrace or RateSteps, optional
        Stations whose rate is that of a trace when the task arrives, in place of `rates`.

    Returns
    -------
    Workload

    Raises
    ------
    ValueError
        Naming argument and value: a user or an operator that does not exist, a rate that is not a
        finite number above 0.

    Examples
    --------
    >>> demand = Demand([0, 1], [0.0, 0.5], [0, 1], [0, 1], [[180e3, 3.6e11, 27e4]] * 2)
    >>> work = offer(demand, [-1, 0], [[50e6, 40e12, 50e6]])
    >>> work.task, work.service_s
    (array([1]), array([[0.0036, 0.009 , 0.0054]]))
    """
    rate = _finite("rates", rates)
    if rate.ndim != 2 or rate.shape[1] != 3 or (rate == 0).any():
        raise ValueError(f"rates = {rate.tolist()}: allowed shape (operators, 3), above 0")
    choice = _choices(operator_of_user, len(rate))
    if len(demand) and demand.user.max() >= len(choice):
        raise ValueError(f"user = {demand.user.max()}: allowed below {len(choice)} users")
    operator = choice[demand.user]
    served = np.flatnonzero(operator != OUT)
    columns, operator = demand.columns(served), operator.take(served)
    work, arrival_s = columns.pop("work"), columns["arrival_s"]
    service_s = work / rate.take(operator, axis=0)
    for (number, stage), trace in measured.items():
        here = operator == number
        service_s[here, stage] = work[here, stage] / trace.at(arrival_s[here])
    return Workload(**columns, operator=operator, service_s=service_s)


def _finite(name: str, value: npt.ArrayLike, shape: tuple[int, ...] | None = None) -> FloatArray:
    array = np.asarray(value, dtype=np.float64)
    if not (np.isfinite(array) & (array >= 0)).all() or shape not in (None, array.shape):
        wanted = "" if shape is None else f", shape {shape}"
        raise ValueError(f"{name} = {array.tolist()}: allowed finite numbers, at least 0{wanted}")
    return array


def _whole_users(users_by_type: npt.ArrayLike) -> IntArray:
    users = np.asarray(users_by_type)
    if users.ndim != 1 or not len(users) or users.dtype.kind not in "iu" or (users < 0).any():
        raise ValueError(
            f"users_by_type = {users.tolist()}: allowed one whole number a type, at least 0"
        )
    return users.astype(np.int64)


def _choices(operator_of_user: npt.ArrayLike, operators: int) -> IntArray:
    choice = np.asarray(operator_of_user)
    if choice.ndim != 1 or (choice.size and choice.dtype.kind not in "iu"):
        raise ValueError("operator_of_user: allowed one whole number a user")
    wrong = (choice < OUT) | (choice >= operators)
    if wrong.any():
        raise ValueError(
            f"operator_of_user = {choice[wrong][0]}: allowed -1 (out) to {operators - 1}"
        )
    return choice.astype(np.int64)
