"""The PACT market played: what was promised beside what happened, books, chance, stations."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import stdtrit

from airan_market.agents.matching.assignment import OUT
from airan_market.agents.pact.contract.valuation import valuation
from airan_market.agents.pact.market import markets_of
from airan_market.agents.pact.run.board import PactBoard, best_item, valued
from airan_market.agents.pact.run.capacity import capacity_of
from airan_market.agents.pact.run.catalogue import catalogue_of
from airan_market.agents.pact.run.clearing import PactClearing
from airan_market.agents.pact.run.model import PactSimulation, PactTables
from airan_market.agents.pact.run.population import PactPopulation
from airan_market.agents.pact.run.traffic import drawn_requests, station_times
from airan_market.scenarios import ScenarioError, load_pact
from airan_market.sim import simulate
from airan_market.sim.theory.sojourn import sojourn_mean
from airan_market.sim.traffic.trace_file import TraceError
from airan_market.sim.traffic.work_laws import Deterministic
from airan_market.sim.workload import Workload

DIRECT = {"cost_usd": 0.05, "liability_usd": 0.3}
EASY = {"name": "easy", "quality": 0.5, "latency_s": 0.2, **DIRECT}
GOOD = {"name": "good", "quality": 0.8, "latency_s": 0.4, "cost_usd": 0.2, "liability_usd": 0.1}

MANY = (
    "simulation.rounds=10",
    "traffic.users=400",
    "traffic.inference_servers=50",
    "simulation.engine=compiled",
)


def scenario(*settings: str, services=(EASY, GOOD), pact=None, **tables):
    content = {
        "name": "small",
        "pact": {"types": [1.0, 3.0], "menu": "discrete", "services": list(services),
                 **(pact or {})},
        "traffic": {"users": 20, "requests_per_user_per_s": 0.05},
        "simulation": {"rounds": 3, "horizon_s": 20.0, "warmup_s": 2.0, "engine": "simpy"},
    }  # fmt: skip
    return load_pact({**content, **tables}, settings)


def played(*settings: str, seed: int = 1, capacity: bool = False, **kind) -> PactTables:
    return PactSimulation(scenario(*settings, **kind), seed, capacity=capacity).run()


# -- stations and satisfaction ----------------------------------------------------------------


def test_the_stations_of_the_papers_services_add_up_to_their_latency():
    paper = load_pact("pact")
    market = markets_of(paper)[0]
    catalogue = catalogue_of(paper, (market,))
    assert catalogue.mean_s.sum(axis=1) == pytest.approx(market.services.latency_s, rel=1e-12)
    assert catalogue.cost_usd == pytest.approx(market.services.cost_usd(), rel=1e-12)
    # service 1 by hand: 40 KB at 20 Mbit/s, 40 KB at 0.5 ms/KB
    assert catalogue.parts_s[0, :2].tolist() == [[0.008, 0.008], [0.01, 0.01]]
    damages = catalogue.damages_usd * (1 - catalogue.satisfaction)
    assert damages == pytest.approx(market.services.liability_usd, rel=1e-12)


def test_satisfaction_of_a_direct_service_is_that_of_its_quality_and_latency():
    small = scenario()
    catalogue = catalogue_of(small, markets_of(small))
    # 0.5 = 0.5 A + 0.5 (1 − 0.2) and 0.8 = 0.5 A + 0.5 (1 − 0.4)
    assert catalogue.satisfaction == pytest.approx([0.2, 1.0], abs=1e-15)
    assert catalogue.satisfaction[1] == 1.0
    assert catalogue.damages_usd == pytest.approx([0.3 / 0.8, 0.0])
    assert catalogue.premium_usd == pytest.approx([0.0, 0.1])


@pytest.mark.parametrize(
    ("service", "told"),
    [
        ({"name": "a", "quality": 0.5, "cost_usd": 0.1}, "required to run a service"),
        ({"name": "a", "quality": 0.6, "latency_s": 0.9, "cost_usd": 0.1}, "no satisfaction"),
    ],
)
def test_a_service_that_cannot_be_run_is_one_line(service, told):
    small = scenario(services=(service, GOOD))
    with pytest.raises(ScenarioError, match=told) as refused:
        PactSimulation(small)
    assert len(refused.value.faults) == 1
    assert refused.value.faults[0].key == "pact.services[1].latency_s"


def test_further_dimensions_leave_their_part_of_the_weights():
    paper = load_pact("pact")
    content = paper.model_dump(exclude_none=True)
    content["pact"]["dimensions"] = [{"name": "tone", "weight": 0.2}]
    for service in content["pact"]["services"]:
        service["dimensions"] = [0.5]
    wider = load_pact(content)
    catalogue = catalogue_of(wider, markets_of(wider))
    assert catalogue.satisfaction_weight == pytest.approx(0.8 * 0.5)
    worse = catalogue.measured_quality(np.array([0]), np.array([0.0]), np.array([1.0]))
    assert worse == pytest.approx(0.8 * 0.5 * 0.0 + 0.8 * 0.5 * 0.0 + 0.2 * 0.5)  # (6) by hand


# -- a trace by hand --------------------------------------------------------------------------


def test_two_requests_by_hand():
    """One inference server of 0.2 s; requests at 1.0 and 1.1 s: latencies 0.2 and 0.3 s."""
    small = scenario(services=({**EASY}, GOOD))
    catalogue = catalogue_of(small, markets_of(small))
    population = PactPopulation.of(markets_of(small), 2)
    clearing = PactClearing(catalogue, population, np.array([0.0, 0.5, 9.0]))
    board = PactBoard(np.array([0]), np.array([0.5]), np.array([0.7]))
    clearing.agree(1, [board], np.array([0, 0]))
    clearing.draw_answers(np.array([0.1, 0.3]))  # A = 0.2: met, unmet
    work = Workload(
        task=[0, 1], arrival_s=[1.0, 1.1], type=[0, 0], operator=[0, 0], user=[0, 1],
        service_s=[[0.0, 0.0, 0.2]] * 2,
    )  # fmt: skip
    clearing.admit(1, work)
    trace, _ = simulate(work, [[1, 1, 1], [1, 1, 1]], until_s=9.0)
    rows = clearing.settle(trace)
    assert rows["latency_s"].tolist() == pytest.approx([0.2, 0.3])
    assert rows["satisfied"].tolist() == [True, False]
    assert rows["liability_usd"].tolist() == pytest.approx([0.0, 0.3 / 0.8])
    booked = clearing.by_service
    assert booked.revenue_usd[1].tolist() == pytest.approx([1.4, 0.0])
    assert booked.cost_usd[1].tolist() == pytest.approx([0.1, 0.0])
    # q = 0.5 · 1/2 + 0.5 (1 − 0.25)
    assert clearing.measured_quality()[1, 0] == pytest.approx(0.625)
    assert np.isnan(clearing.measured_quality()[1, 1])
    assert clearing.by_type.unmet[1].tolist() == [[0, 0], [1, 0]]


def test_a_premium_is_paid_on_every_answer_of_a_provider_that_never_fails():
    tables = played(services=(GOOD,), pact={"types": [2.0]})
    taken = tables.rounds
    assert taken["liability_events"].sum() == 0
    assert taken["liability_usd"].to_numpy() == pytest.approx(0.1 * taken["requests"].to_numpy())


# -- promises ---------------------------------------------------------------------------------


def test_without_a_queue_all_is_as_promised():
    """A is 0 or 1, sizes are fixed, servers are plenty: nothing is left to chance."""
    never = {"name": "never", "quality": 0.4, "latency_s": 0.2, "cost_usd": 0.01}
    tables = played("traffic.inference_servers=500", services=(never, GOOD))
    taken = tables.rounds
    assert taken["requests"].sum() > 20
    assert set(taken["service"]) == {1, 2}
    for what in ("quality", "latency"):
        unit = "" if what == "quality" else "_s"
        measured = taken[f"{what}_measured{unit}"].to_numpy()
        assert measured == pytest.approx(taken[f"{what}_promised{unit}"].to_numpy(), abs=1e-12)
    for side in ("provider", "user"):
        realised = taken[f"{side}_utility_realised_usd"].to_numpy()
        assert realised == pytest.approx(taken[f"{side}_utility_promised_usd"], abs=1e-10)


def test_a_crowd_breaks_the_promise_and_only_speed_suffers():
    crowd = played("traffic.users=200", "traffic.inference_servers=1", "simulation.warmup_s=0")
    good = crowd.rounds[crowd.rounds["service"] == 2]
    assert (good["latency_measured_s"] > 2 * good["latency_promised_s"]).all()
    assert (good["quality_measured"] < good["quality_promised"]).all()
    assert (good["satisfaction_measured"] == 1.0).all()
    assert (good["user_utility_realised_usd"] < good["user_utility_promised_usd"]).all()


def test_answers_meet_expectations_as_often_as_promised():
    """|Σ (met − A)| within 3.9 standard deviations: false alarm 1e-4; a wrong A is out of it."""
    tables = played(*MANY)
    easy = tables.rounds[tables.rounds["service"] == 1]
    n, met = easy["ended"].sum(), easy["satisfied"].sum()
    assert n > 1500

    def distance(a: float) -> float:
        return abs(met - n * a) / np.sqrt(n * a * (1 - a))

    assert distance(0.2) < 3.9
    assert distance(0.25) > 3.9


def test_damages_are_what_the_menu_reckons_with():
    """Σ damages against requests · c_l, standard deviation by the binomial; false alarm 1e-4."""
    tables = played(*MANY)
    easy = tables.rounds[tables.rounds["service"] == 1]
    n = easy["requests"].sum()
    deviation = 0.3 / 0.8 * np.sqrt(n * 0.2 * 0.8)
    assert abs(easy["liability_usd"].sum() - 0.3 * n) < 3.9 * deviation
    assert abs(easy["liability_usd"].sum() - 0.33 * n) > 3.9 * deviation


def test_exponential_sizes_make_stations_m_m_c():
    """Mean response over rounds against Erlang and Jackson, t interval of 99.9 %, one control."""
    station = {"links": 2, "tokenisers": 2, "inference_servers": 3}
    paper = load_pact("pact").model_dump(exclude_none=True)
    seventh = {**paper["pact"]["services"][6], **station}
    tables = played(
        "traffic.law=exponential", "traffic.users=250", "traffic.requests_per_user_per_s=0.1",
        "simulation.rounds=30", "simulation.horizon_s=60", "simulation.engine=compiled",
        services=(seventh,), pact={"types": [10.0]},
    )  # fmt: skip
    small = scenario(services=(seventh,))
    mean_s = catalogue_of(small, markets_of(small)).mean_s[0]
    seen = tables.rounds["latency_measured_s"].to_numpy()
    half = stdtrit(seen.size - 1, 0.9995) * seen.std(ddof=1) / np.sqrt(seen.size)

    def theory(servers: list[int]) -> float:
        return float(sojourn_mean(servers, 1 / mean_s, 25.0).sum())

    assert abs(seen.mean() - theory([2, 2, 3])) < half
    assert abs(seen.mean() - theory([2, 3, 3])) > half


# -- books ------------------------------------------------------------------------------------


def test_money_and_requests_are_neither_made_nor_lost():
    market = PactSimulation(scenario("traffic.users=60"), seed=3, capacity=False)
    tables = market.run()
    tasks, rounds = tables.tasks, tables.rounds
    under = tasks[tasks["round"] > 0]
    assert len(under) == rounds["requests"].sum() == rounds["ended"].sum()
    assert tasks["task"].is_unique
    assert (rounds["satisfied"] + rounds["liability_events"] == rounds["ended"]).all()
    for column in ("revenue_usd", "cost_usd", "liability_usd"):
        by_task = under["price_usd" if column == "revenue_usd" else column].sum()
        assert by_task == pytest.approx(rounds[column].sum(), rel=1e-12)
        assert tables.market[column].sum() == pytest.approx(rounds[column].sum(), rel=1e-12)
    assert sum(user.paid_usd for user in market.users) == pytest.approx(under["price_usd"].sum())
    assert sum(user.requests for user in market.users) == len(under)
    grouped = under.groupby(["round", "service"]).size()
    items = tables.items.set_index(["round", "service"])["requests"]
    assert grouped.equals(items[items > 0])
    welfare = tables.market["social_welfare_realised_usd"]
    parts = tables.market["provider_utility_realised_usd"]
    assert welfare.to_numpy() == pytest.approx(parts + tables.market["user_utility_realised_usd"])


def test_the_table_of_requests_is_enough_to_serve_them_again():
    small = scenario("traffic.users=120", "traffic.law=exponential")
    tables = PactSimulation(small, seed=2, capacity=False).run()
    rows = tables.tasks.sort_values(["arrival_s", "task"])
    stations = ("transmission", "tokenisation", "inference")
    again, left = simulate(
        Workload(
            task=rows["task"].to_numpy(), arrival_s=rows["arrival_s"].to_numpy(),
            type=np.zeros(len(rows), dtype=int), operator=rows["service"].to_numpy() - 1,
            user=rows["user"].to_numpy(),
            service_s=rows[[f"{s}_service_s" for s in stations]].to_numpy(),
        ),
        catalogue_of(small, markets_of(small)).servers, until_s=1e4,
    )  # fmt: skip
    recorded = tables.tasks.sort_values("task")[[f"{s}_end_s" for s in stations]].to_numpy()
    assert not len(left)
    assert np.array_equal(again.stage_end_s, recorded)


def test_nobody_pays_for_the_warm_up():
    tables = played()
    warm_up = tables.tasks[tables.tasks["round"] == 0]
    assert len(warm_up) > 0
    assert warm_up["price_usd"].isna().all()


# -- chance -----------------------------------------------------------------------------------


def test_engines_and_repetitions_give_the_same_tables():
    settings = ("traffic.users=100", "traffic.law=exponential", "traffic.trust=measured")
    one = played(*settings)
    two = played(*settings, "simulation.engine=compiled")
    for name in ("rounds", "market", "items", "tasks"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name), check_exact=True)
    other = played(*settings, seed=2)
    assert not one.tasks["arrival_s"].equals(other.tasks["arrival_s"])


def test_the_order_of_services_means_nothing_to_types():
    settings = ("traffic.users=100", "traffic.law=exponential")
    one, two = played(*settings), played(*settings, services=(GOOD, EASY))
    swapped = 3 - two.rounds["service"]
    assert one.rounds["service"].equals(swapped)
    columns = one.rounds.columns.drop("service")
    pd.testing.assert_frame_equal(one.rounds[columns], two.rounds[columns], rtol=1e-12)


def test_all_requests_are_drawn_whoever_stays_out():
    """Users who stay out leave everybody else's requests as they were."""
    dear = {"name": "dear", "quality": 0.8, "latency_s": 0.4, "cost_usd": 0.6}
    some = played("pact.serve_all=false", services=(dear,))
    out = some.rounds[some.rounds["type"] == 1]
    assert out["service"].isna().all()
    assert out["users"].sum() == 0
    assert (some.market["users_out"] == 10).all()
    everybody = played(services=(dear,))
    high = [t.tasks[t.tasks["type"] == 2]["arrival_s"].tolist() for t in (some, everybody)]
    assert high[0] == high[1]
    assert len(high[0]) > 0


# -- users ------------------------------------------------------------------------------------


def test_every_user_takes_the_item_meant_for_it():
    paper = load_pact("pact", ["simulation.rounds=1", "simulation.horizon_s=1"])
    market = PactSimulation(paper)
    market.step()
    (provider,) = market.providers
    taken = market.tables().rounds["service"]
    assert (taken - 1).tolist() == provider.contract.service.tolist()


def test_who_trusts_measurements_leaves_a_crowded_service():
    """Type 2 is indifferent between its item and the lower one, so any shortfall moves it."""
    crowd = ("traffic.users=60", "traffic.inference_servers=1", "simulation.warmup_s=0")
    trusting = played(*crowd).rounds.query("type == 2")
    wary = played(*crowd, "traffic.trust=measured").rounds.query("type == 2")
    assert trusting["service"].tolist() == [2, 2, 2]
    assert wary["service"].iloc[0] == 2
    assert (wary["service"].iloc[1:].fillna(0) != 2).any()
    shown = wary["quality_shown"].iloc[0]
    assert shown == wary["quality_promised"].iloc[0]


def test_best_item_is_the_best():
    worth, price = np.array([0.2, 0.5, 0.6]), np.array([0.1, 0.6, 0.9])
    for theta in (0.4, 0.6, 1.0, 2.0, 4.0):
        utility = theta * worth - price
        expected = int(utility.argmax()) if utility.max() >= 0 else OUT
        assert best_item(theta, worth, price) == expected
    assert best_item(1.0, np.array([]), np.array([])) == OUT


def test_a_late_answer_is_worth_nothing_rather_than_less():
    worth = valuation()
    assert valued(worth, np.array([-3.0, 0.0, 0.5])).tolist() == [0.0, 0.0, np.log1p(0.5)]


# -- demands ----------------------------------------------------------------------------------

TRACE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.0000000,100,30
2023-11-16 18:17:04.0000000,300,10
"""


def test_tokens_of_real_requests_scale_input_and_output(tmp_path):
    file = tmp_path / "two.csv"
    file.write_text(TRACE)
    paper = load_pact("pact").model_dump(exclude_none=True)
    service = paper["pact"]["services"][6]  # 100 KB in, 20 KB out
    small = scenario(f'traffic.law={{trace="{file}",format="azure-llm-2023"}}', services=(service,))
    catalogue = catalogue_of(small, markets_of(small))
    traffic = drawn_requests(small, 1, np.array([10, 10]))
    work = traffic.demand(1, 0.0, 50.0, 0).work
    times = station_times(catalogue.parts_s, np.zeros(len(work), dtype=int), work, traffic.law)
    # context 100 or 300 over 200, answer 30 or 10 over 20; 8000/20e6 s/KB on the link
    first, second = (0.5 * 100 + 1.5 * 20) * 4e-4, (1.5 * 100 + 0.5 * 20) * 4e-4
    assert sorted(set(times[:, 0].round(12))) == pytest.approx([first, second])
    assert station_times(
        catalogue.parts_s, np.array([0]), np.ones((1, 3)), Deterministic()
    ) == pytest.approx(catalogue.mean_s[:1])
    tables = PactSimulation(small, seed=1, capacity=False).run()
    per_request = tables.tasks[tables.tasks["round"] > 0]
    size = per_request["inference_service_s"] / catalogue.mean_s[0, 2]
    assert per_request["cost_usd"].to_numpy() == pytest.approx(size * catalogue.cost_usd[0])


def test_a_trace_that_is_not_there_is_told(tmp_path):
    missing = f'traffic.law={{trace="{tmp_path / "none.csv"}",format="azure-llm-2023"}}'
    with pytest.raises(TraceError, match="No such file"):
        PactSimulation(scenario(missing))


def test_tasks_have_users_of_their_own():
    tasks = [{"name": "chat", "share": 0.75}, {"name": "code", "share": 0.25}]
    services = ({**EASY, "task": "chat"}, {**GOOD, "task": "chat"}, {**GOOD, "task": "code"})
    market = {"services": services, "pact": {"tasks": tasks, "probabilities": [0.35, 0.65]}}
    tables = played("traffic.users=80", **market)
    last = tables.rounds[tables.rounds["round"] == 3]
    assert last["market"].tolist() == [1, 1, 2, 2]
    assert last["users"].tolist() == [21, 39, 7, 13]
    assert set(last["service"]) == {1, 2, 3}
    assert last["type"].tolist() == [1, 2, 1, 2]
    assert (last.loc[last["market"] == 2, "service"] == 3).all()
    coders = tables.tasks[tables.tasks["market"] == 2]
    assert set(coders["type"]) == {1, 2}
    assert (coders["service"] == 3).all()
    assert coders["user"].min() == 61
    # and those whom the search for capacity sends to a service are as many
    small = scenario("traffic.users=80", **market)
    markets = markets_of(small)
    found = capacity_of(small, markets, catalogue_of(small, markets), seed=1)
    users = (last.groupby("service")["users"].sum() / 80).to_dict()
    assert {c.service + 1: c.share for c in found} == pytest.approx(users)


def test_a_closed_run_is_over():
    market = PactSimulation(scenario("simulation.rounds=1"), capacity=False)
    market.run()
    with pytest.raises(RuntimeError, match="over"):
        market.step()
