"""Recorded requests: the public trace of production LLM inference of Azure, 2023.

Patel et al., Splitwise: Efficient Generative LLM Inference Using Phase Splitting, ISCA 2024.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from airan_market.scenarios import InputError
from airan_market.sim.arrays import IntArray
from airan_market.sim.columns import Amounts, Columns, Numbers

HEADER = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
TICKS_PER_S = 10_000_000  # time stamps count 100 ns
FAULTS_SHOWN = 20

_TIME = re.compile(r"[0-9]{4}(-[0-9]{2}){2} [0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,7})?")
_TOKENS = re.compile(r"[0-9]{1,15}")
_ROW = re.compile(f"{_TIME.pattern},{_TOKENS.pattern},{_TOKENS.pattern}")
_ALLOWED_TIME = "allowed YYYY-MM-DD HH:MM:SS with up to 7 decimals"
_ALLOWED_TOKENS = "allowed a whole number, 0 to 999999999999999"


class TraceError(InputError, ValueError):
    """A trace that cannot be read; `faults` has a line for each bad row, the message all of them.

    Of more than 20 faults the message lists 20 and says how many more there are.
    """

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        shown = list(faults[:FAULTS_SHOWN])
        if len(faults) > FAULTS_SHOWN:
            shown.append(f"... and {len(faults) - FAULTS_SHOWN} more")
        super().__init__("\n".join(shown))


@dataclass(frozen=True, eq=False)
class RequestTrace(Columns):
    """Requests in order of time.

    Attributes
    ----------
    arrival_s : (n,) float
        Time since the first request, s.
    context_tokens, generated_tokens : (n,) int64
        Tokens that came in, tokens that went out.
    """

    arrival_s: Amounts
    context_tokens: Numbers
    generated_tokens: Numbers


def read_azure_llm_2023(path: str | Path) -> RequestTrace:
    r"""Read a trace in the format of AzureLLMInferenceTrace_conv.csv and ..._code.csv.

    One header, `TIMESTAMP,ContextTokens,GeneratedTokens`, then one request a line, in order of
    time, as in `2023-11-16 18:17:03.9799600,4808,10`. Times are read as whole counts of 100 ns, so
    the time since the first request is the double nearest to the exact one.

    Parameters
    ----------
    path : str or Path
        The file; a line may end in CR LF, the last one need not end at all.

    Returns
    -------
    RequestTrace

    Raises
    ------
    TraceError
        One fault a bad row, "file:line: column = value: allowed ...": a wrong number of fields, a
        time that cannot be read, tokens that are not a whole number, a time before the one above;
        or a single fault if there is no such file, no request, or another header.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "two.csv")
    ...     _ = file.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n"
    ...                         "2023-11-16 18:17:03.9799600,4808,10\n"
    ...                         "2023-11-16 18:17:04.0319600,3180,8")
    ...     read_azure_llm_2023(file).arrival_s
    array([0.   , 0.052])
    """
    rows = _rows(path)
    try:
        columns = _parse(rows)
    except _BadRowError:
        raise TraceError(list(_faults(path, rows))) from None
    ticks, context_tokens, generated_tokens = columns
    return RequestTrace((ticks - ticks[0]) / TICKS_PER_S, context_tokens, generated_tokens)


class _BadRowError(Exception):
    """Some row is bad; which ones is found out row by row."""


def _rows(path: str | Path) -> list[str]:
    """Return the lines after the header."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise TraceError([f"{path}: {error.strerror or error}"]) from None
    header, *rows = text.split("\n")
    if tuple(header.split(",")) != HEADER:
        raise TraceError([f"{path}:1: header = {header[:80]!r}: allowed {','.join(HEADER)}"])
    if rows and not rows[-1]:
        rows.pop()
    if not rows:
        raise TraceError([f"{path}: no request: allowed at least one line after the header"])
    return rows


def _parse(rows: list[str]) -> tuple[IntArray, IntArray, IntArray]:
    """Return ticks and tokens of all rows at once, or raise _BadRowError."""
    if not all(map(_ROW.fullmatch, rows)):
        raise _BadRowError
    times, context, generated = zip(*(row.split(",") for row in rows), strict=True)
    try:
        ticks = _ticks(times)
    except ValueError:
        raise _BadRowError from None
    if (np.diff(ticks) < 0).any():
        raise _BadRowError
    return ticks, np.array(list(map(int, context))), np.array(list(map(int, generated)))


def _ticks(times: tuple[str, ...]) -> IntArray:
    """Return well-formed time stamps as counts of 100 ns since 1970; ValueError for a month 13."""
    seconds = np.array([time[:19] for time in times], dtype="datetime64[s]").astype(np.int64)
    fraction = np.array([int(time[20:].ljust(7, "0")) for time in times])
    return seconds * TICKS_PER_S + fraction


def _faults(path: str | Path, rows: list[str]) -> Iterator[str]:
    """Yield the fault of each bad row; a time is held against the last one that could be read."""
    last, last_time = None, ""
    for line, row in enumerate(rows, start=2):
        fields = row.split(",")
        fault = _field_fault(fields)
        if fault is None:
            (ticks,) = _ticks((fields[0],))
            if last is not None and ticks < last:
                fault = f"TIMESTAMP = {fields[0]}: allowed no earlier than {last_time} above"
            last, last_time = ticks, fields[0]
        if fault is not None:
            yield f"{path}:{line}: {fault}"


def _field_fault(fields: list[str]) -> str | None:
    """Return what is wrong with the fields of one row taken by itself."""
    if len(fields) != len(HEADER):
        return f"row = {','.join(fields)[:80]!r}: allowed {len(HEADER)} fields, got {len(fields)}"
    if not _TIME.fullmatch(fields[0]) or not _is_time(fields[0]):
        return f"TIMESTAMP = {fields[0]}: {_ALLOWED_TIME}"
    for name, value in zip(HEADER[1:], fields[1:], strict=True):
        if not _TOKENS.fullmatch(value):
            return f"{name} = {value}: {_ALLOWED_TOKENS}"
    return None


def _is_time(text: str) -> bool:
    try:
        _ticks((text,))
    except ValueError:
        return False
    return True
