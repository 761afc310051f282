"""Traffic at exactly the solved loads: streams, counting, and theory it must agree with."""

import numpy as np
import pytest
from scipy import stats

from airan_market.agents.primitives.primitives import Primitives
from airan_market.analysis.questions.realised import (
    Span,
    Tasks,
    draw_tasks,
    end_s,
    late_tasks,
    route,
    violation_rates,
)
from airan_market.scenarios import Mechanism
from airan_market.sim.theory.end_to_end import end_to_end_tail


def market(users: tuple[float, ...] = (10.5, 20.25)) -> Primitives:
    return Primitives(
        users=np.array(users),
        latency_sensitivity_usd_per_s=np.linspace(5e-4, 2e-4, len(users)),
        task_rate_per_user_per_s=4.0,
        servers=np.array([[3.0, 2.0, 4.0], [2.0, 1.0, 3.0]]),
        service_rate_per_s=np.array([[50.0, 40.0, 45.0], [60.0, 50.0, 55.0]]),
        service_value_usd=np.array([7e-4, 6.5e-4]),
        refund_usd=1.2e-4,
        violation_cost_usd=1.2e-3,
        running_cost_usd=8e-6,
        opt_out_utility_usd=0.0,
        mechanism=Mechanism(assumed_workload_share=0.5),
    )


Z = np.array([[0.5, 0.25], [0.125, 0.3]])


def test_rates_are_those_of_the_matching() -> None:
    """Each stream's count is Poisson with mean I z δ T; fractional users and all. False alarm 1e-3.

    12 independent counts (type, operator or out, two seeds): each two-sided at 1e-3/12.
    """
    primitives, until = market(), 400.0
    for seed in (3, 4):
        tasks = draw_tasks(primitives.demand_per_s, seed, 0, until)
        sent = route(tasks, Z, primitives.service_rate_per_s)
        counts = np.zeros((2, 2))
        np.add.at(counts, (sent.operator, sent.type), 1)
        mean = Z * primitives.demand_per_s * until
        level = 1e-3 / 12
        assert (counts > stats.poisson.ppf(level / 2, mean)).all()
        assert (counts < stats.poisson.ppf(1 - level / 2, mean)).all()
        out = np.bincount(tasks.type) - counts.sum(axis=0)
        mean_out = (1 - Z.sum(axis=0)) * primitives.demand_per_s * until
        assert (np.abs(out - mean_out) < stats.norm.ppf(1 - level / 2) * np.sqrt(mean_out)).all()
        # control: a matching that is off by a tenth is noticed
        assert (counts > stats.poisson.ppf(1 - level / 2, 0.9 * mean)).any()


def test_two_matchings_face_the_same_tasks() -> None:
    primitives = market()
    tasks = draw_tasks(primitives.demand_per_s, 1, 0, 50.0)
    one = route(tasks, Z, primitives.service_rate_per_s)
    more = route(tasks, Z + np.array([[0.25, 0.25], [0.0, 0.0]]), primitives.service_rate_per_s)
    # who was at operator 1 stays there, arrival and service to the last bit
    same = np.isin(more.task, one.task[one.operator == 0])
    assert (more.operator[same] == 0).all()
    assert np.array_equal(more.service_s[same], one.service_s[one.operator == 0])
    again = draw_tasks(primitives.demand_per_s, 1, 0, 50.0)
    assert np.array_equal(again.arrival_s, tasks.arrival_s)
    other = draw_tasks(primitives.demand_per_s, 1, 1, 50.0)
    assert other.arrival_s[0] != tasks.arrival_s[0]


def test_counting_by_hand() -> None:
    """One server, service 1 s each: latencies 1, 1.5 and 2 s, against an agreement of 1.2 s.

    Arrivals at 0.5 (warm-up), 1.0, 1.5, and at 9.9 one that is under way when the run ends.
    """
    primitives = market((10.0,))
    tasks = Tasks(
        np.array([0.5, 1.0, 1.5, 9.9]),
        np.zeros(4, dtype=np.int64),
        np.array([[0.0, 40.0, 0.0]] * 3 + [[0.0, 4000.0, 0.0]]),
        np.zeros(4),
    )
    span, agreed = Span(horizon_s=9.0, warmup_s=1.0), np.full((2, 1), 1.2)
    single = Primitives(
        **{
            **{name: getattr(primitives, name) for name in primitives.__dataclass_fields__},
            "servers": np.array([[3.0, 1.0, 4.0], [2.0, 1.0, 3.0]]),
        }
    )
    everyone = np.array([[1.0], [0.0]])
    assert end_s(span, agreed) == 11.2
    # arrivals 1.0 and 1.5 wait for the one before: 1.5 s and 2 s; 9.9 is never done
    assert late_tasks(single, everyone, agreed, span, tasks).tolist() == [[3], [0]]
    assert late_tasks(single, everyone, np.full((2, 1), 1.7), span, tasks).tolist() == [[2], [0]]
    assert late_tasks(single, everyone, agreed, Span(0.4, 1.0), tasks).tolist() == [[1], [0]]
    nobody = np.array([[0.0], [0.0]])
    assert late_tasks(single, nobody, agreed, span, tasks).tolist() == [[0], [0]]


def test_rates_of_the_first_type_are_the_exact_tail() -> None:
    """Type 1 is M/M/c at every stage (stages hardly depend at these loads). False alarm 2 · 1e-3.

    t interval over 24 replications at 99.9 % for either operator; the control, the tail at 1.3
    times the latency, must lie outside.
    """
    primitives = market()
    latency = np.array([[0.12, 0.2], [0.12, 0.2]])
    rates = violation_rates(primitives, Z, latency, seed=11, replications=24, span=Span(100.0, 5.0))
    load = (Z * primitives.demand_per_s)[:, 0]
    half = stats.t.ppf(0.9995, 23) * rates.std(axis=0, ddof=1)[:, 0] / np.sqrt(24)
    found = rates.mean(axis=0)[:, 0]
    exact, wrong = (
        end_to_end_tail(
            factor * latency[:, 0], primitives.servers, primitives.service_rate_per_s, load
        )
        for factor in (1.0, 1.3)
    )
    assert (np.abs(found - exact) < half).all()
    assert (np.abs(found - wrong) > half).all()


def test_no_tasks_no_violations_and_bad_spans() -> None:
    primitives = market()
    latency = np.full((2, 2), 0.2)
    none = np.array([[0.0, 0.25], [0.0, 0.3]])
    rates = violation_rates(primitives, none, latency, seed=1, replications=2, span=Span(5.0, 0.0))
    assert rates[:, :, 0].tolist() == [[0.0, 0.0]] * 2
    for span, replications in ((Span(0.0, 1.0), 2), (Span(1.0, -1.0), 2), (Span(1.0, 0.0), 0)):
        with pytest.raises(ValueError, match="horizon_s"):
            violation_rates(primitives, Z, latency, seed=1, replications=replications, span=span)


def test_same_seed_same_rates_with_either_engine() -> None:
    primitives = market()
    latency = np.full((2, 2), 0.1)
    ask = {"seed": 2, "replications": 2, "span": Span(5.0, 1.0)}
    one = violation_rates(primitives, Z, latency, **ask)  # type: ignore[arg-type]
    other = violation_rates(primitives, Z, latency, engine="simpy", **ask)  # type: ignore[arg-type]
    assert np.array_equal(one, other)
    assert one.sum() > 0
