"""Choosing under noise: the probability of correct selection, and searches with a known answer."""

from pathlib import Path

import numpy as np
import pytest

from airan_market import load_sweep
from airan_market.analysis.sweep.choosing import choose_into, kim_nelson
from airan_market.scenarios import InputError
from airan_market.scenarios.sweep import Between, Quasi, Sweep


def chosen_right(
    worth: np.ndarray, difference: float, told: float, tries: int, shared: float
) -> float:
    """Part of the tries in which the best, the last, is chosen; δ is told as `told`."""
    right = 0
    for number in range(tries):
        rng = np.random.default_rng((11, number))

        def observe(who, start, count, rng=rng):  # type: ignore[no-untyped-def]
            common = shared * rng.normal(size=(count, 1))
            own = rng.normal(size=(count, len(worth)))[:, list(who)]
            return difference * worth[list(who)] + common + own

        right += kim_nelson(observe, len(worth), told, first=10, batch=3).best == len(worth) - 1
    return right / tries


@pytest.mark.parametrize("shared", [0.0, 3.0])
def test_guarantee_at_the_edge(shared: float) -> None:
    """Slippage: all others worse by δ alone. 95 % are asked of 200 tries; false alarm 1e-4.

    Control: told that ten times the difference matters, it is right far less often.
    """
    worth = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
    assert chosen_right(worth, 0.5, 0.5, 200, shared) >= 0.88
    assert chosen_right(worth, 0.5, 5.0, 200, shared) < 0.75


def test_batches_change_nothing() -> None:
    def choice(batch: int):  # type: ignore[no-untyped-def]
        answers = np.random.default_rng(5).normal([0.0, 0.3, 0.6, 0.5], size=(500, 4))
        return kim_nelson(lambda who, start, count: answers[start : start + count, list(who)], 4,
                          0.2, batch=batch, most=400)  # fmt: skip

    one, many = choice(1), choice(7)
    assert one.best == many.best
    assert one.seeds.tolist() == many.seeds.tolist()
    assert one.mean == pytest.approx(many.mean)


def test_equal_candidates_end_undecided() -> None:
    def observe(who, start, count):  # type: ignore[no-untyped-def]
        rows = np.random.default_rng(3).normal(size=(1000, 1))[start : start + count]
        return np.repeat(rows, len(who), axis=1) + 1e-3 * np.array(who) * 0

    assert not kim_nelson(observe, 2, 1e-3, most=20).decided


@pytest.mark.parametrize("wrong", [{"candidates": 1}, {"difference": 0.0}, {"confidence": 0.2}])
def test_what_is_out_of_its_domain_is_refused(wrong: dict) -> None:
    given = {"candidates": 3, "difference": 1.0, "confidence": 0.9} | wrong
    with pytest.raises(ValueError, match="allowed"):
        kim_nelson(lambda who, start, count: np.zeros((count, len(who))), given["candidates"],
                   given["difference"], confidence=given["confidence"])  # fmt: skip


def test_choose_among_mechanisms(tmp_path: Path) -> None:
    sweep = Sweep(scenario="teleoperation", mechanisms=["ct", "gsmc"],
                  settings={"users.dirichlet_alpha": 10.0})  # fmt: skip
    asked = ("social_welfare_usd_per_s", 0.05)
    fields = choose_into(tmp_path / "c", sweep, *asked, most=30, workers=2)
    assert fields["decided"]
    assert fields["best"] == {"mechanism": "gsmc"}
    frame = load_sweep(tmp_path / "c").groupby("mechanism")["social_welfare_usd_per_s"].mean()
    means = {one["mechanism"]: one["mean"] for one in fields["candidates"]}
    assert means == pytest.approx(frame.to_dict())
    worse = choose_into(tmp_path / "c", sweep, *asked, smallest=True, most=30, workers=2)
    assert worse["best"] == {"mechanism": "ct"}
    with pytest.raises(InputError, match="--by = beauty: allowed are greatest_load"):
        choose_into(tmp_path / "c", sweep, "beauty", 0.1, most=30, workers=1)
    with pytest.raises(InputError, match="two candidates"):
        choose_into(tmp_path / "d", Sweep(scenario="teleoperation"), *asked)


def test_search_finds_a_known_best(tmp_path: Path) -> None:
    """The margin best for all operators, against a fine grid of it."""
    pytest.importorskip("optuna")
    from airan_market import Primitives, load_scenario
    from airan_market.analysis.questions.rent import accounts
    from airan_market.analysis.sweep.searching import search_into

    key, by = "mechanism.participation_margin_usd", "operator_utility_usd_per_s"
    box = Quasi(points=1, keys={key: Between(low=0.0, high=5e-5)})
    sweep = Sweep(scenario="teleoperation", random=box)
    found = search_into(tmp_path / "s", sweep, by, trials=12, workers=1)
    market = Primitives.from_scenario(load_scenario("teleoperation"))
    grid = [accounts(market, np.full(3, x)).operator_utility_usd_per_s.sum()
            for x in np.linspace(0, 5e-5, 41)]  # fmt: skip
    assert found["value"] <= max(grid) * (1 + 1e-4)
    assert found["value"] >= max(grid) - 0.2 * (max(grid) - grid[0])
    again = search_into(tmp_path / "s", sweep, by, trials=12, workers=1)
    assert again == found
    more = search_into(tmp_path / "s", sweep, by, trials=14, workers=1)
    assert more["trials"] == 14
    assert more["value"] >= found["value"]
    with pytest.raises(InputError, match=r"needs \[random\.keys\]"):
        search_into(tmp_path / "t", Sweep(scenario="teleoperation"), by)
