"""What is drawn or embedded in an Office file: alt texts, pictures, charts, diagrams and whole documents."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Final

from lxml import etree

from rag.errors import LoadError
from rag.load.content import ContentBuilder
from rag.load.office.drawings import CHART, DIAGRAM, chart_text, diagram_text
from rag.load.office.ole_objects import held
from rag.load.office.ooxml import A, LostError, Package, R, Relation
from rag.load.pages.pictures import Pictures, alt_text
from rag.load.source import Source

WP: Final = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
P: Final = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
PICTURE: Final = "{http://schemas.openxmlformats.org/drawingml/2006/picture}"
VML: Final = "{urn:schemas-microsoft-com:vml}"
OLD_OFFICE: Final = "{urn:schemas-microsoft-com:office:office}"
SHEET_DRAWING: Final = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}"
NAMED: Final = (WP + "docPr", P + "cNvPr", PICTURE + "cNvPr", SHEET_DRAWING + "cNvPr")
REFERRING: Final = {  # an element -> the attribute that names its part
    A + "blip": R + "embed",
    VML + "imagedata": R + "id",
    CHART + "chart": R + "id",
    DIAGRAM + "relIds": R + "dm",
    P + "oleObj": R + "id",
    OLD_OFFICE + "OLEObject": R + "id",
}
READABLE: Final = re.compile(
    r".+\.(?:docx|docm|xlsx|xlsm|xlsb|pptx|pptm|doc|xls|ppt|pdf|rtf|odt|ods|odp|txt)", re.I
)


class Objects:
    """Adds to a text what stands in its drawings; each object once."""

    def __init__(self, source: Source, package: Package) -> None:
        self._source = source
        self._package = package
        self._pictures = Pictures(source)
        self._seen: set[str] = set()

    def add(self, builder: ContentBuilder, node: etree._Element, relations: Mapping[str, Relation]) -> None:
        """Add everything drawn or embedded below `node`, whose part has these `relations`."""
        last = ""
        for each in node.iter(*NAMED, *REFERRING):
            if each.tag in NAMED:
                last = _add_alt_text(builder, each, last)
                continue
            relation = relations.get(each.get(REFERRING[each.tag], ""))
            if relation is not None and not relation.external and relation.target in self._package:
                self._add_whole_part(builder, relation)

    def notes(self) -> list[str]:
        """Return what is to be said once the document has been read."""
        return self._pictures.all_notes()

    def _add_whole_part(self, builder: ContentBuilder, relation: Relation) -> None:
        try:
            self._add_part(builder, relation)
        except LostError as exc:
            builder.note(f"{posixpath.basename(relation.target)}, embedded in it, could not be read: {exc}")

    def _add_part(self, builder: ContentBuilder, relation: Relation) -> None:
        if relation.target in self._seen:
            return
        self._seen.add(relation.target)
        if relation.kind == "chart":
            builder.add(self._drawn(relation.target, chart_text))
        elif relation.kind == "diagramData":
            builder.add(self._drawn(relation.target, diagram_text))
        elif relation.kind == "image":
            self._add_picture(builder, relation.target)
        elif READABLE.fullmatch(relation.target):
            self._add_document(builder, relation.target)
        elif relation.kind in {"oleObject", "package"}:
            self._add_object(builder, relation.target)

    def _drawn(self, part: str, text: Callable[[etree._Element], str]) -> str:
        root = self._package.parse(part)
        return "" if root is None else text(root)

    def _add_picture(self, builder: ContentBuilder, part: str) -> None:
        content = self._pictures.read(self._package.read(part), posixpath.basename(part))
        if content is not None:
            builder.add_content(content)

    def _add_document(self, builder: ContentBuilder, part: str) -> None:
        from rag.load import read

        name = posixpath.basename(part)
        try:
            builder.add_part(name, read(self._source.member(self._package.read(part), name)))
        except LoadError as exc:
            builder.note(f"{name}, embedded in it, could not be read: {exc}")

    def _add_object(self, builder: ContentBuilder, part: str) -> None:
        from rag.load import read

        name, data = held(self._package.read(part))
        name = posixpath.basename(name.replace("\\", "/")) or posixpath.basename(part)
        try:
            builder.add_part(name, read(self._source.member(data, name)))
        except LoadError:
            builder.note(f"an embedded object was not read: {part}")


def _add_alt_text(builder: ContentBuilder, node: etree._Element, last: str) -> str:
    """Add what the author says a picture shows, unless that is a file's name or was `last` said."""
    text = alt_text(node.attrib.pop("descr", ""))
    if text != last:
        builder.add(f"[Picture: {text}]" if text else "")
    return text or last
