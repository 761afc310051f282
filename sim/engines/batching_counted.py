"""Continuous batching as it is played: `sim.engines.batching` with steps counted, not visited.

All requests that write do so in every step, so how much one of them has written follows from the
steps that its GPU has made since it began. A GPU therefore keeps sums (tokens held, contexts) and,
of every request, the step after which it is done. A step costs the same however many are in the
batch, but for those who read, join, leave or are evicted. Equal to the readable discipline to the
last bit; a test holds that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from airan_market.sim.engines.batching import Batching, ContinuousBatching, Gpu, Request, order
from airan_market.sim.engines.station import Task


@dataclass(eq=False)
class CountingGpu(Gpu):
    """A GPU with sums over its batch, up to the last step that is over."""

    steps: int = 0  # that are over
    held: int = 0  # tokens in memory
    context: int = 0  # those of them that belong to requests that write
    reading: dict[int, Request] = field(default_factory=dict)  # who does not write in this step
    began: dict[int, int] = field(default_factory=dict)  # who writes: steps before its first
    ends: dict[int, list[Request]] = field(default_factory=dict)  # who is done after a step
    first: list[Request] = field(default_factory=list)  # who writes for the first time in it


class CountingBatching(ContinuousBatching):
    """Continuous batching, played fast; see the module.

    Examples
    --------
    >>> from airan_market.sim.engines.engine import simulate
    >>> from airan_market.sim.workload import Workload
    >>> work = Workload.arriving([0.0, 0.5], 0, [[0, 2.0, 0], [0, 4.0, 0]])
    >>> played, read = (
    ...     simulate(work, [[1, 32, 1]], until_s=9.0, station=station)[0].stage_end_s[:, 1]
    ...     for station in (CountingBatching, ContinuousBatching)
    ... )
    >>> (played == read).all()
    np.True_
    """

    gpus: list[CountingGpu]  # type: ignore[assignment]  # a list of the finer kind

    def _new_gpu(self) -> CountingGpu:
        return CountingGpu(len(self.gpus))

    def _held(self, gpu: Gpu) -> int:
        assert isinstance(gpu, CountingGpu)
        return gpu.held + len(gpu.batch)

    def _join(self, gpu: Gpu, request: Request) -> None:
        assert isinstance(gpu, CountingGpu)
        gpu.reading[request.task.number] = request
        gpu.held += request.held
        super()._join(gpu, request)

    def _step(self, gpu: Gpu) -> None:
        assert isinstance(gpu, CountingGpu)
        asked = self.settings
        for request in [r for r in gpu.reading.values() if not r.reading]:
            self._begin_writing(gpu, request)
        left, gpu.read = max(0, asked.token_budget - len(gpu.began)), {}
        for request in sorted(gpu.reading.values(), key=order):
            part = min(request.reading, left)
            if part:
                gpu.read[request.task.number] = part
                left -= part
        self._schedule(gpu, asked.step(len(gpu.began), gpu.context, sum(gpu.read.values())))

    def _begin_writing(self, gpu: CountingGpu, request: Request) -> None:
        number = request.task.number
        del gpu.reading[number]
        gpu.began[number] = gpu.steps
        gpu.ends.setdefault(gpu.steps + request.writing, []).append(request)
        gpu.context += request.held
        gpu.first.append(request)

    def end_step(self, gpu: Gpu) -> None:
        """A step is over: the same for all who wrote, and what they were reading for the others."""
        assert isinstance(gpu, CountingGpu)
        gpu.stepping = None
        for number, part in gpu.read.items():
            gpu.reading[number].reading -= part
        gpu.steps += 1
        gpu.held += len(gpu.began)
        gpu.context += len(gpu.began)
        for request in gpu.first:
            self._wrote_first(request)
        gpu.first.clear()
        self._go_on(gpu, [request.task for request in gpu.ends.pop(gpu.steps, ())])

    def _out(self, gpu: Gpu, task: Task) -> None:
        assert isinstance(gpu, CountingGpu)
        request = gpu.batch[task.number]
        self._catch_up(gpu, request)
        gpu.held -= request.held
        if task.number in gpu.reading:
            del gpu.reading[task.number]
        else:
            gpu.context -= request.held
            del gpu.began[task.number]
            if request.writing:  # it was evicted: others may be done after the same step
                gpu.ends[gpu.steps + request.writing].remove(request)
            gpu.first = [other for other in gpu.first if other is not request]
        super()._out(gpu, task)

    def _catch_up(self, gpu: CountingGpu, request: Request) -> None:
        """Give a request the tokens that it has written since it was last looked at."""
        number = request.task.number
        if number in gpu.began:
            written = gpu.steps - gpu.began[number]
            request.written += written
            request.writing -= written
            gpu.began[number] = gpu.steps

    def settle(self) -> None:
        """Look at every request, so that the state can be read."""
        for gpu in self.gpus:
            for request in gpu.batch.values():
                self._catch_up(gpu, request)
        super().settle()


def batching(
    settings: Batching, radio_token_s: Sequence[tuple[float, float]] = ()
) -> type[CountingBatching]:
    """The discipline with other settings.

    Parameters
    ----------
    settings : Batching
    radio_token_s : sequence of pairs of float
        Time of a token at a server of uplink and downlink of every operator, s; needed where the
        settings have `bits_per_token`.

    Examples
    --------
    >>> batching(Batching(slots=4)).settings.slots
    4
    """
    told = {"settings": settings, "radio_token_s": tuple(radio_token_s)}
    return type("ContinuousBatching", (CountingBatching,), told)


def timed(station: type[ContinuousBatching]) -> tuple[type[ContinuousBatching], dict[int, float]]:
    """The same discipline, and where it writes down when tasks wrote their first token, s.

    Examples
    --------
    >>> from airan_market.sim.engines.engine import simulate
    >>> from airan_market.sim.workload import Workload
    >>> alone = Batching(slots=1, step_s=0.25, request_s=0, context_token_s=0, prompt_token_s=0)
    >>> station, first_token_s = timed(batching(alone))
    >>> work = Workload.arriving([1.0], 0, [[0.0, 2.0, 0.0]])
    >>> simulate(work, [[1, 1, 1]], until_s=9.0, station=station)[0].latency_s, first_token_s
    (array([2.25]), {0: 1.5})
    """
    first_token_s: dict[int, float] = {}
    return type(station.__name__, (station,), {"first_token_s": first_token_s}), first_token_s
