from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from PIL import Image, ImageDraw, ImageFont

from rag.errors import LoadError
from rag.load import read
from rag.load.content import Content
from rag.load.office.docx import read_docx
from rag.load.source import Budget, Settings, Source
from tests.minimal_msg import compound

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"


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


def test_rows_of_a_repeating_section_and_rows_that_skip_a_column_keep_their_places() -> None:
    def build(document: Any) -> None:
        table = document.add_table(rows=4, cols=3)
        said = [("Name", "Phone", "Room"), ("Ada", "5551", "A1"), ("Bo", "5552", "B2"), ("", "5553", "C3")]
        for row, values in zip(table.rows, said, strict=True):
            for cell, value in zip(row.cells, values, strict=True):
                cell.text = value
        repeated = parse_xml(f"<w:sdt {nsdecls('w')}><w:sdtContent/></w:sdt>")
        row = table.rows[1]._tr
        row.addprevious(repeated)
        repeated[0].append(row)
        last = table.rows[-1]._tr
        last.remove(last.tc_lst[0])
        last.insert(0, parse_xml(f'<w:trPr {nsdecls("w")}><w:gridBefore w:val="1"/></w:trPr>'))

    assert written(build).text == (
        "Name: Ada; Phone: 5551; Room: A1\nName: Bo; Phone: 5552; Room: B2\nPhone: 5553; Room: C3"
    )


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


def test_a_list_that_restarts_is_counted_anew() -> None:
    level = (
        '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>'
    )
    restart = '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride>'
    numbering = (
        f'<w:numbering xmlns:w="{WORD}"><w:abstractNum w:abstractNumId="7">{level}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>'
        f'<w:num w:numId="2"><w:abstractNumId w:val="7"/>{restart}</w:num></w:numbering>'
    )
    items = "".join(
        f'<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="{at}"/></w:numPr></w:pPr>{run("x")}</w:p>'
        for at in (1, 1, 2, 2, 1)
    )
    parts = {
        "word/document.xml": body(items),
        "word/_rels/document.xml.rels": relations(numbering="numbering.xml"),
        "word/numbering.xml": numbering,
    }
    assert read_docx(Source(data=packed(parts))).text == "1. x\n2. x\n1. x\n2. x\n3. x"


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


def packed(parts: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, part in parts.items():
            package.writestr(name, part)
    return buffer.getvalue()


def body(inside: str) -> str:
    return (
        f'<w:document xmlns:w="{WORD}" xmlns:r="{OFFICE}/relationships" xmlns:m="{OFFICE}/math">'
        f"<w:body>{inside}</w:body></w:document>"
    )


def relations(**targets: str) -> str:
    inside = "".join(
        f'<Relationship Id="{kind}" Type="{OFFICE}/relationships/{kind}" Target="{target}"/>'
        for kind, target in targets.items()
    )
    return f'<Relationships xmlns="{RELATIONSHIPS}">{inside}</Relationships>'


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


def test_notes_and_comments_follow_the_paragraph_that_refers_to_them() -> None:
    def notes(tag: str, number: int, text: str, more: str = "") -> str:
        name = {"footnote": "footnotes", "endnote": "endnotes", "comment": "comments"}[tag]
        note = f'<w:{tag} w:id="{number}" {more}><w:p>{run(text)}</w:p></w:{tag}>'
        return f'<w:{name} xmlns:w="{WORD}">{note}</w:{name}>'

    references = "".join(
        f'<w:r><w:{kind}Reference w:id="{number}"/></w:r>'
        for kind, number in (("footnote", 2), ("endnote", 3), ("comment", 4))
    )
    data = packed(
        {
            "_rels/.rels": relations(officeDocument="word/document.xml"),
            "word/document.xml": body(f"<w:p>{run('Lamps')}{references}</w:p><w:p>{run('Next.')}</w:p>"),
            "word/_rels/document.xml.rels": relations(footnotes="f.xml", endnotes="e.xml", comments="c.xml"),
            "word/f.xml": notes("footnote", 2, "Since 1871."),
            "word/e.xml": notes("endnote", 3, "See 灯塔."),
            "word/c.xml": notes("comment", 4, "Check.", 'w:author="Bo"'),
        }
    )
    assert read_docx(Source(data=data)).text == (
        "Lamps[1][i]\n[1] Since 1871.\n[i] See 灯塔.\n[Comment by Bo: Check.]\n\nNext."
    )


def test_a_main_part_of_another_name_is_found_by_its_relation() -> None:
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName='
        '"/w/main.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document'
        '.main+xml"/></Types>'
    )
    parts = {
        "[Content_Types].xml": types,
        "_rels/.rels": relations(officeDocument="/w/main.xml"),
        "w/main.xml": body(f"<w:p>{run('Found.')}</w:p>"),
    }
    assert read(Source(data=packed(parts), name="a.bin")).text == "Found."


def test_a_document_of_several_bodies_is_read_whole() -> None:
    one, two = (f"<w:p>{run(text)}</w:p>" for text in ("one", "two"))
    main = body(one).replace("</w:document>", f"<w:body>{two}</w:body></w:document>")
    assert read_docx(Source(data=packed({"word/document.xml": main}))).text == "one\n\ntwo"


def test_text_drawn_in_a_locked_canvas_is_read() -> None:
    drawn = "http://schemas.openxmlformats.org/drawingml/2006/main"
    canvas = (
        f'<w:p><w:r><w:drawing><a:sp xmlns:a="{drawn}"><a:txSp><a:txBody><a:p><a:r><a:t>School 14</a:t>'
        "</a:r></a:p></a:txBody></a:txSp></a:sp></w:drawing></w:r></w:p>"
    )
    assert read_docx(Source(data=packed({"word/document.xml": body(canvas)}))).text == "School 14"


def test_greek_letters_in_the_font_symbol_are_read() -> None:
    picture = '<w:sym w:font="Wingdings" w:char="F04A"/>'
    signs = f'<w:p><w:r><w:t>5 </w:t><w:sym w:font="Symbol" w:char="{{}}"/>{picture}</w:r></w:p>'
    text = body(signs.format("F06D") + signs.format("F0B3"))
    assert read_docx(Source(data=packed({"word/document.xml": text}))).text == "5 μ\n\n5 ≥"


def test_a_strict_document_is_read() -> None:
    strict = body(f"<w:p>{run('Strict.')}</w:p>").replace(
        WORD, "http://purl.oclc.org/ooxml/wordprocessingml/main"
    )
    assert read_docx(Source(data=packed({"word/document.xml": strict}))).text == "Strict."


def test_formulas_keep_their_structure() -> None:
    def part(name: str, text: str) -> str:
        return f"<m:{name}><m:r><m:t>{text}</m:t></m:r></m:{name}>"

    formula = (
        f"<m:oMath><m:f>{part('num', 'a')}{part('den', 'b+c')}</m:f><m:r><m:t>=</m:t></m:r>"
        f"<m:sSup>{part('e', '10')}{part('sup', '-6')}</m:sSup><m:rad>{part('e', 'x')}</m:rad></m:oMath>"
    )
    assert read_docx(Source(data=packed({"word/document.xml": body(f"<w:p>{formula}</w:p>")}))).text == (
        "a/(b+c)=10^(-6)√x"
    )


def test_a_document_inserted_in_another_is_read() -> None:
    parts = {
        "word/document.xml": body('<w:altChunk r:id="aFChunk"/>'),
        "word/_rels/document.xml.rels": relations(aFChunk="chunk.html"),
        "word/chunk.html": "<html><body><p>Inserted page.</p></body></html>",
    }
    assert read_docx(Source(data=packed(parts))).text == "Inserted page."


def test_an_embedded_workbook_is_read_below_its_name_and_another_object_is_told() -> None:
    ole = 'xmlns:o="urn:schemas-microsoft-com:office:office"'
    inner = packed({"word/document.xml": body(f"<w:p>{run('Inner.')}</w:p>")})
    parts: dict[str, str | bytes] = {
        "word/document.xml": body(
            f'<w:p>{run("Outer.")}<w:r><w:object {ole}><o:OLEObject r:id="package"/><o:OLEObject '
            'r:id="oleObject"/></w:object></w:r></w:p>'
        ),
        "word/_rels/document.xml.rels": relations(package="embeddings/a.docx", oleObject="embeddings/b.bin"),
        "word/embeddings/a.docx": inner,
        "word/embeddings/b.bin": b"\0" * 100,
    }
    content = read_docx(Source(data=packed(parts)))
    assert content.text == "Outer.\n\na.docx\n\nInner."
    assert content.notes == ("an embedded object was not read: word/embeddings/b.bin",)


@pytest.mark.parametrize(("stream", "name"), [("\x01Ole10Native", "tide.docx"), ("Package", "ole.bin")])
def test_a_file_in_an_ole_object_is_read_below_its_name(stream: str, name: str) -> None:
    file = packed({"word/document.xml": body(f"<w:p>{run('Tide at noon.')}</w:p>")})
    shell = bytes(6) + b"tide.docx\0C:\\tide.docx\0" + bytes(8) + b"C:\\temp\\tide.docx\0"
    shell += len(file).to_bytes(4, "little") + file + b"\0\0"
    ole = 'xmlns:o="urn:schemas-microsoft-com:office:office"'
    parts: dict[str, str | bytes] = {
        "word/document.xml": body(f'<w:p><w:r {ole}><o:OLEObject r:id="oleObject"/></w:r></w:p>'),
        "word/_rels/document.xml.rels": relations(oleObject="embeddings/ole.bin"),
        "word/embeddings/ole.bin": compound({stream: file if stream == "Package" else shell}),
    }
    content = read_docx(Source(data=packed(parts)))
    assert content.text == f"{name}\n\nTide at noon."
    assert not content.notes


def test_a_document_that_is_damaged_in_the_middle_gives_its_beginning_and_a_note() -> None:
    whole = body("".join(f"<w:p>{run(f'line {at}')}</w:p>" for at in range(100)))
    content = read_docx(Source(data=packed({"word/document.xml": whole[: len(whole) // 2]})))
    assert content.text.startswith("line 0\n\nline 1")
    assert "is damaged" in content.notes[0]


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    data = packed({"word/document.xml": body(f"<w:p>{run('x' * 100_000)}</w:p>")})
    with pytest.raises(LoadError, match="unpacks to more than"):
        read_docx(Source(data=data, budget=Budget(unpacked=50_000)))


def picture(text: str) -> bytes:
    image = Image.new("RGB", (640, 120), "white")
    ImageDraw.Draw(image).text((20, 30), text, fill="black", font=ImageFont.load_default(size=48))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("ocr", [True, False])
def test_text_in_pictures_is_read_once_and_their_alt_text_kept(*, ocr: bool) -> None:
    made = docx.Document()
    made.add_paragraph("Before.")
    for _ in range(2):
        shape = made.add_picture(io.BytesIO(picture("LIGHTHOUSE 1871")))
        shape._inline.docPr.set("descr", "A sign at the door")
    made.add_picture(io.BytesIO(bullet()))
    buffer = io.BytesIO()
    made.save(buffer)
    content = read_docx(Source(data=buffer.getvalue(), settings=Settings(ocr=ocr)))
    told = [line for line in content.text.split("\n") if line]
    assert told.count("[Picture: A sign at the door]") == 2
    assert [line for line in told if "LIGHTHOUSE" in line] == (["LIGHTHOUSE 1871"] if ocr else [])
    assert all(region.confidence is not None and region.box is None for region in content.regions)
    assert bool(content.regions) == ocr


def bullet() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "black").save(buffer, "PNG")
    return buffer.getvalue()


def test_exponents_stay_raised_and_phonetic_guides_are_left_out() -> None:
    def build(document: Any) -> None:
        paragraph = document.add_paragraph("3.2 × 10")
        paragraph.add_run("6").font.superscript = True
        paragraph.add_run(" N/m")
        paragraph.add_run("2").font.superscript = True
        paragraph.add_run(" of H")
        paragraph.add_run("2").font.subscript = True
        paragraph.add_run("O, the 1")
        paragraph.add_run("st").font.superscript = True
        read, base = "<w:r><w:t>nǐ</w:t></w:r>", "<w:r><w:t>你</w:t></w:r>"
        guide = f"<w:ruby><w:rt>{read}</w:rt><w:rubyBase>{base}</w:rubyBase></w:ruby>"
        append(document, f"<w:r>{guide}</w:r><w:r><w:t>好</w:t></w:r>")

    assert written(build).text == "你好\n\n3.2 × 10⁶ N/m² of H2O, the 1st"


def test_numbers_that_are_counted_in_cells_are_read() -> None:
    def build(document: Any) -> None:
        document.add_paragraph("Preheat.", style="List Number")
        table = document.add_table(rows=2, cols=2)
        table.cell(0, 0).text, table.cell(0, 1).text, table.cell(1, 1).text = "Step", "Time", "5 min"
        table.cell(1, 0).paragraphs[0].style = document.styles["List Number"]
        table.cell(1, 0).paragraphs[0].text = "Mix"
        document.add_paragraph("Bake.", style="List Number")

    assert written(build).text == "1. Preheat.\n\nStep: 2. Mix; Time: 5 min\n3. Bake."
