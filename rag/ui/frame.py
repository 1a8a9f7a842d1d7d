"""The document that Gradio sends, made Kaoju's own: its links relative to the page, styled from the start."""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias
from urllib.parse import quote

App: TypeAlias = Any  # an ASGI application
# The page knows where it was opened; the server behind a proxy that rewrites Host does not.
ROOT: Final = "<script>window.gradio_config.root = new URL('.', location).href.replace(/\\/$/, '');</script>"
CONFIG: Final = re.compile(r"(<script>window\.gradio_config = .*?</script>)", re.DOTALL)
FOREIGN: Final = re.compile(
    r'<meta\s+(?:property|name)="(?:og|twitter):.*?/>|<link rel="manifest"[^>]*>'
    r'|<script\s+src="[^"]*iframeResizer[^"]*"\s+async\s*></script>',
    re.DOTALL,
)


def framed(html: str, *, title: str, style: str, icon: str) -> str:
    """Return Gradio's document with our title, style sheet and icon (an SVG), without what names Gradio."""
    html = FOREIGN.sub("", html)
    html = CONFIG.sub(lambda found: found[1] + ROOT, html, count=1)
    link = f'<link rel="icon" href="data:image/svg+xml,{quote(icon)}">'
    head = f"<title>{title}</title>{link}<style>{style}</style></head>"
    return html.replace("</head>", head, 1)


class Framed:
    """ASGI middleware that frames the document and passes everything else on."""

    def __init__(self, app: App, *, root_path: str, title: str, style: str, icon: str) -> None:
        self.app = app
        self.pages = {"/", root_path, f"{root_path}/"}
        self.parts = {"title": title, "style": style, "icon": icon}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in self.pages:
            await self.app(scope, receive, send)
            return
        messages: list[dict[str, Any]] = []

        async def keep(message: dict[str, Any]) -> None:
            messages.append(message)

        plain = [pair for pair in scope["headers"] if pair[0].lower() != b"accept-encoding"]
        await self.app(scope | {"headers": plain}, receive, keep)
        start, body = messages[0], b"".join(message.get("body", b"") for message in messages[1:])
        if start["status"] == 200:  # noqa: PLR2004 (OK)
            body = framed(body.decode(), **self.parts).encode()
        headers = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
        headers += [(b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
        await send(start | {"headers": headers})
        await send({"type": "http.response.body", "body": body})
