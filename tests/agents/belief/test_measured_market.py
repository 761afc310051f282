"""Markets whose operators believe what they measure: every mechanism, and the edges."""

from collections.abc import Iterator

import numpy as np
import pytest

from airan_market.agents import Market, solve
from airan_market.agents.belief import measured
from airan_market.agents.certificate import menu_search
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.primitives.traffic import laws_of
from airan_market.scenarios import load_scenario
from airan_market.sim.traffic.arrival_laws import Bursts, Poisson, Recorded
from airan_market.sim.traffic.trace_file import TraceError
from airan_market.sim.traffic.work_laws import EmpiricalTasks, Exponential, Lognormal

SHORT = ["simulation.rounds=1", "simulation.horizon_s=1", "simulation.warmup_s=0.5"]
MEASURED = ["mechanism.belief=measured", "mechanism.max_iterations=6"]
TRACE = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,400,10
2023-11-16 18:17:04.0319600,200,30
"""


@pytest.fixture(scope="module", autouse=True)
def _less_effort() -> Iterator[None]:
    """Shorter pilot runs and fewer deviations: how exact either is, is tested where they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measured, "TASKS", 5000)
        patch.setattr(measured, "RELAXATIONS", 40)
        patch.setattr(menu_search, "BUDGET", 3)
        measured._node.cache_clear()
        yield
    measured._node.cache_clear()


def small(*settings, types=3, operators=2, users=12):
    """A market of small stations, so that trials are short."""
    stages = [
        {
            "name": f"operator {m + 1}",
            "uplink": {"servers": 4 + m, "rate_bps": 50e6},
            "gpu": {"servers": 2 + m, "rate_flop_per_s": 40e12},
            "downlink": {"servers": 6, "rate_bps": 50e6},
        }
        for m in range(operators)
    ]
    return load_scenario(
        {
            "name": "measured",
            "users": {
                "total": users,
                "latency_sensitivity_usd_per_s": [(8 - n) * 1e-4 for n in range(types)],
                "shares": [1 / types] * types,
                "tasks_per_user_per_s": 24.0,
            },
            "task": {"input_bits": 180e3, "work_flop": 3.6e11, "output_bits": 270e3},
            "economics": {
                "service_value_usd": 7e-4,
                "refund_usd": 1.2e-4,
                "violation_cost_usd": 1.2e-3,
                "running_cost_usd": 8e-6,
            },
            "operators": stages,
        },
        [*SHORT, *MEASURED, *settings],
    )


@pytest.mark.parametrize("mechanism", ["mixed", "ct", "mc", "gsmc"])
def test_every_mechanism_solves_and_runs(mechanism):
    scenario = small(f"mechanism.name={mechanism}")
    found = solve(scenario, seed=3)
    assert np.isfinite(found.menu.latency_s).all()
    assert ((found.menu.violation_probability >= 0) & (found.menu.violation_probability <= 1)).all()
    assert found.certificates.feasibility.holds(1e-15)
    rounds = Market(scenario, seed=3).run().rounds
    assert rounds["tasks"].sum() > 100
    assert rounds["violation_belief"].between(0, 1).all()


def test_agents_negotiate_what_solve_computes():
    """Each operator measures its own stations and nobody else's, with the same result."""
    market = Market(small(), seed=3)
    market.run()
    found, again, other = (solve(small(), seed) for seed in (3, 3, 4))
    agreed = market.negotiation.match_probability
    assert agreed == pytest.approx(found.match_probability, rel=1e-9)
    assert found.to_json() == again.to_json() != other.to_json()


@pytest.mark.parametrize(
    "edge",
    [
        {"types": 1},
        {"operators": 1},
        {"types": 1, "operators": 1, "users": 1},
        {"users": 2},  # a type without users
        {"users": 60},  # more than the operators can serve
    ],
)
def test_edges(edge):
    found = solve(small(**edge), seed=1)
    assert np.isfinite(found.social_welfare_usd_per_s)
    assert (np.diff(found.menu.latency_s, axis=-1) >= 0).all()


def test_measured_operators_see_work_and_bursts_that_others_do_not():
    """The most sensitive type, whose latency pooling does not move: longer at every operator."""
    plain, bursty = (
        solve(small(*settings), seed=1).menu.latency_s
        for settings in ([], ["simulation.arrivals.burst_ratio=6", "task.law.lognormal_cv=2"])
    )
    assert (bursty[:, 0] > 1.2 * plain[:, 0]).all()


def test_the_pilot_run_is_that_of_the_scenario(tmp_path):
    path = tmp_path / "two.csv"
    path.write_text(TRACE)
    trace = [f"simulation.arrivals.trace={path}", "simulation.arrivals.format=azure-llm-2023"]
    trace += ["simulation.arrivals.bits_per_token=32", "simulation.arrivals.flop_per_token=1e9"]
    assert laws_of(small()) == (Exponential(), Poisson())
    drawn = small("task.law.lognormal_cv=2", "simulation.arrivals.burst_ratio=3")
    assert laws_of(drawn) == (Lognormal(2.0), Bursts(3.0, 0.1, 1.0))
    measured = Primitives.from_scenario(small(*trace, "mechanism.belief=measured"), 4).pilot
    assert measured.seed == 4
    assert isinstance(measured.work, EmpiricalTasks)
    assert isinstance(measured.arrivals, Recorded)
    assert (
        Primitives.from_scenario(small(*trace, "mechanism.belief=fifo")).pilot.work == Exponential()
    )
    path.write_text(TRACE.splitlines(keepends=True)[0] + TRACE.splitlines(keepends=True)[1])
    with pytest.raises(TraceError, match=r"two\.csv: arrival_s: allowed"):
        laws_of(small(*trace))
