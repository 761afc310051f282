"""Laws of work: mean 1, moments in closed form, one stream one sample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from airan_market.sim.streams import stream
from airan_market.sim.traffic.request_trace import RequestTrace
from airan_market.sim.traffic.work_laws import (
    Deterministic,
    Empirical,
    EmpiricalTasks,
    Exponential,
    Lognormal,
    StageLaws,
    Tokens,
)

LAWS = [Exponential(), Deterministic(), Lognormal(0.5), Lognormal(2.0), Empirical([1.0, 0.0, 7.0])]
DRAWS = 200_000


def named(name="work law"):
    return stream(7, name)


@pytest.mark.parametrize("law", LAWS)
def test_the_same_stream_gives_the_same_bytes_in_any_shape(law):
    flat = law.draw(named(), 6)
    assert np.array_equal(flat, law.draw(named(), 6))
    assert np.array_equal(flat.reshape(2, 3), law.work(named(), 2))
    assert law.draw(named(), 0).shape == (0,)
    assert (law.draw(named(), 1000) >= 0).all()


def test_exponential_work_is_what_the_generator_gives():
    expected = named().standard_exponential((5, 3))
    assert np.array_equal(Exponential().work(named(), 5), expected)


def moment_z(values, law, order):
    """Standard score of a sample moment, its error from the closed form of twice the order."""
    mean = law.moment(order)
    variance = law.moment(2 * order) - mean**2
    return (np.mean(values**order) - mean) / np.sqrt(variance / len(values))


@pytest.mark.parametrize("law", [Exponential(), Lognormal(0.5), Empirical([1.0, 0.0, 7.0])])
@pytest.mark.parametrize("order", [1, 2])
def test_moments_of_a_sample_are_those_of_the_closed_form(law, order):
    """Two-sided normal test at 5 standard errors: false alarm 6e-7 for a fresh seed."""
    assert abs(moment_z(law.draw(named(), DRAWS), law, order)) < 5


def test_the_test_of_moments_sees_a_wrong_law():
    """A sample 3 % too large, and one of another law with the same mean."""
    values = Exponential().draw(named(), DRAWS)
    assert abs(moment_z(1.03 * values, Exponential(), 1)) > 5
    assert abs(moment_z(values, Lognormal(0.5), 2)) > 5


def test_lognormal_work_has_the_law_it_states():
    """Kolmogorov-Smirnov at 1e-6; another coefficient of variation must fail."""
    values = Lognormal(2.0).draw(named(), 20_000)
    spread = np.sqrt(np.log(5.0))
    law = stats.lognorm(s=spread, scale=np.exp(-(spread**2) / 2))
    assert stats.kstest(values, law.cdf).pvalue > 1e-6
    assert stats.kstest(Lognormal(1.8).draw(named(), 20_000), law.cdf).pvalue < 1e-6


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_moments_against_quadrature(order):
    assert Exponential().moment(order) == pytest.approx(stats.expon.moment(order), rel=1e-12)
    spread = np.sqrt(np.log1p(0.7**2))
    law = stats.lognorm(s=spread, scale=np.exp(-(spread**2) / 2))
    assert Lognormal(0.7).moment(order) == pytest.approx(law.moment(order), rel=1e-9)
    assert Empirical([2.0, 6.0]).moment(order) == (0.5**order + 1.5**order) / 2


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=30).filter(lambda v: sum(v) > 1e-6))
def test_empirical_laws_have_mean_1_and_only_values_they_were_given(values):
    law = Empirical(values)
    assert law.moment(1) == pytest.approx(1.0, rel=1e-12)
    assert set(law.draw(named(), 50)) <= set(law.values)
    assert law.values * np.mean(values) == pytest.approx(values, rel=1e-12)


def test_whole_tasks_keep_their_stages_together():
    """Uplink and GPU of a request are dependent: exactly, row by row."""
    trace = RequestTrace([0.0, 1.0, 2.0], [10, 20, 90], [5, 0, 40])
    law = EmpiricalTasks(trace.work)
    assert law.rows.mean(axis=0) == pytest.approx(np.ones(3), rel=1e-15)
    rows = {tuple(row) for row in law.work(named(), 100)}
    assert rows == {tuple(row) for row in law.rows}
    assert Empirical(law.rows[:, 1]).values.tolist() == law.rows[:, 1].tolist()


def test_each_stage_may_have_its_own_law():
    law = StageLaws(Exponential(), Deterministic(), Lognormal(2.0))
    work = law.work(named(), 1000)
    assert work.shape == (1000, 3)
    assert (work[:, 1] == 1.0).all()
    assert np.array_equal(work[:, 0], Exponential().draw(named(), 1000))
    assert law.downlink == Lognormal(2.0)


@pytest.mark.parametrize("cv", [0.0, -1.0, np.nan, np.inf])
def test_a_lognormal_law_needs_a_positive_coefficient_of_variation(cv):
    with pytest.raises(ValueError, match=r"cv = .*: allowed above 0"):
        Lognormal(cv)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "at least one row"),
        ([[1.0]], "allowed 1 axes"),
        ([1.0, -2.0], "values = -2.0"),
        ([np.nan], "values = nan"),
        ([0.0, 0.0], "all 0"),
    ],
)
def test_empirical_values_out_of_their_domain_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Empirical(values)


def test_requests_without_answers_have_no_law_of_the_downlink():
    with pytest.raises(ValueError, match="rows: all 0"):
        EmpiricalTasks(RequestTrace([0.0], [10], [0]).work)
    with pytest.raises(ValueError, match=r"allowed \(n, 3\)"):
        EmpiricalTasks(np.ones((4, 2)))


@pytest.mark.parametrize("law", LAWS)
def test_moments_of_order_0_are_refused(law):
    with pytest.raises(ValueError, match="order = 0"):
        law.moment(0)


def token_z(law, draws):
    """Standard scores of means, of the logarithms' spread and of their correlation."""
    prompt, work, answer = draws.T
    size = np.sqrt(len(draws))
    means = [(x.mean() - 1) * size / x.std() for x in (prompt, work, answer)]
    spreads = [
        (np.log(x).var() / np.log1p(cv**2) - 1) * size / np.sqrt(2)
        for x, cv in ((prompt, law.prompt_cv), (answer, law.answer_cv))
    ]
    seen = np.arctanh(np.corrcoef(np.log(prompt), np.log(answer))[0, 1])  # Fisher
    return np.abs([*means, *spreads, (seen - np.arctanh(law.correlation)) * size])


def test_tokens_have_the_moments_and_the_correlation_they_are_told():
    """Six normal tests at 5 standard errors: false alarm 4e-6; control: other cvs, other ρ."""
    law = Tokens(prompt_cv=0.96, answer_cv=0.5, correlation=-0.4, prompt_share=0.3)
    draws = law.work(named(), DRAWS)
    assert (token_z(law, draws) < 5).all()
    assert np.allclose(draws[:, 1], 0.3 * draws[:, 0] + 0.7 * draws[:, 2], rtol=1e-14)
    wrong = Tokens(prompt_cv=0.93, answer_cv=0.52, correlation=-0.42, prompt_share=0.3)
    assert (token_z(wrong, draws)[3:] > 5).all()


@pytest.mark.parametrize(
    "told", [{"prompt_cv": 0.0}, {"answer_cv": -1.0}, {"correlation": 1.0}, {"prompt_share": 1.1}]
)
def test_tokens_out_of_their_domain_are_refused(told):
    with pytest.raises(ValueError, match=r"allowed"):
        Tokens(**told)
