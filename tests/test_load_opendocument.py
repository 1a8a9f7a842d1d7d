from __future__ import annotations

import base64
import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from rag.errors import LoadError
from rag.load import read
from rag.load.office.opendocument import read_presentation, read_spreadsheet, read_text_document
from rag.load.source import Budget, Settings, Source

NAMESPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "style": "style",
        "presentation": "presentation",
        "svg": "svg-compatible",
        "chart": "chart",
    }.items()
)
XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
LOEXT = 'xmlns:loext="urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0"'
DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
MIMETYPE = "application/vnd.oasis.opendocument."


def packed(
    kind: str, body: str, *, styles: str = "", before: str = "", parts: Mapping[str, str] | None = None
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("mimetype", MIMETYPE + kind)
        package.writestr(
            "content.xml",
            f"<office:document-content {NAMESPACES} {DC} {XLINK}>{before}<office:body><office:{kind}>{body}"
            f"</office:{kind}></office:body></office:document-content>",
        )
        package.writestr(
            "styles.xml", f"<office:document-styles {NAMESPACES} {LOEXT}>{styles}</office:document-styles>"
        )
        for name, data in (parts or {}).items():
            package.writestr(name, data)
    return buffer.getvalue()


def text_of(body: str, *, styles: str = "") -> str:
    return read_text_document(Source(data=packed("text", body, styles=styles))).text


def cell(text: str, more: str = "") -> str:
    return f"<table:table-cell {more}><text:p>{text}</text:p></table:table-cell>"


def row(*cells: str, more: str = "") -> str:
    return f"<table:table-row {more}>{''.join(cells)}</table:table-row>"


def test_headings_paragraphs_and_spaces_are_read() -> None:
    body = (
        '<text:h text:outline-level="2">灯塔</text:h><text:p>One<text:s text:c="2"/>two<text:tab/>three'
        "<text:line-break/>four <text:span>five</text:span></text:p><text:p/>"
    )
    content = read_text_document(Source(data=packed("text", body)))
    assert content.text == "灯塔\n\nOne  two\tthree\nfour five"
    assert [(each.level, each.title) for each in content.headings] == [(2, "灯塔")]


def test_lists_are_numbered_or_bulleted_as_their_style_says() -> None:
    styles = (
        '<text:list-style style:name="N"><text:list-level-style-number text:level="1"/></text:list-style>'
    )
    inner = "<text:list><text:list-item><text:p>in</text:p></text:list-item></text:list>"
    body = (
        f'<text:list text:style-name="N"><text:list-item><text:p>a</text:p>{inner}</text:list-item>'
        "<text:list-item><text:p>b</text:p></text:list-item></text:list>"
        "<text:list><text:list-item><text:p>c</text:p></text:list-item></text:list>"
    )
    assert text_of(body, styles=styles).split("\n") == ["1. a", "  1. in", "2. b", "- c"]


def test_tables_notes_comments_and_margins_stand_in_their_place() -> None:
    table = (
        "<table:table>"
        + row(cell("Lamp"), cell("Watts"))
        + row(cell("Main"), cell("strong", 'table:number-rows-spanned="2"'))
        + row(cell("Spare"), "<table:covered-table-cell/>")
        + "</table:table>"
    )
    body = (
        "<text:p>Lamps<text:note><text:note-citation>1</text:note-citation><text:note-body>"
        "<text:p>Since 1871.</text:p></text:note-body></text:note> shine"
        "<office:annotation><dc:creator>Bo</dc:creator>"
        f"<text:p>Check.</text:p></office:annotation></text:p>{table}"
    )
    margin = "<style:footer><text:p>Harbour Office</text:p></style:footer>"
    assert text_of(body, styles=margin * 2) == (
        "Lamps[1] shine\n[1] Since 1871.\n[Comment by Bo: Check.]\n\nLamp: Main; Watts: strong\n"
        "Lamp: Spare; Watts: strong\n\nHarbour Office"
    )


def test_notes_and_comments_in_a_table_stand_below_it_and_not_in_its_cells() -> None:
    note = "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>without tax</text:p>"
    comment = "<office:annotation><dc:creator>Bo</dc:creator><text:p>check</text:p></office:annotation>"
    rows = row(cell("Item"), cell(f"Price{note}</text:note-body></text:note>"))
    rows += row(cell(f"Pen{comment}"), cell("3"))
    assert text_of(f"<table:table>{rows}</table:table>") == (
        "Item: Pen; Price[1]: 3\n[1] without tax\n[Comment by Bo: check]"
    )


def test_a_cell_merged_over_columns_covers_them_and_not_those_above() -> None:
    covered = "<table:covered-table-cell/>"
    body = "<table:table>" + row(cell("Item"), cell("North"), cell("South"))
    body += row(cell("Tea"), cell("5", 'table:number-columns-spanned="2"'), covered)
    body += row(cell("Milk", 'table:number-rows-spanned="2"'), cell("7"), cell("8"))
    body += row(covered, cell("9"), cell("10")) + "</table:table>"
    assert text_of(body) == (
        "Item: Tea; North: 5; South: 5\nItem: Milk; North: 7; South: 8\nItem: Milk; North: 9; South: 10"
    )


def test_deleted_text_is_left_out_and_text_boxes_are_read() -> None:
    body = (
        "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes><text:p>here<draw:frame>"
        "<svg:desc>A red lamp</svg:desc><draw:text-box><text:p>boxed</text:p>"
        "</draw:text-box></draw:frame></text:p>"
    )
    assert text_of(body) == "here\n\n[Picture: A red lamp]\n\nboxed"


def test_slides_are_pages_with_titles_and_notes() -> None:
    def frame(kind: str, text: str) -> str:
        return (
            f'<draw:frame presentation:class="{kind}"><draw:text-box><text:p>{text}</text:p></draw:text-box>'
            "</draw:frame>"
        )

    notes = f"<presentation:notes>{frame('notes', 'Speak slowly.')}</presentation:notes>"
    slides = f"<draw:page>{frame('outline', 'Text')}{frame('title', 'Lamps')}{notes}</draw:page>"
    content = read_presentation(Source(data=packed("presentation", slides + "<draw:page/>" + slides)))
    assert content.text.startswith("Lamps\n\nText\n\nNotes:\nSpeak slowly.")
    assert [(page.number, page.unit) for page in content.pages] == [(1, "slide"), (3, "slide")]


def test_sheets_show_what_a_person_sees_and_know_their_cells() -> None:
    style = (
        '<style:style style:name="h" style:family="table"><style:table-properties table:display="false"/>'
        "</style:style>"
    )
    value = 'office:value-type="percentage" office:value="0.125"'
    sheet = (
        '<table:table table:name="数据" table:style-name="h">'
        + row(cell("Name"), cell("Share"))
        + row(more='table:number-rows-repeated="2"')
        + row(cell("Ada"), cell("12.5%", value))
        + row(cell("Bo"), cell("50%", value), more='table:number-rows-repeated="2"')
        + row(
            '<table:table-cell table:number-columns-repeated="16000"/>',
            more='table:number-rows-repeated="1000000"',
        )
        + "</table:table>"
    )
    content = read_spreadsheet(Source(data=packed("spreadsheet", sheet, before=style)))
    assert content.text == "数据\n\nName: Ada; Share: 12.5%\nName: Bo; Share: 50%\nName: Bo; Share: 50%"
    assert [region.cells for region in content.regions] == ["A4:B4", "A5:B5", "A6:B6"]
    assert content.notes == ('the sheet "数据" is hidden in the workbook; it was read like the others',)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ('value-type="time" office:time-value="PT36H05M07S"', "36:05:07"),
        ('value-type="time" office:time-value="-P1DT90M"', "-25:30:00"),
        ('value-type="time" office:time-value="soon"', "soon"),
        ('value-type="boolean" office:boolean-value="true"', "TRUE"),
        ('value-type="string" office:string-value="words"', "words"),
        ('value-type="percentage" office:value="0.07"', "7%"),
        ('value-type="float" office:value="3.1400000000000001"', "3.14"),
        ('value-type="float" office:value="n/a"', "n/a"),
        ('value-type="currency" office:currency="EUR" office:value="5.5"', "5.5 EUR"),
        ('value-type="date" office:date-value="2024-02-29"', "2024-02-29"),
    ],
)
def test_a_cell_without_text_shows_its_value(stored: str, shown: str) -> None:
    rows = row(cell("Ada"), f"<table:table-cell office:{stored}/>")
    body = f'<table:table table:name="Data">{rows}</table:table>'
    assert read_spreadsheet(Source(data=packed("spreadsheet", body))).text == f"Data\n\nAda: {shown}"


def test_a_formula_without_a_result_is_told_and_an_empty_text_is_a_result() -> None:
    formula = '<table:table-cell table:formula="of:=SUM([.A1:.B2])*[$Old.C1]*0.5" {}/>'
    rows = row(cell("Sum"), formula.format("")) + row(
        cell("None"), formula.format('office:value-type="string"')
    )
    body = f'<table:table table:name="Data">{rows}</table:table>'
    content = read_spreadsheet(Source(data=packed("spreadsheet", body)))
    assert content.text == "Data\n\nSum: =SUM(A1:B2)*$Old.C1*0.5\nNone"
    assert content.notes[0].startswith("1 formula has no stored result")


def test_charts_and_formulas_are_told_once_and_not_by_their_pictures() -> None:
    figures = row(cell(""), cell("Tea")) + row(cell("2023"), cell("5")) + row(cell("2024"), cell("7"))
    parts = {
        "Object 1/content.xml": f"<office:document-content {NAMESPACES}><office:body><office:chart>"
        f"<chart:chart><chart:title><text:p>Harvest</text:p></chart:title><table:table>{figures}</table:table>"
        "</chart:chart></office:chart></office:body></office:document-content>",
        "Object 2/content.xml": '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mi>x</mi>'
        '<annotation encoding="StarMath 5.0">x = a over b</annotation></semantics></math>',
        "ObjectReplacements/Object 1": "no picture",
    }
    frame = (
        '<draw:frame><draw:object xlink:href="./Object {0}"/><draw:image xlink:href="./ObjectReplacements/'
        'Object {0}"/></draw:frame>'
    )
    data = packed("text", f"<text:p>{frame.format(1)}{frame.format(2)}</text:p>", parts=parts)
    content = read_text_document(Source(data=data))
    assert content.text == "Harvest\n2023; Tea: 5\n2024; Tea: 7\n\nx = a over b"
    assert not content.notes


def test_drawings_on_a_sheet_are_read_below_it() -> None:
    box = "<draw:frame><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>"
    body = (
        f'<table:table table:name="Data"><table:shapes>{box.format("on the sheet")}</table:shapes>'
        + row(f"<table:table-cell><text:p>1</text:p>{box.format('at a cell')}</table:table-cell>")
        + "</table:table>"
    )
    content = read_spreadsheet(Source(data=packed("spreadsheet", body)))
    assert content.text == "Data\n\n1\n\non the sheet\n\nat a cell"


def test_a_copy_of_another_file_s_sheet_is_left_out() -> None:
    body = (
        f'<table:table table:name="Data">{row(cell("own"))}</table:table>'
        """<table:table table:name="'file:///other.ods'#$Sheet1"><table:table-source/>"""
        f"{row(cell('foreign'))}</table:table>"
    )
    content = read_spreadsheet(Source(data=packed("spreadsheet", body)))
    assert content.text == "Data\n\nown"


def test_a_spreadsheet_cut_short_gives_its_rows_and_a_note() -> None:
    body = '<table:table table:name="Data">' + "".join(row(cell(f"row {at}")) for at in range(3))
    content = read_spreadsheet(Source(data=packed("spreadsheet", body + "<table:table-row")))
    assert content.text == "Data\n\nrow 0\nrow 1\nrow 2"
    assert content.notes == ("its content is damaged: what follows the damage may be missing",)


def test_a_comment_on_a_slide_is_read_in_the_namespace_of_any_program() -> None:
    comment = (
        '<o:annotation xmlns:o="http://openoffice.org/2009/office"><text:p>Too long</text:p></o:annotation>'
    )
    data = packed("presentation", f"<draw:page>{comment}</draw:page>")
    assert read_presentation(Source(data=data)).text == "[Comment: Too long]"


def test_a_flat_document_is_read() -> None:
    flat = (
        f'<?xml version="1.0"?><office:document {NAMESPACES} office:mimetype="{MIMETYPE}text"><office:body>'
        "<office:text><text:p>Flat.</text:p></office:text></office:body></office:document>"
    )
    assert read(Source(data=flat.encode(), name="a.fodt")).text == "Flat."


def locked(password: str, *, algorithm: str = "http://www.w3.org/2001/04/xmlenc#aes256-cbc") -> bytes:
    """Return an encrypted text document, as LibreOffice 7 writes one."""
    content = zipfile.ZipFile(io.BytesIO(packed("text", "<text:p>灯塔 secret</text:p>"))).read("content.xml")
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    plain = deflater.compress(content) + deflater.flush()
    vector, salt, iterations = b"v" * 16, b"s" * 16, 1000
    key = hashlib.pbkdf2_hmac("sha1", hashlib.sha256(password.encode()).digest(), salt, iterations, 32)
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    padding = 16 - len(plain) % 16
    data = encryptor.update(plain + b"\0" * (padding - 1) + bytes([padding])) + encryptor.finalize()
    told = {name: base64.b64encode(value).decode() for name, value in (("v", vector), ("s", salt))}
    checksum = base64.b64encode(hashlib.sha256(plain[:1024]).digest()).decode()
    manifest = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry m:full-path='
        f'"content.xml"><m:encryption-data m:checksum-type="urn:x#sha256-1k" m:checksum="{checksum}">'
        f'<m:algorithm m:algorithm-name="{algorithm}" m:initialisation-vector="{told["v"]}"/>'
        '<m:start-key-generation m:start-key-generation-name="x#sha256" m:key-size="32"/>'
        '<m:key-derivation m:key-derivation-name="PBKDF2" m:key-size="32" '
        f'm:iteration-count="{iterations}" m:salt="{told["s"]}"/>'
        "</m:encryption-data></m:file-entry></m:manifest>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("mimetype", MIMETYPE + "text")
        package.writestr("content.xml", data)
        package.writestr("META-INF/manifest.xml", manifest)
    return buffer.getvalue()


def test_an_encrypted_document_is_opened_with_a_password_of_the_user_s() -> None:
    settings = Settings(passwords=("wrong", "密码"))
    assert read(Source(data=locked("密码"), name="a.odt", settings=settings)).text == "灯塔 secret"
    with pytest.raises(LoadError, match="add its password to the setting `passwords`"):
        read(Source(data=locked("密码"), name="a.odt"))
    with pytest.raises(LoadError, match="encrypted in a way that cannot be read"):
        read(Source(data=locked("密码", algorithm="x#tripledes-cbc"), name="a.odt", settings=settings))


def sha1(data: bytes) -> bytes:
    return hashlib.new("sha1", data, usedforsecurity=False).digest()


def test_a_document_that_openoffice_encrypted_is_opened() -> None:
    """As ODF 1.1 has it: Blowfish, SHA-1, and no word of the key's size."""
    with zipfile.ZipFile(io.BytesIO(packed("text", "<text:p>old secret</text:p>"))) as package:
        content = package.read("content.xml")
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    plain = deflater.compress(content) + deflater.flush()
    vector, salt = b"v" * 8, b"s" * 16
    key = hashlib.pbkdf2_hmac("sha1", sha1(b"1111"), salt, 1024, 16)
    encryptor = Cipher(Blowfish(key), CFB(vector)).encryptor()
    told = [base64.b64encode(value).decode() for value in (sha1(plain[:1024]), vector, salt)]
    manifest = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry m:full-path='
        f'"content.xml"><m:encryption-data m:checksum-type="SHA1/1K" m:checksum="{told[0]}">'
        f'<m:algorithm m:algorithm-name="Blowfish CFB" m:initialisation-vector="{told[1]}"/>'
        f'<m:key-derivation m:key-derivation-name="PBKDF2" m:iteration-count="1024" m:salt="{told[2]}"/>'
        "</m:encryption-data></m:file-entry></m:manifest>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("mimetype", MIMETYPE + "text")
        package.writestr("content.xml", encryptor.update(plain) + encryptor.finalize())
        package.writestr("META-INF/manifest.xml", manifest)
    settings = Settings(passwords=("wrong", "1111"))
    assert read(Source(data=buffer.getvalue(), name="a.odt", settings=settings)).text == "old secret"


def test_a_bomb_is_refused() -> None:
    data = packed("text", "<text:p>x</text:p>" * 1000)
    with pytest.raises(LoadError, match="unpacks to more than"):
        read_text_document(Source(data=data, budget=Budget(unpacked=1000)))


def test_a_document_cut_short_gives_what_it_has_and_a_note() -> None:
    body = "<text:p>" + "word " * 100 + "</text:p>"
    data = packed("text", body * 3)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        new.writestr("content.xml", old.read("content.xml")[:-400])
    content = read_text_document(Source(data=buffer.getvalue()))
    assert content.text.startswith("word word")
    assert "damaged" in content.notes[0]


def test_exponents_stay_raised() -> None:
    styles = (
        '<office:automatic-styles><style:style style:name="T1" style:family="text">'
        '<style:text-properties style:text-position="super 58%"/></style:style></office:automatic-styles>'
    )
    body = '<text:p>3.2 × 10<text:span text:style-name="T1">6</text:span> N</text:p>'
    content = read_text_document(Source(data=packed("text", body, before=styles)))
    assert content.text == "3.2 × 10⁶ N"


def test_a_list_goes_on_where_it_says_so() -> None:
    item = "<text:list-item{}><text:p>{}</text:p></text:list-item>"
    first = f'<text:list text:style-name="L1">{item.format("", "a")}{item.format("", "b")}</text:list>'
    on = f'<text:list text:style-name="L1" text:continue-numbering="true">{item.format("", "c")}</text:list>'
    seventh = item.format(' text:start-value="7"', "d")
    anew = f'<text:list text:style-name="L1">{seventh}{item.format("", "e")}</text:list>'
    styles = (
        '<text:list-style style:name="L1"><text:list-level-style-number text:level="1"/></text:list-style>'
    )
    text = text_of(f"{first}<text:p>-</text:p>{on}{anew}", styles=styles)
    assert text.split("\n") == ["1. a", "2. b", "", "-", "3. c", "7. d", "8. e"]


def level(at: int, more: str, kind: str = "list-level-style-number") -> str:
    return f'<text:{kind} text:level="{at}" {more}/>'


def numbered(style: str, *blocks: str, more: str = "") -> str:
    items = (
        block if block.startswith("<text:list-") else f"<text:list-item>{block}</text:list-item>"
        for block in blocks
    )
    return f'<text:list text:style-name="{style}" {more}>{"".join(items)}</text:list>'


def styled(style: str, *levels: str) -> str:
    return f'<text:list-style style:name="{style}">{"".join(levels)}</text:list-style>'


def test_list_items_bear_the_numbers_that_are_printed() -> None:
    letters = level(1, 'style:num-prefix="(" style:num-suffix=")" style:num-format="1" text:start-value="5"')
    letters += level(2, 'style:num-suffix=")" style:num-format="a"')
    letters += level(3, 'style:num-format="i" text:display-levels="3" style:num-suffix="."')
    clauses = level(1, 'style:num-prefix="第" style:num-suffix="条" style:num-format="一, 二, 三, ..."')
    clauses += level(2, 'loext:num-list-format="%1%-%2%" style:num-format="①, ②, ③, ..."')
    mixed = (
        level(1, "", "list-level-style-bullet")
        + level(2, 'style:num-format="A"')
        + level(3, 'style:num-format=""')
    )
    deep = numbered("L", "<text:p>bb</text:p>" + numbered("L", "<text:p>deep</text:p>"))
    body = numbered(
        "L",
        "<text:p>a</text:p>" + numbered("L", "<text:p>aa</text:p>") + deep,
        "<text:p/>",
        "<text:p>c</text:p>",
    )
    body += numbered(
        "C", "<text:p>押金</text:p>", "<text:p>钥匙</text:p>" + numbered("C", "<text:p>访客</text:p>")
    )
    body += numbered(
        "M", "<text:p>x</text:p>" + numbered("M", "<text:p>y</text:p>" + numbered("M", "<text:p>z</text:p>"))
    )
    styles = styled("L", letters) + styled("C", clauses) + styled("M", mixed)
    assert text_of(body, styles=styles).split("\n") == [
        *("(5) a", "  a) aa", "  a) bb", "    5.a.i. deep", "(7) c"),
        *("第一条 押金", "第二条 钥匙", "  二-① 访客"),
        *("- x", "  A y", "    z"),
    ]


def test_headings_bear_the_numbers_of_the_outline() -> None:
    def heading(at: int, text: str, more: str = "") -> str:
        return f'<text:h text:outline-level="{at}" {more}>{text}</text:h>'

    outline = level(
        1, 'style:num-prefix="Part " style:num-suffix="." style:num-format="I"', "outline-level-style"
    )
    outline += level(2, 'style:num-format="1" text:display-levels="2"', "outline-level-style")
    outline += level(3, 'style:num-format=""', "outline-level-style")
    styles = f'<text:outline-style style:name="Outline">{outline}</text:outline-style>'
    styles += '<style:style style:name="Off" style:family="paragraph" style:list-style-name=""/>'
    styles += '<style:style style:name="P1" style:family="paragraph" style:parent-style-name="Off"/>'
    body = heading(1, "General") + heading(2, "Scope") + heading(3, "Deep") + heading(2, "")
    body += heading(2, "Plain", 'text:is-list-header="true"') + heading(1, "Off", 'text:style-name="P1"')
    body += heading(2, "Terms") + heading(1, "Seven", 'text:restart-numbering="true" text:start-value="7"')
    body += (
        numbered("Outline", heading(1, "Eight")) + f"<table:table>{row(cell('a'), cell('b'))}</table:table>"
    )
    content = read_text_document(Source(data=packed("text", body, styles=styles)))
    assert [each.title for each in content.headings] == [
        *("Part I. General", "I.1 Scope", "Deep", "Plain", "Off", "I.3 Terms"),
        *("Part VII. Seven", "Part VIII. Eight"),
    ]


def test_a_level_above_that_bears_no_number_leaves_no_dot() -> None:
    levels = level(1, 'style:num-format="" loext:num-list-format="%1%:"')
    levels += level(2, 'style:num-format="1" loext:num-list-format="%1%.%2%"')
    levels += level(3, 'style:num-format="a" loext:num-list-format="(%1%.%2%.%3%)"')
    third = numbered("L", "<text:p>C</text:p>")
    body = numbered("L", "<text:p>A</text:p>" + numbered("L", "<text:p>B</text:p>" + third))
    assert text_of(body, styles=styled("L", levels)).split("\n") == [": A", "  1 B", "    (1.a) C"]


def test_headings_in_lists_go_on_where_they_say_so() -> None:
    def item(text: str) -> str:
        return f'<text:h text:outline-level="1">{text}</text:h>'

    levels = level(1, 'style:num-format="1" style:num-suffix="."') + level(
        2, 'style:num-format="1" text:display-levels="2"'
    )
    on = 'text:continue-numbering="true"'
    body = numbered("L", item("one"), more='xml:id="l1"')
    body += numbered("L", numbered("L", item("sub")), more=on) + numbered(
        "L", numbered("L", item("sub")), more=on
    )
    body += numbered("L", item("other")) + numbered(
        "L", item("two"), more='text:continue-list="l1" xml:id="l2"'
    )
    body += numbered("L", numbered("L", item("sub")), more='text:continue-list="l2"')
    assert text_of(body, styles=styled("L", levels)).split("\n\n") == [
        *("1. one", "1.1 sub", "1.2 sub", "1. other", "2. two", "2.1 sub"),
    ]


def test_numbers_that_are_counted_in_cells_are_read() -> None:
    styles = styled("L", level(1, 'style:num-format="1" style:num-suffix="."'))
    steps = numbered("L", "<text:p>Mix</text:p>", "<text:p>Bake</text:p>")
    body = row(cell("Step"), cell("Time"))
    body += row(
        f"<table:table-cell>{steps}</table:table-cell>",
        f"<table:table-cell>{numbered('B', '<text:p>5</text:p>')}</table:table-cell>",
    )
    body = f"<table:table>{body}</table:table>" + numbered(
        "L", "<text:p>Eat</text:p>", more='text:continue-numbering="true"'
    )
    assert text_of(body, styles=styles) == "Step: 1. Mix 2. Bake; Time: 5\n3. Eat"
