"""Bounds on the latency of a type under preemptive resume: one stage that queues, two in a row."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
