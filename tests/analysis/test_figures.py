"""Pictures by one public function each, all of a directory, and what they say."""

import inspect
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from airan_market import figures
from airan_market.agents.pact import solve_pact
from airan_market.analysis.figure_style import headed, in_words, panels, png, ring, style
from airan_market.analysis.pact.publish import publish
from airan_market.analysis.runs.violations import WORDS, violation_table
from airan_market.analysis.store.manifest import RunError
from airan_market.analysis.verdict import Verdict
from airan_market.scenarios import load_pact

PICTURES = [name for name in figures.__all__ if name != "drawn"]


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_a_function_that_returns_a_figure(name) -> None:
    function = getattr(figures, name)
    assert function.__doc__
    assert inspect.signature(function).return_annotation in ("Figure", Figure)


def test_a_name_that_is_no_picture_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'menu'"):
        figures.menu  # noqa: B018 - reading it is the test


def test_a_run_is_drawn_again_to_the_byte(finished) -> None:
    again = figures.drawn(finished)
    kept = {path.stem: path.read_bytes() for path in (finished / "figures").glob("*.png")}
    assert {name: png(figure) for name, figure in again.items()} == kept
    vectors = {path.stem for path in (finished / "figures").glob("*.svg")}
    assert vectors == kept.keys()


@pytest.fixture(scope="module")
def menu(tmp_path_factory, sketch) -> Path:
    scenario = load_pact("pact")
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("png", "svg"):
            patch.setattr(f"airan_market.analysis.figure_style.{kind}", sketch)
        return publish(scenario, solve_pact(scenario), tmp_path_factory.mktemp("m") / "menu")


def test_a_menu_is_drawn_again_and_every_picture_says_something(menu) -> None:
    again = figures.drawn(menu)
    assert {f"{name}.png" for name in again} == {path.name for path in menu.glob("*.png")}
    assert [name for name, figure in again.items() if not figure.get_suptitle()] == []


def test_tables_that_were_changed_are_not_drawn(menu) -> None:
    table = menu / "menus.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("0.", "1.", 1), encoding="utf-8")
    with pytest.raises(RunError, match=r"menus\.csv: SHA-256 differs"):
        figures.drawn(menu)


def test_what_a_picture_says_is_what_its_table_holds(run) -> None:
    table = violation_table(run.rounds, run.tally)
    kept, short = (
        int((table["verdict"] == WORDS[one]).sum()) for one in (Verdict.HOLDS, Verdict.FAILS)
    )
    said = " ".join(figures.violations(run.rounds, run.tally).get_suptitle().split())
    assert f"Of {len(table)} promises {kept} are broken no more often than" in said
    assert f"believed, {short} more often" in said
    last = run.rounds[run.rounds["round"] == run.rounds["round"].max()]
    longer = last["latency_s"].max() / last["latency_s"].min()
    assert f"is {longer:.3g} times the shortest" in figures.menus(run.rounds).get_suptitle()


def test_a_message_is_broken_into_lines_and_told_to_who_cannot_see() -> None:
    with style():
        figure, (axis,) = panels(1, 1, 3.0, 2.0)
        axis.set(xlabel="type", ylabel="price ($)")
        high_in = headed(figure, "a sentence that is far too long for three inches costs 3 $")
        ring(axis, [1.0], [2.0])
    assert figure.get_suptitle().count("\n") == 1
    assert high_in > headed(figure, "short")
    assert in_words(figure) == "short. Axes: price ($) over type."
