"""Laws of tokens in ServeGen's files, and what is no such law."""

import json
from pathlib import Path

import numpy as np
import pytest

from airan_market.agents.primitives.traffic import laws_of
from airan_market.scenarios import load_scenario
from airan_market.sim.traffic.servegen import REQUESTS, read_servegen_2025
from airan_market.sim.traffic.trace_file import TraceError

DATA = Path(__file__).parents[4] / "shared" / "data" / "servegen_2025"


def file_of(tmp_path, windows):
    path = tmp_path / "client.json"
    path.write_text(windows if isinstance(windows, str) else json.dumps(windows))
    return path


def window(prompt, answer):
    return {"input_tokens": prompt, "output_tokens": answer}


def test_requests_have_the_quantiles_of_the_mean_law(tmp_path):
    """Two windows count alike, whatever their weights sum to; an empty one does not count."""
    path = file_of(
        tmp_path,
        {
            "0": window("{10: 3.0, 20: 1.0}", "{1: 1.0}"),
            "21600": window("{10: 0.0, 40: 0.5}", "{2: 0.25, 3: 0.75}"),
            "43200": window("{}", "{}"),
        },
    )
    found = read_servegen_2025(path)
    tokens, counts = np.unique(found.context_tokens, return_counts=True)
    assert dict(zip(tokens.tolist(), (counts / REQUESTS).tolist(), strict=True)) == {
        10: 0.375, 20: 0.125, 40: 0.5,
    }  # fmt: skip
    answers = np.bincount(found.generated_tokens) / REQUESTS
    assert answers.tolist() == [0.0, 0.5, 0.125, 0.375]
    # paired by chance: 4 standard errors of a correlation of nothing, a false alarm in 16,000
    r = np.corrcoef(found.context_tokens, found.generated_tokens)[0, 1]
    assert abs(r) < 4 / REQUESTS**0.5
    assert read_servegen_2025(path).generated_tokens.tolist() == found.generated_tokens.tolist()
    assert not found.arrival_s.any()


@pytest.mark.parametrize(
    ("windows", "fault"),
    [
        ("{", "Expecting property name"),
        ("[1]", ": must be an object with a window at least"),
        ({}, ": must be an object with a window at least"),
        ({"0": window("{}", "{}")}, ": every window is empty: must have requests in one at least"),
        ({"0": window("{1: 0.0}", "{1: 1.0}")}, ": every window is empty: "),
        ({"0": 7}, ": window 0: input_tokens: must be the text of {tokens: weight}"),
        ({"0": window("{1: 1.0}", "{1.5: 1.0}")}, ": window 0: output_tokens: must be the text"),
        ({"0": window("{1: -1.0}", "{1: 1.0}")}, ": window 0: input_tokens: must be the text"),
        ({"0": window("{1: 1.0}", "open('x')")}, ": window 0: output_tokens: must be the text"),
        ({"0": window("{1: 1.0}", "{1: ")}, ": window 0: output_tokens: must be the text"),
    ],
)
def test_what_is_no_such_file_is_named(tmp_path, windows, fault):
    path = file_of(tmp_path, windows)
    with pytest.raises(TraceError) as caught:
        read_servegen_2025(path)
    assert caught.value.faults[0].startswith(str(path))
    assert fault in caught.value.faults[0]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(TraceError, match="No such file"):
        read_servegen_2025(tmp_path / "none.json")


def test_a_scenario_takes_the_sizes(tmp_path):
    path = file_of(tmp_path, {"0": window("{30: 0.5, 50: 0.5}", "{10: 1.0}")})
    law = f'task.law={{trace = "{path}", format = "servegen-2025"}}'
    work, _ = laws_of(load_scenario("batching", [law]))
    sizes = work.work(np.random.default_rng(0), 100)
    assert set(np.round(sizes[:, 0], 9)) == {0.75, 1.25}


def test_the_public_laws_of_servegen():
    path = DATA / "client-12-dataset.json"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    found = read_servegen_2025(path)
    assert len(found) == REQUESTS
    assert 35 < found.context_tokens.mean() < 60
    assert found.generated_tokens.min() >= 1
