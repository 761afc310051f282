"""Threads for machine code, which runs in several at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def threads(workers: int, *, patient: bool = False) -> Iterator[ThreadPoolExecutor]:
    """Threads that are waited for at the end.

    Parameters
    ----------
    workers : int
    patient : bool
        Whether they are waited for after Ctrl-C too, however long what is under way may take.

    Examples
    --------
    >>> with threads(2) as pool:
    ...     print(*pool.map(abs, [-1, -2]))
    1 2
    """
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    except BaseException as error:
        pool.shutdown(wait=patient or not isinstance(error, KeyboardInterrupt), cancel_futures=True)
        raise
    pool.shutdown()
