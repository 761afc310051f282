"""The calibration on problems whose answer is known, and its words on what it cannot know."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student

from airan_market.agents.primitives.primitives import Primitives
from airan_market.analysis.calibration.account import Account, Held, hold, propose
from airan_market.analysis.calibration.fit import ROUNDING_VARIANCE, Fit, Parameter, Problem, fit
from airan_market.analysis.calibration.market import (
    GPU,
    MARKET,
    TEMPERATURE,
    UPLINK,
    VALUE,
    dirichlet_prior,
    largest_table_error,
    paper_problem,
    prior_range,
    published_numbers,
    with_values,
)
from airan_market.analysis.calibration.profile import Interval, profile
from airan_market.analysis.calibration.text import account_text
from airan_market.analysis.cli.program import invoke
from airan_market.analysis.reproduction.published import default_totals, table_i
from airan_market.scenarios import load_scenario


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("teleoperation")


TRUTH = np.array([30e6, 41e12, 40e6, 7.5e-4, 1.2e-5])  # in the order of MARKET


@pytest.fixture(scope="module")
def synthetic(scenario):
    """The paper's problem with numbers made by the model at `TRUTH`; users are given."""
    users = np.array([14.0, 20.0, 22.0, 18.0, 19.0, 21.0, 16.0, 20.0])
    market = with_values(Primitives.from_scenario(scenario), scenario, MARKET, TRUTH)
    target = published_numbers(replace(market, users=users))
    return paper_problem(scenario, users, target=target)


def test_known_parameters_are_recovered_from_the_models_own_numbers(synthetic):
    found = fit(synthetic, starts=2)
    # the radio moves the numbers least: its rates are found less sharply
    assert found.values[[1, 3, 4]] == pytest.approx(TRUTH[[1, 3, 4]], rel=2e-3)
    assert found.values[[0, 2]] == pytest.approx(TRUTH[[0, 2]], rel=0.05)
    assert np.abs(found.predicted - synthetic.target).max() < 1e-4
    assert found.dispersion == ROUNDING_VARIANCE  # no misfit but rounding is left


def test_a_parameter_with_influence_is_identified_one_without_is_not(synthetic):
    """GPU rate against a number that the model never looks at: the negative control."""
    idle = Parameter("idle", "1", 0.1, 10.0, 1.0)
    kept = [MARKET.index(name) for name in (GPU, VALUE, TEMPERATURE)]

    def predict(values):
        whole = TRUTH.copy()
        whole[kept] = values[:-1]
        return synthetic.predict(whole)

    problem = replace(
        synthetic,
        parameters=(*(synthetic.parameters[which] for which in kept), idle),
        predict=predict,
    )
    found = fit(problem, starts=1)
    gpu = profile(problem, found, 0)
    assert gpu.identified
    assert gpu.low < TRUTH[1] < gpu.high
    unknown = profile(problem, found, 3)
    assert (unknown.low, unknown.high, unknown.identified) == (None, None, False)


DESIGN = np.vander(np.linspace(-1.0, 1.0, 9), 2)
NOISE = np.array([1.1, -0.7, 0.4, -1.6, 0.2, 1.3, -0.9, 0.8, -0.5])


def line(slope_high=100.0):
    """A straight line through noisy points, in plain numbers: rounding 1, no prior."""
    return Problem(
        (
            Parameter("slope", "1", -100.0, slope_high, 0.0, logarithmic=False),
            Parameter("level", "1", -100.0, 100.0, 0.0, logarithmic=False),
        ),
        DESIGN @ np.array([3.0, 2.0]) + NOISE,
        np.ones(9),
        lambda values: DESIGN @ values,
    )


def test_a_linear_model_gets_its_students_interval():
    """For a linear model the profile interval is the exact Student interval."""
    found = fit(line(), starts=2)
    solution, squares, *_ = np.linalg.lstsq(DESIGN, line().target, rcond=None)
    assert found.values == pytest.approx(solution, abs=1e-5)
    assert found.freedom == 7
    assert found.dispersion == pytest.approx(squares[0] / 7, rel=1e-6)
    error = np.sqrt(squares[0] / 7 * np.linalg.inv(DESIGN.T @ DESIGN)[0, 0])
    reach = student.ppf(0.975, 7) * error
    interval = profile(line(), found, 0)
    # the outer end of a bracket of an eighth of the last step
    assert solution[0] - interval.low == pytest.approx(reach, rel=0.2)
    assert interval.high - solution[0] == pytest.approx(reach, rel=0.2)
    assert solution[0] - interval.low >= reach * 0.999
    wider = profile(line(), found, 0, level=0.999)
    assert wider.low < interval.low < interval.high < wider.high


def test_a_search_bound_inside_the_range_leaves_that_side_open():
    problem = line(slope_high=3.2)
    found = fit(problem, starts=1)
    interval = profile(problem, found, 0)
    assert interval.high is None
    assert interval.low is not None


def test_fits_are_the_same_to_the_bit(synthetic):
    first, second = (fit(synthetic, starts=1, rounds=1) for _ in range(2))
    assert first.values.tobytes() == second.values.tobytes()
    assert first.cost == second.cost


def test_the_prior_is_the_dirichlet_density():
    """Half the sum of squares is the negative log density, up to a constant."""
    from scipy.stats import dirichlet

    law = dirichlet(np.full(4, 10.0))
    one, two = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.25, 0.3, 0.24, 0.21])
    half = [0.5 * (dirichlet_prior(shares, 10.0) ** 2).sum() for shares in (one, two)]
    assert half[0] - half[1] == pytest.approx(law.logpdf(two) - law.logpdf(one), rel=1e-12)


def test_the_priors_range_holds_its_part_of_the_draws():
    """A false alarm has odds below 1e-6: 20,000 draws, band of five standard errors."""
    draws = 150 * np.random.default_rng(1).dirichlet(np.full(8, 10.0), 20_000)[:, 0]
    low, high = prior_range(8, 150.0)
    inside = ((draws > low) & (draws < high)).mean()
    assert inside == pytest.approx(0.95, abs=5 * np.sqrt(0.95 * 0.05 / 20_000))


def test_users_are_held_to_their_total(scenario):
    problem = paper_problem(scenario)
    assert [p.name for p in problem.parameters][: len(MARKET)] == list(MARKET)
    values = np.array([p.start for p in problem.parameters])
    assert problem.constraint(values) == pytest.approx([0.0], abs=1e-9)
    values[-1] += 1.0
    assert problem.constraint(values)[0] == pytest.approx(1e3)
    assert paper_problem(scenario, alpha=None).prior(values).size == 0


def test_values_reach_the_market_in_their_units(scenario):
    base = Primitives.from_scenario(scenario)
    market = with_values(base, scenario, MARKET, TRUTH)
    assert market.service_rate_per_s[1] == pytest.approx(
        [30e6 / 180e3, 41e12 / 3.6e11, 40e6 / 270e3]
    )
    assert market.service_value_usd.tolist() == [7.5e-4] * 3
    assert market.mechanism.temperature_end_usd == 1.2e-5
    assert (with_values(base, scenario, [], np.empty(0)).users == base.users).all()


def test_the_largest_table_error_ignores_the_totals():
    numbers = np.concatenate([table_i().ravel(), default_totals()])
    assert largest_table_error(numbers) == 0.0
    numbers[23] += 0.04
    numbers[24] += 5.0
    assert largest_table_error(numbers) == pytest.approx(0.04)


def test_the_account_says_what_is_not_identified(scenario):
    problem = paper_problem(scenario)
    numbers = np.concatenate([table_i().ravel(), default_totals()])
    best = Fit(np.array([p.start for p in problem.parameters]), numbers, 1.0, 1.0, 22)
    radio, gpu, value = problem.parameters[0], problem.parameters[1], problem.parameters[3]
    intervals = (
        Interval(radio, 5e7, 2e7, None),
        Interval(gpu, 4e13, 3.5e13, 4.2e13),
        Interval(value, 7e-4, None, None),
    )
    users = np.full(8, 18.75)
    valley = (Held(38e12, best, 0.9995, 1.9e-7),)
    text = account_text(Account(best, intervals, {}, valley, best, users))
    assert "38e12 FLOP/s" in text
    assert "100.0%  1.9e-07 USD" in text
    assert "at least 2e+07; not limited above" in text
    assert "3.5e+13 to 4.2e+13" in text
    assert "not identified (searched 0.0004 to 0.002)" in text
    assert UPLINK in text


def test_the_shipped_market_meets_what_its_file_says(scenario):
    """Table I to 0.0205, both totals to 0.15 %, and no operator beyond its effective capacity."""
    market = Primitives.from_scenario(scenario)
    numbers = published_numbers(market)
    assert largest_table_error(numbers) < 0.0205
    others = np.abs(numbers[:24].reshape(8, 3) - table_i())[[0, 2, 3, 4, 5, 6, 7]]
    assert others.max() < 0.009
    assert numbers[24:] == pytest.approx(default_totals(), rel=1.5e-3)
    offered = numbers[:24].reshape(8, 3).T @ market.demand_per_s
    assert (offered < market.effective_capacity_per_s).all()


def test_the_proposal_wants_a_market_without_shadow_prices(scenario, monkeypatch):
    """The lowest GPU rate among the quiet ones; the fit itself is not looked at here."""
    seen = []

    def no_fit(problem, starts):
        seen.append({p.name: p.start for p in problem.parameters})
        return None

    monkeypatch.setattr("airan_market.analysis.calibration.account.fit", no_fit)
    users = np.array([16.7, 21.4, 21.3, 19.6, 20.5, 19.2, 16.9, 14.4])
    found = Fit(np.array([2e8, 4e13, 2e8, 7e-4, 1e-5, *users]), np.zeros(26), 1.0, 1.0, 20)
    valley = [Held(g * 1e12, found, 0.9, s) for g, s in ((42, 0.0), (38, 1e-7), (40, 0.0))]
    _, whole = propose(scenario, tuple(valley))
    assert whole.tolist() == [17, 21, 21, 20, 21, 19, 17, 14]
    assert (seen[0][GPU], seen[0][UPLINK]) == (40e12, 200e6)
    with pytest.raises(ArithmeticError, match="shadow price"):
        propose(scenario, (valley[1],))


def test_the_command_prints_the_account_and_keeps_it(scenario, tmp_path, capsys, monkeypatch):
    """The account itself takes minutes: what is done with one is looked at here."""
    problem = paper_problem(scenario)
    numbers = np.concatenate([table_i().ravel(), default_totals()])
    best = Fit(np.array([p.start for p in problem.parameters]), numbers, 1.0, 1.0, 22)
    account = Account(
        best, (Interval(problem.parameters[1], 4e13, 3.5e13, None),), {"equal": (np.ones(8), best)},
        (Held(38e12, best, 0.9, 0.0),), best, np.full(8, 18.75),
    )  # fmt: skip

    def quick(asked, workers, on_step):
        on_step("best fit", 1, 1)
        return account

    monkeypatch.setattr("airan_market.analysis.calibration.account.calibrate", quick)
    out = tmp_path / "kept"
    assert invoke(["calibrate", "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == str(out)
    assert account_text(account) in told.out
    assert "1 of 1: best fit" in told.err
    assert invoke(["calibrate", "--json", "--quiet"]) == 0
    fields = json.loads(capsys.readouterr().out)
    assert fields["ranges"][0] | {"high": None} == fields["ranges"][0]
    assert [fit["fit"] for fit in fields["fits"]] == ["best fit", "equal", "proposal"]
    assert invoke(["calibrate", "--out", str(out)]) == 2
    assert "a complete calibration is there; allowed with --force" in capsys.readouterr().err
    assert invoke(["report", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == fields
    assert "not identified" not in (out / "report.html").read_text(encoding="utf-8")


def test_held_parameters_stay_where_they_are(synthetic):
    found = fit(hold(synthetic, {GPU: 42e12}), starts=1, rounds=1)
    assert found.values[1] == pytest.approx(42e12, rel=2e-6)
    assert found.cost > fit(synthetic, starts=1, rounds=1).cost


@pytest.mark.long
def test_the_papers_own_fit():
    """The published table and totals: the largest error near 0.02, totals within 1 %."""
    found = fit(paper_problem(load_scenario("teleoperation")))
    assert largest_table_error(found.predicted) < 0.021
    assert found.predicted[-2:] == pytest.approx(default_totals(), rel=0.01)
