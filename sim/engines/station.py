"""A station: parallel servers with preemptive-resume priority by type, over SimPy events."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import ClassVar

from airan_market.sim.engines.simpy_clock import (
    ARRIVAL,
    COMPLETION,
    Clock,
    Occurrence,
    base_priority,
)


class Task:
    """One task on its way through the stages, and what has happened to it so far."""

    __slots__ = (
        "completion",
        "due_s",
        "end_s",
        "number",
        "preemptions",
        "remaining_s",
        "row",
        "service_s",
        "stage",
        "stage_arrival_s",
        "type",
    )

    def __init__(self, row: int, number: int, type_: int, service_s: Sequence[float]) -> None:
        self.row = row  # where its columns are
        self.number = number
        self.type = type_
        self.service_s = service_s
        self.stage = 0
        self.stage_arrival_s = float("nan")
        self.remaining_s = float("nan")  # while it waits: what it still needs of a server
        self.due_s = float("nan")  # while it is served: when that ends
        self.completion: TaskEvent | None = None  # while it is served
        self.end_s = [float("nan")] * 3
        self.preemptions = [0, 0, 0]


class TaskEvent(Occurrence):
    """Something that happens to a task at a station: it arrives, or its service ends."""

    def __init__(
        self, station: "Station", task: Task, callback: Callable[["TaskEvent"], None]
    ) -> None:
        # what Occurrence does, spelt out: the call would cost a twentieth of the running time
        self.env = station.clock
        self.callbacks = [callback]
        self.station = station
        self.task = task


class ServerChange(Occurrence):
    """A station getting another number of servers."""

    def __init__(self, station: "Station", servers: int) -> None:
        super().__init__(station.clock, _change)
        self.station = station
        self.servers = servers


def _change(event: ServerChange) -> None:
    event.station.set_servers(event.servers)


def _complete(event: TaskEvent) -> None:
    event.station.complete(event.task)


def _arrive(event: TaskEvent) -> None:
    event.station.arrive(event.task)


class Station:
    """One stage of one operator.

    In service are always the `servers` first tasks in the order of (type, arrival at this station,
    number). So an arrival that finds every server busy interrupts, if there is one of a lower
    priority, the last task of the lowest type in service; an interrupted task keeps its remaining
    work and its place before every later arrival of its type. (SimPy's PreemptiveResource with the
    type as priority queues it anew, behind them.)

    Within a type tasks therefore start in order of arrival, and what is in service of a type came
    before what waits. That makes two plain structures enough, one of each for every type:
    `in_service`, a dict in order of arrival, interrupted from its end; and `waiting`, a queue that
    new arrivals join on the right and interrupted tasks on the left. An event looks at the types
    one by one, so its cost grows with their number, not with that of the tasks.

    Another discipline is a subclass that overrides whom the station chooses, `next_waiting`,
    `victim` or `last_in_service`, or what an interruption costs a task: `interrupt`, calling this
    one first (`sim.engines.disciplines` has two). What has to hold: a task that came is in
    `in_service`, with a whole server, or in `waiting`, until it is complete. The engine looks at
    every station when a span ends, and names a task that is lost or there twice.

    A choice that follows from what a `State` says of the tasks (type, arrival, number, work) can be
    cut in spans: the next one has every task in service go on and every other one wait, in the
    order of (type, arrival, number). A discipline that remembers more says ``cuttable = False``,
    and a state with tasks under way is refused.

    Parameters
    ----------
    clock : Clock
        Whose time it keeps.
    stage : int
        0, 1 or 2.
    servers : int
        How many servers it starts with.
    types : int
        Number of types.
    leave : callable
        What happens to a task that is done here, called with the task.

    Examples
    --------
    >>> clock, gone = Clock(), []
    >>> station = Station(clock, stage=0, servers=1, types=2, leave=gone.append)
    >>> low, high = Task(0, 0, 1, (3.0, 0, 0)), Task(1, 1, 0, (1.0, 0, 0))
    >>> station.arrive(low)
    >>> clock.run_until(2.0)
    >>> station.arrive(high)
    >>> clock.run_until(9.0)
    >>> [(task.type, task.end_s[0], task.preemptions[0]) for task in gone]
    [(0, 3.0, 0), (1, 4.0, 1)]
    """

    cuttable: ClassVar[bool] = True
    operator: int = 0  # whose station it is; the engine says so

    def __init__(
        self, clock: Clock, stage: int, servers: int, types: int, leave: Callable[[Task], None]
    ) -> None:
        self.clock = clock
        self.stage = stage
        self.servers = servers
        self.types = types
        self.leave = leave
        self.in_service: list[dict[int, Task]] = [{} for _ in range(types)]
        self.waiting: list[deque[Task]] = [deque() for _ in range(types)]
        self.busy_count = 0
        self.waiting_count = 0
        self._completion_priority = base_priority(stage, COMPLETION)
        self._arrival_priority = base_priority(stage, ARRIVAL)

    def expect(self, task: Task) -> None:
        """Let the task arrive at this instant, after all that comes before an arrival."""
        clock = self.clock
        if clock.more_at_this_instant():
            self.schedule_arrival(task, clock.now)
        else:
            self.arrive(task)

    def schedule_arrival(
        self, task: Task, time_s: float, callback: Callable[[TaskEvent], None] = _arrive
    ) -> None:
        """Let the task come at `time_s`; another callback may do more than let it arrive."""
        event = TaskEvent(self, task, callback)
        self.clock.schedule_at(event, time_s, self._arrival_priority + task.number)

    def arrive(self, task: Task) -> None:
        """Take a new task: serve it, or interrupt another for it, or let it wait."""
        task.stage = self.stage
        task.stage_arrival_s = self.clock.now
        task.remaining_s = task.service_s[self.stage]
        if self.busy_count < self.servers:
            self.start(task)
            return
        victim = self.victim(task)
        if victim is not None:
            self.interrupt(victim)
            self.start(task)
        else:
            self.wait(task)

    def wait(self, task: Task) -> None:
        """Put a task at the end of its type."""
        self.waiting[task.type].append(task)
        self.waiting_count += 1

    def complete(self, task: Task) -> None:
        """End the service of a task, start the next, and send the task on."""
        task.end_s[self.stage] = task.due_s
        task.completion = None
        del self.in_service[task.type][task.number]
        self.busy_count -= 1
        self.start_waiting()
        self.leave(task)

    def set_servers(self, servers: int) -> None:
        """Change the number of servers; idle ones leave first, then those of the last tasks."""
        self.servers = servers
        while self.busy_count > servers:
            self.interrupt(self.last_in_service())
        self.start_waiting()

    def victim(self, task: Task) -> Task | None:
        """Return the task in service that has to make room for an arrival, if there is one."""
        for type_ in range(self.types - 1, task.type, -1):
            if self.in_service[type_]:
                return self._last_of_type(type_)
        return None

    def last_in_service(self) -> Task:
        """Return the task in service that is interrupted when a server is taken away."""
        type_ = max(n for n in range(self.types) if self.in_service[n])
        return self._last_of_type(type_)

    def _last_of_type(self, type_: int) -> Task:
        in_service = self.in_service[type_]
        return in_service[next(reversed(in_service))]

    def next_waiting(self) -> Task:
        """Take the waiting task that is served next out of `waiting`; there is one."""
        return next(queue for queue in self.waiting if queue).popleft()

    def start_waiting(self) -> None:
        """Give free servers to waiting tasks."""
        while self.waiting_count and self.busy_count < self.servers:
            self.waiting_count -= 1
            self.start(self.next_waiting())

    def settle(self) -> None:
        """Bring what a `State` says of the tasks up to date; called when a span is over."""

    def start(self, task: Task) -> None:
        """Begin or resume the service of a task."""
        self.serve_until(task, self.clock.now + task.remaining_s)

    def serve_until(self, task: Task, due_s: float) -> None:
        """Have the task in service until `due_s`."""
        task.due_s = due_s
        task.completion = completion = TaskEvent(self, task, _complete)
        self.clock.schedule_at(completion, due_s, self._completion_priority + task.number)
        self.in_service[task.type][task.number] = task
        self.busy_count += 1

    def interrupt(self, task: Task) -> None:
        """Take a task out of service; it keeps its remaining work and its place."""
        assert task.completion is not None
        task.completion.cancel()
        task.completion = None
        task.remaining_s = task.due_s - self.clock.now
        task.preemptions[self.stage] += 1
        del self.in_service[task.type][task.number]
        self.busy_count -= 1
        self.waiting[task.type].appendleft(task)
        self.waiting_count += 1
