"""The directory of an identification: posterior, rules and findings as tables, figures, a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import gamma

from airan_market.analysis.identification import figures
from airan_market.analysis.identification.cells import (
    DRAWS,
    LIVE,
    SEARCHED,
    Cell,
    Sampled,
    cells,
    compute,
    marks,
)
from airan_market.analysis.identification.posterior import Posterior
from airan_market.analysis.identification.prior import RANGES, Prior
from airan_market.analysis.identification.rules import EVERY, Variant, best_by_chance, held
from airan_market.analysis.page import write_page
from airan_market.analysis.reproduction.cells import SCENARIO
from airan_market.analysis.reproduction.published import DIRICHLET
from airan_market.analysis.store.cell_store import fill, growing, stored
from airan_market.analysis.store.directory import amended
from airan_market.analysis.store.durable import write_text
from airan_market.analysis.store.reader import opened
from airan_market.analysis.store.tables import write_frame
from airan_market.analysis.wording import Section, capital
from airan_market.scenarios import Reading, load_reading, load_scenario
from airan_market.sim.processors import processors

Answers = Mapping[Cell, Any]

TRIED = 19  # readings that were tabulated to find `as_published`
ENDS = (0.05, 0.5, 0.95)
NARROW = 0.1  # of the prior's range: a quantity of which less is left is called known
#: Readings with a name that are among those of the rules.
NAMED = ("ours", "whole_types", "exact", "as_published")
NOTES = (
    "The likelihood takes the entries of Table I for independent, which they are not, and "
    "integrates over the size of the model's own error. Evidence compares readings of the proposed "
    "method only: the rules of the benchmarks are not in it.",
    f"Rules are tried in the market of {SEARCHED}, by the median over draws.",
)


def posteriors(answers: Answers) -> dict[str, Posterior]:
    """Posteriors by the name of their reading."""
    return {
        cell.reading.name: Posterior.from_json(answer)
        for cell, answer in answers.items()
        if isinstance(cell, Sampled)
    }


def parameters_of(found: Mapping[str, Posterior]) -> pd.DataFrame:
    """Points of every parameter under every reading, and how much of the prior's range is left."""
    rows = []
    for reading, one in found.items():
        for name, (unit, low, high) in RANGES.items():
            values = one.samples[:, one.names.index(name)]
            ends = np.quantile(values, ENDS)
            left = np.log(ends[2] / ends[0]) / (0.9 * np.log(high / low))
            rows.append(
                {
                    "reading": reading, "parameter": name, "unit": unit,
                    "low": ends[0], "median": ends[1], "high": ends[2],
                    "best": one.best[one.names.index(name)], "left": float(left),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def users_of(found: Mapping[str, Posterior]) -> pd.DataFrame:
    """Points of the users of every type under every reading, and before looking ("prior")."""
    rows = []
    for reading, one in found.items():
        for n, values in enumerate(one.users.T):
            ends = np.quantile(values, ENDS)
            rows.append((reading, n + 1, *ends))
    types = len(rows) // max(len(found), 1)
    weights = gamma.rvs(
        DIRICHLET, size=(4000, max(types, 1)), random_state=np.random.default_rng(0)
    )
    counts = 150 * weights / weights.sum(axis=1, keepdims=True)
    rows += [("prior", n + 1, *np.quantile(counts[:, n], ENDS)) for n in range(types)]
    return pd.DataFrame(rows, columns=["reading", "type", "low", "median", "high"])


def evidence_of(found: Mapping[str, Posterior]) -> pd.DataFrame:
    """Evidence of every reading, and its probability when all were as likely before looking."""
    value = np.array([one.log_evidence for one in found.values()])
    part = np.exp(value - value.max())
    base = load_scenario(SCENARIO)
    return pd.DataFrame(
        {
            "reading": list(found),
            "log_evidence": value,
            "log_evidence_error": [one.log_evidence_error for one in found.values()],
            "probability": part / part.sum(),
            "table_error": [_table_error(base, name, one) for name, one in found.items()],
            "markets": [one.calls for one in found.values()],
        }
    )


def _table_error(base: Any, name: str, one: Posterior) -> float:
    from airan_market.analysis.calibration.market import largest_table_error, published_numbers

    market = Prior.of(load_scenario(base, reading=name)).market(one.best)
    return largest_table_error(published_numbers(market))


def tables(answers: Answers, workers: int | None = None) -> dict[str, pd.DataFrame]:
    """All tables by the name of their file: those whose cells are there."""
    found: dict[str, pd.DataFrame] = {}
    if sampled := posteriors(answers):
        found["parameters"] = parameters_of(sampled)
        found["users"] = users_of(sampled)
        found["evidence"] = evidence_of(sampled)
    searched = {cell: answer for cell, answer in answers.items() if isinstance(cell, Variant)}
    if searched:
        # what every reading of the rules may have used: the market is fitted to these two
        market = Reading(SEARCHED, used=("table_i", "totals"))
        found["rules"] = held(searched, market, workers or processors())
    return found


def named_in(rules: pd.DataFrame) -> dict[str, int]:
    """Claims that readings with a name bring out, by their rules, in the market searched."""
    answer = {}
    for name in NAMED:
        settings = load_reading(name).settings
        wanted: dict[str, Any] = {
            rule: settings.get(rule.partition(".")[0], {}).get(rule.partition(".")[2], values[0])
            for rule, values in EVERY.items()
        }
        mask = np.all([rules[rule] == value for rule, value in wanted.items()], axis=0)
        answer[name] = int(rules.loc[mask, "holds"].iloc[0])
    return answer


def answer(found: Mapping[str, pd.DataFrame]) -> list[str]:
    """What was asked and what came out, for whoever has not read the papers."""
    asked = "Which market could stand behind the numbers that the paper prints?"
    told = []
    if "evidence" in found:
        best = found["evidence"].sort_values("probability").iloc[-1]
        own = found["parameters"][found["parameters"]["reading"] == best["reading"]]
        told.append(
            f"of {len(found['evidence'])} readings the likeliest is {best['reading']} "
            f"({best['probability']:.0%} of these), and {int((own['left'] < NARROW).sum())} of "
            f"{len(own)} quantities are then known to less than a tenth of what they could have "
            "been"
        )
    if "rules" in found:
        holds = found["rules"]["holds"]
        told.append(
            f"of {len(holds)} readings by rules the best brings out {holds.max()} of 60 claims, "
            f"the middle one {holds.median():g}"
        )
    said = "; ".join(told) or "nothing was computed that could tell"
    return [asked, f"{capital(said)}."]


def findings(found: Mapping[str, pd.DataFrame]) -> list[str]:
    """What the tables say, a sentence each."""
    sentences = []
    if "evidence" in found:
        for row in found["evidence"].itertuples():
            sentences.append(
                f"{row.reading}: log evidence {row.log_evidence:.1f} ± "
                f"{row.log_evidence_error:.1f}, probability {row.probability:.2g} of these "
                f"readings; its best market meets Table I to {row.table_error:.4f}."
            )
        for row in found["parameters"].itertuples():
            sentences.append(
                f"{row.reading}, {row.parameter}: {row.median:.3g} ({row.low:.3g} to "
                f"{row.high:.3g}) {row.unit}, {row.left:.0%} of what it could have been."
            )
    if "rules" in found:
        holds = found["rules"]["holds"]
        named = named_in(found["rules"])
        by_design = found["rules"].groupby("mechanism.design", sort=False)["holds"].median()
        designs = ", ".join(f"{value:g} with {name} menus" for name, value in by_design.items())
        told = ", ".join(f"{name} {count}" for name, count in named.items())
        better = (holds > named[SEARCHED]).mean()
        sentences.append(
            f"{len(holds)} readings by rules: {holds.min()} to {holds.max()} of 60 claims hold, "
            f"{holds.median():g} in the median, {designs}; with a name: {told}."
        )
        sentences.append(
            f"{better:.1%} of them bring out more than {SEARCHED}; the best of {TRIED} taken at "
            f"random brings out {best_by_chance(holds, TRIED):.1f} on average."
        )
    return sentences


def drawable(answers: Answers, found: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Figures of the tables that are there, by name."""
    drawn = {}
    if "users" in found:
        drawn["identified"] = figures.identified(posteriors(answers), found["users"])
    if "rules" in found:
        chance = best_by_chance(found["rules"]["holds"], TRIED)
        drawn["rules"] = figures.rules(found["rules"], named_in(found["rules"]), chance)
    return drawn


def identify_into(
    directory: Path,
    only: Sequence[str] = (),
    names: Sequence[str] = (),
    *,
    draws: int = DRAWS,
    live: int = LIVE,
    workers: int | None = None,
    on_cell: Callable[[Cell, int, int], None] = lambda cell, done, of: None,
) -> dict[str, Any]:
    """Compute what is missing, write the tables and draw; what `identify --json` prints.

    Parameters
    ----------
    directory : Path
        Of an identification, or empty.
    only, names, draws, live
        As for `analysis.identification.cells.cells`.
    workers, on_cell
        As for `analysis.store.cell_store.fill`.
    """
    wanted = cells(only, names, draws=draws, live=live)
    settings = {"only": list(only), "readings": list(names), "draws": draws, "live": live}
    with growing(directory, "identification", load_scenario(SCENARIO), settings):
        answers = fill(directory, marks(wanted), compute, workers=workers, on_cell=on_cell)
        found = tables(answers, workers)
        for name, own in found.items():
            write_frame(directory / f"{name}.csv", "identification", own)
        write_text(directory / "findings.md", _markdown(found))
    with amended(directory):
        return draw(directory)


def draw(directory: Path) -> dict[str, Any]:
    """Draw figures and page from the cells it was last asked for; what `--json` prints."""
    manifest = opened(directory, "identification")
    answers, found = computed_in(directory)
    told = findings(found)
    write_page(
        directory, manifest, "identification/page.html.j2", drawable(answers, found),
        answer(found), told, place=".", notes=NOTES, sections=_sections(found),
    )  # fmt: skip
    return {
        "findings": told,
        **{name: own.to_dict(orient="records") for name, own in found.items() if name != "rules"},
        "rules": _of_rules(found),
    }


def computed_in(directory: Path) -> tuple[dict[Cell, Any], dict[str, pd.DataFrame]]:
    """Posteriors of a directory by their cells, and its tables."""
    asked = opened(directory, "identification").settings
    wanted = cells(asked["only"], asked["readings"], draws=asked["draws"], live=asked["live"])
    sampled = [cell for cell in wanted if isinstance(cell, Sampled)]
    answers: dict[Cell, Any] = {
        cell: kept for cell in sampled if (kept := stored(directory, cell)) is not None
    }
    found = tables(answers)
    if (directory / "rules.csv").is_file():  # counted for minutes, so not once more
        found["rules"] = pd.read_csv(directory / "rules.csv")
    return answers, found


def _of_rules(found: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    if "rules" not in found:
        return None
    holds = found["rules"]["holds"]
    number = holds.value_counts().sort_index()
    return {
        "readings_by_claims_held": {str(k): int(v) for k, v in number.items()},
        "named": named_in(found["rules"]),
        "best_of_tried_by_chance": best_by_chance(holds, TRIED),
        "tried": TRIED,
    }


def _sections(found: Mapping[str, pd.DataFrame]) -> list[Section]:
    titles = {
        "evidence": "Readings of the proposed method",
        "parameters": "What is left of the parameters",
        "users": "What is left of the users",
    }
    sections = [Section.of(title, found[name]) for name, title in titles.items() if name in found]
    if "rules" in found:
        best = found["rules"].sort_values("holds", ascending=False, kind="stable").head(20)
        sections.append(Section.of("The twenty readings that bring out most", best))
    return sections


def _markdown(found: Mapping[str, pd.DataFrame]) -> str:
    parts = ["# What the printed numbers identify", *(f"- {text}" for text in findings(found))]
    for part in _sections(found):
        parts += ["", f"## {part.title}", "", part.markdown()]
    return "\n".join([*parts, "", *NOTES]) + "\n"
