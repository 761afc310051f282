"""What code of others returns, held against what is expected of it."""

import numpy as np

from airan_market.scenarios.registry import RegistryError

ROUNDING = 1e-9


def check_numbers(
    said: str,
    values: object,
    shape: tuple[int, ...],
    lowest: float = -np.inf,
    highest: float = np.inf,
) -> None:
    """Refuse, by RegistryError, what is no array of finite numbers of this shape within bounds.

    Examples
    --------
    >>> check_numbers("p", np.array([0.5, 1.5]), (2,), 0, 1)
    Traceback (most recent call last):
        ...
    airan_market.scenarios.registry.RegistryError: p[2] = 1.5: must be a finite number from 0 to 1
    """
    found = np.asarray(values)
    if found is not values or found.dtype != float or found.shape != shape:
        what = f"{found.dtype} {found.shape}" if found is values else type(values).__name__
        raise RegistryError(f"{said}: must be an array of float64 {shape}, is {what}")
    wrong = ~((found >= lowest - ROUNDING) & (found <= highest + ROUNDING) & np.isfinite(found))
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0])
        where = "".join(f"[{step + 1}]" for step in place)
        allowed = f"a finite number from {lowest:g} to {highest:g}"
        raise RegistryError(f"{said}{where} = {found[place]:g}: must be {allowed}")
