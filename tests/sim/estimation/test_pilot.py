"""Trials of an operator: the simulated latencies are those of the exact law."""

import numpy as np
import pytest
from scipy import stats

from airan_market.sim.estimation.pilot import GREATEST_TASKS, PilotRun
from airan_market.sim.theory.preemptive import class_end_to_end_tail
from airan_market.sim.traffic.arrival_laws import Bursts, Recorded
from airan_market.sim.traffic.work_laws import Deterministic, Lognormal

SERVERS, RATES = np.array([1.0, 4.0, 1.0]), np.array([np.inf, 110.0, np.inf])
ABOVE, OWN = 150.0, 180.0  # of a capacity of 440 tasks/s
AT = np.array([0.005, 0.015, 0.04])
TRIALS, TASKS = 40, 6000


def shares_beyond(trial=PilotRun, above=ABOVE, own=OWN):
    """Share of latencies beyond `AT` in independent trials, (TRIALS, 3)."""
    return np.array(
        [
            (trial(seed=k).latencies(SERVERS, RATES, above, own, TASKS)[:, np.newaxis] > AT).mean(
                axis=0
            )
            for k in range(TRIALS)
        ]
    )


def t_values(shares, exact):
    return (shares.mean(axis=0) - exact) / (shares.std(axis=0, ddof=1) / np.sqrt(len(shares)))


def test_latencies_of_the_lower_type_follow_the_exact_law():
    """Student's t with 39 degrees of freedom, three at 1e-5: false alarm 3e-5 for fresh seeds.

    Negative control: the law of first come, first served, which is that of a type alone.
    """
    shares = shares_beyond()
    limit = stats.t.isf(0.5e-5, TRIALS - 1)
    exact = class_end_to_end_tail(AT, 4, 110.0, [ABOVE, OWN])[1]
    assert (np.abs(t_values(shares, exact)) < limit).all()
    first_come = class_end_to_end_tail(AT, 4, 110.0, [ABOVE + OWN])[0]
    assert (np.abs(t_values(shares, first_come)) > limit).any()


def test_a_trial_is_a_function_of_its_seed():
    one, again = (PilotRun(seed=3).latencies(SERVERS, RATES, ABOVE, OWN, 500) for _ in range(2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, PilotRun(seed=4).latencies(SERVERS, RATES, ABOVE, OWN, 500))


def test_a_type_alone_has_nobody_above():
    """Same total load: without a type above the latency is shorter (mean M/M/4 at 330 tasks/s)."""
    alone = PilotRun().latencies(SERVERS, RATES, 0.0, ABOVE + OWN, 20_000)
    below = PilotRun().latencies(SERVERS, RATES, ABOVE, OWN, 20_000)
    assert alone.mean() < below.mean()
    assert 0.8 * 20_000 < len(alone) < 0.9 * 20_000


def test_laws_of_work_and_arrivals_are_those_of_the_trial():
    """A mean wait that goes as (1 + cv²) / 2: none beats little beats much; bursts beat Poisson."""
    laws = [
        {"work": Deterministic()},
        {},
        {"work": Lognormal(2.5)},
        {"arrivals": Bursts(4, 0.5, 1.0)},
    ]
    means = [PilotRun(**law).latencies(SERVERS, RATES, 0.0, 330.0, 40_000).mean() for law in laws]
    assert means[0] < means[1] < means[2]
    assert means[1] < means[3]


def test_a_trial_in_bursts_takes_in_its_cycles_up_to_a_limit():
    """20 cycles of 4 s at 330 tasks/s are 26,400 tasks; of 4,000 s they would be too many."""
    short = PilotRun(arrivals=Bursts(2, 0.25, 1.0)).latencies(SERVERS, RATES, 0.0, 330.0, 1000)
    assert len(short) == pytest.approx(0.85 * 26_400, rel=0.2)
    long = PilotRun(arrivals=Bursts(1.01, 0.25, 1000.0)).latencies(SERVERS, RATES, 0.0, 330.0, 1000)
    assert len(long) == pytest.approx(0.85 * GREATEST_TASKS, rel=0.02)


def test_recorded_arrivals_keep_their_crowds():
    """Four at a time to four servers wait no longer; forty at a time do."""
    few, many = (Recorded(np.repeat(np.arange(50.0), size)) for size in (4, 40))
    work = Deterministic()
    means = [
        PilotRun(work=work, arrivals=law).latencies(SERVERS, RATES, 0.0, 200.0, 5000).mean()
        for law in (few, many)
    ]
    assert means[0] == pytest.approx(1 / 110, rel=0.02)  # but where the ring closes
    assert means[1] == pytest.approx(np.arange(1, 11).mean() / 110, rel=0.1)
