"""Who may ask a page on loopback: a browser of this machine, not a foreign site whose name points here."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from rag.ui.frame import App

if TYPE_CHECKING:
    from rag.config import Config

LOCAL: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:]+)(?::\d+)?", re.IGNORECASE)
REFUSAL: Final = (
    "Kaoju answers to localhost and 127.0.0.1 alone: open it by one of these."
    " Behind a reverse proxy set RAG_ROOT_PATH to the path it is served below (/ for none).\n"
)


def known_hosts(config: Config) -> frozenset[str] | None:
    """Return the hosts a page with these settings answers to, None for any.

    A reverse proxy (`root_path`) and a network that one opens the page to have names that nobody told us.
    """
    if config.root_path or not _is_loopback(config.host):
        return None
    return LOCAL | {f"[{config.host}]" if ":" in config.host else config.host.lower()}


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class HostCheck:
    """ASGI middleware that refuses what is addressed to another host than `hosts` (DNS rebinding)."""

    def __init__(self, app: App, *, hosts: frozenset[str]) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        from starlette.responses import PlainTextResponse

        app = self.app
        if scope["type"] in {"http", "websocket"} and not self._is_known(scope["headers"]):
            app = PlainTextResponse(REFUSAL, status_code=400)
        await app(scope, receive, send)

    def _is_known(self, headers: list[tuple[bytes, bytes]]) -> bool:
        given = [value.decode("latin-1") for name, value in headers if name.lower() == b"host"]
        found = [HOST.fullmatch(value) for value in given]
        return len(given) == 1 and found[0] is not None and found[0][1].lower() in self.hosts
