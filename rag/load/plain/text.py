"""Plain text and Markdown."""

from __future__ import annotations

import re
from typing import Final

from rag.datatypes import Heading
from rag.load.content import NEWLINES, Content, tidy, title_of
from rag.load.plain.blobs import without_blobs
from rag.load.plain.encoding import decode_noted
from rag.load.source import Source

TERMINAL: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[^\n]\x08")  # colours, and what is struck over
COMMENT: Final = "<!--"
FENCE: Final = re.compile(rf" {{0,3}}(`{{3,}}|~{{3,}}|{COMMENT})")
ATX: Final = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
SETEXT: Final = re.compile(r" {0,3}(=+|-+)[ \t]*$")
NOT_A_PARAGRAPH: Final = re.compile(r"\s*$| {4}|\t| {0,3}(?:[-*+>|]|\d+[.)]\s)")
FRONT_MATTER: Final = re.compile(  # YAML, known by its first line: `---` alone may be a rule
    r"---\n(?=[\"']?\w[\w.-]*[\"']?[ \t]*:(?:\s|$))(?:.*\n)*?(?:---|\.\.\.)(?:\n|$)"
)


def read_text(source: Source) -> Content:
    """Read plain text in any common encoding."""
    text, notes = plain_text(source)
    return Content(text=text, notes=notes)


def read_markdown(source: Source) -> Content:
    """Read Markdown as written, with its ATX and setext headings (CommonMark 0.31, 4.2 and 4.3)."""
    text, notes = plain_text(source)
    return Content(text=text, headings=tuple(markdown_headings(text)), notes=notes)


def plain_text(
    source: Source, *, declared: str | None = None, mend: bool = True
) -> tuple[str, tuple[str, ...]]:
    """Return a text as written, but for encoded data in it, and sentences on what was left out or repaired.

    `declared` and `mend` are those of `decode_noted`.
    """
    decoded = decode_noted(source.data, declared=declared, mend=mend)
    text, notes = without_blobs(TERMINAL.sub("", NEWLINES.sub("\n", decoded.text)))
    return tidy(text), (*decoded.notes, *notes)


def markdown_headings(text: str) -> list[Heading]:
    """Return the headings of Markdown `text`, those within code fences and comments left out."""
    headings: list[Heading] = []
    front = FRONT_MATTER.match(text)
    offset, fence, previous = 0, "", ""
    for line in text.splitlines(keepends=True):
        start, offset = offset, offset + len(line)
        bare = line.rstrip("\n")
        mark = FENCE.match(bare)
        if front and start < front.end():
            previous = ""
            continue
        if fence or mark:
            fence = _fence_after(fence, bare, mark)
            previous = ""
            continue
        heading = _atx(bare, start) or _setext(bare, previous, start)
        if heading and heading.title:
            headings.append(heading)
        previous = "" if heading else bare
    return headings


def _fence_after(fence: str, line: str, mark: re.Match[str] | None) -> str:
    """Return the fence or comment that is open after `line`, "" when none is (CommonMark 4.5 and 4.6)."""
    opened = fence or (mark[1] if mark else "")
    if opened == COMMENT:
        return "" if "-->" in line else COMMENT
    closes = fence and mark and mark[1].startswith(fence) and not line.strip().strip(fence[0])
    return "" if closes else opened


def _atx(line: str, start: int) -> Heading | None:
    match = ATX.match(line)
    if not match:
        return None
    title = title_of(_without_closing(line[match.end() :].strip()))
    return Heading(level=len(match[1]), start=start, end=start + len(line), title=title)


def _without_closing(title: str) -> str:
    """Return an ATX title without the hashes that may close it, set off by a space."""
    bare = title.rstrip("#")
    return bare if not bare or bare[-1] in " \t" else title


def _setext(line: str, previous: str, start: int) -> Heading | None:
    match = SETEXT.match(line)
    if not match or NOT_A_PARAGRAPH.match(previous):
        return None
    level = 1 if match[1][0] == "=" else 2
    begin = start - len(previous) - 1
    return Heading(level=level, start=begin, end=start + len(line), title=title_of(previous))
