"""What the pages show is what happens: their code runs, their commands exist, their links lead."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from airan_market import load_pact, load_scenario, solve_pact
from airan_market.agents.certificate import menu_search
from airan_market.analysis.cli.program import app, invoke
from airan_market.scenarios import keys_markdown

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("notebooks/*.md")]
}


def blocks(page: str, language: str) -> list[str]:
    """Fenced blocks of a page in one language, "" for plain ones."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], flags=re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, ...]]:
    """Every call of the command in a plain block, split into words, once."""
    lines = [line for page in PAGES for block in blocks(page, "") for line in block.splitlines()]
    calls = [shlex.split(line, comments=True) for line in lines if line.startswith("airan-market ")]
    return sorted({tuple(call) for call in calls})


def pages_with(language: str) -> list[str]:
    return [page for page in PAGES if blocks(page, language)]


def printed() -> list[tuple[str, str]]:
    """Commands of the README and what it says they print."""
    found = re.findall(r"^```\n(airan-market [^\n]*)\n```\n+```text\n(.*?)^```", PAGES["README.md"],
                       flags=re.MULTILINE | re.DOTALL)  # fmt: skip
    return [(command, text) for command, text in found]


#: What stands beside a print, which may be broken over several lines.
REMARK = r"^( *)print\((?:.*|\n(?:\1 +.*\n)+\1)\)  # (.*)$"


def remarks(code: str) -> list[str]:
    """What code says that it prints; "; " stands between several prints of one line."""
    found = re.findall(REMARK, code, re.MULTILINE)
    return [text for _, remark in found for text in remark.split("; ")]


def misses(said: str, happened: str) -> list[str]:
    """Lines that a page shows and that did not come; "…" stands for lines left out."""
    lines = [line for line in said.splitlines() if line.strip() not in ("", "…")]
    return [line for line in lines if line not in happened.splitlines()]


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize("page", pages_with("python"))
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch, capsys) -> None:
    """And prints what a remark beside a print says; "; " stands between several prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(menu_search, "BUDGET", 3)  # deviations of a certificate, in seconds
    names = {"__name__": "__main__"}  # later blocks go on from earlier ones
    for number, code in enumerate(blocks(page, "python")):
        exec(compile(code, f"{page}, block {number + 1}", "exec"), names)
        shown = capsys.readouterr().out
        assert [text for text in remarks(code) if text not in shown] == []


def test_control_a_remark_is_read_beside_a_print_of_one_line_and_of_several() -> None:
    several = 'for x in y:\n    print(\n        f"{x}"\n    )  # 2; 3\n'
    assert remarks(f"print(1)  # 1\n{several}z = 4  # no print\n") == ["1", "2", "3"]


def test_every_number_that_a_tutorial_says_it_prints_is_read() -> None:
    for page in (name for name in PAGES if "tutorial_" in name):
        code = "\n".join(blocks(page, "python"))
        prints = len(re.findall(r"^ *print\(", code, re.MULTILINE))
        assert len(re.findall(REMARK, code, re.MULTILINE)) == prints > 4, page


@pytest.mark.parametrize("page", [page for page in pages_with("python") if "how_to" in page])
def test_what_one_brings_takes_at_most_thirty_lines(page) -> None:
    assert max(code.count("\n") for code in blocks(page, "python")) <= 30


@pytest.mark.parametrize("page", pages_with("toml"))
def test_the_scenarios_of_a_page_load(page) -> None:
    for text in blocks(page, "toml"):
        tables = tomllib.loads(text)
        if "pact" in tables:
            solve_pact(load_pact(tables))
        elif "operators" in tables:
            load_scenario(tables)


@pytest.mark.parametrize("call", commands(), ids=" ".join)
def test_every_command_and_option_exists(call) -> None:
    known = get_command(app).commands
    assert call[1] in known
    options = {name for parameter in known[call[1]].params
               for name in (*parameter.opts, *parameter.secondary_opts)}  # fmt: skip
    assert {word for word in call[2:] if word.startswith("-")} <= options


def test_the_pages_name_commands() -> None:
    assert len(commands()) >= 10
    assert len(printed()) == 3


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_links_is_there(page) -> None:
    linked = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGES[page])
    local = [name for name in linked if not re.match(r"[a-z]+:", name)]
    place = (ROOT / page).parent
    assert [name for name in local if not (place / name).exists()] == []


def test_every_page_can_be_found_from_the_front() -> None:
    reached, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        for name in re.findall(r"\]\(([^)#:]+\.md)", PAGES[page]):
            target = str((ROOT / page).parent.joinpath(name).resolve().relative_to(ROOT))
            ahead += [target] if target not in reached else []
    assert PAGES.keys() - reached == set()


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        pytest.param(*one, marks=pytest.mark.long if "validate" in one[0] else ())
        for one in printed()
    ],
    ids=lambda value: value if value.startswith("airan-market") else "",
)
def test_the_front_page_shows_what_is_printed(command, said, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(shlex.split(command)[1:]) == 0
    assert misses(said, "\n".join(capsys.readouterr())) == []


def test_control_a_line_that_is_not_printed_is_missed() -> None:
    assert misses("one\n…\nthree\n", "one\ntwo\n") == ["three"]


def test_the_page_of_keys_is_the_schema() -> None:
    assert PAGES["docs/scenario_keys.md"].rstrip("\n").endswith(keys_markdown().rstrip("\n"))
