r"""The hot loop of `sim.theory.preemptive`: transforms of tagged tasks, inverted on a contour.

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

Many arguments are swept side by side, the nodes in the inner loop, of which a processor does
several at a time. All is in one file because a cache of compiled code knows of changes in its own
file only.
"""

from math import exp, floor, inf, log, sqrt, tan
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.theory.inversion import Contour

Complexes = NDArray[np.complex128]
Count = int | np.int64

# Rounding: with min_s μ^s t below this, no task is done by t but for less than half a unit in the
# last place of 1. The product bounds 1 - P(T > t), because a task is served at rate μ at most.
NO_TIME = 1e-17
# ln of the smallest double is -745: below a Chernoff bound of this, a tail is zero.
UNDERFLOW = -746.0
NODES = 32  # arguments swept side by side
# The interval with the slowest pole is cut into NODES + 1 so many times, to 1e-6 of its length. The
# contour starts there: at a t where the tail has sunk to 1e-300, within 1e-3 of its own unit, 1/t.
CUTS = 4

# entries of a station's row of numbers, in units of μ but for the last four and RATE, 1/s; the gaps
# are counted from the slowest singularity of all. SHARE is Λ_{n-1}/Λ_n
SERVERS, RATE, ABOVE, UNUSED, LOAD, SHARE, FREE, DELAY = range(8)
BRANCH_GAP, POLE_GAP, SERVICE_GAP, ORIGIN = range(8, 12)
NUMBERS = 12

# rows of the memory in which a sweep is done, real and imaginary parts apart
V, V_IM, GAMMA, GAMMA_IM, BETA, BETA_IM, SERVED, SERVED_IM = range(8)
ROWS = 8

# numbers of nodes; of plain ones Numba would compile `chain_transform` anew for each
ONE, TWO = np.arange(1, 3)

# rows of the memory of a law: arguments, counted from the slowest singularity, what the transforms
# of tail, s, and density are there, and the weights of the contour
Z, TAIL, DENSITY, WEIGHT = range(4)


class Law(NamedTuple):
    """What is known of a law of S stages before any argument is."""

    numbers: FloatArray  # (S, 12)
    offsets: IntArray  # (S + 1,), of the stages' weights
    weights: FloatArray  # Pr(j ahead), j < c


class Laws(NamedTuple):
    """The same of K laws, their weights in one row, and their slowest singularities, 1/s."""

    numbers: FloatArray  # (K, S, 12)
    offsets: IntArray  # (K, S + 1)
    weights: FloatArray
    slowest: FloatArray  # (K,); 0 where saturated


@njit(error_model="numpy")
def stationary(c: int, load: float, free: float, weights: FloatArray) -> float:
    """Fill in Pr(j ahead), j < c, of the M/M/c queue with this offered load; return Pr(j ≥ c)."""
    mode = min(floor(load), c - 1)
    weights[mode] = 1.0
    for j in range(mode, 0, -1):
        weights[j - 1] = weights[j] * j / load
    for j in range(mode, c - 1):
        weights[j + 1] = weights[j] * load / (j + 1)
    waiting = weights[c - 1] * load / c / free
    total = weights.sum() + waiting
    for j in range(c):  # a slice would compile its message for unequal shapes, for seconds
        weights[j] /= total
    return waiting / total


@njit(error_model="numpy")
def root(c: int, alpha: float, gap: float, v: float) -> float:
    """Root x of the module at a real y = v - 1 not left of the branch point, -gap = -(√c - √α)²."""
    from_branch = max(v - 1 + gap, 0.0)
    half_width = sqrt(from_branch) * sqrt(from_branch + 4 * sqrt(alpha * c))
    return 2 * c / (v - 1 + alpha + c + half_width)


@njit(error_model="numpy")
def right_of_poles(c: int, alpha: float, gap: float, v: float) -> bool:
    """Whether v ≥ 0, not left of the branch point, is right of the poles of the chain.

    Right of the branch point x β_{c-1} falls in v, and at the slowest pole it is 1. β_j falls in j.
    """
    gamma, x = 0.0, root(c, alpha, gap, v)
    for j in range(c):
        numerator = v + j * gamma
        gamma = numerator / (numerator + alpha)
        if x * (1 - gamma) < 1:
            return True
    return False


@njit(error_model="numpy")
def slowest_pole(c: int, alpha: float, gap: float, low: float, memory: FloatArray) -> float:
    """Place v of the slowest pole of the chain, which is right of `low`; from the right.

    It is left of 1. The result is right of the pole by 1e-6 of the interval searched.
    """
    high = 1.0
    for _ in range(CUTS):
        step = (high - low) / (NODES + 1)
        for k in range(NODES):
            memory[V, k] = low + (k + 1) * step
            memory[GAMMA, k] = 0.0
        for j in range(c):
            rank = float(j)
            for k in range(NODES):
                numerator = memory[V, k] + rank * memory[GAMMA, k]
                memory[GAMMA, k] = numerator / (numerator + alpha)
        for k in range(NODES):
            v = memory[V, k]
            if root(c, alpha, gap, v) * (1 - memory[GAMMA, k]) < 1:
                high = v
                break
            low = v
    return high


@njit(error_model="numpy")
def station(
    c: int, mu: float, load: float, above: float, numbers: FloatArray, weights: FloatArray
) -> None:
    """Fill in the numbers of one station; gaps are places on the axis still, 1/s."""
    free = c * mu - load
    numbers[SERVERS], numbers[RATE], numbers[ABOVE] = c, mu, above / mu
    numbers[LOAD], numbers[FREE] = load / mu, free / (c * mu)
    numbers[UNUSED] = (c * mu - above) / mu
    numbers[SHARE] = above / load if load > 0 else 0.0
    numbers[DELAY] = stationary(c, load / mu, free / (c * mu), weights)
    numbers[BRANCH_GAP] = -(((c * mu - above) / (sqrt(c * mu) + sqrt(above))) ** 2)
    numbers[POLE_GAP] = -inf
    if load > sqrt(c * mu) * sqrt(above):  # the pole of the geometric law of what is ahead
        numbers[POLE_GAP] = -(load - above) * free / load


@njit(error_model="numpy")
def slowest_singularity(numbers: FloatArray, memory: FloatArray) -> float:
    """Of all stages, 1/s: branch points, poles of what is ahead, and poles of the chains.

    Without anything above, a chain has its pole at -μ. Others have theirs right of that: a task
    survives with at least the chance that it has with a server of its own.
    """
    slowest = -inf
    for s in range(numbers.shape[0]):
        slowest = max(slowest, numbers[s, BRANCH_GAP], numbers[s, POLE_GAP], -numbers[s, RATE])
    for s in range(numbers.shape[0]):
        c, mu, alpha = int(numbers[s, SERVERS]), numbers[s, RATE], numbers[s, ABOVE]
        gap, low = -numbers[s, BRANCH_GAP] / mu, (slowest + mu) / mu
        if alpha > 0 and not right_of_poles(c, alpha, gap, low):
            slowest = (slowest_pole(c, alpha, gap, low, memory) - 1) * mu
    return slowest


@njit(error_model="numpy")
def reciprocal(value: complex) -> complex:
    """1 / value, without the care of a complex division; no overflow below 1e150."""
    scale = 1.0 / (value.real * value.real + value.imag * value.imag)
    return complex(value.real * scale, -value.imag * scale)


@njit(error_model="numpy")
def sweep(c: int, alpha: float, weights: FloatArray, memory: FloatArray, nodes: Count) -> None:
    """γ, β and Σ_j Pr(j ahead) β_j ⋯ β_{c-1} at j = c - 1, from v, for all nodes."""
    memory[GAMMA:, :nodes] = 0.0
    for j in range(c):
        weight, rank = weights[j], float(j)
        for k in range(nodes):
            real = memory[V, k] + rank * memory[GAMMA, k]
            imag = memory[V_IM, k] + rank * memory[GAMMA_IM, k]
            whole = real + alpha
            scale = 1.0 / (whole * whole + imag * imag)
            memory[GAMMA, k] = (real * whole + imag * imag) * scale
            memory[GAMMA_IM, k] = imag * alpha * scale
            beta, beta_imag = alpha * whole * scale, -alpha * imag * scale
            memory[BETA, k], memory[BETA_IM, k] = beta, beta_imag
            served, served_imag = memory[SERVED, k] + weight, memory[SERVED_IM, k]
            memory[SERVED, k] = served * beta - served_imag * beta_imag
            memory[SERVED_IM, k] = served * beta_imag + served_imag * beta


@njit(error_model="numpy")
def station_transform(
    numbers: FloatArray, weights: FloatArray, nodes: Count, memory: FloatArray, work: Complexes
) -> None:
    """Add one stage to the transforms of tail and density.

    The tail of a sum telescopes: (1 - G_1 G_2)/z = (1 - G_1)/z + G_1 (1 - G_2)/z.
    """
    z, tail, density = work[Z], work[TAIL], work[DENSITY]
    c, mu, alpha = int(numbers[SERVERS]), numbers[RATE], numbers[ABOVE]
    for k in range(nodes):
        v = (numbers[SERVICE_GAP] + z[k]) / mu
        memory[V, k], memory[V_IM, k] = v.real, v.imag
    sweep(c, alpha, weights, memory, nodes)
    turn = 2 * sqrt(alpha * c)
    free, delay, load, unused = numbers[FREE], numbers[DELAY], numbers[LOAD], numbers[UNUSED]
    for k in range(nodes):
        gamma = complex(memory[GAMMA, k], memory[GAMMA_IM, k])
        beta = complex(memory[BETA, k], memory[BETA_IM, k])
        served = complex(memory[SERVED, k], memory[SERVED_IM, k])
        y = (numbers[ORIGIN] + z[k]) / mu
        from_branch = (numbers[BRANCH_GAP] + z[k]) / mu
        half_width = np.sqrt(from_branch) * np.sqrt(from_branch + 2 * turn)
        x = 2 * c * reciprocal(y + alpha + c + half_width)
        # c - α x, which loses its digits where it is small, next to saturation from above
        rest = c - alpha * x if abs(y) > c else 0.5 * (unused - y + half_width)
        busy = x * reciprocal(rest)
        alone = reciprocal(complex(memory[V, k], memory[V_IM, k]))
        boundary = reciprocal(1 - x * beta)
        if numbers[POLE_GAP] > -inf:
            from_pole = (numbers[POLE_GAP] + z[k]) / mu
            series = c * (reciprocal(x) - numbers[SHARE]) * reciprocal(from_pole)
        else:
            series = reciprocal(1 - load / c * x)
        queued = delay * free * series * x * alone  # those that find j ≥ c, brought to c - 1
        own = alone * ((1 - delay) + busy * boundary * served) + delay * series * busy
        own += queued * (1 + busy * boundary * beta)
        tail[k] += density[k] * own / mu
        density[k] *= (
            alone * ((1 - delay) - (1 - x) * boundary * served) + queued * gamma * boundary
        )


@njit(error_model="numpy")
def chain_transform(law: Law, nodes: Count, memory: FloatArray, work: Complexes) -> None:
    """Transforms of tail and density of a sum of stages, from the arguments in `work`, into it."""
    work[TAIL, :nodes], work[DENSITY, :nodes] = 0.0, 1.0
    for s in range(law.numbers.shape[0]):
        own = law.weights[law.offsets[s] : law.offsets[s + 1]]
        station_transform(law.numbers[s], own, nodes, memory, work)


@njit(error_model="numpy")
def prepare(
    servers: FloatArray, mu: FloatArray, load: float, above: float, law: Law, memory: FloatArray
) -> float:
    """Fill in the numbers of all stages, counted from the slowest singularity of all; return it.

    Saturated: 0.
    """
    if (servers * mu - load).min() <= 0:
        return 0.0
    numbers = law.numbers
    for s in range(servers.size):
        own = law.weights[law.offsets[s] : law.offsets[s + 1]]
        station(int(servers[s]), mu[s], load, above, numbers[s], own)
    slowest = slowest_singularity(numbers, memory)
    for s in range(servers.size):
        numbers[s, BRANCH_GAP] = max(slowest - numbers[s, BRANCH_GAP], 0.0)
        if numbers[s, POLE_GAP] > -inf:
            numbers[s, POLE_GAP] = max(slowest - numbers[s, POLE_GAP], 0.0)
        numbers[s, SERVICE_GAP] = slowest + mu[s]
        numbers[s, ORIGIN] = slowest
    return slowest


@njit(cache=True, error_model="numpy")
def prepare_laws(servers: FloatArray, mu: FloatArray, load: FloatArray, above: FloatArray) -> Laws:
    """Prepare laws: servers and mu are (K, S), load and above (K,)."""
    laws, stages = servers.shape
    numbers, slowest = np.zeros((laws, stages, NUMBERS)), np.empty(laws)
    offsets = np.zeros((laws, stages + 1), np.int64)
    end = 0
    for k in range(laws):
        for s in range(stages):
            offsets[k, s] = end
            end += int(servers[k, s])
        offsets[k, stages] = end
    weights, memory = np.empty(end), np.empty((ROWS, NODES))
    for k in range(laws):
        law = Law(numbers[k], offsets[k], weights)
        slowest[k] = prepare(servers[k], mu[k], load[k], above[k], law, memory)
    return Laws(numbers, offsets, weights, slowest)


@njit(error_model="numpy")
def underflows(law: Law, slowest: float, t: float, memory: FloatArray, work: Complexes) -> bool:
    """Whether the tail is below the smallest double, by its Chernoff bound nine tenths of the way.

    The bound is E[exp(ηT)] exp(-ηt), η = 0.9 of the decay rate.
    """
    exponent = 0.9 * slowest * t
    if exponent >= UNDERFLOW:  # the expectation is at least 1
        return False
    work[Z, 0] = -0.1 * slowest
    chain_transform(law, ONE, memory, work)
    return exponent + log(work[DENSITY, 0].real) < UNDERFLOW


@njit(error_model="numpy")
def contour_size(
    law: Law, t: float, contour: Contour, memory: FloatArray, work: Complexes
) -> float:
    """Size of the contour that crosses the real axis nearest to the saddle point of exp(zt) F(z).

    Right of all singularities ln F is convex, so the first size that is worse ends the search.
    """
    across = contour.a / contour.b - contour.c
    size, best, least = contour.least_size, contour.least_size, inf
    while True:
        for k in range(2):
            work[Z, k] = across * size * contour.size_step**k / t
        chain_transform(law, TWO, memory, work)
        for k in range(2):
            height = across * size + log(work[TAIL, k].real)
            if not height < least:
                return best
            least, best = height, size
            size *= contour.size_step


@njit(error_model="numpy")
def invert(
    law: Law, slowest: float, t: float, contour: Contour, memory: FloatArray, work: Complexes
) -> tuple[float, float]:
    """Tail and density, 1/s, at t: the midpoint rule on the upper half of the contour, twice."""
    a, b, c, d = contour.a, contour.b, contour.c, contour.d
    size = contour_size(law, t, contour, memory, work)
    half = int(np.ceil(contour.density * size / 2))
    tail = density = 0.0
    for first in range(0, half, NODES):
        nodes = min(NODES, half - first)
        for k in range(nodes):
            theta = np.pi * (first + k + 0.5) / half
            cotangent = 1 / tan(b * theta)
            z = size * complex(a * theta * cotangent - c, d * theta)
            slope = complex(a * cotangent - a * b * theta * (1 + cotangent * cotangent), d)
            work[Z, k] = z / t
            work[WEIGHT, k] = np.exp(z) * slope * (size / half)
        chain_transform(law, nodes, memory, work)
        for k in range(nodes):
            tail += (work[WEIGHT, k] * work[TAIL, k]).imag
            density += (work[WEIGHT, k] * work[DENSITY, k]).imag
    # one exponential: exp(slowest t) may underflow where the product does not. A tail is positive;
    # a density that is not is all rounding, and 0
    shift = slowest * t - log(t)
    return exp(log(tail) + shift), exp(log(density) + shift) if density > 0 else 0.0


@njit(cache=True, error_model="numpy")
def evaluate(
    t: FloatArray, which: IntArray, laws: Laws, contour: Contour
) -> tuple[FloatArray, FloatArray]:
    """Tails and densities of the laws of these indices at these latencies, (n,) both."""
    numbers, slowest = laws.numbers, laws.slowest
    stages = numbers.shape[1]
    tail, density = np.ones(t.size), np.zeros(t.size)
    memory, work = np.empty((ROWS, NODES)), np.empty((4, NODES), np.complex128)
    for i in range(t.size):
        k, at = which[i], t[i]
        if slowest[k] == 0:  # saturated
            continue
        if at * numbers[k, :, RATE].min() < NO_TIME:
            if stages == 1:
                density[i] = numbers[k, 0, RATE] * (1 - numbers[k, 0, DELAY])
            continue
        law = Law(numbers[k], laws.offsets[k], laws.weights)
        if underflows(law, slowest[k], at, memory, work):
            tail[i] = 0.0
        else:
            tail[i], density[i] = invert(law, slowest[k], at, contour, memory, work)
            tail[i] = min(tail[i], 1.0)
    return tail, density


@njit(cache=True, error_model="numpy")
def transform_laws(z: Complexes, laws: Laws) -> Complexes:
    """E[exp(-zT)] of K laws, (K, Z). Saturated: 0."""
    result = np.zeros((laws.slowest.size, z.size), np.complex128)
    memory, work = np.empty((ROWS, NODES)), np.empty((4, NODES), np.complex128)
    for k in range(laws.slowest.size):
        if laws.slowest[k] == 0:
            continue
        law = Law(laws.numbers[k], laws.offsets[k], laws.weights)
        for i in range(z.size):
            work[Z, 0] = z[i] - laws.slowest[k]
            chain_transform(law, ONE, memory, work)
            result[k, i] = work[DENSITY, 0]
    return result


@njit(cache=True, error_model="numpy")
def transform_each(z: Complexes, laws: Laws) -> Complexes:
    """E[exp(-z_k T_k)] of law k at its own argument, (K,). Saturated: 0."""
    result = np.zeros(laws.slowest.size, np.complex128)
    memory, work = np.empty((ROWS, NODES)), np.empty((4, NODES), np.complex128)
    for k in range(laws.slowest.size):
        if laws.slowest[k] == 0:
            continue
        law = Law(laws.numbers[k], laws.offsets[k], laws.weights)
        work[Z, 0] = z[k] - laws.slowest[k]
        chain_transform(law, ONE, memory, work)
        result[k] = work[DENSITY, 0]
    return result
