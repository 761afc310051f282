"""The market of `bound_fails`, validated once with little effort, for all tests of this folder."""

import numpy as np
import pytest

from airan_market.analysis.validation.findings import Findings
from airan_market.analysis.validation.offered import Offered, offered
from airan_market.analysis.validation.truth import Effort
from airan_market.analysis.validation.validating import Wanted, validate
from airan_market.scenarios import Scenario, load_scenario

LITTLE = Wanted(Effort(replications=20, relative=0.2, budget_tasks=3e5, paths=1280, points=3),
                beyond=False, map=False)  # fmt: skip


@pytest.fixture(scope="session")
def edge() -> Scenario:
    return load_scenario("bound_fails")


@pytest.fixture(scope="session")
def site(edge: Scenario) -> Offered:
    (site,) = offered(edge, seed=1)
    return site


@pytest.fixture(scope="session")
def found(edge: Scenario) -> Findings:
    return validate(edge, 1, LITTLE)


def made_up(
    servers=(8, 2, 16), rate=(100.0, 50.0, 90.0), own=(20.0, 30.0, 25.0), agreed=(0.2, 0.3, 0.9)
) -> Offered:
    """An operator with chosen loads: 75 of 100 tasks/s at two GPUs."""
    own_rate = np.array(own)
    return Offered(
        operator=0, name="made up", servers=np.array(servers), service_rate_per_s=np.array(rate),
        own_rate_per_s=own_rate, load_per_s=np.cumsum(own_rate), agreed_s=np.array(agreed),
        belief=np.full(len(own), 0.01), zeta=0.9,
    )  # fmt: skip


@pytest.fixture
def make_site():
    return made_up
