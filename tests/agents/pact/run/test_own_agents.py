"""Providers and users of one's own in a PACT run."""

from dataclasses import replace

import numpy as np
import pytest

from airan_market.agents.matching.assignment import OUT
from airan_market.agents.pact.run import PactSimulation, PactUser, ProviderAgent
from airan_market.agents.rounds import AgentError
from airan_market.scenarios import load_pact

SHORT = ["simulation.rounds=2", "simulation.horizon_s=20", "traffic.users=60"]


def played(scenario=None, **classes):
    scenario = scenario or load_pact("pact", SHORT)
    market = PactSimulation(scenario, 1, capacity=False, **classes)
    return market, market.run()


class Boaster(ProviderAgent):
    """Shows a better quality of its last item than the one it can keep."""

    def post(self):
        board = super().post()
        quality = board.quality.copy()
        quality[-1] += 0.5
        return replace(board, quality=quality)


class Undecided(PactUser):
    """Takes the first or the last service of the board, by its number."""

    def choose(self, board):
        return int(board.service[0 if self.unique_id % 2 else -1])


def test_classes_that_change_nothing_change_no_bit() -> None:
    _, ours = played()
    _, theirs = played(
        provider_class=type("Same", (ProviderAgent,), {}), user_class=type("Own", (PactUser,), {})
    )
    for name in ("rounds", "market", "items", "tasks"):
        assert getattr(ours, name).equals(getattr(theirs, name))


def test_what_a_provider_shows_is_what_users_go_by() -> None:
    market, tables = played(provider_class=Boaster)
    (provider,) = market.providers
    best = provider.service[-1] + 1
    shown = tables.rounds.loc[tables.rounds["service"] == best, ["quality_shown", "users"]]
    assert shown["quality_shown"].to_numpy() == pytest.approx(provider.promised[-1] + 0.5)
    honest = played()[1].rounds
    assert shown["users"].sum() > honest.loc[honest["service"] == best, "users"].sum()


def test_a_provider_is_named_by_its_task() -> None:
    service = {"quality": 0.8, "latency_s": 0.4, "cost_usd": 0.2}
    content = {
        "name": "two",
        "pact": {
            "types": [1.0, 3.0],
            "menu": "discrete",
            "tasks": [{"name": "chat", "share": 0.5}, {"name": "code", "share": 0.5}],
            "services": [{**service, "name": t, "task": t} for t in ("chat", "code")],
        },
        "traffic": {"users": 20},
        "simulation": {"rounds": 1, "horizon_s": 1.0},
    }
    market, _ = played(load_pact(content), provider_class={"code": Boaster})
    assert [type(p) for p in market.providers] == [ProviderAgent, Boaster]
    with pytest.raises(AgentError, match="'talk': no such agent; allowed are 'chat', 'code'"):
        played(load_pact(content), provider_class={"talk": Boaster})


def test_users_of_a_type_that_choose_apart_have_a_row_for_each_service() -> None:
    _, tables = played(user_class=Undecided)
    rounds, tasks = tables.rounds, tables.tasks[tables.tasks["round"] > 0]
    assert not rounds.duplicated(["round", "market", "type", "service"]).any()
    assert (rounds.groupby(["round", "market", "type"]).size() == 2).all()
    assert (rounds.groupby("round")["users"].sum() == 60).all()
    keys = ["round", "type", "service"]
    counted = tasks.groupby(keys).agg(requests=("task", "size"), revenue_usd=("price_usd", "sum"))
    booked = rounds.set_index(keys)[["requests", "revenue_usd"]]
    booked = booked[booked["requests"] > 0]
    assert (counted["requests"] == booked["requests"].reindex(counted.index)).all()
    assert counted["revenue_usd"].to_numpy() == pytest.approx(
        booked["revenue_usd"].reindex(counted.index).to_numpy(), rel=1e-12
    )
    items = tables.items.groupby("round")["requests"].sum()
    assert (items == tables.market.set_index("round")["requests"]).all()
    assert tables.market["user_utility_promised_usd"].notna().all()


def test_users_who_stay_out_have_one_row_without_a_service() -> None:
    _, tables = played(user_class=type("Hermit", (PactUser,), {"choose": lambda self, _: OUT}))
    assert tables.rounds["service"].isna().all()
    assert len(tables.rounds) == 2 * 15
    assert (tables.market["users_out"] == 60).all()
    assert len(tables.tasks) == 0


def boards(**change):
    class Own(ProviderAgent):
        def post(self):
            board = super().post()
            return replace(board, **{n: make(getattr(board, n)) for n, make in change.items()})

    return Own


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        ({"provider_class": boards(service=lambda s: s + 90)}, "Own: service = .*0 to 7, each onc"),
        ({"provider_class": boards(service=lambda s: s * 0)}, "Own: service = .*each once"),
        ({"provider_class": boards(quality=lambda q: q * np.nan)}, r"Own: quality = \[nan"),
        ({"provider_class": boards(price_usd=lambda p: p[:1])}, "Own: price_usd = .*every service"),
        ({"user_class": type("Lost", (PactUser,), {"choose": lambda self, _: 1})}, r"Lost: choose"),
        ({"user_class": ProviderAgent}, "derived from PactUser"),
    ],
)
def test_what_cannot_be_is_one_line_that_names_the_class(classes, told) -> None:
    with pytest.raises(AgentError, match=told) as refused:
        played(**classes)
    assert len(str(refused.value).splitlines()) == 1
