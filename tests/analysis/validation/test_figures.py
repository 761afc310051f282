import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from airan_market.analysis.figure_style import png
from airan_market.analysis.validation.beyond import beyond_table, laws
from airan_market.analysis.validation.bound.figure import _COLOURS, bound_map_figure
from airan_market.analysis.validation.bound.map import bound_map
from airan_market.analysis.validation.ladder import THEORIES
from airan_market.analysis.validation.report.figures import (
    SAID,
    decomposition,
    drawable,
    other_laws,
    places_on_map,
    tails,
)


@pytest.fixture(scope="module")
def whole(found, edge):
    """The findings with a small map and other laws."""
    table = beyond_table(found.sites, laws(edge), 0.95, seed=1, replications=4, tasks=4000)
    small = bound_map([1, 4], [0.3, 0.6, 0.9], [1, 2, 8], [1e-1, 1e-2, 1e-4])
    from dataclasses import replace

    return replace(found, beyond=table, map=small)


def test_all_there_is_is_drawn_and_labelled(whole):
    figures = drawable(whole)
    assert set(figures) == {"tails-1", "decomposition", "beyond", "map"}
    for figure in figures.values():
        assert figure.axes
        assert all(axis.get_xlabel() for axis in figure.axes)
        assert figure.axes[0].get_ylabel()
        assert len(png(figure)) > 10_000


def test_what_was_not_asked_for_is_not_drawn(found):
    assert set(drawable(found)) == {"tails-1", "decomposition"}


def test_same_frames_same_picture_to_the_byte(whole):
    assert png(decomposition(whole.verdicts)) == png(decomposition(whole.verdicts))
    assert png(bound_map_figure(whole.map, 0.9)) == png(bound_map_figure(whole.map, 0.9))


def test_a_panel_of_tails_shows_every_method_and_the_agreed_latency(whole):
    figure = tails(whole.approximations)
    assert [axis.get_title() for axis in figure.axes] == [
        "operator 1, type 1",
        "operator 1, type 2",
    ]
    for axis in figure.axes:
        labels = axis.get_legend_handles_labels()[1]
        assert set(labels) == {*SAID.values(), "95 % interval"}
        assert axis.get_yscale() == "log"
        # methods differ by more than their colour
        lines = {line.get_label(): line for line in axis.lines}
        looks = {(lines[SAID[m]].get_linestyle(), lines[SAID[m]].get_linewidth()) for m in THEORIES}
        assert len(looks) == len(THEORIES)


def test_the_stack_reaches_the_diamond(whole):
    figure = decomposition(whole.verdicts)
    axis = figure.axes[0]
    ours = whole.verdicts.dropna(subset="decades")
    for place, row in enumerate(ours.itertuples()):
        tops = sum(bars[place].get_height() for bars in axis.containers[:4])
        assert tops == pytest.approx(row.decades, abs=1e-9)


def test_an_unseen_violation_has_a_hollow_marker(whole):
    unseen = whole.beyond.assign(probability=0.0, ci_low=0.0)
    axis = other_laws(unseen).axes[0]
    hollow = [line for line in axis.lines if line.get_markerfacecolor() == "white"]
    assert sum(line.get_xdata().size for line in hollow) == len(unseen)


def test_classes_of_the_map_are_told_apart_in_grey():
    grey = [np.dot(to_rgb(colour), (0.299, 0.587, 0.114)) for colour in _COLOURS]
    assert (np.diff(grey) > 0.1).all()


def test_the_map_marks_the_market_in_the_panel_of_its_position(whole):
    figure = bound_map_figure(whole.map, 0.9, places_on_map(whole))
    texts = {axis.get_title(): [text.get_text() for text in axis.texts] for axis in figure.axes}
    assert texts == {"type feels 2 × its own load": [], "type feels 8 × its own load": ["1.2"]}


def test_figures_leave_matplotlib_as_it_was(whole):
    before = dict(matplotlib.rcParams)
    drawable(whole)
    assert dict(matplotlib.rcParams) == before
