"""Sweeps: their files, their cells, what is kept, and that nothing is lost or done twice."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from airan_market import load_sweep
from airan_market.analysis.redraw import redraw
from airan_market.analysis.store.manifest import RunError
from airan_market.analysis.sweep import figures
from airan_market.analysis.sweep import workers as working
from airan_market.analysis.sweep.cells import ANSWERS, Cell, cells, compute
from airan_market.analysis.sweep.ledger import read_ledger
from airan_market.analysis.sweep.report import by_cell, drawable
from airan_market.analysis.sweep.sweeping import sweep_into
from airan_market.scenarios import ScenarioError
from airan_market.scenarios.sweep import Sweep, load_sweep_file, shipped_sweeps

SMALL = Sweep(
    scenario="teleoperation", seeds=2, mechanisms=["mixed", "mc"],
    settings={"users.dirichlet_alpha": 10.0}, grid={"users.total": [30, 60]},
)  # fmt: skip


def bytes_of(directory: Path) -> str:
    return hashlib.sha256((directory / "results.parquet").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sweeps") / "once"
    assert sweep_into(place, SMALL, workers=1)["done"] == 8
    return place


def test_every_shipped_sweep_makes_cells() -> None:
    for name, about in shipped_sweeps().items():
        assert about
        sweep = load_sweep_file(name)
        assert len({cell.key for cell in cells(sweep)}) == len(cells(sweep)) > 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('command = "slove"', "command"),
        ("seeds = 0", "seeds"),
        ("seeds = [1, 1]", "seeds must differ"),
        ("colour = 1", "colour"),
        ('[grid]\n"users.total" = []', "grid"),
        ('[grid]\n"users.total" = [1]\n[[list]]\n"users.total" = 2', "one design"),
        ('[random]\npoints = 2\n[random.keys]\n"users.total" = {low = 3, high = 3}', "low must be"),
        ("time_limit_s = -1", "time_limit_s"),
        ("not toml", "not TOML"),
    ],
)
def test_faults_of_a_file_are_lines(tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "s.toml"
    file.write_text(f'scenario = "teleoperation"\n{text}\n')
    with pytest.raises(ScenarioError, match=line) as caught:
        load_sweep_file(file)
    assert all(str(fault).startswith(f"{file}: ") for fault in caught.value.faults)


def test_a_point_that_makes_no_scenario_is_refused_before_anything(tmp_path: Path) -> None:
    wrong = SMALL.model_copy(update={"grid": {"users.totl": [1]}})
    with pytest.raises(ScenarioError, match=r"users\.totl"):
        sweep_into(tmp_path / "s", wrong)
    assert not (tmp_path / "s").exists()


def test_designs() -> None:
    keys = {"users.total": {"low": 10, "high": 19}, "economics.refund_usd": {"low": 1e-6,
            "high": 1e-2, "log": True}}  # fmt: skip
    for kind in ("sobol", "halton", "latin"):
        design = {"kind": kind, "points": 16, "seed": 3, "keys": keys}
        sweep = Sweep(scenario="teleoperation", random=design)
        points = list(sweep.points())
        assert points == list(sweep.points())
        assert len(points) == 16
        assert {type(point["users.total"]) for point in points} == {int}
        assert all(10 <= point["users.total"] <= 19 for point in points)
        below = sum(point["economics.refund_usd"] < 1e-4 for point in points)
        assert below == pytest.approx(8, abs=2)
    listed = Sweep(scenario="teleoperation", list=[{"users.total": 3}, {"users.total": 4}])
    assert [point["users.total"] for point in listed.points()] == [3, 4]


def test_key_of_a_cell_is_all_that_its_numbers_depend_on() -> None:
    keys = {cell.key for cell in cells(SMALL)}
    for change in ({"seeds": [3, 4]}, {"certificates": True}, {"grid": {"users.total": [31]}}):
        assert not keys & {cell.key for cell in cells(SMALL.model_copy(update=change))}
    assert {cell.key for cell in cells(SMALL.model_copy(update={"name": "other"}))} == keys


def test_answers_are_those_of_solve(once: Path) -> None:
    from airan_market import load_scenario, solve

    frame = load_sweep(once)
    assert list(frame.columns[:5]) == ["cell", "seed", "mechanism", "reading", "users.total"]
    assert frame["cell"].tolist() == list(range(8))
    row = frame[(frame["users.total"] == 60) & (frame["mechanism"] == "mc")].iloc[1]
    wanted = ["users.dirichlet_alpha=10.0", "users.total=60", "mechanism.name=mc"]
    outcome = solve(load_scenario("teleoperation", wanted), seed=2)
    assert row["social_welfare_usd_per_s"] == pytest.approx(outcome.social_welfare_usd_per_s)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_bytes_however_it_is_computed(tmp_path: Path, once: Path, workers: int) -> None:
    sweep_into(tmp_path / "s", SMALL, workers=workers)
    assert bytes_of(tmp_path / "s") == bytes_of(once)


def test_again_does_exactly_what_is_missing(tmp_path: Path, once: Path) -> None:
    place, done = tmp_path / "s", []
    sweep_into(place, SMALL, workers=1)
    lost = cells(SMALL)[3].path(place)
    lost.unlink()
    sweep_into(place, SMALL, workers=1, on_cell=lambda one, k, of: done.append(one.cell.number))
    assert done == [3]
    assert bytes_of(place) == bytes_of(once)
    # a smaller design: what is no part of it is not told, and stays
    fewer = SMALL.model_copy(update={"seeds": 1})
    assert sweep_into(place, fewer, workers=1)["cells"] == 4
    assert len(load_sweep(place)) == 4


def test_the_report_is_drawn(once: Path) -> None:
    told = redraw(once)
    assert (once / "report.html").stat().st_size > 10_000
    assert (once / "sweep.png").is_file()
    assert any("mc against mixed" in sentence for sentence in told["findings"])
    frame = load_sweep(once).pivot_table(index=["users.total", "seed"], columns="mechanism",
                                         values="social_welfare_usd_per_s")  # fmt: skip
    apart = (frame["mc"] - frame["mixed"]).groupby("users.total").mean()
    assert [row["difference"] for row in told["differences"]] == pytest.approx(apart.tolist())


def test_duckdb_reads_the_store(once: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    rows = duckdb.sql(f"select count(*), max(cell) from '{once}/parts/*/*.parquet'").fetchall()
    assert rows == [(8, 7)]


def _poison(market: object, seed: int, certificates: bool) -> list[dict[str, float]]:
    if seed == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if seed == 3:
        time.sleep(60)
    if seed == 4:
        raise ValueError("no such thing")
    return [{"value": float(seed)}]


def _ours(pipe: object, directory: str, modules: list[str]) -> None:
    ANSWERS["solve"] = _poison
    working._serve(pipe, directory, modules)  # type: ignore[arg-type]


def test_cells_that_kill_hang_or_fail_cost_themselves_alone(tmp_path: Path) -> None:
    """A process of its own, with a command that does all three."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_sweep as here\n"
        "from airan_market.analysis.sweep import workers\n"
        "class Ours(workers.WorkerContext.Process):\n"
        "    def __init__(self, target=None, **named):\n"
        "        super().__init__(target=here._ours, **named)\n"
        "workers.WorkerContext.Process = Ours\n"
        "if __name__ == '__main__':\n"
        "    sweep = here.SMALL.model_copy(update={'seeds': [1, 2, 3, 4, 5], 'mechanisms': [],\n"
        "                                          'grid': {}, 'time_limit_s': 2.0})\n"
        "    print(here.sweep_into(Path(sys.argv[1]), sweep, workers=2))\n"
    )
    place = tmp_path / "s"
    subprocess.run([sys.executable, script, place], check=True, timeout=120, capture_output=True)
    ledger = read_ledger(place).set_index("number")
    assert ledger["status"].tolist() == ["done", "failed", "failed", "failed", "done"]
    assert ledger.loc[1, "fault"] == "its process ended with -9, 2 times"
    assert ledger.loc[2, "fault"] == "took longer than 2 s"
    assert "no such thing" in ledger.loc[3, "fault"]
    assert load_sweep(place)["value"].tolist() == [1.0, 5.0]


BIG = """
scenario = "teleoperation"
seeds = 60
certificates = true
[set]
"users.dirichlet_alpha" = 10.0
"""


def _begun(file: Path, place: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "airan_market", "sweep", str(file), "--out", str(place),
               "--no-figures", *more]  # fmt: skip
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _wait_for(place: Path, count: int) -> None:
    until_s = time.monotonic() + 60
    while len(list(place.glob("parts/*/*.parquet"))) < count:
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_kill_the_driver_twice_and_a_twin_meanwhile(tmp_path: Path) -> None:
    """kill -9 in mid-sweep, then Ctrl-C; what is whole stays, and the end is the same bytes."""
    file, place = tmp_path / "big.toml", tmp_path / "s"
    file.write_text(BIG)
    kept = 0
    for number, wanted in ((signal.SIGKILL, 3), (signal.SIGINT, 12)):
        driver = _begun(file, place, "--workers", "2")
        _wait_for(place, kept + 3)
        if number == signal.SIGINT:
            with pytest.raises(RunError, match="another process is writing it"):
                sweep_into(place, load_sweep_file(file))
        _wait_for(place, wanted)
        driver.send_signal(number)
        assert driver.wait(20) == (-9 if number == signal.SIGKILL else 3)
        parts = list(place.glob("parts/*/*.parquet"))
        assert all(len(pd.read_parquet(part)) == 1 for part in parts)
        assert len(parts) >= kept
        kept = len(parts)
    before = {part: part.stat().st_mtime_ns for part in place.glob("parts/*/*.parquet")}
    assert _begun(file, place, "--workers", "2").wait(120) == 0
    assert all(part.stat().st_mtime_ns == then for part, then in before.items())
    sweep_into(tmp_path / "undisturbed", load_sweep_file(file), workers=2)
    assert bytes_of(place) == bytes_of(tmp_path / "undisturbed")
    assert json.loads((place / "manifest.json").read_text())["status"] == "complete"


def test_kill_a_worker(tmp_path: Path) -> None:
    file, place = tmp_path / "big.toml", tmp_path / "s"
    file.write_text(BIG.replace("60", "30"))
    driver = _begun(file, place, "--workers", "2")
    _wait_for(place, 3)
    found = subprocess.run(["pgrep", "-P", str(driver.pid)], capture_output=True, text=True)
    os.kill(int(found.stdout.split()[-1]), signal.SIGKILL)
    assert driver.wait(120) == 0
    assert len(load_sweep(place)) == 30


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that cannot be written ends the sweep with what it had, and it goes on."""

    def full(*told: object) -> tuple[str, str]:
        raise OSError(28, "No space left on device")

    def by_hand(todo, directory, workers, limit, on_start):  # type: ignore[no-untyped-def]
        for place, cell in enumerate(todo):
            on_start(cell)
            if place == 2:
                full()
            working.do(cell, directory)
            yield working.Finished(cell, "", 0.0)

    place = tmp_path / "s"
    monkeypatch.setattr("airan_market.analysis.sweep.sweeping.by_processes", by_hand)
    with pytest.raises(OSError, match="No space left"):
        sweep_into(place, SMALL)
    assert len(load_sweep(place)) == 2
    assert json.loads((place / "manifest.json").read_text())["status"] == "failed"
    monkeypatch.undo()
    assert sweep_into(place, SMALL, workers=1)["done"] == 8


def test_a_key_without_a_market_of_its_own(tmp_path: Path) -> None:
    """Every command answers: the smallest sweep of each."""
    short = {"simulation.rounds": 2, "simulation.horizon_s": 0.5, "users.total": 20}
    for command, settings, rows in (("run", short, 2), ("solve", {"users.total": 20}, 1)):
        (cell,) = cells(Sweep(scenario="teleoperation", command=command, settings=settings))
        assert isinstance(cell, Cell)
        assert len(compute(cell)) == rows
    (cell,) = cells(Sweep(scenario="bound_fails", command="validate"))
    found = drawable(compute(cell))
    assert found["bound_violated"].tolist() == [0.0, 1.0]
    assert by_cell(found, [])["bound_violated"].tolist() == [0.5]
    (cell,) = cells(Sweep(scenario="pact", command="pact"))
    assert len(compute(cell)) == 1


def test_pictures_say_what_they_show() -> None:
    """Every picture of a sweep has a message read off its table, and units on its axes."""
    rows = [
        {"users.total": users, "economics.refund_usd": refund, "group": group,
         "social_welfare_usd_per_s": users * (1 if group == "mixed" else -1) + refund}
        for users in (20, 30) for refund in (1e-4, 2e-4) for group in ("mixed", "mc")
    ]  # fmt: skip
    cells, groups = pd.DataFrame(rows), ["mixed", "mc"]
    keys, measure = ["users.total", "economics.refund_usd"], "social_welfare_usd_per_s"
    one = figures.over_one_key(cells, keys[0], [measure], groups)
    two = figures.over_two_keys(cells, keys, measure, groups)
    many = figures.over_many_keys(cells[cells["group"] == "mixed"], keys, measure, ["mixed"])
    alone = figures.over_one_key(cells[cells["group"] == "mixed"], keys[0], [measure], ["mixed"])
    told = [" ".join(figure.get_suptitle().split()) for figure in (one, two, many, alone)]
    assert told == [
        "At users total 30 social welfare is highest with mixed, 30 (circled), and lowest with "
        "mc, -30",
        "Social welfare (USD/s), means over seeds: highest with mixed, 30 (framed), lowest with "
        "mc, -30",
        "Of what was varied, social welfare goes most with users total: rank correlation +0.89",
        "Social welfare (USD/s) goes from 20 to 30 (circled) as users total goes from 20 to 30",
    ]
    assert two.axes[0].get_xlabel() == "economics refund (USD)"
