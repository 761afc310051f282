"""Stations that are wrong on purpose, and what laws of arrivals are known to do."""

import numpy as np

from airan_market.sim.engines.station import Station
from airan_market.sim.traffic.arrival_laws import Bursts, Poisson, Recorded


class TailStation(Station):
    """An interrupted task goes behind its type, as in SimPy's PreemptiveResource."""

    def interrupt(self, task):
        super().interrupt(task)
        queue = self.waiting[task.type]
        queue.append(queue.popleft())


class EldestStation(Station):
    """Of the lowest type in service the earliest task makes room."""

    def _last_of_type(self, type_):
        return next(iter(self.in_service[type_].values()))


class ForgetfulStation(Station):
    """An interrupted task starts from the beginning."""

    def interrupt(self, task):
        super().interrupt(task)
        task.remaining_s = task.service_s[self.stage]


class LastStation(Station):
    """Of the tasks of a type that wait the last is served first."""

    def next_waiting(self):
        queue = next(queue for queue in self.waiting if queue)
        return queue.pop()


def dispersion(law: Poisson | Bursts | Recorded, rate_per_s: float, window_s: float) -> float:
    """Variance over mean of the arrivals in a window laid at a stationary moment."""
    if isinstance(law, Poisson):
        return 1.0
    if isinstance(law, Bursts):
        return law.dispersion(rate_per_s, window_s)
    tasks, window = len(law.arrival_s), rate_per_s * window_s
    if window == 0:
        return 1.0  # arrivals one by one: the limit of short windows
    # seen from the start of the window: one enters at place - window, and leaves at place
    enters, leaves = (law.place - window) % tasks, law.place
    moments = np.concatenate([enters, leaves])
    order = np.argsort(moments, kind="stable")
    change = np.repeat([1.0, -1.0], tasks)[order]
    whole_turns = window // tasks * tasks
    first = ((law.place < window % tasks) * 1.0).sum() + whole_turns
    count = first + np.concatenate([[0.0], np.cumsum(change)])
    lasts = np.diff(np.concatenate([[0.0], moments[order], [float(tasks)]]))
    mean = (count * lasts).sum() / tasks
    return float((count**2 * lasts).sum() / tasks - mean**2) / mean
