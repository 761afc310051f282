"""Queueing theory of an M/M/c station and of stations in a row, exact or bounded.

It answers without simulation how long a task waits and stays: loss and delay (Erlang), first come
first served, preemptive priority, end to end, the Chernoff bound, and how fast far tails fall.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
