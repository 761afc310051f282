r"""Where the paper's bound holds, where it is absurdly slack, and where it is no bound at all.

The bound, eqs. (10)-(12), bounds the latency of the types 1 to n taken together, first come first
served. A type served by preemptive priority waits longer than that: far out its tail falls as
exp(-κ t) with, while the types above leave the station busy enough,

.. math:: κ = (cμ - Λ_n) λ_n / Λ_n, \qquad η = ζ (cμ - Λ_n) / c

so that with c servers the bound fails in the far tail once the type is less than ζ/c of the load it
can feel. The map says how far out: it compares both laws, exactly, at latencies at which the bound
believes given probabilities, at one station (the bottleneck; lightly loaded stages besides hardly
change it).

`airan-market validate` draws it in every run; `analysis.validation.bound.markets` looks for the
failures in markets that menus produce.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from airan_market.sim.arrays import FloatArray

#: Servers, loads Λ_n / (c μ) and priority positions that the map covers. Position n: the lowest of
#: n types with equal traffic, so 1/n of the load it can feel is its own.
SERVERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
LOADS = (
    0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.875, 0.9, 0.92, 0.94,
    0.96, 0.98, 0.99,
)  # fmt: skip
POSITIONS = (1, 2, 3, 4, 8, 16, 50)
#: Believed probabilities at which the laws are compared, 10^-0.5 to 10^-12.
LEVELS = tuple(10.0 ** -np.arange(0.5, 12.01, 0.5))
ZETA = 0.9
#: A belief this many times the truth is called absurdly slack.
ABSURD = 1e3


def bound_map(
    servers: Sequence[int] = SERVERS,
    loads: Sequence[float] = LOADS,
    positions: Sequence[float] = POSITIONS,
    levels: Sequence[float] = LEVELS,
    zeta: float = ZETA,
) -> pd.DataFrame:
    """Exact preemptive tail over the paper's bound, one station, service rate 1.

    Parameters
    ----------
    servers : sequence of int
    loads : sequence of float
        Λ_n / (c μ) of the types that type n can feel, its own included, in (0, 1).
    positions : sequence of float
        Λ_n / λ_n, at least 1; 1 is the highest type.
    levels : sequence of float
        Believed probabilities, never increasing, in (0, 1).
    zeta : float
        ζ in (0, 1).

    Returns
    -------
    DataFrame
        A row per servers, load, position and level: `latency_s` (in mean service times) at which
        the bound believes `belief`, `exact` at that latency and `decades` = log10(belief/exact),
        negative where the bound fails; NaN where the exact tail is below 1e-300.

    Examples
    --------
    >>> rows = bound_map([1, 16], [0.9], [1, 8], [1e-2])
    >>> [(row.servers, row.position, round(row.decades, 2)) for row in rows.itertuples()]
    [(1, 1, 1.33), (1, 8, -1.3), (16, 1, 20.55), (16, 8, 3.05)]
    """
    from airan_market.sim.theory.chernoff import chernoff_coefficients
    from airan_market.sim.theory.preemptive import SojournLaws

    c, rho, position = (
        axis.ravel() for axis in np.meshgrid(servers, loads, positions, indexing="ij")
    )
    c = c.astype(float)
    load = rho * c
    above = load * (1 - 1 / position)
    one = np.ones((c.size, 1))
    log_gain, exponent = chernoff_coefficients(c[:, np.newaxis], one, load, zeta)
    level = np.asarray(levels, dtype=float)
    latency = (log_gain[:, np.newaxis] - np.log(level)) / exponent[:, np.newaxis]
    exact, _ = SojournLaws(c[:, np.newaxis], one, load, above)(latency)
    with np.errstate(divide="ignore"):
        decades = np.where(exact > 1e-300, np.log10(level) - np.log10(exact), np.nan)
    cells = c.size
    return pd.DataFrame(
        {
            "servers": np.repeat(c.astype(int), level.size),
            "load": np.repeat(rho, level.size),
            "position": np.repeat(position, level.size),
            "belief": np.tile(level, cells),
            "latency_s": latency.ravel(),
            "exact": exact.ravel(),
            "decades": decades.ravel(),
        }
    )


def failing_level(rows: pd.DataFrame) -> pd.DataFrame:
    """Largest believed probability from which the bound fails, for every cell of the map.

    Parameters
    ----------
    rows : DataFrame
        As `bound_map` returns it.

    Returns
    -------
    DataFrame
        A row per servers, load and position: `fails_at`, the largest belief of the levels searched
        at which the exact tail is above the bound, 0 where it is at none, and `worst`, the largest
        exact/belief.

    Examples
    --------
    >>> cells = failing_level(bound_map([1, 4], [0.9], [8], [1e-1, 1e-2, 1e-3]))
    >>> cells["fails_at"].tolist(), cells["worst"].round(1).tolist()
    ([0.1, 0.1], [136.6, 6.8])
    """
    keys = ["servers", "load", "position"]
    failing = rows.assign(level=np.where(rows["decades"] < 0, rows["belief"], 0.0))
    cells = failing.groupby(keys, as_index=False).agg(
        fails_at=("level", "max"), least=("decades", "min")
    )
    return cells.assign(worst=10.0 ** -cells.pop("least"))


def far_tail_fails(
    servers: FloatArray, load: FloatArray, position: FloatArray, zeta: float
) -> NDArray[np.bool_]:
    r"""Whether the bound fails at every latency that is long enough: κ < η, one station.

    κ is the decay rate of the module, and where the types above leave less room, that is for
    Λ_n² ≤ Λ_{n-1} c μ, that of their busy period, (√(cμ) - √Λ_{n-1})² (Takács 1964).

    Parameters
    ----------
    servers, load, position : array
        As in `bound_map`; they broadcast.
    zeta : float

    Examples
    --------
    >>> far_tail_fails(np.array([6, 8]), 0.95, 8, 0.9)  # an eighth of the load: fewer than 0.9 · 8
    array([ True, False])
    """
    rho, share = np.asarray(load, dtype=float), 1 / np.asarray(position, dtype=float)
    above = rho * (1 - share)
    pole = (1 - rho) * share
    branch = (1 - np.sqrt(above)) ** 2
    return np.where(rho**2 > above, pole, branch) * servers < zeta * (1 - rho)


def summarise_map(rows: pd.DataFrame) -> dict[str, object]:
    """What the map says, in numbers: where it fails by position, the worst cell, slack."""
    cells = failing_level(rows)
    failing = cells[cells["fails_at"] > 0]
    by_position = {
        f"{position:g}": {
            "cells": len(group),
            "fails": int((group["fails_at"] > 0).sum()),
            "fails_at_1_percent": int((group["fails_at"] >= 1e-2).sum()),
            "most_servers_that_fail": int(group.loc[group["fails_at"] > 0, "servers"].max())
            if (group["fails_at"] > 0).any()
            else None,
        }
        for position, group in cells.groupby("position")
    }
    at_1_percent = rows[np.isclose(rows["belief"], 1e-2)]
    return {
        "cells": len(cells),
        "cells_that_fail": len(failing),
        "cells_that_fail_at_1_percent": int((cells["fails_at"] >= 1e-2).sum()),
        "cells_absurdly_slack_at_1_percent": int(
            (at_1_percent["decades"].fillna(np.inf) > np.log10(ABSURD)).sum()
        ),
        "greatest_factor_at_1_percent": float(10.0 ** -at_1_percent["decades"].min()),
        "by_position": by_position,
    }
