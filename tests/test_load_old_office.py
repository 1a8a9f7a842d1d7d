from __future__ import annotations

import os
import re
import shutil
import stat
import time
from pathlib import Path

import psutil
import pytest

from rag.errors import LoadError
from rag.load.guard import Loader
from rag.load.office import libreoffice
from rag.load.office.old_office import read_old_office
from rag.load.office.word_binary import read_word_binary
from rag.load.source import Settings, Source

FORMATS = Path(__file__).parents[2] / "shared" / "formats"
PARAGRAPHS = "This document contains duplicates\n\n" + "\n\n".join(["some text"] * 6)
needs_files = pytest.mark.skipif(not FORMATS.is_dir(), reason="../shared/formats is not on this machine")
needs_libreoffice = pytest.mark.skipif(
    libreoffice.program() is None and not os.environ.get("CI"), reason="LibreOffice is not installed"
)


def duplicates() -> Source:
    return Source(data=(FORMATS / "doc" / "duplicate-paragraphs.doc").read_bytes(), name="old.doc")


@pytest.fixture
def no_libreoffice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libreoffice, "PROGRAMS", ("no-such-program",))


@needs_files
def test_the_text_of_a_doc_is_read_without_libreoffice(no_libreoffice: None) -> None:
    content = read_old_office(duplicates())
    assert content.text == PARAGRAPHS
    assert len(content.notes) == 1
    assert "apt-get install libreoffice-writer-nogui" in content.notes[0]


def test_a_ppt_without_libreoffice_says_what_to_install(no_libreoffice: None) -> None:
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "PowerPoint Document".encode("utf-16-le")
    with pytest.raises(LoadError, match=r"needs LibreOffice: install it .*libreoffice-impress-nogui"):
        read_old_office(Source(data=data, name="old.ppt"))


def test_a_damaged_doc_is_refused_in_one_sentence(no_libreoffice: None) -> None:
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le") + b"\0" * 1000
    with pytest.raises(LoadError, match="damaged") as caught:
        read_old_office(Source(data=data, name="old.doc"))
    assert len(str(caught.value)) <= 300


@needs_files
def test_a_piece_table_with_flipped_bits_is_refused_or_read() -> None:
    data = (FORMATS / "doc" / "duplicate-paragraphs.doc").read_bytes()
    for at in range(0, len(data), 97):
        try:
            content = read_word_binary(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        except LoadError:
            continue
        assert len(content.text) < len(data)


@needs_files
@needs_libreoffice
@pytest.mark.timeout(120)
def test_a_doc_is_read_by_libreoffice_under_the_limits_of_the_reader() -> None:
    with Loader(timeout=100) as loader:
        document = loader.load(FORMATS / "doc" / "duplicate-paragraphs.doc", source="old.doc")
    assert document.text == PARAGRAPHS
    assert [heading.title for heading in document.headings] == ["This document contains duplicates"]
    assert document.notes == ()


@needs_files
@needs_libreoffice
@pytest.mark.timeout(120)
def test_an_encrypted_doc_is_opened_with_the_user_s_password() -> None:
    path = FORMATS / "encrypted" / "rc4cryptoapi_password.doc"
    settings = Settings(passwords=("wrong", "Password1234_"))
    with Loader(timeout=100, settings=settings) as loader:
        assert loader.load(path, source="a.doc").text == "lorem ipsum"
    with (
        Loader(timeout=100) as loader,
        pytest.raises(LoadError, match="add its password to the setting `passwords`"),
    ):
        loader.load(path, source="a.doc")


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")
def test_a_libreoffice_that_hangs_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "soffice"
    stand_in.write_text(f"#!/bin/sh\nsleep 98765 & echo $! > {tmp_path}/pid\nwait\n", encoding="utf-8")
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(libreoffice, "PROGRAMS", (str(stand_in),))
    monkeypatch.setattr(libreoffice, "PATIENCE", 1)
    with pytest.raises(LoadError, match="longer than 1 seconds"):
        libreoffice.converted(b"x", suffix=".doc", to="docx")
    child = int((tmp_path / "pid").read_text(encoding="utf-8"))
    deadline = time.monotonic() + 10
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_libreoffice_that_makes_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libreoffice, "PROGRAMS", (str(shutil.which("true")),))
    with pytest.raises(LoadError, match=re.escape("LibreOffice cannot read it")):
        libreoffice.converted(b"x", suffix=".doc", to="docx")
