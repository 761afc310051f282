"""The ledger: hand-worked entries, balance by property, and a lost entry that must show."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airan_market.agents.market.ledger import KINDS, Ledger


def booked(entries: list[tuple[int, int, int, int, float]], kind: str = "price") -> Ledger:
    ledger = Ledger(rounds=2, users=3, operators=2, types=2)
    columns = np.array(entries, dtype=float).reshape(-1, 5).T
    rounds, users, operators, types = columns[:4].astype(int)
    ledger.book(kind, rounds, users, operators, types, columns[4])
    return ledger


def test_hand_worked_round() -> None:
    ledger = Ledger(rounds=1, users=2, operators=1, types=2)
    ledger.book("price", 1, [0, 0, 1], 0, [0, 0, 1], [3.0, 3.0, 2.0])
    ledger.book("running", 1, [0, 0, 1], 0, [0, 0, 1], 0.5)
    ledger.book("refund", 1, [1], 0, [1], 1.5)
    ledger.book("loss", 1, [1], 0, [1], 4.0)
    assert ledger.operator_balance_usd()[1, 0].tolist() == [5.0, 2.0 - 0.5 - 1.5 - 4.0]
    assert ledger.user_balance_usd().tolist() == [-6.0, -0.5]
    assert ledger.imbalance_usd() == 0.0


entry = st.tuples(
    st.integers(1, 2),
    st.integers(0, 2),
    st.integers(0, 1),
    st.integers(0, 1),
    st.floats(0, 1e3, allow_subnormal=False),
)


@given(st.lists(entry, max_size=200), st.sampled_from(KINDS))
def test_both_sides_agree_to_rounding(entries: list, kind: str) -> None:
    """Summing n terms in two orders differs by at most about n ulp of the total."""
    ledger = booked(entries, kind)
    total = ledger.operator_side(kind).sum()
    bound = 2 * max(len(entries), 1) * np.finfo(float).eps * total
    assert ledger.imbalance_usd() <= bound


def test_a_lost_entry_shows() -> None:
    ledger = booked([(1, 0, 1, 0, 0.25), (1, 2, 0, 1, 0.5)])
    assert ledger.imbalance_usd() == 0.0
    ledger._user_side["price"][2] = 0.0
    assert ledger.imbalance_usd() == 0.5


def test_empty_booking_is_allowed() -> None:
    assert booked([]).imbalance_usd() == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gift", 1, 0, 0, 0, 1.0), "kind = 'gift'"),
        (("price", 1, 0, 0, 0, float("nan")), "amount_usd"),
        (("price", 3, 0, 0, 0, 1.0), "invalid entry"),
        (("price", 1, 3, 0, 0, 1.0), "invalid entry"),
    ],
)
def test_impossible_entries_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ledger(rounds=2, users=3, operators=2, types=2).book(*arguments)


def test_the_sides_are_copies() -> None:
    ledger = booked([(1, 0, 1, 0, 0.25)])
    ledger.operator_side("price")[:] = 7.0
    assert ledger.operator_side("price")[1, 1, 0] == 0.25
