"""The account of a calibration in words and columns."""

from __future__ import annotations

from airan_market.analysis.calibration.account import RADIO_BPS, Account, Held
from airan_market.analysis.calibration.fit import Fit
from airan_market.analysis.calibration.market import MARKET, largest_table_error, prior_range
from airan_market.analysis.calibration.profile import LEVEL, Interval, allowed_rise
from airan_market.analysis.reproduction.published import default_totals, table_i


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
