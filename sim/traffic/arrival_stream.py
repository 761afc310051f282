"""The tasks that come to one operator, drawn span after span from named streams."""

from collections.abc import Callable

import numpy as np

from airan_market.sim.arrays import FloatArray
from airan_market.sim.streams import stream
from airan_market.sim.traffic.arrival_laws import ArrivalLaw, Poisson, marked_arrivals
from airan_market.sim.traffic.work_laws import TaskLaw
from airan_market.sim.workload import Workload

#: Gaps between arrivals are drawn in blocks of the number expected and this many more.
SPARE_GAPS = 64

Chance = tuple[int, str, int]  # root seed, purpose, replication


class ArrivalStream:
    """The tasks of one replication, span after span.

    Type n takes its gaps between arrivals from `stream(seed, purpose + " arrivals", replication,
    n)` and its service times from `stream(seed, purpose + " services", replication, n)`, three a
    task whatever the stages. Both are drawn in units of their mean. So under one seed models that
    differ in servers, rates or one type's traffic face the same chance (common random numbers):
    task k of type n comes at the same multiple of 1/λ_n and needs the same multiples of 1/μ. A
    replication that is continued keeps the tasks that it had, and with Poisson arrivals and one
    law of service for all stages it has the same tasks wherever its spans are cut.

    Parameters
    ----------
    rates_per_s : (N,) float
        λ_n, 1/s.
    mean_s : (3,) float
        Mean service time of each stage, s.
    service_law : TaskLaw
    arrival_law : ArrivalLaw
        Poisson types are drawn one by one; types that share bursts need what `BurstyTypes` says.
    chance : (seed, purpose, replication)
        Root seed; what the replication is for (other purposes have independent chance); its number.

    Examples
    --------
    >>> from airan_market.sim.traffic.work_laws import Exponential
    >>> laws = np.array([1.0]), np.array([0.0, 0.5, 0.0]), Exponential(), Poisson()
    >>> whole, cut = (ArrivalStream(*laws, (1, "an example", 0)) for _ in range(2))
    >>> first = cut.until(40.0)
    >>> Workload.concat(first, cut.until(90.0)).equals(whole.until(90.0))
    True
    """

    def __init__(
        self,
        rates_per_s: FloatArray,
        mean_s: FloatArray,
        service_law: TaskLaw,
        arrival_law: ArrivalLaw,
        chance: Chance,
    ) -> None:
        seed, purpose, replication = chance
        self._mean_s, self._law = mean_s, service_law
        arrivals, self._services = (
            [stream(seed, f"{purpose} {what}", replication, n) for n in range(len(rates_per_s))]
            for what in ("arrivals", "services")
        )
        self._arrivals: Callable[[float], list[FloatArray]]
        if isinstance(arrival_law, Poisson):
            each = [PoissonArrivals(*own) for own in zip(arrivals, rates_per_s, strict=True)]
            self._arrivals = lambda until_s: [own.until(until_s) for own in each]
        else:
            self._arrivals = BurstyTypes(arrival_law, rates_per_s, arrivals, chance).until
        self._next_task = 0

    def until(self, until_s: float) -> Workload:
        """Return the tasks that arrive before `until_s` and have not been returned yet."""
        times_s = self._arrivals(until_s)
        counts = [len(times) for times in times_s]
        service_s = np.empty((sum(counts), len(self._mean_s)))
        first_row = 0
        for rng, tasks in zip(self._services, counts, strict=True):
            own = service_s[first_row : first_row + tasks]
            np.multiply(self._law.work(rng, tasks), self._mean_s, out=own)
            first_row += tasks
        first, self._next_task = self._next_task, self._next_task + sum(counts)
        return Workload.arriving(
            np.concatenate(times_s),
            np.repeat(np.arange(len(counts)), counts),
            service_s,
            first_task=first,
        )


class BurstyTypes:
    """Types that share the ups and downs of one process.

    A law with an `intensity` (Markov-modulated arrivals) draws it from `stream(seed, purpose +
    " pace", replication)`, and each type's arrivals, given it, from the type's generator. Any other
    law (the arrivals of a trace) is drawn from time 0 anew for every span and gives every arrival a
    type; the draw of a longer span has to begin as that of a shorter one, which is checked.

    Examples
    --------
    >>> from airan_market.sim.traffic.arrival_laws import Bursts
    >>> rates_per_s, law = np.array([40.0, 20.0]), Bursts(ratio=9.0, share=0.25, mean_s=0.5)
    >>> own = [stream(1, "an example", n) for n in range(2)]
    >>> types = BurstyTypes(law, rates_per_s, own, (1, "an example", 0))
    >>> [len(times) for times in types.until(100.0)]
    [4103, 2040]
    """

    def __init__(
        self,
        law: ArrivalLaw,
        rates_per_s: FloatArray,
        types: list[np.random.Generator],
        chance: Chance,
    ) -> None:
        self._law, self._rates_per_s, self._types = law, rates_per_s, types
        self._chance = chance
        self._returned_s = 0.0
        self._returned = 0

    def until(self, until_s: float) -> list[FloatArray]:
        """Arrivals of each type before `until_s` that have not been returned yet, sorted, s."""
        seed, purpose, replication = self._chance
        start_s, self._returned_s = self._returned_s, max(until_s, self._returned_s)
        if until_s <= start_s:
            return [np.empty(0) for _ in self._types]
        rng = stream(seed, f"{purpose} pace", replication)
        if hasattr(self._law, "intensity"):
            intensity = self._law.intensity(rng, np.nextafter(until_s, np.inf))
            times_s = [
                np.sort(intensity.arrivals(own, rate, start_s, until_s - start_s))
                for own, rate in zip(self._types, self._rates_per_s.tolist(), strict=True)
            ]
        else:
            times_s = self._from_the_start(rng, start_s, until_s)
        before_s = np.nextafter(until_s, 0.0)  # start + (end - start) can round up past the end
        return [np.minimum(times, before_s) for times in times_s]

    def _from_the_start(
        self, rng: np.random.Generator, start_s: float, until_s: float
    ) -> list[FloatArray]:
        arrival_s, type_ = marked_arrivals(self._law, rng, self._rates_per_s, 0.0, until_s)
        first = int(np.searchsorted(arrival_s, start_s))
        if first != self._returned:
            raise ValueError(
                f"arrival_law = {self._law!r}: a longer draw does not begin as the shorter did"
            )
        self._returned = len(arrival_s)
        new_s, new_type = arrival_s[first:], type_[first:]
        return [new_s[new_type == n] for n in range(len(self._types))]


class PoissonArrivals:
    """Arrival times of a Poisson process, span after span, the same wherever the spans are cut.

    Examples
    --------
    >>> process = PoissonArrivals(stream(1, "an example"), 2.0)
    >>> early, late = process.until(5.0), process.until(9.0)
    >>> bool(early.max() < 5.0 <= late.min() and late.max() < 9.0)
    True
    """

    def __init__(self, rng: np.random.Generator, rate_per_s: float) -> None:
        self._rng = rng
        self._rate_per_s = rate_per_s
        self._last_s = 0.0
        self._drawn_s = np.empty(0)  # drawn and not returned yet

    def until(self, until_s: float) -> FloatArray:
        """Return the arrivals before `until_s` that have not been returned yet, s."""
        if not self._rate_per_s > 0:
            return np.empty(0)
        while self._last_s < until_s:
            self._draw(until_s)
        early = int(np.searchsorted(self._drawn_s, until_s))
        times_s, self._drawn_s = self._drawn_s[:early], self._drawn_s[early:]
        return times_s

    def _draw(self, until_s: float) -> None:
        """Draw a block of gaps; adding one after another makes the blocks leave no mark."""
        expected = int((until_s - self._last_s) * self._rate_per_s)
        gaps_s = self._rng.standard_exponential(expected + SPARE_GAPS) / self._rate_per_s
        gaps_s[0] += self._last_s
        times_s = np.cumsum(gaps_s)
        self._last_s = float(times_s[-1])
        self._drawn_s = np.concatenate([self._drawn_s, times_s])
