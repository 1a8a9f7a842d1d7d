from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from rag.load.content import Content
from rag.load.docx import read_docx
from rag.load.source import Source


def written(build: Callable[[Any], None]) -> Content:
    document = docx.Document()
    build(document)
    buffer = io.BytesIO()
    document.save(buffer)
    return read_docx(Source(data=buffer.getvalue()))


def append(document: Any, inside: str) -> None:
    document.element.body.insert(0, parse_xml(f"<w:p {nsdecls('w')}>{inside}</w:p>"))


def test_headings_paragraphs_and_tables_come_in_order() -> None:
    def build(document: Any) -> None:
        document.add_heading("灯塔手册", level=1)
        document.add_paragraph("The keeper signs the red book.")
        document.add_heading("Lamps", level=2)
        table = document.add_table(rows=3, cols=2)
        for row, cells in zip(
            table.rows, [("Lamp", "Watts"), ("Main", "1000"), ("Spare", "500")], strict=True
        ):
            for cell, value in zip(row.cells, cells, strict=True):
                cell.text = value
        document.add_paragraph("End.")

    content = written(build)
    assert content.text == (
        "灯塔手册\n\nThe keeper signs the red book.\n\nLamps\n\n"
        "Lamp: Main; Watts: 1000\nLamp: Spare; Watts: 500\n\nEnd."
    )
    assert [(item.level, item.title) for item in content.headings] == [(1, "灯塔手册"), (2, "Lamps")]
    assert all(content.text[item.start : item.end] == item.title for item in content.headings)


def test_a_title_stands_above_the_headings() -> None:
    def build(document: Any) -> None:
        document.add_heading("Handbook", level=0)
        document.add_heading("Lamps", level=1)

    assert [item.level for item in written(build).headings] == [1, 2]


def test_lists_bear_the_numbers_and_bullets_that_are_printed() -> None:
    def build(document: Any) -> None:
        for text in ("Open the door", "Close the door"):
            document.add_paragraph(text, style="List Number")
        for text in ("lamps", "fuses"):
            document.add_paragraph(text, style="List Bullet")

    assert written(build).text == "1. Open the door\n2. Close the door\n- lamps\n- fuses"


def test_chinese_clause_numbers_are_counted() -> None:
    def build(document: Any) -> None:
        numbering = document.part.numbering_part.element
        level = (
            '<w:lvl w:ilvl="0"><w:start w:val="9"/><w:numFmt w:val="chineseCounting"/>'
            '<w:lvlText w:val="第%1条"/></w:lvl>'
        )
        abstract = f'<w:abstractNum {nsdecls("w")} w:abstractNumId="77">{level}</w:abstractNum>'
        numbering.insert(0, parse_xml(abstract))
        numbering.append(
            parse_xml(f'<w:num {nsdecls("w")} w:numId="77"><w:abstractNumId w:val="77"/></w:num>')
        )
        for text in ("押金", "钥匙", "访客"):
            paragraph = document.add_paragraph(text)
            properties = paragraph._p.get_or_add_pPr()
            properties.append(
                parse_xml(f'<w:numPr {nsdecls("w")}><w:ilvl w:val="0"/><w:numId w:val="77"/></w:numPr>')
            )

    assert written(build).text == "第九条 押金\n第十条 钥匙\n第十一条 访客"


def test_headers_and_footers_come_once_and_page_numbers_not_at_all() -> None:
    def build(document: Any) -> None:
        document.add_paragraph("Body.")
        document.add_section()
        for section in document.sections:
            section.header.is_linked_to_previous = False
            section.header.paragraphs[0].text = "Harbour Office"
            section.footer.is_linked_to_previous = False
            section.footer.paragraphs[0].text = "- 3 -"

    assert written(build).text == "Body.\n\nHarbour Office"


def test_deleted_text_and_field_codes_are_left_out_and_inserted_text_is_read() -> None:
    inside = (
        "<w:r><w:t>Keep</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:r><w:instrText>PAGE</w:instrText></w:r><w:ins><w:r><w:t>·new</w:t></w:r></w:ins>"
        "<w:r><w:tab/><w:t>tab</w:t><w:br/><w:t>line</w:t></w:r>"
    )
    assert written(lambda document: append(document, inside)).text == "Keep·new\ttab\nline"


def test_merged_cells_stand_in_every_place_they_cover() -> None:
    def build(document: Any) -> None:
        table = document.add_table(rows=3, cols=3)
        values = [("Day", "Shift", "Who"), ("Mon", "Early", "Ada"), ("", "Late", "Bo")]
        for row, cells in zip(table.rows, values, strict=True):
            for cell, value in zip(row.cells, cells, strict=True):
                cell.text = value
        table.cell(1, 0).merge(table.cell(2, 0))

    assert written(build).text.split("\n") == [
        "Day: Mon; Shift: Early; Who: Ada",
        "Day: Mon; Shift: Late; Who: Bo",
    ]


def test_a_frame_of_one_cell_is_read_as_text() -> None:
    def build(document: Any) -> None:
        document.add_table(rows=1, cols=1).cell(0, 0).text = "Framed."

    assert written(build).text == "Framed."


def test_an_external_entity_is_not_read() -> None:
    body = (
        '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]><w:document xmlns:w='
        '"http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r>'
        "<w:t>a&x;b</w:t></w:r></w:p></w:body></w:document>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("word/document.xml", body)
    assert read_docx(Source(data=buffer.getvalue())).text in {"ab", "a"}


@pytest.mark.parametrize("title", ["x" * 5000])
def test_a_heading_as_long_as_a_page_has_a_short_title(title: str) -> None:
    content = written(lambda document: document.add_heading(title, level=1))
    assert content.text == title
    assert len(content.headings[0].title) == 200
