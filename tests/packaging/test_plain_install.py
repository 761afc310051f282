"""The plain installation stays plain: nothing that an extra brings comes with it."""

import re
from email.parser import Parser
from importlib.metadata import PackageNotFoundError, requires
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: What the extras are for; none of it may come with a plain installation.
BROUGHT = {
    "identify": {"dynesty"},
    "cluster": {"distributed"},
    "study": {"salib", "optuna"},
    "rl": {"pettingzoo", "gymnasium"},
    "docs": {"sphinx", "myst-nb", "sphinx-gallery"},
    "dashboard": {"altair", "solara", "ipyvuetify"},
    "dev": {"pytest", "hypothesis", "ruff", "mypy", "selenium"},
}


@pytest.fixture(scope="module")
def asked(built) -> list[Requirement]:
    """Requirements that the wheel states."""
    with ZipFile(built.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
        said = Parser().parsestr(wheel.read(name).decode())
    return [Requirement(line) for line in said.get_all("Requires-Dist")]


def comes_with(first: list[Requirement], extra: str = "") -> set[str]:
    """Names of all that an installation brings, by what each package here says that it needs."""
    found: set[str] = set()
    ahead = [one for one in first if one.marker is None or one.marker.evaluate({"extra": extra})]
    while ahead:
        one = ahead.pop()
        name = canonicalize_name(one.name)
        if name in found:
            continue
        found.add(name)
        try:
            needed = [Requirement(line) for line in requires(one.name) or ()]
        except PackageNotFoundError:
            continue  # an extra that is not installed here
        asked_for = one.extras or {""}
        ahead += [
            other for other in needed
            if other.marker is None or any(other.marker.evaluate({"extra": e}) for e in asked_for)
        ]  # fmt: skip
    return found


def test_nothing_of_an_extra_comes_with_a_plain_installation(asked) -> None:
    plain = comes_with(asked)
    assert {"numpy", "mesa", "matplotlib"} <= plain
    assert plain & set.union(*BROUGHT.values()) == set()
    assert len(plain) <= 45


@pytest.mark.parametrize("extra", BROUGHT)
def test_control_an_extra_brings_what_it_is_for(extra, asked) -> None:
    assert BROUGHT[extra] <= comes_with(asked, extra)


def test_every_extra_of_the_wheel_is_held_to_it(asked) -> None:
    stated = {found for one in asked if one.marker
              for found in re.findall(r'extra == "([^"]+)"', str(one.marker))}  # fmt: skip
    assert stated == BROUGHT.keys()
