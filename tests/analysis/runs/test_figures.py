import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer

from airan_market.analysis.figure_style import png, save
from airan_market.analysis.runs import figures
from airan_market.analysis.runs.violations import violation_table

NAMES = ["north <b>& $x$", "south"]


def drawn(name, run, names=NAMES):
    arguments = {
        "menus": (run.rounds,),
        "matching": (run.rounds,),
        "violations": (run.rounds, run.tally),
        "utilities": (run.market, run.operators),
    }
    return getattr(figures, name)(*arguments[name], names)


ALL = ["menus", "matching", "violations", "utilities"]


@pytest.mark.parametrize("name", ALL)
def test_every_axis_is_labelled_with_its_unit(run, name):
    figure = drawn(name, run)
    assert figure.axes
    for axis in figure.axes:
        assert axis.get_xlabel()
        first = axis.get_subplotspec().is_first_col()
        assert axis.get_ylabel() or not first
    units = {
        "menus": ["latency agreement (s)", "price (10⁻⁴ USD per task)"],
        "matching": ["matching probability"],
        "violations": ["probability of a violation"],
        "utilities": ["utility (USD/s)"] * 4,
    }
    shown = [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()]
    assert shown == units[name]


@pytest.mark.parametrize("name", ALL)
def test_same_frames_same_picture_to_the_byte(run, name, tmp_path):
    save({"first": drawn(name, run)}, tmp_path)
    first = (tmp_path / "first.png").read_bytes()
    assert first == png(drawn(name, run))
    assert b"Software" not in first


def visible_texts(figure):
    """Titles, labels, legends, numbers on bars, and the tick labels within view."""
    for axis in figure.axes:
        yield from (axis.title, axis.xaxis.label, axis.yaxis.label, *axis.texts)
        for one in (axis.xaxis, axis.yaxis):
            low, high = sorted(one.get_view_interval())
            yield from (
                tick.label1 for tick in one.get_major_ticks() if low <= tick.get_loc() <= high
            )
    for legend in figure.legends:
        yield from legend.get_texts()


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_cut_off_and_no_text_lies_on_another(run, name):
    stands_free(drawn(name, run))


def stands_free(figure):
    FigureCanvasAgg(figure).draw()
    needed, there = figure.get_tightbbox(), figure.bbox_inches
    assert needed.x0 >= there.x0
    assert needed.y0 >= there.y0
    assert needed.x1 <= there.x1
    assert needed.y1 <= there.y1
    texts = [text for text in visible_texts(figure) if text.get_visible() and text.get_text()]
    assert len(texts) > 10
    boxes = [text.get_window_extent().padded(-1) for text in texts]
    for place, box in enumerate(boxes):
        for other in range(place):
            pair = texts[place].get_text(), texts[other].get_text()
            assert not box.overlaps(boxes[other]), pair


def test_menus_of_several_services_are_lines_of_their_own(run):
    services = ["chat", "vehicles", "chat"]
    several = figures.menus(run.rounds, NAMES, services)
    last = [line for line in several.axes[0].lines if line.get_marker() not in ("None", None)]
    lines = [line for line in last if line.get_label() != "_ring"]
    assert [line.get_xdata().tolist() for line in lines] == [[1, 3], [2]] * 2
    assert len(several.legends[0].get_texts()) == 2
    others = [
        figures.matching(run.rounds, NAMES, services),
        figures.violations(run.rounds, run.tally, NAMES, services=services),
    ]
    for figure in [several, *others]:
        assert figure.axes[0].get_xlabel().endswith("\nchat 1, 3; vehicles 2")
        stands_free(figure)


def test_menus_differ_without_colour(run):
    drawn_ = [line for line in drawn("menus", run).axes[0].lines if line.get_marker() != "None"]
    lines = [line for line in drawn_ if line.get_label() != "_ring"]
    assert len({(line.get_marker(), line.get_linestyle()) for line in lines}) == len(lines) == 2


def test_matching_differs_without_colour_and_columns_sum_to_one(run):
    axis = drawn("matching", run).axes[0]
    assert len({bars[0].get_hatch() for bars in axis.containers}) == 3
    heights = np.array([[bar.get_height() for bar in bars] for bars in axis.containers])
    assert heights.sum(axis=0) == pytest.approx([1.0] * 3, abs=1e-12)


def test_violations_draw_the_intervals_of_the_table(run):
    figure = drawn("violations", run)
    table = violation_table(run.rounds, run.tally)
    for number, axis in enumerate(figure.axes, start=1):
        assert axis.get_yscale() == "log"
        (bars,) = [c for c in axis.containers if isinstance(c, ErrorbarContainer)]
        ends = np.array([segment[:, 1] for segment in bars.lines[2][0].get_segments()])
        mine = table[table["operator"] == number]
        assert ends == pytest.approx(mine[["low", "high"]].to_numpy(), rel=1e-9)


def test_a_lower_limit_of_next_to_nothing_does_not_squeeze_the_rest(run):
    """One violation in one round of the run: the interval of its type reaches far down."""
    rare = run.tally.assign(violations=0)
    mine = (rare["operator"] == 1) & (rare["type"] == 1) & (rare["round"] == 1)
    rare.loc[mine & ~mine.cumsum().gt(1), "violations"] = 1
    table = violation_table(run.rounds, rare)
    figure = figures.violations(run.rounds, rare)
    bottom = figure.axes[0].get_ylim()[0]
    marks = table[["believed", "simulated", "high"]].to_numpy()
    assert bottom == pytest.approx(marks[marks > 0].min() / 10)
    assert figure.axes[-1].get_ylim()[0] == bottom


def test_no_violation_is_drawn_as_an_upper_limit(run):
    clean = run.tally.assign(
        violations=run.tally["violations"].where(run.tally["operator"] != 1, 0)
    )
    figure = figures.violations(run.rounds, clean)
    limits = violation_table(run.rounds, clean)["high"][:3]
    (arrows,) = [c for c in figure.axes[0].containers if isinstance(c, ErrorbarContainer)]
    assert arrows.lines[0].get_ydata() == pytest.approx(limits)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "none seen, 95% upper limit" in labels
    png(figure)


@pytest.mark.parametrize("name", ALL)
def test_one_round_and_names_left_out(run, name):
    first = run.rounds["round"] == 1
    figure = {
        "menus": lambda: figures.menus(run.rounds[first]),
        "matching": lambda: figures.matching(run.rounds[first]),
        "violations": lambda: figures.violations(
            run.rounds[first], run.tally[run.tally["round"] == 1]
        ),
        "utilities": lambda: figures.utilities(
            run.market[run.market["round"] == 1], run.operators[run.operators["round"] == 1]
        ),
    }[name]()
    assert len(png(figure)) > 1000
    texts = {text.get_text() for text in figure.findobj(matplotlib.text.Text)}
    assert "operator 2" in texts


def test_no_task_at_all_still_gives_a_picture(run):
    assert len(png(figures.violations(run.rounds, run.tally[:0]))) > 1000


def test_names_that_the_font_cannot_write_and_long_ones(run):
    png(
        drawn("menus", run, ["東京", "an operator whose name takes more than one line of a legend"])
    )


@pytest.mark.parametrize(("operators", "types"), [(1, 1), (11, 3), (2, 20)])
def test_other_sizes(operators, types):
    """More operators than colours, markers or hatches; a single one; many types."""
    cells = pd.MultiIndex.from_product(
        [[1, 2], range(1, operators + 1), range(1, types + 1)], names=["round", "operator", "type"]
    ).to_frame(index=False)
    rounds = cells.assign(
        latency_s=0.1 * cells["type"] * cells["operator"],
        price_usd=1e-4 * cells["operator"],
        match_probability=1 / (operators + 1),
        violation_belief=0.01,
    )
    tally = cells.assign(batch=0, tasks=100, decided=100, violations=cells["type"] % 3)
    drawings = [figures.menus(rounds), figures.matching(rounds)]
    if operators < 5:  # a panel each, which takes its time
        drawings.append(figures.violations(rounds, tally))
    for figure in drawings:
        assert figure.get_size_inches().max() < 20
        FigureCanvasAgg(figure).draw()
        needed, there = figure.get_tightbbox(), figure.bbox_inches
        assert needed.width <= there.width
        assert needed.height <= there.height
