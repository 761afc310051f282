"""Quality types: values, and how many users are of which."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.primitives.quality import (
    qualities_in_turn,
    quality_of_users,
    quality_shares,
    service_values,
)
from airan_market.scenarios import load_scenario

TWO = ("users.quality_sensitivity_usd=[4e-4, 6e-4]", "users.quality_shares=[[0.6, 0.4]]")


def test_values_are_sensitivity_times_quality_or_follow_from_alpha_1_q() -> None:
    market = load_scenario("teleoperation", [*TWO, "operators[2].quality=1.3",
                                             "operators[3].service_value_usd=8e-4"])  # fmt: skip
    wanted = [[7.15e-4, 7.15e-4 * 1.5], [4e-4 * 1.3, 6e-4 * 1.3], [8e-4, 12e-4]]
    assert service_values(market) == pytest.approx(np.array(wanted), rel=1e-12)
    assert service_values(market)[0, 0] == 7.15e-4  # as given, to the bit
    assert service_values(load_scenario("teleoperation")).tolist() == [[7.15e-4]] * 3


@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5).filter(lambda v: sum(v) > 0.1),
    st.integers(0, 60),
)
def test_users_in_turn_are_what_a_loop_over_them_gives(weights: list[float], users: int) -> None:
    shares = np.array(weights) / sum(weights)
    count, expected = np.zeros(shares.size), []
    for _ in range(users):
        chosen = int(np.argmax(shares / (2 * count + 1)))
        count[chosen] += 1
        expected.append(chosen)
    found = qualities_in_turn(shares, users)
    assert found.tolist() == expected
    # who comes first does not depend on how many come after
    assert qualities_in_turn(shares, users // 2).tolist() == expected[: users // 2]


@given(st.floats(0.0, 1.0), st.integers(1, 200))
def test_two_qualities_are_rounded_to_the_nearest_user(share: float, users: int) -> None:
    counted = np.bincount(qualities_in_turn(np.array([1 - share, share]), users), minlength=2)
    assert counted.sum() == users
    assert abs(counted[1] - share * users) <= 0.5 + 1e-9


def test_rows_of_shares_belong_to_latency_types_and_fractions_stay() -> None:
    rows = str([[1.0, 0.0], *[[0.25, 0.75]] * 7])
    users = load_scenario("teleoperation", [TWO[0], f"users.quality_shares={rows}",
                                            "users.whole_users=false"]).users  # fmt: skip
    share = quality_shares(users, np.full(8, 10.5))
    assert share is not None
    assert share[:, 0].tolist() == [1.0, 0.0]
    assert share[:, 1:].tolist() == [[0.25] * 7, [0.75] * 7]


def test_users_of_a_market_have_the_shares_of_its_arrays() -> None:
    scenario = load_scenario("quality_types")
    market = Primitives.from_scenario(scenario)
    users = market.users.astype(int)
    quality, type_ = quality_of_users(scenario.users, users), np.repeat(np.arange(8), users)
    counted = np.array(
        [[((quality == x) & (type_ == n)).sum() for n in range(8)] for x in range(3)]
    )
    assert market.quality_share is not None
    assert counted == pytest.approx(market.quality_share * users, abs=1e-9)
    assert counted.sum(axis=1).tolist() == [77, 44, 29]  # of 150, in halves and so on by type


def test_arrays_that_do_not_fit_are_refused() -> None:
    market = Primitives.from_scenario(load_scenario("quality_types"))
    from dataclasses import replace

    assert market.quality_value_usd is not None
    for wrong, said in (
        ({"quality_share": None}, "must be given together"),
        ({"quality_value_usd": market.quality_value_usd[:, ::-1]}, "never decrease"),
        ({"quality_value_usd": market.quality_value_usd[:2]}, "never decrease"),
        ({"quality_share": market.quality_share * 0.9}, "sum 1"),
    ):
        with pytest.raises(ValueError, match=said):
            replace(market, **wrong)
    with pytest.raises(ValueError, match="no type to leave out"):
        Primitives.from_scenario(load_scenario("teleoperation")).serving_from(0)
