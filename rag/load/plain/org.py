"""Org mode as written, with its headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from rag.datatypes import Heading
from rag.load.content import Content, title_of
from rag.load.plain.text import plain_text
from rag.load.source import Source

HEADING: Final = re.compile(
    r"(\*+)[ \t]+(?:(?:TODO|DONE|NEXT|WAITING|CANCELLED)[ \t]+)?(?:\[#\w\][ \t]+)?(.*)"
)
TAGS: Final = re.compile(r"[ \t]:[\w@#%:]{1,200}:$")
TITLE: Final = re.compile(r"#\+title:[ \t]*(\S.*)", re.I)
BLOCK: Final = re.compile(r"[ \t]*#\+(begin|end)_\w+", re.I)


def read_org(source: Source) -> Content:
    """Read an Org file; nothing in it is evaluated or exported."""
    text, notes = plain_text(source)
    return Content(text=text, headings=tuple(org_headings(text)), notes=notes)


def org_headings(text: str) -> Iterator[Heading]:
    """Yield the title and the headings of Org `text`, those within blocks left out."""
    offset, below, within = 0, 0, False
    for line in text.splitlines(keepends=True):
        start, offset = offset, offset + len(line)
        bare = line.rstrip("\n")
        block = BLOCK.match(bare)
        if block:
            within = block[1].lower() == "begin"
        title = TITLE.match(bare)
        found = None if within or title else HEADING.match(bare)
        if title and not below:
            below = 1
            yield Heading(level=1, start=start, end=start + len(bare), title=title_of(title[1]))
        elif found and found[2].strip():
            name = title_of(TAGS.sub("", found[2].rstrip()))
            yield Heading(level=len(found[1]) + below, start=start, end=start + len(bare), title=name)
