"""What single values of quality types cannot show: shares, order, and what takes one type only."""

import operator
from collections.abc import Iterator
from typing import Final

from airan_market.scenarios.schema.checks.consistency import Finding, Settings, in_order, sum_to_one

_SENSITIVITY: Final = ("users", "quality_sensitivity_usd")
_SHARES: Final = ("users", "quality_shares")
_LOWEST: Final = ("mechanism", "lowest_served_quality")
_VALUE: Final = "service_value_usd"
_OF_MARKET: Final = ("economics", _VALUE)


def qualities(settings: Settings) -> Iterator[Finding]:
    """Yield what contradicts itself in quality sensitivities, their shares and qualities.

    Examples
    --------
    >>> wrong = {"users": {"quality_sensitivity_usd": [2e-4, 1e-4], "quality_shares": [[0.5, 0.5]]}}
    >>> [finding.allowed for finding in qualities(Settings(wrong))]
    ['must not decrease from one type to the next (type 2: 0.0001 follows 0.0002)']
    """
    values = settings.reliable(*_SENSITIVITY)
    if settings.present(*_SENSITIVITY) and settings.present("services"):
        yield Finding(_SENSITIVITY, "must not be given with several services: each has its value")
    yield from in_order(_SENSITIVITY, values, "not decrease", operator.ge)
    yield from _shares(settings)
    yield from _values(settings)
    count = settings.count(*_SENSITIVITY) or 1
    lowest = settings.reliable(*_LOWEST)
    if lowest is not None and lowest > count:
        yield Finding(_LOWEST, f"must be at most {count}, the number of quality sensitivities")
    for place in range(settings.count("operators") or 0):
        path = ("operators", place, "strategy", "margins")
        if count > 1 and settings.reliable(*path):
            yield Finding(path, "must be false with several quality sensitivities")


def _shares(settings: Settings) -> Iterator[Finding]:
    sensitivity = settings.present(*_SENSITIVITY)
    columns, types = (
        settings.count("users", f"{word}_sensitivity_usd{unit}")
        for word, unit in (("quality", ""), ("latency", "_per_s"))
    )
    if not settings.present(*_SHARES):
        if columns is not None and columns > 1:
            yield Finding(_SHARES, "required with several quality sensitivities")
        return
    if not sensitivity:
        yield Finding(_SHARES, "must not be given without users.quality_sensitivity_usd")
    rows = settings.count(*_SHARES) or 0
    if rows > 1 and types is not None and rows != types:
        rule = f"must have one row, or one for each of the {types} latency sensitivities"
        yield Finding(_SHARES, f"{rule} (has {rows})")
    for row in range(rows):
        path = (*_SHARES, row)
        size = settings.count(*path)
        if size is not None and columns is not None and size != columns:
            rule = f"must have one share for each of the {columns} quality sensitivities"
            yield Finding(path, f"{rule} (has {size})")
        yield from sum_to_one(path, settings.reliable(*path))


def _values(settings: Settings) -> Iterator[Finding]:
    """Yield values of a service that are given twice, not at all, or rank qualities wrongly."""
    sensitivity, needed = settings.present(*_SENSITIVITY), False
    for place in range(settings.count("operators") or 0):
        quality, own = ("operators", place, "quality"), ("operators", place, _VALUE)
        if settings.present(*quality) and not sensitivity:
            yield Finding(quality, "must not be given without users.quality_sensitivity_usd")
        if settings.present(*quality) and settings.present(*own):
            yield Finding(own, "must not be given together with quality")
        needed |= not settings.present(*quality) and not settings.present(*own)
        yield from _above_zero(settings, own)
    yield from _above_zero(settings, _OF_MARKET)
    needed = needed or settings.present("services")  # theirs are compared with it
    if needed and settings.is_table("economics") and not settings.present(*_OF_MARKET):
        rule = "required, must be a finite number; or a quality for every operator"
        yield Finding(_OF_MARKET, rule)


def _above_zero(settings: Settings, path: tuple[str | int, ...]) -> Iterator[Finding]:
    value = settings.reliable(*path)
    if settings.present(*_SENSITIVITY) and value is not None and value <= 0:
        yield Finding(path, "must be a finite number > 0 with users.quality_sensitivity_usd")
