"""Settings from outside the file: typed like the file, applied before anything is checked."""

from collections.abc import Callable

import pytest

from airan_market.scenarios import (
    BurstArrivals,
    LognormalWork,
    ScenarioError,
    TraceArrivals,
    load_scenario,
)


@pytest.fixture
def source(small_text: str, write: Callable[[str], str]) -> str:
    return write(small_text)


def lines(source: str, *overrides: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(source, overrides)
    return [str(fault) for fault in caught.value.faults]


def test_types_are_those_of_the_file(source: str) -> None:
    scenario = load_scenario(
        source,
        [
            "users.total=7",
            "users.whole_users=false",
            "users.tasks_per_user_per_s = 24",
            "users.shares=[0.25, 0.75]",
            "simulation.engine=compiled",
            'name="other"',
            "simulation.warmup_s=0",
            "operators[2].gpu={ servers = 9, rate_flop_per_s = 1e9 }",
        ],
    )
    assert scenario.users.total == 7
    assert scenario.users.whole_users is False
    assert scenario.users.tasks_per_user_per_s == 24.0
    assert isinstance(scenario.users.tasks_per_user_per_s, float)
    assert scenario.users.shares == (0.25, 0.75)
    assert scenario.simulation.engine == "compiled"
    assert scenario.name == "other"
    assert scenario.operators[1].gpu.servers == 9


def test_a_value_of_the_wrong_type_is_refused_as_in_the_file(source: str) -> None:
    assert lines(source, "users.total=2.5", "users.whole_users=False", "task.work_flop=fast") == [
        "--set: users.total = 2.5: must be a whole number from 1 to 10000000",
        '--set: users.whole_users = "False": must be true or false',
        '--set: task.work_flop = "fast": must be a finite number > 0',
    ]


@pytest.mark.parametrize("key", ["operators[2].gpu.servers", "operators.2.gpu.servers"])
def test_places_in_lists_count_from_one(source: str, key: str) -> None:
    scenario = load_scenario(source, [f"{key}=5"])
    assert [operator.gpu.servers for operator in scenario.operators] == [3, 5]


def test_an_item_of_a_list_of_numbers(source: str) -> None:
    assert load_scenario(source, ["users.shares[1]=0.25", "users.shares.2=0.75"]).users.shares == (
        0.25,
        0.75,
    )
    assert lines(source, "users.shares[1]=0.25") == [
        "--set: users.shares = [0.25, 0.5]: must sum to 1 (sums to 0.75)"
    ]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("operators[3].gpu.servers=3", "operators[3].gpu.servers = 3: operators has places 1 to 2"),
        ("operators[0].gpu.servers=3", "operators[0].gpu.servers = 3: operators has places 1 to 2"),
        (
            "operators.name=x",
            'operators.name = "x": operators is a list: name a place, operators[1]',
        ),
        (
            f"operators.{'9' * 5000}.name=x",
            f'operators.{"9" * 5000}.name = "x": operators is a list: name a place, operators[1]',
        ),
        ("users[1].total=3", "users[1].total = 3: users is not a list"),
        ("users.total.x=3", "users.total.x = 3: users.total is a single value, not a table"),
        ("weather[2]=3", "weather[2] = 3: weather is not a list"),
        ("users.total", "users.total: must be written dotted.key=value"),
        ("=3", '"": must be written dotted.key=value'),
        ("users..total=3", "users..total: must be written dotted.key=value"),
        ("users.totl=3", "users.totl = 3: unknown key, did you mean total?"),
        (
            "mechansim.damping=0.5",
            "mechansim = { damping = 0.5 }: unknown key, did you mean mechanism?",
        ),
    ],
)
def test_line_of_a_faulty_override(source: str, override: str, line: str) -> None:
    assert lines(source, override) == [f"--set: {line}"]


def test_a_path_needs_no_quotes(source: str) -> None:
    settings = [
        "simulation.arrivals.format=azure-llm-2023",
        "simulation.arrivals.bits_per_token=32",
        "simulation.arrivals.flop_per_token=1.4e10",
    ]
    for path in ["../x.csv", "a b#c=d.csv", "x.csv"]:
        arrivals = load_scenario(
            source, [f"simulation.arrivals.trace={path}", *settings]
        ).simulation.arrivals
        assert isinstance(arrivals, TraceArrivals)
        assert (arrivals.trace, arrivals.speed_up) == (path, 1.0)


def test_a_trace_on_poisson_arrivals_names_what_is_missing(source: str) -> None:
    expected = [
        '--set: simulation.arrivals.format: required, must be one of "azure-llm-2023", "tasks"',
        "--set: simulation.arrivals.bits_per_token: required, must be a finite number > 0",
        "--set: simulation.arrivals.flop_per_token: required, must be a finite number > 0",
    ]
    assert lines(source, "simulation.arrivals=poisson", "simulation.arrivals.trace=x") == expected
    assert lines("teleoperation", "simulation.arrivals.trace=x") == expected


def test_a_key_of_a_table_takes_the_place_of_a_word(source: str) -> None:
    settings = ["simulation.arrivals.burst_ratio=4", "task.law.lognormal_cv=2"]
    scenario = load_scenario(source, settings)
    assert scenario.simulation.arrivals == BurstArrivals(burst_ratio=4.0)
    assert scenario.task.law == LognormalWork(lognormal_cv=2.0)
    plain = load_scenario(scenario, ["simulation.arrivals=poisson", "task.law=deterministic"])
    assert (plain.simulation.arrivals, plain.task.law) == ("poisson", "deterministic")
    assert lines(source, "task.law.trace=x") == [
        "--set: task.law.format: required, must be one of "
        '"azure-llm-2023", "mooncake-2025", "servegen-2025", "tasks"'
    ]


def test_poisson_arrivals_in_place_of_a_trace() -> None:
    scenario = load_scenario("llm_replay", ["simulation.arrivals=poisson"])
    assert scenario.simulation.arrivals == "poisson"


def test_setting_one_of_two_alternatives_drops_the_other(source: str) -> None:
    drawn = load_scenario(source, ["users.dirichlet_alpha=10"]).users
    assert (drawn.shares, drawn.dirichlet_alpha) == (None, 10.0)
    back = load_scenario(source, ["users.dirichlet_alpha=10"])
    fixed = load_scenario(back, ["users.shares=[0.5, 0.5]"]).users
    assert (fixed.shares, fixed.dirichlet_alpha) == ((0.5, 0.5), None)


def test_setting_both_alternatives_is_refused(source: str) -> None:
    expected = ["--set: users.dirichlet_alpha = 10: must not be given together with users.shares"]
    both = ["users.dirichlet_alpha=10", "users.shares=[0.5, 0.5]"]
    assert lines(source, *both) == expected
    assert lines(source, *reversed(both)) == expected


def test_the_last_override_wins(source: str) -> None:
    assert load_scenario(source, ["users.total=5", "users.total=6"]).users.total == 6


def test_an_override_mends_the_file(source: str, write: Callable[[str], str]) -> None:
    assert load_scenario({"name": "a"} | _tables("llm_replay"), ["name=b"]).name == "b"
    broken = write('name = "?"\n')
    assert "name" not in [line.split(":")[1].strip() for line in lines(broken, "name=good")]


def test_a_fault_of_the_file_is_not_laid_on_the_command_line(
    small_text: str, write: Callable[[str], str]
) -> None:
    source = write(small_text.replace("work_flop = 1e10", "work_flop = nan"))
    assert lines(source, "users.total=3") == [
        "m.toml: task.work_flop = nan: must be a finite number > 0"
    ]


def test_text_that_breaks_out_of_its_line_stays_text(source: str) -> None:
    assert lines(source, "users.total=5\nname='x'") == [
        "--set: users.total = \"5\\nname='x'\": must be a whole number from 1 to 10000000"
    ]


def test_the_source_is_left_as_it_was() -> None:
    tables = _tables("teleoperation")
    load_scenario(tables, ["operators[1].gpu.servers=1", "users.dirichlet_alpha=1"])
    assert tables == _tables("teleoperation")


def _tables(name: str) -> dict[str, object]:
    return load_scenario(name).model_dump(exclude_none=True)
