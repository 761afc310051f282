"""What an operator would observe at its own stations: latencies of a type in a pilot run."""

from dataclasses import dataclass

import numpy as np

from airan_market.sim.arrays import FloatArray
from airan_market.sim.engines.engine import simulate
from airan_market.sim.streams import stream
from airan_market.sim.traffic.arrival_laws import ArrivalLaw, Bursts, Poisson, marked_arrivals
from airan_market.sim.traffic.work_laws import Exponential, TaskLaw
from airan_market.sim.workload import STAGES, Workload

WARM_UP, COOL_DOWN = 0.1, 0.05  # parts of a run at its ends whose tasks are not counted
CYCLES = 20  # of bursts and calm that a run takes in at least,
GREATEST_TASKS = 500_000  # unless that takes more tasks than these
EXPONENTIAL, POISSON = Exponential(), Poisson()


@dataclass(frozen=True)
class PilotRun:
    """The traffic in which an operator measures.

    Attributes
    ----------
    work : TaskLaw
        Law of the demands of a task over their means.
    arrivals : ArrivalLaw
        Law of the arrivals.
    seed : int
        Root seed; work comes from `stream(seed, "trial work")`, arrivals from
        `stream(seed, "trial arrivals")`, the same in every run.
    """

    work: TaskLaw = EXPONENTIAL
    arrivals: ArrivalLaw = POISSON
    seed: int = 0

    def latencies(
        self,
        servers: FloatArray,
        service_rate_per_s: FloatArray,
        above_per_s: float,
        own_per_s: float,
        tasks: int,
    ) -> FloatArray:
        """Latencies of a type in a simulation of its operator that starts empty.

        The types above are one type: with exponential work and Poisson arrivals it makes no
        difference how the traffic above is made up. What lies below makes none in any case, for
        the priority is preemptive. Arrivals go on to the end of the run, its last tasks are
        played until they are done.

        Parameters
        ----------
        servers, service_rate_per_s : array (3,)
            c and μ; an infinite rate: the stage has no work.
        above_per_s, own_per_s : float
            Tasks/s of the types above, and of the type itself, which is above 0.
        tasks : int
            Tasks of both in the run, on average.

        Returns
        -------
        array (n,)
            s, in order of arrival, without those that arrive in the first tenth and in the last
            twentieth of the run.

        Examples
        --------
        >>> one = np.array([1.0, 1.0, 1.0]), np.array([np.inf, 7.0, np.inf])
        >>> latency_s = PilotRun().latencies(*one, 0.0, 3.0, 20_000)  # M/M/1: mean 1 / 4
        >>> len(latency_s), float(latency_s.mean().round(3))
        (17112, 0.252)
        """
        total_per_s = above_per_s + own_per_s
        span_s = tasks / total_per_s
        if isinstance(self.arrivals, Bursts):
            wanted_s = CYCLES * self.arrivals.mean_s / self.arrivals.share
            span_s = max(span_s, min(wanted_s, GREATEST_TASKS / total_per_s))
        arrival_s, type_ = marked_arrivals(
            self.arrivals,
            stream(self.seed, "trial arrivals"),
            [above_per_s, own_per_s],
            0.0,
            span_s,
        )
        service_s = self.work.work(stream(self.seed, "trial work"), len(arrival_s))
        service_s /= service_rate_per_s
        done_s = span_s + float(service_s.sum()) + 1.0  # by then even one server is through
        trace, _ = simulate(
            Workload.arriving(arrival_s, type_, service_s),
            servers.reshape(1, len(STAGES)).astype(np.int64),
            until_s=done_s,
            engine="compiled",
        )
        counts = (trace.type == 1) & (trace.arrival_s >= WARM_UP * span_s)
        return trace.latency_s[counts & (trace.arrival_s < (1 - COOL_DOWN) * span_s)]
