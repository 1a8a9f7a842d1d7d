"""Machine-made stretches of a text (base64, minified code), left out so that nobody is given them to read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lxml import etree

EMBEDDED: Final = re.compile(
    r"(data:[\w/+.-]{1,80})(?:;[\w=.-]{1,80})*;base64,[A-Za-z0-9+/=%]++(?:\r?+\n[A-Za-z0-9+/=]{40,}+)*+"
)
RUN: Final = re.compile(r"(?<![\w+/=-])[\w+/-]{256,}+={0,2}", re.ASCII)
WRAPPED: Final = re.compile(
    r"(?:^[ \t]*+[A-Za-z0-9+/]{56,128}\r?+\n){8,}+"
    r"(?:[ \t]*+(?=[A-Za-z]*+[0-9+/=])[A-Za-z0-9+/]{1,128}={0,2}(?=\r?$))?",  # the last line is no word
    re.M,
)
LONG_LINE: Final = re.compile(r"^[^\n]{4000,}+$", re.M)
MIXTURE: Final = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))
HEX: Final = re.compile(r"[0-9a-fA-F]+")
WORD: Final = re.compile("[a-z]{3,}")
WORDED: Final = 0.4  # part in words from which on a run is a path; random base64 has 0.34 at most, paths 0.6
SHORT: Final = 256  # characters, below which only embedded data is known
MACHINE: Final = 0.05  # part of spaces below which a long line was not written to be read; wikitext has 0.07
UNSPACED: Final = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\uffff\U00020000-\U0003ffff]")
KEPT: Final = 500  # characters of such a line


class Sieve:
    """Takes machine-made stretches out of the pieces of one file, and counts them."""

    def __init__(self) -> None:
        self._blocks = self._lines = 0

    def sift(self, text: str) -> str:
        """Return `text` without encoded data and minified lines."""
        return LONG_LINE.sub(self._shortened, self.sift_data(text))

    def sift_data(self, text: str) -> str:
        """Return `text` without encoded data; what one value holds on a long line may be a list."""
        if len(text) < SHORT and "base64," not in text:
            return text
        text, count = EMBEDDED.subn(r"\1", text)
        self._blocks += count
        return RUN.sub(self._dropped, WRAPPED.sub(self._dropped, text))

    def sift_tree(self, root: etree._Element) -> None:
        """Take encoded data out of the text of a tree."""
        for node in root.iter():
            for place in ("text", "tail"):
                text = getattr(node, place)
                sifted = self.sift_data(text) if text else text
                if sifted != text:
                    setattr(node, place, sifted)

    def empty(self, nodes: Iterable[etree._Element]) -> None:
        """Take all text out of elements that hold nothing but encoded data."""
        for node in nodes:
            node.text = None
            self._blocks += 1

    def notes(self) -> list[str]:
        """Return sentences on what was left out."""
        notes = []
        if self._blocks:
            notes.append(f"{_count(self._blocks, 'block')} of encoded data left out")
        if self._lines:
            cut = _count(self._lines, "line")
            notes.append(f"{cut} of minified code or data cut to their first {KEPT} characters")
        return notes

    def _dropped(self, run: re.Match[str]) -> str:
        if not _is_encoded("".join(run[0].split())):
            return run[0]
        self._blocks += 1
        return ""

    def _shortened(self, line: re.Match[str]) -> str:
        if not _is_minified(line[0]):
            return line[0]
        self._lines += 1
        return line[0][:KEPT] + " …"


def without_blobs(text: str) -> tuple[str, list[str]]:
    """Return `text` without encoded data and minified lines, and sentences on what was left out."""
    sieve = Sieve()
    return sieve.sift(text), sieve.notes()


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _is_encoded(run: str) -> bool:
    kinds = [kind.search(run) is not None for kind in MIXTURE]
    if kinds[2] and any(kinds[:2]) and HEX.fullmatch(run):
        return True
    return all(kinds) and sum(map(len, WORD.findall(run))) < WORDED * len(run)


def _is_minified(line: str) -> bool:
    spaces = sum(map(str.isspace, line))
    return spaces < MACHINE * len(line) and len(UNSPACED.findall(line)) < MACHINE * len(line)
