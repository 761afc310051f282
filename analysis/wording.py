"""How numbers, intervals and tables are written for people."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

NONE = "–"  # where there is no number
NEXT_TO_NONE = 1e-14  # a probability below which its size tells nobody anything
ROUNDING = 1e-9  # of sums over up to 10⁸ tasks, relative: each addition is good to 1e-16
WIDTH = 100  # characters of what is printed


def number(value: float | None, digits: int = 4) -> str:
    """A number with at most `digits` significant digits; a dash where there is none.

    Examples
    --------
    >>> number(2.05123), number(0.00012), number(None), number(123456.0)
    ('2.051', '0.00012', '–', '123456')
    """
    if value is None or value != value:
        return NONE
    if abs(value) >= 10**digits:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def difference(value: float, of: float) -> str:
    """A difference of two sums of about `of`; none where sums so long may differ by rounding.

    Examples
    --------
    >>> difference(-4.97e-14, 59.06), difference(0.01, 59.06)
    ('none but rounding', '0.01')
    """
    return "none but rounding" if abs(value) <= ROUNDING * abs(of) else number(value)


def probability(value: float | None) -> str:
    """A probability in percent, three significant digits; one that is next to none as that.

    Examples
    --------
    >>> probability(0.04137), probability(0.0), probability(2.5e-7), probability(None)
    ('4.14%', '0%', '2.5e-05%', '–')
    >>> probability(1.4e-79)
    '<1e-12%'
    """
    if value is not None and 0 < value < NEXT_TO_NONE:
        return f"<{100 * NEXT_TO_NONE:.0e}%"
    return formatted(None if value is None else 100 * value, ".3g", "%")


def formatted(value: float | None, form: str = ".2e", unit: str = "") -> str:
    """A number in a fixed form; a dash where there is none.

    Examples
    --------
    >>> formatted(0.00123), formatted(float("nan")), formatted(0.5, "+.2f")
    ('1.23e-03', '–', '+0.50')
    """
    return NONE if value is None or value != value else f"{value:{form}}{unit}"


def interval(entry: dict[str, Any], write: Callable[[float | None], str] = number) -> str:
    """Low and high of an entry of a summary.

    Examples
    --------
    >>> interval({"low": 0.5, "high": 0.75}), interval({"low": None, "high": None})
    ('0.5 to 0.75', '–')
    """
    return NONE if entry["low"] is None else f"{write(entry['low'])} to {write(entry['high'])}"


def in_brackets(
    entry: dict[str, Any], write: Callable[[float | None], str] = number, lead: str = ""
) -> str:
    """`interval` in brackets after a blank, or nothing."""
    return "" if entry["low"] is None else f" ({lead}{interval(entry, write)})"


def capital(sentence: str) -> str:
    """A sentence with a capital at its beginning; the rest stays.

    Examples
    --------
    >>> capital("the GPU is busy")
    'The GPU is busy'
    """
    return sentence[:1].upper() + sentence[1:]


@dataclass(frozen=True)
class Section:
    """A table with its title and what it needs to be understood, for a page or for Markdown."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    about: str = ""

    @classmethod
    def of(cls, title: str, frame: pd.DataFrame, about: str = "") -> Section:
        """A frame as it is, numbers cut to four digits."""
        return cls(title, list(frame.columns), frame.to_numpy(dtype=object).tolist(), about)

    def columns(self, title: str, names: Sequence[str], about: str) -> Section:
        """Some of the columns as a table of their own.

        Examples
        --------
        >>> Section("t", ["a", "b", "c"], [[1, 2, 3]]).columns("u", ["c", "a"], "").rows
        [[3, 1]]
        """
        places = [list(self.head).index(name) for name in names]
        return Section(title, names, [[row[k] for k in places] for row in self.rows], about)

    def cells(self) -> list[list[str]]:
        """The rows as text."""
        return [[_cell(value) for value in row] for row in self.rows]

    def markdown(self) -> str:
        r"""The table in Markdown.

        Examples
        --------
        >>> print(Section("t", ["a", "b"], [[1, 0.123456], ["x|y", None]]).markdown())
        | a | b |
        | --- | --- |
        | 1 | 0.1235 |
        | x\|y | – |
        """
        escaped = [[cell.replace("|", r"\|") for cell in row] for row in self.cells()]
        lines = [self.head, ["---"] * len(self.head), *escaped]
        return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _cell(value: object) -> str:
    if value is None:
        return NONE
    return formatted(value, ".4g") if isinstance(value, float) else str(value)


def columns(title: str, headings: Sequence[str], left: Sequence[str] = ()) -> Table:
    """An empty table for a terminal; columns are flush right, those of `left` flush left."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right")
    return table


def as_text(parts: Iterable[Table | str]) -> str:
    """Tables and sentences as plain text, tables `WIDTH` characters wide at the most."""
    from rich.console import Console

    buffer = io.StringIO()
    console = Console(file=buffer, width=WIDTH, highlight=False, markup=False, no_color=True)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())
