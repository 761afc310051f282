"""The figures of the page, from a model to axes."""

import numpy as np
import pytest

from airan_market import load_pact, load_scenario
from airan_market.analysis.dashboard import shock
from airan_market.analysis.dashboard.flow import flows
from airan_market.analysis.dashboard.future import Future, begun
from airan_market.analysis.dashboard.load import load_lines, loads, pact_loads
from airan_market.analysis.dashboard.menu import market_items, menu_curves
from airan_market.analysis.dashboard.model import Asked, LiveModel
from airan_market.analysis.dashboard.pair import pair_figure, pair_panel, paths
from airan_market.analysis.dashboard.panel import panels
from airan_market.analysis.figure_style import png

SHORT = ["simulation.rounds=8", "simulation.horizon_s=0.5", "simulation.warmup_s=0.2",
         "mechanism.iterations_per_round=3"]  # fmt: skip


def played(scenario, rounds: int = 3) -> Future:
    future = begun(scenario, 1)
    for _ in range(rounds):
        future.step()
    return future


@pytest.fixture(scope="module")
def market() -> Future:
    return played(load_scenario("teleoperation", SHORT))


@pytest.fixture(scope="module")
def pact() -> Future:
    return played(load_pact("pact", ["simulation.horizon_s=2"]))


def test_before_the_first_round_there_is_nothing_to_see() -> None:
    assert panels(begun(load_scenario("teleoperation", SHORT), 1)) == []


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("market", ["menus", "flows", "loads", "violations", "utilities"]),
        ("pact", ["menus", "flows", "loads", "promises", "profit", "utilities"]),
    ],
)
def test_every_figure_has_a_message_with_numbers_and_axes_with_units(kind, names, request) -> None:
    found = panels(request.getfixturevalue(kind))
    assert [panel.name for panel in found] == names
    for panel in found:
        assert any(letter.isdigit() for letter in panel.title)
        figure = panel.draw()
        assert png(figure).startswith(b"\x89PNG")
        if panel.name != "flows":
            assert all(axis.get_ylabel() or axis.get_shared_y_axes() for axis in figure.axes)


def test_menus_are_drawn_as_they_were_posted(market) -> None:
    rounds = market.tables().rounds
    figure = menu_curves(market_items(rounds), market.names, "s", "USD")
    last = rounds[rounds["round"] == 3]
    for number in (1, 2, 3):
        own = last[last["operator"] == number]
        (line,) = [x for x in figure.axes[0].lines if x.get_label() == f"operator {number}"]
        assert line.get_xdata().tolist() == own["latency_s"].tolist()
        assert line.get_ydata().tolist() == (own["price_usd"] * 1e4).tolist()


def test_bands_are_as_wide_as_they_have_users() -> None:
    figure = flows(np.array([[3, 0, 1], [2, 2, 0], [0, 0, 0]]), ["a", "b", "c"], ["x", "y", "out"])
    axis = figure.axes[0]
    blocks = [patch for patch in axis.patches if hasattr(patch, "get_height")]
    assert [block.get_height() for block in blocks] == [4, 4, 5, 2, 1]
    assert [text.get_text() for text in axis.texts] == ["a: 4", "b: 4", "x: 5", "y: 2", "out: 1"]
    assert len(axis.patches) - len(blocks) == 4  # bands with users


def test_saturation_is_where_the_bottleneck_is(market) -> None:
    """24 GPUs of 40 TFLOP/s do 24 × 40e12 / 3.6e11 tasks a second."""
    table = loads(market.market, market.tables().operators)
    first = market.tables().operators.iloc[0]
    assert table["offered"][0] == pytest.approx(
        first["offered_tasks_per_s"] / (24 * 40e12 / 3.6e11), rel=1e-12
    )
    lines = load_lines(table, market.names).axes[0].lines
    assert [x.get_ydata()[0] for x in lines if x.get_label() == "saturation"] == [1.0]


def test_a_load_beyond_saturation_is_inside_the_axis() -> None:
    future = played(load_scenario("teleoperation", [*SHORT, "operators[3].gpu.servers=2"]), 2)
    table = loads(future.market, future.tables().operators)
    assert load_lines(table, future.names).axes[0].get_ylim()[1] > np.nanmax(table["offered"])


def test_services_nobody_takes_have_no_load(pact) -> None:
    items = pact.tables().items
    used = set(items.loc[items["requests"] > 0, "service"])
    assert set(pact_loads(items)["who"]) == used


def test_two_futures_are_told_apart_by_what_came_after_the_fork() -> None:
    scenario = load_scenario("teleoperation", SHORT)
    model = LiveModel(asked=Asked(scenario, 1))
    for _ in range(2):
        model.step()
    model.fork()
    assert "equal up to round 2" in pair_panel(model.futures).title
    model.change(1, shock.fails("operator 2"))
    for _ in range(4):
        model.step()
    panel = pair_panel(model.futures)
    a, b = (paths(future) for future in model.futures)
    gap = float((b["welfare"] - a["welfare"])[2:].mean())
    assert f"{abs(gap):.3g} USD/s {'less' if gap < 0 else 'more'} welfare" in panel.title
    figure = pair_figure([a, b], 2)
    assert [axis.get_ylabel() for axis in figure.axes] == [
        "welfare (USD/s)", "operators (USD/s)", "late tasks (%)",
    ]  # fmt: skip
    assert all(len(axis.collections) == 2 for axis in figure.axes)  # a band for each future
    assert a["decided"].sum() == model.futures[0].count.table.query("round > 0")["decided"].sum()
