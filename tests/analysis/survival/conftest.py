import pytest
from controls.commands import COMMANDS, command, files

from airan_market.analysis import play

DRAW = play.draw


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """What each command leaves when nothing happens, by its name in `COMMANDS`."""
    found: dict[str, dict[str, bytes]] = {}

    def of(name: str) -> dict[str, bytes]:
        if name not in found:
            out = tmp_path_factory.mktemp("undisturbed") / "out"
            with pytest.MonkeyPatch.context() as patch:  # a test may have drawing left out
                patch.setattr(play, "draw", DRAW)
                assert command(COMMANDS[name], out) == 0
            found[name] = files(out)
        return found[name]

    return of
