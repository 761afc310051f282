import base64
import re
from html.parser import HTMLParser

import pytest

from airan_market.analysis.runs.headline import headline
from airan_market.analysis.runs.report import write_report
from airan_market.analysis.runs.summary import summarise
from airan_market.analysis.store.reader import Run, load_run
from airan_market.analysis.wording import number, probability


class Page(HTMLParser):
    """What a browser would see: addresses, alternative texts, table headers, text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.images: list[dict] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append(tag)
        self.addresses += [named[key] for key in ("src", "href") if key in named]
        if tag == "img":
            self.images.append(named)

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def source(finished):
    return (finished / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


def test_the_page_needs_nothing_else(source, page):
    assert page.addresses
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert "http://" not in source
    assert "https://" not in source
    assert "url(" not in source
    assert "script" not in page.tags


def test_pictures_are_those_of_the_run_and_have_alternative_texts(page, finished):
    stored = sorted(path.read_bytes() for path in (finished / "figures").glob("*.png"))
    shown = [base64.b64decode(image["src"].partition(",")[2]) for image in page.images]
    assert sorted(shown) == stored
    assert len(stored) == 4
    assert all(len(image["alt"]) > 30 for image in page.images)


def test_every_table_has_headers(source):
    tables = re.findall(r"<table.*?</table>", source, flags=re.S)
    assert len(tables) == 13  # 4 of the run, 7 of the scenario, STRESS, versions
    assert all('scope="row"' in table and "<caption>" in table for table in tables)


def test_texts_of_the_scenario_are_escaped(source):
    assert "north &lt;b&gt;&amp;" in source
    assert "<b>" not in source


def test_headline_is_in_the_page_and_read_off_the_summary(page, run):
    sentences = headline(run.summary)
    text = " ".join(page.text.split())
    for sentence in sentences:
        assert sentence in text
    total = run.summary["violations"]["total"]
    assert probability(total["simulated"]) in sentences[2]
    assert probability(total["believed"]) in sentences[2]
    assert f"{number(total['ratio'], 3)} times believed" in sentences[2]


def test_page_tells_how_to_get_the_run_again(page, run):
    text = " ".join(page.text.split())
    assert "airan-market run DIR/scenario.toml --seed 1" in text
    assert run.manifest.scenario_hash in text
    assert run.manifest.tables["tasks.parquet"]["sha256"] in text
    assert run.manifest.versions["numpy"] in text
    assert run.manifest.started not in text  # the page is the same for the same run
    for note in run.manifest.notes:
        assert note in text


def test_page_of_an_interrupted_run_says_so_first(finished, tmp_path):
    from dataclasses import replace

    (tmp_path / "figures").mkdir()
    for path in finished.iterdir():
        if path.is_file():
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "report.html").unlink()
    manifest = replace(load_run(finished).manifest, status="interrupted", rounds_planned=9)
    run = Run(tmp_path, manifest)
    source = write_report(run, summarise(run)).read_text(encoding="utf-8")
    assert source.index("This run is interrupted") < source.index("Totals")
    assert "4 of\n9 rounds" in source


def test_headline_without_any_served_task(run):
    summary = run.summary | {
        "violations": {"total": None, "verdicts": {}, "cells": []},
    }
    assert headline(summary)[-1] == "No task was served under a contract."
