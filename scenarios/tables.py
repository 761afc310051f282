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


def laid_over(base: Any, own: Any) -> Any:
    """Tables with other tables laid over them: what is told replaces, the rest stays.

    In a list of tables a number names the table to be changed, counted from 1.

    Raises
    ------
    KeyError
        When there is no table of that number.

    Examples
    --------
    >>> laid_over({"a": 1, "operators": [{"name": "x"}]}, {"operators": {"1": {"name": "y"}}})
    {'a': 1, 'operators': [{'name': 'y'}]}
    """
    if not isinstance(own, Mapping):
        return own
    if isinstance(base, list):
        items = list(base)
        for number, value in own.items():
            place = int(number) - 1 if number.isdecimal() else -1
            if not 0 <= place < len(items):
                raise KeyError(number)
            items[place] = laid_over(items[place], value)
        return items
    if not isinstance(base, Mapping):
        return own
    return {**base, **{key: laid_over(base.get(key), value) for key, value in own.items()}}


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
