"""GPUs that batch: iteration-level scheduling with a memory of keys and values, as a discipline.

A GPU runs one step after another over all requests of its batch. In a step every request that has
read its prompt writes one token, and prompts are read in chunks within a token budget. A step takes

    step_s + requests · request_s + context · context_token_s + prompt tokens · prompt_token_s

so tokens come the faster the emptier the batch. Requests join and leave between steps (Yu et al.,
Orca, OSDI 2022). Each holds memory for its prompt and what it has written; when a GPU runs out of
it, the last request of the lowest type is evicted, waits before later ones of its type, and reads
prompt and text again (Kwon et al., vLLM, SOSP 2023). Free slots go to waiting requests by type,
then arrival, on the GPU with the fewest; nobody is evicted for a slot.

The stage's `servers` are slots, `slots` of them a GPU, and a task's service time is what it would
take in a batch that is always full, at the context of a prompt: its tokens, and as many prompts
read as there are slots, for while it is served each of them is taken again once. So an M/M/c
station of these servers is fitted to the capacity of the GPU. The radio stages serve by preemptive
resume.

Where the tokens of a task come from:

- by default all prompts are `prompt_tokens` long, and the service time at the GPU gives the number
  of tokens written, rounded up;
- with `bits_per_token` a task sends its prompt up and gets its answer down: its service times at
  uplink and downlink, over the time of a token there, are its tokens, to the nearest whole one, and
  its service time at the GPU is what operators reckon with and nothing else.

What is written here is made to be read: it visits every request in every step. What is played is
`sim.engines.batching_counted`, the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import ClassVar

from airan_market.sim.engines.simpy_clock import Clock, Occurrence
from airan_market.sim.engines.station import Station, Task

GPU = 1  # the stage that batches


@dataclass(frozen=True)
class Batching:
    """A GPU that batches; times in s, the rest in tokens and requests.

    The defaults are those of a model of 13 · 10⁹ weights of two bytes on one A100 of 80 GB, by its
    data sheet (2.0 TB/s, 312 TFLOP/s, half of them reached), not measured: a step reads all weights
    (26 GB, 13 ms); a token is 26 GFLOP (0.17 ms, in a prompt or written); its keys and values in 40
    layers of 5,120 numbers are 0.82 MB, read in 0.41 µs a step; 54 GB less a tenth hold 59,000.
    """

    slots: int = 32
    step_s: float = 0.013
    request_s: float = 1.7e-4
    context_token_s: float = 4.1e-7
    prompt_token_s: float = 1.7e-4
    prompt_tokens: int = 128
    token_budget: int = 512
    memory_tokens: int = 59_000
    bits_per_token: float | None = None

    def step(self, requests: int, context: int, prompt: int) -> float:
        """Length of a step, s.

        Examples
        --------
        >>> round(Batching().step(requests=10, context=5000, prompt=0), 6)
        0.01675
        """
        return (
            self.step_s + requests * self.request_s + context * self.context_token_s
            + prompt * self.prompt_token_s
        )  # fmt: skip

    @property
    def token_s(self) -> float:
        """Time of a token in a full batch at the context of a prompt, s."""
        return self.step(self.slots, self.slots * self.prompt_tokens, 0)

    @property
    def reading_s(self) -> float:
        """Time that reading as many prompts as there are slots adds, s."""
        return self.slots * self.prompt_tokens * self.prompt_token_s

    def tokens(self, service_s: float) -> int:
        """Tokens that a task writes: its service time less that of the prompts; at least one.

        Examples
        --------
        >>> one = Batching(slots=1, step_s=0.25, request_s=0, context_token_s=0, prompt_tokens=0)
        >>> [one.tokens(service_s) for service_s in (0.1, 0.25, 1.0)]
        [1, 1, 4]
        """
        return max(1, ceil(round((service_s - self.reading_s) / self.token_s, 9)))


@dataclass(eq=False)
class Request:
    """Where a task stands on a GPU: tokens of prompt to read, to write, and written."""

    task: Task
    reading: int
    writing: int
    written: int
    reading_from: int = 0  # tokens that are read before it writes: a prompt, or that and its text
    joined_s: float = 0.0

    @property
    def held(self) -> int:
        """Tokens in memory, those of a prompt counted from the start."""
        return self.reading_from + self.written


@dataclass(eq=False)
class Gpu:
    """One GPU: its batch by task number, and the step that it is in."""

    number: int
    batch: dict[int, Request] = field(default_factory=dict)
    stepping: Step | None = None
    read: dict[int, int] = field(default_factory=dict)  # tokens of prompts read in this step
    writers: set[int] = field(default_factory=set)  # who writes a token in it: not who joins later


class ContinuousBatching(Station):
    """Continuous batching at the GPU stage; see the module.

    A span can be cut: the step under way is begun anew at the cut, so that what comes after may be
    a step late.

    Examples
    --------
    >>> from airan_market.sim.engines.engine import simulate
    >>> from airan_market.sim.workload import Workload
    >>> class TwoSlots(ContinuousBatching):
    ...     settings = Batching(slots=2, step_s=0.75, request_s=0.125, context_token_s=0.0,
    ...                         prompt_token_s=0.0, prompt_tokens=0)
    >>> work = Workload.arriving([0.0, 0.5], 0, [[0, 2.0, 0], [0, 1.0, 0]])  # two tokens and one
    >>> simulate(work, [[1, 2, 1]], until_s=9.0, station=TwoSlots)[0].stage_end_s[:, 1]
    array([1.875, 1.875])
    """

    settings: ClassVar[Batching] = Batching()
    #: Time of a token at uplink and downlink, s, by operator; read with `bits_per_token`.
    radio_token_s: ClassVar[Sequence[tuple[float, float]]] = ()
    #: Where it is written down when tasks, by number, wrote their first token; s.
    first_token_s: ClassVar[dict[int, float] | None] = None

    def __init__(
        self, clock: Clock, stage: int, servers: int, types: int, leave: Callable[[Task], None]
    ) -> None:
        super().__init__(clock, stage, servers, types, leave)
        self.batches = stage == GPU
        self.gpus: list[Gpu] = []
        self.requests: dict[int, Request] = {}
        self.at: dict[int, Gpu] = {}  # where a request is
        if self.batches:
            self._resize()

    def _resize(self) -> None:
        while len(self.gpus) < ceil(self.servers / self.settings.slots):
            self.gpus.append(self._new_gpu())

    def _new_gpu(self) -> Gpu:
        return Gpu(len(self.gpus))

    def _room(self, gpu: Gpu) -> int:
        """Slots of a GPU that are free; the last one may have fewer than the others."""
        slots = self.settings.slots
        mine = min(slots, self.servers - gpu.number * slots)
        return mine - len(gpu.batch)

    def arrive(self, task: Task) -> None:
        """Take a new task: it waits, and joins a batch at once where there is room."""
        if not self.batches:
            super().arrive(task)
            return
        task.stage, task.stage_arrival_s = self.stage, self.clock.now
        task.remaining_s = self._whole_s(task)
        self.wait(task)
        self.start_waiting()

    def start_waiting(self) -> None:
        """Give free slots to waiting requests, as long as there is memory for the next."""
        if not self.batches:
            super().start_waiting()
            return
        while self.waiting_count and self.busy_count < self.servers:
            task = self.next_waiting()
            request = self._request(task)
            gpu = min((g for g in self.gpus if self._room(g) > 0 and self._fits(g, request)),
                      key=lambda g: (len(g.batch), g.number), default=None)  # fmt: skip
            if gpu is None:
                self.waiting[task.type].appendleft(task)
                return
            self.waiting_count -= 1
            self._join(gpu, request)

    def _fits(self, gpu: Gpu, request: Request) -> bool:
        """Memory for it and a token each; a batch of one always fits, or it never would."""
        held = self._held(gpu) + request.held + 1
        return not gpu.batch or held <= self.settings.memory_tokens

    def _held(self, gpu: Gpu) -> int:
        """Tokens in memory after one more of every request."""
        return sum(request.held + 1 for request in gpu.batch.values())

    def _request(self, task: Task) -> Request:
        """The request of a task; of one carried over a cut, from the work that remains."""
        known = self.requests.get(task.number)
        if known is None:
            known = self.requests[task.number] = self._known_by_work(task)
        return known

    def _tokens(self, task: Task) -> tuple[int, int]:
        """Tokens of its prompt and of its answer; see the module."""
        asked = self.settings
        if asked.bits_per_token is None:
            return asked.prompt_tokens, asked.tokens(task.service_s[self.stage])
        up_s, down_s = self.radio_token_s[self.operator]
        prompt, answer = task.service_s[GPU - 1] / up_s, task.service_s[GPU + 1] / down_s
        return round(prompt), max(1, round(answer))

    def _whole_s(self, task: Task) -> float:
        """What all of a task takes in a full batch, s."""
        if self.settings.bits_per_token is None:
            return task.service_s[self.stage]
        return self._time_s(*self._tokens(task))

    def _known_by_work(self, task: Task) -> Request:
        asked = self.settings
        prompt, tokens = self._tokens(task)
        if task.remaining_s >= self._whole_s(task):
            return Request(task, prompt, tokens, 0, prompt)
        writing, beyond = tokens, task.remaining_s - tokens * asked.token_s
        reading = prompt
        if beyond <= 0:  # the prompt is read
            reading, writing = 0, max(1, min(tokens, ceil(task.remaining_s / asked.token_s)))
        elif asked.prompt_token_s:
            part = beyond / (asked.slots * asked.prompt_token_s)
            reading = min(prompt, ceil(part))
        return Request(task, reading, writing, tokens - writing, prompt)

    def _join(self, gpu: Gpu, request: Request) -> None:
        task = request.task
        gpu.batch[task.number] = request
        self.at[task.number] = gpu
        self.in_service[task.type][task.number] = task
        self.busy_count += 1
        request.joined_s = self.clock.now
        if gpu.stepping is None:
            self._step(gpu)
        task.completion = gpu.stepping  # type: ignore[assignment]  # an event: it is in service

    def settle(self) -> None:
        """Say until when tasks are in service: nominally, until all is done in full batches."""
        for gpu in self.gpus:
            for request in gpu.batch.values():
                assert gpu.stepping is not None
                since_s = max(gpu.stepping.start_s, request.joined_s)
                due_s = since_s + self._work_s(request)
                request.task.due_s = max(due_s, gpu.stepping.end_s)

    def _work_s(self, request: Request) -> float:
        return self._time_s(request.reading, request.writing)

    def _time_s(self, reading: int, writing: int) -> float:
        asked = self.settings
        return reading * asked.slots * asked.prompt_token_s + writing * asked.token_s

    def serve_until(self, task: Task, due_s: float) -> None:
        """Go on with a task that a cut found in service."""
        if not self.batches:
            super().serve_until(task, due_s)
            return
        task.remaining_s = max(due_s - self.clock.now, 0.0)
        free = [gpu for gpu in self.gpus if self._room(gpu) > 0]
        self._join(min(free, key=lambda g: (len(g.batch), g.number)), self._request(task))

    def _step(self, gpu: Gpu) -> None:
        """Begin a step over the batch, prompts in the order of type and arrival."""
        asked, batch = self.settings, gpu.batch.values()
        writers = [request for request in batch if not request.reading]
        gpu.writers = {request.task.number for request in writers}
        left, gpu.read = max(0, asked.token_budget - len(writers)), {}
        for request in sorted((r for r in batch if r.reading), key=order):
            part = min(request.reading, left)
            if part:
                gpu.read[request.task.number] = part
                left -= part
        context = sum(request.held for request in writers)
        self._schedule(gpu, asked.step(len(writers), context, sum(gpu.read.values())))

    def _schedule(self, gpu: Gpu, length_s: float) -> None:
        """Have the step end that begins now."""
        now = self.clock.now
        gpu.stepping = step = Step(self, gpu, now, now + length_s)
        priority = self._completion_priority + min(gpu.batch)
        self.clock.schedule_at(step, step.end_s, priority)

    def end_step(self, gpu: Gpu) -> None:
        """A step is over: tokens are written, requests leave, are evicted, join, and it goes on."""
        gpu.stepping, done = None, []
        for number, request in gpu.batch.items():
            request.reading -= gpu.read.get(number, 0)
            if number not in gpu.writers:
                continue
            request.writing -= 1
            request.written += 1
            self._wrote_first(request)
            if request.writing == 0:
                done.append(request.task)
        self._go_on(gpu, done)

    def _wrote_first(self, request: Request) -> None:
        """Write down when the first token of a task was there; it counts once."""
        if self.first_token_s is not None:
            self.first_token_s.setdefault(request.task.number, self.clock.now)

    def _go_on(self, gpu: Gpu, done: list[Task]) -> None:
        """Let go who is done, evict whom memory has no place for, begin the next step."""
        for task in sorted(done, key=lambda task: task.number):
            self._leave(gpu, task)
        self._make_room(gpu)
        if gpu.batch:
            self._step(gpu)
        self.start_waiting()

    def _leave(self, gpu: Gpu, task: Task) -> None:
        task.end_s[self.stage] = self.clock.now
        task.completion = None
        self._out(gpu, task)
        del self.requests[task.number]
        self.leave(task)

    def _out(self, gpu: Gpu, task: Task) -> None:
        del gpu.batch[task.number], self.at[task.number]
        gpu.writers.discard(task.number)  # it may come back before the step is over
        gpu.read.pop(task.number, None)
        del self.in_service[task.type][task.number]
        self.busy_count -= 1

    def _make_room(self, gpu: Gpu) -> None:
        """Evict until the next step's tokens fit into memory; one request always stays."""
        while len(gpu.batch) > 1 and self._held(gpu) > self.settings.memory_tokens:
            self._evict(gpu, max(gpu.batch.values(), key=order))

    def _evict(self, gpu: Gpu, request: Request) -> None:
        task = request.task
        self._out(gpu, task)
        request.reading_from += request.written  # all of it is read again
        request.reading, request.written = request.reading_from, 0
        task.completion = None
        task.remaining_s = self._work_s(request)
        task.preemptions[self.stage] += 1
        self.waiting[task.type].appendleft(task)
        self.waiting_count += 1

    def set_servers(self, servers: int) -> None:
        """Change the number of slots; the last requests of GPUs that lose theirs are evicted."""
        self.servers = servers
        if not self.batches:
            super().set_servers(servers)
            return
        self._resize()
        for gpu in self.gpus:
            while gpu.batch and self._room(gpu) < 0:
                self._evict(gpu, max(gpu.batch.values(), key=order))
            if not gpu.batch and gpu.stepping is not None:
                gpu.stepping.cancel()
                gpu.stepping = None
        self.start_waiting()


class Step(Occurrence):
    """One step of a GPU."""

    def __init__(self, station: ContinuousBatching, gpu: Gpu, start_s: float, end_s: float) -> None:
        super().__init__(station.clock, lambda event: station.end_step(gpu))
        self.start_s, self.end_s = start_s, end_s


def order(request: Request) -> tuple[int, float, int]:
    """Type, then arrival: who is read first, and last evicted."""
    task = request.task
    return task.type, task.stage_arrival_s, task.number
