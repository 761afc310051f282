"""The seed of a run: every random stream of it follows from this one number."""

from typing import Final

SEED_LIMIT: Final = 2**128
"""Seeds are whole numbers from 0, below this: NumPy's pool of four words of 32 bits holds each."""
