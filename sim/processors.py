"""How many processors this process may use."""

import os


def processors() -> int:
    """Processors that the operating system grants to this process, at least 1.

    Examples
    --------
    >>> processors() >= 1
    True
    """
    granted = getattr(os, "sched_getaffinity", None)
    return len(granted(0)) if granted else os.cpu_count() or 1
