"""Office files cut or damaged: what stands before the damage is read, and what is lost is said."""

from __future__ import annotations

import io
import random
import zipfile

import docx
import openpyxl
import pytest
from PIL import Image

from rag.errors import LoadError
from rag.load import read
from rag.load.source import Settings, Source

ODF = "urn:oasis:names:tc:opendocument:xmlns"


def word(paragraphs: int) -> bytes:
    document = docx.Document()
    for number in range(paragraphs):
        document.add_paragraph(f"Paragraph {number} of the harbour log.")
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def in_order(data: bytes, *names: str) -> bytes:
    """Return a zip with the members `names` first."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in dict.fromkeys([*names, *old.namelist()]):
            new.writestr(name, old.read(name))
    return buffer.getvalue()


def start_of(data: bytes, member: str) -> int:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.getinfo(member).header_offset


def test_a_word_file_without_its_table_of_members_is_read() -> None:
    data = word(3)
    content = read(Source(data=data[: data.rfind(b"PK\1\2")], name="log.docx"))
    assert content.text == "\n\n".join(f"Paragraph {number} of the harbour log." for number in range(3))
    assert content.notes == (
        "the Word document is cut or damaged: only what stands before the damage was read",
    )


def test_a_word_file_cut_within_its_text_gives_the_beginning_and_says_what_is_lost() -> None:
    data = in_order(word(2000), "[Content_Types].xml", "_rels/.rels", "word/document.xml", "word/styles.xml")
    cut = data[: start_of(data, "word/styles.xml") * 2 // 3]
    content = read(Source(data=cut, name="log.docx"))
    paragraphs = content.text.split("\n\n")
    assert 100 < len(paragraphs) < 2000
    assert paragraphs[:-1] == [
        f"Paragraph {number} of the harbour log." for number in range(len(paragraphs) - 1)
    ]
    lost, damaged = content.notes
    assert lost.startswith("the Word document is cut or damaged: 3 of its parts were read, lost are word/")
    assert damaged == "word/document.xml inside it is damaged: what follows the damage may be missing"


def test_a_workbook_cut_before_its_last_sheet_names_it() -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append([41])
    workbook.create_sheet("Second").append([42])
    buffer = io.BytesIO()
    workbook.save(buffer)
    names = ("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml", "xl/_rels/workbook.xml.rels")
    data = in_order(buffer.getvalue(), *names, "xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml")
    content = read(Source(data=data[: start_of(data, "xl/worksheets/sheet2.xml")], name="book.xlsx"))
    assert content.text == "Sheet\n\n41"
    assert 'the sheet "Second" is missing from the file' in content.notes
    assert any("lost are" in note and "xl/worksheets/sheet2.xml" in note for note in content.notes)


def test_one_broken_byte_within_the_text_costs_no_more_than_what_follows() -> None:
    data = bytearray(in_order(word(2000), "word/document.xml"))
    at = start_of(bytes(data), "[Content_Types].xml") // 2
    data[at : at + 64] = b"\xff" * 64
    content = read(Source(data=bytes(data), name="log.docx"))
    assert content.text.startswith("Paragraph 0 of the harbour log.\n\nParagraph 1 of")
    assert content.notes == (
        "word/document.xml inside it is damaged: what follows the damage may be missing",
    )


@pytest.mark.parametrize("part", ["word/styles.xml", "word/media/image1.png"])
def test_a_part_of_which_nothing_is_left_costs_no_other(part: str) -> None:
    document = docx.Document()
    document.add_paragraph("Harbour log.")
    picture = io.BytesIO()
    Image.frombytes("RGB", (64, 64), random.Random(1).randbytes(64 * 64 * 3)).save(picture, "PNG")
    document.add_picture(picture)
    buffer = io.BytesIO()
    document.save(buffer)
    data = bytearray(in_order(buffer.getvalue()))
    at = start_of(bytes(data), part) + 30 + len(part)
    data[at : at + 8] = b"\xff" * 8
    content = read(Source(data=bytes(data), name="log.docx", settings=Settings(ocr=False)))
    assert "Harbour log." in content.text
    assert any(part.rpartition("/")[2] in note for note in content.notes)


def test_a_cut_open_document_gives_its_beginning() -> None:
    body = "".join(f"<text:p>Paragraph {number}.</text:p>" for number in range(1000))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.text", zipfile.ZIP_STORED)
        package.writestr(
            "content.xml",
            f'<office:document-content xmlns:office="{ODF}:office:1.0" xmlns:text="{ODF}:text:1.0">'
            f"<office:body><office:text>{body}</office:text></office:body></office:document-content>",
        )
    content = read(Source(data=buffer.getvalue()[:1500], name="log.odt"))
    assert content.text.startswith("Paragraph 0.\n\nParagraph 1.")
    assert content.notes == (
        "the OpenDocument file is cut or damaged: only what stands before the damage was read",
        "content.xml inside it is damaged: what follows the damage may be missing",
    )


def test_a_word_file_cut_before_its_text_is_refused() -> None:
    data = in_order(word(3), "[Content_Types].xml", "_rels/.rels", "word/document.xml")
    with pytest.raises(LoadError, match="damaged"):
        read(Source(data=data[: start_of(data, "word/document.xml") + 10], name="log.docx"))
