"""Serving the page: on loopback unless told otherwise, below a reverse proxy's path, until interrupted."""

from __future__ import annotations

import socket
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rag.errors import ConfigError
from rag.ui.elements import asset, theme
from rag.ui.frame import Framed
from rag.ui.hosts import HostCheck, known_hosts
from rag.ui.originals import PATH, served
from rag.ui.page import TITLE, build_ui
from rag.ui.shelf import Shelf

if TYPE_CHECKING:
    from rag.config import Config
    from rag.pipeline import Rag

SECONDS_BETWEEN_LOOKS = 0.05  # for new events, by Gradio; with its own 0.001 an idle page takes 6 % of a core


def serve(rag: Rag, config: Config, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve the page until interrupted; `on_ready` is told its address once it answers there.

    Raises:
        ConfigError: when the address or port cannot be had.
    """
    import uvicorn

    listener = _listen(config.host, config.port)
    shelf, stop = Shelf(rag), threading.Event()
    following = threading.Thread(target=shelf.follow, args=(stop,), name="following", daemon=True)
    try:
        server = uvicorn.Server(
            uvicorn.Config(
                web_app(rag, config, shelf),
                log_level="critical",  # else a page open at the end is reported as an error
                access_log=False,
                timeout_graceful_shutdown=1,  # seconds; a page that is open would hold it up for ever
            )
        )
        if config.watch:
            following.start()
        if on_ready is not None:
            on_ready(address(config))
        with suppress(KeyboardInterrupt), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="gradio")  # its own use of Starlette's old names
            server.run(sockets=[listener])
    finally:
        listener.close()
        stop.set()  # a sync that runs ends with the process, whole documents only


def web_app(rag: Rag, config: Config, shelf: Shelf | None = None) -> Any:
    """Return the page as an ASGI application."""
    import gradio
    from fastapi import FastAPI

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    original = served(rag)
    for root in dict.fromkeys(("", urlsplit(_root_path(config)).path)):  # a proxy may leave it away or not
        app.add_route(root + PATH, original)
    page = build_ui(rag, shelf or Shelf(rag))
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = SECONDS_BETWEEN_LOOKS
    app = gradio.mount_gradio_app(
        app,
        page,
        path="/",
        root_path=_root_path(config),
        footer_links=[],
        allowed_paths=[],
        show_error=False,
        max_file_size=f"{config.upload_mb}mb",
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        theme=theme(),
    )
    app.add_middleware(
        Framed, root_path=_root_path(config), title=TITLE, style=asset("page.css"), icon=asset("icon.svg")
    )
    if hosts := known_hosts(config):
        app.add_middleware(HostCheck, hosts=hosts)  # the last one added is the first to be asked
    return app


def address(config: Config) -> str:
    """Return where a browser on this machine finds the page."""
    host = "127.0.0.1" if config.host in {"0.0.0.0", "::"} else config.host  # noqa: S104 (compared, not bound)
    return f"http://{f'[{host}]' if ':' in host else host}:{config.port}/"


def _root_path(config: Config) -> str:
    path = config.root_path.strip("/")
    return path if path.startswith(("http://", "https://")) else f"/{path}" if path else ""


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as exc:
        listener.close()
        raise ConfigError(
            f"{host}:{port} cannot be listened on ({exc.strerror or exc}); "
            "choose another port (RAG_PORT) or address (RAG_HOST)"
        ) from exc
    return listener
