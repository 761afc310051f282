"""What `solve` prints for people: the outcome of a mechanism as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from airan_market.analysis.wording import as_text, columns, number, probability


def outcome_text(
    outcome: dict[str, Any], names: Sequence[str], certificates: Sequence[str] = ()
) -> str:
    """Outcome as text: totals, contracts by operator and type, users by type, certificates.

    Parameters
    ----------
    outcome : dict
        Fields of `solve --json`.
    names : sequence of str
        Names of the operators.
    certificates : sequence of str
        What was checked and found, a sentence each.
    """
    told = [f"- {sentence}" for sentence in certificates]
    tables = [_contracts(outcome, names), _matching(outcome, names)]
    if "match_probability_by_quality" in outcome:
        tables.append(_qualities(outcome, names))
    return as_text([_totals(outcome), *tables, *told])


def _totals(outcome: dict[str, Any]) -> str:
    ended = "converged" if outcome["converged"] else "not converged"
    steps = "iteration" if outcome["iterations"] == 1 else "iterations"
    return (
        f"mechanism {outcome['mechanism']}, {ended} after {outcome['iterations']} {steps}\n"
        f"operator utility {number(outcome['operator_utility_usd_per_s'])} USD/s, "
        f"social welfare {number(outcome['social_welfare_usd_per_s'])} USD/s"
    )


def _contracts(outcome: dict[str, Any], names: Sequence[str]) -> Table:
    headings = (
        "operator", "type", "latency s", "price USD", "believed violation", "load of types 1..n",
        "matching probability",
    )  # fmt: skip
    table = columns("Contracts", headings, left=["operator"])
    for place, (operator, name) in enumerate(zip(outcome["operators"], names, strict=True)):
        types = range(len(operator["latency_s"]))
        for n in types:
            table.add_row(
                Text(name if n == 0 else ""),
                str(n + 1),
                number(operator["latency_s"][n]),
                number(operator["price_usd"][n]),
                probability(operator["violation_belief"][n]),
                number(operator["load_tasks_per_s"][n]),
                number(outcome["match_probability"][place][n], 3),
                end_section=n == types[-1],
            )
    return table


def _qualities(outcome: dict[str, Any], names: Sequence[str]) -> Table:
    """Where users of every quality type are, a row for each latency type."""
    headings = ("quality type", "type", "stays out with probability", *names)
    table = columns("Users by what quality is worth to them", headings, left=[])
    matching = outcome["match_probability_by_quality"]
    for x, row in enumerate(outcome["opt_out_probability_by_quality"]):
        for n, out in enumerate(row):
            taken = (number(matching[m][x][n], 3) for m in range(len(names)))
            first = str(x + 1) if n == 0 else ""
            table.add_row(first, str(n + 1), number(out, 3), *taken, end_section=n == len(row) - 1)
    return table


def _matching(outcome: dict[str, Any], names: Sequence[str]) -> Table:
    headings = ("type", "stays out with probability", "likeliest choice")
    table = columns("Users", headings, left=["likeliest choice"])
    rows = zip(outcome["opt_out_probability"], outcome["matching"], strict=True)
    for n, (out, choice) in enumerate(rows, start=1):
        table.add_row(str(n), number(out, 3), Text(names[choice - 1] if choice else "stays out"))
    return table
