"""Means by type against the two-type Markov chain, closed forms, 60 digits and conservation."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import spsolve

from airan_market.sim.theory.priority import class_sojourn_mean, tandem_class_sojourn_mean
from airan_market.sim.theory.sojourn import sojourn_mean

property_test = settings(max_examples=80)


def means_by_markov_chain(servers, mu, first, second, sizes):
    """Mean sojourns of two types from the stationary law of (n1, n2), truncated, and Little's law.

    Type 1 holds min(n1, c) servers, type 2 what is left: preemptive priority, nothing else used.
    """
    rows, columns, rates = [], [], []
    n1, n2 = np.indices(sizes)
    state = n1 * sizes[1] + n2
    busy = np.minimum(n1, servers)

    def moves(step, rate):
        target = n1 + step[0], n2 + step[1]
        inside = (rate > 0) & (target[0] < sizes[0]) & (target[1] < sizes[1])
        rows.append(state[inside])
        columns.append((target[0] * sizes[1] + target[1])[inside])
        rates.append(rate[inside])

    moves((1, 0), np.full(sizes, first))
    moves((0, 1), np.full(sizes, second))
    moves((-1, 0), mu * busy)
    moves((0, -1), mu * np.minimum(n2, servers - busy))
    size = state.size
    flow = csr_matrix(
        (np.concatenate(rates), (np.concatenate(rows), np.concatenate(columns))), (size, size)
    )
    balance = (flow.T - csr_matrix(np.diag(np.asarray(flow.sum(axis=1)).ravel()))).tolil()
    balance[0] = 1.0  # the equations are dependent; one gives way to the sum of probabilities
    law = spsolve(balance.tocsc(), np.eye(size)[0]).reshape(sizes)
    assert law[-1].sum() < 1e-12
    assert law[:, -1].sum() < 1e-12
    return np.array([(n1 * law).sum() / first, (n2 * law).sum() / second])


def exact_mean(servers, mu, below, rate):
    """Buzen and Bondi's formula as printed, in 60 digits; the derivative of its terms at rate 0."""

    def number_in_system(arrival):
        load, inverse = arrival / mp.mpf(mu), mp.mpf(1)
        if load == 0:
            return mp.mpf(0)
        for k in range(1, servers + 1):
            inverse = 1 + inverse * k / load
        loss = 1 / inverse
        delay = servers * loss / (servers - load * (1 - loss))
        return load + load * delay / (servers - load)

    below, rate = mp.mpf(below), mp.mpf(rate)
    if rate == 0:
        step = mp.mpf(10) ** -25 * (1 + below)
        return (number_in_system(below + step) - number_in_system(below)) / step
    return (number_in_system(below + rate) - number_in_system(below)) / rate


@pytest.mark.parametrize(
    ("servers", "mu", "first", "second"),
    [(1, 2.5, 0.6, 0.7), (2, 0.7, 0.5, 0.3), (3, 1.3, 0.4, 1.9)],
)
def test_two_types_equal_the_markov_chain(servers, mu, first, second):
    expected = means_by_markov_chain(servers, mu, first, second, (32, 62))
    means = class_sojourn_mean(servers, mu, [first, second])
    np.testing.assert_allclose(means, expected, rtol=1e-9)


def test_that_chain_tells_the_priorities_apart():
    """Negative control: the same rates with the priorities exchanged are other means."""
    expected = means_by_markov_chain(2, 0.7, 0.5, 0.3, (32, 62))
    exchanged = class_sojourn_mean(2, 0.7, [0.3, 0.5])[::-1]
    assert np.abs(exchanged / expected - 1).min() > 0.05


def test_one_server_has_a_closed_form():
    """M/M/1: E[T_n] = (1/μ) / ((1 - σ_{n-1}) (1 - σ_n)), σ_n the load of types 1 to n."""
    rates, mu = np.array([0.3, 0.0, 0.9, 0.05, 0.7]), 2.5
    load = np.concatenate([[0], np.cumsum(rates)]) / mu
    expected = 1 / mu / ((1 - load[:-1]) * (1 - load[1:]))
    np.testing.assert_allclose(class_sojourn_mean(1, mu, rates), expected, rtol=1e-13)


@pytest.mark.parametrize("servers", [1, 2, 12, 194])
@pytest.mark.parametrize("utilisation", [0.0, 1e-6, 0.5, 0.95, 1 - 1e-7])
def test_relative_accuracy_of_thin_and_wide_types(servers, utilisation):
    """A second type from a share 1e-16 of the free capacity to half of it, and of rate zero.

    The formula as printed loses all its digits on the way; the tolerance is that of 1/(c - a),
    to which the mean answers, on top of 1e-12.
    """
    mu = 0.7
    below = utilisation * servers * mu
    free = servers * mu - below
    with mp.workdps(60):
        for share in (0.0, 1e-16, 1e-12, 1e-8, 1e-4, 1e-2, 0.06, 0.12, 0.2, 0.5):
            exact = exact_mean(servers, mu, below, share * free)
            value = class_sojourn_mean(servers, mu, [below, share * free])[1]
            tolerance = 1e-12 + 1e-15 * servers * mu / free
            assert abs(mp.mpf(float(value)) / exact - 1) < tolerance, share


def test_the_formula_as_printed_loses_its_digits():
    """Negative control: on a thin type the plain difference fails the check above."""
    servers, mu, below, rate = 12, 0.7, 7.98, 1e-10
    totals = [x * float(sojourn_mean(servers, mu, x)) for x in (below, below + rate)]
    with mp.workdps(60):
        exact = exact_mean(servers, mu, below, rate)
        assert abs((totals[1] - totals[0]) / rate / exact - 1) > 1e-9


def test_a_type_without_tasks_has_the_mean_of_its_first():
    rates = np.array([3.0, 0.0, 2.0])
    means = class_sojourn_mean(3, 2.5, rates)
    for trickle in (1e-3, 1e-6):
        trickled = class_sojourn_mean(3, 2.5, [3.0, trickle, 2.0])
        np.testing.assert_allclose(trickled, means, rtol=trickle)
    assert class_sojourn_mean(3, 2.5, [0.0, 2.0])[0] == pytest.approx(1 / 2.5, rel=1e-14)
    first = class_sojourn_mean(1, 2.5, [0.0])[0]
    assert first == pytest.approx(1 / 2.5, rel=1e-14)


markets_drawn = st.tuples(
    st.integers(1, 500),
    st.floats(1e-2, 1e3),
    st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1)), min_size=2, max_size=8).filter(any),
    st.floats(1e-3, 1 - 1e-6),
).map(lambda x: (x[0], x[1], np.array(x[2]) / sum(x[2]) * x[3] * x[0] * x[1]))


@property_test
@given(markets_drawn)
def test_priorities_share_out_the_number_in_system_and_no_more(market):
    """Σ λ_n E[T_n] = Λ E[T(Λ)], whatever the order of the types."""
    servers, mu, rates = market
    total = rates.sum()
    expected = total * sojourn_mean(servers, mu, total)
    near_saturation = servers * mu / (servers * mu - total)
    for order in (rates, rates[::-1]):
        shared = (order * class_sojourn_mean(servers, mu, order)).sum()
        assert shared == pytest.approx(expected, rel=1e-12 + 1e-14 * near_saturation)


@property_test
@given(markets_drawn)
def test_lower_types_wait_longer_and_higher_types_never_notice(market):
    servers, mu, rates = market
    means = class_sojourn_mean(servers, mu, rates)
    assert means[0] >= 1 / mu
    assert np.all(np.diff(means) >= -1e-9 * means[:-1])
    np.testing.assert_allclose(
        class_sojourn_mean(servers, mu, rates[:-1]), means[:-1], rtol=1e-14
    )  # sums may round
    if rates[0] > 0:
        assert means[0] == pytest.approx(sojourn_mean(servers, mu, rates[0]), rel=1e-9)


def test_a_saturated_type_never_ends_and_those_above_it_do():
    means = class_sojourn_mean(2, 3.0, [2.0, 3.9, 0.1, 0.0, 1.0])
    assert np.isfinite(means[:2]).all()
    np.testing.assert_allclose(means[0], sojourn_mean(2, 3.0, 2.0), rtol=1e-14)
    assert means[2:].tolist() == [np.inf] * 3
    assert class_sojourn_mean(2, 3.0, [60.0, 1.0]).tolist() == [np.inf] * 2


def test_a_type_that_rounding_saturates_is_saturated():
    """Λ_2 is one unit in the last place short of cμ, yet λ_1/μ + λ_2/μ rounds to c."""
    rates = [1.028143738265004, 0.7356840031495686]
    means = class_sojourn_mean(2, 0.8819138707072864, rates)
    assert np.isfinite(means[0])
    assert means[1] == np.inf


def test_tandem_means_are_sums_over_stages():
    servers, mu, rates = [48, 24, 194], [5.5, 9.0, 1.25], np.array([50.0, 90.0, 60.0])
    means = tandem_class_sojourn_mean(servers, mu, rates)
    expected = sum(class_sojourn_mean(c, m, rates) for c, m in zip(servers, mu, strict=True))
    np.testing.assert_allclose(means, expected, rtol=1e-14)
    # all types together see a first come first served tandem
    total = (rates * means).sum() / rates.sum()
    assert total == pytest.approx(sojourn_mean(servers, mu, 200.0).sum(), rel=1e-12)
    assert tandem_class_sojourn_mean(servers, mu, [50.0, 200.0]).tolist()[1] == np.inf


def test_arguments_broadcast():
    rates = np.array([0.4, 0.3, 0.2, 0.1])
    assert class_sojourn_mean([[1], [2]], [2.0, 3.0, 4.0], rates).shape == (2, 3, 4)
    assert class_sojourn_mean(2, 3.0, np.ones((5, 4))).shape == (5, 4)
    servers, mu = np.array([[1, 2, 3], [4, 5, 6]]), np.array([2.0, 3.0, 4.0])
    both = tandem_class_sojourn_mean(servers, mu, rates)
    assert both.shape == (2, 4)
    np.testing.assert_allclose(both[1], tandem_class_sojourn_mean([4, 5, 6], mu, rates))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3.0, [1.0]), r"servers = 0\.0: "),
        ((2, -3.0, [1.0]), r"service_rate_per_s = -3\.0: "),
        ((2, 3.0, [1.0, -1.0]), r"arrival_rates_per_s = -1\.0: "),
        ((2, 3.0, [1.0, np.nan]), r"arrival_rates_per_s = nan: "),
        ((2, 3.0, 1.0), r"arrival_rates_per_s has shape \(\): "),
    ],
)
def test_values_outside_the_domain_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        class_sojourn_mean(*arguments)
    servers, mu, rates = arguments
    with pytest.raises(ValueError, match=message):
        tandem_class_sojourn_mean([servers], [mu], rates)


def test_a_tandem_without_a_stage_axis_is_refused():
    with pytest.raises(ValueError, match=r"servers has shape \(\): must have a last axis"):
        tandem_class_sojourn_mean(2, [3.0], [1.0])
    with pytest.raises(ValueError, match=r"service_rate_per_s has shape \(\): "):
        tandem_class_sojourn_mean([2], 3.0, [1.0])
