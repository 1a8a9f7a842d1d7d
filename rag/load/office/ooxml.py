"""An Office file's package (ECMA-376 part 2): its parts and how they refer to each other, within limits."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Final
from urllib.parse import unquote

from lxml import etree

from rag.errors import LoadError
from rag.load.office.salvage import salvaged
from rag.load.source import Source

MAX_PART: Final = 400_000_000  # bytes of one part; a larger one is a bomb or would not fit the memory limit
WORDLESS: Final = re.compile(  # parts without text of their own
    r"docProps/|docMetadata/|customXml/|.*/(?:theme|tags|printerSettings)/"
    r"|.*/(?:settings|webSettings|fontTable|presProps|viewProps|tableStyles|calcChain)\."
)
MAX_LOST: Final = 5  # parts named that are missing
CONTENT_TYPES: Final = "[Content_Types].xml"
OVERRIDE: Final = "{http://schemas.openxmlformats.org/package/2006/content-types}Override"
RELATIONSHIPS: Final = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
STRICT: Final = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/(\w+)")  # ISO/IEC 29500 strict
TRANSITIONAL: Final = rb"http://schemas.openxmlformats.org/\1/2006/\2"
HEAD: Final = 1 << 16  # bytes of a part in which its namespaces are declared
DAMAGES: Final = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    EOFError,
    OSError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What a part refers to: another part by its name, or an address outside of the package."""

    kind: str  # the last word of its type: "slide", "image", "hyperlink"
    target: str
    external: bool = False


class LostError(LoadError):
    """Nothing of a part can be unpacked."""


class Package:
    """The parts of an Office file; `notes` says which of them are damaged."""

    def __init__(self, source: Source, *, noun: str) -> None:
        """`noun` is what the file is called in messages: "Word document"."""
        self._source = source
        self._noun = noun
        self.notes: list[str] = []
        try:
            self._use(zipfile.ZipFile(io.BytesIO(source.data)))
        except DAMAGES:
            self._use(salvaged(source))
            self.notes.append(f"the {noun} is cut or damaged: {self._lost()}")

    def _use(self, archive: zipfile.ZipFile) -> None:
        self._zip = archive
        self._names = {_folded(name): name for name in archive.namelist()}

    def _lost(self) -> str:
        """Say which parts are missing, as far as the list of all of them tells."""
        types = self.parse(CONTENT_TYPES)
        nodes = () if types is None else types.iter(OVERRIDE)
        parts = [node.get("PartName", "").lstrip("/") for node in nodes]
        lost = [part for part in parts if part not in self and not WORDLESS.match(part)]
        if not lost:
            return "only what stands before the damage was read"
        more = f" and {len(lost) - MAX_LOST} more" if len(lost) > MAX_LOST else ""
        were = "was" if len(self._names) == 1 else "were"
        return f"{len(self._names)} of its parts {were} read, lost are {', '.join(lost[:MAX_LOST])}{more}"

    def damaged(self, why: str) -> LoadError:
        return LoadError(f"the {self._noun} is damaged: {why}")

    def main(self, usual: str) -> str:
        """Return the name of the main part, which is nearly always `usual`."""
        found = (each.target for each in self.relations("").values() if each.kind == "officeDocument")
        return next((name for name in found if name in self), usual)

    def __contains__(self, name: str) -> bool:
        return _folded(name) in self._names

    def open(self, name: str) -> IO[bytes]:
        """Return a part as a stream, for one too large to be held."""
        info = self._zip.getinfo(self._names[_folded(name)])
        if info.file_size > MAX_PART:
            raise LoadError(f"it unpacks to more than {MAX_PART // 1_000_000} MB")
        self._source.budget.unpack(info.file_size)
        return self._zip.open(info)

    def read(self, name: str) -> bytes:
        """Return a part's bytes.

        Raises:
            LoadError: when it is missing, damaged or too large.
        """
        if name not in self:
            raise self.damaged(f"{name} is missing")
        try:
            return self._zip_read(name)
        except DAMAGES:
            self._use(salvaged(self._source))
            self._note_damage(name)
        if name not in self:
            raise LostError(f"the {self._noun} is damaged: {name} cannot be unpacked")
        return self._zip_read(name)

    def _zip_read(self, name: str) -> bytes:
        with self.open(name) as stream:
            return stream.read()

    def _note_damage(self, name: str) -> None:
        note = f"{name} inside it is damaged: what follows the damage may be missing"
        if note not in self.notes:
            self.notes.append(note)

    def parse(self, name: str) -> etree._Element | None:
        """Return a part's XML, None where there is no such part or nothing to be made of it."""
        if name not in self:
            return None
        parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True, remove_comments=True)
        try:
            root = etree.fromstring(_transitional(self.read(name)), parser)
        except LostError:
            return None
        if any(entry.level == etree.ErrorLevels.FATAL for entry in parser.error_log):
            self._note_damage(name)
        if root is not None:
            etree.strip_elements(root, FALLBACK, with_tail=False)  # it says again what stands before it
        return root

    def relations(self, part: str) -> Mapping[str, Relation]:
        """Return what `part` refers to, by the ids it uses; "" stands for the package itself."""
        folder, name = posixpath.split(part)
        root = self.parse(posixpath.join(folder, "_rels", f"{name}.rels"))
        nodes = () if root is None else root.iter(RELATIONSHIPS)
        return {node.get("Id", ""): _relation(node, folder) for node in nodes}

    def related(self, part: str, kind: str) -> list[str]:
        """Return the names of the parts of one kind that `part` refers to, in its order."""
        relations = self.relations(part).values()
        return [each.target for each in relations if each.kind == kind and each.target in self]


class PartStream:
    """A part read piece by piece, its strict namespaces made the usual ones."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._head = _transitional(stream.read(HEAD))

    def read(self, size: int) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        return head or self._stream.read(size)


def _transitional(data: bytes) -> bytes:
    if b"purl.oclc.org" not in data[:HEAD]:
        return data
    return STRICT.sub(TRANSITIONAL, data)


def _relation(node: etree._Element, folder: str) -> Relation:
    kind = node.get("Type", "").rpartition("/")[2]
    target = node.get("Target", "")
    if node.get("TargetMode") == "External":
        return Relation(kind=kind, target=target, external=True)
    path = posixpath.normpath(posixpath.join("/", folder, unquote(target).replace("\\", "/")))
    return Relation(kind=kind, target=path.lstrip("/"))


def _folded(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").casefold()
