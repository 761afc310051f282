"""What the tables of every kind of scenario have in common."""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from airan_market.scenarios.fault import key_text
from airan_market.scenarios.registry import DISCIPLINES
from airan_market.scenarios.schema.checks.consistency import PREEMPTIVE, Finding, Settings
from airan_market.scenarios.schema.quantity import NonNegative, Positive, Slug, StepCount, named


def setting(unit: str, meaning: str, *, default_text: str = "", **default: Any) -> Any:
    """A key of a table: its unit, what it means, and its default as pydantic takes it.

    `default_text` says in words what no value can: where the default comes from.
    """
    extra: dict[str, Any] = {"unit": unit, "default_text": default_text}
    return Field(description=meaning, json_schema_extra=extra, **default)


class Table(BaseModel):
    """A table of the file: it never changes, and knows no keys but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rounds(Table):
    """How the traffic is played, in markets of both kinds."""

    rounds: StepCount = setting("rounds", "rounds of contracts and traffic", default=10)
    horizon_s: Positive = setting("s", "simulated time of one round", default=10.0)
    warmup_s: NonNegative = setting(
        "s", "traffic before round 1, at its menus, that no contract covers", default=2.0
    )
    engine: Literal["simpy", "compiled"] = setting(
        "-", "what simulates the stations", default="compiled"
    )
    discipline: Annotated[str, *named(DISCIPLINES)] = setting(
        "-",
        "whom a station serves next, and whom it interrupts; engine simpy plays all",
        default=PREEMPTIVE,
    )


class Described(Table):
    """A whole file of any kind: its version, its name, and no contradiction in it.

    A kind of scenario says which checks there are between settings (`contradictions`), and the
    tables of the file whose defaults these checks read (`filled`).
    """

    schema_version: Annotated[int, Strict(), Ge(1), Le(1)] = setting(
        "-", "version of these keys", default=1
    )
    name: Slug = setting("-", "name of the scenario, part of a run's directory")

    contradictions: ClassVar[Callable[..., Iterator[Finding]]]  # of `Settings`; a static method
    filled: ClassVar[Mapping[str, type[Table]]]

    @model_validator(mode="after")
    def _check_consistency(self) -> "Described":
        found = list(type(self).contradictions(Settings(self.model_dump())))
        if found:
            lines = "\n".join(f"{key_text(path)}: {allowed}" for path, allowed in found)
            raise PydanticCustomError("contradiction", "{lines}", {"lines": lines})
        return self
