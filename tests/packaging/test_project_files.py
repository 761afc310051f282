"""What CONTRIBUTING names is there, CITATION says what the format asks, pins are just pins."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CODE = re.findall(r"`([^`\n]+)`", CONTRIBUTING)
SHELL = "\n".join(re.findall(r"^```sh\n(.*?)^```", CONTRIBUTING, flags=re.MULTILINE | re.DOTALL))
COMMANDS = [line.partition("#")[0].split() for line in [*SHELL.splitlines(), *CODE]]


@pytest.mark.parametrize(
    "target", sorted({word for line in COMMANDS if line[:1] == ["make"] for word in line[1:]})
)
def test_every_target_of_make_is_there(target: str) -> None:
    dry = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False)
    assert dry.returncode == 0, dry.stderr


def test_every_file_and_folder_is_there() -> None:
    words = {word for line in COMMANDS for word in line if "/" in word and "." not in word[:1]}
    named = {word for word in words if (ROOT / word.split("/")[0]).is_dir()}
    assert len(named) >= 15
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []


def test_the_citation_names_program_and_papers() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
    assert cited["license"] == "MIT"
    assert [paper["title"].split(":")[0] for paper in cited["references"]] == [
        "Matching-with-Contracts for the AI-RAN Market",
        "PACT",
    ]
    assert all(paper["authors"] and paper["type"] for paper in cited["references"])


def test_constraints_are_pins_without_an_address() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert len({line.partition("==")[0].lower() for line in lines}) == len(lines)
