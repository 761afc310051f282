"""The domain of the theory: arguments of the queueing formulas, checked in one place.

Every check returns a float array and raises ``ValueError`` naming the argument, the first value
that is not allowed and what is. Rates, latencies and loads are held to a range far beyond any
physical use, in which no product or ratio of two of them leaves the range of a double.
"""

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray

LEAST_RATE_PER_S = 1e-100
GREATEST_RATE_PER_S = 1e100
GREATEST_LATENCY_S = 1e100
GREATEST_SERVERS = 1e15  # below 2**53, so that c, c + 1 and c - λ/μ are exact


def _numbers(name: str, value: npt.ArrayLike) -> FloatArray:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} = {value!r}: must be a number or an array of numbers") from error


def _require(name: str, array: FloatArray, good: npt.NDArray[np.bool_], allowed: str) -> FloatArray:
    if not good.all():
        raise ValueError(f"{name} = {float(array[~good].flat[0])!r}: must be {allowed}")
    return array


def server_counts(value: npt.ArrayLike, name: str = "servers") -> FloatArray:
    """Whole numbers of servers, at least one.

    Examples
    --------
    >>> server_counts([48, 24, 194])
    array([ 48.,  24., 194.])
    >>> server_counts(2.5)
    Traceback (most recent call last):
    ...
    ValueError: servers = 2.5: must be a whole number, 1 to 1e+15
    """
    array = _numbers(name, value)
    # NaN fails every comparison, infinity the last one
    good = (array >= 1) & (array <= GREATEST_SERVERS) & (array == np.floor(array))
    return _require(name, array, good, f"a whole number, 1 to {GREATEST_SERVERS:g}")


def service_rates(value: npt.ArrayLike, name: str = "service_rate_per_s") -> FloatArray:
    """Positive rates, 1/s, of one server each.

    Examples
    --------
    >>> service_rates(0.0)
    Traceback (most recent call last):
    ...
    ValueError: service_rate_per_s = 0.0: must be a number from 1e-100 to 1e+100
    """
    array = _numbers(name, value)
    good = (array >= LEAST_RATE_PER_S) & (array <= GREATEST_RATE_PER_S)
    allowed = f"a number from {LEAST_RATE_PER_S:g} to {GREATEST_RATE_PER_S:g}"
    return _require(name, array, good, allowed)


def non_negative(value: npt.ArrayLike, name: str, greatest: float) -> FloatArray:
    """Numbers from zero to a greatest value: arrival rates, latencies, offered loads.

    Examples
    --------
    >>> non_negative([0.0, -1.0], "latency_s", 1e100)
    Traceback (most recent call last):
    ...
    ValueError: latency_s = -1.0: must be a number from 0 to 1e+100
    """
    array = _numbers(name, value)
    good = (array >= 0) & (array <= greatest)
    return _require(name, array, good, f"a number from 0 to {greatest:g}")


def arrival_rates(value: npt.ArrayLike, name: str = "arrival_rate_per_s") -> FloatArray:
    """Arrival rates, 1/s, zero allowed.

    Examples
    --------
    >>> arrival_rates(24)
    array(24.)
    """
    return non_negative(value, name, GREATEST_RATE_PER_S)


def latencies(value: npt.ArrayLike, name: str = "latency_s") -> FloatArray:
    """Latencies, s, zero allowed.

    Examples
    --------
    >>> latencies(0.25)
    array(0.25)
    """
    return non_negative(value, name, GREATEST_LATENCY_S)


def open_unit(value: npt.ArrayLike, name: str) -> FloatArray:
    """Numbers strictly between zero and one.

    Examples
    --------
    >>> open_unit(1.0, "zeta")
    Traceback (most recent call last):
    ...
    ValueError: zeta = 1.0: must be a number strictly between 0 and 1
    """
    array = _numbers(name, value)
    return _require(name, array, (array > 0) & (array < 1), "a number strictly between 0 and 1")


def finite(value: npt.ArrayLike, name: str) -> FloatArray:
    """Finite numbers of either sign.

    Examples
    --------
    >>> finite(float("nan"), "log_gain")
    Traceback (most recent call last):
    ...
    ValueError: log_gain = nan: must be a finite number
    """
    array = _numbers(name, value)
    return _require(name, array, np.isfinite(array), "a finite number")


def with_last_axis(array: FloatArray, name: str, meaning: str) -> FloatArray:
    """Return an array unchanged if it has a last axis, of stages or types, of at least one entry.

    Examples
    --------
    >>> with_last_axis(np.array(3.0), "servers", "one entry a stage")
    Traceback (most recent call last):
    ...
    ValueError: servers has shape (): must have a last axis, one entry a stage
    """
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"{name} has shape {array.shape}: must have a last axis, {meaning}")
    return array


def stages(
    servers: npt.ArrayLike, service_rate_per_s: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return c and μ of stages in a row, each with a last axis of one entry a stage.

    Examples
    --------
    >>> stages([2, 3], [[5.0]])
    (array([2., 3.]), array([[5.]]))
    """
    c = with_last_axis(server_counts(servers), "servers", "one entry a stage")
    mu = service_rates(service_rate_per_s)
    return c, with_last_axis(mu, "service_rate_per_s", "one entry a stage")


def tandem(
    servers: npt.ArrayLike, service_rate_per_s: npt.ArrayLike, arrival_rates_per_s: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return c (S,), μ (S,) and the types' own rates λ_n (N,) of one tandem.

    Examples
    --------
    >>> tandem(2, 5.0, [1.0, 2.0])  # one station
    (array([2.]), array([5.]), array([1., 2.]))
    >>> tandem([2, 3], [5.0], [1.0])
    Traceback (most recent call last):
    ...
    ValueError: servers has shape (2,), service_rate_per_s (1,): must be (S,), one entry a stage
    """
    c = np.atleast_1d(server_counts(servers))
    mu = np.atleast_1d(service_rates(service_rate_per_s))
    rates = arrival_rates(arrival_rates_per_s, "arrival_rates_per_s")
    if rates.ndim != 1 or not rates.size:
        raise ValueError(
            f"arrival_rates_per_s has shape {rates.shape}: must be (N,), one rate a type"
        )
    if c.ndim != 1 or mu.shape != c.shape or not c.size:
        raise ValueError(
            f"servers has shape {c.shape}, service_rate_per_s {mu.shape}: must be (S,), one "
            "entry a stage"
        )
    return c, mu, rates


def loads(rates_per_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return Λ_n and Λ_{n-1} of types (N,), 1/s.

    Examples
    --------
    >>> loads(np.array([1.0, 2.0]))
    (array([1., 3.]), array([0., 1.]))
    """
    load = np.cumsum(rates_per_s)
    return load, np.concatenate([[0.0], load[:-1]])
