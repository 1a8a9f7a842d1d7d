"""The package of an OpenDocument file (OASIS ODF 1.3 part 2): its XML and pictures, read within limits."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from typing import IO, Final

from lxml import etree

from rag.errors import LoadError
from rag.load.office.encrypted import tried_passwords
from rag.load.office.odf_crypto import Lock, inflated, key_for, locks
from rag.load.office.ooxml import DAMAGES, MAX_PART
from rag.load.office.salvage import salvaged
from rag.load.raised import raised
from rag.load.source import Source

OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT: Final = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
CHART: Final = "{urn:oasis:names:tc:opendocument:xmlns:chart:1.0}"
DRAW: Final = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
PRESENTATION: Final = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
STYLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
SVG: Final = "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}"
XLINK: Final = "{http://www.w3.org/1999/xlink}"
DC: Final = "{http://purl.org/dc/elements/1.1/}"
CONTENT: Final = "content.xml"
STYLES: Final = "styles.xml"
RAISING: Final = re.compile(r"super|[1-9]")


class OdfPackage:
    """The members of an OpenDocument file; `notes` says which of them are damaged."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._flat = b"" if source.data.startswith(b"PK") else source.data  # one XML file, not a zip
        self.notes: list[str] = []
        self._locks: Mapping[str, Lock] = {}
        self._password = ""
        self.names = frozenset({CONTENT, STYLES})
        if not self._flat:
            self._open_zip(source)

    def _open_zip(self, source: Source) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(source.data))
        except DAMAGES:
            self._zip = salvaged(source)
            self.notes.append(
                "the OpenDocument file is cut or damaged: only what stands before the damage was read"
            )
        self.names = frozenset(self._zip.namelist())
        self._locks = locks(self.parse("META-INF/manifest.xml"))
        if CONTENT not in self.names:
            raise LoadError("the OpenDocument file is damaged: it has no content")
        if CONTENT in self._locks:
            lock, data = self._locks[CONTENT], self._zip.read(CONTENT)
            self._password = key_for(lock, data, tried_passwords(source))

    def open(self, name: str) -> IO[bytes]:
        """Return a member as a stream; of a flat document, the whole."""
        if self._flat:
            return io.BytesIO(self._flat)
        info = self._zip.getinfo(name)
        if info.file_size > MAX_PART:
            raise LoadError(f"it unpacks to more than {MAX_PART // 1_000_000} MB")
        self._source.budget.unpack(info.file_size)
        return self._unlocked(name) if name in self._locks else self._zip.open(info)

    def _unlocked(self, name: str) -> IO[bytes]:
        plain = self._locks[name].opened(self._zip.read(name), self._password)
        if plain is None:
            raise LoadError(f"the OpenDocument file is damaged: {name} cannot be decrypted")
        data = inflated(plain, MAX_PART)
        self._source.budget.unpack(len(data))
        return io.BytesIO(data)

    def read(self, name: str) -> bytes:
        """Return a member's bytes.

        Raises:
            LoadError: when it is damaged or too large.
        """
        try:
            with self.open(name) as stream:
                return stream.read()
        except DAMAGES as exc:
            raise LoadError("the OpenDocument file is damaged: its zip container is not whole") from exc

    def parse(self, name: str) -> etree._Element | None:
        """Return a member's XML, None where there is no such member or nothing to be made of it."""
        if name not in self.names:
            return None
        parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True, remove_comments=True)
        root = etree.fromstring(self.read(name), parser)
        note = f"{name} inside it is damaged: what follows the damage may be missing"
        is_damaged = any(entry.level == etree.ErrorLevels.FATAL for entry in parser.error_log)
        if is_damaged and note not in self.notes:
            self.notes.append(note)
        return root

    def body(self, kind: str) -> etree._Element:
        """Return the office:text, office:presentation or office:spreadsheet of the content."""
        root = self.parse(CONTENT)
        found = None if root is None else root.find(f"{OFFICE}body/{OFFICE}{kind}")
        if found is None:
            raise LoadError("the OpenDocument file is damaged: its content cannot be read")
        _raise_numbers(root)
        return found


def _raise_numbers(root: etree._Element) -> None:
    """Write the numbers as raised that the document's own styles raise."""
    raising = {
        style.get(STYLE + "name")
        for style in root.iter(STYLE + "style")
        for text in style.iterfind(STYLE + "text-properties")
        if RAISING.match(text.get(STYLE + "text-position", ""))
    }
    for span in root.iter(TEXT + "span") if raising else ():
        if span.get(TEXT + "style-name") in raising and not len(span):
            span.text = raised(span.text or "")
