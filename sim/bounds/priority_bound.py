r"""Coefficients of an exponential bound on the sojourn of a type under preemptive resume."""

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.preemptive import SojournLaws


def bound_coefficients(
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    load_per_s: npt.ArrayLike,
    above_per_s: npt.ArrayLike,
    zeta: float,
) -> tuple[FloatArray, FloatArray]:
    r"""Ln Π_s M_n^s(η) and η = ζ θ_n, so that p̃(t) = exp(log_gain - η t).

    Parameters
    ----------
    servers, service_rate_per_s : array_like, shape (..., S)
        c and μ of each stage.
    load_per_s, above_per_s : array_like, shape (...)
        Λ_n and Λ_{n-1}, 1/s, the same at every stage. The leading axes broadcast; none is checked.
    zeta : float
        ζ in (0, 1).

    Returns
    -------
    log_gain, exponent_per_s : array, shape (...)
        Both 0 where some stage is saturated.

    References
    ----------
    Eq. (10) of the paper with the law of `sim.theory.preemptive` in place of (11); Markov's
    inequality for E[exp(ηT)].

    Examples
    --------
    >>> gain, eta_per_s = bound_coefficients([1.0], [7.0], [3.0, 7.0], 0.0, 0.75)
    >>> np.exp(gain).round(9).tolist(), eta_per_s.round(9).tolist()  # 4/(4 - 3); saturated
    ([4.0, 1.0], [3.0, 0.0])
    """
    c, mu = np.asarray(servers, dtype=float), np.asarray(service_rate_per_s, dtype=float)
    load, above = np.broadcast_arrays(load_per_s, above_per_s)
    stages = max(c.shape[-1], mu.shape[-1])
    leading = np.broadcast_shapes(c.shape[:-1], mu.shape[:-1], load.shape)
    rows = np.hstack(
        [
            *(np.broadcast_to(part, (*leading, stages)).reshape(-1, stages) for part in (c, mu)),
            *(np.broadcast_to(part, leading).reshape(-1, 1) for part in (load, above)),
        ]
    )
    # menus tried beside one another bring about the same loads: each law is looked at once
    distinct, back = np.unique(rows, axis=0, return_inverse=True)
    c, mu, load, above = np.split(distinct, [stages, 2 * stages, 2 * stages + 1], axis=1)
    laws = SojournLaws(c, mu, load[:, 0], above[:, 0])
    eta = np.abs(zeta * laws.slowest_per_s)
    log_gain = np.zeros(len(eta))
    stable = eta > 0
    log_gain[stable] = np.log(laws.transform_each(-eta).real[stable])
    return log_gain[back.ravel()].reshape(leading), eta[back.ravel()].reshape(leading)
