"""Selection equilibria (Definition 1) and the certificates of an outcome."""

from collections.abc import Callable

import numpy as np
import pytest

from airan_market.agents.certificate.certificates import (
    Certificates,
    certify,
    check_selection,
)
from airan_market.agents.contract.design import designed_menus
from airan_market.agents.contract.feasibility import check_menu
from airan_market.agents.contract.menu import Menu
from airan_market.agents.matching.assignment import OUT
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.primitives.primitives import Primitives

Market = Callable[..., Primitives]


def flat_menu(price: list[list[float]], latency: float = 5.0) -> Menu:
    """Menus of one latency so long that no stable operator breaks it."""
    shape = np.shape(price)
    return Menu(np.full(shape, latency), np.array(price), np.zeros(shape))


@pytest.fixture
def primitives(market: Market) -> Primitives:
    """Two operators of value 1 and 0.9 to types that lose 5·0.1 and 5·0.05 by waiting."""
    return market(
        users=[10.0, 20.0],
        sensitivity=[0.1, 0.05],
        value=[1.0, 0.9],
        refund=0.3,
        latency_max_s=10.0,
    )


def test_an_equilibrium_by_hand(primitives: Primitives) -> None:
    """Type 1: 1 − 0.5 − 0.1 = 0.4 at operator 1, 0.3 at 2. Type 2: 0.65 and 0.65 + 0.05."""
    menu = flat_menu([[0.1, 0.1], [0.1, -0.05]])
    found = check_selection(primitives, menu, np.array([0, 1]))
    assert found.equilibrium
    assert found.gain_usd == pytest.approx(-0.05)  # type 2 is the least content
    assert (found.type, found.operator, found.better) == (1, 1, 0)


def test_a_better_operator_is_named(primitives: Primitives) -> None:
    menu = flat_menu([[0.1, 0.1], [0.1, -0.05]])
    found = check_selection(primitives, menu, np.array([1, 1]))
    assert not found.equilibrium
    assert (found.type, found.operator, found.better) == (0, 1, 0)
    assert found.gain_usd == pytest.approx(0.1)


def test_opting_out_is_an_alternative(primitives: Primitives) -> None:
    menu = flat_menu([[0.7, 0.1], [0.9, 0.3]])
    found = check_selection(primitives, menu, np.array([0, 0]))
    assert (found.type, found.operator, found.better) == (0, 0, OUT)
    assert found.gain_usd == pytest.approx(0.2)  # 1 − 0.5 − 0.7 = −0.2 against 0


def test_who_is_out_must_not_prefer_an_operator(primitives: Primitives) -> None:
    menu = flat_menu([[0.1, 0.1], [0.1, 0.1]])
    found = check_selection(primitives, menu, np.array([0, OUT]))
    assert (found.type, found.operator, found.better) == (1, OUT, 0)
    assert found.gain_usd == pytest.approx(0.65)


def test_a_tie_is_an_equilibrium(primitives: Primitives) -> None:
    menu = flat_menu([[0.1, 0.1], [0.0, 0.0]])
    found = check_selection(primitives, menu, np.array([0, 1]))
    assert found.equilibrium
    assert found.gain_usd == pytest.approx(0.0, abs=1e-15)


def test_types_without_users_have_no_wishes(market: Market, primitives: Primitives) -> None:
    menu = flat_menu([[0.1, 0.1], [0.1, 0.1]])
    nobody = market(users=[0.0, 0.0], sensitivity=[0.1, 0.05], value=[1.0, 0.9], latency_max_s=10.0)
    found = check_selection(nobody, menu, np.array([1, 1]))
    assert found.equilibrium
    assert np.isneginf(found.gain_usd)


def test_congestion_is_that_of_the_matching_itself(market: Market) -> None:
    """480 tasks/s of type 2 saturate either operator: p = 1 there, and the refund 0.3 is certain.

    Type 1 does not feel type 2, and agreements of an operator without load are kept.
    """
    crowded = market(
        users=[10.0, 80.0],
        sensitivity=[0.1, 0.05],
        value=[1.0, 0.9],
        refund=0.3,
        latency_max_s=10.0,
    )
    menu = flat_menu([[0.1, 0.1], [0.1, 0.1]])
    for matching in ([0, 0], [0, 1]):
        # type 1: 0.3 against 0.4. Type 2: 0.65 + 0.3 against 0.55, or 0.55 + 0.3 against 0.65; the
        # load it would bring to operator 1 would make that 0.65 + 0.3, but is not counted
        found = check_selection(crowded, menu, np.array(matching))
        assert found.equilibrium
        assert found.gain_usd == pytest.approx(-0.1)
        assert found.type == 0
    nobody_waits = check_selection(crowded, menu, np.array([1, 1]))
    assert (nobody_waits.type, nobody_waits.better) == (0, 0)
    assert nobody_waits.gain_usd == pytest.approx(0.1)


def test_certificates_of_a_market_and_their_words(market: Market) -> None:
    primitives = market()
    z = np.full((2, 3), 1 / 3)
    menu = designed_menus(primitives, z)
    agreement = Agreement(menu, z, temperature_usd=1e-5, shadow_price_usd=np.zeros(2))
    found = certify(primitives, agreement)
    fields = found.to_json()
    assert set(fields) == {
        "max_ir_violation",
        "max_ic_violation",
        "selection_equilibrium",
        "best_deviation_gain_usd_per_s",
        "design_loss_usd_per_s",
        "always_broken_types",
    }
    assert fields["design_loss_usd_per_s"] is None  # nobody said for which loads
    assert fields["always_broken_types"] == [[], []]
    assert 0 <= fields["max_ir_violation"] < 1e-15
    assert 0 <= fields["max_ic_violation"] < 1e-15
    assert isinstance(fields["selection_equilibrium"], bool)
    assert len(fields["best_deviation_gain_usd_per_s"]) == 2
    words = found.sentences()
    assert len(words) == 4
    assert "type 1" in words[0]
    assert words[1].startswith("projected matching is")
    assert words[2].startswith("operator 1 could gain")


def test_what_a_local_design_loses_and_whom_it_never_serves_stands_in_the_certificates(
    market: Market,
) -> None:
    primitives = market(design="local")
    z = np.array([[0.3, 0.3, 0.3], [0.0, 0.3, 0.3]])
    menu = designed_menus(primitives, z)
    found = certify(primitives, Agreement(menu, z, z, temperature_usd=1e-5))
    fields = found.to_json()
    broken = (menu.violation_probability >= 1).tolist()
    assert fields["always_broken_types"] == [[n + 1 for n in range(3) if row[n]] for row in broken]
    assert fields["always_broken_types"] == [[1], [1]]
    assert all(0 < loss < 1 for loss in fields["design_loss_usd_per_s"])
    assert "USD/s less than exact designs" in found.sentences()[-2]
    assert found.sentences()[-1].endswith("type 1 at operator 1; type 1 at operator 2")


def test_certificates_of_one_type_and_no_users(market: Market) -> None:
    primitives = market(users=[0.0], sensitivity=[4e-4])
    z = np.full((2, 1), 1 / 3)
    menu = designed_menus(primitives, z)
    found = certify(primitives, Agreement(menu, z, temperature_usd=1e-5))
    fields = found.to_json()
    assert fields["max_ic_violation"] == 0.0
    assert fields["selection_equilibrium"] is True
    assert fields["best_deviation_gain_usd_per_s"] == [0.0, 0.0]
    assert found.sentences()[1] == "projected matching: no users"


def test_a_split_type_must_be_content_wherever_it_is(primitives: Primitives) -> None:
    """Type 1: 0.4 at operator 1, 0.3 at 2, 0 outside; type 2: 0.65, 0.7 and 0."""
    menu = flat_menu([[0.1, 0.1], [0.1, -0.05]])
    fine = check_selection(primitives, menu, np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert fine == check_selection(primitives, menu, np.array([0, 1]))
    split = check_selection(primitives, menu, np.array([[0.7, 0.0], [0.3, 1.0]]))
    assert (split.type, split.operator, split.better) == (0, 1, 0)
    assert split.gain_usd == pytest.approx(0.1)
    partly_out = check_selection(primitives, menu, np.array([[1.0, 0.0], [0.0, 0.5]]))
    assert (partly_out.type, partly_out.operator, partly_out.better) == (1, OUT, 1)
    assert partly_out.gain_usd == pytest.approx(0.7)
    dust = check_selection(primitives, menu, np.array([[1.0, 0.0], [0.0, 1 - 1e-12]]))
    assert dust.equilibrium  # what rounding leaves of a type is nobody


def test_a_split_is_checked_at_its_own_load(market: Market) -> None:
    """240 tasks/s at each operator leave room where 480 do not: no refund is certain."""
    crowded = market(
        users=[10.0, 80.0],
        sensitivity=[0.1, 0.05],
        value=[1.0, 1.0],
        refund=0.3,
        latency_max_s=10.0,
    )
    menu = flat_menu([[0.1, 0.1], [0.1, 0.1]])
    halves = np.array([[1.0, 0.5], [0.0, 0.5]])
    assert check_selection(crowded, menu, halves).equilibrium
    lopsided = check_selection(crowded, menu, np.array([[1.0, 0.9], [0.0, 0.1]]))
    # 432 + 60 tasks/s saturate operator 1: its refund is certain, which the others lack
    assert (lopsided.type, lopsided.operator, lopsided.better) == (1, 1, 0)
    assert lopsided.gain_usd == pytest.approx(0.3)


def test_an_operator_without_a_comparison_has_no_number(primitives: Primitives) -> None:
    menu = flat_menu([[0.1, 0.1], [0.1, 0.1]])
    found = Certificates(
        check_menu(primitives, menu),
        check_selection(primitives, menu, np.zeros((2, 2))),
        (None, None),
        projected=False,
    )
    assert found.to_json()["best_deviation_gain_usd_per_s"] == [None, None]
    assert found.sentences()[1].startswith("matching is not")
    assert "do not come to rest" in found.sentences()[2]
