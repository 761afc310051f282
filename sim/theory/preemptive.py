r"""Exact law of the sojourn of each type under preemptive-resume priority: one station, and a sum.

Type 1 has the highest priority, all types share one service rate per stage. A tagged task of type n
finds j tasks of types 1 to n ahead of it, j as in the M/M/c queue with rate Λ_n = λ_1 + ... + λ_n
(arrivals see time averages). From then on they become more at rate Λ_{n-1}, for only higher types
overtake it, and fewer at rate μ min(j, c); while j < c the tagged task is served, at rate μ. Its
sojourn is the time until that birth-and-death chain is absorbed.

The Laplace transform follows by one sweep over j < c and a closed form beyond, without truncation
(`sim.theory.preemptive_kernel`). Its singularities lie on the negative real axis: poles, and the
branch cut of the queue of higher types. It is inverted along a contour that crosses the axis near
the saddle point and is counted from the slowest singularity, so that the tail keeps its digits
however small it is.

A *saturated* type, Λ_n ≥ cμ in some stage, has no stationary law; its sojourn counts as infinite.
"""

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.domain import latencies, loads, tandem
from airan_market.sim.theory.inversion import Contour

# With more servers than this a sweep over j takes a good part of a second.
GREATEST_SERVERS = 1_000_000


def class_sojourn_tail(
    latency_s: npt.ArrayLike,
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
) -> FloatArray:
    r"""Probability that a task of each type spends more than ``latency_s`` in one station.

    The law of the module, M/M/c under preemptive-resume priority. Against 90-digit arithmetic the
    relative error stays below 1e-10 down to tails of 1e-50, for one to three stages.

    Parameters
    ----------
    latency_s : array_like, shape (T,), () or (N, T)
        t, s, at least 0; (N, T): other latencies for every type.
    servers : int
        c, a whole number from 1 to a million.
    service_rate_per_s : float
        μ, rate of one server, 1/s, positive.
    arrival_rates_per_s : array_like, shape (N,)
        λ_1, ..., λ_N, each type's own rate, 1/s, at least 0, highest priority first. With λ_n = 0
        the law is that of the first such task.

    Returns
    -------
    numpy.ndarray, shape (N, T)
        Probabilities; T = 1 for a single latency. 1 for a saturated type.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    References
    ----------
    The chain for one server: L. Takács, "Priority queues", Operations Research 12 (1964) 63-74; for
    type 1 it is eq. (4) of the paper.

    Examples
    --------
    One server, μ = 7: type 1 has rate 4, exp(-4 t); type 2 waits for it, type 3 is saturated:

    >>> class_sojourn_tail([0.0, 0.5], 1, 7.0, [3.0, 2.0, 2.0]).round(9)
    array([[1.        , 0.13533528],
           [1.        , 0.50247714],
           [1.        , 1.        ]])
    """
    stages = np.reshape(servers, -1), np.reshape(service_rate_per_s, -1)
    for name, given in zip(("servers", "service_rate_per_s"), stages, strict=True):
        if given.size != 1:
            raise ValueError(f"{name} has {given.size} entries: must be one station's")
    return class_end_to_end_tail(latency_s, *stages, arrival_rates_per_s)


def class_end_to_end_tail(
    latency_s: npt.ArrayLike,
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
) -> FloatArray:
    r"""Probability that a task of each type takes longer than ``latency_s`` from end to end.

    The sum of independent sojourns, each of the law of :func:`class_sojourn_tail`. The law of each
    stage is exact (departures of types 1 to n are Poisson), their independence is an assumption:
    with several servers a task may overtake another, and the stages of a tandem are dependent.

    Parameters
    ----------
    latency_s : array_like, shape (T,), () or (N, T)
        t, s, at least 0; (N, T): other latencies for every type.
    servers : array_like, shape (S,)
        c of each stage, whole numbers from 1 to a million.
    service_rate_per_s : array_like, shape (S,)
        μ of each stage, 1/s, positive.
    arrival_rates_per_s : array_like, shape (N,)
        λ_1, ..., λ_N, each type's own rate, the same at every stage, 1/s, at least 0.

    Returns
    -------
    numpy.ndarray, shape (N, T)
        Probabilities; T = 1 for a single latency. 1 for a type that is saturated in some stage.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    Examples
    --------
    Two single servers, each with an exponential sojourn of rate 4, hence (1 + 4t) exp(-4t):

    >>> class_end_to_end_tail(0.5, [1, 1], [7.0, 7.0], [3.0, 1.0]).round(12)
    array([[0.40600585],
           [0.70000868]])
    """
    c, mu, load, above = _laws(servers, service_rate_per_s, arrival_rates_per_s)
    t = np.atleast_1d(latencies(latency_s))
    if t.ndim > 2 or (t.ndim == 2 and len(t) not in (1, len(load))):
        raise ValueError(
            f"latency_s has shape {t.shape}: must be (T,), or (N, T) with N = {len(load)} types"
        )
    return sojourn_laws(np.broadcast_to(t, (len(load), t.shape[-1])), c, mu, load, above)[0]


def class_sojourn_transform(
    argument_per_s: npt.ArrayLike,
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
) -> npt.NDArray[np.complex128]:
    r"""Laplace transform E[exp(-zT)] of the time in one station, or in stages, of each type.

    Several stages: the product over independent stages.

    Parameters
    ----------
    argument_per_s : array_like, complex, shape (Z,) or ()
        z, 1/s: anywhere but on the real axis at or left of the slowest singularity
        (:mod:`sim.theory.decay`); right of it the transform is the expectation.
    servers, service_rate_per_s : array_like, shape (S,) or ()
    arrival_rates_per_s : array_like, shape (N,)
        λ_1, ..., λ_N, each type's own rate, 1/s.

    Returns
    -------
    numpy.ndarray, complex, shape (N, Z)
        0 for a saturated type: its sojourn is infinite.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    Examples
    --------
    >>> class_sojourn_transform(1.0, 1, 7.0, [3.0]).real.round(12)  # 4 / (4 + 1)
    array([[0.8]])
    """
    # here: Numba takes long to import
    from airan_market.sim.theory.preemptive_kernel import transform_laws

    laws = SojournLaws(*_laws(servers, service_rate_per_s, arrival_rates_per_s))
    slowest = laws.slowest_per_s
    z = np.array(argument_per_s, dtype=complex).reshape(-1)
    if not np.isfinite(z).all():
        raise ValueError(f"argument_per_s = {complex(z[~np.isfinite(z)][0])!r}: must be finite")
    wrong = (z.imag == 0) & (z.real <= slowest[:, np.newaxis])
    if (wrong & (slowest < 0)[:, np.newaxis]).any():
        law, at = np.argwhere(wrong & (slowest < 0)[:, np.newaxis])[0]
        raise ValueError(
            f"argument_per_s = {float(z[at].real)!r}: must be above {float(slowest[law])!r}, the "
            f"slowest singularity of type {law + 1}"
        )
    return transform_laws(z, laws.prepared)


def sojourn_laws(
    latency_s: FloatArray,
    servers: FloatArray,
    service_rate_per_s: FloatArray,
    load_per_s: FloatArray,
    above_per_s: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Tails and densities of K laws, each with its own stages and loads; arguments unchecked.

    Parameters
    ----------
    latency_s : array, shape (K, T)
        t, s, at least 0.
    servers, service_rate_per_s : array, shape (K, S)
        c and μ of each stage.
    load_per_s, above_per_s : array, shape (K,)
        Λ_n and Λ_{n-1}, 1/s.

    Returns
    -------
    tail : array, shape (K, T)
        1 where saturated.
    density_per_s : array, shape (K, T)
        Its steepness, 1/s, to an absolute error of about 1e-12 of its largest value. 0 where
        saturated.

    Examples
    --------
    >>> one = np.array([[1.0]])
    >>> tail, density_per_s = sojourn_laws(
    ...     np.array([[0.5]]), one, 7 * one, np.array([3.0]), np.zeros(1))
    >>> tail.round(12), (density_per_s / tail).round(12)
    (array([[0.13533528]]), array([[4.]]))
    """
    laws = SojournLaws(servers, service_rate_per_s, load_per_s, above_per_s)
    which = np.repeat(np.arange(len(latency_s)), latency_s.shape[1])
    tail, density = laws(latency_s.reshape(-1), which)
    return tail.reshape(latency_s.shape), density.reshape(latency_s.shape)


class SojournLaws:
    """K laws, prepared once to be evaluated many times; arguments unchecked.

    Parameters
    ----------
    servers, service_rate_per_s : array, shape (K, S)
        c and μ of each stage.
    load_per_s, above_per_s : array, shape (K,)
        Λ_n and Λ_{n-1}, 1/s.

    Examples
    --------
    >>> laws = SojournLaws(np.ones((1, 1)), np.full((1, 1), 7.0), np.array([3.0]), np.zeros(1))
    >>> laws.slowest_per_s
    array([-4.])
    >>> tail, density_per_s = laws(np.array([0.5]), np.array([0]))
    >>> tail.round(12), density_per_s.round(12)
    (array([0.13533528]), array([0.54134113]))
    """

    def __init__(
        self,
        servers: FloatArray,
        service_rate_per_s: FloatArray,
        load_per_s: FloatArray,
        above_per_s: FloatArray,
    ) -> None:
        # here: Numba takes long to import
        from airan_market.sim.theory.preemptive_kernel import prepare_laws

        given = servers, service_rate_per_s, load_per_s, above_per_s
        # copies, contiguous and writable: one machine code serves all callers
        c, mu, load, above = (np.array(array, dtype=float, order="C") for array in given)
        self.prepared = prepare_laws(c, mu, load, above)
        self._contour = Contour.of_stages(c.shape[1])

    @property
    def slowest_per_s(self) -> FloatArray:
        """Slowest singularity of each law, 1/s, negative; 0 where saturated. (K,)."""
        return self.prepared.slowest

    def __call__(
        self, latency_s: FloatArray, law: npt.NDArray[np.int64]
    ) -> tuple[FloatArray, FloatArray]:
        """Tails and densities, 1/s, of the laws with these indices at these latencies, (n,)."""
        from airan_market.sim.theory.preemptive_kernel import evaluate

        t = np.array(latency_s, dtype=float, order="C")
        return evaluate(t, np.array(law, dtype=np.int64), self.prepared, self._contour)


def _laws(
    servers: npt.ArrayLike, service_rate_per_s: npt.ArrayLike, arrival_rates_per_s: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Check, and spread over the types: c and μ (N, S), Λ_n and Λ_{n-1} (N,)."""
    c, mu, rates = tandem(servers, service_rate_per_s, arrival_rates_per_s)
    if c.max() > GREATEST_SERVERS:
        raise ValueError(f"servers = {float(c.max())!r}: must be at most {GREATEST_SERVERS:g} here")
    load, above = loads(rates)
    spread = (len(load), len(c))
    return np.broadcast_to(c, spread).copy(), np.broadcast_to(mu, spread).copy(), load, above
