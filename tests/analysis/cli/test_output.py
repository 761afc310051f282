"""Nothing that goes wrong with what is shown ends the work, and the result is written anyway."""

import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[3]
#: Shows a good second of progress; results and notes are Greek.
WORK = dedent("""
    import sys, time
    from airan_market.analysis.process import streams
    from airan_market.analysis.process.watchdog import guarded

    def run():
        from airan_market.analysis.exits import emit, say
        from airan_market.analysis.progress import Progress
        with Progress("λ", 50) as progress:
            for done in range(50):
                progress.step("μ", done, 50)
                time.sleep(0.01)
        say("note: μ")
        emit("β")
        return 0

    if "unsettled" not in sys.argv:
        streams.settle()
    guarded(run)
""")


@contextmanager
def closed_pipe() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def full_disk() -> Iterator[int]:
    with open("/dev/full", "w") as file:
        yield file.fileno()


@contextmanager
def terminal() -> Iterator[int]:
    """Goes away, without a hang-up, when something was shown on it."""
    shown, end = pty.openpty()
    yield end
    os.close(end)
    os.read(shown, 1)
    time.sleep(0.2)
    os.close(shown)


def work(err: int | None, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WORK, *arguments], stdout=subprocess.PIPE, stderr=err,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize("where", [closed_pipe, full_disk, terminal])
def test_progress_that_cannot_be_shown_is_dropped(where):
    with where() as err:
        process = work(err, TERM="xterm-256color")
    assert process.communicate(timeout=60)[0].decode() == "β\n"
    assert process.returncode == 0


def test_control_a_closed_pipe_ends_what_is_not_settled():
    with closed_pipe() as err:
        process = work(err, "unsettled")
    assert process.communicate(timeout=60)[0] == b""
    assert process.returncode != 0


def test_what_an_encoding_lacks_is_written_with_escapes():
    process = work(subprocess.PIPE, PYTHONIOENCODING="ascii")
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == (b"\\u03b2\n", 0)
    assert err.endswith(b"note: \\u03bc\n")


def test_a_result_that_cannot_be_written_is_told():
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "airan_market", "scenarios"], stdout=full,
            stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert process.stderr == "standard output: no space left on device\n"
    assert process.returncode == 1
