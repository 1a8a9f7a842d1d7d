"""HTML: the main text without navigation, with headings, lists and tables as a reader sees them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from lxml import etree
from lxml import html as lxml_html

from rag.load.content import Content, ContentBuilder
from rag.load.plain.blobs import Sieve
from rag.load.plain.encoding import decode_noted
from rag.load.plain.html_table import data_text
from rag.load.raised import raised
from rag.load.source import Source

DECLARED: Final = re.compile(rb"""<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*["']?\s*([\w:.-]+)""", re.I)
DECLARED_WITHIN: Final = 4096  # bytes
XML_DECLARATION: Final = re.compile(r"^\s*<\?xml[^>]*\?>")
# No browser takes these for the end of a page (HTML Standard, 13.2.6.4.7), libxml2 does.
END: Final = re.compile(r"</(?:html|body)\s*>", re.I)
CLOSED: Final = re.compile(r"(<(?:html|body)\b[^<>]*)/>", re.I)
SPACE: Final = re.compile(r"[ \t\n\r\f\xa0]+")
HEADING: Final = re.compile(r"h[1-6]$")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DROPPED: Final = _words(
    "script style noscript template nav iframe object embed svg canvas audio video select option "
    "input textarea rt rp annotation head map dialog"  # never read, in whatever page
)
DROPPED_ROLES: Final = _words("navigation search banner contentinfo menu dialog")
DROPPED_CLASSES: Final = _words(
    "nav navbar navbox navigation sidebar menu breadcrumb breadcrumbs toc noprint mw-editsection "
    "mw-jump-link mw-portlet vector-dropdown cookie-banner cookie-notice skip-link sr-only visually-hidden "
    "pagination catlinks headerlink linenos katex-html"
)
OF_LINKS: Final = _words("sidebar menu")  # elsewhere these name a warning, or what is for dinner
TITLED: Final = _words("h1 h2 h3 h4 h5 h6 dt summary p")
UNSEEN: Final = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)\b", re.I)
SECTIONS: Final = _words("article aside blockquote main section td")  # a footer in one is not the page's
BLOCKS: Final = _words(
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure "
    "footer form header hr li main ol p pre section summary table tbody td tfoot th thead tr ul"
)
LISTS: Final = frozenset({"ul", "ol"})
PARAGRAPHS: Final = _words("p ul ol dl table blockquote pre section article figure")
MAX_INDENT: Final = 8  # lists within lists
BULK: Final = 500  # characters, and half of the text, that are no margin whatever its class says
TELLS: Final = re.compile(r"[.!?](?:\s|$)|[。！？]|\d")  # a sentence, an hour, a price
TOLD: Final = 20  # characters outside of links from which on a margin may tell something
MENU_ITEMS: Final = 12
MENU_ITEM: Final = 25  # characters of an average item, at most
MENU_LINKED: Final = 0.8  # part of the characters that are within links


def read_html(source: Source) -> Content:
    """Read the main text of a page; entities are decoded, the charset is the declared one if it fits."""
    decoded = decode_noted(source.data, declared=declared_charset(source.data))
    text = CLOSED.sub(r"\1>", END.sub("", XML_DECLARATION.sub("", decoded.text)))
    root = lxml_html.document_fromstring(text, parser=lxml_html.HTMLParser(huge_tree=True))
    title = " ".join((root.findtext(".//title") or "").split())
    etree.strip_elements(root, *DROPPED, etree.Comment, etree.PI, with_tail=False)
    sieve = Sieve()
    sieve.sift_tree(root)
    _raise_exponents(root)
    content = _Reader().read(_main(root), title)
    content = content if content.text else _Reader(keep_all=True).read(root, title)
    return replace(content, notes=(*decoded.notes, *sieve.notes(), *content.notes))


def declared_charset(data: bytes) -> str | None:
    """Return the charset that HTML or XML names at its beginning."""
    found = DECLARED.search(data[:DECLARED_WITHIN])
    if not found:
        return None
    name = found[1].decode("ascii", "replace")
    return "utf-8" if name.lower().startswith("utf-16") else name  # it was readable as ASCII


def _main(root: etree._Element) -> etree._Element:
    for path in ("//main", "//*[@role='main']", "//article"):
        found = root.xpath(path)
        if len(found) == 1 and len(" ".join(found[0].itertext())) > len(" ".join(root.itertext())) // 2:
            return found[0]
    body = root.find(".//body")
    return root if body is None else body


def _raise_exponents(root: etree._Element) -> None:
    for node in root.iter("sup"):
        if not len(node):
            node.text = raised(node.text or "")


def _bulk(root: etree._Element) -> set[etree._Element]:
    """Return the elements that hold half of the text each, and more of it outside of links than within."""
    most = max(BULK, sum(len(text.strip()) for text in root.itertext()) / 2)
    found: set[etree._Element] = set()
    sizes = [0.0]
    links = 0
    for event, node in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            links += node.tag == "a"
            sizes.append(_size(node.text, links))
            continue
        links -= node.tag == "a"
        size = sizes.pop()
        if size > most:
            found.add(node)
        sizes[-1] += size + _size(node.tail, links)
    return found


def _size(text: str | None, links: int) -> int:
    size = len((text or "").strip())
    return -size if links else size


class _Reader:
    """Walks the tree once, without recursion: a hostile page may be nested very deep."""

    def __init__(self, *, keep_all: bool = False) -> None:
        self._builder = ContentBuilder()
        self._keep_all = keep_all
        self._bulk: set[etree._Element] = set()
        self._pieces: list[str] = []
        self._separator = "\n"  # what the next block is set off by
        self._bullet = ""
        self._preformatted = 0
        self._sections = 0
        self._lists: list[int | None] = []  # the last number given in each list around, None: not numbered

    def read(self, root: etree._Element, title: str) -> Content:
        if title and not root.xpath(".//h1"):
            self._builder.add_heading(1, title)
        self._bulk = _bulk(root)
        self._sections = int(root.tag != "body")
        skipped = None
        walk = etree.iterwalk(root, events=("start", "end"))
        for event, node in walk:
            if event == "start" and node is not root and (self._is_dropped(node) or self._add_whole(node)):
                skipped = node
                walk.skip_subtree()
            elif event == "start":
                self._open(node)
            elif node is not skipped:
                self._close(node)
            if event == "end" and node is not root and node.tail:
                self._pieces.append(node.tail)
        self._flush()
        return self._builder.build()

    def _is_dropped(self, node: etree._Element) -> bool:
        if self._keep_all:
            return False
        if "hidden" in node.attrib or _is_unseen(node):
            return True
        classes = f"{node.get('class', '')} {node.get('id', '')}".lower().split()
        is_noise = node.get("role") in DROPPED_ROLES or _is_margin(
            node, DROPPED_CLASSES.intersection(classes)
        )
        is_page_footer = node.tag == "footer" and not self._sections
        is_mark = node.tag == "sup" and "reference" in classes  # of a note, in Wikipedia
        is_menu = node.tag in LISTS and _is_menu(node)
        is_button = node.tag == "button" and not _is_told(node)
        return (is_noise and node not in self._bulk) or is_page_footer or is_mark or is_menu or is_button

    def _add_whole(self, node: etree._Element) -> bool:
        """Add a heading or a table of data; say whether `node` was one."""
        if HEADING.match(str(node.tag)):
            self._flush()
            self._builder.add_heading(int(node.tag[1]), self._inner_text(node))
            self._separator = "\n\n"
            return True
        text = data_text(node, self._inner_text) if node.tag == "table" else ""
        if text:
            self._flush()
            self._builder.add(text)
            self._separator = "\n\n"
        return bool(text)

    def _inner_text(self, node: etree._Element) -> str:
        pieces: list[str] = []
        walk = etree.iterwalk(node, events=("start", "end"))
        for event, child in walk:
            if event == "start" and child is not node and self._is_dropped(child):
                walk.skip_subtree()
            elif event == "start":
                pieces.append((" " if child.tag in BLOCKS or child.tag == "br" else "") + (child.text or ""))
            elif child is not node:
                pieces.append(child.tail or "")
        return SPACE.sub(" ", "".join(pieces)).strip()

    def _open(self, node: etree._Element) -> None:
        if node.tag in BLOCKS:
            self._flush()
            self._set_off(node)
        if node.tag == "br":
            self._pieces.append("\v")
        elif node.tag == "pre":
            self._preformatted += 1
        elif node.tag in LISTS:
            self._lists.append(_number(node, "start", 1) - 1 if node.tag == "ol" else None)
        elif node.tag == "li":
            self._bullet = self._next_bullet(node)
        elif node.tag == "img" and self._keep_all:
            self._pieces.append(f" {node.get('alt', '')} ")
        self._sections += node.tag in SECTIONS
        if node.text:
            self._pieces.append(node.text)

    def _close(self, node: etree._Element) -> None:
        if node.tag in BLOCKS:
            self._flush()
        if node.tag == "pre":
            self._preformatted -= 1
        elif node.tag in LISTS:
            self._lists.pop()
        elif node.tag == "li":
            self._bullet = ""
        self._sections -= node.tag in SECTIONS
        self._set_off(node)

    def _set_off(self, node: etree._Element) -> None:
        if node.tag in PARAGRAPHS and not self._lists:
            self._separator = "\n\n"

    def _next_bullet(self, node: etree._Element) -> str:
        indent = "  " * (min(len(self._lists), MAX_INDENT) - 1)
        if not self._lists or self._lists[-1] is None:
            return indent + "- "
        self._lists[-1] = _number(node, "value", self._lists[-1] + 1)
        return f"{indent}{self._lists[-1]}. "

    def _flush(self) -> None:
        text = "".join(self._pieces)
        self._pieces.clear()
        if self._preformatted:
            text = text.replace("\v", "\n")
        else:
            text = "\n".join(line.strip() for line in SPACE.sub(" ", text).split("\v")).strip()
        if text.strip():
            self._builder.add(self._bullet + text, separator=self._separator)
            self._separator, self._bullet = "\n", ""


def _is_unseen(node: etree._Element) -> bool:
    """Say whether its own style hides it; a formula may be hidden behind its picture."""
    return UNSEEN.search(node.get("style", "")) is not None and node.find("math") is None


def _number(node: etree._Element, attribute: str, otherwise: int) -> int:
    """Return the number that a list begins with or an item has."""
    written = node.get(attribute, "").strip()
    return int(written) if re.fullmatch(r"-?\d{1,9}", written) else otherwise


def _is_told(button: etree._Element) -> bool:
    """Say whether a button is told of in a sentence, or is all of a heading, as a question that folds."""
    around = next(button.iterancestors(*TITLED), None)
    if around is None:
        return False
    whole, said = (len("".join(node.xpath("string()").split())) for node in (around, button))
    buttons = sum(len("".join(each.xpath("string()").split())) for each in around.iter("button"))
    return whole > buttons if around.tag == "p" else whole == said


def _is_margin(node: etree._Element, names: frozenset[str]) -> bool:
    """Say whether what has these names of margins is one."""
    if not names or names - OF_LINKS:
        return bool(names)
    size, linked = _sizes(node)
    return size - linked < max(TOLD, linked) or not TELLS.search(node.xpath("normalize-space()"))


def _is_menu(node: etree._Element) -> bool:
    """Say whether a long list, that no sentence leads to, holds short links and nothing else."""
    before = node.getprevious()
    led = before is not None and before.tag == "p" and before.xpath("normalize-space()").endswith((":", "："))
    if len(node) < MENU_ITEMS or led:
        return False
    size, linked = _sizes(node)
    return linked > MENU_LINKED * size and size < MENU_ITEM * len(node)


def _sizes(node: etree._Element) -> tuple[int, int]:
    """Return the characters of an element's text, and of those in links."""
    linked = sum(len(link.xpath("normalize-space()")) for link in node.iter("a"))
    return len(node.xpath("normalize-space()")), linked
