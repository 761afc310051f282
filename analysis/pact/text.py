"""What `pact` prints for people: services, menus without and with liability, who gains."""

from __future__ import annotations

import io

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from airan_market.agents.pact.contract.contract import Contract
from airan_market.agents.pact.outcome import PactOutcome, SolvedMarket
from airan_market.analysis.runs.headline import number

WIDTH = 100


def pact_text(outcome: PactOutcome) -> str:
    """Outcome as text; money in USD per request.

    Parameters
    ----------
    outcome : PactOutcome
    """
    buffer = io.StringIO()
    console = Console(file=buffer, width=WIDTH, highlight=False, markup=False, no_color=True)
    for solved in outcome.markets:
        if solved.market.name:
            console.print(f"Task {solved.market.name}, {solved.market.share:.3g} of all requests")
        console.print(_services(solved))
        console.print(curve_sentence(solved))
        console.print()
        console.print(_menu("Menu without liability", solved.contract, solved.first_best))
        title = f"Menu at liability level {solved.liability_level:g}"
        console.print(_menu(title, solved.liable_contract, solved.liable_first_best))
        console.print(_totals(solved))
        for menu, certificate in solved.certificates().items():
            for sentence in certificate.sentences():
                console.print(f"- {menu}: {sentence}", soft_wrap=True)
    console.print(f"- {break_even_sentence(outcome)}", soft_wrap=True)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def curve_sentence(solved: SolvedMarket) -> str:
    """How the cost curve fits, at both levels of liability; "" for a discrete menu."""
    market = solved.market
    if market.menu == "discrete":
        return "the menu consists of the services alone"
    told = []
    for level in dict.fromkeys((0.0, solved.liability_level)):
        curve = market.curve(level)
        worst = float(np.abs(curve.residual_usd).max())
        told.append(
            f"at liability level {level:g} R² {curve.r_squared:.3f}, largest residual "
            f"{number(worst, 3)} USD"
        )
    return f"{market.curve_form} cost curve: {'; '.join(told)}"


def break_even_sentence(outcome: PactOutcome) -> str:
    """At which liability the provider gains nothing any more."""
    found = outcome.break_even
    if found.level is None:
        return f"the provider's utility does not cross zero: {found.why}"
    return (
        f"the provider breaks even at liability level {found.level:.4g} (1 is the liability as "
        "configured)"
    )


def _services(solved: SolvedMarket) -> Table:
    services, market = solved.market.services, solved.market
    table = Table(box=box.SIMPLE_HEAD, title="Services", title_justify="left")
    estimated = bool((services.quality_low < services.quality_high).any())
    headings = ["service", "quality", "latency s", "cost USD", "liability USD", "fitted cost USD"]
    if estimated:
        headings.insert(2, "from, to")
    if market.menu == "discrete":
        headings.pop()
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "service" else "right")
    for s, name in enumerate(services.names):
        latency = services.latency_s[s]
        row = [
            f"{services.quality[s]:.4f}",
            "-" if np.isnan(latency) else number(latency),
            number(services.base_cost_usd[s]),
            number(services.liability_usd[s]),
        ]
        if estimated:
            low, high = services.quality_low[s], services.quality_high[s]
            row.insert(1, f"{low:.3f}, {high:.3f}" if low < high else "")
        if market.menu == "continuous":
            row.append(number(float(market.curve(0.0).value(services.quality[s]))))
        table.add_row(Text(name), *row)
    return table


def _menu(title: str, menu: Contract, best: Contract) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=f"{title}, USD per request", title_justify="left")
    for heading in (
        "type", "θ", "share", "quality", "price", "user keeps", "provider gains",
        "first best: quality", "price", "provider gains",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for k in range(menu.quality.size):
        sold = [
            f"{menu.quality[k]:.4f}" if menu.served[k] else "left out",
            number(menu.price_usd[k]),
            number(menu.user_utility_usd[k]),
            number(menu.profit_usd[k]),
            f"{best.quality[k]:.4f}" if best.served[k] else "left out",
            number(best.price_usd[k]),
            number(best.profit_usd[k]),
        ]
        table.add_row(str(k + 1), number(menu.theta_usd[k]), number(menu.probability[k], 3), *sold)
    return table


def _totals(solved: SolvedMarket) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Expected, USD per request", title_justify="left")
    for heading in ("menu", "provider", "users", "social welfare"):
        table.add_column(heading, justify="left" if heading == "menu" else "right")
    level = f"liability level {solved.liability_level:g}"
    for name, menu in (
        ("without liability", solved.contract),
        ("without liability, first best", solved.first_best),
        (level, solved.liable_contract),
        (f"{level}, first best", solved.liable_first_best),
    ):
        table.add_row(
            name,
            number(menu.provider_utility_usd),
            number(menu.users_utility_usd),
            number(menu.social_welfare_usd),
        )
    return table
