"""The account of a calibration in words and columns, as data, and kept in a directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from airan_market.analysis.calibration.account import RADIO_BPS, Account, Held
from airan_market.analysis.calibration.fit import Fit
from airan_market.analysis.calibration.market import MARKET, largest_table_error, prior_range
from airan_market.analysis.calibration.profile import LEVEL, Interval, allowed_rise
from airan_market.analysis.page import write_page
from airan_market.analysis.reproduction.published import default_totals, table_i
from airan_market.analysis.runs.summary import plain
from airan_market.analysis.store.directory import DirectoryWriter
from airan_market.analysis.store.durable import write_json, write_text
from airan_market.analysis.store.manifest import Manifest
from airan_market.analysis.store.tables import write_frame
from airan_market.analysis.wording import Section
from airan_market.scenarios import Scenario

_TITLES = {
    "fits": "Fits",
    "ranges": "What the printed numbers leave of every quantity",
    "valley": "Along the GPU rate",
    "proposal": "The market that ships",
}
_ABOUT = {
    "fits": "Cost: half the sum of squared residuals, in half units of the last digit printed and "
    "of the prior, where there is one. largest_table_error: the share of Table I that is furthest "
    "off",
    "ranges": f"What each may be at {LEVEL:.0%} when all others are fitted again; a dash where "
    "nothing limits it",
    "valley": "The best fit at each GPU rate",
    "proposal": "Round numbers near the best fit, as in the scenario teleoperation",
}


def account_text(account: Account) -> str:
    """The account in words and columns."""
    lines = ["Fit of what the paper leaves out to Table I and the two default totals", ""]
    lines += [_fit_line("best fit", account.best)]
    lines += [_fit_line(name, found) for name, (_, found) in account.variants.items()]
    lines += [_fit_line("proposal", account.proposal)]
    best, shares = account.best, account.proposed_users.size - 1
    lines += [
        "",
        "Cost is half the sum of squared residuals in half units of the last digit printed (and of",
        "the prior, where there is one), with a dispersion of "
        f"{best.dispersion:.0f}; rounding alone would be 1/3.",
        f"A rise by {allowed_rise(best, 1):.0f} for one parameter, or by "
        f"{allowed_rise(best, shares):.0f} for {shares} shares together, is within chance at "
        f"{LEVEL:.0%}.",
    ]
    lines += ["", f"Range of each parameter at {LEVEL:.0%}, all others fitted again", ""]
    lines += [_interval_line(interval) for interval in account.intervals]
    low, high = prior_range(account.proposed_users.size, account.proposed_users.sum())
    lines.append(f"  (users under the prior alone: {low:.4g} to {high:.4g})")
    lines += _valley_lines(account.valley)
    lines += ["", "Table I and totals: published, best fit, difference", ""]
    table, predicted = table_i(), account.best.predicted
    ours = predicted[: table.size].reshape(table.shape)
    for n, (row, fitted) in enumerate(zip(table, ours, strict=True)):
        cells = (f"{a:.3f} {b:.3f} {b - a:+.3f}" for a, b in zip(row, fitted, strict=True))
        lines.append(f"  type {n + 1}   " + "    ".join(cells))
    for name, total, value in zip(
        ("operator utility", "social welfare"), default_totals(), predicted[-2:], strict=True
    ):
        lines.append(f"  {name:<16} {total:.2f} {value:.3f} {value / total - 1:+.1%}")
    users = ", ".join(f"{count:g}" for count in account.proposed_users)
    lines += ["", f"Proposed users by type: {users}"]
    for parameter, value in zip(MARKET, account.proposal.values, strict=False):
        lines.append(f"Proposed {parameter}: {value:.4g}")
    return "\n".join(lines)


def account_fields(account: Account) -> dict[str, Any]:
    """What `calibrate --json` prints: fits, ranges of the parameters, the valley, the proposal."""
    variants = {name: found for name, (_, found) in account.variants.items()}
    fits = {"best fit": account.best, **variants, "proposal": account.proposal}
    users = {f"users of type {n}": c for n, c in enumerate(account.proposed_users, start=1)}
    proposed = dict(zip(MARKET, account.proposal.values, strict=False)) | users
    fields = {
        "fits": [{"fit": name} | _fit_fields(found) for name, found in fits.items()],
        "ranges": [
            {"parameter": range_.parameter.name, "unit": range_.parameter.unit,
             "best": range_.best, "low": range_.low, "high": range_.high}
            for range_ in account.intervals
        ],
        "valley": [
            {"gpu_flop_per_s": held.gpu_flop_per_s, **_fit_fields(held.found),
             "utilisation": held.utilisation, "shadow_price_usd": held.shadow_price_usd}
            for held in account.valley
        ],
        "proposal": [{"parameter": name, "value": value} for name, value in proposed.items()],
    }  # fmt: skip
    return plain(fields)


def _fit_fields(found: Fit) -> dict[str, float]:
    names = ("operator_utility_usd_per_s", "social_welfare_usd_per_s")
    error = largest_table_error(found.predicted)
    totals = zip(names, found.predicted[-2:], strict=True)
    return {"cost": found.cost, "largest_table_error": error, **dict(totals)}


def keep(directory: Path, scenario: Scenario, account: Account, *, force: bool = False) -> None:
    """Leave the account in a directory: account.txt, a CSV per table, account.json, report.html.

    Raises
    ------
    RunError
        When the directory is taken.
    """
    writer = DirectoryWriter(
        directory, scenario, Manifest.begun("calibration", scenario), force=force
    )
    fields = account_fields(account)
    for name, rows in fields.items():
        write_frame(writer.partial / f"{name}.csv", "calibration", pd.DataFrame(rows))
    write_json(writer.partial / "account.json", fields)
    write_text(writer.partial / "account.txt", account_text(account) + "\n")
    write_report(writer.partial, writer.seal("complete"))
    writer.publish()


def write_report(directory: Path, manifest: Manifest) -> dict[str, Any]:
    """Write the page of a calibration from its tables; what `calibrate --json` prints."""
    fields = json.loads((directory / "account.json").read_text(encoding="utf-8"))
    sections = [Section.of(_TITLES[name], pd.DataFrame(rows), f"{_ABOUT[name]}; {name}.csv")
                for name, rows in fields.items()]  # fmt: skip
    write_page(
        directory, manifest, "calibration/page.html.j2", {}, answer(fields), place=".",
        sections=sections,
    )  # fmt: skip
    return fields


def answer(fields: dict[str, Any]) -> list[str]:
    """What a calibration asks and what came out, for whoever has not read the papers."""
    best, ranges = fields["fits"][0], fields["ranges"]
    both = sum(row["low"] is not None and row["high"] is not None for row in ranges)
    return [
        "Which numbers must the paper have left out for those that it prints to come out?",
        f"The best that we found meet every printed share to {best['largest_table_error']:.3f}; "
        f"{both} of {len(ranges)} quantities are limited from both sides, the others from one or "
        "from none.",
    ]


def _valley_lines(valley: tuple[Held, ...]) -> list[str]:
    lines = [
        "",
        f"Along the GPU rate, radio {RADIO_BPS / 1e6:g} Mbit/s: cost, largest Table I error, "
        "totals, busiest operator, its shadow price",
        "",
    ]
    for held in valley:
        operator, welfare = held.found.predicted[-2:]
        lines.append(
            f"  {held.gpu_flop_per_s / 1e12:g}e12 FLOP/s  {held.found.cost:5.0f}  "
            f"{largest_table_error(held.found.predicted):.4f}  {operator:.3f} {welfare:.3f}  "
            f"{held.utilisation:.1%}  {held.shadow_price_usd:.1e} USD"
        )
    return lines


def _fit_line(name: str, found: Fit) -> str:
    operator, welfare = found.predicted[-2:]
    return (
        f"  {name:<42} cost {found.cost:7.0f}  largest Table I error "
        f"{largest_table_error(found.predicted):.4f}  totals {operator:.3f} {welfare:.3f}"
    )


def _interval_line(interval: Interval) -> str:
    parameter = interval.parameter
    low, high = interval.low, interval.high
    if low is not None and high is not None:
        reach = f"{low:.4g} to {high:.4g}"
    elif low is not None:
        reach = f"at least {low:.4g}; not limited above (searched to {parameter.high:.4g})"
    elif high is not None:
        reach = f"at most {high:.4g}; not limited below (searched to {parameter.low:.4g})"
    else:
        reach = f"not identified (searched {parameter.low:.4g} to {parameter.high:.4g})"
    return f"  {parameter.name:<18} {interval.best:>10.4g} {parameter.unit:<9} {reach}"
