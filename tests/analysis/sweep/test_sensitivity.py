"""Sensitivity of known functions: Ishigami's indices, a linear function's effects, chance alone."""

import numpy as np
import pandas as pd
import pytest

from airan_market.analysis.sweep.sensitivity import indices, sensitivity, sensitivity_findings
from airan_market.scenarios.sweep import Between, Quasi, Sweep, unit_points

pytest.importorskip("SALib")
KEYS = {name: Between(low=0.0, high=1.0) for name in "abc"}


def ishigami(unit: np.ndarray) -> np.ndarray:
    x, y, z = (np.pi * (2 * unit - 1)).T
    return np.sin(x) + 7 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x)


def test_sobol_indices_of_ishigami() -> None:
    """Known answers of Ishigami and Homma (1990); the intervals hold them, and not others."""
    design = Quasi(kind="saltelli", points=1024, keys=KEYS, seed=1)
    found = indices(design, ishigami(unit_points(design))).set_index("key")
    for column, known in (("first", [0.3139, 0.4424, 0.0]), ("total", [0.5576, 0.4424, 0.2437])):
        off = np.abs(found[column].to_numpy() - known)
        assert (off <= 1.5 * found[f"{column}_half"] + 1e-3).all()
        assert (off < 0.05).all()
    wrong = np.abs(found["total"].to_numpy() - [0.2437, 0.4424, 0.5576])
    assert (wrong > 1.5 * found["total_half"])[["a", "c"]].all()


def test_morris_of_a_line() -> None:
    design = Quasi(kind="morris", points=10, keys=KEYS, seed=1)
    found = indices(design, unit_points(design) @ [3.0, 0.5, 0.0])
    assert found["total"].to_numpy() == pytest.approx([3.0, 0.5, 0.0], abs=1e-9)


@pytest.mark.parametrize(("spread", "least", "most"), [(0.0, 0.0, 1e-12), (50.0, 0.5, 2.0)])
def test_noise_is_what_seeds_make_of_the_spread(spread: float, least: float, most: float) -> None:
    keys = {"users.total": Between(low=10, high=90), "users.tasks_per_user_per_s":
            Between(low=1.0, high=2.0)}  # fmt: skip
    design = Quasi(kind="saltelli", points=32, keys=keys)
    sweep = Sweep(scenario="teleoperation", seeds=4, random=design)
    values = unit_points(design) @ [1.0, 0.2]
    rng = np.random.default_rng(1)
    worth = np.repeat(values, 4) + spread * rng.normal(size=4 * len(values))
    cells = pd.DataFrame({"cell": np.arange(len(worth)), "group": "", "worth": worth})
    found = sensitivity(sweep, cells, ["worth"])
    assert least <= found["noise"].iloc[0] <= most
    assert "worth" in sensitivity_findings(found)[0]
    # a point that is missing: no indices rather than wrong ones
    assert sensitivity(sweep, cells[cells["cell"] > 3], ["worth"]).empty
