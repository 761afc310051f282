"""What the laws of arrivals are known to do."""

import numpy as np

from airan_market.sim.traffic.arrival_laws import Bursts, Poisson, Recorded


def dispersion(law: Poisson | Bursts | Recorded, rate_per_s: float, window_s: float) -> float:
    """Variance over mean of the arrivals in a window laid at a stationary moment."""
    if isinstance(law, Poisson):
        return 1.0
    if isinstance(law, Bursts):
        return law.dispersion(rate_per_s, window_s)
    tasks, window = len(law.arrival_s), rate_per_s * window_s
    if window == 0:
        return 1.0  # arrivals one by one: the limit of short windows
    # seen from the start of the window: one enters at place - window, and leaves at place
    enters, leaves = (law.place - window) % tasks, law.place
    moments = np.concatenate([enters, leaves])
    order = np.argsort(moments, kind="stable")
    change = np.repeat([1.0, -1.0], tasks)[order]
    whole_turns = window // tasks * tasks
    first = ((law.place < window % tasks) * 1.0).sum() + whole_turns
    count = first + np.concatenate([[0.0], np.cumsum(change)])
    lasts = np.diff(np.concatenate([[0.0], moments[order], [float(tasks)]]))
    mean = (count * lasts).sum() / tasks
    return float((count**2 * lasts).sum() / tasks - mean**2) / mean
