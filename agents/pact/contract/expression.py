"""Functions of one variable written as text, evaluated with their exact derivative.

Forward differentiation: every part of the expression is a pair (value, slope), and every
operation knows the slope of its result. Only what stands here can be written, so no text can do
anything else.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from airan_market.scenarios.schema.quantity import GREATEST
from airan_market.sim.arrays import FloatArray

Pair = tuple[FloatArray, FloatArray]

_FUNCTIONS: dict[str, tuple[Callable, Callable]] = {
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "log": (np.log, lambda x: 1 / x),
    "log1p": (np.log1p, lambda x: 1 / (1 + x)),
    "exp": (np.exp, np.exp),
    "expm1": (np.expm1, np.exp),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "atan": (np.arctan, lambda x: 1 / (1 + x * x)),
}
_LONGEST, _DEEPEST = 500, 50


class ExpressionError(ValueError):
    """A text that is no expression in the variable."""


@dataclass(frozen=True)
class Expression:
    """An expression in one variable, of + − * / **, numbers and a few functions.

    Raises
    ------
    ExpressionError
        When the text holds anything else.

    Examples
    --------
    >>> value, slope = Expression("sqrt(q) + 2*q")(0.25)
    >>> float(value), float(slope)
    (1.0, 3.0)
    >>> Expression("open('x')")
    Traceback (most recent call last):
        ...
    airan_market...ExpressionError: 'open' is not one of sqrt, log, log1p, exp, expm1, tanh, atan
    """

    text: str
    variable: str = "q"

    def __post_init__(self) -> None:
        if len(self.text) > _LONGEST:
            raise ExpressionError(f"is longer than {_LONGEST} characters")
        try:
            tree = ast.parse(self.text.strip().replace("−", "-"), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ExpressionError("is no expression") from None
        object.__setattr__(self, "_tree", tree)
        self._check(tree, 0)

    def __call__(self, values: ArrayLike) -> Pair:
        """Value and slope at each value; what is not defined there is NaN or infinite."""
        point = np.asarray(values, dtype=float)
        with np.errstate(all="ignore"):  # what is not finite is judged by who asked
            value, slope = self._evaluate(self.__dict__["_tree"], point)
        shape = np.zeros_like(point)
        return value + shape, slope + shape

    def _check(self, node: ast.AST, depth: int) -> None:
        if depth > _DEEPEST:
            raise ExpressionError(f"is nested deeper than {_DEEPEST}")
        children: list[ast.AST] = []
        if isinstance(node, ast.Constant):
            self._check_number(node.value)
        elif isinstance(node, ast.Name):
            if node.id != self.variable:
                raise ExpressionError(f"{node.id!r} is not the variable {self.variable}")
        elif isinstance(node, ast.BinOp) and isinstance(
            node.op, ast.Add | ast.Sub | ast.Mult | ast.Div | ast.Pow
        ):
            children = [node.left, node.right]
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            children = [node.operand]
        elif isinstance(node, ast.Call):
            children = [_argument(node)]
        else:
            raise ExpressionError("may hold numbers, + - * / ** and functions only")
        for child in children:
            self._check(child, depth + 1)

    def _check_number(self, number: object) -> None:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ExpressionError(f"{number!r} is not a number")
        if not abs(number) <= GREATEST:
            raise ExpressionError(f"may hold numbers up to {GREATEST:g}")

    def _evaluate(self, node: ast.AST, point: FloatArray) -> Pair:
        if isinstance(node, ast.Constant):
            return np.asarray(float(node.value)), np.asarray(0.0)  # type: ignore[arg-type]
        if isinstance(node, ast.Name):
            return point, np.ones_like(point)
        if isinstance(node, ast.UnaryOp):
            value, slope = self._evaluate(node.operand, point)
            sign = -1.0 if isinstance(node.op, ast.USub) else 1.0
            return sign * value, sign * slope
        if isinstance(node, ast.BinOp):
            left, right = self._evaluate(node.left, point), self._evaluate(node.right, point)
            return _combine(node.op, left, right)
        assert isinstance(node, ast.Call)  # nothing else passed the check
        value, slope = self._evaluate(node.args[0], point)
        function, derivative = _FUNCTIONS[node.func.id]  # type: ignore[attr-defined]
        return function(value), derivative(value) * slope


def _argument(node: ast.Call) -> ast.AST:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    if name not in _FUNCTIONS:
        raise ExpressionError(f"{name!r} is not one of {', '.join(_FUNCTIONS)}")
    if len(node.args) != 1 or node.keywords:
        raise ExpressionError(f"{name} takes one argument")
    return node.args[0]


def _combine(operator: ast.operator, left: Pair, right: Pair) -> Pair:
    (a, da), (b, db) = left, right
    if isinstance(operator, ast.Add):
        return a + b, da + db
    if isinstance(operator, ast.Sub):
        return a - b, da - db
    if isinstance(operator, ast.Mult):
        return a * b, da * b + a * db
    if isinstance(operator, ast.Div):
        return a / b, (da * b - a * db) / (b * b)
    value = np.power(a, b)
    by_base = b * np.power(a, b - 1) * da
    # a constant exponent needs no logarithm, which a base of 0 does not have
    by_exponent = np.where(db == 0, 0.0, value * np.log(a) * db)
    return value, by_base + by_exponent
