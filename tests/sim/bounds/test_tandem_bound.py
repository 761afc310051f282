"""The bound on two single servers in a row: exact where it says so, and above their simulation."""

import numpy as np
import pytest
from scipy.stats import t as student

from airan_market.sim.bounds import tandem_tail_bound
from airan_market.sim.bounds.tandem_bound import single_server_transform
from airan_market.sim.engines.engine import simulate
from airan_market.sim.streams import stream
from airan_market.sim.theory import SojournLaws
from airan_market.sim.workload import Workload

MARKETS = [
    ([0.8, 0.1], [1.0, 1.0], [120.0, 228.0, 380.0]),
    ([0.8, 0.1], [1.0, 2.0], [70.0, 135.0, 260.0]),
    ([0.45, 0.45], [1.0, 1.0], [50.0, 74.0, 110.0]),
    ([0.1, 0.8], [1.0, 1.0], [30.0, 44.0, 65.0]),
    ([0.2, 0.3, 0.2], [1.0, 0.9], [10.0, 20.0, 35.0]),
]
REPLICATIONS, TASKS, ALPHA = 20, 40_000, 1e-4


def replication(rates: list[float], mu: list[float], latency_s: list[float], number: int):
    """How often a task of the last type takes longer, after a fifth of the tasks."""
    rng = stream(11, "tandem bound", number, len(rates), int(100 * rates[0]), int(100 * mu[1]))
    arrival_s = np.cumsum(rng.standard_exponential(TASKS)) / sum(rates)
    type_ = rng.choice(len(rates), size=TASKS, p=np.array(rates) / sum(rates))
    service_s = np.zeros((TASKS, 3))
    service_s[:, :2] = rng.standard_exponential((TASKS, 2)) / mu
    work = Workload.arriving(arrival_s, type_, service_s)
    trace, _ = simulate(work, [[1, 1, 1]], until_s=arrival_s[-1] + 1e5)
    seen = (trace.type == len(rates) - 1) & (trace.task >= TASKS // 5)
    return (trace.latency_s[seen, np.newaxis] > latency_s).mean(axis=0)


def lower_ends(rates: list[float], mu: list[float], latency_s: list[float]) -> np.ndarray:
    """Below the true probability but with `ALPHA`, by Student's t over replications."""
    each = np.array([replication(rates, mu, latency_s, r) for r in range(REPLICATIONS)])
    spread = each.std(axis=0, ddof=1) / np.sqrt(REPLICATIONS)
    return each.mean(axis=0) - student.ppf(1 - ALPHA, REPLICATIONS - 1) * spread


@pytest.mark.parametrize(("rates", "mu", "latency_s"), MARKETS)
def test_the_bound_is_above_the_simulation(rates, mu, latency_s) -> None:
    """Each of 15 comparisons fails by chance with 1e-4 at most."""
    assert (tandem_tail_bound(rates, mu, latency_s)[-1] >= lower_ends(rates, mu, latency_s)).all()


def test_a_bound_that_forgets_the_higher_types_fails_the_same_check() -> None:
    """The negative control: the exact transform of the type by itself."""
    rates, mu, latency_s = MARKETS[2]
    alone = tandem_tail_bound(rates[-1:], mu, latency_s)[0]
    assert (alone < lower_ends(rates, mu, latency_s)).any()


@pytest.mark.parametrize("rates", [[0.8, 0.1], [0.1, 0.8], [0.3, 0.2]])
def test_the_closed_transform_is_that_of_the_preemptive_law(rates) -> None:
    laws = SojournLaws.of_types([1.0], [1.0], rates)
    for part in (-1.0, 0.25, 0.5, 0.9):
        eta = part * np.abs(laws.slowest_per_s)
        closed = [
            single_server_transform(above, load, 1.0, each)
            for above, load, each in zip([0.0, rates[0]], np.cumsum(rates), eta, strict=True)
        ]
        np.testing.assert_allclose(closed, laws.transform_each(-eta).real, rtol=1e-9)


def test_the_transform_is_infinite_from_its_singularity_on() -> None:
    for rates in ([0.8, 0.1], [0.1, 0.8]):
        theta = -SojournLaws.of_types([1.0], [1.0], rates).slowest_per_s[1]
        near = single_server_transform(rates[0], sum(rates), 1.0, [theta * 0.999, theta * 1.001])
        assert np.isfinite(near[0])
        assert np.isinf(near[1])


def test_for_the_first_type_it_is_the_exact_transform() -> None:
    """One type: Markov's inequality for the product, at the best η of a fine grid."""
    t = np.array([5.0, 20.0, 80.0])
    eta = np.linspace(0.0, 0.5, 2_001)[:-1]
    exact = (0.5 / (0.5 - eta)) * (0.75 / (0.75 - eta))
    best = (exact[:, np.newaxis] * np.exp(-np.outer(eta, t))).min(axis=0)
    found = tandem_tail_bound([0.5], [1.0, 1.25], t)[0]
    np.testing.assert_allclose(found, np.minimum(best, 1.0), rtol=0.04)
    assert (found >= best * (1 - 1e-6)).all()


def test_it_falls_is_at_most_one_and_says_where_nothing_holds() -> None:
    t = np.linspace(0.0, 300.0, 61)
    bound = tandem_tail_bound([0.5, 0.3, 0.3], [1.0, 2.0], t)
    assert (bound <= 1).all()
    assert (np.diff(bound, axis=1) <= 0).all()
    assert (bound[:, 0] == 1).all()
    assert bound[1, -1] < 1e-6
    assert (bound[2] == 1).all()  # it saturates the first station


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (([0.5, 0.0], [1.0, 1.0], [1.0]), "arrival_per_s"),
        (([0.5], [1.0], [1.0]), "service_per_s"),
        (([0.5], [1.0, 0.0], [1.0]), "service_per_s"),
        (([0.5], [1.0, 1.0], [-1.0]), "latency_s"),
        (([np.nan], [1.0, 1.0], [1.0]), "arrival_rate"),
    ],
)
def test_what_cannot_be_is_refused(given, said) -> None:
    with pytest.raises(ValueError, match=said):
        tandem_tail_bound(*given)
