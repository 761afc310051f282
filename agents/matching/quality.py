"""From classes to types: a class is a quality type x of a latency type n.

What users of a class do stands in arrays (..., X, N); stations, menus and loads only see (..., N).
"""

from __future__ import annotations

import numpy as np

from airan_market.sim.arrays import FloatArray


def over_qualities(by_quality: FloatArray, quality_share: FloatArray | None) -> FloatArray:
    """Mean over the users of each type, Σ_x s_{x,n} z_{x,n}.

    Parameters
    ----------
    by_quality : array (..., X, N)
    quality_share : array (X, N), optional
        Part of the users of type n that is of quality type x; None where there are no classes, and
        what is of types stays as it is.

    Returns
    -------
    array (..., N)

    Examples
    --------
    >>> over_qualities(np.array([[0.5, 1.0], [0.25, 0.0]]), np.array([[0.5, 1.0], [0.5, 0.0]]))
    array([0.375, 1.   ])
    """
    if quality_share is None:
        return by_quality
    return np.asarray((by_quality * quality_share).sum(axis=-2))


def mean_gain(
    by_quality: FloatArray, quality_share: FloatArray, gain_usd: FloatArray
) -> FloatArray:
    """Mean of what a task is worth more to those of each type who are there, USD, (..., N).

    Parameters
    ----------
    by_quality : array (..., X, N)
        Which part of each class takes an operator.
    quality_share : array (X, N)
    gain_usd : array (..., X)
        Of each quality type at the operator.

    Examples
    --------
    >>> taken = np.array([[0.25, 0.0], [0.75, 0.0]])
    >>> mean_gain(taken, np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([0.0, 2.0])).tolist()
    [1.5, 0.0]
    """
    there = by_quality * quality_share
    total, gained = there.sum(axis=-2), (there * gain_usd[..., np.newaxis]).sum(axis=-2)
    return np.where(total > 0, gained / np.where(total > 0, total, 1.0), 0.0)
