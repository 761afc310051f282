"""Recorded requests: the public trace of production LLM inference of Azure, 2023.

Patel et al., Splitwise: Efficient Generative LLM Inference Using Phase Splitting, ISCA 2024.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.columns import Amounts, Columns, Numbers
from airan_market.sim.traffic.trace_file import COUNT, Field, read_columns

HEADER = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
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

    Returns
    -------
    RequestTrace

    Raises
    ------
    TraceError
        With a line for each bad row (file, line, column, value): a wrong number of fields, a
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
    time = Field("YYYY-MM-DD HH:MM:SS with up to 7 decimals", _ticks, rising=True)
    fields = dict(zip(HEADER, (time, COUNT, COUNT), strict=True))
    ticks, context, generated = read_columns(path, fields, header=HEADER).values()
    return RequestTrace((ticks - ticks[0]) / TICKS_PER_S, context, generated)


def _ticks(times: Sequence[str]) -> IntArray:
    """Return time stamps as counts of 100 ns since 1970; ValueError for a month 13 and the like."""
    if not all(map(_TIME.fullmatch, times)):
        raise ValueError
    seconds = np.array([time[:19] for time in times], dtype="datetime64[s]").astype(np.int64)
    fraction = np.array([int(time[20:].ljust(7, "0")) for time in times])
    return seconds * TICKS_PER_S + fraction
