"""The clock of a simulation: SimPy's, with absolute times and a fixed order of simultaneous events.

SimPy schedules by delay, and now + (t - now) is not always t in floating point; an end of service
that is carried from span to span has to keep every bit, so here events are put at absolute times.
"""

from collections.abc import Callable
from heapq import heappush
from typing import Any

import simpy

COMPLETION, CHANGE, ARRIVAL = range(3)  # the order of kinds of events at one instant and station
# At one instant the end of a span comes first, for a span does not contain it, then what SimPy
# schedules by itself (a process that starts or goes on, with priority 0 or 1), then the stations.
STOP, STATIONS = -1, 2


def base_priority(stage: int, kind: int) -> int:
    """Return the priority of event number 0 of a kind at a stage; add the number of the task.

    At one instant events happen in the order of their priority: by stage, then by kind, then by
    number; 63 bits are left to the number, so that it never reaches into the kind.

    Examples
    --------
    >>> base_priority(0, ARRIVAL) + 2**63 - 1 < base_priority(1, COMPLETION)
    True
    """
    return STATIONS + ((3 * stage + kind) << 63)


class Occurrence(simpy.Event):
    """An event that is sure to happen once it is scheduled, and calls one function."""

    _ok = True
    _value = None

    def __init__(self, clock: "Clock", callback: Callable[[Any], None]) -> None:
        self.env = clock
        self.callbacks = [callback]

    def cancel(self) -> None:
        """Let it pass without effect (SimPy's queue has no way to take an event out)."""
        self.callbacks.clear()


class Clock(simpy.Environment):
    """SimPy's environment with absolute times; `now` starts at the given time, s."""

    def schedule_at(self, event: simpy.Event, time_s: float, priority: int) -> None:
        """Let the event happen at `time_s`; priority (`base_priority`) orders one instant."""
        heappush(self._queue, (time_s, priority, next(self._eid), event))  # type: ignore[misc]

    def more_at_this_instant(self) -> bool:
        """Say whether another event is scheduled for now."""
        queue = self._queue
        return bool(queue) and queue[0][0] == self._now

    def run_until(self, time_s: float) -> None:
        """Let everything before `time_s` happen, nothing at it, and set the clock to it."""
        stop = Occurrence(self, lambda event: None)
        self.schedule_at(stop, time_s, STOP)
        self.run(until=stop)
