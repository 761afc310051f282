"""What the documentation site is made of; `make docs` builds it, and is part of CI."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from equations import entries

from airan_market.analysis.cli.program import app

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_build", ROOT / "docs/site/build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<a href="two.html">there</a><h1 id="x"></h1><a href="#x">here</a>', []),
        ('<a href="three.html">gone</a>', ["one.html: three.html leads nowhere"]),
        ('<a href="#y">gone</a>', ["one.html: #y leads nowhere"]),
        ('<a href="https://example.org">a link is no request</a>', []),
        ('<script src="https://example.org/x.js"></script>',
         ["one.html: loads https://example.org/x.js"]),
        ('<link rel="stylesheet" href="//example.org/x.css">',
         ["one.html: loads //example.org/x.css"]),
    ],
)  # fmt: skip
def test_dead_links_and_requests_to_others_are_found(build, body, told, tmp_path) -> None:
    (tmp_path / "one.html").write_text(body)
    (tmp_path / "two.html").write_text("<p>two</p>")
    assert build.faults(tmp_path) == told


def test_a_style_that_loads_from_elsewhere_is_found(build, tmp_path) -> None:
    (tmp_path / "x.css").write_text("@font-face { src: url('https://example.org/f.woff') }")
    assert build.faults(tmp_path) == ["x.css: loads https://example.org/f.woff"]


def test_the_page_of_commands_has_every_command_and_option(build) -> None:
    page = build.commands()
    for command in app.registered_commands:
        name = command.name or command.callback.__name__.strip("_").replace("_", "-")
        assert f"\n## {name}\n" in page
    assert "`--force`" in page


def test_the_page_of_trust_has_every_equation_and_every_statistical_test(build) -> None:
    page = build.trust()
    for entry in entries():
        assert f"- {entry.paper} ({entry.number}), [`{entry.name}`](../{entry.path})" in page
    told = page.partition("## Every test that meets chance")[2].splitlines()
    rows = [line for line in told if line.startswith("- ")]
    assert len(rows) > 60
    assert all(row.count("](../tests/") == 1 for row in rows)
    assert sum("false alarm" in row.lower() for row in rows) > 40
    assert "FALSE_ALARM" not in page  # the number stands in its place
    linked = set(re.findall(r"\]\(\.\./(\S+?)\)", page))
    assert [name for name in linked if not (ROOT / name).is_file()] == []


def test_every_example_of_the_gallery_is_short_and_draws() -> None:
    examples = sorted((ROOT / "docs/gallery").glob("plot_*.py"))
    assert len(examples) >= 20
    for path in examples:
        code = path.read_text(encoding="utf-8").split('"""')[2]
        assert len([line for line in code.splitlines() if line.strip()]) <= 30, path.name
        assert "figure = " in code or "plt." in code, path.name
