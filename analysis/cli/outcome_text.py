"""What `solve` prints for people: the outcome of a mechanism as a table."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from airan_market.analysis.runs.headline import number, probability

WIDTH = 100


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
    buffer = io.StringIO()
    console = Console(file=buffer, width=WIDTH, highlight=False, markup=False, no_color=True)
    console.print(_totals(outcome))
    console.print(_contracts(outcome, names))
    console.print(_matching(outcome, names))
    for sentence in certificates:
        console.print(f"- {sentence}", soft_wrap=True)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _totals(outcome: dict[str, Any]) -> str:
    ended = "converged" if outcome["converged"] else "not converged"
    steps = "iteration" if outcome["iterations"] == 1 else "iterations"
    return (
        f"mechanism {outcome['mechanism']}, {ended} after {outcome['iterations']} {steps}\n"
        f"operator utility {number(outcome['operator_utility_usd_per_s'])} USD/s, "
        f"social welfare {number(outcome['social_welfare_usd_per_s'])} USD/s"
    )


def _contracts(outcome: dict[str, Any], names: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Contracts", title_justify="left")
    for heading in (
        "operator", "type", "latency s", "price USD", "believed violation", "load of types 1..n",
        "matching probability",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "operator" else "right")
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


def _matching(outcome: dict[str, Any], names: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Users", title_justify="left")
    for heading in ("type", "stays out with probability", "likeliest choice"):
        table.add_column(heading, justify="left" if heading == "likeliest choice" else "right")
    rows = zip(outcome["opt_out_probability"], outcome["matching"], strict=True)
    for n, (out, choice) in enumerate(rows, start=1):
        table.add_row(str(n), number(out, 3), Text(names[choice - 1] if choice else "stays out"))
    return table
