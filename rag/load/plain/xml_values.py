"""What the attributes of an XML element say to a reader, and its text where that is a page of its own."""

from __future__ import annotations

import html
import re
from typing import Final

from lxml import etree

from rag.load.plain.blobs import Sieve
from rag.load.plain.html import SPACE, read_html
from rag.load.source import Source

PAGE: Final = re.compile(r"<(?:p|br|div|span|a|ul|ol|table|img|h[1-6]|b|i|strong|em)\b[^<>]*>", re.I)
# Other tags, and what may hide an element or make it a margin: only a reader of pages knows these.
RICH: Final = re.compile(
    r"<(?!/?(?:p|br|div|span|a|b|i|u|strong|em|font)\b)[a-z/!?]|\b(?:class|role|display|visibility)\s*[:=]",
    re.I,
)
BLOCKS: Final = re.compile(r"(?: ?</?(?:p|div)\b[^<>]*>)+", re.I)
BREAK: Final = re.compile(r"<br\b[^<>]*>", re.I)
TAG: Final = re.compile(r"</?[a-z][^<>]*>", re.I)
EMPTY_LINES: Final = re.compile(r"\n{3,}")
DRAWING: Final = "http://www.w3.org/2000/svg"
MARKUP: Final = frozenset(  # namespaces of texts, where some attributes say how these are laid out
    {
        DRAWING,
        "http://docbook.org/ns/docbook",
        "http://purl.org/atom/ns#",
        "http://search.yahoo.com/mrss/",
        "http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd",
        "http://www.daisy.org/z3986/2005/ncx/",
        "http://www.gribuser.ru/xml/fictionbook/2.0",
        "http://www.inkscape.org/namespaces/inkscape",
        "http://www.opengis.net/kml/2.2",
        "http://www.tei-c.org/ns/1.0",
        "http://www.w3.org/1998/Math/MathML",
        "http://www.w3.org/1999/XSL/Transform",
        "http://www.w3.org/1999/xhtml",
        "http://www.w3.org/2005/Atom",
    }
)
MARKUP_DOCTYPE: Final = re.compile(r"DocBook|DITA|HTML|JATS|NLM")
MARKUP_NAME: Final = re.compile(  # elements of texts that stand elsewhere, too, in no namespace
    r"html|body|a|p|div|span|img|h\d|[uod]l|li|d[td]|t[rdh]|table|thead|tbody|tfoot|colgroup|col|caption"
    r"|pre|code|blockquote|em|strong|font|section|sec|sect\d|chapter|appendix|para|simpara|formalpara|text"
    r"|(?:itemized|ordered|variable)list|listitem|tgroup|colspec|xref|mediaobject|imagedata|graphic|fig"
    r"|description|summary|content|ref",
    re.I,
)
NOISE: Final = re.compile(
    r"xmlns|(?:nonamespace)?schemalocation|space|encoding|style|rel|align|valign|colspan|rowspan"
    r"|uuid|guid|ispermalink",
    re.I,
)
LAYOUT: Final = re.compile(  # noise of texts
    rf"{NOISE.pattern}|id|base|lang|class|type|version|match|select|test|width|height|role", re.I
)
OF_FILE: Final = re.compile(rf"{NOISE.pattern}|version|base|lang", re.I)  # noise of the outermost element
UNREAD: Final = frozenset(  # namespaces
    {"http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2001/XMLSchema-instance"}
)


def local(node: etree._Element) -> str:
    """Return an element's name without its namespace."""
    return str(node.tag).rpartition("}")[2]


def _namespace(name: str) -> str:
    return name.rpartition("}")[0][1:]  # lxml's QName refuses names that a damaged file may have


def page_text(text: str) -> str | None:
    """Return what a text says that is HTML; None for any other."""
    return read_html(Source(data=text.encode("utf-8", "replace"))).text if PAGE.search(text) else None


def _shown(text: str) -> str:
    """Return an attribute's value without its markup, if it is HTML."""
    if not PAGE.search(text):
        return text
    return (page_text(text) if RICH.search(text) else _untagged(text)) or text


def _untagged(text: str) -> str:
    """Return what `page_text` does of HTML without lists or tables, for thousands of short values."""
    lines = BREAK.sub("\n", BLOCKS.sub(_break, SPACE.sub(" ", text)))
    said = (SPACE.sub(" ", html.unescape(line)).strip() for line in TAG.sub("", lines).split("\n"))
    return EMPTY_LINES.sub("\n\n", "\n".join(said)).strip()


def _break(tags: re.Match[str]) -> str:
    return "\n\n" if "<p" in tags[0].lower().replace("/", "") else "\n"


class Attributes:
    """Finds the attributes of a document's elements that say something to a reader."""

    def __init__(self, root: etree._Element, sieve: Sieve) -> None:
        self._root = root
        self._sieve = sieve
        self._is_markup = MARKUP_DOCTYPE.search(root.getroottree().docinfo.public_id or "") is not None

    def of(self, node: etree._Element) -> list[str]:
        """Return each of an element's telling attributes as "name: value"."""
        if _namespace(str(node.tag)) == DRAWING:
            return []
        noise = self._noise(node)
        pairs = []
        for full_name, value in node.attrib.items():
            name = str(full_name).rpartition("}")[2]
            if _namespace(str(full_name)) in UNREAD or noise.fullmatch(name):
                continue
            said = self._sieve.sift_data(str(value)).strip()
            said = _shown(said)
            pairs += [f"{name}: {said}"] if said else []
        return pairs

    def is_markup(self, node: etree._Element) -> bool:
        """Say whether an element is part of a text, and not of data."""
        is_known = self._is_markup or _namespace(str(node.tag)) in MARKUP
        return is_known or MARKUP_NAME.fullmatch(local(node)) is not None

    def _noise(self, node: etree._Element) -> re.Pattern[str]:
        if self.is_markup(node):
            return LAYOUT
        return OF_FILE if node is self._root and len(node) else NOISE
