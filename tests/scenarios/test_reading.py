"""Readings: files of settings laid over a scenario, before what the command line says."""

from collections.abc import Callable

import pytest

from airan_market.scenarios import (
    Reading,
    ScenarioError,
    load_reading,
    load_scenario,
    shipped_readings,
)

LOCAL = '# mine\nused = ["table_i"]\n[settings]\nmechanism.design = "local"\n'


def lines(act: Callable[[], object]) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        act()
    return [str(fault) for fault in caught.value.faults]


@pytest.fixture
def file(tmp_path) -> Callable[[str], str]:
    def written(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return str(path)

    return written


def test_a_reading_says_what_it_is_and_what_it_decides(file) -> None:
    text = LOCAL + "[each_operator]\ngpu.rate_flop_per_s = 41e12\n[fitted]\nusers = [1, 2]\n"
    assert load_reading(file(text + 'used = ["refund"]\n')) == Reading(
        name="mine",
        description="mine",
        settings={"mechanism": {"design": "local"}},
        each_operator={"gpu": {"rate_flop_per_s": 41e12}},
        users=(1, 2),
        used=("table_i",),
        used_for_users=("refund",),
    )


def test_operators_all_get_it_and_overrides_come_last(file) -> None:
    reading = file(LOCAL + "[each_operator]\ngpu.rate_flop_per_s = 41e12\n")
    own = ["mechanism.design=exact", "operators[2].gpu.rate_flop_per_s=42e12"]
    plain = load_scenario("teleoperation")
    read = load_scenario("teleoperation", reading=reading)
    assert read.mechanism.design == "local"
    assert [operator.gpu.rate_flop_per_s for operator in read.operators] == [41e12] * 3
    assert [o.uplink for o in read.operators] == [o.uplink for o in plain.operators]
    changed = load_scenario("teleoperation", own, reading=load_reading(reading))
    assert changed.mechanism.design == "exact"
    assert [o.gpu.rate_flop_per_s for o in changed.operators] == [41e12, 42e12, 41e12]
    assert load_scenario("teleoperation", reading="ours") == plain


@pytest.mark.parametrize("name", shipped_readings())
@pytest.mark.parametrize("scenario", ["teleoperation", "bound_fails"])
def test_what_ships_fits_any_scenario_and_says_what_it_is(name: str, scenario: str) -> None:
    load_scenario(scenario, reading=name)
    assert 20 < len(shipped_readings()[name]) < 120
    assert {"table_i", "totals"} <= set(load_reading(name).used)


def test_faults_name_the_reading_or_what_came_after_it(file) -> None:
    reading = file('[settings]\nmechanism.desin = "local"\nusers.total = -3\n')
    allowed = "must be a whole number from 1 to 10000000"
    assert sorted(lines(lambda: load_scenario("teleoperation", reading=reading))) == [
        'reading mine: mechanism.desin = "local": unknown key, did you mean design?',
        f"reading mine: users.total = -3: {allowed}",
    ]
    told = lines(lambda: load_scenario("teleoperation", ["users.total=-4"], reading=reading))
    assert f"--set: users.total = -4: {allowed}" in told
    place = file("[settings]\nname.first = 1\n")
    assert lines(lambda: load_scenario("teleoperation", reading=place)) == [
        "reading mine: name.first = 1: name is a single value, not a table"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seting = 1", "seting = 1: unknown key"),
        ("settings = 1", "settings = 1: must be a valid dictionary"),
        ("used = 3", "used = 3: must be a valid tuple"),
        ("[fitted]\nusers = [1.5]", "fitted.users[1] = 1.5: must be a valid integer"),
        ("[fitted]\nusers = [-1]", "fitted.users[1] = -1: must be greater than or equal to 0"),
        ("used = [", "not TOML: "),
    ],
)
def test_a_faulty_file_is_one_line_a_fault(file, text: str, said: str) -> None:
    (line,) = lines(lambda: load_reading(file(text)))
    assert line.startswith(f"{file(text)}: {said}")


def test_an_unknown_name_and_a_missing_file(tmp_path) -> None:
    assert lines(lambda: load_reading("theirs")) == [
        "theirs: no such reading (those that ship: as_published, exact, ours, whole_types; "
        "or the path of a .toml file)"
    ]
    path = str(tmp_path / "none.toml")
    assert lines(lambda: load_reading(path)) == [
        f"{path}: cannot be read: No such file or directory"
    ]


def test_operators_that_are_none_do_not_hide_the_other_faults() -> None:
    plain = {"name": "x", "operators": 3}
    told = lines(lambda: load_scenario(plain, reading=Reading("r", each_operator={"name": "y"})))
    assert any(line.startswith("mapping: operators = 3") for line in told)
