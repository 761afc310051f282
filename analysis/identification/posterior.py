"""What Table I and the two totals leave possible under a reading, by nested sampling (dynesty)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from airan_market.analysis.calibration.market import published_numbers
from airan_market.analysis.identification.likelihood import log_likelihood
from airan_market.analysis.identification.prior import Prior
from airan_market.analysis.reproduction.published import (
    default_totals,
    default_totals_rounding,
    table_i,
    table_i_rounding,
)
from airan_market.scenarios import InputError, Scenario
from airan_market.sim.arrays import FloatArray

LIVE = 100  # points that nested sampling carries
SAMPLES = 1000  # kept, all of one weight
SEED = 1
REST = 0.5  # of the logarithm of the evidence, that may still be missing


@dataclass(frozen=True, eq=False)
class Posterior:
    """Equally weighted samples of what a reading leaves possible, and its evidence.

    Attributes
    ----------
    names : list of str
        Of the columns: the parameters, then the shares.
    samples : array (S, dimensions)
    users : array (S, N)
        Whole users of the same samples.
    best : array (dimensions,)
        Where the likelihood is largest.
    log_evidence, log_evidence_error : float
    calls : int
        Markets solved.
    """

    names: list[str]
    samples: FloatArray
    users: FloatArray
    best: FloatArray
    log_evidence: float
    log_evidence_error: float
    calls: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            key: value.tolist() if isinstance(value, np.ndarray) else value
            for key, value in vars(self).items()
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Posterior:
        """What `to_json` wrote."""
        arrays = {key: np.array(plain[key]) for key in ("samples", "users", "best")}
        return cls(**{**plain, **arrays})


def residuals(prior: Prior, point: FloatArray, printed: FloatArray | None = None) -> FloatArray:
    """Predicted less printed, in half units of the last digit: Table I by type, then the totals."""
    wanted = np.concatenate([table_i().ravel(), default_totals()]) if printed is None else printed
    unit = np.concatenate([table_i_rounding().ravel(), default_totals_rounding()])
    return (published_numbers(prior.market(point)) - wanted) / unit


def posterior(
    scenario: Scenario,
    *,
    live: int = LIVE,
    seed: int = SEED,
    printed: FloatArray | None = None,
    prior: Prior | None = None,
) -> Posterior:
    """Sample what the printed numbers leave possible in a scenario, as its reading has it.

    Parameters
    ----------
    scenario : Scenario
        The market under a reading.
    live : int
        Points carried; the error of the evidence falls with their root.
    seed : int
    printed : array, optional
        Other numbers than the paper's, for tests.
    prior : Prior, optional
        Another one than that of the scenario, for tests.

    Raises
    ------
    InputError
        When dynesty is not installed.
    """
    try:
        from dynesty import NestedSampler
    except ImportError:
        raise InputError("identify needs dynesty: pip install 'airan-market[identify]'") from None
    prior = Prior.of(scenario) if prior is None else prior
    sampler = NestedSampler(
        lambda point: log_likelihood(residuals(prior, point, printed)),
        prior.point,
        prior.dimensions,
        nlive=live,
        sample="rwalk",
        rstate=np.random.default_rng(seed),
    )
    sampler.run_nested(dlogz=REST, print_progress=False)
    found = sampler.results
    weight = np.exp(found.logwt - found.logz[-1])
    chosen = np.random.default_rng(seed).choice(len(weight), size=SAMPLES, p=weight / weight.sum())
    samples = np.asarray(found.samples)[chosen]
    return Posterior(
        prior.names,
        samples,
        np.array([prior.users(point) for point in samples]),
        np.asarray(found.samples)[int(np.argmax(found.logl))],
        float(found.logz[-1]),
        float(found.logzerr[-1]),
        int(np.sum(found.ncall)),
    )
