"""How the command line ends: exit statuses, and faults as one line each."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

import typer

from airan_market.analysis.process.watchdog import INTERRUPTED, WATCHDOG
from airan_market.scenarios import InputError
from airan_market.scenarios.fault import capped, printable

DONE, FAILED, BAD_INPUT = 0, 1, 2

#: A file or a directory that was named is not there, is in the way, or cannot be written.
NO_SUCH_PLACE = (
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    IsADirectoryError,
    PermissionError,
)


def is_interruption(error: BaseException) -> bool:
    """Whether an error is Ctrl-C, also when it came in the middle of a call of machine code.

    A signal handler that raises while compiled code returns to Python makes the interpreter turn
    KeyboardInterrupt into a SystemError "returned a result with an exception set", whose cause it
    is; a call within a call does so twice.

    Examples
    --------
    >>> is_interruption(KeyboardInterrupt()), is_interruption(SystemError("else"))
    (True, False)
    """
    reason: BaseException | None = error
    while isinstance(reason, SystemError):
        reason = reason.__cause__
    return isinstance(reason, KeyboardInterrupt)


def fault_lines(error: BaseException) -> list[str]:
    """The lines that tell the user of an error, one per fault; after 20, how many more there are.

    Examples
    --------
    >>> from airan_market.scenarios import Fault, ScenarioError
    >>> fault_lines(ScenarioError([Fault("a.toml", "users.total", "0", "must be at least 1")]))
    ['a.toml: users.total = 0: must be at least 1']
    """
    faults = getattr(error, "faults", None)
    if faults is None:
        return [one_line(str(error) or type(error).__name__)]
    return capped([str(fault) for fault in faults], getattr(error, "others", 0))


def unexpected_line(error: BaseException) -> str:
    """One line for an error that nobody foresaw: its kind and its text.

    Examples
    --------
    >>> unexpected_line(ZeroDivisionError("float division by zero"))
    'ZeroDivisionError: float division by zero'
    """
    text = one_line(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def one_line(text: str) -> str:
    """Text with every run of white space, line breaks among it, as one blank."""
    return " ".join(text.split())


def say(text: str) -> None:
    """A line on standard error."""
    print(printable(text), file=sys.stderr, flush=True)


def emit(text: str) -> None:
    """Write text to standard output; a reader that has gone ends the program quietly."""
    text = printable(text)
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        gone()
    except OSError as error:
        say(f"standard output: {_reason(error)}")
        gone()


def gone() -> NoReturn:
    """End because standard output takes nothing any more."""
    # what is still buffered would fail once more, loudly, when Python shuts down
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(FAILED)


def end_of(error: BaseException, *, debug: bool = False) -> int:
    """Tell the user of an error and return the exit status it stands for."""
    if is_interruption(error):
        WATCHDOG.tell()
        return INTERRUPTED
    # faults of usage: an unknown option, a missing argument, a word where a number is wanted
    message = getattr(error, "format_message", None)
    if message is not None:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "airan-market"
        say(f"{command}: {one_line(message())} (see {command} --help)")
        return BAD_INPUT
    if isinstance(error, NO_SUCH_PLACE) and error.filename is not None:
        say(f"{error.filename}: {_reason(error)}")
        return BAD_INPUT
    if isinstance(error, InputError):
        for line in fault_lines(error):
            say(line)
        if debug and error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        return BAD_INPUT
    hint = "" if debug else " (--debug shows where)"
    say(f"airan-market: {unexpected_line(error)}{hint}")
    if debug:
        traceback.print_exception(error)
    return FAILED


def _reason(error: OSError) -> str:
    return one_line(error.strerror or type(error).__name__).lower()
