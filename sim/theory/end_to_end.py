r"""End-to-end latency of a task: the sum of independent first come first served M/M/c sojourns.

The Laplace transform of the tail is rational, with all its poles on the negative real axis, at the
service rates μ^s and the waiting rates r^s. Partial fractions lose every digit where such rates
nearly coincide, so the transform is inverted numerically, along a Talbot contour around the
negative axis. The error of that depends on where the poles lie only through their being on that
axis: not on whether they coincide, nor on how many orders of magnitude they span.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.domain import latencies
from airan_market.sim.theory.inversion import Contour
from airan_market.sim.theory.sojourn import stage_laws

# Rounding alone can lift a tail near one over one, by less than 1e-12; it is capped there.
GREATEST_TAIL = 1.0

# With more stages than this, products of as many pole terms can leave the range of a double.
GREATEST_STAGES = 40

# Points (of operators, types and latencies) handled at once, which bounds the memory used.
BLOCK = 4096


def end_to_end_tail(
    latency_s: npt.ArrayLike,
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rate_per_s: npt.ArrayLike,
) -> FloatArray:
    r"""Probability that a task takes longer than ``latency_s`` from first to last stage.

    Equation: AI-RAN (1), (9)

    .. math:: P\Bigl(\sum_s T^s > t\Bigr) = \frac{1}{2πi} \int e^{zt}\,
              \frac{1 - \prod_s G^s(-z)}{z}\, dz

    with T^s independent, each of the law of eq. (4), G^s its moment generating function, eq. (11).
    Against 40-digit arithmetic the relative error stays below 1e-12, and with it the absolute
    error, for coinciding, nearly coinciding and widely spread rates, for one to forty stages and
    down to tails of 1e-300.

    Parameters
    ----------
    latency_s : array_like, shape (...)
        t, s, at least 0.
    servers : array_like, shape (..., S)
        c of each stage, whole numbers, at least 1; up to 40 stages.
    service_rate_per_s : array_like, shape (..., S)
        μ of each stage, 1/s, positive.
    arrival_rate_per_s : array_like, shape (...)
        λ, the same at every stage, 1/s, at least 0. The leading axes of all arguments broadcast.

    Returns
    -------
    numpy.ndarray or NumPy scalar, shape (...)
        A probability. Where some stage is saturated it is 1.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain. More than 40 stages is one.

    References
    ----------
    Eq. (9) of the paper.

    Examples
    --------
    Two single servers, each with an exponential sojourn of rate μ - λ = 4, hence (1 + 4t) exp(-4t):

    >>> tail = end_to_end_tail(0.5, [1, 1], [7.0, 7.0], 3.0)
    >>> round(float(tail), 12), round(float(3 * np.exp(-2)), 12)
    (0.40600584971, 0.40600584971)
    """
    _, *laws = stage_laws(servers, service_rate_per_s, arrival_rate_per_s)
    return tail_of_stages(latencies(latency_s), *laws)


def tail_of_stages(
    latency_s: FloatArray, mu: FloatArray, probability: FloatArray, r: FloatArray
) -> FloatArray:
    """`end_to_end_tail` for laws of stages (..., S) that are known: see `sojourn.stage_laws`.

    Examples
    --------
    >>> law = np.array([7.0, 7.0]), np.array([3 / 7, 3 / 7]), np.array([4.0, 4.0])
    >>> round(float(tail_of_stages(np.array(0.5), *law)), 12)
    0.40600584971
    """
    mu, probability, r, t = np.broadcast_arrays(mu, probability, r, latency_s[..., np.newaxis])
    t = t[..., 0]
    if mu.shape[-1] > GREATEST_STAGES:
        raise ValueError(f"servers has {mu.shape[-1]} stages: must have at most {GREATEST_STAGES}")

    tail = np.ones(t.shape)
    stable = np.flatnonzero((r > 0).all(axis=-1))
    points = t.ravel(), *(array.reshape(-1, mu.shape[-1]) for array in (mu, r, probability))
    for start in range(0, len(stable), BLOCK):
        block = stable[start : start + BLOCK]
        tail.flat[block] = _stable_tail(*(array[block] for array in points))
    return tail[()]


def _stable_tail(
    t: FloatArray, mu: FloatArray, r: FloatArray, probability: FloatArray
) -> FloatArray:
    """Invert the transform at n points: t is (n,), the rest (n, S)."""
    stage_count = mu.shape[1]
    slowest = np.minimum(mu, r).min(axis=1)
    # At latencies past the horizon the tail is below the smallest double: it is at most that of
    # 2S phases of the slowest rate, exp(-x) (e x/2S)^(2S) at x = 1000 + 20 S. There it is zero.
    horizon = (1000 + 20 * stage_count) / slowest
    beyond = t > horizon
    t = np.where(beyond, horizon, t)
    # Time from here on in units of t, and z = 0 the slowest pole: the result is then known
    # relative to exp(-slowest t). Row s of each array belongs to stage s.
    chain = _Chain(
        origin=slowest * t,
        service=(mu * t[:, np.newaxis]).T,
        service_gap=((mu - slowest[:, np.newaxis]) * t[:, np.newaxis]).T,
        waiting_gap=((r - slowest[:, np.newaxis]) * t[:, np.newaxis]).T,
        probability=probability.T,
    )
    contour = Contour.of_stages(stage_count)
    sizes = _contour_sizes(chain, contour)
    integral = np.empty_like(t)
    for size in np.unique(sizes):
        chosen = sizes == size
        z, weights = (array[:, np.newaxis] for array in contour.nodes(size))
        integral[chosen] = (weights * chain.at(chosen).transform(z)).imag.sum(axis=0)
    tail = np.exp(np.log(integral) - chain.origin)  # one exponential: exp(-origin) may underflow
    return np.where(beyond, 0.0, np.minimum(tail, GREATEST_TAIL))


class _Chain(NamedTuple):
    """The stages of n points in units of the latency; the arrays are (S, n), the origin (n,)."""

    origin: FloatArray  # slowest rate; z is counted from the pole there
    service: FloatArray  # μ
    service_gap: FloatArray  # μ less the slowest rate
    waiting_gap: FloatArray  # r less the slowest rate
    probability: FloatArray  # of having to wait

    def at(self, chosen: npt.NDArray[np.bool_]) -> "_Chain":
        return _Chain(*(array[..., chosen] for array in self))

    def transform(self, z: npt.NDArray) -> npt.NDArray:
        """Laplace transform of the tail, F(z) = Σ_s H^s Π_{j<s} G^j, a telescoped (1 - Π G)/z.

        H^s = (1 + P μ/(r + z)) / (μ + z) is the transform of one stage's tail and G^s that of its
        density, with z the usual argument; nothing cancels at z = 0. The code counts z from the
        slowest pole.
        """
        total, before = np.zeros(()), np.ones(())
        for mu, mu_gap, r_gap, probability in zip(*self[1:], strict=True):
            service = 1 / (mu_gap + z)
            waiting = probability / (r_gap + z)
            total = total + before * (service * (1 + waiting * mu))
            before = before * (service * mu * (1 - waiting * (z - self.origin)))
        return total


def _contour_sizes(chain: _Chain, contour: Contour) -> FloatArray:
    """Size of the contour at each point: the one that crosses the real axis near the saddle point.

    On the real axis right of the poles exp(z) F(z) is convex in its logarithm, with its least value
    at a z of at most 2S. A contour that crosses near that point adds up numbers not much larger
    than their sum, so nothing cancels. The least size serves up to four stages.
    """
    size = contour.least_size
    best = np.full(chain.origin.shape, size)
    least = np.full(chain.origin.shape, np.inf)
    while True:
        place = contour.crossing(size)
        height = place + np.log(chain.transform(np.array(place)))
        best = np.where(height < least, size, best)
        least = np.minimum(height, least)
        if contour.size_step * place > 2 * len(chain.service):
            return best
        size *= contour.size_step
