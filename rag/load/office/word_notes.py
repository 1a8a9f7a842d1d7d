"""Footnotes, endnotes and comments of a Word document, each told right after the text that refers to it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Final

from lxml import etree

from rag.load.office.numbered import roman
from rag.load.office.ooxml import Package
from rag.load.office.word_text import MARK, block_text
from rag.load.office.wordml import W

KINDS: Final = {  # what refers to a note -> the part that holds it
    W + "footnoteReference": "footnotes",
    W + "endnoteReference": "endnotes",
    W + "commentReference": "comments",
}


class Notes:
    """The notes of one document; those nobody asked for are left over at its end."""

    def __init__(self, package: Package, main: str, root: etree._Element) -> None:
        self._texts: dict[tuple[str, str], str] = {}
        for reference, kind in KINDS.items():
            for part in package.related(main, kind):
                notes = package.parse(part)
                for note in () if notes is None else notes:
                    self._add(reference, note)
        _number(root)

    def below(self, node: etree._Element) -> Iterator[str]:
        """Yield the notes that `node` refers to, in order, each once."""
        for reference in node.iter(*KINDS):
            text = self._texts.pop((reference.tag, reference.get(W + "id", "")), "")
            if text:
                yield f"{reference.get(MARK, '')} {text}".strip()

    def left_over(self) -> Iterator[str]:
        yield from self._texts.values()

    def _add(self, reference: str, note: etree._Element) -> None:
        text = block_text(note)
        if text and note.get(W + "type") is None:  # the others are separators
            who = note.get(W + "author", "")
            is_comment = KINDS[reference] == "comments"
            told = f"[Comment{f' by {who}' if who else ''}: {text}]" if is_comment else text
            self._texts[reference, note.get(W + "id", "")] = told


def _number(document: etree._Element) -> None:
    """Write beside each reference what is printed there."""
    footnotes, endnotes = count(1), count(1)
    for reference in document.iter(*KINDS):
        if reference.get(W + "customMarkFollows"):
            continue
        if KINDS[reference.tag] == "footnotes":
            reference.set(MARK, f"[{next(footnotes)}]")
        elif KINDS[reference.tag] == "endnotes":
            reference.set(MARK, f"[{roman(next(endnotes))}]")
