"""What is known of places survives the way into the index and back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag.datatypes import Box, Document, Heading, Page, Passage, Region
from rag.places import pack, pack_place, unpack, unpack_place

BOX = Box(page=2, left=1.5, bottom=0, right=3, top=4.25)
LINE = Region(start=0, end=1, box=BOX, confidence=0.5)
PLAIN = Passage(source="a.md", digest="d", start=0, end=1, text="x")


@pytest.mark.parametrize(
    "passage",
    [
        PLAIN,
        replace(PLAIN, page=3, later_pages=((4, 9), (5, 12)), unit="slide"),
        replace(PLAIN, unit="sheet", page=1, cells="'A B'!A1:C4"),
        replace(PLAIN, part="docs › 附件.pdf", regions=(LINE, LINE), confidence=0.5),
        replace(PLAIN, confidence=0.0),
    ],
)
def test_a_passage_keeps_its_place(passage: Passage) -> None:
    assert replace(PLAIN, **unpack_place(pack_place(passage))) == passage
    assert (pack_place(passage) == "") == (passage == PLAIN)


def test_a_document_keeps_its_places() -> None:
    document = Document(
        source="a.pdf",
        digest="d",
        text="One\n\nTwo",
        pages=(Page(number=1, start=0, end=3), Page(number=0, start=5, end=8, unit="sheet", part="b.xlsx")),
        headings=(Heading(level=1, start=0, end=3, title="一"),),
        regions=(Region(start=0, end=3, box=BOX, confidence=0.0), Region(start=5, end=8, cells="A1")),
        notes=("page 3 is blank",),
    )
    assert unpack(pack(document), source="a.pdf", digest="d", text=document.text) == document
