"""Markets for the tests of this floor."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

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
