"""Three stations in a row with exactly given traffic, played as often as statistics asks."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.engines.engine import simulate
from airan_market.sim.theory.domain import tandem
from airan_market.sim.trace import State, Trace
from airan_market.sim.traffic.arrival_laws import ArrivalLaw, Poisson
from airan_market.sim.traffic.arrival_stream import ArrivalStream
from airan_market.sim.traffic.work_laws import Exponential, TaskLaw
from airan_market.sim.workload import STAGES

EXPONENTIAL, POISSON = Exponential(), Poisson()


@dataclass(frozen=True, eq=False)
class TandemModel:
    r"""One operator, the traffic that it is offered, and the laws of both.

    Type n's tasks arrive at rate λ_n and need of a server of stage s a time with mean 1/μ^s. With
    the default laws, Poisson and exponential, every station is the M/M/c queue under
    preemptive-resume priority of `sim.theory.priority` and `sim.theory.sojourn`.

    Attributes
    ----------
    servers : (3,) int64
        c of uplink, GPU and downlink, at least 1.
    service_rate_per_s : (3,) float
        μ of one server of each stage, 1/s, positive. Infinity: the stage has no work to do and
        tasks pass it in no time, so that one station or two can be looked at alone.
    arrival_rates_per_s : (N,) float
        λ_n, each type's own rate, 1/s, at least 0, highest priority first.
    service_law : TaskLaw
        Law of a task's three service times in units of their means (`sim.traffic.work_laws`).
    arrival_law : ArrivalLaw
        Law of the arrivals of all types together (`sim.traffic.arrival_laws`): they share bursts.

    Raises
    ------
    ValueError
        Naming argument and value.

    Examples
    --------
    >>> model = TandemModel([4, 2, 8], [10.0, 20.0, 5.0], [12.0, 20.0])
    >>> model.loads
    array([0.8, 0.8, 0.8])
    >>> trace, state = model.play(seed=1, replication=0, until_s=100.0)
    >>> len(trace) + len(state), bool(trace.latency_s[trace.type == 0].mean() < 0.5)
    (3232, True)
    """

    servers: IntArray
    service_rate_per_s: FloatArray
    arrival_rates_per_s: FloatArray
    service_law: TaskLaw = EXPONENTIAL
    arrival_law: ArrivalLaw = POISSON

    def __init__(
        self,
        servers: npt.ArrayLike,
        service_rate_per_s: npt.ArrayLike,
        arrival_rates_per_s: npt.ArrayLike,
        service_law: TaskLaw = EXPONENTIAL,
        arrival_law: ArrivalLaw = POISSON,
    ) -> None:
        mu = np.array(service_rate_per_s, dtype=np.float64)
        c, _, rates = tandem(servers, np.where(np.isposinf(mu), 1.0, mu), arrival_rates_per_s)
        if c.shape != (len(STAGES),):
            raise ValueError(f"servers, service_rate_per_s: shape {c.shape}, allowed (3,)")
        laws = {"service_law": service_law, "arrival_law": arrival_law}
        for (name, law), draws in zip(laws.items(), ("work", "arrivals"), strict=True):
            if not hasattr(law, draws):
                raise ValueError(f"{name} = {law!r}: allowed a law with a method {draws!r}")
            object.__setattr__(self, name, law)
        arrays = {"servers": c.astype(np.int64), "service_rate_per_s": mu}
        for name, array in (arrays | {"arrival_rates_per_s": rates.copy()}).items():
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
        """Return the model in which only the GPU has work to do: a single station.

        Examples
        --------
        >>> TandemModel.one_station(3, 2.0, [4.5]).loads
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

    def arrivals(self, seed: int, replication: int, purpose: str = "replication") -> ArrivalStream:
        """Return the stream of one replication's tasks, at time 0; see `ArrivalStream`."""
        return ArrivalStream(
            self.arrival_rates_per_s,
            1 / self.service_rate_per_s,
            self.service_law,
            self.arrival_law,
            (seed, purpose, replication),
        )

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

        Arguments are those of `ArrivalStream` and `sim.simulate`, whose trace and state it returns.
        """
        work = self.arrivals(seed, replication, purpose).until(until_s)
        return simulate(work, self.servers[np.newaxis], until_s=until_s, engine=engine)
