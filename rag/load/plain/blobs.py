"""Machine-made stretches of a text (base64, minified code), left out so that nobody is given them to read."""

from __future__ import annotations

import re
from typing import Final

EMBEDDED: Final = re.compile(
    r"(data:[\w/+.-]{1,80})(?:;[\w=.-]{1,80})*;base64,[A-Za-z0-9+/=%]*+(?:\n[A-Za-z0-9+/=]{40,}+)*+"
)
RUN: Final = re.compile(r"(?<![\w+/=-])[\w+/-]{256,}+={0,2}", re.ASCII)
WRAPPED: Final = re.compile(
    r"(?:^[ \t]*+[A-Za-z0-9+/]{56,128}\n){8,}+(?:[ \t]*+[A-Za-z0-9+/]{1,128}={0,2}$)?", re.M
)
LONG_LINE: Final = re.compile(r"^[^\n]{4000,}+$", re.M)
MIXTURE: Final = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))
HEX: Final = re.compile(r"[0-9a-fA-F]+")
MACHINE: Final = 0.05  # part of spaces below which a long line was not written to be read; wikitext has 0.07
UNSPACED: Final = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\uffff\U00020000-\U0003ffff]")
KEPT: Final = 500  # characters of such a line


def without_blobs(text: str) -> tuple[str, list[str]]:
    """Return `text` without encoded data and minified lines, and sentences on what was left out."""
    text = EMBEDDED.sub(r"\1", text)
    text, wrapped = WRAPPED.subn("", text)
    blobs = 0

    def dropped(run: re.Match[str]) -> str:
        nonlocal blobs
        if not _is_encoded(run[0]):
            return run[0]
        blobs += 1
        return ""

    text = RUN.sub(dropped, text)
    cut = 0

    def shortened(line: re.Match[str]) -> str:
        nonlocal cut
        if not _is_minified(line[0]):
            return line[0]
        cut += 1
        return line[0][:KEPT] + " …"

    text = LONG_LINE.sub(shortened, text)
    notes = []
    if wrapped + blobs:
        notes.append(f"{_count(wrapped + blobs, 'block')} of encoded data left out")
    if cut:
        notes.append(f"{_count(cut, 'line')} of minified code or data cut to their first {KEPT} characters")
    return text, notes


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _is_encoded(run: str) -> bool:
    kinds = [kind.search(run) is not None for kind in MIXTURE]
    return all(kinds) or (kinds[2] and any(kinds[:2]) and HEX.fullmatch(run) is not None)


def _is_minified(line: str) -> bool:
    spaces = sum(map(str.isspace, line))
    return spaces < MACHINE * len(line) and len(UNSPACED.findall(line)) < MACHINE * len(line)
