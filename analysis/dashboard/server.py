"""The server of the page: started on one address, nothing asked of any other host."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import socket
import threading
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING

from airan_market.scenarios import InputError

if TYPE_CHECKING:
    from airan_market.analysis.dashboard.model import Asked

MISSING = "the page needs the extra dashboard: pip install 'airan-market[dashboard]'"
_NEEDED = ("altair", "solara", "uvicorn", "ipyvuetify")
#: What Solara is told before it is imported: no telemetry, no identity kept, and the files of the
#: page from `solara-assets` here. What is not among them is asked of nobody: nothing answers there.
_QUIET = {
    "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "False",
    "SOLARA_TELEMETRY_SERVER_USER_ID": "none",
    "SOLARA_ASSETS_PROXY": "True",
    "SOLARA_ASSETS_CDN": "http://127.0.0.1:9/",
    "SOLARA_MODE": "production",
    "SOLARA_THEME_SHOW_BANNER": "False",
    "SOLARA_KERNEL_CULL_TIMEOUT": "1m",  # the market of a tab that was closed
}
_started: list[Asked] = []


def asked() -> Asked:
    """What the page was started with."""
    return _started[-1]


def require_extra() -> None:
    """Refuse when what the page needs is not installed.

    Raises
    ------
    InputError
        One line: what to install.
    """
    if not all(_is_there(name) for name in _NEEDED):
        raise InputError(MISSING)


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def is_loopback(host: str) -> bool:
    """Whether only this machine can come in by an address.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def can_show() -> bool:
    """Whether a browser can be opened here: not without a screen."""
    return os.name == "nt" or any(os.environ.get(key) for key in ("DISPLAY", "WAYLAND_DISPLAY"))


def bound(host: str, port: int) -> socket.socket:
    """A socket on an address; port 0 takes one that is free.

    Raises
    ------
    InputError
        When the address is taken, or none of this machine's.
    """
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    place = socket.socket(kind, socket.SOCK_STREAM)
    try:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((host, port))
    except OSError as error:
        place.close()
        reason = error.strerror or str(error)
        raise InputError(f"{host}, port {port}: {reason.lower()}") from None
    return place


def serve(asked: Asked, place: socket.socket, on_start: Callable[[str], None], show: bool) -> None:
    """Serve the page until the process is told to end.

    Parameters
    ----------
    asked : Asked
    place : socket
        As `bound` gives it.
    on_start : function
        Called with the address of the page when it can be opened.
    show : bool
        Whether a browser is opened.
    """
    require_extra()
    os.environ.update(_QUIET)
    os.environ["SOLARA_APP"] = "airan_market.analysis.dashboard.page"
    _started.append(asked)
    import uvicorn
    from solara.server import starlette

    host, port = place.getsockname()[:2]
    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_start(url)
            if show:
                threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    settings = uvicorn.Config(
        starlette.app, log_level="error", timeout_graceful_shutdown=1, access_log=False
    )
    Server(settings).run(sockets=[place])
