"""XML: the text of its elements, titles as headings, data as lines that name each value."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.plain.encoding import decode_noted
from rag.load.plain.html import declared_charset, read_html
from rag.load.plain.text import plain_text
from rag.load.source import Source
from rag.load.tables import looks_like_header, whole_table_text

DECLARATION: Final = re.compile(r"\A\s*<\?xml[^>]*\?>")
TITLES: Final = frozenset({"title", "head", "heading", "h1", "h2", "h3", "h4", "h5", "h6"})
PROSE: Final = re.compile(
    r"p|para|simpara|formalpara|text|li|item|listitem|td|th|entry|dd|dt|div|span|quote|note|abstract|value"
    r"|string|content|summary|description|body|section|chapter|tspan|desc|l|ab|seg",
    re.I,
)
BLOCK: Final = re.compile(
    r"title|head|p|para|sect\w*|chapter|table|row|item|list\w*|[uo]l|div|record|entry", re.I
)
TABLES: Final = frozenset({"table", "informaltable"})
APART: Final = frozenset({"br", "lb", "linebreak", "tab", "note", "footnote"})
ROWS: Final = frozenset({"row", "tr"})
HEADERS: Final = frozenset({"thead", "th"})
DRAWING: Final = "http://www.w3.org/2000/svg"
NO_TEXT: Final = frozenset(
    {"style", "script", "path", "binary", "base64Binary", "signaturevalue", "digestvalue"}
)
NOISE: Final = re.compile(
    r"(?:xml:)?(?:id|base|lang|space)|class|style|schemalocation|nonamespaceschemalocation|xmlns|version|encoding"
    r"|type|match|select|test|rel|align|valign|width|height|colspan|rowspan|role|uuid|guid|ispermalink",
    re.I,
)
MARKUP: Final = re.compile(r"<(?:p|br|div|span|a|ul|ol|table|img|h[1-6]|b|i|strong|em)\b[^<>]*>", re.I)
SPACES: Final = re.compile(r"\s{2,}|[^\S ]")  # no single space: a text may have millions of them
LONGEST_ATTRIBUTE: Final = 300  # characters
MAX_LEVEL: Final = 6


def read_xml(source: Source) -> Content:
    """Read XML of any kind; entities are not expanded and nothing is fetched.

    Raises:
        LoadError: when there is no text in it.
        RecursionError: when it is nested deeper than Python calls functions.
    """
    decoded = decode_noted(source.data, declared=declared_charset(source.data))
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        recover=True,
        remove_comments=True,
        remove_pis=True,
        huge_tree=True,  # else a text of 10 MB counts as damaged; entities are not expanded anyway
    )
    data = DECLARATION.sub("", decoded.text.lstrip("\ufeff")).encode("utf-8", "replace")
    try:
        root = etree.fromstring(data, parser=parser)
    except etree.XMLSyntaxError:
        root = None
    if root is None:
        text, notes = plain_text(source)
        return Content(text=text, notes=(*notes, "it is no valid XML; it was read as plain text"))
    _set_apart(root)
    reader = _Reader()
    for note in (*decoded.notes, *_damage(parser)):
        reader.builder.note(note)
    reader.read(root)
    content = reader.builder.build()
    if not content.text:
        raise LoadError("there is no text in it, only markup")
    return content


def _set_apart(root: etree._Element) -> None:
    """Put space where a line breaks or a note stands, lest words become one."""
    for node in root.iter():
        if isinstance(node.tag, str) and _local(node).lower() in APART:
            node.text = f" {node.text}" if node.text else node.text
            node.tail = f" {node.tail or ''}"


def _damage(parser: etree.XMLParser) -> list[str]:
    errors = [error for error in parser.error_log if error.level_name in {"ERROR", "FATAL"}]
    errors = [
        error for error in errors if not error.type_name.startswith(("NS_", "WAR_", "ERR_UNDECLARED_ENTITY"))
    ]
    if not errors:
        return []
    return [f"its XML is damaged at line {errors[0].line:,}; it was read as far as it could be"]


class _Reader:
    def __init__(self) -> None:
        self.builder = ContentBuilder()
        self._separator = "\n\n"

    def read(self, root: etree._Element) -> None:
        self._element(root, 1)

    def _element(self, node: etree._Element, level: int) -> None:
        """Add an element and what is in it."""
        if not isinstance(node.tag, str) or _local(node).lower() in NO_TEXT:
            return
        children = [child for child in node if isinstance(child.tag, str)]
        local = _local(node).lower()
        if local in TABLES and self._table(node):
            return
        if local in TITLES:
            self.builder.add_heading(min(level, MAX_LEVEL), _flat(node))
            self._separator = "\n\n"
        elif not children or _is_mixed(node):
            self._leaf(node)
        else:
            self._parent(node, children, level)

    def _parent(self, node: etree._Element, children: list[etree._Element], level: int) -> None:
        self._line("; ".join(f"{name}: {value}" for name, value in _attributes(node)))
        below = level + any(_local(child).lower() in TITLES for child in children)
        is_record = not any(len(child) for child in children)
        self._separator = "\n\n"
        named = ""
        self._line(" ".join((node.text or "").split()))
        for child in children:
            if _local(child) == "key" and not len(child):  # a property list: the next element is its value
                named = _flat(child)
                continue
            if named and not len(child):
                self._line(f"{named}: {_flat(child) or _local(child)}")
            else:
                self._line(f"{named}:" if named else "")
                self._element(child, level if _local(child).lower() in TITLES else below)
            named = ""
            self._line(" ".join((child.tail or "").split()))
        if not is_record or len(children) > 1:
            self._separator = "\n\n"

    def _leaf(self, node: etree._Element) -> None:
        text = _flat(node)
        local = _local(node)
        if MARKUP.search(text):
            page = read_html(Source(data=text.encode("utf-8", "replace"))) if text else Content(text="")
            text, local = page.text, "p"
        pairs = [] if _is_drawing(node) or _is_mixed(node) else _attributes(node)
        said = "; ".join(f"{name}: {value}" for name, value in pairs)
        is_prose = PROSE.fullmatch(local) is not None or _is_mixed(node)
        if text and is_prose:
            self._separator = "\n\n" if local.lower() in {"p", "para"} else self._separator
            self._line(text)
        elif text:
            self._line(f"{local}: {text}" + (f" ({said})" if said else ""))
        elif said:
            self._line(f"{local}: {said}")

    def _line(self, text: str) -> None:
        if text.strip():
            self.builder.add(text, separator=self._separator)
            self._separator = "\n"

    def _table(self, node: etree._Element) -> bool:
        """Add a table row by row, every value beside its column's name; False for one that holds no rows."""
        rows = [
            [_flat(cell) for cell in row if isinstance(cell.tag, str)]
            for row in node.iter()
            if isinstance(row.tag, str) and _local(row).lower() in ROWS
        ]
        if not any(map(any, rows)) or _says_more(node):
            return False
        has_header = any(
            isinstance(each.tag, str) and _local(each).lower() in HEADERS for each in node.iter()
        )
        title = next(
            (child for child in node if isinstance(child.tag, str) and _local(child) == "title"), None
        )
        if title is not None:
            self.builder.add(_flat(title))
        self.builder.add(whole_table_text(rows, header=has_header or looks_like_header(rows)))
        self._separator = "\n\n"
        return True


def _says_more(table: etree._Element) -> bool:
    """Tell whether a table holds text beside its title and the cells of its rows."""
    parts = [child for child in table if isinstance(child.tag, str) and _local(child) == "title"]
    for row in table.iter():
        if isinstance(row.tag, str) and _local(row).lower() in ROWS:
            parts += [cell for cell in row if isinstance(cell.tag, str)]
    return _letters(table) > sum(map(_letters, parts))


def _letters(node: etree._Element) -> int:
    return len("".join(_flat(node).split()))


def _local(node: etree._Element) -> str:
    return str(node.tag).rpartition("}")[2]


def _is_drawing(node: etree._Element) -> bool:
    return str(node.tag).startswith(f"{{{DRAWING}}}")


def _is_mixed(node: etree._Element) -> bool:
    """Say whether text stands beside the elements inside `node`, which are then parts of a sentence."""
    if not len(node):
        return False
    stray = (node.text or "").strip() or any((child.tail or "").strip() for child in node)
    inner = (str(each.tag).rpartition("}")[2] for each in node.iterdescendants("*"))
    return bool(stray) and not any(map(BLOCK.fullmatch, inner))


def _flat(node: etree._Element) -> str:
    return SPACES.sub(" ", "".join(node.itertext())).strip()


def _attributes(node: etree._Element) -> list[tuple[str, str]]:
    """Return the attributes that say something to a reader."""
    pairs = [(str(name).rpartition("}")[2], str(value).strip()) for name, value in node.attrib.items()]
    if _is_drawing(node):
        return []
    return [
        (name, value)
        for name, value in pairs
        if value and len(value) <= LONGEST_ATTRIBUTE and not NOISE.fullmatch(name)
    ]
