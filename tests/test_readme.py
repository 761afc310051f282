"""What the README shows is what happens: its Python runs, its scenario loads, commands exist."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from airan_market.agents.pact import solve_pact
from airan_market.scenarios import keys_markdown, load_pact, load_scenario

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = "\n".join(blocks("")).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("airan-market ")]


def test_the_python_of_the_readme_runs() -> None:
    (code,) = blocks("python")
    namespace: dict = {}
    exec(compile(code, "README.md", "exec"), namespace)
    assert namespace["tables"].rounds["round"].max() == 2
    assert namespace["outcome"].iterations > 0


def test_the_scenarios_of_the_readme_load() -> None:
    services, market = blocks("toml")
    assert load_scenario(tomllib.loads(market)).name == "small"
    outcome = solve_pact(load_pact(tomllib.loads(services)))
    assert len(outcome.markets[0].market.services.names) == 2


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_and_option_of_the_readme_exists(command: list[str]) -> None:
    from airan_market.analysis.cli.command import app

    registered = {info.name or info.callback.__name__: info for info in app.registered_commands}
    assert command[1] in registered
    source = Path(ROOT / "analysis" / "cli" / "command.py").read_text(encoding="utf-8")
    for word in command[2:]:
        if word.startswith("--"):
            assert f'"{word}"' in source


def test_the_readme_names_commands() -> None:
    assert len(commands()) >= 5


def test_every_file_that_the_readme_links_is_there() -> None:
    linked = re.findall(r"\]\(([^)#]+)\)", README)
    assert linked
    assert [name for name in linked if not (ROOT / name).exists()] == []


def test_the_page_of_keys_is_the_schema() -> None:
    page = (ROOT / "docs" / "scenario_keys.md").read_text(encoding="utf-8")
    assert page.rstrip("\n").endswith(keys_markdown().rstrip("\n"))
