"""Markets for the tests of this floor."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matching.games import HospitalResident

from airan_market.agents.matching.deferred_acceptance import Game
from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios import Mechanism

Market = Callable[..., Primitives]


def build_market(
    users: Any = (30.0, 20.0, 40.0),
    sensitivity: Any = (8e-4, 5e-4, 2e-4),
    servers: Any = ((9, 4, 20), (7, 3, 15)),
    rates: Any = ((270.0, 110.0, 180.0), (250.0, 120.0, 190.0)),
    value: Any = (7e-4, 6.5e-4),
    task_rate: float = 6.0,
    refund: float = 1.2e-4,
    violation_cost: float = 1.2e-3,
    running_cost: float = 8e-6,
    opt_out: float = 0.0,
    own_margin: Any = None,
    **mechanism: Any,
) -> Primitives:
    return Primitives(
        users=np.array(users, dtype=float),
        latency_sensitivity_usd_per_s=np.array(sensitivity, dtype=float),
        task_rate_per_user_per_s=task_rate,
        servers=np.array(servers, dtype=float),
        service_rate_per_s=np.array(rates, dtype=float),
        service_value_usd=np.array(value, dtype=float),
        refund_usd=refund,
        violation_cost_usd=violation_cost,
        running_cost_usd=running_cost,
        opt_out_utility_usd=opt_out,
        mechanism=Mechanism(**{"assumed_workload_share": 0.5, **mechanism}),
        own_margin_usd=None if own_margin is None else np.array(own_margin, dtype=float),
    )


@pytest.fixture(scope="session")
def market() -> Market:
    """Factory of small markets; every argument has a default that tells symbols apart."""
    return build_market


def match_users(game: Game) -> np.ndarray:
    """`match` user by user, with the library `matching` (resident-optimal hospital-resident).

    Its time grows nearly with the cube of the users, and it meets Python's limit of recursion
    between 80 and 100 operators: a check of ours on small games.
    """
    ranked = {n: game.preferences(n) for n in range(game.units.size) if game.units[n]}
    residents = {
        f"user {n} {i}": [f"operator {m}" for m in ranked[n] if game.quota[m]]
        for n in ranked
        for i in range(game.units[n])
    }
    # the library takes neither a user who accepts nobody nor an operator without places or users
    residents = {user: wishes for user, wishes in residents.items() if wishes}
    hospitals = {
        f"operator {m}": [
            f"user {n} {i}"
            for n in game.ranking(m)
            if m in ranked.get(n, ())
            for i in range(game.units[n])
        ]
        for m in range(game.quota.size)
        if game.quota[m]
    }
    hospitals = {operator: users for operator, users in hospitals.items() if users}
    capacities = {f"operator {m}": int(game.quota[m]) for m in range(game.quota.size)}
    matched = np.zeros(game.utility_usd.shape, dtype=np.int64)
    if not residents:
        return matched
    played = HospitalResident.create_from_dictionaries(
        residents, hospitals, {name: capacities[name] for name in hospitals}
    ).solve(optimal="resident")
    for operator, users in played.items():
        for user in users:
            matched[int(user.name.split()[1]), int(operator.name.split()[1])] += 1
    return matched


@pytest.fixture(scope="session")
def by_library() -> Callable[[Game], np.ndarray]:
    """Deferred acceptance of users, one by one, as others wrote it."""
    return match_users
