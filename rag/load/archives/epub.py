"""EPUB books: the chapters in reading order, below the titles that the book gives them."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import chain
from pathlib import PurePosixPath
from posixpath import dirname, join, normpath
from typing import Final
from urllib.parse import unquote

from lxml import etree

from rag.errors import LoadError
from rag.load.archives.zipped import DamagedError, Member, members, rescued
from rag.load.content import Content, ContentBuilder
from rag.load.parts import Parts
from rag.load.source import LimitError, Source

CONTAINER: Final = "META-INF/container.xml"
ENCRYPTION: Final = "META-INF/encryption.xml"
PAGES: Final = frozenset({".xhtml", ".html", ".htm", ".xml"})
TITLE: Final = re.compile(rb"<title\b[^>]*/>|<title\b.*?</title\s*>", re.I | re.S)
FONTS_ONLY: Final = frozenset(  # fonts are veiled in this way in books that anybody may read
    {"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}
)
PROTECTED: Final = "the book is protected against copying (DRM); only its own reading program can open it"
DAMAGED: Final = "the book is cut or damaged: only what is whole of it was read"


def read_epub(source: Source) -> Content:
    """Read the chapters of a book in the order of its spine (EPUB 3.3, 3.4), or what is left of them."""
    book = _Book(source)
    builder = ContentBuilder()
    if book.title:
        builder.add_heading(1, book.title)
    builder.add("; ".join(book.authors))
    if not book.is_whole:
        builder.note(DAMAGED)
    parts = Parts(source, builder)
    stopped, found = "", False
    try:
        for path in book.chapters():
            found = _add_chapter(builder, parts, book, path) or found
    except LimitError as exc:
        stopped = str(exc)
    parts.finish(stopped)
    if not found:
        raise LoadError("; ".join(builder.build().notes)[:300] or "there is no text in the book")
    return builder.build()


def _add_chapter(builder: ContentBuilder, parts: Parts, book: _Book, path: str) -> bool:
    try:
        content = book.chapter(path)
    except LimitError:
        raise
    except LoadError as exc:
        if "no text" not in str(exc) and "is empty" not in str(exc):  # a cover is a picture
            parts.fail(path, str(exc))
        return False
    title = book.titles.get(path, "")
    if title and not content.headings and not content.text.startswith(title):
        builder.add_heading(2, title)
    builder.add_content(content)
    return True


class _Book:
    def __init__(self, source: Source) -> None:
        self._source = source
        self.is_whole = True
        try:
            found = members(source)
        except DamagedError:
            self.is_whole = False
            found = list(rescued(source))
        self._members = {member.name: member for member in found}
        self._lower = {name.lower(): name for name in self._members}
        package_path = self._package_path()
        self._folder = dirname(package_path)
        self._package = self._xml(package_path)
        self.title = self._said("title")[0] if self._said("title") else ""
        self.authors = self._said("creator")
        self.titles = self._titles()
        self._refuse_protected()

    def chapters(self) -> list[str]:
        """Return the paths of the chapters in reading order."""
        spine = [self._path(item) for item in self._spine() if not _is_contents(item)]
        known = [path for path in spine if path in self._members]
        if known:
            return list(dict.fromkeys(known))
        return [
            name
            for name in self._members
            if PurePosixPath(name).suffix.lower() in PAGES and not name.startswith("META-INF/")
        ]

    def chapter(self, path: str) -> Content:
        """Read a chapter; its headings stand below the title of the book."""
        from rag.load import read

        data = TITLE.sub(b"", self._unpack(self._members[path]), count=1)  # most often the book's
        content = read(replace(self._source, data=data, name="chapter.xhtml"))
        headings = tuple(replace(heading, level=heading.level + 1) for heading in content.headings)
        return replace(content, headings=headings)

    def _unpack(self, member: Member) -> bytes:
        data = member.read()
        self._source.budget.unpack(len(data))
        return data

    def _xml(self, path: str) -> etree._Element:
        """Return the root of a member, an empty one when there is none: a damaged book may lack any."""
        member = self._members.get(path)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
        root = None
        if member is not None:
            try:
                root = etree.fromstring(self._unpack(member), parser)
            except (etree.XMLSyntaxError, ValueError):
                root = None
        return etree.Element("none") if root is None else root

    def _package_path(self) -> str:
        named = self._xml(CONTAINER).xpath("//*[local-name()='rootfile']/@full-path")
        paths = [str(path) for path in named] + [name for name in self._members if name.endswith(".opf")]
        return next((path for path in paths if path in self._members), "")

    def _said(self, name: str) -> list[str]:
        found = self._package.xpath("//*[local-name()='metadata']//*[local-name()=$name]", name=name)
        return [" ".join("".join(each.itertext()).split()) for each in found]

    def _spine(self) -> list[etree._Element]:
        items = {item.get("id"): item for item in self._package.iter("{*}item")}
        wanted = [ref.get("idref") for ref in self._package.iter("{*}itemref")]
        return [items[name] for name in wanted if name in items]

    def _path(self, item: etree._Element) -> str:
        return self._resolved(self._folder, item.get("href", ""))

    def _resolved(self, folder: str, link: str) -> str:
        path = normpath(join(folder, unquote(link.partition("#")[0])))
        if path in self._members:
            return path
        return self._lower.get(path.lower(), path)

    def _titles(self) -> dict[str, str]:
        """Return the first title that the table of contents gives to each file (NCX or EPUB 3)."""
        titles: dict[str, str] = {}
        for item in self._package.iter("{*}item"):
            if _is_contents(item) or item.get("media-type") == "application/x-dtbncx+xml":
                path = self._path(item)
                root = self._xml(path)
                for link, title in chain(_ncx_entries(root), _nav_entries(root)):
                    titles.setdefault(self._resolved(dirname(path), link), " ".join(title.split()))
        return titles

    def _refuse_protected(self) -> None:
        texts = set(self.chapters())
        for data in self._xml(ENCRYPTION).iter("{*}EncryptedData"):
            methods = {each.get("Algorithm") for each in data.iter("{*}EncryptionMethod")}
            paths = {unquote(each.get("URI", "")) for each in data.iter("{*}CipherReference")}
            if not methods <= FONTS_ONLY and paths & texts:
                raise LoadError(PROTECTED)


def _is_contents(item: etree._Element) -> bool:
    return "nav" in (item.get("properties") or "").split()


def _ncx_entries(root: etree._Element) -> list[tuple[str, str]]:
    return [
        (point.find("{*}content").get("src", ""), "".join(point.find("{*}navLabel").itertext()))
        for point in root.iter("{*}navPoint")
        if point.find("{*}content") is not None and point.find("{*}navLabel") is not None
    ]


def _nav_entries(root: etree._Element) -> list[tuple[str, str]]:
    links = root.xpath("//*[local-name()='nav']//*[local-name()='a'][@href]")
    return [(str(link.get("href")), "".join(link.itertext())) for link in links]
