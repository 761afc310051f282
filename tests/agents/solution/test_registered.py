"""A mechanism that others bring: treated as ours, and told in one line what it returns wrongly."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from airan_market.agents import Market, Menu, Primitives, solve
from airan_market.agents.mechanism import Agreement, assumed_menus, indicator, redesigned
from airan_market.agents.mechanism.mixed import agree as algorithm_1
from airan_market.agents.solution import arrive, settle
from airan_market.scenarios import load_scenario
from airan_market.scenarios.registry import RegistryError, register_mechanism

MarketOf = Callable[..., Primitives]


def under(name: str, market: Primitives) -> Primitives:
    settings = market.mechanism.model_copy(update={"name": name})
    return replace(market, mechanism=settings)


def everybody_to_the_first(primitives: Primitives) -> Agreement:
    return redesigned(primitives, indicator(np.zeros(primitives.types, int), primitives.operators))


def test_the_same_function_under_another_name_has_the_same_outcome(market: MarketOf) -> None:
    register_mechanism("mine")(algorithm_1)
    ours, mine = settle(market(max_iterations=12)), settle(under("mine", market(max_iterations=12)))
    assert mine.mechanism == "mine"
    expected = ours.to_json()
    assert mine.to_json() | {"mechanism": "mixed"} == expected
    assert [k.residual for k in mine.states] == [k.residual for k in ours.states]
    assert len(mine.history) == 12


def test_certificates_see_what_is_wrong_with_it(market: MarketOf) -> None:
    @register_mechanism("closed")
    def nobody_anywhere(primitives: Primitives) -> Agreement:
        return redesigned(primitives, np.zeros((primitives.operators, primitives.types)))

    found = settle(under("closed", market()))
    assert found.matching.tolist() == [-1, -1, -1]
    assert found.certificates.feasibility.holds(1e-15)
    assert not found.certificates.selection.equilibrium
    assert (found.temperature_usd, found.residual) == (None, None)


def test_violations_are_reckoned_at_the_loads_that_it_brings(market: MarketOf) -> None:
    """A mechanism that posts CT's menus, and says of them that they are never broken."""

    @register_mechanism("rosy")
    def rosy(primitives: Primitives) -> Agreement:
        _, menu = assumed_menus(primitives)
        never = Menu(menu.latency_s, menu.price_usd, np.zeros_like(menu.latency_s))
        return Agreement(never, indicator(np.zeros(primitives.types, int), primitives.operators))

    primitives = under("rosy", market())
    assert (arrive(primitives).menu.violation_probability[0] > 1e-3).all()
    assert (settle(primitives).menu.violation_probability[0] > 1e-3).all()
    assert settle(primitives).notes == ()  # nothing is said of the design of menus not designed


def test_it_is_played() -> None:
    register_mechanism("crowd")(everybody_to_the_first)
    short = ["simulation.rounds=1", "simulation.horizon_s=0.5", "simulation.warmup_s=0.1"]
    scenario = load_scenario("teleoperation", ["mechanism.name=crowd", *short])
    tables = Market(scenario, seed=1).run()
    users = tables.rounds.groupby("operator")["users"].sum()
    assert users.tolist() == [150, 0, 0]
    menu = arrive(Primitives.from_scenario(scenario, 1)).menu
    first = tables.rounds.pivot(index="operator", columns="type", values="latency_s").to_numpy()
    assert first == pytest.approx(menu.latency_s, rel=1e-12)


def broken(part: str, value: Any) -> Callable[[Primitives], Any]:
    """Return a mechanism that returns something wrong in one part."""

    def agree(primitives: Primitives) -> Any:
        agreed = everybody_to_the_first(primitives)
        of_menu, word = part.startswith("menu."), part.removeprefix("menu.")
        if not part:
            return value
        wrong = {word: value(getattr(agreed.menu if of_menu else agreed, word))}
        return replace(agreed, **({"menu": replace(agreed.menu, **wrong)} if of_menu else wrong))

    return agree


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("", None, "returned NoneType, must return an Agreement with a Menu"),
        ("", SimpleNamespace(menu=1), "returned SimpleNamespace, must return an Agreement"),
        ("menu", lambda menu: None, "returned Agreement, must return an Agreement with a Menu"),
        ("menu.latency_s", lambda a: a[0], r"latency_s: .* float64 \(2, 3\), is float64 \(3,\)"),
        ("menu.latency_s", lambda a: a.tolist(), r"menu.latency_s: .* \(2, 3\), is list"),
        ("menu.latency_s", lambda a: a * 1e3, r"menu.latency_s\[\d\]\[\d\] = .* from 0.001 to 2"),
        ("menu.price_usd", lambda a: a * np.nan, r"menu.price_usd\[1\]\[1\] = nan: must be"),
        ("menu.violation_probability", lambda a: a + 1.0, "violation_probability.* from 0 to 1"),
        ("match_probability", lambda a: a > 0, r"match_probability: .* is bool \(2, 3\)"),
        ("match_probability", lambda a: a - 0.5, r"match_probability\[2\]\[1\] = -0.5: must be"),
        ("match_probability", lambda a: a * 0 + 0.6, r"operators together, \[1\] = 1.2: must be"),
        ("design_probability", lambda a: a[0], "design_probability: must be an array"),
        ("temperature_usd", lambda a: 0.0, "temperature_usd = 0.0: must be a number above 0"),
        ("temperature_usd", lambda a: 1e-5, "violation_probability, less that at the loads"),
    ],
)  # fmt: skip
def test_a_wrong_return_is_told_by_name(market: MarketOf, part: str, value: Any, said: str) -> None:
    agree = broken(part, value)
    if said.startswith("violation_probability, less"):  # menus of elsewhere, for users of chance

        def agree(primitives: Primitives) -> Agreement:
            _, menu = assumed_menus(primitives)
            crowd = indicator(np.zeros(primitives.types, int), primitives.operators)
            return Agreement(menu, crowd, temperature_usd=1e-5)

    register_mechanism("mine")(agree)
    with pytest.raises(RegistryError, match=r"^mechanism 'mine': ") as error:
        arrive(under("mine", market()))
    assert error.match(said)
    assert "\n" not in str(error.value)


def test_what_it_raises_itself_keeps_its_type(market: MarketOf) -> None:
    @register_mechanism("mine")
    def agree(primitives: Primitives) -> Agreement:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match=r"^mine$"):
        arrive(under("mine", market()))


def test_a_name_is_good_as_long_as_it_is_registered() -> None:
    with pytest.raises(ValueError, match="did you mean"):
        load_scenario("teleoperation", ["mechanism.name=mixd"])
    register_mechanism("mixd")(everybody_to_the_first)
    assert solve(load_scenario("teleoperation", ["mechanism.name=mixd"])).mechanism == "mixd"
