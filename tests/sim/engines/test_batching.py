"""GPUs that batch: hand-worked steps, conservation, known limits, cuts."""

import numpy as np
import pytest

from airan_market.scenarios import ScenarioError, load_scenario
from airan_market.sim.engines.batching import Batching, ContinuousBatching, batching
from airan_market.sim.engines.disciplines import NonPreemptive
from airan_market.sim.engines.engine import simulate
from airan_market.sim.workload import Workload

PLAIN = {"context_token_s": 0.0, "prompt_token_s": 0.0, "prompt_tokens": 0}


def work(arrival_s, gpu_s, type_=0):  # type: ignore[no-untyped-def]
    gpu_s = np.asarray(gpu_s, dtype=float)
    nothing = np.zeros(len(gpu_s))
    return Workload.arriving(arrival_s, type_, np.stack([nothing, gpu_s, nothing], axis=1))


def ends(tasks, servers, station, until_s=1e4):  # type: ignore[no-untyped-def]
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
