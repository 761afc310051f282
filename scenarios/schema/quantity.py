"""The kinds of value a scenario holds: what a number, a count or a name may be.

Every kind is strict: a whole number is not written 2.0, true is not 1, "24" is not 24, and NaN and
the infinities are no numbers at all. The words of a fault are made from these bounds (keys.py).

A number other than 0 has a size from 1e-30 to 1e30. That is far beyond any use, and no product or
ratio of settings that the formulas form leaves the range in which a double is exact.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, AllowInfNan, Field, Strict
from pydantic_core import PydanticCustomError

from airan_market.scenarios.registry import Registry


@dataclass(frozen=True)
class Says:
    """How a fault words what is allowed, where the bounds alone do not say it."""

    text: str


LEAST, GREATEST = 1e-30, 1e30

SIZE: Final = "size"
"""Pydantic's word for the fault of a number that is too small or too large to compute with."""


def _without_negative_zero(value: float) -> float:
    # -0.0 equals 0.0 but is written differently: equal scenarios must have one text and one hash
    return value + 0.0


def _of_usual_size(value: float) -> float:
    if value and not LEAST <= abs(value) <= GREATEST:
        size = f"of a size from {LEAST:g} to {GREATEST:g}"
        raise PydanticCustomError(SIZE, "{rule}", {"rule": size})
    return value


_Finite = Annotated[
    float, Strict(), AllowInfNan(allow_inf_nan=False), AfterValidator(_without_negative_zero)
]
Number = Annotated[_Finite, AfterValidator(_of_usual_size)]
Positive = Annotated[Number, Gt(0)]
NonNegative = Annotated[Number, Ge(0)]
OpenFraction = Annotated[Number, Gt(0), Lt(1)]  # (0, 1)
UpperFraction = Annotated[Number, Gt(0), Le(1)]  # (0, 1]
LowerFraction = Annotated[Number, Ge(0), Lt(1)]  # [0, 1)
ClosedFraction = Annotated[Number, Ge(0), Le(1)]  # [0, 1]
# Drawn shares can be as small as a double can: of a Dirichlet law with parameter 0.1, say.
Share = Annotated[_Finite, Ge(0), Le(1)]
# Beyond these no run is long enough to show the mean that the setting promises to keep.
Correlation = Annotated[Number, Gt(-1), Lt(1)]
WorkVariation = Annotated[Number, Gt(0), Le(100)]
BurstRatio = Annotated[Number, Ge(1), Le(1_000_000)]

# The upper ends keep a slip of the finger from asking for more memory than any machine has.
UserCount = Annotated[int, Strict(), Ge(1), Le(10_000_000)]
ServerCount = Annotated[int, Strict(), Ge(1), Le(1_000_000)]
StepCount = Annotated[int, Strict(), Ge(1), Le(1_000_000)]

Flag = Annotated[bool, Strict()]

# A scenario's name becomes part of a directory name: nothing that a file system could take amiss.
Slug = Annotated[
    str,
    Strict(),
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    Says("text of 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"),
]
# \p{Cc}: control characters; \p{Zl}, \p{Zp}: separators of lines and paragraphs
Label = Annotated[
    str,
    Strict(),
    Field(pattern=r"^[^\p{Cc}\p{Zl}\p{Zp}]{1,64}$"),
    Says("text of 1 to 64 characters on one line"),
]
FilePath = Annotated[
    str,
    Strict(),
    Field(pattern=r"^[^\p{Cc}\p{Zl}\p{Zp}]+$"),
    Says("the path of a file, as text on one line"),
]


def named(registry: Registry) -> tuple[Any, ...]:
    """What `Annotated` adds to a text that names something registered."""
    return Strict(), AfterValidator(registry.known), Says(registry.allowed())
