"""Equilibria told: tables, sentences, figures and page of a directory of cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from airan_market.agents.contract.menu import Menu
from airan_market.agents.primitives.primitives import Primitives
from airan_market.analysis.equilibrium import figures
from airan_market.analysis.equilibrium.cells import (
    FREE,
    PLANNER,
    PUBLISHED,
    REPLICATIONS,
    ROUNDS,
    STARTS,
    TIED,
    Cell,
    closer,
    compute,
    distance,
    plays,
)
from airan_market.analysis.page import write_page
from airan_market.analysis.questions.beliefs import MARKET, Play, quantities
from airan_market.analysis.runs.summary import plain
from airan_market.analysis.store.cell_store import fill, growing, stored
from airan_market.analysis.store.directory import amended
from airan_market.analysis.store.durable import write_text
from airan_market.analysis.store.reader import Stored, opened
from airan_market.analysis.store.tables import write_frame
from airan_market.analysis.wording import Section
from airan_market.scenarios import Scenario
from airan_market.sim.estimation.intervals import mean_interval

NAMES = {PUBLISHED: "published", TIED: "equilibrium", FREE: "with margins", PLANNER: "planner"}
SAME = 0.01  # of L_max or α_1 q: profiles nearer than this are one
CERTIFIED = 1e-4  # of the profit: a profile from which nobody gains more is called an equilibrium
Answers = Mapping[str, Any]


def seek_into(
    directory: Path,
    market: Scenario,
    *,
    seed: int = 1,
    count: int = STARTS,
    margins: bool = False,
    studies: bool = True,
    rounds: int = ROUNDS,
    replications: int = REPLICATIONS,
    workers: int | None = None,
    on_cell: Callable[[Cell, int, int], None] = lambda cell, done, of: None,
) -> dict[str, Any]:
    """Find, certify and explain equilibria; what `equilibrium --json` prints.

    Parameters
    ----------
    directory : Path
        Of equilibria, or empty; what it holds already is not computed again.
    market : Scenario
    seed : int
        Of shares drawn from a Dirichlet law, of the starts, pushes and traffic.
    count : int
        Starts of the play.
    margins, studies : bool
        Whether operators may also choose margins; whether entry and rules are studied.
    rounds : int
        Of answers, at most.
    replications : int
        Of the traffic.
    workers, on_cell
        As for `analysis.store.cell_store.fill`.
    """
    settings = {
        "count": count, "margins": margins, "studies": studies, "rounds": rounds,
        "replications": replications, "seed": seed,
    }  # fmt: skip
    wanted = plays(market, seed=seed, count=count, margins=margins, studies=studies, rounds=rounds)
    with growing(directory, "equilibrium", market, settings):
        found = _fill(directory, wanted, workers, on_cell)
        later = closer(market, chosen(found), seed=seed, replications=replications)
        found |= _fill(directory, later, workers, on_cell)
        tables = tables_of(market, found, seed)
        for name, frame in tables.items():
            write_frame(directory / f"{name}.csv", "equilibrium", frame)
        told = findings(tables)
        text = "\n".join(f"- {sentence}" for sentence in told)
        write_text(directory / "findings.md", f"# Equilibrium\n\n{text}\n")
    with amended(directory):
        return draw(directory)


def _fill(
    directory: Path, cells: list[Cell], workers: int | None,
    on_cell: Callable[[Cell, int, int], None],
) -> dict[str, Any]:  # fmt: skip
    marks = {cell: cell.mark for cell in cells}
    answers = fill(directory, marks, compute, workers=workers, on_cell=on_cell)
    return {cell.part: answer for cell, answer in answers.items()}


def chosen(answers: Answers) -> dict[str, dict[str, Any]]:
    """The outcomes side by side: of the plays, the settled one with the smallest last gain."""
    found = {}
    for kind in (PUBLISHED, TIED, FREE, PLANNER):
        if kind in answers:
            found[kind] = answers[kind]
            continue
        own = _starts(answers, kind)
        if own:
            found[kind] = min(own.values(), key=lambda a: (not a["settled"],
                                                           a["gains_usd_per_s"][-1]))  # fmt: skip
    return found


def _starts(answers: Answers, kind: str) -> dict[int, dict[str, Any]]:
    parts = (part for part in answers if part.startswith(f"{kind}-start-"))
    return {int(part.rsplit("-", 1)[1]): answers[part] for part in parts}


def tables_of(market: Scenario, answers: Answers, seed: int) -> dict[str, pd.DataFrame]:
    """All tables that the answers make, by name."""
    found = chosen(answers)
    primitives = Primitives.from_scenario(market, seed)
    tables = {
        "outcomes": pd.DataFrame(
            [_outcome(primitives, who, own, answers) for who, own in found.items()]
        ),
        "menus": pd.DataFrame([row for who, own in found.items() for row in _menu(who, own)]),
        "users": pd.DataFrame([row for who, own in found.items() for row in _users(who, own)]),
        "starts": pd.DataFrame(_start_rows(market, seed, answers, found)),
        "rounds": pd.DataFrame(_round_rows(answers)),
        "path": pd.DataFrame(
            [
                {name: value for name, value in row.items() if name != "latency_s"}
                | {"distance": distance(market, seed, found[TIED], row | {
                    "margin_usd": found[TIED]["margin_usd"]})}
                for row in answers["path"]
            ]
        ),
        "certificates": pd.DataFrame(
            [
                {"who": kind, **row}
                for kind in (TIED, FREE)
                for row in answers.get(f"{kind}-certificate", ())
            ]
        ),
        "pushes": pd.DataFrame(
            [
                {"who": kind, **row}
                for kind in (TIED, FREE)
                for row in answers.get(f"{kind}-push", ())
            ]
        ),
    }  # fmt: skip
    studies = [
        _study_row(part, own)
        for part, own in answers.items()
        if isinstance(own, dict) and "value" in own
    ]
    if studies:
        tables["studies"] = pd.DataFrame(studies).sort_values(["study", "who", "value"])
    return tables


def _outcome(
    primitives: Primitives, who: str, own: Mapping[str, Any], answers: Answers
) -> dict[str, Any]:
    matching = np.array(own["match_probability"])
    demand = primitives.demand_per_s
    row = {
        "who": who,
        "operator_utility_usd_per_s": sum(own["operators_usd_per_s"]),
        "social_welfare_usd_per_s": own["welfare_usd_per_s"],
        "served": float((matching * demand).sum() / demand.sum()),
        "mean_latency_s": float(
            (matching * demand * np.array(own["latency_s"])).sum() / (matching * demand).sum()
        ),
    }
    rates = answers.get(f"{who}-realised")
    if rates is not None:
        menu = Menu(*(np.array(own[name]) for name in
                      ("latency_s", "price_usd", "violation_probability")))  # fmt: skip
        classes = np.array(own["by_quality"]) if "by_quality" in own else None
        realised = quantities(
            primitives, Play("", menu, matching, np.array(rates), classes), np.array(rates)
        )
        for name in ("operator utility", "social welfare"):
            values = realised[MARKET, 0, name]
            about = mean_interval(values, 0.95)
            label = name.replace(" ", "_")
            row |= {
                f"realised_{label}_usd_per_s": float(values.mean()),
                f"realised_{label}_low_usd_per_s": float(about.low),
                f"realised_{label}_high_usd_per_s": float(about.high),
            }
    return row


def _menu(who: str, own: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "who": who, "operator": m + 1, "type": n + 1, "latency_s": own["latency_s"][m][n],
            "price_usd": own["price_usd"][m][n],
            "violation_probability": own["violation_probability"][m][n],
            "match_probability": own["match_probability"][m][n],
            "margin_usd": own["margin_usd"][m],
        }
        for m, n in np.ndindex(np.array(own["latency_s"]).shape)
    ]  # fmt: skip


def _users(who: str, own: Mapping[str, Any]) -> list[dict[str, Any]]:
    matching, utility = np.array(own["match_probability"]), np.array(own["user_utility_usd"])
    served = matching.sum(axis=0)
    mean = (matching * utility).sum(axis=0) / np.where(served > 0, served, 1.0)
    return [
        {"who": who, "type": n + 1, "served": float(served[n]), "user_utility_usd": float(mean[n])}
        for n in range(len(served))
    ]


def _start_rows(
    market: Scenario, seed: int, answers: Answers, found: Mapping[str, Any]
) -> list[dict[str, Any]]:
    return [
        {
            "who": kind,
            "start": number,
            "settled": own["settled"],
            "cycle_rounds": own["cycle_rounds"],
            "rounds": len(own["gains_usd_per_s"]),
            "last_gain_usd_per_s": own["gains_usd_per_s"][-1],
            "operator_utility_usd_per_s": sum(own["operators_usd_per_s"]),
            "social_welfare_usd_per_s": own["welfare_usd_per_s"],
            "distance": distance(market, seed, found[kind], own),
        }
        for kind in (TIED, FREE)
        for number, own in sorted(_starts(answers, kind).items())
    ]


def _round_rows(answers: Answers) -> list[dict[str, Any]]:
    return [
        {
            "who": kind, "start": number, "round": k + 1, "largest_gain_usd_per_s": gain,
            "operator_utility_usd_per_s": own["profits_usd_per_s"][k],
        }
        for kind in (TIED, FREE)
        for number, own in sorted(_starts(answers, kind).items())
        for k, gain in enumerate(own["gains_usd_per_s"])
    ]  # fmt: skip


def _study_row(part: str, own: Mapping[str, Any]) -> dict[str, Any]:
    kind, study, _ = part.split("-")
    matching = np.array(own["match_probability"])
    return {
        "study": study,
        "who": kind,
        "value": own["value"],
        "settled": own["settled"],
        "cycle_rounds": own["cycle_rounds"],
        "operator_utility_usd_per_s": sum(own["operators_usd_per_s"]),
        "social_welfare_usd_per_s": own["welfare_usd_per_s"],
        "planner_usd_per_s": own["planner_usd_per_s"],
        "served": float(matching.sum(axis=0).mean()),
    }


def answer(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What was asked and what came out, for whoever has not read the papers."""
    outcomes = tables["outcomes"].set_index("who")
    kind = FREE if FREE in outcomes.index else TIED
    starts = tables["starts"][tables["starts"]["who"] == kind]
    own, published = outcomes.loc[kind], outcomes.loc[PUBLISHED]
    free = " and may leave them something" if kind == FREE else ""
    return [
        f"Where does competition end when operators keep answering one another{free}?",
        f"{int(starts['settled'].sum())} of {len(starts)} plays come to rest; operators then earn "
        f"{own['operator_utility_usd_per_s']:.3g} USD a second together (the published algorithm: "
        f"{published['operator_utility_usd_per_s']:.3g}) and everybody together gains "
        f"{own['social_welfare_usd_per_s']:.3g} ({published['social_welfare_usd_per_s']:.3g}).",
    ]


def findings(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What the tables say, a sentence or two each, numbers computed."""
    outcomes = tables["outcomes"].set_index("who")
    sentences = []
    for kind, label in ((TIED, "Prices tied to (25)"), (FREE, "Margins free")):
        starts = tables["starts"][tables["starts"]["who"] == kind]
        if starts.empty:
            continue
        sentences.append(_arrivals(label, starts))
        own = outcomes.loc[kind]
        certificate = tables["certificates"][tables["certificates"]["who"] == kind]
        profit = own["operator_utility_usd_per_s"]
        gain = certificate[["gain_usd_per_s", "evolved_gain_usd_per_s"]].max(axis=1)
        part = (gain / certificate["operator_utility_usd_per_s"].abs()).max()
        verdict = "an equilibrium" if part <= CERTIFIED else "not an equilibrium"
        most = certificate["gain_at_most_usd_per_s"].max()
        bound = f"no strategy at all gains more than {most:.3g} USD/s" if np.isfinite(most) else (
            "no bound is known for this belief")  # fmt: skip
        sentences.append(
            f"{label}: operators earn {profit:.4g} USD/s together, welfare is "
            f"{own['social_welfare_usd_per_s']:.4g}, {own['served']:.1%} of the demand is served "
            f"at {own['mean_latency_s']:.3g} s on average. It is {verdict}: two searches, one of "
            f"them differential evolution, find no gain above {part:.1e} of an operator's profit; "
            f"{bound}."
        )
    published = outcomes.loc[PUBLISHED]
    left = tables["path"].iloc[-1]
    sentences.append(
        f"Algorithm 1 ends at {published['operator_utility_usd_per_s']:.4g} and welfare "
        f"{published['social_welfare_usd_per_s']:.4g} USD/s, where an operator can still gain "
        f"{left['largest_gain_usd_per_s']:.3g} USD/s by another menu; the nearest of its "
        f"iterations is {tables['path']['distance'].min():.2f} of L_max away from the equilibrium."
    )
    if PLANNER in outcomes.index:
        best = outcomes.loc[PLANNER, "social_welfare_usd_per_s"]
        parts = ", ".join(f"{NAMES[who]} {row['social_welfare_usd_per_s'] / best:.1%}"
                          for who, row in outcomes.iterrows() if who != PLANNER)  # fmt: skip
        sentences.append(f"Of the planner's welfare, {best:.4g} USD/s, they reach: {parts}.")
    for kind, pushes in tables["pushes"].groupby("who", sort=False):
        told = "; ".join(
            f"{row.push:g} of L_max, steps of {row.step:g}: {row.distance_after_over_before:.2g}"
            for row in pushes.itertuples()
        )
        sentences.append(
            f"Pushed, {NAMES[str(kind)]}, distance after {pushes['rounds'].iloc[0]} rounds over "
            f"that before: {told}."
        )
    if "studies" in tables:
        sentences += _study_findings(tables["studies"])
    return sentences


def _arrivals(label: str, starts: pd.DataFrame) -> str:
    settled = starts[starts["settled"]]
    text = f"{label}: {len(settled)} of {len(starts)} starts come to rest"
    cycles = starts[starts["cycle_rounds"] > 0]
    if len(cycles):
        text += f", {len(cycles)} go round in {cycles['cycle_rounds'].min()} rounds or more"
    if len(settled):
        profit = settled["operator_utility_usd_per_s"]
        near = int((settled["distance"] <= SAME).sum())
        text += (
            f", at profits of {profit.min():.5g} to {profit.max():.5g} USD/s in all, {near} of "
            f"them within {SAME:.0%} of L_max of one profile"
        )
        if near == len(settled):
            text += ": no other was found"
        else:
            text += ": it is not the only one (operators may change places)"
    return text + "."


def _study_findings(studies: pd.DataFrame) -> list[str]:
    names = {
        "entry": "operators", "refund": "refund (USD)", "cap": "longest latency (s)",
        "floor": "price floor (USD)",
    }  # fmt: skip
    sentences = []
    for (study, kind), rows in studies.groupby(["study", "who"], sort=False):
        told = ", ".join(
            f"{row.value:.3g}: {row.operator_utility_usd_per_s:.3g} / "
            f"{row.social_welfare_usd_per_s:.3g} of {row.planner_usd_per_s:.3g}"
            + ("" if row.settled else " (not at rest)")
            for row in rows.itertuples()
        )
        sentences.append(
            f"{names[str(study)].capitalize()}, {NAMES[str(kind)]}: profit / welfare of the "
            f"planner's, {told}."
        )
    return sentences


def tables_in(directory: Path) -> dict[str, pd.DataFrame]:
    """All tables of a directory, from its cells."""
    manifest = opened(directory, "equilibrium")
    market, asked = Stored(directory, manifest).scenario, dict(manifest.settings)
    seed, replications = asked.pop("seed"), asked.pop("replications")
    answers = _kept(directory, plays(market, seed=seed, **asked))
    answers |= _kept(
        directory, closer(market, chosen(answers), seed=seed, replications=replications)
    )
    return tables_of(market, answers, seed)


def drawable(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """All figures of a search for equilibria by name."""
    return {
        "outcomes": figures.outcomes(tables["outcomes"], tables["users"], tables["menus"], NAMES),
        "ways": figures.ways(tables["rounds"], tables["path"], tables.get("studies"), NAMES),
    }


def draw(directory: Path) -> dict[str, Any]:
    """Draw figures and page of a directory; what `equilibrium --json` prints."""
    manifest, tables = opened(directory, "equilibrium"), tables_in(directory)
    told = findings(tables)
    sections = {
        "outcomes": "Outcomes side by side", "certificates": "What an operator could still gain",
        "starts": "Where plays arrive", "menus": "Menus",
    }  # fmt: skip
    write_page(
        directory, manifest, "equilibrium/page.html.j2", drawable(tables), answer(tables), told,
        place=".",
        sections=[Section.of(title, tables[name], f"{name}.csv")
                  for name, title in sections.items()],
    )  # fmt: skip
    rows = {name: frame.to_dict("records") for name, frame in tables.items()}
    return {"findings": told, "tables": plain(rows)}


def _kept(directory: Path, cells: list[Cell]) -> dict[str, Any]:
    found = {cell.part: stored(directory, cell) for cell in cells}
    return {part: answer for part, answer in found.items() if answer is not None}
