"""The web page: ask and read the sources, in English and Chinese."""

from __future__ import annotations

from rag.ui.page import build_ui
from rag.ui.server import address, serve, web_app

__all__ = ["address", "build_ui", "serve", "web_app"]
