"""A fault in a scenario: where it stands, what was found and what is allowed, in one line."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

KeyPath = tuple[str | int, ...]
"""Where a value stands: keys of tables and 0-based places in lists, from the top."""

_LONGEST = 60  # characters of a value, or of a word of a key, that a fault shows
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a scenario.

    Attributes
    ----------
    source
        The file, the name of a shipped scenario, ``mapping``, or ``--set``.
    key
        The dotted key, list places counted from 1 (``operators[2].gpu.servers``); empty when the
        whole source is at fault.
    value
        The value found, written as in TOML and shortened; empty when there is none.
    allowed
        What is allowed, in words.

    Examples
    --------
    >>> print(Fault("a.toml", "users.total", "0", "must be a whole number from 1 to 10000000"))
    a.toml: users.total = 0: must be a whole number from 1 to 10000000
    """

    source: str
    key: str
    value: str
    allowed: str

    def __str__(self) -> str:
        found = f"{self.key} = {self.value}" if self.value else self.key
        return one_line(": ".join(part for part in (self.source, found, self.allowed) if part))


FAULTS_SHOWN: Final = 20
"""Lines of faults that are shown; of more, how many more there are."""


def capped(faults: Sequence[str], others: int = 0) -> list[str]:
    """Lines of faults, the first 20 and how many more there are, `others` among them.

    Examples
    --------
    >>> capped(["one"] * 25, 75)[-2:]
    ['one', '... and 80 more']
    """
    more = len(faults) - FAULTS_SHOWN + others
    return [*faults[:FAULTS_SHOWN], *([f"... and {more} more"] if more > 0 else [])]


class InputError(Exception):
    """What was asked for cannot be had; the text is for the user, a line for each reason."""


class ScenarioWarning(UserWarning):
    """A scenario can be used, and yet is hardly what was meant; one line, as of a `Fault`."""


class ScenarioError(InputError, ValueError):
    """A scenario cannot be used; ``faults`` holds every reason, ``str`` one line for each.

    Examples
    --------
    >>> error = ScenarioError([Fault("a.toml", "users.total", "", "required")])
    >>> len(error.faults), str(error)
    (1, 'a.toml: users.total: required')
    """

    faults: tuple[Fault, ...]

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def one_line(text: str) -> str:
    r"""Escape whatever would break or hide part of a line.

    Examples
    --------
    >>> one_line("two\nlines")
    'two\\nlines'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def printable(text: str) -> str:
    r"""Escape all but line breaks that a terminal would act on instead of showing it.

    Examples
    --------
    >>> print(printable("a title:\x1b]0;mine\x07\nfor a window"))
    a title:\x1b]0;mine\x07
    for a window
    """
    return text if text.isprintable() else "\n".join(map(one_line, text.split("\n")))


def key_text(path: KeyPath) -> str:
    """Write a path as people read it: dots between keys, places in lists counted from 1.

    Examples
    --------
    >>> key_text(("operators", 1, "gpu", "servers"))
    'operators[2].gpu.servers'
    >>> len(key_text(("1" * 5000,)))
    60
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step + 1}]"
        else:
            word = step if _BARE_KEY.fullmatch(step) else json.dumps(step, ensure_ascii=False)
            text += f".{_shortened(word)}" if text else _shortened(word)
    return text


def value_text(value: Any) -> str:
    """Write a value as in TOML, shortened in the middle of a message to 60 characters.

    Examples
    --------
    >>> value_text([0.5, 0.6]), value_text(True), value_text("a"), value_text({"servers": 2})
    ('[0.5, 0.6]', 'true', '"a"', '{ servers = 2 }')
    >>> value_text([0.125] * 20)
    '[0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, ...'
    """
    return _shortened(_toml_like(value))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _short_float(value: float) -> str:
    exact = repr(value)
    rounded = exact if len(exact) <= 12 else f"{value:.12g}"
    if rounded.lstrip("-").isdecimal():  # the point is gone, and it must not look like an integer
        mantissa, _, exponent = f"{value:.11e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"
    return rounded


def _toml_like(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _short_float(value)
    if isinstance(value, int):
        # Python refuses to write out integers of thousands of digits in decimal, not in hexadecimal
        return str(value) if value.bit_length() <= 128 else hex(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key_text((str(k),))} = {_toml_like(v)}" for k, v in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_like(item) for item in value)}]"
    return str(value)  # TOML's dates and times, and whatever else a mapping may bring
