"""Every kind of fault, with the exact line a person reads."""

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from airan_market.scenarios import (
    Fault,
    ScenarioError,
    load_scenario,
    shipped_scenarios,
)
from airan_market.scenarios.dump import dump_toml


def lines(source: object, overrides: Sequence[str] = ()) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(source, overrides)  # type: ignore[arg-type]
    told = [str(fault) for fault in caught.value.faults]
    assert str(caught.value).split("\n") == told  # one line each, whatever is in it
    return told


NAME_RULE = "text of 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
FRACTION = "must be a finite number > 0 and < 1"

# (what the small scenario says, what it says instead, the lines after "m.toml: ")
SINGLE = {
    "unknown key, near one": (
        "[economics]",
        "[economics]\nopt_out_utility = 0",
        ["economics.opt_out_utility = 0: unknown key, did you mean opt_out_utility_usd?"],
    ),
    "misspelt required key is told once": (
        "total = 10",
        "totl = 10",
        ["users.totl = 10: unknown key, did you mean total?"],
    ),
    "misspelt shares are told once": (
        "shares = ",
        "share = ",
        ["users.share = [0.5, 0.5]: unknown key, did you mean shares?"],
    ),
    "key of another table": (
        "[task]",
        "[task]\nhorizon_s = 3",
        ["task.horizon_s = 3: unknown key here, did you mean simulation.horizon_s?"],
    ),
    "key like no other": (
        "[task]",
        "[task]\n'β' = 3",
        ['task."β" = 3: unknown key, allowed here are: input_bits, work_flop, output_bits, law'],
    ),
    "unknown table": (
        "[task]",
        "[weather]\n[task]",
        [
            "weather = {}: unknown key, allowed here are: schema_version, name, users, task, "
            "economics, operators, services, mechanism, simulation, ran, "
            "events"
        ],
    ),
    "key with a line break": (
        "[task]",
        '[task]\n"a\\nb" = "\\u2028"',
        [
            'task."a\\nb" = "\\u2028": unknown key, allowed here are: '
            "input_bits, work_flop, output_bits, law"
        ],
    ),
    "missing key": (
        "total = 10\n",
        "",
        ["users.total: required, must be a whole number from 1 to 10000000"],
    ),
    "missing table": (
        "gpu = { servers = 2, rate_flop_per_s = 2e11 }\ndownlink = { servers = 2, rate_bps = 3e7 }",
        "",
        [
            "operators[2].gpu: required, must be a table of servers, rate_flop_per_s",
            "operators[2].downlink: required, must be a table of servers, rate_bps",
        ],
    ),
    "negative rate": (
        "rate_flop_per_s = 2e11",
        "rate_flop_per_s = -40e12",
        ["operators[2].gpu.rate_flop_per_s = -4e+13: must be a finite number > 0"],
    ),
    "NaN": (
        "work_flop = 1e10",
        "work_flop = nan",
        ["task.work_flop = nan: must be a finite number > 0"],
    ),
    "infinity": (
        "service_value_usd = 1e-3",
        "service_value_usd = -inf",
        ["economics.service_value_usd = -inf: must be a finite number"],
    ),
    "NaN in a list": (
        "[2e-4, 1e-4]",
        "[2e-4, nan]",
        ["users.latency_sensitivity_usd_per_s[2] = nan: must be a finite number > 0"],
    ),
    "half a server": (
        "servers = 3",
        "servers = 2.5",
        ["operators[1].gpu.servers = 2.5: must be a whole number from 1 to 1000000"],
    ),
    "a whole number written with a point": (
        "total = 10",
        "total = 10.0",
        ["users.total = 10.0: must be a whole number from 1 to 10000000"],
    ),
    "true is not a number": (
        "tasks_per_user_per_s = 2.0",
        "tasks_per_user_per_s = true",
        ["users.tasks_per_user_per_s = true: must be a finite number > 0"],
    ),
    "true is not a count": (
        "total = 10",
        "total = true",
        ["users.total = true: must be a whole number from 1 to 10000000"],
    ),
    "text is not a number": (
        "tasks_per_user_per_s = 2.0",
        'tasks_per_user_per_s = "24"',
        ['users.tasks_per_user_per_s = "24": must be a finite number > 0'],
    ),
    "a number is not true or false": (
        "[task]",
        "whole_users = 1\n[task]",
        ["users.whole_users = 1: must be true or false"],
    ),
    "a date is not a number": (
        "work_flop = 1e10",
        "work_flop = 2023-11-16",
        ["task.work_flop = 2023-11-16: must be a finite number > 0"],
    ),
    "an integer too large for a float": (
        "work_flop = 1e10",
        f"work_flop = 0x1{'0' * 300}",
        [f"task.work_flop = 0x1{'0' * 54}...: must be a finite number > 0"],
    ),
    "more servers than any machine holds": (
        "servers = 3",
        "servers = 10_000_000_000",
        ["operators[1].gpu.servers = 10000000000: must be a whole number from 1 to 1000000"],
    ),
    "a value for a table": (
        "[[operators]]",
        "[mechanism]\nname = 'ct'\n[simulation]\narrivals = 3\n[[operators]]",
        [
            'simulation.arrivals = 3: must be "poisson" or a table of trace, format, speed_up, '
            "bits_per_token, flop_per_token or a table of burst_ratio, burst_share, burst_mean_s"
        ],
    ),
    "a table for a list": (
        "shares = [0.5, 0.5]",
        "shares = { a = 1 }",
        [
            "users.shares = { a = 1 }: "
            "must be a list of one or more, each a finite number from 0 to 1"
        ],
    ),
    "an empty list": (
        "[2e-4, 1e-4]",
        "[]",
        [
            "users.latency_sensitivity_usd_per_s = []: "
            "must be a list of one or more, each a finite number > 0",
        ],
    ),
    "a word off the list": (
        "[task]",
        "[mechanism]\nbelief = 'chernof'\n[task]",
        [
            'mechanism.belief = "chernof": must be one of "chernoff", "chernoff-optimised", '
            '"chernoff-priority", "fifo", "priority", "measured", or a registered name (--use); '
            'did you mean "chernoff"?'
        ],
    ),
    "a version to come": (
        'name = "small"',
        'schema_version = 2\nname = "small"',
        ["schema_version = 2: must be 1"],
    ),
    "true is not version 1": (
        'name = "small"',
        'schema_version = true\nname = "small"',
        ["schema_version = true: must be 1"],
    ),
    "a name that leaves the directory": (
        'name = "small"',
        'name = "../../etc"',
        [f'name = "../../etc": must be {NAME_RULE}'],
    ),
    "an operator name of two lines": (
        'name = "a"',
        'name = "a\\nb"',
        ['operators[1].name = "a\\nb": must be text of 1 to 64 characters on one line'],
    ),
    "shares that do not sum to one": (
        "[0.5, 0.5]",
        "[0.5, 0.6]",
        ["users.shares = [0.5, 0.6]: must sum to 1 (sums to 1.1)"],
    ),
    "a negative share": (
        "[0.5, 0.5]",
        "[1.0, -0.5]",
        ["users.shares[2] = -0.5: must be a finite number from 0 to 1"],
    ),
    "wrong list length": (
        "[0.5, 0.5]",
        "[0.5, 0.25, 0.25]",
        [
            "users.shares = [0.5, 0.25, 0.25]: "
            "must have one share for each of the 2 latency sensitivities (has 3)"
        ],
    ),
    "two ways to share": (
        "[0.5, 0.5]",
        "[0.5, 0.5]\ndirichlet_alpha = 10",
        ["users.dirichlet_alpha = 10: must not be given together with users.shares"],
    ),
    "no way to share": (
        "shares = [0.5, 0.5]\n",
        "",
        ["users.shares: required, or users.dirichlet_alpha in its place"],
    ),
    "rising sensitivities": (
        "[2e-4, 1e-4]",
        "[1e-4, 2e-4]",
        [
            "users.latency_sensitivity_usd_per_s = [0.0001, 0.0002]: must not increase from one "
            "type to the next (type 2: 0.0002 follows 0.0001)"
        ],
    ),
    "an empty latency interval": (
        "[task]",
        "[mechanism]\nlatency_min_s = 0.5\nlatency_max_s = 0.5\n[task]",
        ["mechanism.latency_min_s = 0.5: must be below latency_max_s = 0.5"],
    ),
    "a latency beyond the default": (
        "[task]",
        "[mechanism]\nlatency_min_s = 3\n[task]",
        ["mechanism.latency_min_s = 3: must be below latency_max_s = 2.0"],
    ),
    "a temperature that rises": (
        "[task]",
        "[mechanism]\ntemperature_end_usd = 1e-3\n[task]",
        ["mechanism.temperature_start_usd: must not be below temperature_end_usd = 0.001"],
    ),
    "two operators of one name": (
        'name = "b"',
        'name = "a"',
        ['operators[2].name = "a": must differ from operators[1].name'],
    ),
    "a trace that lacks its settings": (
        "[task]",
        "[simulation]\narrivals = { trace = 'x.csv' }\n[task]",
        [
            'simulation.arrivals.format: required, must be one of "azure-llm-2023", "tasks"',
            "simulation.arrivals.bits_per_token: required, must be a finite number > 0",
            "simulation.arrivals.flop_per_token: required, must be a finite number > 0",
        ],
    ),
    "a misspelt setting of a trace": (
        "[task]",
        "[simulation.arrivals]\ntrace = ''\nformat = 'azure-llm-2023'\nspeedup = 2\n"
        "bits_per_token = 1\nflop_per_token = 1\n[task]",
        [
            'simulation.arrivals.trace = "": must be the path of a file, as text on one line',
            "simulation.arrivals.speedup = 2: unknown key, did you mean speed_up?",
        ],
    ),
    "bursts and a trace": (
        "[task]",
        "[simulation.arrivals]\ntrace = 'x'\nformat = 'azure-llm-2023'\nbits_per_token = 1\n"
        "flop_per_token = 1\nburst_ratio = 3\n[task]",
        ["simulation.arrivals.burst_ratio = 3: must not be given together with trace"],
    ),
    "a setting of a trace among bursts": (
        "[task]",
        "[simulation]\narrivals = { burst_ratio = 3, speed_up = 2 }\n[task]",
        ["simulation.arrivals.speed_up = 2: must not be given together with burst_ratio"],
    ),
    "bursts without their ratio": (
        "[task]",
        "[simulation]\narrivals = { burst_share = 0.2 }\n[task]",
        ["simulation.arrivals.burst_ratio: required, must be a finite number from 1 to 1000000"],
    ),
    "a misspelt setting of bursts": (
        "[task]",
        "[simulation]\narrivals = { burst_rtio = 2 }\n[task]",
        ["simulation.arrivals.burst_rtio = 2: unknown key, did you mean burst_ratio?"],
    ),
    "bursts too short to be held": (
        "[task]",
        "[simulation]\narrivals = { burst_ratio = 2, burst_mean_s = 1e-7 }\n[task]",
        [
            "simulation.arrivals.burst_mean_s = 1e-07: must be at least 2.04e-06: the run of 102 s "
            "may have 10000000 bursts and calms on average"
        ],
    ),
    "a law of work that nobody knows": (
        "work_flop = 1e10",
        "work_flop = 1e10\nlaw = 'gamma'",
        [
            'task.law = "gamma": must be one of "exponential", "deterministic" or a table of '
            "lognormal_cv or a table of prompt_cv, answer_cv, correlation, prompt_share or a table "
            "of trace, format, work_of"
        ],
    ),
    "two laws of work": (
        "work_flop = 1e10",
        "work_flop = 1e10\nlaw = { lognormal_cv = 2, trace = 'x', format = 'azure-llm-2023' }",
        ["task.law.lognormal_cv = 2: must not be given together with prompt_cv or trace"],
    ),
    "a law of work beside requests that bring theirs": (
        "output_bits = 2e5\n",
        "output_bits = 2e5\nlaw = 'deterministic'\n[simulation.arrivals]\ntrace = 'x'\n"
        "format = 'azure-llm-2023'\nbits_per_token = 1\nflop_per_token = 1\n",
        [
            'task.law = "deterministic": must be "exponential", the default, with '
            "simulation.arrivals.trace: its requests bring their own work"
        ],
    ),
}


@pytest.mark.parametrize("case", SINGLE)
def test_line_of_a_single_fault(case: str, small_text: str, write: Callable[[str], str]) -> None:
    before, after, expected = SINGLE[case]
    assert before in small_text
    source = write(small_text.replace(before, after, 1))
    assert lines(source) == [f"m.toml: {line}" for line in expected]


@pytest.mark.filterwarnings("ignore::airan_market.scenarios.ScenarioWarning")  # on purpose
@pytest.mark.parametrize(
    ("key", "refused", "accepted"),
    [
        ("mechanism.chernoff_zeta", ["0", "1", "nan"], ["0.001", "0.999"]),
        ("mechanism.damping", ["0", "1.0001"], ["0.001", "1"]),
        ("mechanism.demand_floor", ["-0.1", "1"], ["0", "0.999"]),
        ("mechanism.capacity_safety", ["0", "1.01"], ["0.01", "1"]),
        ("mechanism.assumed_workload_share", ["0", "1.01"], ["0.01", "1"]),
        ("mechanism.latency_min_s", ["-1e-9"], ["0"]),
        ("mechanism.temperature_end_usd", ["0", "-1e-5"], ["1e-30", "1e-4"]),
        ("mechanism.tolerance", ["-1e-9"], ["0"]),
        ("mechanism.shadow_price_step_usd", ["-1e-9"], ["0"]),
        ("mechanism.participation_margin_usd", ["-1e-9"], ["0", "1e-5"]),
        ("mechanism.max_iterations", ["0", "1.0"], ["1"]),
        ("mechanism.gsmc_unit", ["'types'", "1"], ["user", "type"]),
        *(
            (f"mechanism.{name}_belief", ["'hope'"], ["posted", "empty", "placed", "congested"])
            for name in ("ct", "mc")
        ),
        ("mechanism.gsmc_belief", ["'placed'"], ["posted", "empty"]),
        ("mechanism.gsmc_quotas", ["1"], ["true", "false"]),
        ("mechanism.ties", ["'luck'"], ["capacity", "number"]),
        ("users.rounding", ["'ceiling'"], ["floor", "largest-remainder"]),
        ("mechanism.name", ["'MIXED'", "1"], ["mixed", "ct", "mc", "gsmc"]),
        (
            "mechanism.belief",
            ["''"],
            ["chernoff", "chernoff-optimised", "chernoff-priority", "fifo", "priority", "measured"],
        ),
        ("simulation.rounds", ["0", "-1", "2.5"], ["1"]),
        ("simulation.horizon_s", ["0", "inf"], ["1e-6", "7"]),
        ("simulation.warmup_s", ["-1"], ["0"]),
        ("simulation.engine", ["fast"], ["simpy", "compiled"]),
        ("simulation.discipline", ["fcfs", "lifo", "3"], ["preemptive-resume"]),
        ("simulation.assignment", ["drawn"], ["sampled", "proportional", "projected"]),
        ("simulation.arrivals", ["Poisson"], ["poisson"]),
        ("simulation.arrivals.burst_ratio", ["0.9", "1000001", "inf"], ["1", "1e6"]),
        ("task.law", ["normal", "3"], ["exponential", "deterministic"]),
        ("task.law.lognormal_cv", ["0", "101"], ["0.1", "100"]),
        ("task.law.prompt_cv", ["0", "101"], ["0.1", "100"]),
        ("users.total", ["0", "-5"], ["1"]),
        ("users.tasks_per_user_per_s", ["0", "-1"], ["1e-9"]),
        ("users.dirichlet_alpha", ["0", "-1", "nan"], ["0.1"]),
        ("users.latency_sensitivity_usd_per_s[2]", ["0", "-1e-4", "inf"], ["1e-9", "2e-4"]),
        ("task.input_bits", ["0"], ["1"]),
        ("economics.refund_usd", ["-1e-9"], ["0"]),
        ("economics.violation_cost_usd", ["-1e-9"], ["0"]),
        ("economics.running_cost_usd", ["-1e-9"], ["0"]),
        ("economics.opt_out_utility_usd", ["nan"], ["-1", "1"]),
        ("operators[1].uplink.servers", ["0"], ["1"]),
        ("operators[1].uplink.rate_bps", ["0"], ["1"]),
        ("operators[1].service_value_usd", ["nan"], ["2e-3"]),
        ("operators[1].quality", ["0", "-1", "nan"], []),
        ("users.quality_sensitivity_usd", ["[]", "3"], ["[1e-4]"]),
        ("mechanism.lowest_served_quality", ["0", "1.0"], ["1"]),
        ("operators", ["[]", "3"], []),
    ],
)
def test_ends_of_ranges(
    key: str, refused: list[str], accepted: list[str], small_text: str, write: Callable[[str], str]
) -> None:
    source = write(small_text)
    for value in accepted:
        load_scenario(source, [f"{key}={value}"])
    for value in refused:
        assert any(
            line.startswith(f"--set: {key} = ") for line in lines(source, [f"{key}={value}"])
        )


QUALITIES = ("users.quality_sensitivity_usd=[4e-4, 5e-4]", "users.quality_shares=[[0.5, 0.5]]")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            QUALITIES[:1],
            ["teleoperation: users.quality_shares: required with several quality sensitivities"],
        ),
        (
            ["users.quality_sensitivity_usd=[5e-4, 4e-4]", QUALITIES[1]],
            [
                "--set: users.quality_sensitivity_usd = [0.0005, 0.0004]: must not decrease from "
                "one type to the next (type 2: 0.0004 follows 0.0005)"
            ],
        ),
        (
            [QUALITIES[0], "users.quality_shares=[[0.5, 0.4], [0.2, 0.3, 0.5]]"],
            [
                "--set: users.quality_shares = [[0.5, 0.4], [0.2, 0.3, 0.5]]: must have one row, "
                "or one for each of the 8 latency sensitivities (has 2)",
                "--set: users.quality_shares[1] = [0.5, 0.4]: must sum to 1 (sums to 0.9)",
                "--set: users.quality_shares[2] = [0.2, 0.3, 0.5]: must have one share for each of "
                "the 2 quality sensitivities (has 3)",
            ],
        ),
        (
            [*QUALITIES, "services=[{name='all', types=[1,2,3,4,5,6,7,8]}]"],
            [
                "--set: users.quality_sensitivity_usd = [0.0004, 0.0005]: must not be given with "
                "several services: each has its value"
            ],
        ),
        (
            [*QUALITIES, "economics.service_value_usd=0"],
            [
                "--set: economics.service_value_usd = 0: must be a finite number > 0 with "
                "users.quality_sensitivity_usd"
            ],
        ),
        (
            [*QUALITIES, "operators[2].quality=1.5", "operators[2].service_value_usd=1e-3"],
            [
                "--set: operators[2].service_value_usd = 0.001: must not be given together with "
                "quality"
            ],
        ),
        (
            ["operators[2].quality=1.5", "users.quality_shares=[[1.0]]"],
            [
                "--set: users.quality_shares = [[1.0]]: must not be given without "
                "users.quality_sensitivity_usd",
                "--set: operators[2].quality = 1.5: must not be given without "
                "users.quality_sensitivity_usd",
            ],
        ),
        (
            [*QUALITIES, "mechanism.lowest_served_quality=3"],
            [
                "--set: mechanism.lowest_served_quality = 3: must be at most 2, the number of "
                "quality sensitivities"
            ],
        ),
        (
            [*QUALITIES, "operators[1].strategy.kind=best-response",
             "operators[1].strategy.margins=true"],
            [
                "--set: operators[1].strategy.margins = true: must be false with several quality "
                "sensitivities"
            ],
        ),
    ],
)  # fmt: skip
def test_quality_types_that_contradict_something(
    overrides: Sequence[str], expected: list[str]
) -> None:
    assert lines("teleoperation", overrides) == expected


def test_a_market_of_qualities_needs_no_service_value_and_another_does() -> None:
    tables = tomllib.loads(dump_toml(load_scenario("quality_types")))
    assert load_scenario(tables).economics.service_value_usd is None
    del tables["operators"][1]["quality"]
    assert lines(tables) == [
        "mapping: economics.service_value_usd: required, must be a finite number; or a quality for "
        "every operator"
    ]


@pytest.mark.parametrize("value", ["3", "[]", "text", "true"])
@pytest.mark.parametrize("key", ["users", "economics", "mechanism", "simulation", "operators[1]"])
def test_a_value_in_place_of_a_table_is_one_fault(
    key: str, value: str, small_text: str, write: Callable[[str], str]
) -> None:
    (line,) = lines(write(small_text), [f"{key}={value}"])
    assert line.startswith(f"--set: {key} = ")
    assert ": must be a table of " in line


def test_shares_may_miss_one_by_rounding_and_no_more(small_text: str) -> None:
    load_scenario("teleoperation", ["users.shares=[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3]"])
    near = [0.125] * 7 + [0.125 + 0.9e-9]
    load_scenario("teleoperation", [f"users.shares={near}"])
    far = [0.125] * 7 + [0.125 + 1.1e-9]
    assert (
        "must sum to 1 (sums to 1.0000000011)" in lines("teleoperation", [f"users.shares={far}"])[0]
    )


def test_five_faults_give_five_lines(write: Callable[[str], str]) -> None:
    source = write("""\
name = "five"
[users]
total = 10
latency_sensitivity_usd_per_s = [3e-4, 2e-4, nan]
shares = [0.5, 0.6]
tasks_per_user_per_s = -2.0
colour = "red"
[task]
input_bits = 1e5
work_flop = 1e10
output_bits = 2e5
[economics]
service_value_usd = 1e-3
refund_usd = 1e-4
violation_cost_usd = 1e-3
running_cost_usd = 0
[[operators]]
name = "a"
uplink = { servers = 2, rate_bps = 1e7 }
gpu = { servers = 3, rate_flop_per_s = 1e11 }
downlink = { servers = 4, rate_bps = 3e7 }
""")
    assert lines(source) == [
        "m.toml: users.latency_sensitivity_usd_per_s[3] = nan: must be a finite number > 0",
        "m.toml: users.shares = [0.5, 0.6]: "
        "must have one share for each of the 3 latency sensitivities (has 2)",
        "m.toml: users.shares = [0.5, 0.6]: must sum to 1 (sums to 1.1)",
        "m.toml: users.tasks_per_user_per_s = -2.0: must be a finite number > 0",
        'm.toml: users.colour = "red": unknown key, allowed here are: total, '
        "latency_sensitivity_usd_per_s, shares, dirichlet_alpha, quality_sensitivity_usd, "
        "quality_shares, whole_users, rounding, tasks_per_user_per_s, rhythm, strategy",
    ]


def test_five_faults_in_five_tables_and_two_from_the_command_line(
    small_text: str, write: Callable[[str], str]
) -> None:
    text = small_text
    for before, after in [
        ("total = 10", "total = 10\nname = 'x'"),
        ("work_flop = 1e10", "work_flop = nan"),
        ("rate_flop_per_s = 2e11", "rate_flop_per_s = -2e11"),
        ("[0.5, 0.5]", "[0.5, 0.4, 0.2]"),
    ]:
        text = text.replace(before, after, 1)
    told = lines(write(text), ["simulation.rounds=0", "mechanism.damping"])
    assert told == [
        "--set: mechanism.damping: must be written dotted.key=value",
        'm.toml: users.name = "x": unknown key here, did you mean name or operators[m].name or '
        "services[m].name or mechanism.name?",
        "m.toml: users.shares = [0.5, 0.4, 0.2]: "
        "must have one share for each of the 2 latency sensitivities (has 3)",
        "m.toml: users.shares = [0.5, 0.4, 0.2]: must sum to 1 (sums to 1.1)",
        "m.toml: task.work_flop = nan: must be a finite number > 0",
        "m.toml: operators[2].gpu.rate_flop_per_s = -2e+11: must be a finite number > 0",
        "--set: simulation.rounds = 0: must be a whole number from 1 to 1000000",
    ]


def test_an_empty_file_names_what_it_lacks(write: Callable[[str], str]) -> None:
    assert [line.split(":")[1].strip() for line in lines(write(""))] == [
        "name",
        "users",
        "task",
        "economics",
        "operators",
    ]


def test_syntax_error_names_line_and_column(write: Callable[[str], str]) -> None:
    source = write('name = "a"\n[users]\ntotal 10\n')
    assert lines(source) == [
        "m.toml: line 3, column 7: not TOML: Expected '=' after a key in a key/value pair"
    ]


def test_syntax_error_at_the_end_names_line_and_column(write: Callable[[str], str]) -> None:
    source = write('name = "a"\n[users]\nshares = [1')
    assert lines(source) == ["m.toml: line 3, column 12: not TOML: Unclosed array"]


def test_a_key_written_twice(write: Callable[[str], str]) -> None:
    source = write('name = "a"\nname = "b"\n')
    assert lines(source) == ["m.toml: line 2, column 11: not TOML: Cannot overwrite a value"]


def test_a_number_of_too_many_digits(write: Callable[[str], str]) -> None:
    (line,) = lines(write(f"total = {'1' * 5000}\n"))
    assert line.startswith("m.toml: cannot be read as TOML: Exceeds the limit")


def test_bytes_that_are_not_utf8(write: Callable[[bytes], str]) -> None:
    assert lines(write(b'name = "a"\n# caf\xe9\n')) == ["m.toml: line 2: must be UTF-8 text"]


def test_a_byte_order_mark_is_no_fault(small_text: str, write: Callable[[str], str]) -> None:
    assert load_scenario(write("\ufeff" + small_text)).name == "small"


def test_no_such_file(write: Callable[[str], str]) -> None:
    ships = f"(scenarios that ship: {', '.join(shipped_scenarios())})"
    assert "overpromise, pact, pact_in_ran, price_war" in ships
    assert lines("teleoperaton") == [
        f"teleoperaton: no such file, did you mean teleoperation? {ships}"
    ]
    assert lines(Path("none/x.toml")) == [f"none/x.toml: no such file {ships}"]
    assert lines("two\nlines") == [f"two\\nlines: no such file {ships}"]


def test_a_directory_is_no_scenario(tmp_path: Path) -> None:
    assert lines(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]


def test_long_values_are_shortened(write: Callable[[str], str], small_text: str) -> None:
    (line,) = lines(write(small_text.replace('"small"', f'"{"x/" * 100}"')))
    assert line == f'm.toml: name = "{"x/" * 28}...: must be {NAME_RULE}'


def test_a_mapping_has_faults_too(small_text: str) -> None:
    assert lines({"name": "a", 3: 4})[-1] == (
        "mapping: operators: required, must be one or more [[operators]] tables"
    )


def test_a_fault_without_a_value_or_a_key() -> None:
    assert str(Fault("f", "k", "1", "no")) == "f: k = 1: no"
    assert str(Fault("f", "k", "", "no")) == "f: k: no"
    assert str(Fault("f", "", "", "no")) == "f: no"


def test_the_only_operator_with_a_fault_is_one_line(small_text: str) -> None:
    """A list of one faulty table is not also said to be an empty list."""
    tables = tomllib.loads(small_text)
    tables["operators"] = [tables["operators"][0] | {"uplink": {"servers": 1, "rate_bps": -1.0}}]
    with pytest.raises(ScenarioError) as caught:
        load_scenario(tables)
    assert [fault.key for fault in caught.value.faults] == ["operators[1].uplink.rate_bps"]
