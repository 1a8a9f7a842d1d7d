"""Files made to harm: each ends within the limits, with its text or one true sentence, and harms no other."""

from __future__ import annotations

import io
import random
import re
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import psutil
import pytest

from rag.datatypes import Document
from rag.errors import LoadError
from rag.load.guard import Loader
from rag.load.limits import MAX_RESIDENT, MAX_TEXT
from rag.load.source import Settings
from tests.test_load_archive import zipped

TIMEOUT = 120  # seconds, as by default
OVER = 200_000_000  # bytes by which memory may pass the limit between two looks at it
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
LOL = f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]>'
DEEP = 100_000


@pytest.fixture(scope="module")
def loader() -> Iterator[Loader]:
    with Loader(timeout=TIMEOUT, settings=Settings(ocr=True)) as loader:
        yield loader


@pytest.fixture
def attempt(loader: Loader, tmp_path: Path) -> Callable[[str, bytes], Document | str]:
    """Return what reads a file through the guard, to a document or the reason why not."""

    def read(name: str, data: bytes) -> Document | str:
        path = tmp_path / name
        path.write_bytes(data)
        with _watched() as peak:
            begun = time.monotonic()
            try:
                result: Document | str = loader.load(path, source=name)
            except LoadError as exc:
                result = str(exc)
        assert time.monotonic() - begun < TIMEOUT + 10
        assert peak[0] < MAX_RESIDENT + OVER
        path.write_text("考据", encoding="utf-8")
        harmless = path.rename(tmp_path / "harmless.txt")
        assert loader.load(harmless, source="harmless.txt").text == "考据"
        if isinstance(result, str):
            assert re.fullmatch(r"[^\n]{10,300}", result)
            assert "ended the reader" not in result, "a reader crashed that should have seen it coming"
        else:
            assert len(result.text) <= MAX_TEXT
        return result

    return read


class _watched:  # noqa: N801 - reads as a phrase
    """Keeps the greatest memory that the children hold meanwhile."""

    def __enter__(self) -> list[int]:
        self._peak = [0]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self._peak

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        this = psutil.Process()
        while not self._over.wait(0.05):
            for child in this.children(recursive=True):
                try:
                    self._peak[0] = max(self._peak[0], child.memory_info().rss)
                except psutil.Error:
                    continue


Attempt = Callable[[str, bytes], "Document | str"]


def said(result: Document | str) -> str:
    return result if isinstance(result, str) else "; ".join(result.notes)


# Zip bombs.


def test_a_member_that_unpacks_to_gigabytes(attempt: Attempt) -> None:
    data = zipped({"zeros.txt": b"a" * 300_000_000, "note.txt": b"text"})
    result = attempt("bomb.zip", data)
    assert isinstance(result, Document)
    assert result.text == "note.txt\n\ntext"
    assert result.notes == ("zeros.txt: it unpacks to more than 256 MB",)


def test_zips_in_zips_as_in_42_zip(attempt: Attempt) -> None:
    data = zipped({"0.txt": b"a" * 100_000_000})
    for level in range(5):
        data = zipped({f"{level}-{n}.zip": data for n in range(16)})
    result = attempt("42.zip", data)
    assert "containers" in said(result) or "unpacks to more than" in said(result)


def test_many_members_that_unpack_to_much_together(attempt: Attempt) -> None:
    packed = zipped({f"{n}.txt": b"word " * 2_000_000 for n in range(120)})
    result = attempt("much.zip", packed)
    assert isinstance(result, Document)
    assert result.notes == (
        "the rest was not read: its text is longer than 32,000,000 characters",
        "it is very long: only the first 32,000,000 of its 40,000,030 characters were read",
    )


def test_many_members_without_text_that_unpack_to_much_together(attempt: Attempt) -> None:
    packed = zipped({f"{n}.bin": bytes(200_000_000) for n in range(8)})
    assert "it unpacks to more than 1000 MB" in str(attempt("much.zip", packed))


def overlapping(count: int) -> bytes:
    """Return a zip whose members are all the same bytes, each quoting the headers after it."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    plain = b"a" * 20_000_000
    packed = kernel.compress(plain) + kernel.flush()
    body, directory = b"", b""
    name, crc = b"a.txt", zlib.crc32(plain)
    fields = (20, 0, 8, 0, 0, crc, len(packed), len(plain), len(name), 0)
    body = struct.pack("<4s5H3L2H", b"PK\3\4", *fields) + name + packed
    for at in range(count):
        directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *fields, 0, 0, 0, 0, at) + name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + end


def test_members_that_overlap(attempt: Attempt) -> None:
    assert attempt("flat.zip", overlapping(60_000)) == "its members overlap, as in a zip bomb"


@pytest.mark.parametrize("declared", [5, 200_000_000, 0xFFFFFFFE])
def test_a_header_that_lies_about_a_size(attempt: Attempt, declared: int) -> None:
    data = bytearray(zipped({"a.txt": b"text " * 1000, "b.txt": b"whole"}))
    for mark, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<L", data, data.index(mark) + at, declared)
    result = attempt("lies.zip", bytes(data))
    assert isinstance(result, Document)
    assert result.text.endswith("b.txt\n\nwhole")
    if declared != 200_000_000:
        assert said(result) in {
            "a.txt: it is damaged within the archive",
            "a.txt: it unpacks to more than 256 MB",
        }


def quine() -> bytes:
    """Return a zip that says its one member is the archive itself, from its first byte to its last."""
    name = b"quine.zip"
    header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0) + name
    for _ in range(3):
        size = len(header) + 46 + len(name) + 22
        fields = (20, 0, 0, 0, 0, 0, size, size, len(name), 0)
        entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *fields, 0, 0, 0, 0, 0) + name
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(header), 0)
    return header + entry + end


def test_a_zip_that_holds_itself(attempt: Attempt) -> None:
    assert "damaged" in str(attempt("quine.zip", quine()))


def test_a_zip_that_holds_itself_by_copies_many_levels_deep(attempt: Attempt) -> None:
    data = zipped({"a.txt": b"text"})
    for _ in range(60):
        data = zipped({"r.zip": data, "s.zip": data}) if len(data) < 50_000 else zipped({"r.zip": data})
    assert "it lies in more than 4 containers, one inside the other" in str(attempt("r.zip", data))


def test_a_directory_of_a_million_members(attempt: Attempt) -> None:
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    directory = entry * 1_000_000
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 10**6, 10**6, len(directory), len(local))
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(local) + len(directory), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert isinstance(attempt("million.zip", local + directory + end64 + locator + end), str)


# Markup that grows or nests.


def office(main: str, kind: str, text: str) -> bytes:
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        f'<Override PartName="/{main}" '
        f'ContentType="application/vnd.openxmlformats-officedocument.{kind}.main+xml"/>'
        "</Types>"
    )
    relation = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        f'officeDocument" Target="{main}"/></Relationships>'
    )
    return zipped(
        {"[Content_Types].xml": types.encode(), "_rels/.rels": relation.encode(), main: text.encode()}
    )


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
WORDS = "<w:body><w:p><w:r><w:t>&l9;</w:t></w:r></w:p></w:body>"
SVG = "<svg xmlns='http://www.w3.org/2000/svg'><text>&l9;</text></svg>"
LAUGHING = {
    "laughs.xml": f"<?xml version='1.0'?>{LOL}<x>&l9;</x>".encode(),
    "laughs.svg": f"<?xml version='1.0'?>{LOL}{SVG}".encode(),
    "laughs.html": f"{LOL.replace('x [', 'html [')}<html><p>&l9;</p></html>".encode(),
    "laughs.docx": office(
        "word/document.xml",
        "wordprocessingml.document",
        f"<?xml version='1.0'?>{LOL}<w:document {W}>{WORDS}</w:document>",
    ),
    "laughs.xlsx": office(
        "xl/workbook.xml",
        "spreadsheetml.sheet",
        f"<?xml version='1.0'?>{LOL}<workbook><sheets>&l9;</sheets></workbook>",
    ),
}


@pytest.mark.parametrize("name", LAUGHING)
def test_a_billion_laughs(attempt: Attempt, name: str) -> None:
    result = attempt(name, LAUGHING[name])
    assert isinstance(result, str) or result.text.count("lol") < 100


NESTED = {
    "deep.html": b"<div>" * DEEP + b"inside" + b"</div>" * DEEP,
    "deep.xml": b"<?xml version='1.0'?>" + b"<a>" * DEEP + b"inside" + b"</a>" * DEEP,
    "deep.json": b"[" * DEEP + b'"inside"' + b"]" * DEEP,
    "deep.rtf": b"{\\rtf1 " + b"{" * DEEP + b"inside" + b"}" * DEEP + b"}",
    "deep.md": b"> " * DEEP + b"inside",
    "list.html": b"<ul><li>" * DEEP + b"inside",
    "table.html": b"<table><tr><td>" * 10_000 + b"inside",
    "deep.yaml": b"[" * DEEP + b"inside" + b"]" * DEEP,
    "laughs.yaml": b"a: &a [x, x]\n"
    + b"".join(b"%c: &%c [*%c, *%c, *%c, *%c, *%c]\n" % (n, n, *[n - 1] * 5) for n in range(98, 123)),
}


@pytest.mark.parametrize("name", NESTED)
def test_deep_nesting(attempt: Attempt, name: str) -> None:
    attempt(name, NESTED[name])


# Mail.


def test_a_mail_with_ten_thousand_attachments(attempt: Attempt) -> None:
    pieces = "".join(
        f"--b\nContent-Disposition: attachment; filename={n}.txt\n\nnumber {n}\n" for n in range(10_000)
    )
    head = "From: a@example.org\nSubject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    result = attempt("many.eml", f"{head}{pieces}--b--\n".encode())
    assert isinstance(result, Document)
    assert len(result.pages) >= 10_000
    assert "9999.txt\n\nnumber 9999" in result.text


def test_a_mail_nested_ten_thousand_levels_deep(attempt: Attempt) -> None:
    opened = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(10_000))
    result = attempt(
        "deep.eml", f"From: a@example.org\nSubject: s\nMIME-Version: 1.0\n{opened}\ntext".encode()
    )
    assert "nested too deeply" in str(result)


def test_mails_forwarded_many_times_over(attempt: Attempt) -> None:
    message = EmailMessage()
    message.set_content("the first")
    for level in range(30):
        outer = EmailMessage()
        outer["Subject"] = f"level {level}"
        outer.add_attachment(message)
        message = outer
    assert "containers, one inside the other" in said(attempt("forwarded.eml", message.as_bytes()))


def test_headers_without_end(attempt: Attempt) -> None:
    line = 'To: "a";' + ';,<"(' * 400_000 + "\n"
    content = f"Content-Type: multipart/mixed; boundary={'x;' * 400_000}\n"
    attempt("headers.eml", f"From: a@example.org\n{line}{content}\ntext".encode())


# PDF.


def pdf(*objects: str) -> bytes:
    """Return a PDF of these objects, numbered from 1; the first is the catalogue."""
    out, places = b"%PDF-1.7\n", []
    for number, text in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    count = len(objects) + 1
    trailer = f"trailer <</Size {count} /Root 1 0 R>>\nstartxref\n{len(out)}\n%%EOF"
    return out + f"xref\n0 {count}\n0000000000 65535 f \n{table}{trailer}".encode()


def stream(text: str) -> str:
    return f"<</Length {len(text)}>>\nstream\n{text}\nendstream"


CATALOG = "<</Type /Catalog /Pages 2 0 R>>"
FONT = "<</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>"
PAGE = "/Type /Page /Parent 2 0 R /Resources <</Font <</F 5 0 R>>>> /Contents 4 0 R"
HELLO = stream("BT /F 12 Tf 50 700 Td (Hello) Tj ET")
PDFS = {
    "own-kid.pdf": pdf(CATALOG, "<</Type /Pages /Count 9 /Kids [2 0 R 2 0 R]>>"),
    "own-length.pdf": pdf(
        CATALOG,
        "<</Type /Pages /Count 1 /Kids [3 0 R]>>",
        f"<<{PAGE} /MediaBox [0 0 600 800]>>",
        "<</Length 4 0 R>>\nstream\nx\nendstream",
        FONT,
    ),
    "form-in-itself.pdf": pdf(
        CATALOG,
        "<</Type /Pages /Count 1 /Kids [3 0 R]>>",
        "<</Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 5 0 R "
        "/Resources <</XObject <</X 4 0 R>>>>>>",
        "<</Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources <</XObject <</X 4 0 R>>>> /Length 11>>\n"
        "stream\n/X Do /X Do\nendstream",
        stream("/X Do " * 1000),
    ),
    "million-pages.pdf": pdf(
        CATALOG,
        f"<</Type /Pages /Count 1000000 /Kids [{'3 0 R ' * 1_000_000}]>>",
        f"<<{PAGE} /MediaBox [0 0 600 800]>>",
        HELLO,
        FONT,
    ),
    "says-a-million.pdf": pdf(
        CATALOG,
        "<</Type /Pages /Count 2000000000 /Kids [3 0 R]>>",
        f"<<{PAGE} /MediaBox [0 0 600 800]>>",
        HELLO,
        FONT,
    ),
    "huge-page.pdf": pdf(
        CATALOG,
        "<</Type /Pages /Count 1 /Kids [3 0 R]>>",
        f"<<{PAGE} /MediaBox [0 0 1000000000 1000000000]>>",
        HELLO,
        FONT,
    ),
    "huge-empty-page.pdf": pdf(
        CATALOG,
        "<</Type /Pages /Count 1 /Kids [3 0 R]>>",
        "<</Type /Page /Parent 2 0 R /MediaBox [0 0 1000000000 1000000000]>>",
    ),
    "deep-array.pdf": pdf(CATALOG, f"<</Type /Pages /Count 1 /Kids {'[' * DEEP}{']' * DEEP}>>"),
}


@pytest.mark.parametrize("name", PDFS)
def test_a_hostile_pdf(attempt: Attempt, name: str) -> None:
    result = attempt(name, PDFS[name])
    if name in {"says-a-million.pdf", "huge-page.pdf", "million-pages.pdf"}:
        assert isinstance(result, Document)
        assert "Hello" in result.text


def test_a_pdf_stream_that_unpacks_to_gigabytes(attempt: Attempt) -> None:
    once = zlib.compress(b" " * 500_000_000, 9)
    packed = zlib.compress(once, 9).decode("latin-1")
    bomb = f"<</Length {len(packed)} /Filter [/FlateDecode /FlateDecode]>>\nstream\n{packed}\nendstream"
    page = f"<<{PAGE} /MediaBox [0 0 600 800]>>"
    data = pdf(CATALOG, "<</Type /Pages /Count 1 /Kids [3 0 R]>>", page, bomb, FONT)
    attempt("stream.pdf", data.decode().encode("latin-1"))


# Pictures, sheets, texts.


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))

    head = struct.pack(">2L5B", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_picture_of_a_billion_pixels(attempt: Attempt) -> None:
    rows = zlib.compress(bytes(32_001) * 32_000, 9)
    assert isinstance(attempt("billion.png", png(32_000, 32_000, rows)), str)
    assert isinstance(attempt("lies.png", png(2**31 - 1, 2**31 - 1, rows[:1000])), str)


def test_a_sheet_of_a_million_cells_and_one_of_more(attempt: Attempt) -> None:
    for rows, name in ((100_000, "million.csv"), (300_000, "more.csv")):
        lines = ["a,b,c,d,e,f,g,h,i,j", *(",".join(str(row * n) for n in range(10)) for row in range(rows))]
        result = attempt(name, "\n".join(lines).encode())
        assert isinstance(result, Document)
        assert len(result.text) > 5_000_000


def test_a_workbook_of_a_million_cells_that_says_it_has_billions(attempt: Attempt) -> None:
    rows = "".join(
        f'<row r="{r}">' + "".join(f'<c r="{c}{r}"><v>{r}</v></c>' for c in "ABCDEFGHIJ") + "</row>"
        for r in range(1, 100_002)
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = (
        f'<worksheet xmlns="{main}"><dimension ref="A1:XFD1048576"/><sheetData>{rows}</sheetData></worksheet>'
    )
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    book = (
        f'<workbook xmlns="{main}" xmlns:r="{relation}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="s"/></sheets></workbook>'
    )
    data = io.BytesIO(office("xl/workbook.xml", "spreadsheetml.sheet", book))
    with zipfile.ZipFile(data, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f'<Relationship Id="s" Type="{relation}/worksheet" Target="worksheets/sheet1.xml"/>'
            "</Relationships>",
        )
    result = attempt("million.xlsx", data.getvalue())
    assert isinstance(result, Document)
    assert "\n90000 | 90000 |" in result.text
    assert "1,000,000 cells are read" in said(result)


@pytest.mark.parametrize("suffix", ["txt", "md", "html", "csv", "json", "xml", "eml", "rtf", "yaml", "py"])
def test_a_line_of_fifty_megabytes(attempt: Attempt, suffix: str) -> None:
    heads = {"rtf": b"{\\rtf1 ", "eml": b"Subject: s\n\n", "xml": b"<?xml version='1.0'?><a>", "json": b'"'}
    ends = {"xml": b"</a>", "json": b'"', "rtf": b"}"}
    line = heads.get(suffix, b"") + b"word " * 10_000_000 + ends.get(suffix, b"")
    result = attempt(f"line.{suffix}", line)
    assert suffix == "xml" or isinstance(result, str) or "is very long" in said(result)


def test_noise_under_every_name(attempt: Attempt) -> None:
    noise = random.Random(7).randbytes(200_000)
    marks = (
        b"%PDF-1.7\n",
        b"PK\3\4",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"{\\rtf1",
        b"\x89PNG\r\n\x1a\n",
        b"\x1f\x8b\x08",
    )
    for number, mark in enumerate(marks):
        attempt(f"noise{number}.bin", mark + noise)
