"""The pictures of a PACT market show the numbers they are given."""

import numpy as np
import pandas as pd
import pytest

from airan_market.agents.pact.market import markets_of
from airan_market.agents.pact.outcome import SolvedMarket
from airan_market.analysis.pact import figures as pact_figures
from airan_market.analysis.pact import tables as pact_tables
from airan_market.analysis.pact.tables import (
    liability_table,
    menu_table,
    scale_table,
    service_table,
)
from airan_market.scenarios import load_pact


@pytest.fixture(scope="module")
def solved() -> SolvedMarket:
    return SolvedMarket.solve(markets_of(load_pact("pact"))[0], 1.0)


def lines(axis) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_ydata() for line in axis.get_lines()}


def test_figure_2_shows_the_paper_s_types_and_marks_their_own_item(solved: SolvedMarket) -> None:
    figure = pact_figures.own_items(solved)
    shown = lines(figure.axes[0])
    assert [label for label in shown if label.startswith("type")] == [
        "type 1", "type 5", "type 10", "type 15",
    ]  # fmt: skip
    assert shown["type 10"] == pytest.approx(solved.contract.choice_utility_usd()[9])
    own = shown["type 10"][9]  # as good as the next lower item, better than all others
    assert shown["type 10"].max() == pytest.approx(own, abs=1e-12)
    assert (np.delete(shown["type 10"], [8, 9]) < own - 1e-3).all()


def test_figures_3_and_4_show_all_four_menus(solved: SolvedMarket) -> None:
    quality, price = pact_figures.menus(solved).axes
    assert lines(quality)["liability 1"] == pytest.approx(solved.liable_contract.quality)
    assert lines(price)["without, first best"] == pytest.approx(solved.first_best.price_usd)
    axes = pact_figures.utilities(solved).axes
    assert lines(axes[1])["without liability"] == pytest.approx(solved.contract.profit_usd)
    heights = [patch.get_height() for patch in axes[3].patches]
    assert solved.liable_contract.provider_utility_usd in heights
    assert len(heights) == 12


def test_types_left_out_are_gaps() -> None:
    market = markets_of(load_pact("pact", ["pact.serve_all=false"]))[0]
    quality, _ = pact_figures.menus(SolvedMarket.solve(market, 1.0)).axes
    assert np.isnan(lines(quality)["liability 1"][:7]).all()


def test_the_regulator_s_chart_tells_who_gains() -> None:
    level = np.array([0.0, 1.0, 2.0, 3.0])
    common = {"level": level, "menu": "discrete", "flat_curve": False}
    points = pd.DataFrame(
        common
        | {"provider_usd": [3.0, 2.0, 1.0, 0.0], "users_usd": [0.0, 1.0, 2.0, 3.0],
           "social_welfare_usd": [3.0] * 4, "welfare_with_harm_usd": [1.0, 2.0, 2.0, 0.0]}
    )  # fmt: skip
    changes, welcome = pact_figures.liability(points, {"discrete": 3.0}).axes
    assert lines(changes)["provider"].tolist() == [0.0, -1.0, -2.0, -3.0]
    bars = sorted((round(bar.get_y() + 0.275), bar.get_x(), bar.get_width()) for bar in
                  welcome.patches)  # fmt: skip
    assert bars == [(0, 1.0, 1.0), (2, 1.0, 2.0)]  # those harmed and users; nobody else gains


def test_tables_hold_what_the_figures_show(solved: SolvedMarket) -> None:
    menus = menu_table(solved)
    assert len(menus) == 4 * 15
    own = menus[(menus["liability_level"] == 1.0) & ~menus["first_best"]]
    assert own["price_usd"].to_numpy() == pytest.approx(solved.liable_contract.price_usd)
    services = service_table(solved)
    assert services["residual_usd"].to_numpy() == pytest.approx(
        services["base_cost_usd"] - services["fitted_cost_usd"]
    )
    points, zeros = liability_table(solved.market)
    assert set(points["menu"]) == {"continuous", "discrete"}
    discrete = points[points["menu"] == "discrete"]
    below = discrete[discrete["level"] < zeros["discrete"]]
    assert (below["provider_usd"] > 0).all()
    assert pact_figures.services(solved).axes


def test_break_even_grows_with_what_quality_is_worth(solved: SolvedMarket, monkeypatch) -> None:
    monkeypatch.setattr(pact_tables, "SCALES", np.geomspace(0.05, 5.0, 6))
    scales = scale_table(solved.market)
    for _, rows in scales.groupby("form"):
        assert (np.diff(rows["level"]) > 0).all()
    assert pact_figures.break_even_over_scale(scales).axes


def test_claims_are_numbers_in_cells() -> None:
    shares = {"a": {"x": {"1": 0.25, "2": 1.0}}, "b": {"x": {"1": 0.0, "2": 0.5}}}
    axis = pact_figures.claims(shares).axes[0]
    assert [text.get_text() for text in axis.texts][:4] == ["25", "100", "0", "50"]
