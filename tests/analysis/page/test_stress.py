"""What every report says of how it was made, and how to cite it."""

import re
from pathlib import Path

import pytest
import yaml

from airan_market.analysis.page.citation import PAPERS, bibtex
from airan_market.analysis.page.stress import ESTIMATION, LOGIC, scenario_sections, stress
from airan_market.analysis.store.manifest import KINDS, Manifest
from airan_market.scenarios import load_pact, load_scenario

ROOT = Path(__file__).resolve().parents[3]
PLAIN = {
    name: load(name).model_dump(mode="json", exclude_none=True)
    for name, load in (("teleoperation", load_scenario), ("ran_takes_gpus", load_scenario),
                       ("bound_fails", load_scenario), ("pact", load_pact))
}  # fmt: skip
#: The numbered items of the list for discrete-event models.
ITEMS = ["1.1", "1.2", "1.3", "2.1–2.3", "2.4", "2.5", "3.1", "3.2", "3.3", "4.1", "4.2", "4.3",
         "5.1", "5.2", "5.3", "5.4", "6.1"]  # fmt: skip


def answers(kind: str, scenario: str) -> dict[str, str]:
    versions, tables = {"airan-market": "1.0.0"}, {"rounds.parquet": {}}
    manifest = Manifest(kind, scenario, "0" * 64, 1, "now", rounds=3, versions=versions,
                        tables=tables)  # fmt: skip
    rows = stress(manifest, PLAIN[scenario], "Is it so?").rows
    return {str(item).split()[0]: str(text) for item, text in rows}


@pytest.mark.parametrize("scenario", PLAIN)
@pytest.mark.parametrize("kind", KINDS)
def test_every_item_is_answered_for_every_kind(kind, scenario) -> None:
    found = answers(kind, scenario)
    assert list(found) == ITEMS
    assert [item for item, text in found.items() if len(text) < 8 or "None," in text] == []


def test_every_kind_of_directory_has_its_own_words() -> None:
    assert LOGIC.keys() == ESTIMATION.keys() == KINDS.keys()
    assert len(set(LOGIC.values())) == len(KINDS)


def test_what_is_said_is_what_the_scenario_says() -> None:
    told = answers("market", "teleoperation")
    assert "150 users of 8 types; 3 operators" in told["2.5"]
    assert "48/24/194" in told["2.5"]
    assert "warm-up of 2 simulated seconds" in told["4.1"]
    assert told["4.2"] == "3 rounds of 10 simulated seconds"
    changed = {"users": PLAIN["teleoperation"]["users"] | {"total": 7}}
    manifest = Manifest("market", "x", "0" * 64, 1, "now", rounds=3)
    rows = stress(manifest, PLAIN["teleoperation"] | changed, "?").rows
    assert "7 users of 8 types" in str(rows)


@pytest.mark.parametrize("name", PLAIN)
def test_every_key_of_a_scenario_stands_in_its_tables(name) -> None:
    def leaves(value, key=""):
        if isinstance(value, dict):
            return {x for k, v in value.items() for x in leaves(v, k)}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return {x for v in value for x in leaves(v, key)}
        return {key}

    sections = scenario_sections(PLAIN[name])
    shown = {str(row[0]).rpartition(".")[2] for section in sections for row in section.rows}
    assert leaves(PLAIN[name]) == shown
    assert max(len(section.head) for section in sections) <= 9


def test_the_entries_are_those_of_the_citation_file() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    for (_, title, authors), paper in zip(PAPERS, cited["references"], strict=True):
        assert re.sub("[{}]", "", title) == paper["title"]
        names = [f"{one['family-names']}, {one['given-names']}" for one in paper["authors"]]
        assert authors == " and ".join(names)
    text = bibtex("9.9", pact=False)
    assert "version = {9.9}" in text
    assert text.count("{") == text.count("}")
    assert "PACT" in bibtex("9.9", pact=True)
    assert "PACT" not in text
