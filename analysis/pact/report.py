"""The directory that `pact` leaves: tables, figures, the outcome as JSON, the claims if asked for.

Files are written into a hidden sibling and appear under the final name all at once.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airan_market.agents.pact.contract.cost_curve import CostCurveError
from airan_market.agents.pact.contract.valuation import Valuation
from airan_market.agents.pact.market import PactMarket
from airan_market.agents.pact.outcome import PactOutcome, SolvedMarket
from airan_market.agents.pact.policy.audit import optimal_audit
from airan_market.agents.pact.policy.liability import break_even, sweep
from airan_market.analysis.exits import say
from airan_market.analysis.figure_style import png
from airan_market.analysis.pact import claims as pact_claims
from airan_market.analysis.pact import figures as pact_figures
from airan_market.analysis.store.manifest import RunError, package_versions
from airan_market.scenarios import PactScenario, dump_toml, scenario_hash

OUTCOME = "pact.json"
CLAIMS = "claims.md"
LEVELS = 61  # of a sweep
SCALES = np.geomspace(0.05, 5.0, 21)
FINES = (0.5, 1.0, 2.0)  # levels charged when a harmful answer is found
AUDIT_COSTS = np.geomspace(1e-3, 3.0, 61)  # USD
_FORMS = ("exponential", "power", "convex", "services")


def default_directory(scenario: PactScenario) -> Path:
    """`runs/<name>-<hash>`, the hash cut to ten digits.

    Examples
    --------
    >>> from airan_market.scenarios import load_pact
    >>> default_directory(load_pact("pact")).name[:5]
    'pact-'
    """
    return Path("runs") / f"{scenario.name}-{scenario_hash(scenario)[:10]}"


def already_there(directory: Path, scenario: PactScenario, *, force: bool = False) -> bool:
    """Whether the directory holds this scenario's result; refuses one that holds something else.

    Raises
    ------
    RunError
        When the directory must not be written.
    """
    if not directory.exists() or (force and (directory / OUTCOME).is_file()):
        return False
    try:
        held = json.loads((directory / OUTCOME).read_text(encoding="utf-8"))["scenario_hash"]
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(f"{directory}: holds no result of `pact` and is left alone") from None
    if held != scenario_hash(scenario):
        raise RunError(
            f"{directory}: holds another scenario's result; allowed with --force, or another --out"
        )
    return True


def publish(
    scenario: PactScenario,
    outcome: PactOutcome,
    out: Path | None = None,
    *,
    claims: bool = False,
    force: bool = False,
    quiet: bool = False,
) -> Path:
    """Write what is not there already; say on standard error what is going on.

    Raises
    ------
    RunError
        When something else is there.
    """
    directory = default_directory(scenario) if out is None else out
    there = already_there(directory, scenario, force=force)
    if not there:
        if not quiet:
            say("tables and figures")
        write(directory, scenario, outcome)
    missing = claims and not (directory / CLAIMS).is_file()
    if missing:
        add_claims(directory, outcome, quiet=quiet)
    elif there and not quiet:
        say(f"{directory} holds this result already and is kept; --force draws it again")
    return directory


def write(directory: Path, scenario: PactScenario, outcome: PactOutcome) -> None:
    """Write tables and figures of all tasks, those of a named task in a directory of its own.

    Parameters
    ----------
    directory : Path
        Replaced if it is there, once all is written.
    scenario, outcome
    """
    partial = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
    partial.mkdir(parents=True)
    try:
        _write_all(partial, scenario, outcome)
        if directory.exists():
            shutil.rmtree(directory)
        os.replace(partial, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # still there only after an error


def _write_all(place: Path, scenario: PactScenario, outcome: PactOutcome) -> None:
    (place / "scenario.toml").write_text(dump_toml(scenario), encoding="utf-8")
    for solved, own in _places(place, outcome):
        own.mkdir(exist_ok=True)
        _write_market(own, solved)
    fields = {
        "scenario_hash": scenario_hash(scenario),
        "versions": package_versions(),
        **outcome.to_json(),
        "certificates": [_certificates(s) for s in outcome.markets],
        "notes": outcome.notes(),
    }
    text = json.dumps(fields, indent=2, ensure_ascii=False)
    (place / OUTCOME).write_text(text + "\n", encoding="utf-8")


def _places(directory: Path, outcome: PactOutcome) -> list[tuple[SolvedMarket, Path]]:
    """Each task and where its files are: `task1`, `task2`, … or the directory itself."""
    return [
        (solved, directory / f"task{number}" if solved.market.name else directory)
        for number, solved in enumerate(outcome.markets, start=1)
    ]


def add_claims(directory: Path, outcome: PactOutcome, *, quiet: bool = False) -> None:
    """Hold the paper's claims against every reading of what it leaves open; claims.md comes last.

    An interruption leaves what is already in the directory; the same command goes on from there.
    """
    from airan_market.analysis.progress import ReadingProgress

    each = pact_claims.count_readings()
    with ReadingProgress(each * len(outcome.markets), quiet=quiet) as progress:
        try:
            pages = []
            for number, (solved, place) in enumerate(_places(directory, outcome)):

                def told(done: int, before: int = number * each) -> None:
                    progress.finished(before + done)

                page = _write_claims(place, solved, told)
                pages.append(f"## {solved.market.name}\n\n{page}" if solved.market.name else page)
        except KeyboardInterrupt:
            say(f"tables and figures are kept in {directory}; the same command goes on from there")
            raise
    (directory / CLAIMS).write_text("\n".join(pages), encoding="utf-8")


def _write_market(place: Path, solved: SolvedMarket) -> None:
    service_table(solved).to_csv(place / "services.csv", index=False)
    menu_table(solved).to_csv(place / "menus.csv", index=False)
    figures = {
        "services": pact_figures.services(solved),
        "figure2": pact_figures.own_items(solved),
        "figure3": pact_figures.menus(solved),
        "figure4": pact_figures.utilities(solved),
    }
    if solved.market.services.liability_usd.any():
        points, zeros = liability_table(solved.market)
        points.to_csv(place / "liability.csv", index=False)
        scales = scale_table(solved.market)
        scales.to_csv(place / "break_even.csv", index=False)
        figures["liability"] = pact_figures.liability(points, zeros)
        audits = audit_table(solved.market, zeros)
        audits.to_csv(place / "audits.csv", index=False)
        figures["audits"] = pact_figures.audits(audits)
        if scales["level"].notna().any():  # a provider that may leave types out never loses
            figures["break_even"] = pact_figures.break_even_over_scale(scales)
    for name, figure in figures.items():
        (place / f"{name}.png").write_bytes(png(figure))


def _write_claims(place: Path, solved: SolvedMarket, on_reading: Callable[[int], None]) -> str:
    """Write the tables and the picture of the claims, and return their page."""
    market, level = solved.market, solved.liability_level
    grid = pact_claims.over_readings(market, level, on_reading)
    rows = pact_claims.claim_rows(pact_claims.judge(market, level), grid)
    pd.DataFrame([asdict(row) for row in rows]).to_csv(place / "claims.csv", index=False)
    grid.to_csv(place / "readings.csv", index=False)
    shares = {name: pact_claims.by_value(grid, name) for name in pact_claims.CLAIMS}
    (place / "claims.png").write_bytes(png(pact_figures.claims(shares)))
    return pact_claims.markdown(rows, grid)


def service_table(solved: SolvedMarket) -> pd.DataFrame:
    """A row per service: quality with its interval, latency, costs, fitted curve, residuals."""
    market, table = solved.market, solved.market.services
    columns: dict[str, Any] = {
        "service": table.names,
        "quality": table.quality,
        "quality_low": table.quality_low,
        "quality_high": table.quality_high,
        "satisfaction": table.satisfaction,
        "latency_s": table.latency_s,
        "base_cost_usd": table.base_cost_usd,
        "liability_usd": table.liability_usd,
    }
    if market.menu == "continuous":
        for name, level in (("", 0.0), ("liable_", solved.liability_level)):
            curve = market.curve(level)
            columns[f"{name}fitted_cost_usd"] = curve.value(table.quality)
            columns[f"{name}residual_usd"] = curve.residual_usd
    return pd.DataFrame(columns)


def menu_table(solved: SolvedMarket) -> pd.DataFrame:
    """A row per type and menu: without and with liability, private types and first best."""
    rows = []
    for level, best, menu in (
        (0.0, False, solved.contract),
        (0.0, True, solved.first_best),
        (solved.liability_level, False, solved.liable_contract),
        (solved.liability_level, True, solved.liable_first_best),
    ):
        rows.append(
            pd.DataFrame(
                {
                    "liability_level": level,
                    "first_best": best,
                    "type": np.arange(1, menu.quality.size + 1),
                    "theta_usd": menu.theta_usd,
                    "probability": menu.probability,
                    "served": menu.served,
                    "service": menu.service + 1,  # 0: none of the services
                    "quality": menu.quality,
                    "price_usd": menu.price_usd,
                    "cost_usd": menu.cost_usd,
                    "user_utility_usd": menu.user_utility_usd,
                    "provider_utility_usd": menu.profit_usd,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def liability_table(market: PactMarket) -> tuple[pd.DataFrame, dict[str, float | None]]:
    """Sweep of the liability level on both kinds of menu, and each one's break-even."""
    kinds = ["continuous", "discrete"] if market.menu == "continuous" else ["discrete"]
    zeros = {kind: break_even(replace(market, menu=kind)).level for kind in kinds}
    known = [zero for zero in zeros.values() if zero is not None]
    levels = np.linspace(0.0, max([2.0, *(1.2 * zero for zero in known)]), LEVELS)
    rows = []
    for kind in kinds:
        try:
            points = sweep(replace(market, menu=kind), levels)
        except CostCurveError:
            continue  # no curve of this form at some level; the other kind needs none
        rows += [{"menu": kind, **asdict(point)} for point in points]
    return pd.DataFrame(rows), zeros


def audit_table(market: PactMarket, zeros: Mapping[str, float | None]) -> pd.DataFrame:
    """Best audit rate by its cost, on both kinds of menu, for several levels charged at once."""
    rows = []
    for kind in zeros:
        try:
            own = replace(market, menu=kind)
            found = [optimal_audit(own, AUDIT_COSTS, fine) for fine in FINES]
        except CostCurveError:
            continue
        rows += [
            pd.DataFrame(
                {
                    "menu": kind,
                    "fine_level": policy.fine_level,
                    "cost_usd": policy.cost_usd,
                    "rate": policy.rate,
                    "liability_level": policy.level,
                    "welfare_usd": policy.welfare_usd,
                }
            )
            for policy in found
        ]
    return pd.concat(rows, ignore_index=True)


def scale_table(market: PactMarket) -> pd.DataFrame:
    """Break-even level by the scale of the valuation, for every form of fit."""
    rows = []
    for form in _FORMS:
        for scale in SCALES:
            menu = "discrete" if form == "services" else "continuous"
            curve = market.curve_form if form == "services" else form
            scaled = replace(
                market, valuation=_scaled(market.valuation, scale), curve_form=curve, menu=menu
            )
            try:
                level = break_even(scaled).level
            except CostCurveError:
                level = None
            rows.append({"form": form, "scale": scale, "level": np.nan if level is None else level})
    return pd.DataFrame(rows)


def _scaled(v: Valuation, scale: float) -> Valuation:
    return Valuation(lambda q: scale * v.value(q), lambda q: scale * v.slope(q), v.name)


def _certificates(solved: SolvedMarket) -> Mapping[str, Any]:
    return {
        menu: {**asdict(found), "ir_type": found.ir_type + 1, "ic_type": found.ic_type + 1,
               "ic_item": found.ic_item + 1, "holds": found.holds}
        for menu, found in solved.certificates().items()
    }  # fmt: skip
