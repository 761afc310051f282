"""How long a request takes and how much it computes, (1)–(4) of the PACT paper."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from airan_market.sim.arrays import FloatArray

BITS_PER_KB = 8000.0


def transmission_s(input_kb: ArrayLike, output_kb: ArrayLike, rate_bps: float) -> FloatArray:
    """Time on the link, T_tran = 8000 (D_in + D_out) / r.

    Equation: PACT (1)

    Examples
    --------
    >>> float(transmission_s(20, 20, 20e6))
    0.016
    """
    return BITS_PER_KB * np.add(input_kb, output_kb) / rate_bps


def tokenisation_s(
    input_kb: ArrayLike, output_kb: ArrayLike, in_s_per_kb: float, out_s_per_kb: float
) -> FloatArray:
    """Time to tokenise and to detokenise, T_tok = a_t D_in + a_dt D_out.

    Equation: PACT (2)

    Examples
    --------
    >>> float(tokenisation_s(100, 20, 5e-4, 1e-3))
    0.07
    """
    return np.multiply(in_s_per_kb, input_kb) + np.multiply(out_s_per_kb, output_kb)


def tokens(input_kb: ArrayLike, output_kb: ArrayLike, tokens_per_kb: float) -> FloatArray:
    """Tokens read and written, g(D_in) + g(D_out) with g(D) = `tokens_per_kb` D.

    The paper prints g(D) = 4 D; the qualities of its Table I follow from D/4.

    Examples
    --------
    >>> float(tokens(100, 20, 0.25))
    30.0
    """
    return tokens_per_kb * np.add(input_kb, output_kb)


def flop_per_token(
    parameters: ArrayLike, layers: ArrayLike, context_tokens: ArrayLike, attention_width: ArrayLike
) -> FloatArray:
    """Computation for a token, F = 2 β + 2 n_layer n_ctx n_attn (Kaplan et al. 2020).

    Equation: PACT (3)

    Examples
    --------
    >>> float(flop_per_token(0.12e9, 12, 1024, 12))
    240294912.0
    """
    attention = np.multiply(np.multiply(layers, context_tokens, dtype=float), attention_width)
    return 2.0 * np.asarray(parameters, dtype=float) + 2.0 * attention


def inference_s(flop: ArrayLike, rate_flop_per_s: ArrayLike) -> FloatArray:
    """Time of the model, T_inf = tokens F / γ.

    Equation: PACT (3)

    Parameters
    ----------
    flop : array
        tokens F, the computation of a request.
    rate_flop_per_s : array
        γ.

    Examples
    --------
    >>> float(inference_s(3e9, 1.5e12))
    0.002
    """
    return np.divide(flop, rate_flop_per_s)
