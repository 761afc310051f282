"""Independent solvers that the PACT contracts are held against."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from airan_market.agents.pact.contract.virtual_types import Types

Oracle = Callable[..., float]


def incentive_rows(theta: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All constraints (11), (12) on the prices of given items as A p ≤ b."""
    size = theta.size
    rows, bounds = [], []
    for k in range(size):
        rows.append(np.eye(size)[k])
        bounds.append(theta[k] * value[k])
        for j in range(size):
            if j != k:
                rows.append(np.eye(size)[k] - np.eye(size)[j])
                bounds.append(theta[k] * (value[k] - value[j]))
    return np.array(rows), np.array(bounds)


@pytest.fixture
def brute_force() -> Oracle:
    """Best provider utility over every assignment, prices by a linear programme.

    Uses neither virtual types nor monotonicity nor price formulas.
    """

    def solve(types: Types, value: np.ndarray, cost: np.ndarray) -> float:
        best = -np.inf
        for choice in product(range(value.size), repeat=types.size):
            items = np.array(choice)
            rows, bounds = incentive_rows(types.theta_usd, value[items])
            found = linprog(-types.probability, A_ub=rows, b_ub=bounds, bounds=(None, None))
            if found.status == 0:
                best = max(best, -found.fun - float(types.probability @ cost[items]))
        return best

    return solve


@pytest.fixture
def general_optimiser() -> Oracle:
    """Best provider utility over valuations x_k and prices, all constraints at once, by SLSQP.

    In x = v(q) the programme is convex, so that what SLSQP finds is the best.
    """

    def solve(
        types: Types, cost_of_value: Callable[[np.ndarray], np.ndarray], low: float, high: float
    ) -> tuple[float, np.ndarray]:
        size = types.size
        fixed, free = incentive_rows(types.theta_usd, np.zeros(size))[0], []
        for k in range(size):  # the same rows as functions of x: θ_k x_k − p_k ≥ θ_k x_j − p_j
            row = np.zeros(size)
            row[k] = types.theta_usd[k]
            free.append(row)
            for j in range(size):
                if j != k:
                    pair = row.copy()
                    pair[j] = -types.theta_usd[k]
                    free.append(pair)
        matrix = np.hstack([np.array(free), -fixed])
        start = np.linspace(low, high, size)
        found = minimize(
            lambda z: float(types.probability @ (cost_of_value(z[:size]) - z[size:])),
            np.concatenate([start, types.theta_usd[0] * start]),
            bounds=[(low, high)] * size + [(None, None)] * size,
            constraints={"type": "ineq", "fun": lambda z: matrix @ z, "jac": lambda _: matrix},
            method="SLSQP",
            options={"ftol": 1e-13, "maxiter": 800},
        )
        return -float(found.fun), found.x[:size]

    return solve
