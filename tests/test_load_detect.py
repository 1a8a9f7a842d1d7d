"""What a file is: its content decides, then its name."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from rag.errors import LoadError
from rag.load.detect import detect

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
MACROS = "application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml"
PLAIN_MAIL = "From: Ada <a@b.c>\nTo: Bo <b@c.d>\nSubject: lamp\n\nIt burns.\n"
PAGE = "<!DOCTYPE html>\n<title>x</title><p>Hello"


def package(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def test_an_archive_that_begins_with_a_pdf_is_an_archive() -> None:
    page = b"%PDF-1.7\n" + b"x" * 99
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w") as archive:
        member = tarfile.TarInfo("a.pdf")
        member.size = len(page)
        archive.addfile(member, io.BytesIO(page))
    assert detect(package(**{"a.pdf": page.decode()}), "a.zip") == "zip"
    assert detect(tarred.getvalue(), "a.tar") == "tar"


def office(content_type: str, part: str) -> bytes:
    types = f'<Types><Override PartName="/{part}" ContentType="{content_type}"/></Types>'
    return package(**{"[Content_Types].xml": types, part: "<x/>"})


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (office(WORD, "word/document2.xml"), "docx"),
        (office(WORD.replace("document.main", "template.main"), "word/document.xml"), "docx"),
        (office(SHEET, "workbook.xml"), "xlsx"),
        (office(MACROS, "ppt/p.xml"), "pptx"),
        (package(**{"xl/workbook.bin": "x"}), "xlsx"),
        (package(mimetype="application/vnd.oasis.opendocument.text-template", **{"content.xml": "x"}), "odt"),
        (package(mimetype="application/vnd.oasis.opendocument.spreadsheet", **{"content.xml": "x"}), "ods"),
        (
            package(
                **{
                    "META-INF/manifest.xml": '<f m="application/vnd.oasis.opendocument.presentation"/>',
                    "content.xml": "x",
                }
            ),
            "odp",
        ),
        (package(mimetype="application/epub+zip"), "epub"),
        (package(**{"notes/word/document.txt": "x"}), "zip"),
    ],
)
@pytest.mark.parametrize("name", ["a.doc", "a.txt", "a", "a.zip"])
def test_an_office_file_is_known_by_the_type_of_its_main_part(data: bytes, kind: str, name: str) -> None:
    assert detect(data, name) == kind


def compound(*streams: str) -> bytes:
    """Return a compound file whose root holds `streams` and nothing in them ([MS-CFB])."""

    def entry(name: str, kind: int, left: int, right: int, child: int) -> bytes:
        wide = name.encode("utf-16-le") + b"\0\0"
        head = wide.ljust(64, b"\0") + len(wide).to_bytes(2, "little") + bytes([kind, 1])
        links = b"".join(each.to_bytes(4, "little", signed=True) for each in (left, right, child))
        return head + links + bytes(36) + (-2).to_bytes(4, "little", signed=True) + bytes(8)

    names = sorted(streams, key=lambda name: (len(name), name.upper()))
    entries = [entry("Root Entry", 5, -1, -1, 1)]
    for at, name in enumerate(names, start=1):
        entries.append(entry(name, 2, -1, at + 1 if at < len(names) else -1, -1))
    entries += [bytes(128)] * (4 - len(entries))
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + b"\x3e\0\3\0\xfe\xff\x09\0\x06\0" + bytes(10)
        + (1).to_bytes(4, "little") + (1).to_bytes(4, "little") + bytes(4) + (4096).to_bytes(4, "little")
        + b"\xfe\xff\xff\xff" + bytes(4) + b"\xfe\xff\xff\xff" + bytes(8) + b"\xff\xff\xff\xff" * 108
    )  # fmt: skip
    table = b"\xfd\xff\xff\xff" + b"\xfe\xff\xff\xff" + b"\xff\xff\xff\xff" * 126
    return header + table + b"".join(entries)


@pytest.mark.parametrize(
    ("streams", "kind"),
    [
        (("WordDocument", "1Table"), "doc"),
        (("Workbook",), "xls"),
        (("BOOK",), "xls"),
        (("PowerPoint Document",), "ppt"),
        (("__properties_version1.0",), "msg"),
        (("EncryptedPackage", "EncryptionInfo"), "encrypted"),
    ],
)
def test_a_compound_file_is_known_by_its_root(streams: tuple[str, ...], kind: str) -> None:
    embedded = "Workbook".encode("utf-16-le") + "EncryptedPackage".encode("utf-16-le")
    assert detect(compound(*streams) + embedded, "a.dat") == kind


@pytest.mark.parametrize("start", [b"\t\0\4\0", b"\t\2\6\0", b"\t\4\6\0", b"\t\x08\x08\0", b"\t\x08\x10\0"])
def test_a_workbook_without_a_container_is_known_by_its_first_record(start: bytes) -> None:
    assert detect(start + b"\0\0\x10\0" * 20, "a.dat") == "xls"


@pytest.mark.parametrize(("stream", "said"), [("VisioDocument", "Visio"), ("Unheard", "unknown type")])
def test_a_compound_file_that_nobody_reads_is_named(stream: str, said: str) -> None:
    with pytest.raises(LoadError, match=said):
        detect(compound(stream), "a.doc")


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        (PAGE, "a.pdf", "html"),
        (PAGE, "a.xls", "html"),
        (PAGE, "a.csv", "html"),
        (PAGE, "a", "html"),
        ("<?xml version='1.0'?>\n<!-- c --><html><body>x", "a.xml", "html"),
        ("<?xml version='1.0'?>\n<?xml-stylesheet href='a.css'?><!-- c -->\n<html><body>x", "a.xml", "html"),
        ("<?xml version='1.0'?>\n<?xml-stylesheet href='a.xsl'?>\n<rss/>", "a", "xml"),
        (PAGE, "a.md", "markdown"),
        ("<?php echo 1;", "a.php", "code"),
        (PAGE, "a.php", "html"),
        ("{\\rtf1 x}", "a.doc", "rtf"),
        ("just words", "a.dat", "text"),
        ("just words", "a.unheard-of", "text"),
        ("just words", "README", "text"),
        ('{"a": 1}', "a.txt", "text"),
        ('{"a": 1}', "a.json", "json"),
        ('{"nbformat": 4, "cells": []}', "a", "notebook"),
        ("a\tb\n1\t2\n", "a.xls", "csv"),
        ("Name,Age\nAda,36\n", "a.tsv", "csv"),
        ("<?xml version='1.0'?><a/>", "a", "xml"),
        ("<rss xmlns:dc='x'><channel/></rss>", "feed", "xml"),
        ("<office:document office:mimetype='application/vnd.oasis.opendocument.text'>", "a.fodt", "odt"),
        (
            "<?xml version='1.0'?>\n<office:document xmlns:x='y' "
            "office:mimetype='application/vnd.oasis.opendocument.spreadsheet'>",
            "a.xml",
            "ods",
        ),
        (PLAIN_MAIL, "a", "eml"),
        (PLAIN_MAIL, "a.dat", "eml"),
        ("Received: from x\n by y\nDate: today\n\nHello", "a", "eml"),
        ("From: Ada\nI write to say that it burns.\n", "a", "text"),
        ("Note: this\nis not mail\n", "a", "text"),
        (f"From a@b.c Mon Jan  1 00:00:00 2024\n{PLAIN_MAIL}", "a", "mbox"),
        ("From 2020 on it burnt.\nAda", "a", "text"),
        (
            "From: <Saved by Blink>\nSnapshot-Content-Location: http://x\nSubject: x\nMIME-Version: 1.0\n"
            "Content-Type: multipart/related;\n\tboundary=x\n\n",
            "a",
            "mhtml",
        ),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nx", "a", "subtitles"),
        ("1\n00:00:01,000 --> 00:00:02,000\nx", "a.txt", "subtitles"),
        ("BM 12 is a motor", "a", "text"),
        ("ID3 tags hold titles", "a", "text"),
        ("GIF87a and GIF89a are marks", "a.txt", "text"),
        ("Rar! is an archive's mark", "a", "text"),
        ("RIFF is a container", "a", "text"),
        ("MZ marks programs", "a.txt", "text"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_text_is_known_by_its_look_then_by_its_name(text: str, name: str, kind: str, encoding: str) -> None:
    if kind == "rtf" and encoding != "utf-8":
        return
    assert detect(text.encode(encoding), name) == kind


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"GIF89a\1\0\1\0\0\0", "a.txt", "image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(9), "a.txt", "image"),
        (b"RIFF\1\0\0\0WEBPVP8 ", "a", "image"),
        (b"BM\x46\0\0\0\0\0\0\0\x36", "a.dat", "image"),
        (b"\x1f\x8b\x08\0", "a.txt", "packed"),
        ("Ärger mit UTF-16".encode("utf-16-le"), "a.dat", "text"),
        ("灯塔在每天晚上九点开放。\n".encode("utf-16-be"), "a", "text"),
    ],
)
def test_bytes_with_nuls_are_told_apart(data: bytes, name: str, kind: str) -> None:
    assert detect(data, name) == kind


@pytest.mark.parametrize(
    "unit", [b"<", b"<!--", b"<!-- -->", b"<?xml", b"<?xml ?>", b"A: b\n", b" ", b"<a b ", b"From ", b"\n"]
)
def test_a_look_at_hostile_repetition_is_quick(unit: bytes) -> None:
    assert detect(unit * (10_000_000 // len(unit)), "a")
