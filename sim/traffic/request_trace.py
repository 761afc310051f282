"""Recorded requests and tasks: public traces of LLM requests, and traces of one's own.

Azure, 2023: Patel et al., Splitwise: Efficient Generative LLM Inference Using Phase Splitting, ISCA
2024. Mooncake, 2025: Qin et al., Mooncake: Trading More Storage for Less Computation, FAST 2025.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.columns import Amounts, Columns, Numbers
from airan_market.sim.traffic.demand import Demand, recorded_demand
from airan_market.sim.traffic.trace_file import (
    AMOUNT,
    COUNT,
    Field,
    TraceError,
    read_columns,
    whole,
)

HEADER: Final = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
WORK: Final = ("input_bits", "work_flop", "output_bits")
TICKS_PER_S = 10_000_000  # time stamps count 100 ns
_TIME = re.compile(r"[0-9]{4}(-[0-9]{2}){2} [0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,7})?")


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

    @property
    def work(self) -> FloatArray:
        """Tokens that go up, are computed, and come down: context, both, answer; (n, 3)."""
        context, generated = self.context_tokens, self.generated_tokens
        return np.column_stack([context, context + generated, generated]).astype(np.float64)


def read_azure_llm_2023(path: str | Path) -> RequestTrace:
    r"""Read a trace in the format of AzureLLMInferenceTrace_conv.csv and ..._code.csv.

    One header, `TIMESTAMP,ContextTokens,GeneratedTokens`, then one request a line, in order of
    time, as in `2023-11-16 18:17:03.9799600,4808,10`. Times are read as whole counts of 100 ns, so
    the time since the first request is the double nearest to the exact one.

    Parameters
    ----------
    path : str or Path
        The file; see `sim.traffic.trace_file.read_columns`.

    Raises
    ------
    TraceError
        As that; also for a time before the one above, and for another header.

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
    time = Field("YYYY-MM-DD HH:MM:SS with up to 7 decimals", _ticks, rising=True)
    fields = dict(zip(HEADER, (time, COUNT, COUNT), strict=True))
    ticks, context, generated = read_columns(path, fields, header=",".join(HEADER)).values()
    return RequestTrace((ticks - ticks[0]) / TICKS_PER_S, context, generated)


def read_mooncake_2025(path: str | Path) -> RequestTrace:
    r"""Read a trace in the format of Mooncake's conversation_trace.jsonl.

    A JSON object a line, of which `timestamp` (ms), `input_length` and `output_length` (tokens) are
    read. Time stamps are those of batches of 3 s, so they tell no law of arrivals: scenarios take
    the requests' sizes alone (`task.law`).

    Raises
    ------
    TraceError
        As `sim.traffic.trace_file.read_columns`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "two.jsonl")
    ...     _ = file.write_text('{"timestamp": 0, "input_length": 6758, "output_length": 500}\n'
    ...                         '{"timestamp": 3000, "input_length": 91, "output_length": 16}\n')
    ...     read_mooncake_2025(file).context_tokens
    array([6758,   91])
    """
    fields = {"timestamp": COUNT, "input_length": COUNT, "output_length": COUNT}
    time_ms, context, generated = read_columns(path, fields).values()
    return RequestTrace(time_ms / 1000, context, generated)


def _ticks(time: str) -> int:
    """Return a time stamp as a count of 100 ns since 1970; ValueError for a month 13."""
    if not _TIME.fullmatch(time):
        raise ValueError
    seconds = int(np.datetime64(time[:19], "s").astype(np.int64))
    return seconds * TICKS_PER_S + int(time[20:].ljust(7, "0"))


def read_tasks(
    path: str | Path, users_by_type: npt.ArrayLike | None = None, seed: int = 0
) -> Demand:
    r"""Read a trace of tasks, the format "tasks": CSV (`.gz` or not) or Parquet.

    Columns, in any order, others are left alone: `arrival_s` (s from the start, never decreasing),
    `input_bits`, `work_flop`, `output_bits` (numbers of at least 0), and at most one of `type` and
    `user` (whole numbers, counted from 1 as in all that people read).

    Parameters
    ----------
    path : str or Path
        The file; see `sim.traffic.trace_file.read_columns`.
    users_by_type, seed
        As in `sim.traffic.demand.recorded_demand`: a type has to have users, a user to be one of
        them, and what the file does not say is drawn. Without users all that is unknown is 0.

    Raises
    ------
    TraceError
        As that; also for a type without users, and a user that there is not.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "mine.csv")
    ...     _ = file.write_text("arrival_s,type,input_bits,work_flop,output_bits\n"
    ...                         "0.5,2,8e3,1e9,4e3\n0.75,1,8e3,2e9,0\n")
    ...     tasks = read_tasks(file)
    >>> tasks.arrival_s, tasks.type, tasks.work[:, 1]
    (array([0.5 , 0.75]), array([1, 0]), array([1.e+09, 2.e+09]))
    """
    some = _among(range(1, 10**15), "a whole number, at least 1")
    known = {"type": some, "user": some}
    if users_by_type is not None:
        users = np.asarray(users_by_type)
        types = (np.flatnonzero(users) + 1).tolist()
        known = {
            "type": _among(types, f"a type that has users, {', '.join(map(str, types))}"),
            "user": _among(range(1, users.sum() + 1), f"a user, 1 to {users.sum()}"),
        }
    fields = {"arrival_s": replace(AMOUNT, rising=True), **dict.fromkeys(WORK, AMOUNT)}
    columns = read_columns(path, fields, known)
    if columns.keys() >= known.keys():
        raise TraceError([f"{path}: columns type and user: allowed one of them"])
    work = np.column_stack([columns[name] for name in WORK])
    who = {name: columns[name] - 1 for name in known if name in columns}
    return recorded_demand(columns["arrival_s"], work, users_by_type, seed, **who)


def _among(numbers: range | list[int], allowed: str) -> Field:
    def number(text: str) -> int:
        if whole(text) not in numbers:
            raise ValueError
        return int(text)

    return Field(allowed, number)
