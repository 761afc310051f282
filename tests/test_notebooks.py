"""Notebooks: script and notebook are one text, and the results stored are those of today."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
NAMES = sorted({path.stem for path in [*NOTEBOOKS.glob("*.py"), *NOTEBOOKS.glob("*.ipynb")]})
PATIENCE_S = 600  # a kernel that hangs must not hang the suite; no notebook comes near it
FORGET = "%reset -f"
LARGEST_BYTES = 800_000  # code hosts show notebooks of about a megabyte at once


def sources(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Type and source of every cell."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def texts(notebook: NotebookNode) -> list[list[str]]:
    """What every code cell showed in words: prints, sentences, tables; of a figure that it is one.

    Addresses of objects are not results. Numbers are: a last digit that differs elsewhere is seen.
    """
    found: list[list[str]] = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found.append([])
            for output in cell.outputs:
                data = output.get("data", {})
                picture = ["figure"] if "image/png" in data else []
                words = [output.text] if output.output_type == "stream" else picture or [
                    text for kind, text in data.items() if kind.startswith("text/")
                ]  # fmt: skip
                found[-1] += [re.sub(r" at 0x[0-9a-f]+", "", word) for word in words]
    return found


def execute(notebook: Path, directory: Path) -> NotebookNode:
    """Run every cell of a notebook in `directory` and return it with its outputs.

    In a process of its own: the sockets and event loops of the kernel's client warn on their own
    account when they are closed late, which under `filterwarnings = error` would fail whatever
    test is running then. What the cells themselves warn of is in their outputs.
    """
    copy, executed = directory / notebook.name, directory / f"executed_{notebook.name}"
    copy.write_bytes(notebook.read_bytes())
    client = [sys.executable, "-c", "from nbclient.cli import main; main()"]
    # nothing of the user's own set-up, and figures drawn into the notebook
    own = {"IPYTHONDIR": str(directory / "ipython"), "JUPYTER_NO_CONFIG": "1"}
    environment = os.environ | own
    environment.pop("MPLBACKEND", None)
    done = subprocess.run(
        [*client, str(copy), f"--output={executed}"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{notebook.name}:\n{done.stderr}")
    return nbformat.read(executed, as_version=4)


def complaints(notebook: NotebookNode) -> list[str]:
    """What cells of an executed notebook wrote to standard error: warnings, mostly."""
    return [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stderr"
    ]


def write(path: Path, *code: str) -> Path:
    """Write a notebook of these code cells."""
    cells = [nbformat.v4.new_code_cell(source) for source in code]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_there_are_notebooks() -> None:
    assert NAMES


@pytest.mark.parametrize("name", NAMES)
def test_script_and_notebook_say_the_same(name: str) -> None:
    script = jupytext.read(NOTEBOOKS / f"{name}.py")
    notebook = jupytext.read(NOTEBOOKS / f"{name}.ipynb")
    assert sources(script) == sources(notebook), "run `make notebooks`"


@pytest.mark.parametrize("name", NAMES)
def test_results_are_stored_and_small_enough_to_be_shown(name: str) -> None:
    path = NOTEBOOKS / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert any("figure" in shown for shown in texts(notebook)), "run `make notebooks`"
    assert path.stat().st_size <= LARGEST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_notebook_fits_any_machine(name: str) -> None:
    path = NOTEBOOKS / f"{name}.ipynb"
    assert nbformat.read(path, as_version=4).metadata.kernelspec.name == "python3"
    text = path.read_text(encoding="utf-8")
    places = (str(ROOT), "/home/", "/Users/", "/tmp/", ":\\\\")
    assert [place for place in places if place in text] == []


def joined(notebooks: list[NotebookNode]) -> NotebookNode:
    """All cells one after another, with nothing left by the names of those before: one kernel."""
    cells = [
        cell
        for notebook in notebooks
        for cell in [nbformat.v4.new_code_cell(FORGET), *notebook.cells]
    ]
    for number, cell in enumerate(cells):
        cell.id = str(number)
    return nbformat.v4.new_notebook(cells=cells, metadata=notebooks[0].metadata)


def parted(executed: NotebookNode) -> list[NotebookNode]:
    """What `joined` has put together."""
    starts = [place for place, cell in enumerate(executed.cells) if cell.source == FORGET]
    ends = [*starts[1:], len(executed.cells)]
    return [
        nbformat.v4.new_notebook(cells=executed.cells[start + 1 : end])
        for start, end in zip(starts, ends, strict=True)
    ]


def test_every_cell_runs_and_shows_what_is_stored(tmp_path: Path) -> None:
    """In one kernel, which imports everything once; `make notebooks` gives each one of its own."""
    stored = [nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4) for name in NAMES]
    together = tmp_path / "all.ipynb"
    nbformat.write(joined(stored), together)
    (tmp_path / "run").mkdir()
    executed = parted(execute(together, tmp_path / "run"))
    counts = [c.execution_count for one in executed for c in one.cells if c.cell_type == "code"]
    assert len(counts) == sum(c.cell_type == "code" for one in stored for c in one.cells)
    assert None not in counts
    for name, one, kept in zip(NAMES, executed, stored, strict=True):
        assert complaints(one) == [], name
        assert texts(one) == texts(kept), f"{name}: run `make notebooks`"


def test_no_name_of_one_notebook_is_known_to_the_next(tmp_path: Path) -> None:
    one, two = (
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        for code in ("x = 1\nx", "'x' in dir()")
    )
    together = tmp_path / "all.ipynb"
    nbformat.write(joined([one, two]), together)
    (tmp_path / "run").mkdir()
    executed = parted(execute(together, tmp_path / "run"))
    assert [texts(notebook) for notebook in executed] == [[["1"]], [["False"]]]


def test_a_failing_cell_is_caught(tmp_path: Path) -> None:
    path = write(tmp_path / "fails.ipynb", "x = 1", "assert x == 2, 'one is not two'")
    directory = tmp_path / "run"
    directory.mkdir()
    with pytest.raises(RuntimeError, match="one is not two"):
        execute(path, directory)


def test_a_warning_and_a_stale_result_are_caught(tmp_path: Path) -> None:
    path = write(
        tmp_path / "warns.ipynb", "import warnings", "warnings.warn('mind the gap')", "1 + 1"
    )
    directory = tmp_path / "run"
    directory.mkdir()
    executed = execute(path, directory)
    assert texts(executed) != texts(nbformat.read(path, as_version=4))
    assert ["mind the gap" in text for text in complaints(executed)] == [True]


def test_a_changed_cell_is_caught() -> None:
    cells = ["# %%\nx = 1\n", "# %%\nx = 2\n"]
    one, two = (sources(jupytext.reads(cell, fmt="py:percent")) for cell in cells)
    assert one != two
