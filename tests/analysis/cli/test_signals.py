"""A signal ends the program within two seconds, in one line, whatever it does; nothing survives."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from airan_market.analysis.process.watchdog import GRACE_S, TWICE_S

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

INTERRUPTED = 3
AT_THE_MOST_S = 2.5
BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PROGRAM = [sys.executable, "-m", "airan_market"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}


@dataclass
class Started:
    """A program in a session of its own; what it says is in two files."""

    process: subprocess.Popen[bytes]
    place: Path

    @property
    def err(self) -> str:
        return (self.place / "stderr").read_text()

    def wait_until(self, reached: Callable[["Started"], bool], wait_s: float = 90) -> None:
        waited_until = time.monotonic() + wait_s
        while not reached(self):
            assert self.process.poll() is None, self.err
            assert time.monotonic() < waited_until, self.err
            time.sleep(0.01)

    def hears(self, by: int = signal.SIGHUP) -> bool:
        """Whether the program itself, no longer Python alone, answers a signal."""
        status = (Path("/proc") / str(self.process.pid) / "status").read_text()
        (caught,) = (int(line.split()[1], 16) for line in status.splitlines() if "SigCgt" in line)
        return bool(caught >> by - 1 & 1)

    def compiles(self) -> bool:
        """Whether some process of the session has loaded the compiler."""
        return any(b"llvmlite" in _read(f"/proc/{number}/maps") for number in self.session())

    def session(self) -> list[int]:
        """Numbers of the processes that live in the session."""
        found = []
        for entry in Path("/proc").iterdir():
            fields = _read(str(entry / "stat")).rpartition(b")")[2].split()
            if entry.name.isdigit() and len(fields) > 3 and fields[0] not in (b"Z", b"X"):
                found += [int(entry.name)] if int(fields[3]) == self.process.pid else []
        return found

    def strike(self, by: int) -> None:
        """Send a signal as a terminal would, to all, or as `kill` would, to one."""
        send = os.kill if by == signal.SIGTERM else os.killpg
        send(self.process.pid, by)

    def seconds_to_end(self, limit_s: float = 60) -> float:
        """How long the program and all that it has begun go on from now."""
        begun_s = time.monotonic()
        self.process.wait(limit_s)
        while self.session():
            assert time.monotonic() < begun_s + limit_s, "orphans"
            time.sleep(0.01)
        return time.monotonic() - begun_s


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


@pytest.fixture
def start(tmp_path):
    """Starts programs, and ends what is left of them."""
    started = []

    def begin(*arguments: str, **environment: str) -> Started:
        place = tmp_path / str(len(started))
        place.mkdir()
        with (place / "stdout").open("w") as out, (place / "stderr").open("w") as err:
            process = subprocess.Popen(
                arguments, cwd=place, stdout=out, stderr=err, start_new_session=True,
                env=ENVIRONMENT | environment,
            )  # fmt: skip
        started.append(Started(process, place))
        return started[-1]

    yield begin
    for each in started:
        for number in each.session():
            os.kill(number, signal.SIGKILL)
        each.process.wait()


def script(text: str) -> list[str]:
    return [sys.executable, "-c", dedent(text)]


def is_told_in_one_line(text: str) -> bool:
    told = [line for line in text.splitlines() if line.startswith("interrupted")]
    wrong = ("Traceback", "Exception", "Error", "Warning", "leaked")
    return len(told) == 1 and not any(word in text for word in wrong)


IN_MACHINE_CODE = script("""
    import hashlib
    from airan_market.analysis.process.watchdog import WATCHDOG, guarded

    def run():
        WATCHDOG.line = "interrupted; 7 rounds are kept"
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # minutes outside of Python

    guarded(run)
""")


def test_the_main_thread_is_given_its_time_and_no_more(start):
    """It is in machine code. A second signal ends at once, unless it is the first one's echo."""
    once, twice = start(*IN_MACHINE_CODE), start(*IN_MACHINE_CODE)
    for each in once, twice:
        each.wait_until(Started.hears)
        each.strike(signal.SIGHUP)
        each.strike(signal.SIGHUP)
    time.sleep(2 * TWICE_S)
    twice.strike(signal.SIGINT)
    assert twice.seconds_to_end() < GRACE_S / 2
    once.seconds_to_end()
    for each in once, twice:
        assert each.process.returncode == INTERRUPTED
        assert each.err == "interrupted; 7 rounds are kept\n"


@pytest.mark.parametrize("by", BY)
def test_signals_are_answered_before_anything_is_loaded(start, by):
    program = start(*PROGRAM, "reproduce")
    program.wait_until(Started.hears)
    program.strike(by)
    assert program.seconds_to_end() < AT_THE_MOST_S
    assert (program.process.returncode, program.err) == (INTERRUPTED, "interrupted\n")


def test_no_hang_up_ends_what_was_started_with_nohup(start):
    program = start("nohup", *PROGRAM, "scenarios")
    program.wait_until(lambda started: started.hears(signal.SIGTERM))
    program.strike(signal.SIGHUP)
    assert program.process.wait(60) == 0


WITH_WORKERS = """
    import os, time
    from airan_market.analysis.store.cell_store import pool

    if __name__ == "__main__":
        with pool(2) as workers:
            print(*workers.map(divmod, [7, 8], [2, 2]), flush=True)
            [workers.submit(time.sleep, 600) for _ in range(5)]
            time.sleep(600)
"""


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent(start, tmp_path, by):
    """With one that is killed, one that nothing guards, and one that Ctrl-C ends."""
    file = tmp_path / "with_workers.py"
    file.write_text(dedent(WITH_WORKERS))
    program = start(sys.executable, str(file))
    program.wait_until(lambda started: (started.place / "stdout").read_text() != "")
    assert len(program.session()) >= 3
    os.kill(program.process.pid, by)
    assert program.seconds_to_end() < AT_THE_MOST_S


QUICK = ["--rounds", "3", "--horizon", "0.2"]
SMALL = ["--tasks", "2e5", "--no-map"]
#: A command, and what it says when it computes, writes and draws.
COMMANDS = {
    "run": (["run", "teleoperation", "--rounds", "40", "--horizon", "0.5"], "round 3 of", None),
    "run that ends": (["run", "teleoperation", *QUICK], "round 3 of 3", "figures and report"),
    "run pact": (["run", "pact", "--rounds", "3", "--horizon", "20"], "round 1 of",
                 "figures and report"),
    "validate": (["validate", "bound_fails", *SMALL], "1 of ", "figures"),
    "validate long": (["validate", "teleoperation", "--tasks", "1e8"], "solving", None),
    "reproduce": (["reproduce", "--draws", "20"], "cell 1 of", None),
    "questions": (["questions", "--only", "rent"], "cell 1 of", None),
    "calibrate": (["calibrate"], "1 of", None),
    "pact": (["pact", "pact", "--claims"], "reading", "tables and figures"),
    "solve": (["solve", "teleoperation", "--belief", "priority"], None, None),
}  # fmt: skip
