"""Serving only those who value quality more: break-even, and the game of rivals."""

from itertools import product

import numpy as np
import pytest

from airan_market.agents.contract.participation import uniform_offer
from airan_market.analysis.questions.reduction import reduction_table
from airan_market.analysis.questions.served import payoffs, served_table, stable, two_qualities


def test_profiles_that_nobody_leaves_are_those_of_a_loop() -> None:
    chance = np.random.default_rng(4)
    for _ in range(50):
        game = chance.integers(0, 4, (2, 3, 2, 3)).astype(float)
        expected = []
        for place in product(range(2), range(3), range(2)):
            leaves = False
            for m, actions in enumerate((2, 3, 2)):
                for action in range(actions):
                    other = list(place)
                    other[m] = action
                    leaves |= game[tuple(other)][m] > game[place][m]
            expected += [] if leaves else [place]
        assert stable(game) == expected


@pytest.mark.parametrize(("ratio", "share"), [(1.25, 0.7), (1.25, 0.9), (2.0, 0.4), (2.0, 0.6)])
def test_a_monopolist_leaves_users_out_where_they_pay_less_than_the_others_more(
    ratio: float, share: float
) -> None:
    """Near share · α_2 = α_1: it gives up some 8e-5 of 7e-4 USD on a task."""
    own = two_qualities("teleoperation", ratio, share, 60).of_operator(0)
    every, some = (uniform_offer(own, x).profit_usd_per_s for x in (0, 1))
    assert (some > every) == (share * ratio > 1)


def test_no_rival_begins_but_all_may_stay() -> None:
    """Two equilibria where share · α_2 is far above α_1; one where it is far below."""
    found = served_table("teleoperation", [1.5, 3.0], [0.3, 0.7])
    assert (found["first_leaves_usd_per_s"] < 0).all()
    assert found["equilibria"].tolist() == ["0", "0 3", "0", "0 3"]
    both = found[found["equilibria"] == "0 3"]
    assert (both["rivals_some_usd_per_s"] > both["rivals_all_usd_per_s"]).all()


def test_where_all_serve_everybody_shares_alone_matter_to_how_full_they_are() -> None:
    """Those of α_2 gain the same at every operator of one quality, so where they go is by rents."""
    low, high = (payoffs(two_qualities("teleoperation", ratio, 0.3, 150))[0, 0, 0]
                 for ratio in (2.0, 3.0))  # fmt: skip
    assert low == pytest.approx(high, rel=1e-6)


def test_the_reduction_never_earns_more_and_sometimes_much_less() -> None:
    found = reduction_table(12, search=False)
    for word in ("", "_loaded"):
        kinds = ("paper", "uniform", "patient", "best")
        paper, uniform, patient, best = (found[f"{kind}{word}"] for kind in kinds)
        assert ((paper <= uniform) & (uniform <= patient) & (patient <= best)).all()
    assert (found["best"] > 1.1 * found["uniform"]).any()
    assert (found["best"] > 1.5 * found["paper"]).any()
    assert (found["best"] < (1 + 1e-9) * found["uniform"]).mean() > 0.5
