"""Tables, figures and findings of the questions beyond the paper, from their cells."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from airan_market.agents.primitives.primitives import Primitives
from airan_market.analysis.page import write_page
from airan_market.analysis.questions import beliefs
from airan_market.analysis.questions import figures as question_figures
from airan_market.analysis.questions.cells import (
    ANARCHY,
    BELIEFS,
    DRAWS,
    FITTED,
    RENT,
    REPLICATIONS,
    SEED,
    SPAN,
    Cell,
    cells,
    compute,
)
from airan_market.analysis.runs.summary import plain
from airan_market.analysis.store.cell_store import fill, growing, stored
from airan_market.analysis.store.directory import amended
from airan_market.analysis.store.durable import write_text
from airan_market.analysis.store.reader import Stored, opened
from airan_market.analysis.store.tables import write_frame
from airan_market.analysis.wording import Section, capital
from airan_market.scenarios import Scenario, load_scenario

Answers = Mapping[Cell, Any]
#: Tables of the page: file, title, what stands in it.
TABLES = (
    ("rent_best", "The margins that bring most",
     "A margin that all operators (who 0) or one of them leaves to every user; rent_best.csv."),
    ("rent_own", "A margin of its own for every operator",
     "The three margins that together bring operators, or everybody, most; rent_own.csv."),
    ("anarchy", "Mechanisms beside a central planner",
     "Welfare of each, what the best menus at its matching would bring, and the planner's with its "
     "upper bound; anarchy.csv."),
)  # fmt: skip
_REALISED = "{:.4g} (95 % interval {:.4g} to {:.4g})"


def tables(answers: Answers) -> dict[str, pd.DataFrame]:
    """All tables by the name of their file: those whose cells are there.

    Returns
    -------
    dict
        rent_curve, rent_best, rent_play, rent_own (margins of its own for every operator),
        anarchy, anarchy_draws, anarchy_split, beliefs.
    """
    parts = {(cell.question, cell.part): answer for cell, answer in answers.items()}
    found: dict[str, pd.DataFrame] = {}
    for part in ("curve", "best"):
        if (RENT, part) in parts:
            found[f"rent_{part}"] = pd.DataFrame(parts[RENT, part])
    if (RENT, "play") in parts:
        play = parts[RENT, "play"]
        found["rent_play"] = pd.DataFrame(play["rounds"]).assign(settled=play["settled"])
    own = [answer for (question, part), answer in parts.items()
           if question == RENT and part.startswith("own-margins")]  # fmt: skip
    if own:
        found["rent_own"] = pd.DataFrame(
            [
                {
                    "goal": answer["goal"],
                    **{f"margin_{m}_usd": x for m, x in enumerate(answer["margins_usd"], 1)},
                    "operator_utility_usd_per_s": float(np.sum(answer["operators_usd_per_s"])),
                    "social_welfare_usd_per_s": answer["welfare_usd_per_s"],
                }
                for answer in own
            ]
        )
    if (ANARCHY, FITTED) in parts:
        found["anarchy"] = pd.DataFrame(parts[ANARCHY, FITTED])
        found["anarchy_split"] = pd.DataFrame(parts[ANARCHY, "split"])
        found["anarchy_draws"] = pd.DataFrame(
            [
                {"draw": int(part.removeprefix("draw-")), **row}
                for (question, part), rows in parts.items()
                if question == ANARCHY and part.startswith("draw-")
                for row in rows
            ]
        )
    plays = [cell for cell in answers if cell.question == BELIEFS]
    if plays:
        market = load_scenario(tomllib.loads(plays[0].market))
        ordered = sorted(plays, key=lambda cell: beliefs.NAMES.index(cell.part))
        found["beliefs"] = beliefs.belief_table(
            Primitives.from_scenario(market, SEED),
            [beliefs.Play.from_json(answers[cell]) for cell in ordered],
            SPAN.horizon_s,
        )
    return found


def drawable(found: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Figures of the tables that are there, by name."""
    figures = {}
    if {"rent_curve", "rent_best", "rent_play"} <= set(found):
        figures["rent"] = question_figures.rent(
            found["rent_curve"], found["rent_best"], found["rent_play"], _planner(found)
        )
    if "anarchy" in found:
        figures["anarchy"] = question_figures.anarchy(
            found["anarchy"], found["anarchy_draws"], found["anarchy_split"]
        )
    if "beliefs" in found:
        figures["beliefs"] = question_figures.beliefs(found["beliefs"])
    return figures


def _planner(found: Mapping[str, pd.DataFrame]) -> float:
    return float(found["anarchy"]["planner_usd_per_s"].iloc[0]) if "anarchy" in found else np.nan


def answer(found: Mapping[str, pd.DataFrame]) -> list[str]:
    """What was asked and what came out, for whoever has not read the papers."""
    parts, told = [], []
    if "rent_best" in found:
        parts.append("should operators leave their users something")
        best = found["rent_best"]
        gain = best[best["who"] == 0].eval("with_usd_per_s - without_usd_per_s").max()
        told.append(f"all operators together gain at most {gain:.2g} USD a second by it")
    if "anarchy" in found:
        parts.append("would a central planner do better")
        here = found["anarchy"].iloc[0]
        share = here["social_welfare_usd_per_s"] / here["planner_usd_per_s"]
        told.append(f"the market reaches {share:.1%} of what a planner could")
    if "beliefs" in found:
        parts.append("is a better forecast of delays worth money")
        whole = found["beliefs"]
        own = whole[(whole["scope"] == beliefs.MARKET) & (whole["quantity"] == "social welfare")]
        best = own.loc[own["realised"].idxmax()]
        more = best["realised"] - own["realised"].iloc[0]
        told.append(
            f"the best forecast ({best['belief']}) is worth {more:.2g} USD a second more to all "
            f"than that of {own['belief'].iloc[0]}"
        )
    if not parts:
        return ["What does the paper not ask?", "Nothing was computed that could tell."]
    asked, said = ", ".join(parts), "; ".join(told)
    return [f"{capital(asked)}?", f"{capital(said)}."]


def findings(found: Mapping[str, pd.DataFrame]) -> list[str]:
    """What the tables say, a sentence or two each, numbers computed."""
    sentences = []
    if "rent_best" in found:
        sentences += _rent_findings(found)
    if "anarchy" in found:
        sentences += _anarchy_findings(found)
    if "beliefs" in found:
        sentences += _belief_findings(found["beliefs"])
    return sentences


def _rent_findings(found: Mapping[str, pd.DataFrame]) -> list[str]:
    sentences = []
    for row in found["rent_best"].itertuples():
        gain = row.with_usd_per_s - row.without_usd_per_s
        part = gain / abs(row.without_usd_per_s) if row.without_usd_per_s else np.nan
        who = "All operators" if row.who == 0 else f"Operator {row.who} alone"
        sentences.append(
            f"{who}: the margin best for {row.goal} is {1e6 * row.margin_usd:.3g} · 10⁻⁶ USD per "
            f"task; it brings {gain:+.3g} USD/s ({part:+.1%}), to {row.with_usd_per_s:.4g}, and "
            f"leaves {row.opt_out_type_1:.1%} of type 1 outside."
        )
    if "rent_own" in found:
        sentences += [
            f"With a margin of its own for every operator, the best for {row.goal}: operator "
            f"utility {row.operator_utility_usd_per_s:.4g}, social welfare "
            f"{row.social_welfare_usd_per_s:.4g} USD/s."
            for row in found["rent_own"].itertuples()
        ]
    if "rent_play" in found:
        play = found["rent_play"]
        first, last = (play[play["round"] == end] for end in (0, play["round"].max()))
        ended = "came to rest" if bool(play["settled"].iloc[0]) else "had not come to rest"
        sentences.append(
            f"Operators that choose margins for themselves {ended} after {last['round'].iloc[0]} "
            f"rounds, at margins of {1e6 * last['margin_usd'].min():.3g} to "
            f"{1e6 * last['margin_usd'].max():.3g} · 10⁻⁶ USD per task: operator utility falls "
            f"from {first['utility_usd_per_s'].sum():.4g} to "
            f"{last['utility_usd_per_s'].sum():.4g} USD/s, social welfare goes from "
            f"{first['social_welfare_usd_per_s'].iloc[0]:.4g} to "
            f"{last['social_welfare_usd_per_s'].iloc[0]:.4g}."
        )
    return sentences


def _anarchy_findings(found: Mapping[str, pd.DataFrame]) -> list[str]:
    table, draws = found["anarchy"], found["anarchy_draws"]
    here = table.iloc[0]
    gap = here["upper_bound_usd_per_s"] / here["planner_usd_per_s"] - 1
    lost = 1 - here["planner_incentive_compatible_usd_per_s"] / here["planner_usd_per_s"]
    private = f"costs {lost:.1g} of it" if lost > 1e-9 else "costs nothing"
    sentences = [
        f"A central planner reaches {here['planner_usd_per_s']:.5g} USD/s, and nobody more than "
        f"{gap:.1g} of it above; that types are private {private}."
    ]
    for row in table.itertuples():
        ratio = row.price_of_anarchy
        text = (
            f"price of anarchy {ratio:.4g}" if np.isfinite(ratio) else "no ratio: welfare is a loss"
        )
        own = draws[draws["mechanism"] == row.mechanism] if len(draws) else draws
        spread = ""
        if len(own):
            part = own["social_welfare_usd_per_s"] / own["planner_usd_per_s"]
            spread = (
                f"; over {len(own)} draws of the shares it reaches {part.min():.0%} to "
                f"{part.max():.0%} of the planner's welfare, median {part.median():.0%}"
            )
        sentences.append(
            f"{row.mechanism}: welfare {row.social_welfare_usd_per_s:.4g} USD/s, {text}; the "
            f"planner's menus at its matching give {row.best_menus_usd_per_s:.4g}{spread}."
        )
    return sentences


def _belief_findings(table: pd.DataFrame) -> list[str]:
    sentences = []
    for name, rows in table.groupby("belief", sort=False):
        whole = rows[rows["scope"] == beliefs.MARKET].set_index("quantity")
        parts = [
            f"{quantity} {whole.loc[quantity, 'expected']:.4g} expected, "
            + _REALISED.format(*whole.loc[quantity, ["realised", "low", "high"]])
            for quantity in ("operator utility", "social welfare", "violation probability")
        ]
        broken = rows[
            (rows["scope"] != beliefs.MARKET)
            & (rows["quantity"] == "violation probability")
            & (rows["verdict"] == "worse")
        ]
        whom = ", ".join(f"{row.scope} {row.number}" for row in broken.itertuples())
        sentences.append(
            f"Belief {name}: {'; '.join(parts)}. Broken more often than believed, beyond doubt: "
            f"{whom or 'none'}."
        )
    return sentences


def answer_into(
    directory: Path,
    market: Scenario,
    only: Sequence[str] = (),
    *,
    draws: int = DRAWS,
    replications: int = REPLICATIONS,
    workers: int | None = None,
    on_cell: Callable[[Cell, int, int], None] = lambda cell, done, of: None,
) -> dict[str, Any]:
    """Compute what is missing, write the tables and draw.

    Parameters
    ----------
    directory : Path
        Of a set of answers, or empty.
    market, only, draws, replications
        As for `analysis.questions.cells.cells`.
    workers, on_cell
        As for `analysis.store.cell_store.fill`.

    Returns
    -------
    dict
        `findings`, sentences, and `tables`, by name the rows of each.
    """
    wanted = cells(market, only, draws=draws, replications=replications)
    settings = {"only": list(only), "draws": draws, "replications": replications}
    with growing(directory, "questions", market, settings):
        marks = {cell: cell.mark for cell in wanted}
        write(directory, fill(directory, marks, compute, workers=workers, on_cell=on_cell))
    with amended(directory):
        return draw(directory)


def write(directory: Path, answers: Answers) -> list[str]:
    """Write a CSV per table and findings.md; return the findings."""
    found = tables(answers)
    for name, frame in found.items():
        write_frame(directory / f"{name}.csv", "questions", frame)
    sentences = findings(found)
    text = "\n".join(f"- {sentence}" for sentence in sentences)
    write_text(directory / "findings.md", f"# Beyond the paper\n\n{text}\n")
    return sentences


def tables_in(directory: Path) -> dict[str, pd.DataFrame]:
    """All tables of a directory, from its cells."""
    manifest = opened(directory, "questions")
    wanted = cells(Stored(directory, manifest).scenario, **manifest.settings)
    kept = {cell: stored(directory, cell) for cell in wanted}
    return tables({cell: one for cell, one in kept.items() if one is not None})


def draw(directory: Path) -> dict[str, Any]:
    """Draw figures and page of a set of answers; what `answer_into` returns."""
    manifest, found = opened(directory, "questions"), tables_in(directory)
    sentences = findings(found)
    told = [table for table in TABLES if table[0] in found]
    write_page(
        directory, manifest, "questions/page.html.j2", drawable(found), answer(found), sentences,
        place=".",
        sections=[Section.of(title, found[name], about) for name, title, about in told],
    )  # fmt: skip
    rows = {name: frame.to_dict("records") for name, frame in found.items()}
    return {"findings": sentences, "tables": plain(rows)}
