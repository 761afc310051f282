"""The columns of every table that is written: names, types, units and meanings (`columns.toml`).

Kinds of directories are those of `analysis.store.manifest`; "market" and "pact" are runs.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

TITLES = {
    "market": "Run of a market (`airan-market run`), Parquet",
    "pact": "Run of a PACT market (`airan-market run`), Parquet",
    "validation": "Validation (`airan-market validate`), Parquet; `verdicts` also as CSV",
    "menu": "PACT menu (`airan-market pact --out`), CSV",
    "reproduction": "Reproduction (`airan-market reproduce`), CSV",
    "identification": "Identification (`airan-market identify`), CSV",
    "questions": "Answers (`airan-market questions`), CSV",
    "equilibrium": "Equilibria (`airan-market equilibrium`), CSV",
    "calibration": "Calibration (`airan-market calibrate --out`), CSV",
    "sweep": "Sweep (`airan-market sweep`, `choose`, `search`), Parquet",
}
_INTRODUCTION = """\
Numbers of rounds, operators, types, users, services and tasks count from 1; SI units and US
dollars, per second of simulated time. Parquet files carry unit and meaning of each column in the
metadata of its field, and `pandas.read_parquet` keeps true, false and missing apart (its dtype
`boolean`). Written by `analysis.store.columns.tables_markdown` from `columns.toml`;
a test says when it is stale."""
_WORDS = {
    "int32": "whole number",
    "int64": "whole number",
    "double": "number",
    "bool": "true or false",
    "string": "text",
}


class Column(NamedTuple):
    """One column.

    Attributes
    ----------
    name : str
        `{m}` stands for the number of an operator.
    type : str
        As Arrow names it.
    nullable : bool
        Whether a value may be missing.
    unit : str
        "-" for none.
    text : str
    """

    name: str
    type: str
    nullable: bool
    unit: str
    text: str


class Declared(NamedTuple):
    """One table: what a row is, and its columns in order."""

    about: str
    columns: tuple[Column, ...]


@cache
def declared() -> Mapping[str, Mapping[str, Declared]]:
    """All tables by kind of directory and name.

    Examples
    --------
    >>> declared()["market"]["rounds"].columns[3][:4]
    ('latency_s', 'double', False, 's')
    """
    file = resources.files("airan_market.analysis.store") / "columns.toml"
    kinds = tomllib.loads(file.read_text(encoding="utf-8"))
    return {
        kind: {name: _table(text) for name, text in tables.items()}
        for kind, tables in kinds.items()
    }


def _table(text: str) -> Declared:
    about, *lines = text.strip().splitlines()
    columns = []
    for names, type_, unit, meaning in (line.split(" | ") for line in lines):
        columns += [
            Column(name, type_.rstrip("?"), type_.endswith("?"), unit, meaning)
            for name in names.split(" & ")
        ]
    return Declared(about, tuple(columns))


def undeclared(kind: str, name: str, columns: Iterable[str]) -> list[str]:
    """Those columns of a table that are not declared.

    Examples
    --------
    >>> undeclared("questions", "rent_own", ["goal", "margin_3_usd", "margin_x_usd"])
    ['margin_x_usd']
    """
    known = [re.escape(c.name).replace(r"\{m\}", r"\d+") for c in declared()[kind][name].columns]
    return [column for column in columns if not re.fullmatch("|".join(known), column)]


def tables_markdown() -> str:
    """Every table with its columns, as the page `docs/tables.md`.

    Examples
    --------
    >>> tables_markdown().splitlines()[0]
    '# What is in which column?'
    """
    lines = ["# What is in which column?", "", _INTRODUCTION]
    for kind, tables in declared().items():
        lines += ["", f"## {TITLES[kind]}"]
        for name, table in tables.items():
            lines += ["", f"### {name}", "", table.about, ""]
            lines += ["| column | type | unit | what it is |", "| --- | --- | --- | --- |"]
            for column in table.columns:
                type_ = _WORDS[column.type] + ", or missing" * column.nullable
                lines += [f"| `{column.name}` | {type_} | {column.unit} | {column.text} |"]
    return "\n".join(lines) + "\n"
