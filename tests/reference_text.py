"""The text of real files by other tools than Kaoju's: what its readers are compared with."""

from __future__ import annotations

import email
import email.policy
import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from lxml import etree
from lxml import html as lxml_html

WORD: Final = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
HIDDEN: Final = {"script", "style", "head", "noscript"}


def words(text: str) -> Counter[str]:
    """Return how often each word, or Chinese, Japanese or Korean character, occurs."""
    return Counter(WORD.findall(text.casefold()))


def recall(text: str, reference: str) -> float:
    """Return the share of the reference's words that `text` has as often."""
    wanted = words(reference)
    return (wanted & words(text)).total() / wanted.total() if wanted else 1.0


def precision(text: str, reference: str) -> float:
    """Return the share of the distinct words of `text` that stand in the reference."""
    got = words(text).keys()
    return len(got & words(reference).keys()) / len(got) if got else 1.0


def plain(encoding: str) -> Callable[[bytes], str]:
    """Return a reader of text in a known encoding."""
    return lambda data: data.decode(encoding, "ignore")


def of_html(data: bytes) -> str:
    root = lxml_html.document_fromstring(data)
    return " ".join(_visible(root.find(".//body")))


def _visible(node: Any) -> Iterator[str]:
    if node.tag in HIDDEN or not isinstance(node.tag, str):
        return
    yield node.text or ""
    for child in node:
        yield from _visible(child)
        yield child.tail or ""


def of_docx(data: bytes) -> str:
    import docx

    document = docx.Document(io.BytesIO(data))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(paragraph.text for paragraph in document.paragraphs), *cells])


def of_pptx(data: bytes) -> str:
    import pptx

    slides = pptx.Presentation(io.BytesIO(data)).slides
    return "\n".join(text for slide in slides for text in _of_shapes(slide.shapes))


def _of_shapes(shapes: Iterable[Any]) -> Iterator[str]:
    for shape in shapes:
        if shape.has_text_frame:
            yield shape.text_frame.text
        if getattr(shape, "has_table", False):
            yield from (cell.text for row in shape.table.rows for cell in row.cells)


def of_xlsx(data: bytes) -> str:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    rows = (row for sheet in book.worksheets for row in sheet.iter_rows(values_only=True))
    return "\n".join(str(value) for row in rows for value in row if value is not None)


def of_pdf(data: bytes) -> str:
    from pdfminer.high_level import extract_text

    return str(extract_text(io.BytesIO(data)))


def of_mail(data: bytes) -> str:
    message = email.message_from_bytes(data, policy=email.policy.default)
    texts = [part.get_content() for part in message.walk() if part.get_content_type() == "text/plain"]
    return "\n".join([str(message["Subject"] or ""), *map(str, texts)])


def of_epub(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        pages = [book.read(name) for name in book.namelist() if name.endswith((".html", ".xhtml", ".htm"))]
    roots = [etree.fromstring(page, etree.HTMLParser()) for page in pages]
    return "\n".join(" ".join(root.find(".//body").itertext()) for root in roots)


OTHER_TOOLS: Final[dict[str, Callable[[bytes], str]]] = {
    ".docx": of_docx,
    ".eml": of_mail,
    ".epub": of_epub,
    ".html": of_html,
    ".pdf": of_pdf,
    ".pptx": of_pptx,
    ".xlsx": of_xlsx,
} | dict.fromkeys((".csv", ".md", ".ndjson", ".tsv", ".txt", ".xsl"), plain("utf-8"))


def reference(path: Path, encoding: str = "") -> str:
    """Return a file's text by another tool; "" where none reads it."""
    tool = OTHER_TOOLS.get(path.suffix)
    if encoding:
        text = path.read_bytes().decode(encoding, "ignore")
        return of_html(text.encode()) if path.suffix == ".html" else text
    return tool(path.read_bytes()) if tool else ""
