"""A case: one operator offered exactly given traffic, to be played as often as statistics asks."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sim.columns import FloatArray, IntArray
from sim.demand import order_of
from sim.domain import arrival_rates, server_counts, service_rates
from sim.engine import simulate
from sim.streams import stream
from sim.trace import State, Trace
from sim.workload import STAGES, Workload

#: Gaps between arrivals are drawn in blocks of the number expected and this many more.
SPARE_GAPS = 64


@dataclass(frozen=True, eq=False)
class StationCase:
    r"""One operator, the traffic that it is offered, and the laws of both.

    Type n's tasks arrive at rate λ_n and need of a server of stage s a time with mean 1/μ^s. With
    the default laws, Poisson and exponential, every station is the M/M/c queue under
    preemptive-resume priority of `sim.priority` and `sim.sojourn`.

    Attributes
    ----------
    servers : (3,) int64
        c of uplink, GPU and downlink, at least 1.
    service_rate_per_s : (3,) float
        μ of one server of each stage, 1/s, positive. Infinity: the stage has no work to do and
        tasks pass it in no time, so that one station or two can be looked at alone.
    arrival_rates_per_s : (N,) float
        λ_n, each type's own rate, 1/s, at least 0, highest priority first.
    service_law : str
        "exponential".
    arrival_law : str
        "poisson".

    Raises
    ------
    ValueError
        Naming argument and value.

    Examples
    --------
    >>> case = StationCase([4, 2, 8], [10.0, 20.0, 5.0], [12.0, 20.0])
    >>> case.loads
    array([0.8, 0.8, 0.8])
    >>> trace, state = case.play(seed=1, replication=0, until_s=100.0)
    >>> len(trace) + len(state), bool(trace.latency_s[trace.type == 0].mean() < 0.5)
    (3232, True)
    """

    servers: IntArray
    service_rate_per_s: FloatArray
    arrival_rates_per_s: FloatArray
    service_law: str = "exponential"
    arrival_law: str = "poisson"

    def __init__(
        self,
        servers: npt.ArrayLike,
        service_rate_per_s: npt.ArrayLike,
        arrival_rates_per_s: npt.ArrayLike,
        service_law: str = "exponential",
        arrival_law: str = "poisson",
    ) -> None:
        c = server_counts(servers)
        mu = np.asarray(service_rate_per_s, dtype=np.float64)
        service_rates(np.where(np.isposinf(mu), 1.0, mu))
        rates = arrival_rates(arrival_rates_per_s, "arrival_rates_per_s")
        if c.shape != (len(STAGES),) or mu.shape != (len(STAGES),):
            raise ValueError(
                f"servers, service_rate_per_s: shapes {c.shape}, {mu.shape}, allowed (3,)"
            )
        if rates.ndim != 1 or not len(rates):
            raise ValueError(f"arrival_rates_per_s: shape {rates.shape}, allowed one rate a type")
        for name, value, allowed in (
            ("service_law", service_law, "exponential"),
            ("arrival_law", arrival_law, "poisson"),
        ):
            if value != allowed:
                raise ValueError(f"{name} = {value!r}: allowed {allowed!r}")
        self._set("servers", c.astype(np.int64))
        self._set("service_rate_per_s", mu.copy())
        self._set("arrival_rates_per_s", rates.copy())
        object.__setattr__(self, "service_law", service_law)
        object.__setattr__(self, "arrival_law", arrival_law)

    def _set(self, name: str, array: npt.NDArray[Any]) -> None:
        array.setflags(write=False)
        object.__setattr__(self, name, array)

    @classmethod
    def one_station(
        cls,
        servers: int,
        service_rate_per_s: float,
        arrival_rates_per_s: npt.ArrayLike,
        **laws: Any,
    ) -> Self:
        """Return the case in which only the GPU has work to do: a single station.

        Examples
        --------
        >>> StationCase.one_station(3, 2.0, [4.5]).loads
        array([0.  , 0.75, 0.  ])
        """
        return cls(
            [1, servers, 1], [np.inf, service_rate_per_s, np.inf], arrival_rates_per_s, **laws
        )

    @property
    def loads(self) -> FloatArray:
        """Offered load of each stage by all types, Σ λ_n / (c μ), (3,)."""
        return self.arrival_rates_per_s.sum() / (self.servers * self.service_rate_per_s)

    @property
    def saturated(self) -> npt.NDArray[np.bool_]:
        """Types whose load with those above them reaches 1 in some stage, (N,)."""
        capacity_per_s = (self.servers * self.service_rate_per_s).min()
        return np.cumsum(self.arrival_rates_per_s) >= capacity_per_s

    def source(self, seed: int, replication: int, purpose: str = "replication") -> "Source":
        """Return the source of one replication's tasks, at time 0; see `Source`."""
        return Source(self, seed, replication, purpose)

    def play(
        self,
        seed: int,
        replication: int,
        until_s: float,
        *,
        purpose: str = "replication",
        engine: str = "compiled",
    ) -> tuple[Trace, State]:
        """Draw the tasks of one replication and serve them from empty until `until_s`.

        Parameters
        ----------
        seed, replication, purpose
            Which chance, as in `Source`.
        until_s : float
            End of the span that starts at 0, s.
        engine : str
            As in `sim.simulate`.

        Returns
        -------
        trace, state
            As in `sim.simulate`; all tasks have operator 0 and user 0.
        """
        work = self.source(seed, replication, purpose).until(until_s)
        return simulate(work, self.servers[np.newaxis], until_s=until_s, engine=engine)


class Source:
    """The tasks of one replication of a case, span after span.

    Type n takes its gaps between arrivals from `stream(seed, purpose + " arrivals", replication,
    n)` and its service times from `stream(seed, purpose + " services", replication, n)`, three a
    task whatever the stages. Both are drawn in units of their mean. So under one seed

    - a replication cut in other spans, or continued, has the same tasks (their number apart);
    - cases that differ in servers, rates or one type's traffic face the same chance (common
      random numbers): task k of type n comes at the same multiple of 1/λ_n and needs the same
      multiples of 1/μ.

    Parameters
    ----------
    case : StationCase
    seed : int
        Root seed.
    replication : int
        Number of the replication.
    purpose : str
        What the replications are for; other purposes have independent chance.

    Examples
    --------
    >>> case = StationCase.one_station(1, 2.0, [1.0])
    >>> whole, cut = case.source(1, 0), case.source(1, 0)
    >>> first = cut.until(40.0)
    >>> Workload.concat(first, cut.until(90.0)).equals(whole.until(90.0))
    True
    """

    def __init__(self, case: StationCase, seed: int, replication: int, purpose: str) -> None:
        self._mean_s = 1 / case.service_rate_per_s
        types = range(len(case.arrival_rates_per_s))
        self._arrivals = [
            PoissonArrivals(stream(seed, f"{purpose} arrivals", replication, n), rate)
            for n, rate in enumerate(case.arrival_rates_per_s.tolist())
        ]
        self._services = [stream(seed, f"{purpose} services", replication, n) for n in types]
        self._next_task = 0

    def until(self, until_s: float) -> Workload:
        """Return the tasks that arrive before `until_s` and have not been returned yet."""
        times_s = [arrivals.until(until_s) for arrivals in self._arrivals]
        arrival_s = np.concatenate(times_s)
        service_s = np.concatenate(
            [
                rng.standard_exponential((len(times), len(STAGES)))
                for rng, times in zip(self._services, times_s, strict=True)
            ]
        )
        service_s *= self._mean_s
        order = order_of(arrival_s)
        tasks = len(order)
        first, self._next_task = self._next_task, self._next_task + tasks
        nobody = np.zeros(tasks, dtype=np.int64)
        return Workload(
            task=np.arange(first, first + tasks),
            arrival_s=arrival_s[order],
            type=np.repeat(np.arange(len(times_s)), [len(times) for times in times_s])[order],
            operator=nobody,
            user=nobody,
            service_s=service_s[order],
        )


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
