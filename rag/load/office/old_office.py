"""Word and PowerPoint files of before 2007 (.doc, .ppt): by LibreOffice, the text of .doc also without it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from rag.errors import LoadError
from rag.load.content import Content
from rag.load.detect import detect
from rag.load.office.encrypted import decrypted, is_encrypted
from rag.load.office.libreoffice import converted, missing, program
from rag.load.office.word_binary import read_word_binary
from rag.load.source import Source

MARK: Final = "ÐÏà¡±á"  # how a compound file begins that LibreOffice takes for a text
HEAD: Final = 1000  # characters
log = logging.getLogger(__name__)


def read_old_office(source: Source) -> Content:
    """Read a .doc or a .ppt as what LibreOffice makes of it.

    Raises:
        LoadError: when LibreOffice is missing or fails and the text cannot be had without it, or when the
            file is encrypted with a password that isn't known.
    """
    data = decrypted(source) if is_encrypted(source.data) else source.data
    if detect(source.data, source.name) == "ppt":
        return by_libreoffice(source, data, suffix=".ppt", to="pptx")
    if program() is None:
        return _plain(data, f"headings, lists and pictures are missing: {missing('docx')}")
    try:
        return by_libreoffice(source, data, suffix=".doc", to="docx")
    except LoadError as exc:
        log.info("%s: %s", source.name, exc)
        return _plain(data, f"headings, lists and pictures are missing: {exc}")


def by_libreoffice(source: Source, data: bytes, *, suffix: str, to: str) -> Content:
    """Read a document as what LibreOffice makes of it.

    Raises:
        LoadError: when LibreOffice is missing or makes nothing of it.
    """
    from rag.load import read

    source.advance("LibreOffice")
    content = read(source.member(converted(data, suffix=suffix, to=to), f"{source.name}.{to}"))
    if MARK in content.text[:HEAD]:
        raise LoadError("LibreOffice cannot read it: the file is damaged")
    return content


def _plain(data: bytes, why: str) -> Content:
    """Return the bare text of a .doc, with a note that says `why` it is bare."""
    try:
        content = read_word_binary(data)
    except LoadError as exc:
        raise LoadError(f"{exc}; {why}"[:300]) from exc
    if not content.text.strip():
        raise LoadError("there is no text in it")
    return replace(content, notes=(*content.notes, f"only its text was read, {why}"))
