"""What `pact` prints for people: services, menus without and with liability, who gains."""

from __future__ import annotations

import numpy as np
from rich.table import Table
from rich.text import Text

from airan_market.agents.pact.contract.contract import Contract
from airan_market.agents.pact.outcome import PactOutcome, SolvedMarket
from airan_market.analysis.wording import as_text, columns, number


def pact_text(outcome: PactOutcome) -> str:
    """Outcome as text; money in USD per request."""
    parts: list[Table | str] = []
    for solved in outcome.markets:
        if solved.market.name:
            parts.append(f"Task {solved.market.name}, {solved.market.share:.3g} of all requests")
        level = f"Menu at liability level {solved.liability_level:g}"
        parts += [
            _services(solved),
            curve_sentence(solved),
            "",
            _menu("Menu without liability", solved.contract, solved.first_best),
            _menu(level, solved.liable_contract, solved.liable_first_best),
            _totals(solved),
            *(f"- {sentence}" for sentence in certificate_sentences(solved)),
        ]
    return as_text([*parts, f"- {break_even_sentence(outcome)}"])


def certificate_sentences(solved: SolvedMarket) -> list[str]:
    """What was checked of every menu, and found."""
    return [
        f"{menu}: {sentence}"
        for menu, certificate in solved.certificates().items()
        for sentence in certificate.sentences()
    ]


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


def answer(outcome: PactOutcome) -> list[str]:
    """What the menu asks and what came out, for whoever has not read the papers."""
    told = outcome.to_json()
    liable = told["with_liability"]
    users, liable_users = (
        one["social_welfare"] - one["provider_utility"] for one in (told, liable)
    )
    return [
        "What should AI services of different quality cost, and who pays when the provider answers "
        "for harm?",
        f"By the menu that earns most the provider gains {number(told['provider_utility'], 3)} USD "
        f"a request and its user {number(users, 3)}; when it answers for harm (liability level "
        f"{number(liable['level'], 3)}) the two gain {number(liable['provider_utility'], 3)} and "
        f"{number(liable_users, 3)}.",
    ]


def _services(solved: SolvedMarket) -> Table:
    services, market = solved.market.services, solved.market
    estimated = bool((services.quality_low < services.quality_high).any())
    headings = ["service", "quality", "latency s", "cost USD", "liability USD", "fitted cost USD"]
    if estimated:
        headings.insert(2, "from, to")
    if market.menu == "discrete":
        headings.pop()
    table = columns("Services", headings, left=["service"])
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
    headings = (
        "type", "θ", "share", "quality", "price", "user keeps", "provider gains",
        "first best: quality", "price", "provider gains",
    )  # fmt: skip
    table = columns(f"{title}, USD per request", headings)
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
    headings = ("menu", "provider", "users", "social welfare")
    table = columns("Expected, USD per request", headings, left=["menu"])
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
