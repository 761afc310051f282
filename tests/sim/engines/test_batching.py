"""GPUs that batch: hand-worked steps, conservation, known limits, cuts."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from airan_market.scenarios import ScenarioError, load_scenario
from airan_market.sim.engines.batching import Batching, ContinuousBatching
from airan_market.sim.engines.batching_counted import batching, timed
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.engines.disciplines import NonPreemptive
from airan_market.sim.engines.engine import simulate
from airan_market.sim.estimation.intervals import student
from airan_market.sim.theory.batch_capacity import batch_capacity_per_s
from airan_market.sim.traffic.work_laws import Tokens
from airan_market.sim.workload import Workload

PLAIN = {"context_token_s": 0.0, "prompt_token_s": 0.0, "prompt_tokens": 0}


def work(arrival_s, gpu_s, type_=0):  # type: ignore[no-untyped-def]
    gpu_s = np.asarray(gpu_s, dtype=float)
    nothing = np.zeros(len(gpu_s))
    return Workload.arriving(arrival_s, type_, np.stack([nothing, gpu_s, nothing], axis=1))


def ends(tasks, servers, station, until_s=1e5):  # type: ignore[no-untyped-def]
    trace, state = simulate(tasks, [[8, servers, 8]], until_s=until_s, station=station)
    assert len(state) == 0
    return trace


def test_a_batch_of_one_is_the_station_without_preemption() -> None:
    """To the bit, with three priorities and four GPUs, where work is whole steps."""
    rng = np.random.default_rng(1)
    tasks = work(np.sort(rng.uniform(0, 100, 400)), 0.25 * rng.integers(1, 8, 400),
                 rng.integers(0, 3, 400))  # fmt: skip
    one = batching(Batching(slots=1, step_s=0.25, request_s=0.0, **PLAIN))
    found, known = (ends(tasks, 4, station) for station in (one, NonPreemptive))
    assert (found.stage_end_s == known.stage_end_s).all()
    two = batching(Batching(slots=2, step_s=0.25, request_s=0.0, **PLAIN))
    assert (ends(tasks, 4, two).stage_end_s != known.stage_end_s).any()


def test_steps_by_hand() -> None:
    """Step 1 s and 0.5 s for each that writes; two slots; a full batch writes a token in 2 s.

    A (4 s: 2 tokens) at 0, B (2 s: 1 token) at 0.1, C (2 s: 1 token) at 0.2. A steps alone to 1.5;
    A and B to 3.5, both done; C alone to 5.
    """
    station = batching(Batching(slots=2, step_s=1.0, request_s=0.5, **PLAIN))
    found = ends(work([0.0, 0.1, 0.2], [4.0, 2.0, 2.0]), 2, station)
    assert found.stage_end_s[:, 1].tolist() == [3.5, 3.5, 5.0]


def test_prompts_are_read_in_chunks_by_hand() -> None:
    """Budget 3 tokens, prompts of 4, 1 s a prompt token, no other cost but 1 s a step.

    One request alone: reads 3 (4 s), 1 (2 s), writes 2 tokens (1 s each): 8 s.
    """
    station = batching(Batching(slots=1, step_s=1.0, request_s=0.0, context_token_s=0.0,
                                prompt_token_s=1.0, prompt_tokens=4, token_budget=3))  # fmt: skip
    assert ends(work([0.0], [4.0 + 2.0]), 1, station).stage_end_s[0, 1] == 8.0


def test_an_eviction_by_hand() -> None:
    """Memory 5, prompts of 1 read at no cost, 3 tokens each, step 1 s; high and low priority.

    The low one comes first and reads (1 s); it writes while the other reads (2 s); both write (3 s)
    and hold 3 + 2, so that the next step would need 7: the low one is evicted. The high one writes
    two more (5 s). The low one comes back then, reads its 3 tokens (6 s) and writes the last (7 s).
    """
    settings = Batching(slots=2, step_s=1.0, request_s=0.0, context_token_s=0.0,
                        prompt_token_s=0.0, prompt_tokens=1, memory_tokens=5)  # fmt: skip
    found = ends(work([0.0, 0.0], [3.0, 3.0], [1, 0]), 2, batching(settings))
    assert found.stage_end_s[:, 1].tolist() == [7.0, 5.0]
    assert found.preemptions[:, 1].tolist() == [1, 0]


class Watched(ContinuousBatching):
    """Looks at memory and tokens at the end of every step."""

    settings = Batching(slots=8, memory_tokens=900)
    most = tokens = 0

    def end_step(self, gpu):  # type: ignore[no-untyped-def]
        before = {n: request.writing for n, request in gpu.batch.items()}
        wrote = set(gpu.writers)
        super().end_step(gpu)
        after = {n: request.writing for n, request in self.requests.items() if n in before}
        for n in wrote:
            assert before[n] - after.get(n, 0) == 1  # one token each, or it is done
        type(self).tokens += len(wrote)
        held = sum(request.held for request in gpu.batch.values())
        type(self).most = max(self.most, held if len(gpu.batch) > 1 else 0)


def test_tokens_and_memory_are_conserved() -> None:
    rng, asked = np.random.default_rng(2), Watched.settings
    tokens = rng.geometric(1 / 60, 400)
    gpu_s = tokens * asked.token_s + asked.reading_s
    Watched.most = Watched.tokens = 0
    found = ends(
        work(np.sort(rng.uniform(0, 100, 400)), gpu_s, rng.integers(0, 3, 400)), 8, Watched
    )
    assert found.preemptions[:, 1].sum() > 20  # memory is short
    assert 0.8 * 900 < Watched.most <= 900
    assert Watched.tokens == tokens.sum()
    evicted = [found.preemptions[found.type == n, 1].sum() for n in range(3)]
    assert evicted[2] > evicted[0]


def test_a_full_batch_writes_as_fast_as_the_fit_says() -> None:
    """Saturated: requests/s over slots / mean work is 1 but for contexts that grow."""
    rng, asked = np.random.default_rng(3), Batching(slots=16, context_token_s=0.0)
    tokens = rng.geometric(1 / 80, 3000)
    gpu_s = tokens * asked.token_s + asked.reading_s
    found = ends(work(np.zeros(3000), gpu_s), 16, batching(asked))
    last_s = found.stage_end_s[:, 1].max()
    assert last_s * 16 / gpu_s.sum() == pytest.approx(1.0, abs=0.05)  # the last batch empties


def test_a_cut_costs_a_step_at_most_where_nobody_is_evicted() -> None:
    rng, asked = np.random.default_rng(4), Batching(slots=16)
    tokens = rng.geometric(1 / 100, 2000)
    tasks = work(np.sort(rng.uniform(0, 300, 2000)), tokens * asked.token_s + asked.reading_s)
    station, servers = batching(asked), [[8, 48, 8]]
    whole, _ = simulate(tasks, servers, until_s=1e3, station=station)
    first, state = simulate(tasks.select(tasks.arrival_s < 150), servers, until_s=150.0,
                            station=station)  # fmt: skip
    assert len(state) > 5
    rest, _ = simulate(tasks.select(tasks.arrival_s >= 150), servers, until_s=1e3, state=state,
                       station=station)  # fmt: skip
    numbers = np.concatenate([first.task, rest.task]).tolist()
    left_s = np.concatenate([first.stage_end_s, rest.stage_end_s])[:, 2]
    ended = dict(zip(numbers, left_s, strict=True))
    apart = np.array([ended[n] for n in whole.task.tolist()]) - whole.stage_end_s[:, 2]
    assert np.abs(apart).max() < 1.0
    assert abs(apart.mean()) < 0.01


def test_settings_need_their_discipline() -> None:
    with pytest.raises(ScenarioError, match="continuous-batching"):
        load_scenario("batching", ["simulation.discipline=fcfs"])
    with pytest.raises(ScenarioError, match="slots"):
        load_scenario("batching", ["simulation.batching.slots=0"])
    fields = type(load_scenario("batching").simulation.batching).model_fields.items()
    defaults = {name: field.default for name, field in fields}
    assert Batching() == Batching(**defaults)


def test_counted_steps_are_the_readable_ones_to_the_bit() -> None:
    """Random settings, short memory, slots that come and go, cuts, ties of constant steps."""
    rng = np.random.default_rng(5)
    evicted = 0
    for case in range(30):
        told = {"memory_tokens": int(rng.integers(150, 400)), "slots": int(rng.integers(2, 9)),
                "prompt_tokens": int(rng.integers(0, 90)),
                "token_budget": int(rng.integers(3, 200))}  # fmt: skip
        if case % 2:  # steps of the same length: many things happen at one instant
            told |= {"step_s": 0.25, "request_s": 0.0, "context_token_s": 0.0,
                     "prompt_token_s": 0.0}  # fmt: skip
        asked = Batching(**told, bits_per_token=1.0)
        fast = batching(asked, [(1 / 4096, 1 / 4096)])
        slow = type("Readable", (ContinuousBatching,), dict(vars(fast)))
        gpu_s = rng.integers(1, 60, 150)
        service_s = np.stack([told["prompt_tokens"] + gpu_s, gpu_s, 1 + gpu_s], axis=1) / 4096.0
        tasks = Workload.arriving(
            np.sort(rng.integers(0, 160, 150)) / 4, rng.integers(0, 3, 150), service_s
        )
        changes = CapacityChanges([5.0, 5.01, 30.25], [0] * 3, [1] * 3, [3, 12, 9])
        found = [cut_in_two(tasks, changes, station) for station in (fast, slow)]
        assert all(a.equals(b) for a, b in zip(*found, strict=True))
        evicted += sum(part.preemptions[:, 1].sum() for part in found[0])
    assert evicted > 300  # memory is short


def cut_in_two(tasks, changes, station):  # type: ignore[no-untyped-def]
    """Both traces and both states of a run that is cut at 20 s."""
    early, before = tasks.arrival_s < 20, changes.time_s < 20
    first, state = simulate(tasks.select(early), [[2, 12, 2]], until_s=20.0, station=station,
                            changes=changes.select(before))  # fmt: skip
    rest, end = simulate(tasks.select(~early), [[2, 12, 2]], until_s=60.0, station=station,
                         state=state, changes=changes.select(~before))  # fmt: skip
    return first, state, rest, end


def test_tokens_are_those_sent_and_got() -> None:
    """A token goes up in 0.1 s and comes down in 0.2 s; a step takes 1 s and reads two tokens.

    Prompts of 3 and 0 tokens, answers of 2 and 1; the work at the GPU says nothing. The first comes
    at 0.3, reads in two steps and writes in two: 4.3. The other has a GPU to itself, at once.
    """
    asked = Batching(slots=1, step_s=1.0, request_s=0.0, context_token_s=0.0, prompt_token_s=0.0,
                     token_budget=2, bits_per_token=8.0)  # fmt: skip
    station, first_token_s = timed(batching(asked, [(0.1, 0.2)]))
    tasks = Workload.arriving([0.0, 0.0], 0, [[0.3, 99.0, 0.4], [0.0, 0.0, 0.2]])
    found = ends(tasks, 2, station)
    assert found.stage_end_s[:, 1] == pytest.approx([4.3, 1.0])
    assert first_token_s == pytest.approx({0: 3.3, 1: 1.0})


def test_a_first_token_counts_once_though_the_text_is_read_again() -> None:
    """The trace of `test_an_eviction_by_hand`: first tokens end their second and third second."""
    settings = Batching(slots=2, step_s=1.0, request_s=0.0, context_token_s=0.0,
                        prompt_token_s=0.0, prompt_tokens=1, memory_tokens=5)  # fmt: skip
    for station in (batching(settings), type("Readable", (ContinuousBatching,),
                                             {"settings": settings})):  # fmt: skip
        watched, first_token_s = timed(station)
        found = ends(work([0.0, 0.0], [3.0, 3.0], [1, 0]), 2, watched)
        assert found.preemptions[:, 1].tolist() == [1, 0]
        assert first_token_s == {0: 2.0, 1: 3.0}


def saturated(prompt, answer, asked):  # type: ignore[no-untyped-def]
    """Requests a second of one GPU that never runs empty, over the middle of the run."""
    service_s = np.stack([prompt, np.ones(len(prompt)), answer], axis=1)
    service_s[:, [0, 2]] /= 1e9  # the radio takes no time worth speaking of
    tasks = Workload.arriving(np.zeros(len(prompt)), 0, service_s)
    radio = replace(asked, bits_per_token=1.0)
    # one uplink, so that they come in their order and not in that of their prompts
    trace, _ = simulate(tasks, [[1, asked.slots, 99]], until_s=1e6,
                        station=batching(radio, [(1e-9, 1e-9)]))  # fmt: skip
    ends_s = np.sort(trace.stage_end_s[:, 1])
    first, last = len(ends_s) // 5, 4 * len(ends_s) // 5
    return (last - first) / (ends_s[last] - ends_s[first])


def capacity(prompt, answer, asked):  # type: ignore[no-untyped-def]
    told = asdict(asked)
    del told["prompt_tokens"], told["bits_per_token"]
    return batch_capacity_per_s(prompt, answer, **told)


@pytest.mark.parametrize(("slots", "memory_tokens"), [(32, 59_000), (64, 12_000), (8, 59_000)])
def test_the_capacity_is_that_of_the_literature_within_a_tenth(slots, memory_tokens) -> None:  # type: ignore[no-untyped-def]
    """λ < M / (b̄ E[g]) (Nie, Si and Zhou 2026, within 10 %), by slots and by memory.

    Statistics: 2,000 requests, of which the rate of the middle 1,200 has a standard error near 2 %
    (cv 0.9 of what a request takes); the bound is 10 %, five of them. Control: half of the memory,
    or of the slots, has a capacity further off than that.
    """
    draws = Tokens().work(np.random.default_rng(6), 2_000)
    prompt, answer = np.rint(300 * draws[:, 0]), np.maximum(1, np.rint(80 * draws[:, 2]))
    asked = Batching(slots=slots, memory_tokens=memory_tokens)
    found = saturated(prompt, answer, asked)
    assert capacity(prompt, answer, asked) == pytest.approx(found, rel=0.1)
    half = replace(asked, slots=slots // 2, memory_tokens=memory_tokens // 2)
    assert capacity(prompt, answer, half) != pytest.approx(found, rel=0.1)


@pytest.mark.parametrize(("load", "grows"), [(0.9, False), (1.15, True)])
def test_a_queue_is_endless_beyond_that_capacity_and_not_below(load, grows) -> None:  # type: ignore[no-untyped-def]
    """What waits at the end of 1,500 s of Poisson arrivals, memory limiting.

    Beyond capacity (load − 1) of the arrivals are left, here 15 % less the 10 % of accuracy: at
    least a twentieth. Below it a queue is forgotten in 4 / (1 − load)² arrivals, 400 of some 5,500,
    and more than a twentieth of all arrivals waiting has a chance below 1e-3.
    """
    rng = np.random.default_rng(7)
    draws = Tokens().work(rng, 20_000)
    prompt, answer = np.rint(300 * draws[:, 0]), np.maximum(1, np.rint(80 * draws[:, 2]))
    asked = Batching(slots=64, memory_tokens=12_000, bits_per_token=1.0)
    rate_per_s = load * capacity(prompt, answer, asked)
    arrival_s = np.cumsum(rng.exponential(1 / rate_per_s, 20_000))
    arrival_s = arrival_s[arrival_s < 1500]
    service_s = np.stack([prompt / 1e9, np.ones(20_000), answer / 1e9], axis=1)[: len(arrival_s)]
    tasks = Workload.arriving(arrival_s, 0, service_s)
    _, state = simulate(tasks, [[99, 64, 99]], until_s=1500.0,
                        station=batching(asked, [(1e-9, 1e-9)]))  # fmt: skip
    assert (len(state) > len(tasks) / 20) == grows


def test_an_engine_of_one_slot_has_the_wait_of_the_station_in_law() -> None:
    """M/G/1 by Pollaczek and Khinchine, steps constant, first come: W = λ E[S²] / (2 (1 − ρ)).

    Answers geometric, so S is a geometric number of steps. An arrival that finds the GPU idle
    starts a step at once. Eight runs of 3,000; the t interval at 99.9 % misses once in a thousand.
    Control: two slots, in which a second request is served beside the first.
    """
    asked = Batching(slots=1, step_s=0.1, request_s=0.0, **PLAIN)
    p, load = 1 / 5, 0.7
    mean_s, square = 0.1 / p, 0.1**2 * (2 - p) / p**2
    rate_per_s = load / mean_s
    exact_s = rate_per_s * square / (2 * (1 - load))
    means: dict[int, list[float]] = {1: [], 2: []}
    for run in range(8):
        rng = np.random.default_rng(100 + run)
        gpu_s = 0.1 * rng.geometric(p, 3_000)
        tasks = work(np.cumsum(rng.exponential(1 / rate_per_s, 3_000)), gpu_s)
        for slots in means:
            found = ends(tasks, slots, batching(replace(asked, slots=slots)))
            wait_s = found.stage_end_s[:, 1] - found.arrival_s - gpu_s
            means[slots].append(wait_s[300:].mean())
    low, high = student_interval(means[1], 0.999)
    assert low < exact_s < high
    low, high = student_interval(means[2], 0.999)
    assert not low < exact_s < high


def student_interval(values, level):  # type: ignore[no-untyped-def]
    width = student(len(values) - 1, level) * np.std(values, ddof=1) / np.sqrt(len(values))
    return np.mean(values) - width, np.mean(values) + width


def test_the_shipped_fit_is_the_capacity_of_its_law() -> None:
    """batching_tokens: work_flop, s of a slot, is slots over capacity within 1 %; 400,000 draws."""
    scenario = load_scenario("batching_tokens")
    law, batch = scenario.task.law, scenario.simulation.batching
    draws = Tokens(**dict(law)).work(np.random.default_rng(8), 400_000)
    prompt = np.rint(draws[:, 0] * scenario.task.input_bits / batch.bits_per_token)
    answer = np.rint(draws[:, 2] * scenario.task.output_bits / batch.bits_per_token)
    found = capacity(prompt, np.maximum(1, answer), Batching(**dict(batch)))
    assert batch.slots / found == pytest.approx(scenario.task.work_flop, rel=0.01)


def test_a_token_of_a_measured_radio_is_refused() -> None:
    drive = ["operators[1].uplink.rate_bps.mean_bps=2e6"]
    with pytest.raises(ScenarioError, match=r"operators\[1\].uplink.rate_bps .*must be a number"):
        load_scenario("batching_tokens", drive)
    load_scenario("batching", drive)
    event = {"at_round": 1, "what": "rate", "who": "one GPU", "value": 1e6}
    for stage, fine in (("uplink", False), ("gpu", True)):
        asked = {"base": "batching_tokens", "mechanism": {"iterations_per_round": 5},
                 "events": [event | {"stage": stage}]}  # fmt: skip
        if fine:
            load_scenario(asked)
            continue
        with pytest.raises(ScenarioError, match=r'events\[1\].stage .*must be "gpu" with rate'):
            load_scenario(asked)
