"""Plain nested tables and lists, as TOML reads them, before they become a scenario."""

from collections.abc import Mapping
from typing import Any

from airan_market.scenarios.fault import KeyPath


def plain(value: Any) -> Any:
    """Return a value as nested dict and list with plain numbers; a None counts as not given.

    Examples
    --------
    >>> import numpy as np
    >>> plain({"shares": np.array([0.5, 0.5]), "dirichlet_alpha": None, "total": np.int64(3)})
    {'shares': [0.5, 0.5], 'total': 3}
    """
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def value_at(tables: Any, path: KeyPath) -> Any:
    """Return what stands at a path, None where nothing does.

    Examples
    --------
    >>> value_at({"operators": [{"name": "a"}]}, ("operators", 0, "name"))
    'a'
    >>> value_at({"operators": [{"name": "a"}]}, ("operators", 1, "name")) is None
    True
    """
    for step in path:
        if isinstance(step, str) and isinstance(tables, Mapping):
            tables = tables.get(step)
        elif isinstance(step, int) and isinstance(tables, list | tuple) and step < len(tables):
            tables = tables[step]
        else:
            return None
    return tables
