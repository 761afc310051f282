"""The table of equations is that of the code, and no equation of the papers is forgotten."""

import doctest

import equations
import pytest

#: Equations that state the model or a problem, and what of the code answers for them.
STATED = {
    "AI-RAN": {"1", "2", "3", "5", "6", "7", "8"},
    "PACT": {"8"},
}
LAST = {"AI-RAN": 38, "PACT": 16}


def test_the_page_is_that_of_the_code() -> None:
    written = equations.PAGE.read_text(encoding="utf-8")
    assert written == equations.page(), "run `python tests/equations.py`"


@pytest.mark.parametrize("paper", equations.PAPERS)
def test_every_equation_is_found(paper) -> None:
    there = {entry.number for entry in equations.entries() if entry.paper == paper}
    wanted = {str(number) for number in range(1, LAST[paper] + 1)}
    assert wanted - there - STATED[paper] == set()


def test_every_equation_has_a_test() -> None:
    used = equations.users_of_names()
    untested = [entry for entry in equations.entries() if not equations.tests_of(entry, used)]
    assert untested == []


def test_lines_are_read_as_they_say() -> None:
    assert doctest.testmod(equations).failed == 0
    source = 'def f():\n    """Do.\n\n    Equation: PACT (6), (7)\n    """\n'
    assert [entry.number for entry in equations.entries_of(source, "x.py")] == ["6", "7"]


def test_control_a_name_without_tests_is_seen() -> None:
    entry = equations.Entry("PACT", "6", "sim/x.py", 1, "no_test_uses_this_name_")
    assert equations.tests_of(entry, {}) == []
