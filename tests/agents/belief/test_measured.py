"""The belief of an operator that measures: right where that is known, smooth, always defined."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airan_market.agents.belief import measured as measured_module
from airan_market.agents.belief.measured import GREATEST, PROBES, STEP, measured
from airan_market.agents.screening.envelope import EnvelopePieces
from airan_market.agents.screening.monotone import maximise_monotone
from airan_market.sim.estimation.pilot import PilotRun
from airan_market.sim.estimation.sample_tail import LEVELS, SampleTail
from airan_market.sim.theory.preemptive import class_end_to_end_tail
from airan_market.sim.traffic.arrival_laws import Bursts
from airan_market.sim.traffic.work_laws import Deterministic, Lognormal

SERVERS, RATES = np.array([[1.0, 4.0, 1.0]]), np.array([[np.inf, 110.0, np.inf]])
CAPACITY = 440.0
PILOT_RUN = PilotRun(seed=5)


def believed(loads, at, pilot=PILOT_RUN, servers=SERVERS, rates=RATES):
    return measured(servers, rates, np.array(loads), pilot=pilot).raw(np.array(at))


def load_at(depth):
    return CAPACITY * -np.expm1(-np.array(depth))


AT_NODES = [2 * STEP, 4 * STEP, 6 * STEP]  # loads 39 %, 63 % and 78 %
AT = np.array([0.01, 0.02, 0.05])


def mean_and_error(loads, at, seeds=range(20)):
    """Mean over seeds of the belief of each type at its latency, and its standard error."""
    values = np.array([believed(loads, at, PilotRun(seed=k)) for k in seeds])
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def test_at_a_node_operators_believe_the_exact_law_on_average():
    """Student's t with 19 degrees of freedom at 7 for three types: false alarm 4e-6.

    On top, one in fifty for what smoothing does to the data. Negative control: first come, first
    served, the law that the types' loads alone would have.
    """
    loads = load_at(AT_NODES)
    mean, error = mean_and_error(loads, AT)
    exact = np.diag(class_end_to_end_tail(AT, 4, 110.0, np.diff(loads, prepend=0.0)))
    assert (exact > 0.005).all()
    assert (np.abs(mean - exact) < 7 * error + 0.02 * exact).all()
    pairs = zip(AT, loads, strict=True)
    first_come = np.array([class_end_to_end_tail(t, 4, 110.0, [load])[0, 0] for t, load in pairs])
    assert (np.abs(mean - first_come) > 7 * error + 0.02 * first_come).any()


def test_between_nodes_the_exact_law_is_met_within_a_few_percent():
    """Interpolation of three stages: 8 % of the probability and 5 standard errors."""
    servers, rates = np.array([[9.0, 4.0, 20.0]]), np.array([[270.0, 110.0, 180.0]])
    loads, at = np.array([130.0, 210.0, 370.0]), np.array([0.04, 0.05, 0.08])
    values = np.array([believed(loads, at, PilotRun(seed=k), servers, rates) for k in range(6)])
    error = values.std(axis=0, ddof=1) / np.sqrt(6)
    exact = np.diag(class_end_to_end_tail(at, servers[0], rates[0], np.diff(loads, prepend=0.0)))
    assert (np.abs(values.mean(axis=0) - exact) < 0.08 * exact + 5 * error).all()


@settings(max_examples=30)
@given(st.floats(0.0, 0.99), st.floats(0.0, 0.99))
@example(0.96, 0.98)
def test_what_nodes_say_is_weighed_as_the_module_has_it(above: float, total: float):
    """Nodes that answer a function linear in e^(2u) and in e^v: between them it is met exactly.

    It rises differently along its arguments and with the operator: none can stand for another.
    Beyond the last node the answer grows with 1 / (1 - load) of the types above and of all.
    """

    def said(u, v, capacity):
        return (1 + 0.3 * np.exp(2 * u) + 0.7 * np.exp(v) + 0.05 * np.exp(2 * u + v)) / capacity

    def node(stages, i, j, pilot):
        v = STEP * j if j else -np.log1p(-PROBES)
        scale = said(STEP * i, v, stages[0][1] * stages[1][1])
        return SampleTail(scale * np.arange(LEVELS.size), np.array(2 * scale))

    part = np.sort([above, total])
    capacity = np.array([[CAPACITY], [3 * CAPACITY]])
    two = np.stack([SERVERS, SERVERS * [1, 3, 1]]), np.stack([RATES, RATES])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measured_module, "_node", node)
        tails = measured(*two, capacity * part, pilot=PILOT_RUN).law.tails
    loads = np.array([[0.0, part[0]], part])  # of the types above, and with their own
    last = -np.expm1(-GREATEST)
    u, end = -np.log1p(-np.minimum(loads, last))
    v = np.maximum(end - u, -np.log1p(-PROBES))
    beyond = (1 - np.minimum(loads, last)) / (1 - loads)
    expected = said(u, v, capacity) * beyond.prod(axis=0)
    assert tails.quantile_s[:, 1] == pytest.approx(expected.ravel(), rel=1e-9)
    assert tails.excess_s == pytest.approx(2 * expected.ravel(), rel=1e-9)


def test_a_type_without_tasks_is_measured_by_probes():
    """What it believes is what a type with a twentieth of the spare capacity would, not more."""
    spare = CAPACITY - 300.0
    at = [0.03, 0.03]
    none, probes = (believed([300.0, 300.0 + own], at)[1] for own in (0.0, PROBES * spare))
    assert none == pytest.approx(probes, rel=1e-12)
    more = believed([300.0, 300.0 + 6 * PROBES * spare], at)[1]
    assert more > 1.1 * none
    exact = class_end_to_end_tail(0.03, 4, 110.0, [300.0, PROBES * spare])[1, 0]
    assert none == pytest.approx(exact, rel=0.25)


def test_nobody_has_tasks():
    """At no load a latency is hardly more than the service."""
    belief = believed([0.0, 0.0], [0.02, 0.02])
    assert belief == pytest.approx(np.exp(-2.2), rel=0.1)


def test_a_saturated_type_and_its_neighbours():
    belief = measured(SERVERS, RATES, np.array([100.0, 440.0, 441.0]), pilot=PILOT_RUN)
    assert belief.saturated.tolist() == [False, True, True]
    assert belief.probability(np.full(3, 1e6))[1:].tolist() == [1.0, 1.0]
    designed = maximise_monotone(belief.pieces(np.ones(3), np.ones(3), 1e-3, 2.0), 1e-3, 2.0)
    assert designed[0] < 2.0
    assert designed[1:].tolist() == [2.0, 2.0]


def test_near_saturation_latencies_grow_as_in_heavy_traffic():
    """Half the spare capacity, twice the latency; without a jump where trials end."""
    depth = np.array([GREATEST, GREATEST + np.log(2.0), GREATEST + np.log(4.0)])
    tails = [measured(SERVERS, RATES, load_at([d]), pilot=PILOT_RUN).law.tails for d in depth]
    for factor, tail in zip((1, 2, 4), tails, strict=True):
        assert tail.quantile_s == pytest.approx(factor * tails[0].quantile_s, rel=1e-9)
        assert tail.excess_s == pytest.approx(factor * tails[0].excess_s, rel=1e-9)
    around = [believed([load_at(GREATEST + e)], [0.2])[0] for e in (-1e-7, 1e-7)]
    assert around[1] == pytest.approx(around[0], rel=1e-4)
    # against the exact law: latencies within 30 %, what one pilot run of this length can tell
    allowed = class_end_to_end_tail([0.3 * 1.3, 0.3 / 1.3], 4, 110.0, [load_at(depth[1])])[0]
    assert allowed[0] < tails[1].probability(np.array([0.3]))[0] < allowed[1]


def test_the_belief_is_a_function_of_the_loads():
    loads, at = [120.0, 260.0, 390.0], [0.02, 0.03, 0.05]
    first = believed(loads, at)
    believed([10.0, 20.0, 30.0], at)
    assert np.array_equal(first, believed(loads, at))
    assert not np.array_equal(first, believed(loads, at, PilotRun(seed=6)))
    batch = believed([[10.0, 20.0, 30.0], loads], [at, at])
    assert np.array_equal(batch[1], first)


@settings(max_examples=30)
@given(st.lists(st.floats(0.0, 470.0), min_size=1, max_size=4), st.floats(1e-4, 1.0))
def test_beliefs_are_probabilities_that_fall_with_latency(own, at_s):
    loads = np.cumsum(np.array(own) / len(own))
    belief = measured(SERVERS, RATES, loads, pilot=PILOT_RUN)
    grid = at_s * np.linspace(0.0, 3.0, 40)
    values = np.array([belief.raw(np.full(loads.size, t)) for t in grid])
    assert ((values >= 0) & (values <= 1)).all()
    assert (np.diff(values, axis=0) <= 1e-12).all()
    assert (values[0] == 1).all()
    assert (belief.saturated == (loads >= CAPACITY)).all()


@settings(max_examples=30)
@given(st.floats(0.0, 430.0), st.floats(0.0, 430.0))
def test_a_little_more_load_changes_little(above, total):
    """Continuity: nowhere does interpolation jump."""
    above, total = sorted([above, total])
    before, after = (believed([above + e, total + e], [0.03, 0.03]) for e in (0.0, 1e-6))
    assert after == pytest.approx(before, abs=1e-5)


def test_laws_of_the_traffic_are_in_the_belief():
    """Even work is better than exponential, uneven work and bursts are worse."""
    loads, at = [330.0], [0.04]
    laws = [{"work": Deterministic()}, {}, {"work": Lognormal(3.0)}]
    even, plain, uneven = (believed(loads, at, PilotRun(seed=5, **law))[0] for law in laws)
    bursts = believed(loads, at, PilotRun(seed=5, arrivals=Bursts(4.0, 0.5, 1.0)))[0]
    assert even < 0.5 * plain < plain < min(uneven, bursts)


def test_terms_of_a_design_are_solved_on_the_measured_tail():
    belief = measured(SERVERS, RATES, np.array([120.0, 260.0, 390.0]), pilot=PILOT_RUN)
    slope, weight = np.array([9.0, 1.0, 2.0]), np.array([2.0, 1.0, 3.0])
    pieces = belief.pieces(slope, weight, 1e-3, 2.0)
    assert isinstance(pieces, EnvelopePieces)
    best = pieces.maximisers()
    objective = -slope * best - weight * belief.raw(best)
    for t in np.geomspace(1e-3, 2.0, 400):
        at = np.full(3, t)
        assert (-slope * at - weight * belief.raw(at) <= objective + 1e-9).all()


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="load_per_s"):
        believed([np.nan], [1.0])
    with pytest.raises(ValueError, match="4 stages, allowed at most 3"):
        believed([1.0], [1.0], servers=np.ones((1, 4)), rates=np.ones((1, 4)))
