"""Independent replications of a tandem: exceedance probabilities, means and quantiles of latency.

What is measured are the tasks that arrive in [warm-up, horizon). A run goes on beyond the horizon,
arrivals and all, until each of them is done, so none is judged by how far it had come; those that
never end are later than every latency asked for and count as that.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, as_completed
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from airan_market.sim.estimation.estimates import Replications, upper_quantiles
from airan_market.sim.estimation.replication import MEASURED, PILOT, Experiment
from airan_market.sim.estimation.tandem import TandemModel
from airan_market.sim.estimation.warm_up import WarmUp, warm_up_of
from airan_market.sim.processors import processors
from airan_market.sim.threads import threads

Result = TypeVar("Result")
OnReplication = Callable[[int, int], None]

PILOTS = 20
#: Shares of the tasks of replication 0 that are later than the reference latencies.
REFERENCE_SHARES = (0.5, 0.3, 0.1, 0.03)


def replicate(
    model: TandemModel,
    latency_s: ArrayLike,
    *,
    seed: int,
    replications: int,
    horizon_s: float,
    warmup: float | Literal["mser5"] = "mser5",
    workers: int | None = None,
    engine: str = "compiled",
    keep_latencies: bool = False,
    on_replication: OnReplication | None = None,
) -> Replications:
    """Play a tandem in independent replications, each from empty and with streams of its own.

    The same seed gives the same bytes whatever the number of workers, and models under one seed
    face the same chance (`sim.traffic.arrival_stream`).

    Parameters
    ----------
    model : TandemModel
    latency_s : (N, T) or (T,) array_like
        Latencies at which tasks of each type are counted that take longer, s, finite, at least 0.
    seed : int
        Root seed.
    replications : int
        R, at least 1; intervals need 2, and deserve 20.
    horizon_s : float
        Tasks that arrive in [warm-up, horizon) are measured, s.
    warmup : float or "mser5"
        Warm-up in s, or found by MSER-5 on `PILOTS` replications of their own
        (`sim.estimation.warm_up.warm_up_of`): what is measured has no part in the choice.
    workers : int, optional
        Threads (the compiled engine lets them run at once); default: one for each processor.
    engine : str
        As in `sim.simulate`.
    keep_latencies : bool
        Whether to keep every latency, which `Replications.quantiles` needs.
    on_replication : callable, optional
        Called with how many replications are done, and of how many, in the calling thread.

    Returns
    -------
    Replications
        Ctrl-C keeps the replications that are done, as far as none is missing between them, and
        sets `stopped` to "interrupted".

    Raises
    ------
    ValueError
        Naming argument and value.
    KeyboardInterrupt
        When nothing had been done.

    Examples
    --------
    >>> model = TandemModel.one_station(2, 1.0, [0.5, 0.5])
    >>> found = replicate(model, [1.0, 5.0], seed=1, replications=5, horizon_s=500.0, warmup=50.0)
    >>> probability, low, high = found.interval(0.95)
    >>> probability.shape, bool((low < probability).all() and (probability < high).all())
    ((2, 2), True)
    """
    experiment = _experiment(model, latency_s, seed, horizon_s, engine, keep_latencies)
    _at_least_one("replications", replications)
    workers = _at_least_one("workers", processors() if workers is None else workers)
    experiment = _with_warm_up(experiment, warmup, workers)
    return _extended(experiment, None, replications, workers, on_replication, of=replications)


def until_precise(
    model: TandemModel,
    latency_s: ArrayLike,
    *,
    seed: int,
    horizon_s: float,
    relative: float,
    budget_tasks: float,
    wanted: ArrayLike | None = None,
    level: float = 0.95,
    warmup: float | Literal["mser5"] = "mser5",
    first: int = 20,
    growth: float = 1.5,
    workers: int | None = None,
    engine: str = "compiled",
    keep_latencies: bool = False,
    keep_interrupted: bool = True,
    on_replication: OnReplication | None = None,
) -> Replications:
    """Replicate until the probabilities are known closely enough, or a budget is used up.

    After `first` replications, and again whenever their number has grown by `growth`, the rule
    looks: it stops when every wanted interval is no wider than ± `relative` times its estimate. It
    looks rarely because each look is a chance to stop on an interval that is short by accident;
    what that costs in coverage is measured in the tests.

    Parameters
    ----------
    model, latency_s, seed, horizon_s, warmup, workers, engine, keep_latencies
        As in `replicate`, which with as many replications gives the same.
    relative : float
        Wanted half-width over estimate, above 0.
    budget_tasks : float
        Tasks to play at the most, warm-up and all; kept to within one step of growth. The first
        step is always made.
    wanted : (N, T) array_like of bool, optional
        Which probabilities have to be precise; default: all of them.
    level : float
        Of the intervals.
    first : int
        Replications of the first step, at least 2.
    growth : float
        Above 1.
    keep_interrupted : bool
        Whether Ctrl-C keeps what is done: then it waits for the replications under way, for to
        drop those would favour short ones. Otherwise it raises at once.
    on_replication : callable, optional
        Called with how many replications are done, and how many this step will have.

    Returns
    -------
    Replications
        `stopped` says why: "precise", "budget" or "interrupted".

    Raises
    ------
    ValueError
        Naming argument and value.
    KeyboardInterrupt
        When nothing had been done, or is to be kept.

    Examples
    --------
    >>> model = TandemModel.one_station(2, 1.0, [1.0])
    >>> found = until_precise(model, [2.0], seed=1, horizon_s=1000.0, warmup=50.0, relative=0.1,
    ...                       budget_tasks=1e6)
    >>> probability, low, high = found.interval(0.95)
    >>> found.stopped, bool(high - low <= 0.2 * probability)
    ('precise', True)
    """
    experiment = _experiment(model, latency_s, seed, horizon_s, engine, keep_latencies)
    if not relative > 0 or not growth > 1 or first < 2:
        raise ValueError(
            f"relative = {relative}, growth = {growth}, first = {first}: allowed above 0, above 1, "
            "at least 2"
        )
    looked_at = np.broadcast_to(
        np.asarray(True if wanted is None else wanted, dtype=bool), experiment.latency_s.shape
    )
    workers = _at_least_one("workers", processors() if workers is None else workers)
    experiment = _with_warm_up(experiment, warmup, workers)
    found, count = None, first
    while True:
        found = _extended(
            experiment, found, count, workers, on_replication, of=count, patient=keep_interrupted
        )
        if found.stopped == "interrupted":
            return found
        if found.precise(relative, level, looked_at):
            return replace(found, stopped="precise")
        per_replication = found.played_tasks.mean()
        affordable = int(budget_tasks / per_replication) if per_replication else len(found)
        if affordable <= len(found):
            return replace(found, stopped="budget")
        count = min(int(np.ceil(growth * count)), affordable)


def _extended(
    experiment: Experiment,
    found: Replications | None,
    count: int,
    workers: int,
    on_replication: OnReplication | None,
    of: int,
    patient: bool = True,
) -> Replications:
    """Play replications up to `count` and add them to those found."""
    experiment = _with_references(experiment, found)
    begin = 0 if found is None else len(found)
    rows, interrupted = _at_once(
        experiment.measure,
        range(begin, count),
        workers,
        None if on_replication is None else lambda done: on_replication(begin + done, of),
        patient=patient,
    )
    if interrupted and (not patient or (not rows and found is None)):
        raise KeyboardInterrupt
    arrays: dict[str, Any] = {}
    for name in rows[0] if rows else ():
        if name != "latencies_s":
            new = np.array([row[name] for row in rows])
            arrays[name] = new if found is None else np.concatenate([getattr(found, name), new])
    kept = [row["latencies_s"] for row in rows if row["latencies_s"] is not None]
    stopped = "interrupted" if interrupted else "count"
    if found is not None:
        return replace(found, stopped=stopped, latencies_s=(*found.latencies_s, *kept), **arrays)
    return Replications(**vars(experiment), stopped=stopped, latencies_s=tuple(kept), **arrays)


def _at_once(
    call: Callable[[int], Result],
    numbers: range,
    workers: int,
    on_done: Callable[[int], None] | None = None,
    *,
    patient: bool = False,
) -> tuple[list[Result], bool]:
    """Call for every number, in threads; results in order, and whether Ctrl-C cut it short.

    Cut short, there are none, unless it is `patient` with what is under way: then those before the
    first that is missing; to keep whatever had ended would favour replications that end quickly.
    """
    futures: list[Future[Result]] = []
    interrupted = False
    try:
        with threads(workers, patient=patient) as pool:
            futures += [pool.submit(call, number) for number in numbers]
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()  # raises what the call raised
                if on_done is not None:
                    on_done(done)
    except KeyboardInterrupt:
        interrupted = True
        if not patient:
            return [], True
    results = []
    for future in futures:
        if future.cancelled():
            break
        results.append(future.result())
    return results, interrupted


def _experiment(
    model: TandemModel,
    latency_s: ArrayLike,
    seed: int,
    horizon_s: float,
    engine: str,
    keep_latencies: bool,
) -> Experiment:
    types = len(model.arrival_rates_per_s)
    limits_s = np.asarray(latency_s, dtype=float)
    if limits_s.ndim == 1:
        limits_s = np.tile(limits_s, (types, 1))
    if limits_s.ndim != 2 or len(limits_s) != types:
        raise ValueError(f"latency_s: shape {limits_s.shape}, allowed (T,) or ({types}, T)")
    if not (np.isfinite(limits_s) & (limits_s >= 0)).all():
        bad = limits_s[~(np.isfinite(limits_s) & (limits_s >= 0))][0]
        raise ValueError(f"latency_s = {bad}: allowed finite numbers, at least 0")
    if not (np.isfinite(horizon_s) and horizon_s > 0):
        raise ValueError(f"horizon_s = {horizon_s}: allowed a finite number above 0")
    none = WarmUp(0.0, np.zeros(types))
    empty = np.empty((types, 0))
    return Experiment(model, limits_s, seed, float(horizon_s), engine, keep_latencies, none, empty)


def _with_warm_up(experiment: Experiment, warmup: float | str, workers: int) -> Experiment:
    if warmup == "mser5":
        pilots, interrupted = _at_once(partial(experiment.play, PILOT), range(PILOTS), workers)
        if interrupted:
            raise KeyboardInterrupt
        by_type = [[pilot.of(n) for n in range(experiment.types)] for pilot in pilots]
        arrival_s = [[times for times, _ in pilot] for pilot in by_type]
        latency_s = [[latencies for _, latencies in pilot] for pilot in by_type]
        return replace(experiment, warm_up=warm_up_of(arrival_s, latency_s, experiment.horizon_s))
    if isinstance(warmup, str) or not 0 <= warmup < experiment.horizon_s:
        raise ValueError(
            f"warmup = {warmup!r}: allowed 'mser5' or a time from 0 to below "
            f"{experiment.horizon_s} s"
        )
    each_s = np.full(experiment.types, float(warmup))
    return replace(experiment, warm_up=WarmUp(float(warmup), each_s))


def _with_references(experiment: Experiment, found: Replications | None) -> Experiment:
    """Add latencies that many tasks exceed, by replication 0, for `carried_design_effects`."""
    if found is not None:
        return replace(experiment, reference_s=found.reference_s)
    tasks = experiment.play(MEASURED, 0)
    by_type = [np.sort(tasks.of(n)[1]) for n in range(experiment.types)]
    shares = np.array(REFERENCE_SHARES)
    nothing = np.zeros(shares.size)
    reference_s = [upper_quantiles(part, shares) if part.size else nothing for part in by_type]
    return replace(experiment, reference_s=np.array(reference_s))


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name} = {value}: allowed at least 1")
    return value
