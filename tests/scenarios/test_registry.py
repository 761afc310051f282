"""Names of what others bring: who may have one, what happens to a wrong or a broken one."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from airan_market.scenarios import ScenarioError, load_pact, load_scenario
from airan_market.scenarios.registry import Registry, RegistryError, use

PLAIN = SimpleNamespace(context=None)  # nothing said of what is validated


@pytest.fixture
def hats() -> Registry:
    return Registry("hat", "head, *, size", {"cap": ["math:cos"]})


def wear(head, *, size):
    return head, size


def offer(site: Path, monkeypatch, points: str, distribution: str = "hatter") -> None:
    """Install a distribution with entry points of the group of hats into a directory."""
    info = site / f"{distribution}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[airan_market.hats]\n{points}\n")
    monkeypatch.syspath_prepend(str(site))


def test_ours_is_imported_when_it_is_asked_for(hats: Registry) -> None:
    import math

    assert hats.get("cap") is math.cos
    hats = Registry("hat", "", {"lost": ["no_such_module_of_ours:hat", "kernel"]})
    assert hats.names() == ["lost"]
    assert hats.known("lost", PLAIN) == "lost"
    assert hats.kernels("lost") == ("kernel",)
    assert hats.kernels("another") == ()
    with pytest.raises(ModuleNotFoundError):  # the control: a name alone imports nothing
        hats.get("lost")


def test_a_registered_name_stands_behind_ours(hats: Registry) -> None:
    assert hats.register("bowler")(wear) is wear
    assert hats.get("bowler") is wear
    assert hats.names() == ["cap", "bowler"]


def test_the_same_code_may_come_again_and_the_last_one_holds(hats: Registry) -> None:
    def cell():
        def wear(head, *, size):
            return None

        return hats.register("bowler")(wear)

    first, second = cell(), cell()
    assert first is not second
    assert hats.get("bowler") is second


@pytest.mark.parametrize(
    ("name", "thing", "said"),
    [
        ("bowler", lambda head, *, size: None, "is taken by .*wear, .*<lambda> cannot have it"),
        ("cap", wear, "hat 'cap': the name is taken by one that ships"),
        ("top", lambda head: None, r"hat 'top': must take \(head, \*, size\): .*'size'"),
        ("top", lambda head, brim, *, size: None, "missing a required argument: 'brim'"),
        ("top", 3, "not a callable"),
    ],
)
def test_what_cannot_be_registered(hats: Registry, name, thing, said) -> None:
    hats.register("bowler")(wear)
    with pytest.raises(RegistryError, match=said):
        hats.register(name)(thing)
    assert hats.names() == ["cap", "bowler"]


def test_a_wrong_name_is_told_those_there_are(hats: Registry) -> None:
    hats.register("bowler")(wear)
    with pytest.raises(RegistryError) as error:
        hats.get("bowls")
    assert str(error.value) == (
        'hat \'bowls\': must be one of "cap", "bowler", or a registered name (--use); '
        'did you mean "bowler"?'
    )


def test_names_of_entry_points_are_read_without_importing(hats, tmp_path, monkeypatch) -> None:
    offer(tmp_path, monkeypatch, "fez = hatter_of_tests:fez\ncap = hatter_of_tests:other")
    (tmp_path / "hatter_of_tests.py").write_text("def fez(head, *, size): return 'red'\n")
    assert hats.names() == ["cap", "fez"]
    assert hats.known("fez", PLAIN) == "fez"
    assert "hatter_of_tests" not in sys.modules
    assert hats.get("fez")(1, size=2) == "red"
    assert "hatter_of_tests" in sys.modules
    assert hats.get("cap").__name__ == "cos"  # ours keep their names


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("x = 1", "AttributeError: module 'broken_hats_{}' has no attribute 'fez'"),
        ("def fez(): pass", "hat 'fez' of hatter 1.2: must take \\(head, \\*, size\\)"),
    ],
)
def test_a_broken_package_breaks_only_those_who_use_it(
    hats, tmp_path, monkeypatch, request, code, said
) -> None:
    number = request.node.callspec.indices["code"]
    offer(tmp_path, monkeypatch, f"fez = broken_hats_{number}:fez")
    (tmp_path / f"broken_hats_{number}.py").write_text(code)
    hats.register("bowler")(wear)
    assert hats.names() == ["cap", "bowler", "fez"]
    assert hats.get("bowler") is wear
    with pytest.raises(RegistryError, match=r"hat 'fez' of hatter 1\.2[:,] ") as error:
        hats.get("fez")
    assert error.match(said.format(number))
    assert "\n" not in str(error.value)


def test_two_packages_with_one_name_are_both_named(hats, tmp_path, monkeypatch) -> None:
    offer(tmp_path / "one", monkeypatch, "fez = a:b")
    offer(tmp_path / "two", monkeypatch, "fez = c:d", distribution="milliner")
    with pytest.raises(RegistryError, match=r"'fez' of milliner 1\.2 and of hatter 1\.2"):
        hats.get("fez")


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (
            "./mine.py",
            "--use ./mine.py: must be a module as in `import package.module`, not a file",
        ),
        ("", "--use : must be a module"),
        ("no_such_module", "--use no_such_module: ModuleNotFoundError: No module named"),
        ("this", "--use this: registers no mechanism, no belief and no discipline (it is /"),
    ],
)
def test_use_says_what_is_wrong_with_a_module(module: str, said: str, capsys) -> None:
    sys.modules.pop("this", None)
    with pytest.raises(RegistryError) as error:
        use(module)
    assert str(error.value).startswith(said)


def test_a_scenario_cannot_say_where_code_is() -> None:
    for key in ("mechanism.use=os", "use=os", "mechanism.name=os:system", "mechanism.name=os.path"):
        with pytest.raises(ScenarioError):
            load_scenario("teleoperation", [key])


def test_of_what_was_played_any_name_is_read() -> None:
    mine = ["mechanism.name=mine", "mechanism.belief=yours", "simulation.discipline=theirs"]
    mine.append("simulation.engine=simpy")
    assert load_scenario("teleoperation", mine, played=True).mechanism.belief == "yours"
    assert load_pact("pact", mine[2:], played=True).simulation.discipline == "theirs"
    with pytest.raises(ScenarioError) as error:
        load_scenario("teleoperation", mine)
    assert len(error.value.faults) == 3


def test_loading_a_scenario_reads_no_metadata_of_packages() -> None:
    program = (
        "import importlib.metadata; from airan_market.scenarios import load_scenario\n"
        "def no(**_): raise SystemExit('looked')\n"
        "importlib.metadata.entry_points = no\n"
        "load_scenario('teleoperation', ['mechanism.name={}'])\n"
    )
    for name, status in (("ct", 0), ("cta", 1)):  # the second is the control
        done = subprocess.run([sys.executable, "-c", program.format(name)], capture_output=True)
        assert done.returncode == status, done.stderr
