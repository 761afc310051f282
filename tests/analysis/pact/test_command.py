"""The command `pact`: what it prints, what it leaves, what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from airan_market.agents.pact.policy import audit
from airan_market.analysis.cli.program import invoke
from airan_market.analysis.pact import claims as pact_claims
from airan_market.analysis.pact import tables as pact_tables
from airan_market.analysis.store.lock import locked
from airan_market.analysis.store.manifest import read_manifest

MINE = """\
name = "mine"
[pact]
types = [1, 2, 4]
services = [
    { name = "slow", quality = 0.3, cost_usd = 0.02, liability_usd = 0.4 },
    { name = "fast", quality = 0.7, cost_usd = 0.2, liability_usd = 0.1, latency_s = 0.5 },
]
"""


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    # as many points as a picture needs to be one
    monkeypatch.setattr(pact_tables, "LEVELS", 6)
    monkeypatch.setattr(pact_tables, "SCALES", np.array([0.2, 1.0]))
    monkeypatch.setattr(audit, "RATES", 6)
    Path("mine.toml").write_text(MINE, encoding="utf-8")
    return tmp_path


def test_json_has_the_fields_of_the_interface_and_nothing_else_is_printed(capsys) -> None:
    assert invoke(["pact", "mine.toml", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {
        "services", "types", "provider_utility", "social_welfare", "with_liability",
        "liability_break_even",
    } <= set(found)  # fmt: skip
    assert [set(row) for row in found["services"]] == [{"q", "latency_s", "cost"}] * 2
    assert found["services"][0] == {"q": 0.3, "latency_s": None, "cost": 0.02}
    row = {"quality", "price", "user_utility", "provider_utility"}
    for part in (found, found["with_liability"]):
        assert [set(item) for item in part["types"]] == [{"theta", "first_best"} | row] * 3
        assert set(part["types"][0]["first_best"]) == row
        total = sum(item["provider_utility"] for item in part["types"]) / 3
        assert part["provider_utility"] == pytest.approx(total)
    assert found["with_liability"]["services"][1]["cost"] == pytest.approx(0.3)
    assert found["provider_utility"] > found["with_liability"]["provider_utility"]
    assert not Path("runs").exists()


def test_the_break_even_level_is_one(capsys) -> None:
    assert invoke(["pact", "mine.toml", "--json", "-q"]) == 0
    level = json.loads(capsys.readouterr().out)["liability_break_even"]
    at = f"pact.liability_level={level!r}"
    assert invoke(["pact", "mine.toml", "--json", "-q", "--set", at]) == 0
    found = json.loads(capsys.readouterr().out)
    assert abs(found["with_liability"]["provider_utility"]) < 1e-6


@pytest.mark.usefixtures("sketched")
def test_it_leaves_tables_and_figures_and_never_overwrites_another_result(capsys) -> None:
    assert invoke(["pact", "mine.toml"]) == 0
    captured = capsys.readouterr()
    directory = Path(captured.out.splitlines()[-1])
    assert directory.parent == Path("runs")
    assert "Menu without liability, USD per request" in captured.out
    assert {file.name for file in directory.iterdir() if file.suffix != ".svg"} == {
        "scenario.toml", "pact.json", "services.csv", "menus.csv", "liability.csv",
        "break_even.csv", "services.png", "figure2.png", "figure3.png", "figure4.png",
        "liability.png", "break_even.png", "audits.csv", "audits.png", "manifest.json",
        "report.html",
    }  # fmt: skip
    drawn = (directory / "pact.json").stat().st_mtime_ns
    assert invoke(["pact", "mine.toml"]) == 0
    assert "holds this result already" in capsys.readouterr().err
    assert (directory / "pact.json").stat().st_mtime_ns == drawn
    page = (directory / "report.html").read_text(encoding="utf-8")
    (directory / "report.html").unlink()
    (directory / "figure4.png").unlink()
    assert invoke(["report", str(directory)]) == 0
    assert capsys.readouterr().out == f"{directory}/report.html\n"
    assert (directory / "report.html").read_text(encoding="utf-8") == page
    drawings = {path.stem for path in directory.glob("*.png")}
    assert page.count("<figure") == len(drawings) == 7
    assert drawings == {path.stem for path in directory.glob("*.svg")}
    other = ["pact", "mine.toml", "--set", "pact.types=[1, 2]", "--out", str(directory), "-q"]
    assert invoke(other) == 2
    assert "allowed with --force" in capsys.readouterr().err
    assert json.loads((directory / "pact.json").read_text())["certificates"][0]
    Path("precious").mkdir()
    Path("precious/thesis.txt").write_text("three years")
    assert invoke(["pact", "mine.toml", "--out", "precious", "--force"]) == 2
    assert "not a directory of ours" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["solve", "pact"], "pact: is a PACT scenario, for `airan-market pact`"),
        (["pact", "teleoperation"], "teleoperation: is an AI-RAN scenario"),
        (["pact", "mine.toml", "--set", "pact.types=[2, 1]"], "--set: pact.types = [2, 1]: must"),
        (
            ["pact", "mine.toml", "--set", "pact.services[2].cost_usd=0.01"],
            "mine.toml: pact.services[2].cost_usd = 0.01: costs must not decrease",
        ),
        (
            ["pact", "pact", "--set", "pact.cost_curve.form=quadratic"],
            'pact: pact.cost_curve.form = "quadratic": the quadratic curve decreases at q = 0',
        ),
        (
            ["pact", "pact", "--set", "pact.valuation.form=expression", "--set",
             "pact.valuation.expression=q**2"],
            'pact: pact.valuation.expression = "q**2": must be strictly increasing',
        ),
    ],
)  # fmt: skip
def test_bad_input_ends_in_one_line_and_status_2(arguments, line: str, capsys) -> None:
    assert invoke([*arguments, "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(line)
    assert captured.err.count("\n") == 1


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("one service, one type", ["pact.types=[3]", "pact.menu=discrete", "pact.serve_all=false",
                                   'pact.services=[{ name = "a", quality = 0.5, cost_usd = 0.1, '
                                   "liability_usd = 0.3 }]"]),
        ("no liability", ["pact.services[1].liability_usd=0", "pact.services[2].liability_usd=0"]),
    ],
)  # fmt: skip
def test_odd_markets_are_drawn_too(name: str, settings: list[str], capsys) -> None:
    arguments = [part for setting in settings for part in ("--set", setting)]
    assert invoke(["pact", "mine.toml", "-q", "--out", "odd", *arguments]) == 0, name
    assert "does not cross zero" in capsys.readouterr().out
    assert not Path("odd/break_even.png").exists()
    assert Path("odd/figure4.png").exists()


@pytest.mark.usefixtures("sketched")
def test_claims_interrupted_keep_the_rest_and_go_on_later(capsys, monkeypatch) -> None:
    few = {name: values[:1] for name, values in pact_claims.AXES.items()} | {
        "value scale": (0.1, 1.0), "highest quality": ("1", "best service"),
        "form of fit": ("exponential", "services"),
    }  # fmt: skip
    monkeypatch.setattr(pact_claims, "AXES", few)
    judge = pact_claims.judge

    def interrupted(*_: object) -> dict[str, bool | float]:
        raise KeyboardInterrupt

    monkeypatch.setattr(pact_claims, "judge", interrupted)
    assert invoke(["pact", "mine.toml", "--claims", "--out", "kept"]) == 3
    assert "tables and figures are kept in kept" in capsys.readouterr().err
    assert Path("kept/figure4.png").exists()
    assert not Path("kept/claims.md").exists()
    computed = Path("kept/menus.csv").stat().st_mtime_ns
    monkeypatch.setattr(pact_claims, "judge", judge)
    assert invoke(["pact", "mine.toml", "--claims", "--out", "kept"]) == 0
    told = capsys.readouterr()
    assert "reading 6 of 6" in told.err
    assert "Fig. 2: every type's own item is its best, and not negative: holds" in told.out
    assert read_manifest(Path("kept")).tables.keys() >= {"claims.csv", "readings.csv"}
    assert Path("kept/menus.csv").stat().st_mtime_ns == computed
    assert "| Fig. 2: " in Path("kept/claims.md").read_text(encoding="utf-8")
    assert Path("kept/claims.png").exists()
    assert not list(Path().glob(".*.partial"))
    whole = Path("kept/claims.md").read_bytes()
    Path("kept/claims.md").write_bytes(b"")  # what is damaged is not believed
    assert invoke(["pact", "mine.toml", "--claims", "--out", "kept", "--quiet"]) == 0
    assert Path("kept/claims.md").read_bytes() == whole
    with locked(Path("kept")):
        Path("kept/claims.md").unlink()
        assert invoke(["pact", "mine.toml", "--claims", "--out", "kept", "--quiet"]) == 2
    assert "kept: another process is writing it" in capsys.readouterr().err
    Path("kept/menus.csv").write_bytes(b"")
    assert invoke(["pact", "mine.toml", "--out", "kept", "--quiet"]) == 2
    assert "kept/menus.csv: SHA-256 differs" in capsys.readouterr().err


@pytest.mark.usefixtures("sketched")
def test_a_rival_competes_for_the_same_users(capsys) -> None:
    text = MINE.replace("mine", "other").replace("quality = 0.7, cost_usd = 0.2", "quality = 0.9, "
                        "cost_usd = 0.6").replace("[1, 2, 4]", "[3, 9]")  # fmt: skip
    Path("other.toml").write_text(text, encoding="utf-8")
    assert invoke(["pact", "mine.toml", "--rival", "other.toml", "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)["competition"]
    assert [len(row) for row in found["match_probability"]] == [3, 3]  # the users are those of mine
    assert len(found["providers"]) == 2
    assert invoke(["pact", "mine.toml", "--rival", "other.toml", "--out", "two", "-q"]) == 0
    told = capsys.readouterr().out
    assert "rival other: " in told
    assert len(list(Path("two").glob("rival-other-*.png"))) == 1
    Path("tasks.toml").write_text(TASKS, encoding="utf-8")
    assert invoke(["pact", "mine.toml", "--rival", "tasks.toml"]) == 2
    assert "pact.tasks: must not be given with --rival" in capsys.readouterr().err


TASKS = """\
name = "tasks"
[pact]
types = [1, 2, 4]
menu = "discrete"
tasks = [{ name = "a", share = 0.25 }, { name = "b", share = 0.75, types = [3, 5] }]
services = [
    { task = "a", name = "slow", quality = 0.3, cost_usd = 0.02 },
    { task = "a", name = "fast", quality = 0.7, cost_usd = 0.2 },
    { task = "b", name = "only", quality = 0.5, cost_usd = 0.1 },
]
"""


def test_several_tasks_are_priced_one_by_one(capsys) -> None:
    Path("tasks.toml").write_text(TASKS, encoding="utf-8")
    assert invoke(["pact", "tasks.toml", "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["task"] for row in found["services"]] == ["a", "a", "b"]
    assert [row["task"] for row in found["types"]] == ["a"] * 3 + ["b"] * 2
    profit = [row["provider_utility"] for row in found["types"]]
    assert found["provider_utility"] == pytest.approx(
        0.25 * sum(profit[:3]) / 3 + 0.75 * sum(profit[3:]) / 2
    )
