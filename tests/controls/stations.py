"""Stations that are wrong on purpose: what a comparison of disciplines has to see."""

from airan_market.sim.engines.station import Station


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
