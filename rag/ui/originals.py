"""The pages of a document on which a passage stands, as a picture with what is quoted marked."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from rag.citations import boxes_of
from rag.errors import LoadError, RagError
from rag.folder.scan import path_of
from rag.load.guard import Loader
from rag.ui.languages import ENGLISH, LANGUAGES
from rag.ui.texts import told

if TYPE_CHECKING:
    from rag.pipeline import Rag

PATH: Final = "/original.png"
SECONDS: Final = 30.0  # that a page may take to be drawn
SPAN: Final = re.compile(r"([0-9]{1,12})-([0-9]{1,12})")
MOST_SPANS: Final = 50  # of one picture
WAIT: Final = 10.0  # seconds for the picture before it
BUSY: Final = "other pages are being drawn: try again"
UNKNOWN: Final = "no such place is known: ask again"
CHANGED: Final = "it has been changed since it was read: ask again"


def address(source: str, spans: Sequence[tuple[int, int]], *, digest: str) -> str:
    """Return where the picture of some spans of a document's text is served, relative to the page.

    `digest` is that of the file which was read.
    """
    asked = [("source", source), ("digest", digest), *(("span", f"{start}-{end}") for start, end in spans)]
    return f"{PATH[1:]}?{urlencode(asked)}"


def picture(rag: Rag, source: str, spans: Sequence[tuple[int, int]], *, digest: str) -> bytes:
    """Return the pages of the spans as PNG, their lines marked; of many the first.

    Only what is indexed is shown, and only as long as the file is the one that was read.

    Raises:
        LoadError: when no such place is indexed, or its page cannot be drawn.
    """
    passages = [each for each in rag.index.passages(source) if not each.part]
    found = (boxes_of(each, start, end) for start, end in spans[:MOST_SPANS] for each in passages)
    boxes = [*dict.fromkeys(box for some in found for box in some)]
    if not boxes:
        raise LoadError(UNKNOWN)
    if passages[0].digest != digest:  # the spans are those of another text
        raise LoadError(CHANGED)
    path = path_of(source, rag.config.data_dir, skip=rag.config.index_dir)
    with Loader(timeout=min(SECONDS, rag.config.file_timeout), settings=rag.load_settings) as loader:
        return loader.draw(path, boxes, digest=digest)


def served(rag: Rag) -> Callable[[Any], Any]:
    """Return the endpoint of Starlette's that serves the pictures, one at a time."""
    from starlette.responses import PlainTextResponse, Response

    one_at_a_time = threading.Lock()

    def original(request: Any) -> Response:
        asked = request.query_params
        texts = LANGUAGES.get(asked.get("lang", ""), ENGLISH)
        if request.headers.get("sec-fetch-site") == "cross-site":
            return PlainTextResponse(told(UNKNOWN, texts), status_code=403)
        if not one_at_a_time.acquire(timeout=WAIT):
            return PlainTextResponse(told(BUSY, texts), status_code=503)
        try:
            spans = [_span(each) for each in asked.getlist("span")]
            png = picture(rag, asked.get("source", ""), spans, digest=asked.get("digest", ""))
        except RagError as exc:
            said = str(exc) if isinstance(exc, LoadError) else UNKNOWN  # another may name folders
            return PlainTextResponse(told(said, texts), status_code=404)
        finally:
            one_at_a_time.release()
        kept = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"}
        return Response(png, media_type="image/png", headers=kept)

    return original


def _span(said: str) -> tuple[int, int]:
    found = SPAN.fullmatch(said)
    if found is None:
        raise LoadError(UNKNOWN)
    return int(found[1]), int(found[2])
