"""Identification: prior, likelihood and sampling on known answers, and every rule tried."""

import importlib
import json
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, norm

from airan_market.analysis.cli.program import invoke
from airan_market.analysis.identification import cells as pieces
from airan_market.analysis.identification import report
from airan_market.analysis.identification.cells import Sampled, cells, compute, marks
from airan_market.analysis.identification.likelihood import ROUNDING, SCALES, log_likelihood
from airan_market.analysis.identification.posterior import Posterior, posterior, residuals
from airan_market.analysis.identification.prior import GPU, RANGES, TEMPERATURE, Prior
from airan_market.analysis.identification.rules import (
    EVERY,
    KNOWN,
    best_by_chance,
    every_reading,
    held,
    variants,
    with_rules,
)
from airan_market.analysis.reproduction.cells import cells as reproduction_cells
from airan_market.analysis.reproduction.cells import compute as compute_cell
from airan_market.analysis.reproduction.cells import totals
from airan_market.analysis.reproduction.claim import HOLDS, counts
from airan_market.analysis.reproduction.verdicts import verdict_rows
from airan_market.analysis.store import cell_store
from airan_market.scenarios import InputError, Reading, load_reading, load_scenario


@pytest.fixture(scope="module")
def prior():
    return Prior.of(load_scenario("teleoperation", reading="as_published"))


def test_the_prior_is_the_one_that_is_said(prior):
    """Kolmogorov-Smirnov at 1e-4 each, fixed seed: five false alarms in 10,000 suites."""
    cube = np.random.default_rng(5).random((1500, prior.dimensions))
    points = np.array([prior.point(one) for one in cube])
    for k, (_, low, high) in enumerate(RANGES.values()):
        part = np.log(points[:, k] / low) / np.log(high / low)
        assert kstest(part, "uniform").pvalue > 1e-4
    shares = points[:, len(RANGES) :]
    assert shares.sum(axis=1) == pytest.approx(np.ones(1500))
    assert kstest(shares[:, 2], "beta", (10, 70)).pvalue > 1e-4  # of Dirichlet(10, …, 10)
    assert kstest(shares[:, 2], "beta", (1, 7)).pvalue < 1e-4  # negative control


def test_a_point_is_a_market(prior):
    point = prior.point(np.linspace(0.2, 0.8, prior.dimensions))
    market = prior.market(point)
    assert market.service_rate_per_s[:, 1] == pytest.approx(np.full(3, point[0] / 3.6e11))
    assert market.service_value_usd == pytest.approx(np.full(3, point[1]))
    assert market.mechanism.latency_min_s == point[2]
    assert (market.users == np.floor(150 * point[4:])).all()


def test_the_likelihood_is_the_integral_that_is_said():
    """Against the density of SciPy, scale by scale."""
    off = np.array([0.3, -1.2, 4.0])
    scales = np.sqrt(ROUNDING + SCALES**2)
    expected = np.log(np.mean([norm.pdf(off, scale=s).prod() for s in scales]))
    assert log_likelihood(off) == pytest.approx(expected, rel=1e-12)
    assert log_likelihood(np.zeros(3)) > log_likelihood(off) > log_likelihood(2 * off)


def test_samples_are_those_of_a_posterior_that_is_known(prior, monkeypatch):
    """26 numbers that tell one share each its own size; the evidence by integration on a grid."""
    module = importlib.import_module("airan_market.analysis.identification.posterior")

    class One(Prior):
        @property
        def names(self):
            return ["x"]

        def point(self, cube):
            return np.array(cube)

        def users(self, point):
            return np.zeros(8)

    def linear(prior, point, printed=None):
        return np.full(26, (point[0] - 0.3) / 0.02)

    monkeypatch.setattr(module, "residuals", linear)
    found = posterior(prior.scenario, live=150, prior=One(prior.scenario, prior.primitives))
    grid = (np.arange(4000) + 0.5) / 4000
    density = np.exp([log_likelihood(linear(None, [x])) for x in grid])
    known = np.cumsum(density) / density.sum()
    assert found.log_evidence == pytest.approx(np.log(density.mean()), abs=0.5)  # 5 of its errors
    low, middle, high = np.quantile(found.samples[:, 0], [0.05, 0.5, 0.95])
    expected = np.interp([0.05, 0.5, 0.95], known, grid)
    assert [low, middle, high] == pytest.approx(expected, abs=0.25 * (expected[2] - expected[0]))
    assert found.best[0] == pytest.approx(0.3, abs=0.005)


@pytest.mark.long
def test_what_a_market_of_the_prior_prints_is_found_again(prior):
    """Numbers of a known market in place of the paper's: the best one found meets them.

    Two parameters are sampled, the rest is as in the truth: a whole posterior takes minutes.
    """
    truth = prior.point(np.linspace(0.3, 0.7, prior.dimensions))
    printed = residuals(prior, truth, np.zeros(26))  # in half units
    unit = residuals(prior, truth, np.full(26, -1.0)) - printed

    class Two(Prior):
        @property
        def names(self):
            return [GPU, TEMPERATURE]

        def point(self, cube):
            full = np.full(12, 0.5)
            full[[0, 3]] = cube
            return prior.point(full)[[0, 3]]

        def market(self, point):
            full = truth.copy()
            full[[0, 3]] = point
            return prior.market(full)

        def users(self, point):
            return self.market(point).users

    two = Two(prior.scenario, prior.primitives)
    found = posterior(prior.scenario, live=40, printed=printed / unit, prior=two)
    assert found.best == pytest.approx(truth[[0, 3]], rel=0.03)
    low, high = np.quantile(found.samples[:, 0], [0.005, 0.995])
    assert low <= truth[0] <= high
    assert np.abs(residuals(two, found.best, printed / unit)).max() < 3
    far = truth.copy()
    far[0] *= 1.2
    assert np.abs(residuals(prior, far, printed / unit)).max() > 10  # the table does see it
    again = Posterior.from_json(json.loads(json.dumps(found.to_json())))
    assert (again.samples == found.samples).all()
    assert again.names == found.names


def test_without_dynesty_it_says_what_to_install(monkeypatch, prior):
    monkeypatch.setitem(sys.modules, "dynesty", None)
    with pytest.raises(InputError, match="identify needs dynesty: pip install"):
        posterior(prior.scenario)


def test_rules_cover_the_readings_that_ship_and_those_that_are_known(tmp_path):
    assert set().union(*KNOWN.values()) == set(EVERY)
    readings = list(every_reading())
    assert len({tuple(r.values()) for r in readings}) == len(readings) == 768
    frame = pd.DataFrame(readings).assign(holds=range(768))
    named = report.named_in(frame)
    assert named["ours"] == 0  # the first of all
    assert len(set(named.values())) == 4


def test_putting_mechanisms_together_is_the_reproduction_itself():
    """`held` of one reading against the rows that `reproduce` would have: all sweeps, one draw."""
    base, reading = load_scenario("teleoperation"), load_reading("as_published")
    asked = Reading("as_published", used=("table_i", "totals"))
    answers = {}
    for variant in variants(reading, 1):
        rules = variant.rules
        wanted = {rule: _of(reading, rule) for rule in rules}
        if rules == wanted:
            answers[variant] = [
                compute_cell(cell, base, (variant.mechanism,)) for cell in variant.cells()
            ]
    assert len(answers) == 4
    whole = [compute_cell(cell, base) for cell in reproduction_cells((), 1, [reading])]
    expected = counts(verdict_rows(totals(whole), asked))
    parts = pd.concat([totals(found) for found in answers.values()], ignore_index=True)
    assert counts(verdict_rows(parts, asked)) == expected
    assert 0 < expected["out"][HOLDS] < 60


def _of(reading, rule):
    table, _, word = rule.partition(".")
    return reading.settings.get(table, {}).get(word, EVERY[rule][0])


def test_every_reading_is_counted(monkeypatch):
    """`held` looks up the right parts: made-up frames in which only one variant holds a claim."""
    for rule in ("ct_belief", "mc_belief", "gsmc_belief", "gsmc_quotas", "gsmc_unit"):
        monkeypatch.setitem(EVERY, f"mechanism.{rule}", EVERY[f"mechanism.{rule}"][:1])
    made = {}
    for variant in variants(Reading("as_published"), 1):
        good = variant.mechanism != "mixed" or variant.values == ("local", "floor")
        value = {"mixed": 1.6 if good else 0.5}.get(variant.mechanism, 1.0)
        row = {"draw": 0, "mechanism": variant.mechanism, "operator_usd_per_s": value,
               "welfare_usd_per_s": value, "converged": True}  # fmt: skip
        made[variant] = [{"cell": ["as_published", "users", 90.0, 1], "rows": [row]}]
    found = held(made, Reading("as_published"))
    local = (found["mechanism.design"] == "local") & (found["users.rounding"] == "floor")
    assert len(found) == 8
    assert (found["holds"] == np.where(local, 2, 0)).all()  # both gains at 90 users


def test_settings_of_a_reading_stay_but_for_the_rule():
    reading = Reading("r", settings={"mechanism": {"ties": "number", "design": "local"}})
    changed = with_rules(reading, {"mechanism.ties": "capacity", "users.rounding": "floor"})
    assert changed.settings == {
        "mechanism": {"ties": "capacity", "design": "local"},
        "users": {"rounding": "floor"},
    }
    assert reading.settings["mechanism"]["ties"] == "number"


@pytest.mark.parametrize("tried", [1, 3, 19])
def test_the_best_by_chance_is_that_of_a_lottery(tried):
    """Against 20,000 draws: three standard errors are exceeded in 3 of 1,000 suites."""
    rng = np.random.default_rng(8)
    holds = rng.integers(5, 30, 400)
    lottery = rng.choice(holds, size=(20_000, tried)).max(axis=1)
    error = lottery.std() / np.sqrt(20_000)
    assert abs(lottery.mean() - best_by_chance(holds.tolist(), tried)) < 3 * error


def test_marks_tell_readings_and_efforts_apart():
    asked = [Sampled(load_reading("ours"), 100), Sampled(load_reading("ours"), 50),
             Sampled(load_reading("exact"), 100)]  # fmt: skip
    assert len(set(marks(asked).values())) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "users"], "--only = users: allowed are posterior, rules"),
        (["--draws", "0"], "--draws = 0"),
        (["--live", "3"], "--live = 3: must be at least 30"),
        (["--reading", "theirs"], "theirs: no such reading"),
    ],
)
def test_bad_input_is_one_line(arguments, words, tmp_path, capsys):
    assert invoke(["identify", *arguments, "--out", str(tmp_path / "new")]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("sketched")
def test_the_command_leaves_tables_figures_and_findings(tmp_path, capsys, monkeypatch):
    """With answers made up: what is computed is tested above."""

    def made_up(cell):
        if isinstance(cell, Sampled):
            rng = np.random.default_rng(len(cell.name))
            prior = Prior.of(load_scenario("teleoperation", reading=cell.reading))
            samples = np.array([prior.point(one) for one in rng.random((50, 12))])
            users = np.array([prior.users(one) for one in samples])
            log_evidence = -90.0 - len(cell.name)
            return Posterior(
                prior.names, samples, users, samples[0], log_evidence, 0.5, 99
            ).to_json()
        row = {"draw": 0, "mechanism": cell.mechanism, "operator_usd_per_s": 1.0,
               "welfare_usd_per_s": 1.0, "converged": True}  # fmt: skip
        return [{"cell": ["as_published", "users", 90.0, 1], "rows": [row]}]

    def counted(answers, reading, workers):
        return pd.DataFrame(every_reading()).assign(holds=7, in_sample_holds=0)

    monkeypatch.setattr(report, "held", counted)
    monkeypatch.setattr(report, "compute", made_up)
    monkeypatch.setattr(cell_store, "processors", lambda: 1)
    out = tmp_path / "out"
    assert invoke(["identify", "--draws", "1", "--out", str(out), "-q", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    evidence = {row["reading"]: row["probability"] for row in told["evidence"]}
    assert sum(evidence.values()) == pytest.approx(1.0)
    assert max(evidence, key=evidence.get) == "ours"  # the shortest name
    assert told["rules"]["readings_by_claims_held"] == {"7": 768}
    for name in ("identified.png", "rules.png", "findings.md", "report.html", "rules.csv"):
        assert (out / name).stat().st_size > 100
    assert invoke(["report", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == told


def test_the_parts_are_those_that_can_be_named():
    assert {type(cell).__name__ for cell in cells()} == {"Sampled", "Variant"}
    assert len(cells(["posterior"])) == len(pieces.READINGS)
    assert len(cells(["rules"])) == 116
    assert compute.__module__ == pieces.__name__
