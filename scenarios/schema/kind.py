"""The kinds of scenario: which schema a file is held to, and what its schema cannot say."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from airan_market.scenarios.schema.consistency import Finding, Settings

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Kind(Generic[Model]):
    """A kind of scenario: its schema, and what its schema cannot say.

    Attributes
    ----------
    model
        The schema of the whole file.
    contradictions
        Checks between settings.
    filled
        The tables of the file whose defaults these checks read.
    """

    model: type[Model]
    contradictions: Callable[[Settings], Iterator[Finding]]
    filled: Mapping[str, type[BaseModel]]
