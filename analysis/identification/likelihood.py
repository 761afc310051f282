"""How likely the printed numbers are, when nobody knows how far the model is from the authors'."""

from __future__ import annotations

import numpy as np

from airan_market.sim.arrays import FloatArray

#: Scale of the model's own error, in half units of the last digit printed: from none to hopeless.
SCALES = np.exp(np.linspace(np.log(0.1), np.log(100.0), 60))
#: Variance of the error that rounding makes, in half units squared.
ROUNDING = 1 / 3


def log_likelihood(residual: FloatArray) -> float:
    """Logarithm of the likelihood of printed numbers, the model's error integrated out.

    A number is off by its rounding, uniform over a unit of its last digit, and by an error of the
    model, normal with one unknown scale s for all, in half units of the last digit, log-uniform
    over `SCALES`: the mean over s of Π exp(−r²/2(1/3 + s²)) / √(2π(1/3 + s²)). Errors are taken as
    independent, which they are not: a table of probabilities has fewer numbers than entries, so the
    likelihood is too sure of itself.

    Parameters
    ----------
    residual : array (n,)
        r, predicted less printed, in half units of the last digit.

    Examples
    --------
    >>> close, far = (log_likelihood(np.full(26, off)) for off in (0.5, 5.0))
    >>> round(close - far, 1)
    60.3
    """
    variance = ROUNDING + SCALES[:, np.newaxis] ** 2
    terms = -0.5 * (residual**2 / variance + np.log(2 * np.pi * variance)).sum(axis=1)
    return float(np.logaddexp.reduce(terms) - np.log(SCALES.size))
