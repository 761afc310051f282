"""The facade of all engines: serve a workload for one span, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from airan_market.scenarios import InputError
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.trace import State, Trace, as_servers
from airan_market.sim.workload import STAGES, Workload

if TYPE_CHECKING:  # SimPy and Numba are imported by those who need them
    from airan_market.sim.engines.network import Process
    from airan_market.sim.engines.station import Station

ENGINES = ("simpy", "compiled")


class EngineUnavailable(InputError):  # noqa: N818 - a state of things, no error of the caller
    """The engine asked for is known but cannot run here; the message is one line."""


def simulate(
    workload: Workload,
    servers: npt.ArrayLike,
    *,
    until_s: float,
    changes: CapacityChanges | None = None,
    state: State | None = None,
    engine: str | None = None,
    station: type[Station] | None = None,
    processes: Sequence[Process] = (),
) -> tuple[Trace, State]:
    """Serve a workload from the clock of `state` until `until_s`, with nothing random in it.

    Every operator is a tandem of three stations, uplink, GPU, downlink, each with parallel servers,
    preemptive-resume priority by type and, inside a type, order of arrival at that station
    (`sim.engines.station.Station`), or another discipline. A span is half open, so that cutting a
    run in spans changes no bit of it: `simulate` the first span, then the next with the returned
    state.

    Parameters
    ----------
    workload : Workload
        Tasks that arrive in [clock, until_s).
    servers : (M, 3) array_like of int
        Servers of each operator and stage when the run starts. With a `state` it only has to have
        the same shape: servers that capacity changes took or gave are still gone or there.
    until_s : float
        End of the span, s, at least the clock; what happens at it belongs to the next span.
    changes : CapacityChanges, optional
        Changes in [clock, until_s).
    state : State, optional
        What an earlier span left; default: clock 0, nothing under way.
    engine : str, optional
        "compiled", the default, or "simpy", the readable reference: the same to the last bit, some
        fifty times as slow, and the only one that plays a `station` or `processes`, and the default
        with these.
    station : type, optional
        Another service discipline at every station: a subclass of `sim.engines.station.Station`,
        such as those of `sim.engines.disciplines`.
    processes : sequence of callables, optional
        What goes on beside the stations: each is called with SimPy's environment and a
        `sim.engines.network.Network`, and returns a generator of SimPy events. Processes begin with
        the span and are dropped at its end; servers they took away are still gone in the state.

    Returns
    -------
    trace : Trace
        Tasks that left the downlink in the span, in task order.
    state : State
        Clock at `until_s`, servers in force, tasks under way.

    Raises
    ------
    ValueError
        Naming argument and value: an arrival or a change outside the span, an operator or stage
        that does not exist, a task number that is already under way, an unknown engine; a
        discipline or a process with the compiled engine, and what either cannot be.
    EngineUnavailable
        If the engine is known but cannot run here.

    Examples
    --------
    One GPU, two tasks; the second, of type 0, interrupts the first from 1.5 s to 2.5 s.

    >>> work = Workload(task=[0, 1], arrival_s=[0.0, 0.5], type=[1, 0], operator=[0, 0],
    ...                 user=[0, 1], service_s=[[1.0, 2.0, 0.0], [1.0, 1.0, 0.0]])
    >>> trace, state = simulate(work, [[2, 1, 1]], until_s=10.0)
    >>> trace.stage_end_s
    array([[1. , 4. , 4. ],
           [1.5, 2.5, 2.5]])
    >>> trace.preemptions[:, 1], len(state)
    (array([1, 0]), 0)
    """
    servers = as_servers(servers)
    state = State.start(servers) if state is None else state
    changes = CapacityChanges.none() if changes is None else changes
    _check_span(workload, servers, until_s, changes, state)
    beside = station is not None or len(processes) > 0
    engine = ("simpy" if beside else "compiled") if engine is None else engine
    if engine not in ENGINES:
        raise ValueError(f"engine = {engine!r}: allowed {', '.join(ENGINES)}")
    if engine == "simpy":
        from airan_market.sim.engines.simpy_engine import run_simpy

        return run_simpy(
            workload,
            state,
            until_s=float(until_s),
            changes=changes,
            station=station,
            processes=processes,
        )
    if beside:
        raise ValueError(
            "engine = 'compiled': plays preemptive resume alone; allowed 'simpy' with station or "
            "processes"
        )
    try:
        from airan_market.sim.engines.compiled_engine import run_compiled
    except ImportError as error:
        raise EngineUnavailable(
            f"engine = 'compiled': needs numba ({error}); engine = 'simpy' does not"
        ) from error
    return run_compiled(workload, state, until_s=float(until_s), changes=changes)


def _check_span(
    workload: Workload,
    servers: npt.NDArray[np.int64],
    until_s: float,
    changes: CapacityChanges,
    state: State,
) -> None:
    """Refuse what does not belong to this span or this network."""
    if servers.shape != state.servers.shape:
        raise ValueError(f"servers: shape {servers.shape}, state has {state.servers.shape}")
    if not (np.isfinite(until_s) and until_s >= state.clock_s):
        raise ValueError(f"until_s = {until_s}: allowed a finite time from {state.clock_s} s on")
    _check_times("arrival_s", workload.arrival_s, state.clock_s, until_s)
    _check_times("time_s of a capacity change", changes.time_s, state.clock_s, until_s)
    _check_below("operator", workload.operator, len(servers))
    _check_below("operator of a capacity change", changes.operator, len(servers))
    _check_below("stage of a capacity change", changes.stage, len(STAGES))
    _check_not_under_way(workload.task, state.task)


def _check_not_under_way(new: npt.NDArray[np.int64], under_way: npt.NDArray[np.int64]) -> None:
    """Refuse a task number that is taken; numbers that only go up need no look at each."""
    if len(new) and len(under_way) and new.min() <= under_way.max():
        again = np.intersect1d(new, under_way)
        if len(again):
            raise ValueError(f"task = {again[0]}: already under way")


def _check_times(
    name: str, times_s: npt.NDArray[np.float64], clock_s: float, until_s: float
) -> None:
    outside = (times_s < clock_s) | (times_s >= until_s)
    if outside.any():
        raise ValueError(
            f"{name} = {times_s[outside][0]}: allowed at least {clock_s} and below {until_s}"
        )


def _check_below(name: str, values: npt.NDArray[np.int64], limit: int) -> None:
    beyond = values >= limit
    if beyond.any():
        raise ValueError(f"{name} = {values[beyond][0]}: allowed 0 to {limit - 1}")
