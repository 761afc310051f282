"""Sweeps: many markets that differ in some settings, described in a file.

A sweep names a base scenario, a command, and a design over dotted keys: a grid, a list of points,
or a quasi-random one between bounds. Each point is combined with seeds, mechanisms and readings.
"""

import tomllib
from collections.abc import Iterator
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from airan_market.scenarios.fault import Fault, ScenarioError, key_text, value_text
from airan_market.scenarios.reading import shipped_or_file
from airan_market.scenarios.seed import SEED_LIMIT

COMMANDS: Final = ("solve", "run", "validate", "pact", "equilibrium")
MOST: Final = 1_000_000  # cells
Value = str | int | float | bool | list[Any] | dict[str, Any]


class Between(BaseModel, extra="forbid", frozen=True):
    """A key of a quasi-random design: from low to high, whole numbers where both are."""

    low: float | int
    high: float | int
    log: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("low must be below high, and above 0 with log")
        return self

    def at(self, part: float) -> float | int:
        """Value at a part in [0, 1) of the way.

        Examples
        --------
        >>> Between(low=1, high=3).at(0.5), Between(low=1.0, high=100.0, log=True).at(0.5)
        (2, 10.0)
        """
        if isinstance(self.low, int) and isinstance(self.high, int) and not self.log:
            return self.low + int(part * (self.high - self.low + 1))
        if self.log:
            return float(self.low * (self.high / self.low) ** part)
        return float(self.low + part * (self.high - self.low))


class Quasi(BaseModel, extra="forbid", frozen=True):
    """A quasi-random design: points, or those of a sensitivity analysis.

    `saltelli` (for Sobol' indices) has points · (k + 2) points for k keys, `morris` (elementary
    effects) points · (k + 1): there `points` counts base points and trajectories.
    """

    kind: Literal["sobol", "halton", "latin", "saltelli", "morris"] = "sobol"
    points: Annotated[int, Field(strict=True, ge=1, le=MOST)]
    seed: Annotated[int, Field(strict=True, ge=0, lt=SEED_LIMIT)] = 0
    keys: Annotated[dict[str, Between], Field(min_length=1)]


class Sweep(BaseModel, extra="forbid", frozen=True, populate_by_name=True):
    """A sweep as its file says it; `points` makes its design."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")] = "sweep"
    description: str = ""
    command: Literal["solve", "run", "validate", "pact", "equilibrium"] = "solve"
    scenario: str
    seeds: (
        Annotated[int, Field(strict=True, ge=1, le=MOST)]
        | Annotated[
            list[Annotated[int, Field(strict=True, ge=0, lt=SEED_LIMIT)]], Field(min_length=1)
        ]
    ) = 1
    mechanisms: list[str] = []
    readings: list[str] = []
    settings: Annotated[dict[str, Value], Field(alias="set")] = {}
    certificates: bool = False
    time_limit_s: Annotated[float, Field(gt=0)] | None = None
    grid: dict[str, Annotated[list[Value], Field(min_length=1)]] = {}
    listed: Annotated[list[dict[str, Value]], Field(alias="list")] = []
    random: Quasi | None = None

    @model_validator(mode="after")
    def _one_design(self) -> Self:
        if sum(map(bool, (self.grid, self.listed, self.random))) > 1:
            raise ValueError("one design: grid, list or random")
        if len(set(self.seed_list())) < len(self.seed_list()):
            raise ValueError("seeds must differ")
        if self.command == "pact" and (self.mechanisms or self.readings):
            raise ValueError("mechanisms and readings are of AI-RAN markets, not of pact")
        return self

    def seed_list(self) -> list[int]:
        """Seeds, 1, 2, … where the file gives their number."""
        return self.seeds if isinstance(self.seeds, list) else [*range(1, self.seeds + 1)]

    def points(self) -> Iterator[dict[str, Value]]:
        """Yield the points of the design: dotted keys and their values.

        Examples
        --------
        >>> grid = {"users.total": [30, 60], "economics.refund_usd": [0.0]}
        >>> list(Sweep(scenario="teleoperation", grid=grid).points())[1]
        {'users.total': 60, 'economics.refund_usd': 0.0}
        """
        if self.listed:
            yield from self.listed
        elif self.random:
            for row in unit_points(self.random):
                yield {
                    key: between.at(min(float(part), np.nextafter(1.0, 0.0)))
                    for (key, between), part in zip(self.random.keys.items(), row, strict=True)
                }
        else:
            for values in product(*self.grid.values()):
                yield dict(zip(self.grid, values, strict=True))


def unit_points(design: Quasi) -> NDArray[np.float64]:
    """Points of a design in the unit cube, (P, k).

    Raises
    ------
    ScenarioError
        When it needs SALib, which is not installed.

    Examples
    --------
    >>> keys = {"users.total": Between(low=30, high=60)}
    >>> unit_points(Quasi(kind="halton", points=2, keys=keys)).shape
    (2, 1)
    """
    size = len(design.keys)
    if design.kind in ("saltelli", "morris"):
        try:
            from SALib.sample import morris, sobol
        except ImportError:
            fault = f"kind \"{design.kind}\" needs SALib: pip install 'airan-market[study]'"
            raise ScenarioError([Fault("random", "kind", design.kind, fault)]) from None
        problem = unit_problem(design)
        if design.kind == "saltelli":
            return sobol.sample(problem, design.points, calc_second_order=False, seed=design.seed)
        return morris.sample(problem, design.points, num_levels=4, seed=design.seed)
    from scipy.stats import qmc  # here: SciPy takes long to import

    kinds = {"sobol": qmc.Sobol, "halton": qmc.Halton, "latin": qmc.LatinHypercube}
    return kinds[design.kind](size, rng=design.seed).random(design.points)


def unit_problem(design: Quasi) -> dict[str, Any]:
    """What SALib calls the problem, in the unit cube.

    Examples
    --------
    >>> unit_problem(Quasi(points=2, keys={"users.total": Between(low=30, high=60)}))["bounds"]
    [[0.0, 1.0]]
    """
    names = list(design.keys)
    return {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}


def shipped_sweeps() -> dict[str, str]:
    """Name and description of every sweep that ships.

    Examples
    --------
    >>> "market_size" in shipped_sweeps()
    True
    """
    files = resources.files("airan_market.scenarios").joinpath("sweeps").iterdir()
    names = sorted(file.name for file in files if file.name.endswith(".toml"))
    return {n: load_sweep_file(n).description
            for n in (name.removesuffix(".toml") for name in names)}  # fmt: skip


def load_sweep_file(source: str | Path) -> Sweep:
    """Load a sweep that ships, by its name, or one from a file.

    Raises
    ------
    ScenarioError
        With every fault of the file; the settings are checked with the scenario.

    Examples
    --------
    >>> load_sweep_file("market_size").scenario
    'teleoperation'
    """
    text = shipped_or_file(source, "sweeps", "sweep")
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ScenarioError([Fault(str(source), "", "", f"not TOML: {error}")]) from None
    first = text.lstrip().partition("\n")[0]
    given = {"name": Path(source).stem}
    if first.startswith("#"):
        given["description"] = first.lstrip("# ").rstrip()
    try:
        return Sweep.model_validate(given | tables)
    except ValidationError as error:
        raise ScenarioError(_fault(str(source), one) for one in error.errors()) from None


def _fault(source: str, error: ErrorDetails) -> Fault:
    unknown = error["type"] == "extra_forbidden"
    message = error["msg"].removeprefix("Value error, ").replace("Input should", "must")
    value = "" if error["type"] == "value_error" else value_text(error["input"])
    return Fault(
        source, key_text(tuple(error["loc"])), value, "unknown key" if unknown else message
    )
