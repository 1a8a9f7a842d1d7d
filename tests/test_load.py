from __future__ import annotations

import hashlib
import importlib
import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rag.errors import LoadError
from rag.load import READERS, load
from tests.minimal_pdf import minimal_pdf


def save(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def zipped(*members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for member in members:
            package.writestr(member, "<x/>")
    return buffer.getvalue()


def opendocument(kind: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        package.writestr("content.xml", "<x/>")
    return buffer.getvalue()


def test_a_document_bears_its_source_and_the_hash_of_its_bytes(tmp_path: Path) -> None:
    path = save(tmp_path, "a.md", "# Kaoju\n\n考据")
    document = load(path, source="notes/a.md")
    assert document.source == "notes/a.md"
    assert document.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert document.text == "# Kaoju\n\n考据"
    assert [heading.title for heading in document.headings] == ["Kaoju"]


def test_content_decides_before_the_name(tmp_path: Path) -> None:
    pdf = save(tmp_path, "report.txt", minimal_pdf([[(50, 700, "Hello from a PDF")]]))
    page = save(tmp_path, "page.txt", "<!DOCTYPE html><title>T</title><p>Hello</p>")
    assert load(pdf, source="r").pages
    assert load(page, source="p").text == "T\n\nHello"


def test_a_text_that_mentions_a_pdfs_mark_is_no_pdf(tmp_path: Path) -> None:
    text = "# Formats\n\nA PDF begins with %PDF-1.7."
    for name in ("notes.md", "notes.TXT", "README"):
        assert load(save(tmp_path, name, text), source=name).text == text
    assert "%PDF-" in load(save(tmp_path, "page.html", f"<html><p>{text}"), source="p").text


@pytest.mark.parametrize("before", [b"", b"\r\n ", b"\xef\xbb\xbf"])
def test_a_pdf_is_known_though_it_is_named_as_text(tmp_path: Path, before: bytes) -> None:
    pdf = before + minimal_pdf([[(50, 700, "Hello from a PDF")]])
    assert "Hello" in load(save(tmp_path, "report.txt", pdf), source="r").text


@pytest.mark.parametrize("name", ["mail.pdf", "mail.bin"])
def test_other_bytes_may_stand_before_a_pdfs_mark(tmp_path: Path, name: str) -> None:
    pdf = b"X-Printer: 7\n" + minimal_pdf([[(50, 700, "Hello from a PDF")]])
    assert "Hello" in load(save(tmp_path, name, pdf), source=name).text


@pytest.mark.parametrize("name", ["README", "notes.TXT", "server.log", "notes.markdown"])
def test_text_is_read_under_its_usual_names(tmp_path: Path, name: str) -> None:
    assert load(save(tmp_path, name, "hello"), source=name).text == "hello"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.txt", b"", "the file is empty"),
        ("blank.txt", b" \n\t\r\n", "the file is empty"),
        ("nuls.txt", bytes(4096), "the file is empty"),
        ("invisible.txt", "\u200b\u200b\u200b", "there is no text in it"),
        ("noise.txt", bytes(range(256)) * 40, "binary data"),
        ("tool", b"\x7fELF\2\1\1" + bytes(50), "a program cannot be read"),
        ("song.txt", b"ID3\3\0" + bytes(50), "a sound file cannot be read"),
        ("clip.mp4", b"\0\0\0\x20ftypisom" + bytes(50), "a video or sound file cannot be read"),
        (
            "photo.heic",
            b"\0\0\0\x20ftypheic" + bytes(50),
            "a HEIC or AVIF image cannot be read: save it as JPEG",
        ),
        ("plot.eps", "%!PS-Adobe-3.0\n/x 1 def", "a PostScript document cannot be read: save it as PDF"),
        (
            "data.db",
            b"SQLite format 3\0" + bytes(50),
            "a SQLite database cannot be read: save its tables as CSV",
        ),
        ("files.7z", b"7z\xbc\xaf\x27\x1c" + bytes(50), "a 7z archive cannot be read: unpack it"),
        ("letter.pages", zipped("Index/Document.iwa"), "export it as PDF"),
        ("page.xps", zipped("FixedDocSeq.fdseq"), "an XPS document cannot be read"),
        (
            "drawing.odg",
            opendocument("graphics"),
            "an OpenDocument file of the kind 'graphics' cannot be read",
        ),
        ("unknown.bin", bytes(range(256)) * 40, "binary data"),
        ("photo.png", "this is not an image", "named .png but is not a PNG image"),
        ("noise.docx", bytes(range(1, 256)) * 40, "named .docx but is not a Word document"),
        ("cut.docx", zipped("word/document.xml")[:60], "damaged"),
        ("text.pdf", "this is not a PDF", "named .pdf but is not a PDF"),
        ("text.docx", "this is not a Word document", "named .docx but is not a Word document"),
        ("broken.pdf", b"%PDF-1.7\nnothing else", "the PDF is damaged"),
        ("empty.docx", zipped("word/document.xml"), "the Word document is damaged"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str, data: bytes | str, reason: str) -> None:
    with pytest.raises(LoadError, match=reason) as caught:
        load(save(tmp_path, name, data), source=name)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="vanished"):
        load(tmp_path / "gone.txt", source="gone.txt")
    with pytest.raises(LoadError, match="folder"):
        load(tmp_path, source="x")
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(LoadError, match="pipe"):
        load(tmp_path / "pipe.txt", source="pipe.txt")


@contextmanager
def as_anybody(folder: Path) -> Iterator[None]:
    """Give up root's right to read everything, where the tests have it."""
    if os.geteuid() != 0:
        yield
        return
    for parent in (folder, *folder.parents):
        if parent.is_relative_to("/tmp") and parent != Path("/tmp"):
            parent.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, "secret.txt", "secret")
    path.chmod(0)
    with as_anybody(tmp_path), pytest.raises(LoadError, match="permissions"):
        load(path, source="secret.txt")


def test_every_reader_can_be_opened() -> None:
    for entry in READERS.values():
        module, _, name = entry.partition(":")
        assert callable(getattr(importlib.import_module(module), name)), entry


SAMPLES: dict[str, bytes] = {
    "a.pdf": minimal_pdf([[(50, 700, "Hello")]]),
    "a.docx": zipped("word/document.xml", "word/styles.xml"),
    "a.html": b"<html><body><table><tr><td colspan='x'>a<td>b</table><p>text</body></html>",
    "a.md": "# 标题\n\ntext".encode(),
    "a.txt": "考据 Kaoju".encode("gbk"),
    "a.csv": '名,"b ""c"""\n1,"x\ny"\n'.encode("gbk"),
    "a.json": '{"名": [1, {"b": "c"}], "d": null}'.encode(),
    "a.jsonl": b'{"a": 1}\n{"a": 2}\n',
    "a.xml": '<?xml version="1.0" encoding="gb2312"?><a b="c"><title>标题</title><p>x</p></a>'.encode("gbk"),
    "a.yaml": b"a:\n  b: c\n",
    "a.rst": b"Title\n=====\n\ntext\n",
    "a.org": b"* Title\ntext\n",
    "a.py": b"class A:\n    def b(self): ...\n",
    "a.ipynb": b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": ["x = 1"], "outputs": []}]}',
    "a.srt": b"1\n00:00:01,000 --> 00:00:02,000\nHello\n",
    "a.eml": b"From: a@b.c\nTo: d@e.f\nSubject: x\n\nHello\n",
}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_reader_survives_cut_and_changed_files(tmp_path: Path, name: str) -> None:
    data = SAMPLES[name]
    for at in range(0, len(data), max(1, len(data) // 40)):
        for changed in (data[:at], data[:at] + b"\xff\x00" + data[at + 2 :]):
            path = save(tmp_path, name, changed)
            try:
                document = load(path, source=name)
            except LoadError:
                continue
            assert document.text.strip()
            assert all(0 <= each.start < each.end <= len(document.text) for each in document.headings)
