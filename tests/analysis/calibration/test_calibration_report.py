"""The page of a calibration from its tables, without the minutes that the fits take."""

import json

import pytest

from airan_market.analysis.calibration.text import answer, write_report
from airan_market.analysis.redraw import redraw
from airan_market.analysis.store.directory import DirectoryWriter
from airan_market.analysis.store.durable import write_json
from airan_market.analysis.store.manifest import Manifest
from airan_market.scenarios import load_scenario

TOTALS = {"operator_utility_usd_per_s": 2.05, "social_welfare_usd_per_s": 2.14}
FIT = {"cost": 70.0, "largest_table_error": 0.0213, **TOTALS}
FIELDS = {
    "fits": [{"fit": "best fit", **FIT}],
    "ranges": [
        {"parameter": "GPU rate", "unit": "FLOP/s", "best": 4e13, "low": 3e13, "high": 5e13},
        {"parameter": "uplink", "unit": "bit/s", "best": 2e8, "low": 1e8, "high": None},
        {"parameter": "downlink", "unit": "bit/s", "best": 2e8, "low": None, "high": None},
    ],
    "valley": [{"gpu_flop_per_s": 4e13, **FIT, "utilisation": 0.9, "shadow_price_usd": 0.0}],
    "proposal": [{"parameter": "GPU rate", "value": 4e13}],
}


@pytest.fixture
def kept(tmp_path):
    scenario = load_scenario("teleoperation")
    writer = DirectoryWriter(
        tmp_path / "kept", scenario, Manifest.begun("calibration", scenario), force=False
    )
    write_json(writer.partial / "account.json", FIELDS)
    write_report(writer.partial, writer.seal("complete"))
    writer.publish()
    return tmp_path / "kept"


def test_the_page_answers_and_has_every_table(kept) -> None:
    page = (kept / "report.html").read_text(encoding="utf-8")
    told = answer(json.loads((kept / "account.json").read_text(encoding="utf-8")))
    assert told[0].endswith("?")
    assert "0.021; 1 of 3 quantities are limited from both sides" in told[1]
    for text in (*told, "Along the GPU rate", "How it was made (STRESS)", "@software{airan-market"):
        assert text in page
    assert page.count('class="question"') == page.count('class="answer"') == 1


def test_it_is_drawn_again_the_same(kept) -> None:
    page = (kept / "report.html").read_bytes()
    (kept / "report.html").unlink()
    assert redraw(kept) == FIELDS
    assert (kept / "report.html").read_bytes() == page
