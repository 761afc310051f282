"""Capacity of a GPU that batches: how many requests a second it takes without an endless queue.

Nie, Si and Zhou, A Queueing-Theoretic Framework for Stability Analysis of LLM Inference with KV
Cache Memory Constraints, 2026: a queue is stable for λ < M / (b̄ E[g]), less the memory that no
request more fits into, and unstable beyond, with M tokens of memory, b̄ the time of a step and g the
tokens that a request holds, summed over its steps. Rates that they measured deviate by 10 %.
"""

import numpy as np
import numpy.typing as npt


def batch_capacity_per_s(
    prompt_tokens: npt.ArrayLike,
    answer_tokens: npt.ArrayLike,
    *,
    slots: int,
    memory_tokens: int,
    token_budget: int,
    step_s: float,
    request_s: float,
    context_token_s: float,
    prompt_token_s: float,
) -> float:
    r"""Requests a second that one GPU can take, by memory or by slots, whichever is less.

    A request with a prompt of p tokens and an answer of o is in the batch for
    n = ⌈p / (token_budget − slots)⌉ + o steps, and holds g = n p + o (o + 1) / 2 tokens, summed
    over these. With k requests done in a step, k = min(M / E[g], slots / E[n]), the mean step takes
    b̄ = step_s + k w, where w = E[o] request_s + E[o p + o (o − 1) / 2] context_token_s
    + E[p] prompt_token_s is what a request adds to all its steps, and the capacity is k / b̄: by
    memory M / (b̄ E[g]), the condition of Nie, Si and Zhou (2026).

    Parameters
    ----------
    prompt_tokens, answer_tokens : (n,) array_like
        Tokens of requests, a sample of their joint law.
    slots, memory_tokens, token_budget
        Of a GPU; the budget is above the slots.
    step_s, request_s, context_token_s, prompt_token_s : float
        Coefficients of a step, s.

    Raises
    ------
    ValueError
        For a token budget that a full batch uses up.

    Examples
    --------
    A step of 1 s and two slots, answers of four tokens: two every four seconds.

    >>> plain = dict(request_s=0.0, context_token_s=0.0, prompt_token_s=0.0, token_budget=9)
    >>> batch_capacity_per_s([0], [4], slots=2, memory_tokens=99, step_s=1.0, **plain)
    0.5
    """
    if token_budget <= slots:
        raise ValueError(f"token_budget = {token_budget}: allowed above slots = {slots}")
    prompt, answer = np.broadcast_arrays(*map(np.asarray, (prompt_tokens, answer_tokens)))
    prompt, answer = prompt.astype(np.float64), answer.astype(np.float64)
    steps = np.ceil(prompt / (token_budget - slots)) + answer
    held = (steps * prompt + answer * (answer + 1) / 2).mean()
    done = min(memory_tokens / held, slots / steps.mean())
    context = (answer * prompt + answer * (answer - 1) / 2).mean()
    added_s = answer.mean() * request_s + context * context_token_s + prompt.mean() * prompt_token_s
    return float(done / (step_s + done * added_s))
