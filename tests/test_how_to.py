"""The pages docs/how_to_*.md: every example is short, runs and prints what it says it prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_LINES = 30
BLOCKS = [
    (page.stem, number, block)
    for page in sorted((ROOT / "docs").glob("how_to_*.md"))
    for number, block in enumerate(
        re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    )
]


@pytest.mark.parametrize(("page", "number", "block"), BLOCKS, ids=lambda part: str(part)[:20])
def test_an_example_runs(page: str, number: int, block: str, tmp_path: Path) -> None:
    assert len(block.splitlines()) <= MOST_LINES
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = re.findall(r"^ *print\(.*\)  # (.*)$", block, re.M)
    assert [text for line in said for text in line.split("; ") if text not in done.stdout] == []
