"""The benchmark runs and says what it promises; how fast anything is is not tested here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import turns

BENCHMARKS = Path(turns.__file__).parent


def test_the_benchmark_writes_what_it_measures(tmp_path):
    """One test, so that workers of the suite do not run it once each."""
    path = tmp_path / "new" / "bench.json"
    command = [sys.executable, BENCHMARKS / "bench.py", "--scale", "tiny", "--only", "tandem-8"]
    subprocess.run([*command, "--json", path], check=True, capture_output=True)
    written = json.loads(path.read_text(encoding="utf-8"))
    every_engine_is_measured_in_every_part(written["engines"])
    the_figures_of_an_engine_fit_each_other(written["engines"])
    the_parts_contain_each_other(written["engines"])
    the_facts_of_the_machine_are_there_and_no_paths(written)


def every_engine_is_measured_in_every_part(rows):
    assert [(row["engine"], row["part"]) for row in rows] == [
        ("compiled", "kernel alone"),
        ("compiled", "engine"),
        ("compiled", "with sampling"),
        ("first Numba", "kernel alone"),
        ("first Numba", "engine"),
        ("first Numba", "with sampling"),
        ("simpy", "engine"),
        ("ciw", "engine"),
    ]
    assert {row["workload"] for row in rows} == {"tandem-8"}


def the_figures_of_an_engine_fit_each_other(rows):
    for row in rows:
        assert row["events"] == 6 * row["tasks"] + row["interruptions"]
        assert len(row["seconds"]) == 2
        assert row["tasks_per_s_best"] * min(row["seconds"]) == pytest.approx(row["tasks"])
        assert row["ns_per_event_best"] * row["events"] == pytest.approx(1e9 * min(row["seconds"]))
        assert row["tasks_per_s"] <= row["tasks_per_s_best"]
        assert row["peak_bytes"] > row["peak_increase_bytes"] >= 0
        assert row["workload_bytes"] == 64 * row["tasks"]
        assert row["largest_difference_s"] == 0
        own = f"ratio_to_{row['engine'].replace(' ', '_').lower()}"
        assert row.get(own, 1) == 1


def the_parts_contain_each_other(rows):
    seconds = {(row["engine"], row["part"]): row["seconds"] for row in rows}
    for engine in ("compiled", "first Numba"):
        parts = [seconds[engine, part] for part in turns.ALL]
        for kernel_s, engine_s, sampled_s in zip(*parts, strict=True):
            assert 0 < kernel_s <= engine_s <= sampled_s


def the_facts_of_the_machine_are_there_and_no_paths(written):
    machine = written["machine"]
    assert {"processor", "processors", "python", "numpy", "numba", "ciw"} <= set(machine)
    assert str(BENCHMARKS.parents[1]) not in json.dumps(written)


def facts(events, difference_s=0.0):
    return {"tasks": 10, "events": events, "largest_difference_s": difference_s}


def test_ratios_are_those_of_one_turn_and_of_time_per_event():
    """Twice the events in a quarter of the time, whatever the speed of the machine in a turn."""
    turns_ = [{"compiled": {"engine": 0.25 * slow}, "simpy": {"engine": slow}} for slow in (1, 9)]
    both = {"compiled": facts(200), "simpy": facts(100)}
    row = turns.row_of("any", "compiled", "engine", turns_, both)
    assert row["ratio_to_simpy"] == 8
    assert "ratio_to_ciw" not in row


def test_an_engine_with_other_ends_is_not_compared():
    turns.check("any", {"simpy": facts(100), "ciw": facts(100)})
    with pytest.raises(SystemExit, match="ciw on any: its ends"):
        turns.check("any", {"simpy": facts(100), "ciw": facts(100, 1e-12)})
