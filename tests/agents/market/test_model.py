"""The market: agents against the pure algorithm, money, bookkeeping, boundaries, repeatability."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from airan_market.agents import Market
from airan_market.agents.market.tables import Tables
from airan_market.agents.solution.solver import arrive, solve
from airan_market.analysis.store.columns import declared
from airan_market.scenarios import Scenario, load_scenario
from airan_market.scenarios.registry import MECHANISMS
from airan_market.sim import streams

SHORT = ["simulation.rounds=4", "simulation.horizon_s=1", "simulation.warmup_s=0.5"]


def scenario(*overrides: str) -> Scenario:
    return load_scenario("teleoperation", [*SHORT, *overrides])


def played(*overrides: str, seed: int = 1) -> Market:
    market = Market(scenario(*overrides), seed=seed)
    market.run()
    return market


@pytest.fixture(scope="module")
def market() -> Market:
    return played()


@pytest.fixture(scope="module")
def tables(market: Market) -> Tables:
    return market.tables()


def tasks_of(tables: Tables) -> pd.DataFrame:
    assert tables.tasks is not None
    return tables.tasks


def test_the_agents_arrive_where_the_algorithm_does(market: Market) -> None:
    """The last round trades what `solve` prints; both play the same steps, to rounding."""
    outcome = solve(market.scenario)
    assert market.negotiation.iteration == outcome.iterations
    np.testing.assert_allclose(
        market.terms.match_probability, outcome.match_probability, rtol=0, atol=1e-11
    )
    for name in ("latency_s", "price_usd", "violation_probability"):
        np.testing.assert_allclose(
            getattr(market.terms.board.menu, name), getattr(outcome.menu, name), rtol=1e-8
        )
    shadow = [operator.shadow_price_usd for operator in market.operators]
    np.testing.assert_allclose(shadow, outcome.shadow_price_usd, rtol=1e-8, atol=1e-18)


def test_another_damping_is_not_mistaken_for_it(market: Market) -> None:
    """Negative control of the comparison above."""
    outcome = solve(scenario("mechanism.damping=0.3"))
    assert np.abs(market.terms.match_probability - outcome.match_probability).max() > 1e-4


CROWDED = [
    "users.shares=[0.2, 0.3, 0, 0.1, 0.1, 0.1, 0.1, 0.1]",
    "mechanism.capacity_safety=0.4", "mechanism.shadow_price_step_usd=1e-4",
    "mechanism.max_iterations=12",
    "simulation.rounds=3", "simulation.horizon_s=0.01", "simulation.warmup_s=0",
]  # fmt: skip


@pytest.mark.parametrize("mechanism", MECHANISMS.ours)
def test_in_a_crowd_and_for_a_type_without_users_agents_do_as_the_algorithm(mechanism: str) -> None:
    """Shadow prices rise and fall: one update more or fewer would be seen, and so would a type."""
    crowded = load_scenario("teleoperation", [*CROWDED, f"mechanism.name={mechanism}"])
    market = Market(crowded, seed=1)
    market.run()
    agreed = arrive(market.primitives)
    if mechanism == "mixed":
        shadow = [operator.shadow_price_usd for operator in market.operators]
        assert shadow == pytest.approx(agreed.shadow_price_usd, rel=1e-8)
        assert min(shadow) > 0
    traded = market.terms.match_probability
    assert traded == pytest.approx(agreed.match_probability, abs=1e-11)
    assert traded[:, 2].any() == (mechanism != "gsmc")  # there such a type is nowhere
    assert len(market.agents) == len(market.users) + len(market.operators)


def test_iterations_are_spread_over_the_rounds() -> None:
    market = Market(scenario("mechanism.max_iterations=10"), seed=1)
    seen = []
    market.run(on_round=lambda m: seen.append(m.negotiation.iteration))
    assert seen == [3, 5, 8, 10]


def test_columns_and_rows(tables: Tables) -> None:
    for name, table in declared()["market"].items():
        assert getattr(tables, name).columns.tolist() == [c.name for c in table.columns]
    assert len(tables.rounds) == 4 * 3 * 8
    assert tables.rounds.duplicated(["round", "operator", "type"]).sum() == 0
    assert tables.market["round"].tolist() == [1, 2, 3, 4]
    assert len(tables.operators) == 4 * 3


def test_every_user_is_somewhere(tables: Tables) -> None:
    taken = tables.rounds.groupby("round")["users"].sum().to_numpy()
    assert (taken + tables.market["opted_out_users"].to_numpy() == 150).all()


def test_money_paid_is_money_received(market: Market, tables: Tables) -> None:
    """Both sides of the ledger and the task table, each summed its own way, agree to rounding."""
    tasks = tasks_of(tables)
    assert market.clearing.ledger.imbalance_usd() <= len(tasks) * np.finfo(float).eps
    for round_, rows in tasks[tasks["round"] > 0].groupby("round"):
        booked = tables.rounds[tables.rounds["round"] == round_]
        terms = len(rows) * np.finfo(float).eps
        assert booked["revenue_usd"].sum() == pytest.approx(rows["price_usd"].sum(), rel=terms)
        assert booked["refunds_usd"].sum() == pytest.approx(rows["refund_usd"].sum(), rel=terms)


def test_rounds_follow_from_the_tasks(tables: Tables) -> None:
    """Counts, violations and realised utility recomputed from `tasks` alone."""
    tasks = tasks_of(tables)
    keys = ["round", "operator", "type"]
    economics = scenario().economics
    grouped = tasks[tasks["round"] > 0].groupby(keys)
    expected = tables.rounds.set_index(keys)
    counts = grouped.size().reindex(expected.index, fill_value=0)
    violations = grouped["violated"].sum().reindex(expected.index, fill_value=0).astype(float)
    assert (counts == expected["tasks"]).all()
    assert (violations == expected["violations"]).all()
    rate = grouped["violated"].mean().reindex(expected.index).astype(float)
    np.testing.assert_allclose(rate, expected["violation_rate"], equal_nan=True)
    kept = grouped["price_usd"].sum().reindex(expected.index, fill_value=0.0) - (
        economics.violation_cost_usd * violations + economics.running_cost_usd * counts
    )
    np.testing.assert_allclose(
        kept / 1.0, expected["operator_utility_realised_usd_per_s"], rtol=1e-9, atol=1e-15
    )


def test_a_task_is_held_to_the_contract_of_its_round(tables: Tables) -> None:
    keys = ["round", "operator", "type"]
    contracts = tables.rounds.set_index(keys)[["latency_s", "price_usd"]]
    tasks = tasks_of(tables)
    tasks = tasks[tasks["round"] > 0].merge(contracts, on=keys, suffixes=("", "_contract"))
    assert (tasks["agreed_latency_s"] == tasks["latency_s_contract"]).all()
    assert (tasks["price_usd"] == tasks["price_usd_contract"]).all()
    ended = tasks[tasks["latency_s"].notna()]
    assert (ended["violated"] == (ended["latency_s"] > ended["agreed_latency_s"])).all()


def test_the_warm_up_has_no_contracts(tables: Tables) -> None:
    tasks = tasks_of(tables)
    warm_up = tasks[tasks["round"] == 0]
    assert len(warm_up) > 0
    assert warm_up["arrival_s"].max() < 0.5 <= tasks[tasks["round"] > 0]["arrival_s"].min()
    contract = ["agreed_latency_s", "price_usd", "violated", "refund_usd"]
    assert warm_up[contract].isna().all().all()


def test_what_is_under_way_is_late_or_undecided() -> None:
    """Twice the users: the operators are overloaded, and late tasks count though they never end."""
    tables = played("users.total=400").tables()
    tasks = tasks_of(tables)
    under_way = tasks[tasks["latency_s"].isna() & (tasks["round"] > 0)]
    age_s = 4.5 - under_way["arrival_s"]
    late = age_s > under_way["agreed_latency_s"]
    assert late.any()
    assert (~late).any()
    assert under_way.loc[late, "violated"].all()
    assert under_way.loc[~late, ["violated", "refund_usd"]].isna().all().all()
    assert (under_way.loc[late, "refund_usd"] == 1.2e-4).all()
    assert tables.rounds["violations"].sum() == tasks["violated"].sum()


def test_conservation_of_tasks(market: Market, tables: Tables) -> None:
    tasks = tasks_of(tables)
    assert tasks["task"].is_unique
    operators = tables.operators[tables.operators["round"] == 4]
    assert tasks["downlink_end_s"].isna().sum() == operators["under_way_tasks"].sum()


def test_agents_know_their_own_contracts(market: Market, tables: Tables) -> None:
    tasks = tasks_of(tables)
    mine = tasks[(tasks["user"] == 7) & (tasks["round"] > 0)]
    user = list(market.users)[6]
    assert user.tasks == len(mine) > 0
    assert user.paid_usd == pytest.approx(mine["price_usd"].sum(), rel=1e-12)
    last = tables.rounds[tables.rounds["round"] == 4]
    for operator in market.operators:
        own = last[last["operator"] == operator.number + 1]
        assert operator.tasks.tolist() == own["tasks"].tolist()


def test_an_announcement_says_menu_and_congestion_only(market: Market) -> None:
    announced = vars(next(iter(market.operators)).announce())
    assert set(announced) == {
        "menu",
        "service_value_usd",
        "shadow_price_usd",
        "effective_capacity_per_s",
        "task_size",
    }


def same(one: Tables, other: Tables) -> bool:
    names = ("rounds", "market", "operators", "tasks")
    return all(getattr(one, name).equals(getattr(other, name)) for name in names)


def test_the_seed_is_the_run(tables: Tables) -> None:
    assert same(tables, played().tables())
    assert not same(tables, played(seed=2).tables())


def test_the_engine_is_no_part_of_the_result(tables: Tables) -> None:
    """SimPy's run of the same market has the same tables, byte for byte."""
    assert same(tables, played("simulation.engine=simpy").tables())


def test_all_mechanisms_face_the_same_demand(tables: Tables) -> None:
    """Another assignment serves other tasks of the same demand: common task, arrival and work."""
    columns = ["task", "type", "user", "arrival_s"]
    one = tasks_of(tables).set_index("task")[columns[1:]]
    other = tasks_of(played("simulation.assignment=projected").tables()).set_index("task")
    both = one.merge(other[columns[1:]], on="task", suffixes=("", "_other"))
    assert len(both) > 1000
    for column in columns[1:]:
        assert (both[column] == both[f"{column}_other"]).all()


def test_proportional_and_projected_readings() -> None:
    proportional = played("simulation.assignment=proportional")
    split = proportional.tables().rounds
    expected = split["match_probability"] * split["type"].map(
        dict(enumerate(proportional.primitives.users, start=1))
    )
    assert (np.abs(split["users"] - expected) < 1).all()
    projected = played("simulation.assignment=projected").tables().rounds
    per_type = projected[projected["round"] == 4].groupby("type")["users"]
    assert (per_type.apply(lambda users: (users > 0).sum()) <= 1).all()


def test_a_sink_takes_the_rows_and_rounds_go_on_after_a_look() -> None:
    taken: list[pd.DataFrame] = []
    market = Market(scenario(), seed=1, task_sink=taken.append)
    market.step()
    assert len(market.tables().rounds) == 24
    tables = market.run()
    assert tables.tasks is None
    whole = played().tables()
    assert pd.concat(taken, ignore_index=True).equals(whole.tasks)
    assert tables.rounds.equals(whole.rounds)
    ends = [rows["downlink_end_s"].max() for rows in taken[:-1]]
    assert all(a < b for a, b in pairwise(ends))


def test_a_closed_run_is_over(market: Market) -> None:
    with pytest.raises(RuntimeError, match="over"):
        market.step()


def test_one_operator_one_type_and_a_type_without_users() -> None:
    lonely = {
        "name": "lonely",
        "users": {
            "total": 10,
            "latency_sensitivity_usd_per_s": [3e-4, 2e-4],
            "shares": [1.0, 0.0],
            "tasks_per_user_per_s": 24.0,
        },
        "task": {"input_bits": 180e3, "work_flop": 3.6e11, "output_bits": 270e3},
        "economics": {
            "service_value_usd": 7e-4,
            "refund_usd": 1.2e-4,
            "violation_cost_usd": 1.2e-3,
            "running_cost_usd": 8e-6,
        },
        "operators": [
            {
                "name": "only",
                "uplink": {"servers": 4, "rate_bps": 50e6},
                "gpu": {"servers": 3, "rate_flop_per_s": 40e12},
                "downlink": {"servers": 4, "rate_bps": 50e6},
            }
        ],
        "simulation": {"rounds": 2, "horizon_s": 1.0, "warmup_s": 0.0},
    }
    tables = Market(load_scenario(lonely), seed=1).run()
    assert len(tables.rounds) == 2 * 1 * 2
    empty = tables.rounds[tables.rounds["type"] == 2]
    assert (empty["tasks"] == 0).all()
    assert empty["violation_rate"].isna().all()
    assert (tasks_of(tables)["round"] > 0).all()


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="whole_users"):
        Market(scenario("users.whole_users=false"))


def test_choices_do_not_touch_the_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are named: another draw of choices leaves arrivals and work as they were."""
    demand = played().tables().tasks
    assert demand is not None
    original = streams.stream
    monkeypatch.setattr(
        "airan_market.agents.market.model.stream",
        lambda seed, purpose, *key: original(seed + 1, purpose, *key),
    )
    other = played().tables().tasks
    assert other is not None
    both = demand.merge(other, on="task", suffixes=("", "_b"))
    assert len(both) > 1000
    assert (both["arrival_s"] == both["arrival_s_b"]).all()
    assert (both["operator"] != both["operator_b"]).any()


def test_stations_are_as_full_as_the_tasks_say(market: Market, tables: Tables) -> None:
    """∫ tasks at a station dt, by their ends alone, is (utilisation · servers + waiting) T."""
    tasks = tasks_of(tables)
    for stage, before, column in (("gpu", "uplink_end_s", 1), ("downlink", "gpu_end_s", 2)):
        for _, row in tables.operators.iterrows():
            own = tasks[tasks["operator"] == row["operator"]]
            start = 0.5 + row["round"] - 1
            came, left = own[before], own[f"{stage}_end_s"].fillna(np.inf)
            inside = left.clip(upper=start + 1) - came.clip(lower=start)
            servers = market._servers[int(row["operator"]) - 1, column]
            mean = row[f"{stage}_utilisation"] * servers + row[f"{stage}_waiting_tasks"]
            assert mean == pytest.approx(inside.clip(lower=0).sum(), rel=1e-9)


def test_what_is_offered_is_counted() -> None:
    """With recorded requests the rate rises and falls; users × rate stood there in every round."""
    tables = played(
        "simulation.arrivals.burst_ratio=8", "simulation.arrivals.burst_share=0.3", seed=2
    ).tables()
    tasks = tasks_of(tables)
    counted = tasks[tasks["round"] > 0].groupby(["round", "operator"]).size()
    reported = tables.operators.set_index(["round", "operator"])["offered_tasks_per_s"]
    assert (reported == counted).all()
    assert (tables.rounds["offered_tasks_per_s"] == tables.rounds["tasks"] / 1.0).all()
    promised = tables.rounds.groupby("round")["users"].sum() * 24.0
    assert (reported.groupby("round").sum() / promised - 1).abs().max() > 0.2  # the control
