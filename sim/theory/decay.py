r"""How fast the far tail of a sojourn falls: its large-deviation rate, by station, type and route.

The Laplace transform of a tail is analytic right of its slowest singularity -θ on the negative real
axis, and the tail falls like t^k exp(-θ t): a pole of order k + 1 gives a whole k, a branch point
k = -3/2. Rates say what an exact tail must do far out, and where a belief must end up on the wrong
side: one whose rate is too large undercuts the truth at some latency, whatever its constant.

- First come, first served (eq. (4)): poles at the service rate μ and at the waiting rate
  r = cμ - λ, if there is a wait at all.
- Type n under preemptive resume: the branch point (√(cμ) - √Λ_{n-1})² of the queue of higher types;
  the pole λ_n (cμ - Λ_n)/Λ_n of the number that the task finds ahead, if Λ_n² > cμ Λ_{n-1}; and
  the pole of a task that is served at once and interrupted now and then, between them and μ.
- A sum of independent stages: the slowest of them, orders of coinciding poles added.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.domain import arrival_rates, loads, tandem
from airan_market.sim.theory.sojourn import stage_laws

BRANCH_POWER = -1.5
HALVINGS = 60  # of an interval in units of μ or less, that is to rounding


class Decay(NamedTuple):
    """Shape of a far tail, constant · t^power · exp(-rate t).

    Attributes
    ----------
    rate_per_s : array
        θ, 1/s; 0 where saturated, for there the tail is 1.
    power : array
        k; 0 where saturated.
    """

    rate_per_s: FloatArray
    power: FloatArray


def fcfs_decay(
    servers: npt.ArrayLike, service_rate_per_s: npt.ArrayLike, arrival_rate_per_s: npt.ArrayLike
) -> Decay:
    r"""Decay of eq. (9), the sum of independent first-come M/M/c sojourns: θ = min_s min(μ^s, r^s).

    Parameters
    ----------
    servers : array_like, shape (..., S)
        c of each stage, whole numbers, at least 1.
    service_rate_per_s : array_like, shape (..., S)
        μ of each stage, 1/s, positive.
    arrival_rate_per_s : array_like, shape (...)
        λ, the same at every stage, 1/s, at least 0. The leading axes broadcast.

    Returns
    -------
    Decay
        Arrays (...). The power is the number of coinciding slowest poles less one; poles count as
        coinciding when they are equal as floating-point numbers.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    References
    ----------
    The poles of eqs. (4) and (9) of the paper.

    Examples
    --------
    >>> fcfs_decay([1, 1], [7.0, 7.0], [3.0, 7.0])  # (1 + 4t) exp(-4t); saturated
    Decay(rate_per_s=array([4., 0.]), power=array([1., 0.]))
    """
    c, mu, _, r = stage_laws(servers, service_rate_per_s, arrival_rate_per_s)
    arriving = arrival_rates(arrival_rate_per_s)[..., np.newaxis] > 0
    saturated = (r <= 0).any(axis=-1)
    # one server: the exponential of rate r, with no pole at μ; and no pole at r without arrivals
    service = np.where((c == 1) & arriving, np.inf, mu)
    poles = np.concatenate([service, np.where(arriving, r, np.inf)], axis=-1)
    rate = poles.min(axis=-1)
    order = (poles == rate[..., np.newaxis]).sum(axis=-1)
    return Decay(np.where(saturated, 0.0, rate)[()], np.where(saturated, 0.0, order - 1.0)[()])


def preemptive_decay(
    servers: npt.ArrayLike, service_rate_per_s: npt.ArrayLike, arrival_rates_per_s: npt.ArrayLike
) -> Decay:
    r"""Decay of the law of each type under preemptive resume, end to end over independent stages.

    Parameters
    ----------
    servers, service_rate_per_s : array_like, shape (S,) or ()
        c, whole numbers, at least 1, and μ, 1/s, positive, of each stage.
    arrival_rates_per_s : array_like, shape (N,)
        λ_1, ..., λ_N, each type's own rate, the same at every stage, 1/s, at least 0.

    Returns
    -------
    Decay
        Arrays (N,). The power is that of poles where the slowest singularity is one, the number of
        stages that share it less one, and -3/2 where it is a branch point. (Where a pole just
        emerges from a branch point the tail is between the two for long.)

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    References
    ----------
    J. Abate, W. Whitt, "Asymptotics for M/G/1 low-priority waiting-time tail probabilities",
    Queueing Systems 25 (1997) 173-233, has both kinds for one server.

    Examples
    --------
    One server: type 1 is exponential of rate 7 - 3; type 2 decays by the branch point, (√7 - √3)²,
    as 5² > 7 · 3 fails to hold for 4.5 in place of 5:

    >>> preemptive_decay(1, 7.0, [3.0, 1.5]).rate_per_s.round(6), round((7**0.5 - 3**0.5) ** 2, 6)
    (array([4.      , 0.834849]), 0.834849)
    >>> preemptive_decay(1, 7.0, [3.0, 2.0]).rate_per_s  # 2 · (7 - 5)/5
    array([4. , 0.8])
    """
    c, mu, own = tandem(servers, service_rate_per_s, arrival_rates_per_s)
    found = [_type_decay(c, mu, above, load) for load, above in zip(*loads(own), strict=True)]
    return Decay(np.array([d[0] for d in found]), np.array([d[1] for d in found]))


def _type_decay(c: FloatArray, mu: FloatArray, above: float, load: float) -> tuple[float, float]:
    if (c * mu <= load).any():
        return 0.0, 0.0
    branches = ((c * mu - above) / (np.sqrt(c * mu) + np.sqrt(above))) ** 2
    poles = [
        pole
        for stage in zip(c.tolist(), mu.tolist(), branches.tolist(), strict=True)
        for pole in _station_poles(*stage, above, load)
    ]
    rate = min(poles, default=np.inf)
    # with nothing above there is no queue of higher types, and no branch point
    if above > 0 and branches.min() < rate:
        return float(branches.min()), BRANCH_POWER
    return rate, poles.count(rate) - 1.0


def _station_poles(c: float, mu: float, branch: float, above: float, load: float) -> list[float]:
    """Rates of the slowest pole of each kind of one station, those before the branch point."""
    poles = []
    if load > 0 and load > np.sqrt(c * mu) * np.sqrt(above):
        poles.append((load - above) * (c * mu - load) / load)
    if above == 0:
        # one server that never idles between its customers: no service pole, see fcfs_decay
        return [*poles, mu] if c > 1 or load == 0 else poles
    low, high = 0.0, min(branch, mu)
    # every task survives with the chance that it has with a server of its own: if the branch point
    # is beyond μ, there is a pole before μ
    if branch < mu and _is_slower(c, mu, above, branch):
        return poles
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _is_slower(c, mu, above, middle):
            low = middle
        else:
            high = middle
    return [*poles, high]


def _is_slower(c: float, mu: float, above: float, rate: float) -> bool:
    """Whether `rate` is slower than all poles of `sim.theory.preemptive`'s chain up to the branch.

    At z = -rate the ratios u_j = F_{j+1}/F_j of positive solutions satisfy
    Λ u_j = (z + Λ + μ (j + 1)) - μ j / u_{j-1}, and u_{c-1} must outgrow x, which continues them in
    the queue: Λ x² - (z + Λ + cμ) x + cμ = 0. Another recursion than the kernel's.
    """
    ratio = np.inf
    for j in range(int(c)):
        ratio = (-rate + above + mu * (j + 1) - mu * j / ratio) / above
        if ratio <= 0:
            return False
    total = -rate + above + c * mu
    root = np.sqrt(max(total**2 - 4 * above * c * mu, 0.0))
    return bool(ratio > 2 * c * mu / (total + root))
