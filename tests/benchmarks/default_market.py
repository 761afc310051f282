"""The default market as a workload: three operators with the traffic of its solved matching."""

from functools import cache

import numpy as np

from airan_market.agents.matching.assignment import split_proportionally
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.primitives.stations import rates_of, servers_of
from airan_market.agents.primitives.traffic import traffic_of
from airan_market.agents.solution.solver import solve
from airan_market.scenarios import Scenario, load_scenario
from airan_market.sim.arrays import IntArray
from airan_market.sim.traffic.demand import offer
from airan_market.sim.workload import Workload


@cache
def solved() -> tuple[Scenario, IntArray, IntArray]:
    """Return the default market, its users by type, and the operator that each user takes.

    Users split in proportion to the solved matching, so operators have the solved loads.
    """
    scenario = load_scenario("teleoperation")
    users = Primitives.from_scenario(scenario).users.astype(np.int64)
    return scenario, users, split_proportionally(solve(scenario).match_probability, users)


def servers() -> IntArray:
    """Servers of the three operators and stages, (3, 3)."""
    return servers_of(solved()[0].operators)


def default_market(tasks: int, seed: int = 1) -> Workload:
    """Return the traffic of the 150 users for as long as it takes them to ask `tasks` tasks.

    Those who stay out are counted among the users and offer nothing, so it is rather fewer.
    """
    scenario, users, operator_of_user = solved()
    duration_s = tasks / (users.sum() * scenario.users.tasks_per_user_per_s)
    demand = traffic_of(scenario, seed, users).demand(1, 0.0, duration_s, 0)
    return offer(demand, operator_of_user, rates_of(scenario.operators))
