"""The reproduction's cells: what they compute, that they are kept, what decides nothing."""

import json

import numpy as np
import pandas as pd
import pytest

from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import settle
from airan_market.analysis.cli.program import invoke
from airan_market.analysis.reproduction import cells as reproduction
from airan_market.analysis.reproduction.cells import (
    METHODS,
    SWEEPS,
    Cell,
    agreed,
    cells,
    compute,
    primitives_of,
    reproduce,
    scenario_of,
    totals,
    totals_usd_per_s,
)
from airan_market.analysis.reproduction.figures import drawable
from airan_market.analysis.reproduction.report import spread_of, wins_of
from airan_market.analysis.store import cell_store
from airan_market.analysis.store.cell_store import CELLS, stored
from airan_market.analysis.store.manifest import read_manifest
from airan_market.scenarios import InputError, load_scenario
from airan_market.scenarios.registry import MECHANISMS

SMALL = [Cell("users", 30, 2), Cell("users_truncated", 30, 2), Cell("refund", 0.5, 1)]


@pytest.fixture(scope="module")
def base():
    return load_scenario("teleoperation")


@pytest.fixture(scope="module")
def kept(tmp_path_factory, base):
    directory = tmp_path_factory.mktemp("reproduction")
    return directory, reproduce(directory, SMALL, base=base, processes=1)


def files(directory):
    return {path.name: path.read_bytes() for path in (directory / CELLS).iterdir()}


@pytest.mark.parametrize("mechanism", METHODS)
def test_totals_are_those_of_solve(base, mechanism):
    scenario = scenario_of(Cell("types", 4, 1), base)
    chosen = {"name": mechanism}
    if mechanism not in MECHANISMS.ours:
        chosen = {"name": "gsmc", "gsmc_unit": "type"}
    plain = scenario.mechanism.model_copy(update=chosen)
    primitives = Primitives.from_scenario(scenario.model_copy(update={"mechanism": plain}), seed=3)
    found, outcome = agreed(primitives, mechanism), settle(primitives)
    operator_usd_per_s, welfare_usd_per_s = totals_usd_per_s(primitives, found)
    assert operator_usd_per_s == outcome.operator_utility_usd_per_s.sum()
    assert welfare_usd_per_s == outcome.social_welfare_usd_per_s
    assert (found.menu.latency_s == outcome.menu.latency_s).all()


def test_a_cell_changes_its_own_setting_only(base):
    default = scenario_of(Cell("default", 0.0, 1), base)
    dearer = scenario_of(Cell("violation_cost", 1.5, 1), base)
    assert dearer.economics.violation_cost_usd == pytest.approx(1.8e-3, rel=1e-15)
    restored = dearer.model_copy(update={"economics": default.economics})
    assert restored == default
    assert scenario_of(Cell("zeta", 0.7, 1), base).mechanism.chernoff_zeta == 0.7
    assert scenario_of(Cell("dirichlet", 0.1, 1), base).users.dirichlet_alpha == 0.1
    assert scenario_of(Cell("fitted", 0, 1), base) == base


def test_types_are_spaced_linearly(base):
    beta = np.array(scenario_of(Cell("types", 12, 1), base).users.latency_sensitivity_usd_per_s)
    assert np.diff(beta) == pytest.approx(np.full(11, -7e-4 / 11))
    assert beta[[0, -1]].tolist() == [8e-4, 1e-4]


def test_truncation_drops_users_and_rounding_does_not(base):
    whole, cut = Cell("users", 30, 1), Cell("users_truncated", 30, 1)
    rounded = primitives_of(whole, scenario_of(whole, base), 0).users
    truncated = primitives_of(cut, scenario_of(cut, base), 0).users
    assert rounded.sum() == 30 > truncated.sum()
    assert ((rounded - truncated >= 0) & (rounded - truncated <= 1)).all()


def test_fractional_users_are_not_rounded(base):
    cell = Cell("users_fractional", 30, 1)
    users = primitives_of(cell, scenario_of(cell, base), 0).users
    assert users.sum() == pytest.approx(30)
    assert (users != np.round(users)).any()


def test_draws_are_common_to_cells(base):
    a, b = Cell("refund", 0.5, 2), Cell("zeta", 0.7, 2)
    for draw in range(2):
        first = primitives_of(a, scenario_of(a, base), draw).users
        assert (first == primitives_of(b, scenario_of(b, base), draw).users).all()
    assert (first != primitives_of(a, scenario_of(a, base), 0).users).any()


def test_processes_decide_nothing(kept, base, tmp_path):
    reproduce(tmp_path, SMALL, base=base, processes=2)
    assert files(tmp_path) == files(kept[0])


def test_a_rerun_computes_only_what_is_missing(kept, base, monkeypatch):
    directory, answers = kept
    before = files(directory)
    (directory / CELLS / "refund-0.5.json").unlink()
    asked = []

    def counted(cell, base):
        asked.append(cell.name)
        return compute(cell, base)

    monkeypatch.setattr(reproduction, "compute", counted)
    assert reproduce(directory, SMALL, base=base, processes=1) == answers
    assert asked == ["refund-0.5"]
    assert files(directory) == before


@pytest.mark.parametrize("damage", ["{", "[]", '{"mark": "another"}'])
def test_a_damaged_or_stale_cell_is_not_believed(base, tmp_path, damage):
    mark = reproduction.fingerprint(SMALL[0], base)
    (tmp_path / CELLS).mkdir()
    (tmp_path / CELLS / "users-30.json").write_text(damage)
    assert stored(tmp_path, SMALL[0], mark) is None


def test_fingerprints_tell_scenarios_and_draws_apart(base):
    other = load_scenario("teleoperation", ["economics.running_cost_usd=9e-6"])
    marks = {
        reproduction.fingerprint(SMALL[0], base),
        reproduction.fingerprint(SMALL[0], other),
        reproduction.fingerprint(Cell("users", 30, 3), base),
        reproduction.fingerprint(SMALL[1], base),
    }
    assert len(marks) == 4


def test_an_interruption_keeps_what_is_finished(base, tmp_path, monkeypatch, capsys):
    def interrupted(cell, base):
        if cell.setting == 90:
            raise KeyboardInterrupt
        return compute(cell, base)

    monkeypatch.setattr(reproduction, "compute", interrupted)
    monkeypatch.setattr(cell_store, "processors", lambda: 1)
    status = invoke(["reproduce", "--only", "users", "--draws", "1", "--out", str(tmp_path)])
    assert status == 3
    assert sorted(files(tmp_path)) == ["users-30.json", "users-60.json"]
    told = capsys.readouterr()
    assert told.out == ""
    assert f"cells kept in {tmp_path}: 2; the same command goes on" in told.err
    assert read_manifest(tmp_path).status == "interrupted"


@pytest.mark.usefixtures("sketched")
def test_the_command_leaves_the_table_and_the_figures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cell_store, "processors", lambda: 1)
    arguments = ["reproduce", "--only", "users_truncated", "--only", "fig3", "--draws", "1"]
    assert invoke([*arguments, "--out", str(tmp_path), "--quiet", "--json"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert sum(json.loads(told.out)["counts"]["in"].values()) == 10
    claims = pd.read_csv(tmp_path / "claims.csv")
    assert set(claims["sample"]) == {"in", "out"}
    assert (tmp_path / "figure3.png").read_bytes().startswith(b"\x89PNG")
    assert "not computed" in (tmp_path / "claims.md").read_text()
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    (tmp_path / "report.html").unlink()
    assert invoke(["report", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(told.out)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    with (tmp_path / "claims.csv").open("a") as file:
        file.write("changed")
    assert invoke(["report", str(tmp_path)]) == 2
    assert "claims.csv: SHA-256 differs" in capsys.readouterr().err


def test_only_a_reproduction_is_written_into(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("three years")
    assert invoke(["reproduce", "--only", "table1", "--draws", "1", "--out", str(tmp_path)]) == 2
    assert "nothing there is replaced, name another --out" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "thesis.txt"]


def test_interrupted_before_a_cell_nothing_is_kept_and_nothing_else_said(
    tmp_path, capsys, monkeypatch
):
    def interrupted(cell, base):
        raise KeyboardInterrupt

    monkeypatch.setattr(reproduction, "compute", interrupted)
    monkeypatch.setattr(cell_store, "processors", lambda: 1)
    out = tmp_path / "new"
    assert invoke(["reproduce", "--only", "users", "--draws", "1", "--out", str(out), "-q"]) == 3
    said = "interrupted before the first cell was finished: nothing is kept\n"
    assert capsys.readouterr().err == said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--only", "fig7"], "--only = fig7"), (["--draws", "0"], "--draws = 0")],
)
def test_bad_input_is_one_line(arguments, words, tmp_path, capsys):
    assert invoke(["reproduce", *arguments, "--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_names_of_groups_cover_every_sweep():
    everything = {cell.sweep for name in reproduction.GROUPS for cell in cells([name])}
    assert everything == set(SWEEPS)
    with pytest.raises(InputError, match="allowed are"):
        cells(["figure"])


def test_figures_and_totals_of_what_is_there(kept):
    frame = totals(kept[1])
    assert set(drawable(frame)) == {"figure4", "figure5"}
    spread = spread_of(frame)
    assert len(spread) == len(SMALL) * len(METHODS)
    low, high = (spread[f"operator_utility_{q}_usd_per_s"] for q in ("low", "high"))
    assert (low <= high).all()
    wins = wins_of(frame)
    assert len(wins) == 2 * len(SMALL)
    weakest = wins[["wins_over_ct", "wins_over_mc", "wins_over_gsmc"]].min(axis=1)
    assert (wins["wins"] <= weakest).all()
    assert wins_of(frame[frame["mechanism"] == "mixed"]).empty
