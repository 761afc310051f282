"""Named random streams: every use of chance has its own generator, found by name, not by turn."""

from hashlib import blake2b

import numpy as np

from airan_market.scenarios.seed import SEED_LIMIT
from airan_market.sim.arrays import FloatArray

WORD = 2**32  # SeedSequence mixes its spawn key in words of 32 bits


def _purpose_words(purpose: str) -> tuple[int, ...]:
    digest = blake2b(purpose.encode(), digest_size=16).digest()
    return tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))


def stream(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """Return the random generator that belongs to (seed, purpose, key).

    The purpose is hashed (BLAKE2b, 128 bit) and, followed by the key, becomes the spawn key of
    `numpy.random.SeedSequence(seed)`. The stream depends on these arguments only, not on what was
    drawn before or on the order in which streams are made, so a change in one part of a run leaves
    the chance of every other part as it was.

    Parameters
    ----------
    seed : int
        Root seed of the run, 0 <= seed < 2**128.
    purpose : str
        What the chance is for, such as "demand".
    *key : int
        Which one of that purpose (round, type, operator ...), each 0 <= key < 2**32.

    Returns
    -------
    numpy.random.Generator
        A fresh generator, at the start of its stream.

    Raises
    ------
    ValueError
        If the seed or a key is out of its range. (A larger key would be split in words by
        SeedSequence and could then name the stream of another key.)

    Examples
    --------
    >>> stream(1, "demand", 3, 0).integers(1000, size=3)
    array([393, 422,  24])
    >>> stream(1, "demand", 3, 1).integers(1000, size=3)
    array([924, 849, 384])
    """
    if not 0 <= seed < SEED_LIMIT:
        raise ValueError(f"seed = {seed}: allowed 0 <= seed < 2**128")
    for part in key:
        if not 0 <= part < WORD:
            raise ValueError(f"stream key = {part}: allowed 0 <= key < 2**32")
    spawn_key = (*_purpose_words(purpose), *(int(part) for part in key))
    return np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=spawn_key))


def autoregression(rng: np.random.Generator, steps: int, forgetting: float) -> FloatArray:
    """Stationary first-order autoregression of mean 0 and variance 1, (steps,).

    Its correlation over k steps is exp(-forgetting k).

    Examples
    --------
    >>> path = autoregression(stream(1, "an example"), 100_000, 0.5)
    >>> bool(abs(np.corrcoef(path[1:], path[:-1])[0, 1] - np.exp(-0.5)) < 0.01)
    True
    """
    keep = np.exp(-forgetting)
    shocks = rng.standard_normal(steps)
    shocks[1:] *= np.sqrt(1 - keep * keep)
    path = np.empty(steps)
    last = 0.0
    for k, shock in enumerate(shocks.tolist()):
        path[k] = last = keep * last + shock
    return path
