"""Laws of the work of a task: random demands of mean 1, to be multiplied by a mean size.

A law of one number (`WorkLaw`) has moments in closed form; a law of a task (`TaskLaw`) gives the
demands at all three stages, independent or not. Laws of arrivals: `sim.traffic.arrival_laws`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import factorial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.workload import STAGES

Shape = int | tuple[int, ...]
GREATEST_CV = 1e100  # its square is still a number


class TaskLaw(Protocol):
    """Law of the demands of one task at the three stages, each of mean 1."""

    def work(self, rng: np.random.Generator, tasks: int) -> FloatArray:
        """Demands of independent tasks, (tasks, 3)."""
        ...


class WorkLaw(ABC):
    """Law of one non-negative number of mean 1; as a `TaskLaw`, each stage draws its own."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: Shape) -> FloatArray:
        """Independent values."""

    @abstractmethod
    def moment(self, order: int) -> float:
        """E[X^order], order >= 1."""

    def work(self, rng: np.random.Generator, tasks: int) -> FloatArray:
        """Demands of independent tasks, (tasks, 3), independent of each other."""
        return self.draw(rng, (tasks, len(STAGES)))


@dataclass(frozen=True)
class Exponential(WorkLaw):
    """P(X > x) = e^(-x): the law of the paper and of all closed forms here.

    Examples
    --------
    >>> Exponential().moment(3)
    6.0
    """

    def draw(self, rng: np.random.Generator, shape: Shape) -> FloatArray:
        """Independent values."""
        return rng.standard_exponential(shape)

    def moment(self, order: int) -> float:
        """E[X^k] = k!."""
        return float(factorial(_order(order)))


@dataclass(frozen=True)
class Deterministic(WorkLaw):
    """Always 1; drawing takes nothing from the generator.

    Examples
    --------
    >>> Deterministic().draw(np.random.default_rng(1), 2), Deterministic().moment(3)
    (array([1., 1.]), 1.0)
    """

    def draw(self, rng: np.random.Generator, shape: Shape) -> FloatArray:
        """Ones."""
        return np.ones(shape)

    def moment(self, order: int) -> float:
        """E[X^k] = 1."""
        return float(_order(order) > 0)


@dataclass(frozen=True)
class Lognormal(WorkLaw):
    """ln X normal with variance s² = ln(1 + cv²) and mean -s²/2, so that E[X] = 1.

    Heavier than any exponential: no moment generating function, hence no Chernoff bound.

    Parameters
    ----------
    cv : float
        Coefficient of variation (standard deviation over mean), in (0, 1e100].

    Examples
    --------
    >>> Lognormal(cv=2.0).moment(2), Lognormal(cv=2.0).moment(3)
    (5.0, 125.0)
    """

    cv: float

    def __post_init__(self) -> None:
        if not 0 < self.cv <= GREATEST_CV:
            raise ValueError(f"cv = {self.cv}: allowed above 0, up to {GREATEST_CV:g}")

    def draw(self, rng: np.random.Generator, shape: Shape) -> FloatArray:
        """Independent values."""
        variance = np.log1p(self.cv**2)
        return np.exp(np.sqrt(variance) * rng.standard_normal(shape) - variance / 2)

    def moment(self, order: int) -> float:
        """E[X^k] = (1 + cv²)^(k (k - 1) / 2)."""
        order = _order(order)
        return float((1.0 + self.cv**2) ** (order * (order - 1) / 2))


@dataclass(frozen=True, eq=False)
class Empirical(WorkLaw):
    """Values that were observed, drawn with replacement and divided by their mean.

    Parameters
    ----------
    values : (n,) array_like of float
        At least one, finite, at least 0, not all 0. Kept divided by their mean.

    Examples
    --------
    >>> law = Empirical([10.0, 30.0])
    >>> law.values, law.moment(2)
    (array([0.5, 1.5]), 1.25)
    """

    values: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _of_mean_one("values", self.values, 1))

    def draw(self, rng: np.random.Generator, shape: Shape) -> FloatArray:
        """Independent values."""
        return self.values[rng.integers(len(self.values), size=shape)]

    def moment(self, order: int) -> float:
        """Mean of the k-th powers of the values."""
        return float((self.values ** _order(order)).mean())


@dataclass(frozen=True, eq=False)
class EmpiricalTasks:
    """Whole tasks that were observed, drawn with replacement: their stages stay dependent.

    Parameters
    ----------
    rows : (n, 3) array_like of float
        Demand of every task at uplink, GPU and downlink, in any unit a stage; each column as in
        `Empirical`. Kept with every column divided by its mean.

    Examples
    --------
    >>> law = EmpiricalTasks([[100, 100, 0], [300, 700, 400]])
    >>> law.rows
    array([[0.5 , 0.25, 0.  ],
           [1.5 , 1.75, 2.  ]])
    """

    rows: FloatArray

    def __post_init__(self) -> None:
        rows = _of_mean_one("rows", self.rows, 2)
        if rows.shape[1] != len(STAGES):
            raise ValueError(f"rows: shape {rows.shape}, allowed (n, {len(STAGES)})")
        object.__setattr__(self, "rows", rows)

    def work(self, rng: np.random.Generator, tasks: int) -> FloatArray:
        """Demands of independent tasks, (tasks, 3)."""
        return self.rows[rng.integers(len(self.rows), size=tasks)]


@dataclass(frozen=True)
class Tokens:
    """Tasks by their tokens: a prompt goes up, an answer comes down, work goes by both.

    Prompt and answer are lognormal (`Lognormal`), their logarithms jointly normal with correlation
    ρ; of the mean work prompts make the part s, so that a task's work over its mean is
    s · prompt + (1 − s) · answer. Fitted to the 19,366 requests of an hour of chat (Azure, 2023) by
    moments: cv 0.96 and 0.77, ρ = 0.09. The fit is coarse: the largest distance between the
    distribution functions is 0.17 of prompts and 0.21 of answers, which are lumped at some lengths.

    Parameters
    ----------
    prompt_cv, answer_cv : float
        Coefficients of variation, in (0, 1e100].
    correlation : float
        ρ, in (-1, 1).
    prompt_share : float
        s, in [0, 1].

    Examples
    --------
    >>> Tokens(prompt_share=0.5).work(np.random.default_rng(1), 2).round(2)
    array([[0.95, 1.18, 1.41],
           [0.94, 0.64, 0.33]])
    """

    prompt_cv: float = 0.96
    answer_cv: float = 0.77
    correlation: float = 0.09
    prompt_share: float = 0.0

    def __post_init__(self) -> None:
        Lognormal(self.prompt_cv), Lognormal(self.answer_cv)  # they check themselves
        if not -1 < self.correlation < 1:
            raise ValueError(f"correlation = {self.correlation}: allowed above -1, below 1")
        if not 0 <= self.prompt_share <= 1:
            raise ValueError(f"prompt_share = {self.prompt_share}: allowed 0 to 1")

    def work(self, rng: np.random.Generator, tasks: int) -> FloatArray:
        """Demands of independent tasks, (tasks, 3)."""
        normal = rng.standard_normal((tasks, 2))
        normal[:, 1] *= np.sqrt(1 - self.correlation**2)
        normal[:, 1] += self.correlation * normal[:, 0]
        variance = np.log1p(np.square([self.prompt_cv, self.answer_cv]))
        prompt, answer = np.exp(np.sqrt(variance) * normal - variance / 2).T
        share = self.prompt_share
        return np.column_stack([prompt, share * prompt + (1 - share) * answer, answer])


@dataclass(frozen=True)
class StageLaws:
    """Another law at every stage, independent of each other.

    Examples
    --------
    >>> law = StageLaws(Exponential(), Deterministic(), Exponential())
    >>> law.work(np.random.default_rng(1), 2)[:, 1]
    array([1., 1.])
    """

    uplink: WorkLaw
    gpu: WorkLaw
    downlink: WorkLaw

    def work(self, rng: np.random.Generator, tasks: int) -> FloatArray:
        """Demands of independent tasks, (tasks, 3), drawn stage after stage."""
        stages = (self.uplink, self.gpu, self.downlink)
        return np.column_stack([law.draw(rng, tasks) for law in stages])


def _order(order: int) -> int:
    if order < 1:
        raise ValueError(f"order = {order}: allowed a whole number, at least 1")
    return order


def _of_mean_one(name: str, values: npt.ArrayLike, dimensions: int) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    if array.ndim != dimensions or not len(array):
        raise ValueError(
            f"{name}: shape {array.shape}, allowed {dimensions} axes, at least one row"
        )
    if not (np.isfinite(array) & (array >= 0)).all():
        bad = array[~(np.isfinite(array) & (array >= 0))][0]
        raise ValueError(f"{name} = {bad}: allowed finite numbers, at least 0")
    mean = array.mean(axis=0)
    if not (mean > 0).all():
        raise ValueError(f"{name}: all 0, allowed a mean above 0")
    array /= mean
    array.setflags(write=False)
    return array
