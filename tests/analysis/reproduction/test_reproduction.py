"""The reproduction's cells: what they compute, that they are kept, what decides nothing."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import settle
from airan_market.analysis.cli.program import invoke
from airan_market.analysis.reproduction import cells as reproduction
from airan_market.analysis.reproduction.cells import (
    FITTED,
    SWEEPS,
    Cell,
    agreed,
    cells,
    compute,
    readings,
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
from airan_market.scenarios import InputError, load_reading, load_scenario
from airan_market.scenarios.registry import MECHANISMS

LOCAL = load_reading("as_published")
SMALL = [Cell("users", 30, 2), Cell("users", 30, 2, LOCAL), Cell("refund", 0.5, 1)]


@pytest.fixture(scope="module")
def base():
    return load_scenario("teleoperation")


@pytest.fixture(scope="module")
def kept(tmp_path_factory, base):
    directory = tmp_path_factory.mktemp("reproduction")
    return directory, reproduce(directory, SMALL, base=base, processes=1)


def files(directory):
    return {path.name: path.read_bytes() for path in (directory / CELLS).iterdir()}


@pytest.mark.parametrize("mechanism", MECHANISMS.ours)
def test_totals_are_those_of_solve(base, mechanism):
    scenario = scenario_of(Cell("types", 4, 1, LOCAL), base)
    plain = scenario.mechanism.model_copy(update={"name": mechanism})
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
    assert scenario_of(Cell("default", 0, 1), base, FITTED) == base


def test_types_are_spaced_linearly(base):
    beta = np.array(scenario_of(Cell("types", 12, 1), base).users.latency_sensitivity_usd_per_s)
    assert np.diff(beta) == pytest.approx(np.full(11, -7e-4 / 11))
    assert beta[[0, -1]].tolist() == [8e-4, 1e-4]


def test_a_reading_settles_its_own_settings_and_no_others(base):
    cell, plain = Cell("refund", 0.5, 1, LOCAL), Cell("refund", 0.5, 1)
    found, other = scenario_of(cell, base), scenario_of(plain, base)
    assert (found.mechanism.design, other.mechanism.design) == ("local", "exact")
    assert found.economics.refund_usd == other.economics.refund_usd == 0.6e-4
    assert found.users.dirichlet_alpha == other.users.dirichlet_alpha
    fitted = scenario_of(cell, base, FITTED)
    assert Primitives.from_scenario(fitted).users.tolist() == [6, 33, 24, 11, 23, 17, 16, 20]
    fewer = Primitives.from_scenario(scenario_of(Cell("users", 30, 1, LOCAL), base, FITTED))
    assert fewer.users.tolist() == [1, 6, 4, 2, 4, 3, 3, 4]  # floors of a fifth


def test_the_fitted_market_stands_where_it_can(base):
    def numbers(cell):
        return {row["draw"] for row in compute(cell, base, ("mc",))["rows"]}

    assert numbers(Cell("refund", 0.5, 1)) == {FITTED, 0}
    assert numbers(Cell("types", 8, 1)) == {FITTED, 0}
    assert numbers(Cell("types", 4, 1)) == {0}
    assert numbers(Cell("dirichlet", 10, 1)) == {0}


def primitives_of(cell, scenario, draw):
    return Primitives.from_scenario(scenario, draw)


def test_draws_are_common_to_cells_and_readings(base):
    a, b = Cell("refund", 0.5, 2), Cell("zeta", 0.7, 2)
    for draw in range(2):
        first = primitives_of(a, scenario_of(a, base), draw).users
        assert (first == primitives_of(b, scenario_of(b, base), draw).users).all()
    assert (first != primitives_of(a, scenario_of(a, base), 0).users).any()
    read = Cell("refund", 0.5, 2, LOCAL)
    cut = primitives_of(read, scenario_of(read, base), 1).users
    assert ((first - cut >= 0) & (first - cut <= 1)).all()  # the same shares, rounded down


def test_processes_decide_nothing(kept, base, tmp_path):
    reproduce(tmp_path, SMALL, base=base, processes=2)
    assert files(tmp_path) == files(kept[0])


def test_a_rerun_computes_only_what_is_missing(kept, base, monkeypatch):
    directory, answers = kept
    before = files(directory)
    (directory / CELLS / "ours-refund-0.5.json").unlink()
    asked = []

    def counted(cell, base):
        asked.append(cell.name)
        return compute(cell, base)

    monkeypatch.setattr(reproduction, "compute", counted)
    assert reproduce(directory, SMALL, base=base, processes=1) == answers
    assert asked == ["ours-refund-0.5"]
    assert files(directory) == before


@pytest.mark.parametrize("damage", ["{", "[]", '{"mark": "another"}'])
def test_a_damaged_or_stale_cell_is_not_believed(base, tmp_path, damage):
    mark = reproduction.fingerprint(SMALL[0], base)
    (tmp_path / CELLS).mkdir()
    (tmp_path / CELLS / "ours-users-30.json").write_text(damage)
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
    assert sorted(files(tmp_path)) == ["ours-users-30.json", "ours-users-60.json"]
    told = capsys.readouterr()
    assert told.out == ""
    assert f"cells kept in {tmp_path}: 2; the same command goes on" in told.err
    assert read_manifest(tmp_path).status == "interrupted"


@pytest.mark.usefixtures("sketched")
def test_the_command_leaves_the_table_and_the_figures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cell_store, "processors", lambda: 1)
    arguments = ["reproduce", "--only", "zeta", "--only", "fig3", "--draws", "1"]
    assert invoke([*arguments, "--out", str(tmp_path), "--quiet", "--json"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert sum(json.loads(told.out)["readings"]["ours"]["counts"]["in"].values()) == 10
    claims = pd.read_csv(tmp_path / "claims.csv")
    assert set(claims["used"].fillna("")) == {"settings", ""}
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
    [
        (["--only", "fig7"], "--only = fig7"),
        (["--draws", "0"], "--draws = 0"),
        (["--reading", "theirs"], "theirs: no such reading"),
        (["--reading", "all", "--reading", "{mine}"], "two readings have one name"),
        (["--reading", "{used}"], "used = figure 7: allowed are table_i"),
    ],
)
def test_bad_input_is_one_line(arguments, words, tmp_path, capsys):
    files = {"mine": tmp_path / "ours.toml", "used": tmp_path / "used.toml"}
    files["mine"].write_text("# mine\n")
    files["used"].write_text('used = ["figure 7"]\n')
    arguments = [word.format(**files) for word in arguments]
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
    assert set(drawable(frame[frame["reading"] == "ours"])) == {"figure4", "figure5"}
    assert set(drawable(frame[frame["reading"] == "as_published"])) == {"figure4"}
    spread = spread_of(frame)
    assert len(spread) == len(SMALL) * len(MECHANISMS.ours)
    low, high = (spread[f"operator_utility_{q}_usd_per_s"] for q in ("low", "high"))
    assert (low <= high).all()
    wins = wins_of(frame)
    assert len(wins) == 2 * len(SMALL)
    weakest = wins[["wins_over_ct", "wins_over_mc", "wins_over_gsmc"]].min(axis=1)
    assert (wins["wins"] <= weakest).all()
    assert wins_of(frame[frame["mechanism"] == "mixed"]).empty


@pytest.mark.usefixtures("sketched")
def test_a_reading_of_ones_own_stands_beside_ours(tmp_path, capsys, monkeypatch):
    """The command compares them, keeps the file's content, and `report` needs no file."""
    monkeypatch.setattr(cell_store, "processors", lambda: 1)
    mine = tmp_path / "mine.toml"
    mine.write_text(
        '# Twice the GPUs\nused = ["table_i"]\n[each_operator]\ngpu.rate_flop_per_s = 80e12\n'
    )
    out = tmp_path / "out"
    asked = ["--reading", "ours", "--reading", str(mine)]
    command = ["reproduce", "--only", "table1", "--draws", "2", "--out", str(out), "-q"]
    assert invoke([*command, *asked]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[-1] == str(out)
    assert "Readings side by side" in told
    readings_csv = pd.read_csv(out / "readings.csv").set_index("reading")
    assert readings_csv.loc["mine", "description"] == "Twice the GPUs"
    error = readings_csv["table_error"]
    assert error["ours"] < 0.025 < error["mine"]
    mine.unlink()
    assert invoke(["report", str(out), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["readings"]) == {"ours", "mine"}


def test_all_are_ours_first_and_everything_that_ships():
    assert [reading.name for reading in readings(["all"])] == [
        "ours", "as_published", "exact", "whole_types",
    ]  # fmt: skip
    assert [reading.name for reading in readings([])] == ["ours"]


@pytest.mark.long
def test_what_is_said_of_the_readings(tmp_path):
    """The whole table, with a wrong reading as the negative control.

    Under `as_published` at least 28 of the 60 claims that ours did not use hold by the median, and
    Table I is met to 0.004. A wrong reading (ours with twice the GPUs) stands with ours at 9, and
    far from the half of that distance; differences of three between readings are noise.
    """
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(
        '# wrong\nused = ["table_i", "totals"]\n[each_operator]\ngpu.rate_flop_per_s = 80e12\n'
    )
    out = tmp_path / "out"
    words = ["reproduce", "--out", str(out), "-q", "--reading", "all", "--reading", str(wrong)]
    assert invoke(words) == 0
    stands = pd.read_csv(out / "readings.csv").set_index("reading")
    benchmarks = pd.read_csv(out / "claims.csv").query("place == 'table_i_benchmarks'")
    held = stands["holds"] + benchmarks.query("used == 'settings' and verdict == 'holds'").groupby(
        "reading"
    ).size().reindex(stands.index, fill_value=0)
    assert held["as_published"] >= 28
    assert stands.loc["as_published", "table_error"] <= 0.004
    assert held["wrong"] <= 18
    assert stands.loc["wrong", "table_error"] > 0.02
    page = (Path(__file__).resolve().parents[3] / "docs/the_paper_claim_by_claim.md").read_text()
    for name, row in stands.drop(index="wrong").iterrows():
        told = (
            f"| {name} | {row['holds']} / {row['direction_only']} / {row['does_not_hold']} of "
            f"{row['claims']} | {row['expected_in_a_draw']:.1f} | {row['table_error']:.4f} |"
        )
        assert told in page
