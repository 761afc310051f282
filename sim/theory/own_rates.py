r"""Two types with service rates of their own in one station, preemptive resume: exact law of both.

Type 1 has the higher priority and c servers to itself: an M/M/c queue of rates λ_1 and μ_1. Type 2
is served at μ_2 by the servers that type 1 leaves. Let i tasks of type 1 and j of type 2 be there.
As long as i ≥ c no task of type 2 moves, and such a time is a busy period of an M/M/1 queue of
rates λ_1 and cμ_1, in which tasks of type 2 come: k of them with chance b_k. What remains are the
levels j with c phases i < c,

- down by one, at rate μ_2 min(j, c - i);
- up by one, at rate λ_2; and from i = c - 1 up by k and back to i = c - 1, at rate λ_1 b_k:

a chain of the M/G/1 kind. G_j, where it first comes to level j - 1 from j, is one matrix from
level c on and solved for; then levels are censored from above (Ramaswami), sums of positive terms.

A tagged task of type 2 finds (i, j) as in that law (arrivals see time averages). Behind it nothing
matters, ahead of it j only falls, so the transforms of the tail of the time that is left to it
follow level by level; where i ≥ c a busy period passes first, as in `sim.theory.preemptive_kernel`,
and the tasks of type 1 beyond c are summed by a recursion of one step. The transform is inverted
right of the imaginary axis, where every sum over j converges (`sim.theory.inversion.euler`).

Series are summed until what is left is below rounding, so tails are exact to about 1e-12 of 1.
"""

from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.domain import arrival_rates, latencies, server_counts, service_rates
from airan_market.sim.theory.erlang import erlang_c
from airan_market.sim.theory.inversion import euler
from airan_market.sim.theory.sojourn import sojourn_mean, sojourn_tail

GREATEST_SERVERS = 200  # matrices of this size are solved for at every level below it
GREATEST_LOAD = 0.995  # of the servers: nearer to saturation too many levels count
MOST_LEVELS = 30_000
NEGLIGIBLE = 1e-17
SETTLED, PATIENCE = 4e-16, 50_000  # change of G, and iterations


def own_rates_tail(
    latency_s: npt.ArrayLike,
    servers: int,
    service_rates_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
) -> FloatArray:
    """Probability that a task of each of two types spends more than ``latency_s`` in one station.

    Parameters
    ----------
    latency_s : array_like, shape (T,) or ()
        t, s, at least 0.
    servers : int
        c, 1 to 200.
    service_rates_per_s : array_like, shape (2,)
        μ_1, μ_2, rate of one server at either type, 1/s, positive.
    arrival_rates_per_s : array_like, shape (2,)
        λ_1, λ_2, 1/s, at least 0. With λ_2 = 0 the law is that of the first such task.

    Returns
    -------
    numpy.ndarray, shape (2, T)
        1 for a type that is saturated: λ_1/μ_1 ≥ c, or λ_1/μ_1 + λ_2/μ_2 ≥ c.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain; or when the load is between
        0.995 c and c, where the queue has too many levels to be summed.

    References
    ----------
    I. Mitrani, P. J. B. King, "Multiprocessor systems with preemptive priorities", Performance
    Evaluation 1 (1981) 118-125, has the queue lengths. V. Ramaswami, "A stable recursion for the
    steady state vector in Markov chains of M/G/1 type", Stochastic Models 4 (1988) 183-188.

    Examples
    --------
    With equal rates it is the law of `sim.theory.preemptive`; a heavy type below waits longer:

    >>> own_rates_tail(0.5, 1, [7.0, 7.0], [3.0, 2.0]).round(9)
    array([[0.13533528],
           [0.50247714]])
    >>> own_rates_tail(0.5, 1, [7.0, 3.5], [3.0, 1.0]).round(9)
    array([[0.13533528],
           [0.66031516]])
    """
    c, mu, rates = _station(servers, service_rates_per_s, arrival_rates_per_s)
    t = np.atleast_1d(latencies(latency_s))
    lower = LowerType.of(c, mu, rates)
    below = np.ones(t.size) if lower is None else lower.tail(t)
    return np.stack([sojourn_tail(t, c, mu[0], rates[0]), below])


def own_rates_mean(
    servers: int, service_rates_per_s: npt.ArrayLike, arrival_rates_per_s: npt.ArrayLike
) -> FloatArray:
    r"""Mean time that a task of each of two types spends in one station, s, (2,).

    With one server it is, ρ_n = λ_n/μ_n,

    .. math:: E[T_2] = \frac{1/μ_2}{1 - ρ_1} + \frac{ρ_1/μ_1 + ρ_2/μ_2}{(1 - ρ_1)(1 - ρ_1 - ρ_2)}.

    Parameters, domain and what it raises as for `own_rates_tail`; infinity for a type that is
    saturated.

    Examples
    --------
    Loads 0.4 and 0.4, services of 0.2 s and 0.4 s: 1/3 s, and 0.4/0.6 + (0.08 + 0.16)/(0.6 · 0.2)

    >>> own_rates_mean(1, [5.0, 2.5], [2.0, 1.0]).round(9)
    array([0.33333333, 2.66666667])
    """
    c, mu, rates = _station(servers, service_rates_per_s, arrival_rates_per_s)
    lower = LowerType.of(c, mu, rates)
    return np.array(
        [float(sojourn_mean(c, mu[0], rates[0])), np.inf if lower is None else lower.mean_s]
    )


def _station(
    servers: int, service_rates_per_s: npt.ArrayLike, arrival_rates_per_s: npt.ArrayLike
) -> tuple[int, FloatArray, FloatArray]:
    c = server_counts(servers)
    if c.ndim or c > GREATEST_SERVERS:
        raise ValueError(f"servers = {c.tolist()!r}: must be one number, 1 to {GREATEST_SERVERS}")
    mu = service_rates(service_rates_per_s, "service_rates_per_s")
    rates = arrival_rates(arrival_rates_per_s, "arrival_rates_per_s")
    for name, array in (("service_rates_per_s", mu), ("arrival_rates_per_s", rates)):
        if array.shape != (2,):
            raise ValueError(f"{name} has shape {array.shape}: must be (2,), one rate a type")
    return int(c), mu, rates


class LowerType:
    """Law of the lower type, prepared once to be evaluated many times; arguments unchecked.

    Parameters
    ----------
    servers : int
        c.
    service_rates_per_s, arrival_rates_per_s : array, shape (2,)
        μ and λ of both types; not saturated (`of` says so beforehand).

    Attributes
    ----------
    levels : array (J, c)
        Pr(i of type 1, j of type 2 are there), i < c, at any time and found by an arrival.
    full : array (J,)
        Pr(c of type 1, j of type 2).
    """

    def __init__(
        self, servers: int, service_rates_per_s: FloatArray, arrival_rates_per_s: FloatArray
    ) -> None:
        self.servers = servers
        self.high_mu, self.mu = (float(mu) for mu in service_rates_per_s)
        self.high, self.rate = (float(rate) for rate in arrival_rates_per_s)
        self.levels, self.full = self._stationary()

    @classmethod
    def of(cls, servers: int, mu: FloatArray, rates: FloatArray) -> Self | None:
        """Prepare the law, None where the type is saturated."""
        load = rates / mu
        if GREATEST_LOAD * servers < load.sum() < servers:
            raise ValueError(
                f"arrival_rates_per_s: a load of {float(load.sum())!r} servers is too near to "
                f"saturation: must be at most {GREATEST_LOAD:g} of {servers}, or saturated"
            )
        # the second condition because division may round to saturation what the rates are short of
        stable = load.sum() < servers and rates[0] < servers * mu[0]
        return cls(servers, mu, rates) if stable else None

    @property
    def mean_number(self) -> float:
        """Mean number of tasks of the lower type, waiting and in service."""
        level = np.arange(len(self.levels))
        at_most_c = self.levels.sum(axis=1)
        return float(level @ (at_most_c + self._beyond(np.zeros(1))[0]))

    @cached_property
    def mean_s(self) -> float:
        """Mean sojourn, s: the transform of the tail at 0."""
        return float(self.transform(np.zeros(1))[0])

    def tail(self, latency_s: FloatArray) -> FloatArray:
        """P(T > t), (T,), to about 1e-12."""
        return np.array([euler(self.transform, t) if t > 0 else 1.0 for t in latency_s.tolist()])

    def transform(self, argument_per_s: NDArray) -> NDArray:
        """Transform of the tail, ∫ exp(-zt) P(T > t) dt, s, at z (Z,), real parts at least 0."""
        z, c, phase = np.asarray(argument_per_s), self.servers, np.arange(self.servers)
        x, busy = self._busy(z)
        steps = self._moves()
        diagonal = z[:, np.newaxis] + self.high + phase * self.high_mu
        beyond = self._beyond(z)
        # 1, and from i = c - 1 the busy period that comes first
        source = np.ones((z.size, c), dtype=x.dtype)
        source[:, -1] += self.high * busy
        left = np.zeros((z.size, c), dtype=x.dtype)
        total = np.zeros(z.size, dtype=x.dtype)
        for j in range(min(len(self.levels), c + 1)):
            served = self.mu * np.minimum(j, c - phase)
            own = self.mu * (phase + j < c)
            chain = -np.broadcast_to(steps, (z.size, c, c)).astype(x.dtype)
            chain[:, phase, phase] += diagonal + served + own
            chain[:, -1, -1] -= self.high * x
            both = np.stack([source, source + served * left], axis=-1)
            left = np.linalg.solve(chain, both)[..., 1]
            total += left @ self.levels[j] + beyond[:, j] * left[:, -1]
        if len(self.levels) > c + 1:  # one matrix from here on
            alone = np.linalg.solve(chain, source[..., np.newaxis])[..., 0]
            onward = np.linalg.solve(chain, np.broadcast_to(np.diag(served), chain.shape))
            for j in range(c + 1, len(self.levels)):
                left = alone + (onward @ left[..., np.newaxis])[..., 0]
                total += left @ self.levels[j] + beyond[:, j] * left[:, -1]
        share = self.high / (c * self.high_mu)
        full = self.levels[:, -1].sum() * share / ((1 - share) * (1 - x * share))
        return total + full * busy

    def _busy(self, z: NDArray) -> tuple[NDArray, NDArray]:
        """Transforms of a busy period at z: E[exp(-zB)], and of its tail, s."""
        most = self.servers * self.high_mu
        turn = 2 * np.sqrt(most * self.high)
        total = z + self.high + most
        x = 2 * most / (total + np.sqrt(total - turn) * np.sqrt(total + turn))
        return x, x / (most - self.high * x)

    def _beyond(self, z: NDArray) -> NDArray:
        """Σ_{m ≥ 1} x^m Pr(c - 1 + m of type 1, j of type 2), (Z, J).

        With the balance of the states i ≥ c, v_j of them solve (z - λ_2) v_j + λ_2 v_{j-1} =
        cμ_1 Pr(c, j) - x λ_1 Pr(c - 1, j); solved in the direction in which errors do not grow.
        """
        x = self._busy(z)[0][:, np.newaxis]
        most, last = self.servers * self.high_mu, self.levels[:, -1]
        if self.rate == 0:
            return x * self.high / (most - x * self.high) * last
        source = most * self.full - x * self.high * last
        away = z - self.rate
        found = np.zeros_like(source)
        forward = np.abs(away) > self.rate
        for j in range(source.shape[1]):
            before = found[forward, j - 1] if j else 0.0
            found[forward, j] = (source[forward, j] - self.rate * before) / away[forward]
        for j in range(source.shape[1] - 1, 0, -1):
            after = found[~forward, j]
            found[~forward, j - 1] = (source[~forward, j] - away[~forward] * after) / self.rate
        return found

    def _moves(self) -> FloatArray:
        """Rates from phase to phase, (c, c), without the diagonal."""
        number = np.arange(1, self.servers)
        up = np.full(self.servers - 1, self.high)
        return np.diag(up, 1) + np.diag(number * self.high_mu, -1)

    def _arrivals_while_busy(self) -> FloatArray:
        """b_k, chance of k arrivals of type 2 in a busy period of type 1, until it is negligible.

        Their generating function b solves λ_1 b² - (λ_1 + cμ_1 + λ_2 - λ_2 w) b + cμ_1 = 0.
        """
        most = self.servers * self.high_mu
        gap = ((most - self.high) / (np.sqrt(most) + np.sqrt(self.high))) ** 2
        fall = np.log(self.rate + gap) - np.log(self.rate) if self.rate > 0 else np.inf
        size = self.servers + 2 + int(np.ceil(-np.log(NEGLIGIBLE**1.2) / fall))
        self._require_levels(size)
        first = float(self._busy(np.array([self.rate]))[0][0])
        chance = np.zeros(size)
        chance[0] = first
        scale = self.high + most + self.rate - 2 * self.high * first
        for k in range(1, size):
            twice = chance[1:k] @ chance[k - 1 : 0 : -1]
            chance[k] = (self.rate * chance[k - 1] + self.high * twice) / scale
        return chance

    def _require_levels(self, levels: int) -> None:
        if levels > MOST_LEVELS:
            raise ValueError(f"arrival_rates_per_s: the queue has more than {MOST_LEVELS} levels")

    def _stationary(self) -> tuple[FloatArray, FloatArray]:
        """Pr(i, j), i < c, (J, c), and Pr(c, j), (J,)."""
        c, busy = self.servers, self._arrivals_while_busy()
        inside, descent, climbs = self._descent(busy)
        exits: list[NDArray] = [np.empty((0, 0))] * (c + 1)
        arriving: list[FloatArray] = [climbs] * (c + 1)
        exits[c] = np.linalg.inv(-inside)
        for j in range(c - 1, -1, -1):
            arriving[j] = arriving[j + 1][1 : j + 2] @ descent
            arriving[j][:, -1] += busy[: j + 1]
            inside = self._inside(j, descent, arriving[j][0])
            if j:
                exits[j] = np.linalg.inv(-inside)
                descent = exits[j] * (self.mu * np.minimum(j, c - np.arange(c)))
        balance = inside.T.copy()
        balance[-1] = 1.0
        levels = [np.linalg.solve(balance, np.arange(c) == c - 1)]
        last = np.zeros(MOST_LEVELS + 1)
        last[0] = levels[0][-1]
        rest, before = np.inf, levels[0].sum()
        while rest > NEGLIGIBLE:
            j = len(levels)
            self._require_levels(j)
            climb = arriving[min(j, c)]
            reach = min(j, len(climb) - 1)
            come = last[j - reach : j] @ climb[reach:0:-1]
            levels.append((self.rate * levels[-1] + self.high * come) @ exits[min(j, c)])
            last[j] = levels[-1][-1]
            mass = levels[-1].sum()
            fall = mass / before
            rest = mass * fall / (1 - fall) if j > c and fall < 1 else mass and np.inf
            before = mass
        found = np.array(levels)
        alone = 1 - float(erlang_c(c, self.high / self.high_mu))  # Pr(i < c)
        found *= alone / found.sum()
        full = self.high / (c * self.high_mu) * np.convolve(found[:, -1], busy)[: len(found)]
        return found, full

    def _inside(self, level: int, descent: FloatArray, back: FloatArray) -> FloatArray:
        """Rates within a level, times above it left out: from phase to phase, (c, c).

        `descent` is the return from the level above, `back` that of a busy period from c - 1.
        """
        phase = np.arange(self.servers)
        served = self.mu * np.minimum(level, self.servers - phase)
        leave = self.high + phase * self.high_mu + self.rate + served
        inside = self._moves() - np.diag(leave) + self.rate * descent
        inside[-1] += self.high * back
        return inside

    def _descent(self, busy: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rates within a level ≥ c, G, and S_n = Σ_{k ≥ n} b_k e G^{k-n}, (K, c), e the phase c-1.

        G is the limit of G → (-U(G))⁻¹ D from the identity, U as `_inside` has it.
        """
        c = self.servers
        served = self.mu * (c - np.arange(c))
        descent = np.eye(c)
        for _ in range(PATIENCE):
            climbs = _climbs(busy, descent)
            inside = self._inside(c, descent, climbs[0])
            before, descent = descent, np.linalg.inv(-inside) * served
            if np.abs(descent - before).max() <= SETTLED:
                return inside, descent, climbs
        raise ArithmeticError(f"_descent: G not settled after {PATIENCE} iterations")


def _climbs(busy: FloatArray, descent: FloatArray) -> FloatArray:
    """S_n, from the last n to the first."""
    found = np.zeros((len(busy) + 1, len(descent)))
    for n in range(len(busy) - 1, -1, -1):
        found[n] = found[n + 1] @ descent
        found[n, -1] += busy[n]
    return found[:-1]
