"""The command before there is a page: what is missing, who can come in."""

import pytest

from airan_market.analysis.cli.program import invoke
from airan_market.analysis.dashboard import server
from airan_market.scenarios import InputError


@pytest.fixture
def served(monkeypatch) -> list:
    """What would have been served."""
    found: list = []
    monkeypatch.setattr(server, "require_extra", lambda: None)
    monkeypatch.setattr(server, "serve", lambda *all_: found.append(all_))
    return found


def test_without_the_extra_one_line_says_what_to_install(monkeypatch, capsys) -> None:
    monkeypatch.setattr(server, "_is_there", lambda name: False)
    assert invoke(["dashboard"]) == 2
    assert capsys.readouterr().err == server.MISSING + "\n"


def test_only_this_machine_comes_in_unless_told(served, capsys, tmp_path) -> None:
    assert invoke(["dashboard", "pact", "--port", "0", "--seed", "7", "--no-open"]) == 0
    ((asked, place, _, show),) = served
    assert place.getsockname()[0] == "127.0.0.1"
    assert (asked.scenario.name, asked.seed, show) == ("pact", 7, False)
    assert capsys.readouterr().err == ""
    place.close()


def test_letting_others_in_is_warned_of(served, capsys) -> None:
    assert invoke(["dashboard", "--host", "0.0.0.0", "--port", "0"]) == 0
    assert "0.0.0.0 lets other machines in" in capsys.readouterr().err
    served[0][1].close()


def test_a_port_that_is_taken_is_said(served, capsys) -> None:
    place = server.bound("127.0.0.1", 0)
    place.listen()
    port = place.getsockname()[1]
    assert invoke(["dashboard", "--port", str(port)]) == 2
    assert capsys.readouterr().err == f"127.0.0.1, port {port}: address already in use\n"
    place.close()


def test_an_address_of_nobody_is_refused() -> None:
    with pytest.raises(InputError, match=r"no\.such\.host\.invalid, port 0: "):
        server.bound("no.such.host.invalid", 0)


def test_no_browser_is_opened_without_a_screen(monkeypatch) -> None:
    for key in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(key, raising=False)
    assert not server.can_show()
    monkeypatch.setenv("DISPLAY", ":0")
    assert server.can_show()


def test_bad_scenarios_are_told_before_anything_is_served(served, capsys) -> None:
    assert invoke(["dashboard", "teleoperation", "--set", "users.total=0"]) == 2
    assert "users.total = 0: must be" in capsys.readouterr().err
    assert served == []
