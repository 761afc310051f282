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


def listens() -> None:
    """A shell starts what it starts in the background, this suite perhaps, deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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
                env=ENVIRONMENT | environment, preexec_fn=listens,
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


def test_an_interruption_that_a_library_prints_is_not_shown(start):
    """Cython does so where a function of it can raise nothing."""
    program = start(
        *script("""
            import sys
            from airan_market.analysis.process.watchdog import guarded

            def run():
                for error in (KeyboardInterrupt(), ValueError("seen")):
                    sys.excepthook(type(error), error, None)
                return 0

            guarded(run)
        """)
    )
    assert program.process.wait(60) == 0
    assert program.err == "ValueError: seen\n"


IN_MACHINE_CODE = script("""
    import hashlib
    from airan_market.analysis.process.watchdog import WATCHDOG, guarded

    def run():
        WATCHDOG.line = "interrupted; 7 rounds are kept"
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # minutes outside of Python

    guarded(run)
""")


SWALLOWS = script("""
    import time, warnings
    from airan_market.analysis.process.watchdog import WATCHDOG, guarded

    def run():
        WATCHDOG.line = "interrupted; 7 rounds are kept"
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            warnings.warn("a library wonders what that was, and goes on")
        time.sleep(600)

    guarded(run)
""")


def test_the_main_thread_is_given_its_time_and_no_more(start):
    """It is in machine code. A second signal ends at once, unless it is the first one's echo."""
    once, twice, lost = start(*IN_MACHINE_CODE), start(*IN_MACHINE_CODE), start(*SWALLOWS)
    for each in once, twice, lost:
        each.wait_until(Started.hears)
        each.strike(signal.SIGHUP)
        each.strike(signal.SIGHUP)
    time.sleep(2 * TWICE_S)
    twice.strike(signal.SIGINT)
    assert twice.seconds_to_end() < GRACE_S / 2
    once.seconds_to_end()
    lost.seconds_to_end()
    for each in once, twice, lost:
        assert each.process.returncode == INTERRUPTED
        assert each.err == "interrupted; 7 rounds are kept\n"


WHILE_LLVM_HANDS_OVER = script("""
    import os, signal, sys, time
    from airan_market.analysis.process.watchdog import guarded

    def strikes(frame, event, argument):
        code = frame.f_code
        if "llvmlite" in code.co_filename and code.co_name == "detach":
            if frame.f_back.f_code.co_name == "link_modules":
                sys.settrace(None)
                print("struck", flush=True)
                os.kill(os.getpid(), signal.SIGINT)
        return strikes

    def run():
        from numba import njit

        sys.settrace(strikes)
        njit(lambda x: x + 1)(1)
        while True:
            time.sleep(0.1)

    guarded(run)
""")


def test_a_signal_while_llvm_hands_a_module_over_ends_as_any_other(start):
    """Both freed what LLVM had taken over and Python had not noted: the process died of that."""
    program = start(*WHILE_LLVM_HANDS_OVER)
    assert program.process.wait(60) == INTERRUPTED, program.err
    assert program.err == "interrupted\n"
    assert (program.place / "stdout").read_text() == "struck\n"


STRUCK_INSIDE = """
    import os, signal, time
    from airan_market.analysis.process.interruption import Interruption
    from airan_market.analysis.process.watchdog import guarded

    def run():
        inside = {{"__name__": "{module}", "os": os}}
        exec("def hand_over():\\n  os.kill(os.getpid(), 2)\\n  print('whole', flush=True)", inside)
        with {around}:
            try:
                inside["hand_over"]()
                time.sleep(60)
            except KeyboardInterrupt:
                print("tidied", flush=True)
                raise

    guarded(run)
"""


@pytest.mark.parametrize("around", ["Interruption()", "open(os.devnull)"])
@pytest.mark.parametrize(
    ("module", "said"), [("llvmlite.binding.linker", "whole tidied"), ("other", "tidied")]
)
def test_a_signal_inside_llvmlite_is_raised_behind_it(start, module, said, around):
    """Control: another module is cut off where it is."""
    program = start(*script(STRUCK_INSIDE.format(module=module, around=around)))
    assert program.process.wait(60) == INTERRUPTED, program.err
    assert program.err == "interrupted\n"
    assert (program.place / "stdout").read_text().split() == said.split()


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
            while True:  # a signal just before a long sleep would be heard after it
                time.sleep(0.1)
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


def said(text: str) -> Callable[[Started], bool]:
    return lambda started: text in started.err


def a_moment_later(reached: Callable[[Started], bool], moment_s: float):
    def later(started: Started) -> bool:
        if reached(started):
            time.sleep(moment_s)
            return True
        return False

    return later


#: Of every command: of which stages, besides the first two, what it says tells that it is there.
COMMANDS = {
    "run teleoperation --rounds 400 --horizon 0.5": {"playing": "round 3 of"},
    "run teleoperation --rounds 3 --horizon 0.2":
        {"writing": "round 3 of 3", "drawing": "figures and report"},
    "run pact --rounds 3 --horizon 20": {"playing": "round 1 of", "drawing": "figures and report"},
    "validate teleoperation --tasks 1e8": {"playing": "1 of"},
    "validate bound_fails --tasks 2e5 --no-map --no-beyond":
        {"playing": "1 of", "drawing": "figures"},
    "reproduce --draws 20": {"playing": "cell 1 of"},
    "reproduce --only zeta --draws 1": {"writing": "cell 6 of 6"},
    "questions": {"playing": "cell 1 of"},
    "calibrate": {"playing": "1 of"},
    "pact pact --claims": {"drawing": "tables and figures", "playing": "reading"},
}  # fmt: skip
COMPILATION = [
    ("compiler loaded", Started.compiles),
    ("compiling", a_moment_later(Started.compiles, 1.5)),
]
STAGES = [
    (command, stage, reached)
    for command, stages in COMMANDS.items()
    for stage, reached in [
        ("start-up", Started.hears),
        ("imports", a_moment_later(Started.hears, 0.3)),
        *(COMPILATION if not command.startswith("pact") else ()),
        *((stage, said(text)) for stage, text in stages.items()),
    ]
]


@pytest.mark.long
@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize(
    ("command", "stage", "reached"), STAGES, ids=[f"{line[0]}: {line[1]}" for line in STAGES]
)
def test_signals_are_answered_at_every_stage(start, tmp_path, command, stage, reached, by):
    cold = {"NUMBA_CACHE_DIR": str(tmp_path / "none")} if stage.startswith("compil") else {}
    program = start(*PROGRAM, *command.split(), **cold)
    program.wait_until(reached)
    program.strike(by)
    took_s = program.seconds_to_end()
    assert program.process.returncode == INTERRUPTED, program.err
    assert is_told_in_one_line(program.err), program.err
    assert took_s < AT_THE_MOST_S
