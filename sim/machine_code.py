"""Whether Numba's machine code of a module is on disk, or its first use has to make it."""

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path


def is_compiled(module: str) -> bool:
    """Say whether machine code of a module as it stands is in one of Numba's caches.

    Nothing is imported but the packages around the module.

    Parameters
    ----------
    module : str
        Its dotted name, "airan_market.sim.engines.kernel" say.

    Raises
    ------
    ModuleNotFoundError
        When there is no such module.

    Examples
    --------
    >>> is_compiled("airan_market.sim.theory.erlang")  # nothing in it is compiled
    False
    """
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module named {module!r}")
    source = Path(spec.origin)
    indices = (index for cache in _caches(source) for index in cache.rglob(f"{source.stem}.*.nbi"))
    return any(is_of_source(index, source) for index in indices)


def is_of_source(index: Path, source: Path) -> bool:
    """Say whether an index of Numba's cache stands for a source as it is.

    It does when it is not older, the rule of earlier Numbas, or holds the SHA-256 of the source,
    the rule of 0.68: a file that was only touched, or checked out again, is not compiled again.
    """
    is_newer = index.stat().st_mtime >= source.stat().st_mtime
    return is_newer or hashlib.sha256(source.read_bytes()).digest() in index.read_bytes()


def _caches(source: Path) -> list[Path]:
    """Folders that Numba keeps machine code in: as told, beside the source, or the user's own."""
    told = os.environ.get("NUMBA_CACHE_DIR")
    return [Path(told)] if told else [source.parent / "__pycache__", Path.home() / ".cache/numba"]
