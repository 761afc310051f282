"""A solved PACT scenario: totals over several tasks."""

import pytest

from airan_market.agents.pact.outcome import solve_pact
from airan_market.scenarios import load_pact


def test_totals_of_tasks_are_weighted_by_their_shares() -> None:
    """So is the provider's break-even, at which the tasks by themselves gain and lose."""
    services = [
        {"name": name, "quality": q, "cost_usd": cost, "liability_usd": harm, "task": task}
        for name, q, cost, harm, task in (
            ("a", 0.3, 0.02, 0.5, "chat"), ("b", 0.8, 0.3, 0.1, "chat"),
            ("c", 0.6, 0.1, 0.7, "code"),
        )
    ]  # fmt: skip
    tasks = [{"name": "chat", "share": 0.75}, {"name": "code", "share": 0.25}]
    pact = {"types": [1, 2, 3], "services": services, "tasks": tasks, "menu": "discrete"}
    outcome = solve_pact(load_pact({"name": "two", "pact": pact}))

    def mean(contracts, figure):
        return sum(t["share"] * getattr(c, figure) for t, c in zip(tasks, contracts, strict=True))

    fields, solved = outcome.to_json(), outcome.markets
    for figure in ("provider_utility", "social_welfare"):
        expected = mean([s.contract for s in solved], f"{figure}_usd")
        assert fields[figure] == pytest.approx(expected, rel=1e-12)
        expected = mean([s.first_best for s in solved], f"{figure}_usd")
        assert fields["first_best"][figure] == pytest.approx(expected, rel=1e-12)
    level = outcome.break_even.level
    assert level is not None
    there = [s.market.contract(level) for s in solved]
    assert mean(there, "provider_utility_usd") == pytest.approx(0.0, abs=1e-7)
    assert abs(there[0].provider_utility_usd) > 1e-3
