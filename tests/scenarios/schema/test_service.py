"""Several services: what a file may say, and the lines that tell where it contradicts itself."""

import pytest

from airan_market.scenarios import ScenarioError, dump_toml, load_scenario

TWO = 'services=[{name="a",types=[1,2,3]},{name="b",types=[4,5,6,7,8],work_flop=7e11}]'


def lines(*overrides):
    with pytest.raises(ScenarioError) as caught:
        load_scenario("teleoperation", overrides)
    return [str(fault).removeprefix("--set: ") for fault in caught.value.faults]


def test_what_a_service_does_not_say_is_common():
    scenario = load_scenario("teleoperation", [TWO])
    assert scenario.of_services("work_flop") == [3.6e11, 7e11]
    assert scenario.of_services("refund_usd") == [1.2e-4, 1.2e-4]
    assert load_scenario(dump_toml_of(scenario)) == scenario


def dump_toml_of(scenario):
    import tomllib

    return tomllib.loads(dump_toml(scenario))


def test_one_service_is_the_market_without_services():
    plain = load_scenario("teleoperation", ["task.work_flop=5e11", "economics.refund_usd=2e-4"])
    everybody = "types=[1,2,3,4,5,6,7,8],work_flop=5e11,refund_usd=2e-4"
    one = load_scenario("teleoperation", [f'services=[{{name="all",{everybody}}}]'])
    assert one.folded == plain
    assert plain.folded is plain


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (
            ['services=[{name="a",types=[1,2]},{name="a",types=[2,9]}]'],
            [
                'services[2].name = "a": must differ from those of other services',
                "services[2].types = [2, 9]: must not hold type 2, which has a service already",
                "services[2].types = [2, 9]: must be numbers of types, 1 to 8 (has 9)",
            ],
        ),
        (
            [TWO, "mechanism.name=ct"],
            ['mechanism.name = "ct": must be "mixed" in a market of several services'],
        ),
        (
            [TWO, "mechanism.belief=fifo"],
            ['mechanism.belief = "fifo": must be "chernoff" in a market of several services'],
        ),
        (
            [TWO, "simulation.assignment=projected"],
            [
                'simulation.assignment = "projected": must be "sampled" or "proportional" in a '
                "market of several services"
            ],
        ),
        (
            [TWO, "operators[1].strategy.kind=best-response", "users.strategy.kind=learning"],
            None,
        ),
    ],
)
def test_contradictions_are_told(overrides, told):
    found = lines(*overrides)
    if told is None:
        assert any("must not be given in a market of several services" in line for line in found)
        return
    assert all(line in found for line in told)


def test_a_type_without_a_service_is_told():
    (line,) = lines('services=[{name="a",types=[1,2]},{name="b",types=[3,4,5,6,7]}]')
    assert line.endswith("must hold every type from 1 to 8 once (type 8 has no service)")


def test_a_run_too_long_for_memory_is_told_by_the_rate_of_its_services():
    from airan_market.scenarios.schema.checks.doubts import require_playable

    busy = 'services=[{name="a",types=[1,2,3,4,5,6,7,8],tasks_per_user_per_s=1e9}]'
    with pytest.raises(ScenarioError, match="tasks at a time"):
        require_playable(load_scenario("teleoperation", [busy]))
    require_playable(load_scenario("several_services"))
