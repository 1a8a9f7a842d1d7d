"""XML: the text of its elements, titles as headings, data as lines that name each value."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.plain.blobs import Sieve
from rag.load.plain.encoding import decode_noted
from rag.load.plain.html import declared_charset
from rag.load.plain.text import plain_text
from rag.load.plain.xml_values import Attributes, local, page_text
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
NOTES: Final = frozenset({"note", "footnote"})
APART: Final = NOTES | {
    *("br", "lb", "linebreak", "tab", "p", "para", "simpara", "formalpara", "title", "subtitle"),
    *("li", "item", "listitem", "dt", "dd", "th", "td", "entry", "l", "v"),
}
PROPERTIES: Final = frozenset({"plist", "dict"})
TRUTHS: Final = frozenset({"true", "false"})  # values that their elements' names tell
ROWS: Final = frozenset({"row", "tr"})
HEADERS: Final = frozenset({"thead", "th"})
NO_TEXT: Final = frozenset({"style", "script", "binary", "base64binary", "signaturevalue", "digestvalue"})
STROKE: Final = "path"  # of a drawing, but where it holds text
SPACES: Final = re.compile(r"\s{2,}|[^\S ]")  # no single space: a text may have millions of them
LONG: Final = 600  # characters of attributes, from which on each has its line
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
    content = _Reader(root).read([*decoded.notes, *_damage(parser)])
    if not content.text:
        raise LoadError("there is no text in it, only markup")
    return content


def _set_apart(root: etree._Element) -> None:
    """Put space where a line or a paragraph ends or a note stands, lest words become one."""
    for node in root.iter(etree.Element):
        name = local(node).lower()
        if name in NOTES and node.text:
            node.text = f" {node.text}"
        if name in APART:
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
    def __init__(self, root: etree._Element) -> None:
        self._root = root
        self._builder = ContentBuilder()
        self._separator = "\n\n"
        self._sieve = Sieve()
        self._attributes = Attributes(root, self._sieve)

    def read(self, known: list[str]) -> Content:
        """Read the document; `known` are the notes on it already."""
        if local(self._root) == "plist":
            self._sieve.empty(self._root.iter("data"))
        self._sieve.sift_tree(self._root)
        self._element(self._root, 1)
        for note in (*known, *self._sieve.notes()):
            self._builder.note(note)
        return self._builder.build()

    def _element(self, node: etree._Element, level: int) -> None:
        """Add an element and what is in it."""
        if not isinstance(node.tag, str) or _is_unread(node):
            return
        children = [child for child in node if isinstance(child.tag, str)]
        if local(node).lower() in TABLES and self._table(node):
            return
        if _is_title(node):
            self._builder.add_heading(min(level, MAX_LEVEL), _flat(node))
            self._separator = "\n\n"
        elif not children or _is_mixed(node):
            self._leaf(node)
        else:
            self._parent(node, children, level)

    def _parent(self, node: etree._Element, children: list[etree._Element], level: int) -> None:
        self._line(_joined(self._attributes.of(node)))
        below = level + any(map(_is_title, children))
        is_record = not any(len(child) for child in children)
        self._separator = "\n\n"
        has_keys = local(node) in PROPERTIES
        named = ""
        self._line(" ".join((node.text or "").split()))
        for child in children:
            if has_keys and local(child) == "key" and not len(child):  # the next element is its value
                named = _flat(child)
                continue
            if named and not len(child):
                value = local(child) if local(child) in TRUTHS else _flat(child)
                self._line(f"{named}: {value}" if value else "")
            else:
                self._line(f"{named}:" if named else "")
                self._element(child, level if _is_title(child) else below)
            named = ""
            self._line(" ".join((child.tail or "").split()))
        if not is_record or len(children) > 1:
            self._separator = "\n\n"

    def _leaf(self, node: etree._Element) -> None:
        text, name = _flat(node), local(node)
        page = page_text(text)
        if page is not None:
            text, name = page, "p"
        said = "" if _is_mixed(node) else _joined(self._attributes.of(node))
        is_prose = PROSE.fullmatch(name) is not None or _is_mixed(node)
        if text and is_prose:
            self._separator = "\n\n" if name.lower() in {"p", "para"} else self._separator
            said = "" if self._attributes.is_markup(node) else said
            self._line(f"{text} ({said})" if said else text)
        elif text:
            self._line(f"{name}: {text}" + (f" ({said})" if said else ""))
        elif said:
            self._line(f"{name}: {said}")

    def _line(self, text: str) -> None:
        if text.strip():
            self._builder.add(text, separator=self._separator)
            self._separator = "\n"

    def _table(self, node: etree._Element) -> bool:
        """Add a table row by row, every value beside its column's name; False for one that holds no rows."""
        rows = [
            [_flat(cell) for cell in row if isinstance(cell.tag, str)]
            for row in node.iter()
            if isinstance(row.tag, str) and local(row).lower() in ROWS
        ]
        if not any(map(any, rows)) or _says_more(node):
            return False
        has_header = any(isinstance(each.tag, str) and local(each).lower() in HEADERS for each in node.iter())
        title = next(
            (child for child in node if isinstance(child.tag, str) and local(child) == "title"), None
        )
        if title is not None:
            self._builder.add(_flat(title))
        self._builder.add(whole_table_text(rows, header=has_header or looks_like_header(rows)))
        self._separator = "\n\n"
        return True


def _says_more(table: etree._Element) -> bool:
    """Tell whether a table holds text beside its title and the cells of its rows."""
    parts = [child for child in table if isinstance(child.tag, str) and local(child) == "title"]
    for row in table.iter():
        if isinstance(row.tag, str) and local(row).lower() in ROWS:
            parts += [cell for cell in row if isinstance(cell.tag, str)]
    return _letters(table) > sum(map(_letters, parts))


def _letters(node: etree._Element) -> int:
    return len("".join(_flat(node).split()))


def _is_unread(node: etree._Element) -> bool:
    name = local(node).lower()
    return name in NO_TEXT or (name == STROKE and not len(node) and not _flat(node))


def _is_title(node: etree._Element) -> bool:
    """Say whether an element is a heading, and not the head of a page, which has a title of its own."""
    return local(node).lower() in TITLES and node.find("{*}title") is None


def _is_mixed(node: etree._Element) -> bool:
    """Say whether text stands beside the elements inside `node`, which are then parts of a sentence."""
    if not len(node):
        return False
    stray = (node.text or "").strip() or any((child.tail or "").strip() for child in node)
    inner = map(local, node.iterdescendants("*"))
    return bool(stray) and not any(map(BLOCK.fullmatch, inner))


def _flat(node: etree._Element) -> str:
    return SPACES.sub(" ", "".join(node.itertext())).strip()


def _joined(pairs: list[str]) -> str:
    line = "; ".join(pairs)
    return line if len(line) <= LONG and "\n" not in line else "\n".join(pairs)
