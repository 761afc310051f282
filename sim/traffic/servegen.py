"""Sizes of the requests of one client of ServeGen: laws of tokens, window by window.

ServeGen: Xiang et al., ServeGen: Workload Characterization and Generation of Large Language Model
Serving in Production, 2025. Its files have no requests, but laws of what they were like.
"""

import ast
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from airan_market.sim.columns import Numbers
from airan_market.sim.streams import stream
from airan_market.sim.traffic.request_trace import RequestTrace
from airan_market.sim.traffic.trace_file import TraceError

INPUT, OUTPUT = "input_tokens", "output_tokens"
#: Requests that stand for a law: its quantiles at (k + 1/2) / REQUESTS.
REQUESTS: Final = 10_000


def read_servegen_2025(path: str | Path) -> RequestTrace:
    r"""Requests that stand for the laws in a file of the format of client-12-dataset.json.

    A JSON object: start of a window (s) → `input_tokens` and `output_tokens`, each the text of a
    dictionary {tokens: weight}. Windows without a request are empty. The law of all is the mean of
    those of the windows that are not, each as heavy as the others: how many requests a window had
    the file does not say. Nor does it say how long the answer to a long prompt is: prompts and
    answers are paired by chance, always the same. There are no times of arrival, all are 0, so
    scenarios take the requests' sizes alone (`task.law`).

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    RequestTrace
        `REQUESTS` requests: quantiles of both laws, by length of the prompt.

    Raises
    ------
    TraceError
        With a line for a file that cannot be read, or for each window that says no law.

    Examples
    --------
    >>> import tempfile
    >>> law = {"0": {"input_tokens": "{30: 0.5, 50: 0.5}", "output_tokens": "{8: 1.0}"}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "client.json")
    ...     _ = file.write_text(json.dumps(law))
    ...     requests = read_servegen_2025(file)
    >>> float(requests.context_tokens.mean()), set(requests.generated_tokens.tolist())
    (40.0, {8})
    """
    try:
        windows = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TraceError([f"{path}: {getattr(error, 'strerror', None) or error}"]) from None
    if not isinstance(windows, dict) or not windows:
        raise TraceError([f"{path}: must be an object with a window at least"])
    faults: list[str] = []
    laws = [
        {name: _law(f"{path}: window {start}", window, name, faults) for name in (INPUT, OUTPUT)}
        for start, window in windows.items()
    ]
    if faults:
        raise TraceError(faults)
    played = [law for law in laws if law[INPUT] and law[OUTPUT]]
    if not played:
        raise TraceError([f"{path}: every window is empty: must have requests in one at least"])
    prompt, answer = (_quantiles([law[name] for law in played]) for name in (INPUT, OUTPUT))
    paired = stream(0, "servegen").permutation(answer)
    return RequestTrace(np.zeros(REQUESTS), prompt, paired)


def _law(where: str, window: Any, name: str, faults: list[str]) -> dict[int, float]:
    """Weights of numbers of tokens; a line to `faults` where the text says none."""
    try:
        law = ast.literal_eval(window[name])
        numbers = np.array([*law.keys(), *law.values()], dtype=float)
        whole = all(isinstance(tokens, int) and tokens >= 0 for tokens in law)
        if whole and np.isfinite(numbers).all() and (numbers >= 0).all():
            return dict(law) if sum(law.values()) > 0 else {}
    except (KeyError, TypeError, AttributeError, ValueError, SyntaxError):
        pass
    faults.append(f"{where}: {name}: must be the text of {{tokens: weight}}, both at least 0")
    return {}


def _quantiles(laws: list[dict[int, float]]) -> Numbers:
    """Tokens at the quantiles of the mean of laws, each made to sum to 1."""
    weight: dict[int, float] = {}
    for law in laws:
        total = sum(law.values())
        for size, part in law.items():
            weight[size] = weight.get(size, 0.0) + part / total / len(laws)
    sizes = sorted(weight)
    tokens, below = np.array(sizes), np.cumsum([weight[size] for size in sizes])
    places = np.searchsorted(below, (np.arange(REQUESTS) + 0.5) / REQUESTS * below[-1])
    return tokens[places]
