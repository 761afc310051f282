"""`airan-market equilibrium` on a small market: what it leaves, and that it goes on."""

import json
from pathlib import Path

import pandas as pd
import pytest

from airan_market.analysis.equilibrium.cells import STARTS, plays
from airan_market.analysis.equilibrium.report import chosen, seek_into
from airan_market.analysis.redraw import redraw
from airan_market.scenarios import InputError, load_scenario

SMALL = [
    "users.total=60",
    "users.latency_sensitivity_usd_per_s=[8e-4, 1e-4]",
    "users.shares=[0.5, 0.5]",
]


def test_command_and_what_it_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airan_market.analysis.equilibrium.cells.PUSH_ROUNDS", 2)
    market, out, cells = load_scenario("teleoperation", SMALL), tmp_path / "found", []
    asked = {
        "count": 1,
        "margins": True,
        "studies": False,
        "rounds": 60,
        "replications": 2,
        "workers": 1,
    }

    def count(cell: object, done: int, of: int) -> None:
        cells.append(cell)

    fields = seek_into(out, market, on_cell=count, **asked)
    assert len(cells) == 2 + 3 + 2 * 2 + 4
    outcomes = pd.read_csv(out / "outcomes.csv").set_index("who")
    assert list(outcomes.index) == ["published", "tied", "margins", "planner"]
    welfare = outcomes["social_welfare_usd_per_s"]
    assert (welfare <= welfare["planner"] * (1 + 1e-9)).all()
    certificates = pd.read_csv(out / "certificates.csv")
    profit = certificates["operator_utility_usd_per_s"].abs()
    free = certificates["who"] == "margins"
    assert (certificates["gain_usd_per_s"] <= 1e-4 * profit)[free].all()
    assert (certificates["evolved_gain_usd_per_s"] <= certificates["gain_at_most_usd_per_s"]).all()
    assert any("It is an equilibrium" in sentence for sentence in fields["findings"])
    # with two types and tied prices play goes round, and it is said
    assert any("go round" in sentence for sentence in fields["findings"])
    assert any("It is not an equilibrium" in sentence for sentence in fields["findings"])
    for name in ("report.html", "outcomes.png", "ways.png", "findings.md"):
        assert (out / name).stat().st_size > 0
    again: list[object] = []
    assert seek_into(out, market, on_cell=lambda *told: again.append(told), **asked) == fields
    assert not again
    assert json.dumps(redraw(out)["findings"]) == json.dumps(fields["findings"])


def test_the_settled_play_is_chosen() -> None:
    rest = {"settled": True, "gains_usd_per_s": [1.0, 1e-9]}
    drift = {"settled": False, "gains_usd_per_s": [1e-12]}
    assert chosen({"tied-start-0": drift, "tied-start-1": rest}) == {"tied": rest}


def test_no_starts_is_refused() -> None:
    with pytest.raises(InputError, match="--starts = 0"):
        plays(load_scenario("teleoperation"), seed=1, count=0, margins=False, studies=True)
    assert STARTS >= 10
