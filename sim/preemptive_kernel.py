r"""The hot loop of :mod:`sim.preemptive`: transforms of tagged tasks, inverted along a contour.

One station, in units of its 1/μ: a tagged task sees j tasks ahead of it. They become more at rate
α (arrivals of higher types), fewer at rate min(j, c), and while j < c the tagged task is served, at
rate 1. Let y be the argument of the transform, v = 1 + y, and x, |x| < 1 for y > 0, the root of
α x² - (y + α + c) x + c = 0: the transform of the time from j = c to c - 1, a busy period, whose
tail has the transform B = (1 - x)/y = x/(c - α x). The transforms F_j of the tail of the time that
is left to the tagged task solve

    (y + α + j + 1) F_j = 1 + α F_{j+1} + j F_{j-1},  j < c;    F_{j+1} = B + x F_j,  j ≥ c - 1.

Below c a particular solution is 1/v, and the homogeneous one that is regular at j = 0 is known by
the ratio β_j of its neighbours, β_j = 1 - γ_j = α/(v + j γ_{j-1} + α). Hence, without truncation,

    F_j = (1 + β_j β_{j+1} ⋯ β_{c-1} B/(1 - x β_{c-1})) / v,  j < c,

and the queue beyond c, which the task finds with j geometric, is a geometric series. For real y
right of all singularities every term is positive, so nothing cancels. The transform of the density,
1 - y F_j, has the same form, with x - 1 in place of B.

All is in one file because a cache of compiled code knows of changes in its own file only.
"""

from math import exp, floor, inf, log, sqrt, tan

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
# a, b, c and d of `talbot`, the least size, the step from one size to the next, and the density
Contour = tuple[float, float, float, float, float, float, float]

# Rounding: with min_s μ^s t below this, no task is done by t but for less than half a unit in the
# last place of 1. The product bounds 1 - P(T > t), because a task is served at rate μ at most.
NO_TIME = 1e-17
# ln of the smallest double is -745: below a Chernoff bound of this, a tail is zero.
UNDERFLOW = -746.0
HALVINGS = 40  # of the interval in which the slowest pole is sought
CLIMBS = 40  # at most so many sizes of contour are tried, the last of which is 1e7 times the first

# entries of a station's row of numbers
SERVERS, RATE, ABOVE, LOAD, FREE, DELAY, BRANCH_GAP, POLE_GAP, SERVICE_GAP, ORIGIN = range(10)
NUMBERS = 10


@njit
def stationary(c: int, load: float, free: float, weights: Floats) -> float:
    """Fill in Pr(j ahead), j < c, of the M/M/c queue with this offered load; return Pr(j ≥ c)."""
    weights[:] = 0.0
    mode = min(floor(load), c - 1)
    weights[mode] = 1.0
    for j in range(mode, 0, -1):
        weights[j - 1] = weights[j] * j / load
    for j in range(mode, c - 1):
        weights[j + 1] = weights[j] * load / (j + 1)
    waiting = weights[c - 1] * load / c / free
    total = weights[:c].sum() + waiting
    weights[:] /= total
    return waiting / total


@njit
def right_of_poles(c: int, alpha: float, gap: float, v: float) -> bool:
    """Whether the real point y = v - 1, not left of the branch point, is right of every pole."""
    gamma = 0.0
    for j in range(c):
        numerator = v + j * gamma
        if numerator + alpha <= 0:
            return False
        gamma = numerator / (numerator + alpha)
    x = root(c, alpha, v - 1, v - 1 + gap)
    return 1 - x * (1 - gamma) > 0


@njit
def root(c: int, alpha: float, y: float, above_branch: float) -> float:
    """Root x of the module; y counted from the branch point, y + (√c - √α)², is handed in."""
    turn = 2 * sqrt(alpha * c)
    return 2 * c / ((y + alpha + c) + sqrt(above_branch) * sqrt(above_branch + 2 * turn))


@njit
def slowest_pole(c: int, alpha: float, gap: float) -> float:
    """Distance v from y = -1 of the slowest singularity of the chain itself: pole or branch point.

    Every task survives any time with at least the chance that it would have with a server of its
    own, so it is not left of -1. The point returned is right of the pole, by a rounding.
    """
    if alpha == 0:
        return 0.0
    low, high = max(1 - gap, 0.0), 1.0
    if right_of_poles(c, alpha, gap, low):
        return low
    for _ in range(HALVINGS):
        middle = low + 0.5 * (high - low)
        if right_of_poles(c, alpha, gap, middle):
            high = middle
        else:
            low = middle
    return high


@njit
def station(
    c: int, mu: float, load: float, above: float, numbers: Floats, weights: Floats
) -> float:
    """Fill in the numbers of one station; return its slowest singularity, 1/s, negative."""
    free = c * mu - load
    alpha, rho = above / mu, load / (c * mu)
    gap = ((c * mu - above) / (sqrt(c * mu) + sqrt(above))) ** 2 / mu
    numbers[SERVERS], numbers[RATE], numbers[ABOVE] = c, mu, alpha
    numbers[LOAD], numbers[FREE] = rho * c, free / (c * mu)
    numbers[DELAY] = stationary(c, load / mu, free / (c * mu), weights)
    service = slowest_pole(c, alpha, gap)
    slowest = max(service - 1, -gap)
    numbers[BRANCH_GAP], numbers[SERVICE_GAP] = -gap * mu, (service - 1) * mu
    numbers[POLE_GAP] = -inf
    if load > sqrt(c * mu) * sqrt(above):  # the pole of the geometric law of what is ahead
        pole = -(load - above) * free / load
        numbers[POLE_GAP] = pole
        slowest = max(slowest, pole / mu)
    return slowest * mu


@njit
def reciprocal(value: complex) -> complex:
    """1 / value, at a third of the cost of a careful complex division; no overflow below 1e150."""
    return value.conjugate() / (value.real * value.real + value.imag * value.imag)


@njit
def station_transform(numbers: Floats, weights: Floats, z: complex) -> tuple[complex, complex]:
    """Transforms of the tail, in units of 1/μ, and of the density at `numbers[ORIGIN]` + z."""
    c, mu, alpha = int(numbers[SERVERS]), numbers[RATE], numbers[ABOVE]
    y = (numbers[ORIGIN] + z) / mu
    v = (numbers[SERVICE_GAP] + z) / mu  # 1 + y
    from_branch = (numbers[BRANCH_GAP] + z) / mu
    turn = 2 * sqrt(alpha * c)
    x = 2 * c * reciprocal((y + alpha + c) + np.sqrt(from_branch) * np.sqrt(from_branch + 2 * turn))
    busy = x * reciprocal(c - alpha * x)
    gamma = beta = served = 0j
    for j in range(c):
        numerator = v + j * gamma
        inverse = reciprocal(numerator + alpha)
        gamma = numerator * inverse
        beta = alpha * inverse
        served = (served + weights[j]) * beta
    alone = reciprocal(v)
    boundary = reciprocal(1 - x * beta)
    free, delay = numbers[FREE], numbers[DELAY]
    if numbers[POLE_GAP] > -inf:
        from_pole = (numbers[POLE_GAP] + z) / mu
        series = c * (reciprocal(x) - alpha / numbers[LOAD]) * reciprocal(from_pole)
    else:
        series = reciprocal(1 - numbers[LOAD] / c * x)
    queued = delay * free * series * x * alone  # (1 - ρ) Σ (ρx)^k: tasks that find j ≥ c
    tail = alone * ((1 - delay) + busy * boundary * served) + delay * series * busy
    tail += queued * (1 + busy * boundary * beta)
    density = alone * ((1 - delay) - (1 - x) * boundary * served) + queued * gamma * boundary
    return tail, density


@njit
def chain_transform(numbers: Floats, weights: Floats, z: complex) -> tuple[complex, complex]:
    """Transforms of the tail, s, and of the density of a sum of stages, at the origin plus z."""
    total, before = 0j, 1 + 0j
    for s in range(numbers.shape[0]):
        tail, density = station_transform(numbers[s], weights[s], z)
        total += before * tail / numbers[s, RATE]
        before *= density
    return total, before


@njit
def contour_size(numbers: Floats, weights: Floats, t: float, contour: Contour) -> float:
    """Size of the contour that crosses the real axis nearest to the saddle point of exp(zt) F(z).

    Right of all singularities ln F is convex, so the first size that is worse ends the search.
    """
    across = contour[0] / contour[1] - contour[2]
    size, least = contour[4], inf
    for _ in range(CLIMBS):
        tail, _ = chain_transform(numbers, weights, complex(across * size / t))
        height = across * size + log(tail.real)
        if height >= least:
            break
        least, best = height, size
        size *= contour[5]
    return best


@njit
def invert(
    numbers: Floats, weights: Floats, t: float, contour: Contour, slowest: float
) -> tuple[float, float]:
    """Tail and density, 1/s, at t: the midpoint rule on the upper half of the contour, twice."""
    a, b, c, d, density = contour[0], contour[1], contour[2], contour[3], contour[6]
    size = contour_size(numbers, weights, t, contour)
    half = int(np.ceil(density * size / 2))
    tail_sum = density_sum = 0.0
    for i in range(half):
        theta = np.pi * (i + 0.5) / half
        angle = b * theta
        cotangent = 1 / tan(angle)
        z = size * complex(a * theta * cotangent - c, d * theta)
        slope = complex(a * cotangent - a * angle * (1 + cotangent * cotangent), d)
        weight = np.exp(z) * slope * size / half
        tail, dens = chain_transform(numbers, weights, z / t)
        tail_sum += (weight * tail).imag
        density_sum += (weight * dens).imag
    shift = slowest * t - log(t)
    # one exponential: exp(slowest t) may underflow where the product does not
    tail = exp(log(tail_sum) + shift) if tail_sum > 0 else 0.0
    dens = exp(log(density_sum) + shift) if density_sum > 0 else 0.0
    return tail, dens


@njit
def underflows(numbers: Floats, weights: Floats, t: float, slowest: float) -> bool:
    """Whether the tail is below the smallest double, by its Chernoff bound nine tenths of the way.

    The bound is E[exp(ηT)] exp(-ηt), η = 0.9 of the decay rate.
    """
    _, moment = chain_transform(numbers, weights, complex(-0.1 * slowest))
    return log(moment.real) + 0.9 * slowest * t < UNDERFLOW


@njit
def prepare(
    servers: Floats, mu: Floats, load: float, above: float, numbers: Floats, weights: Floats
) -> float:
    """Fill in the numbers of all stages, counted from the slowest singularity of all; return it."""
    slowest = -inf
    for s in range(servers.size):
        slowest = max(slowest, station(int(servers[s]), mu[s], load, above, numbers[s], weights[s]))
    for s in range(servers.size):
        numbers[s, BRANCH_GAP] = max(slowest - numbers[s, BRANCH_GAP], 0.0)
        numbers[s, POLE_GAP] = (
            max(slowest - numbers[s, POLE_GAP], 0.0) if numbers[s, POLE_GAP] > -inf else -inf
        )
        numbers[s, SERVICE_GAP] = slowest + mu[s]
        numbers[s, ORIGIN] = slowest
    return slowest


@njit
def is_saturated(servers: Floats, mu: Floats, load: float) -> bool:
    """Whether some stage has no capacity to spare."""
    return bool((servers * mu - load).min() <= 0)


@njit(cache=True)
def sojourns(
    t: Floats, servers: Floats, mu: Floats, load: Floats, above: Floats, contour: Contour
) -> tuple[Floats, Floats]:
    """Tails and densities of K laws at T latencies each: (K, T) of (K, T), (K, S), (K,)."""
    laws, stages = servers.shape
    tail, density = np.ones(t.shape), np.zeros(t.shape)
    numbers = np.empty((stages, NUMBERS))
    for k in range(laws):
        if is_saturated(servers[k], mu[k], load[k]):
            continue
        weights = np.empty((stages, int(servers[k].max())))
        slowest = prepare(servers[k], mu[k], load[k], above[k], numbers, weights)
        for i in range(t.shape[1]):
            if t[k, i] * mu[k].min() < NO_TIME:
                if stages == 1:
                    density[k, i] = mu[k, 0] * (1 - numbers[0, DELAY])
            elif underflows(numbers, weights, t[k, i], slowest):
                tail[k, i] = 0.0
            else:
                tail[k, i], density[k, i] = invert(numbers, weights, t[k, i], contour, slowest)
                tail[k, i] = min(tail[k, i], 1.0)
    return tail, density


@njit(cache=True)
def transforms(
    z: Complexes, servers: Floats, mu: Floats, load: Floats, above: Floats
) -> tuple[Complexes, Complexes, Floats]:
    """Transforms of tail and density at complex arguments z (Z,) and slowest singularities (K,)."""
    laws, stages = servers.shape
    tail = np.empty((laws, z.size), np.complex128)
    density = np.empty((laws, z.size), np.complex128)
    singularity = np.zeros(laws)
    numbers = np.empty((stages, NUMBERS))
    for k in range(laws):
        if is_saturated(servers[k], mu[k], load[k]):
            tail[k], density[k] = np.inf, 0.0
            continue
        weights = np.empty((stages, int(servers[k].max())))
        slowest = prepare(servers[k], mu[k], load[k], above[k], numbers, weights)
        singularity[k] = slowest
        for i in range(z.size):
            tail[k, i], density[k, i] = chain_transform(numbers, weights, z[i] - slowest)
    return tail, density, singularity
