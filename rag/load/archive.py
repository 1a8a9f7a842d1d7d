"""Archives: each member is read as what it is, under its path."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.source import LimitError, Source
from rag.load.zipped import Member, members

JUNK: Final = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
HIDDEN: Final = (".", "~$")
MAX_NOTES: Final = 20  # members named that could not be read; the others are counted
BREATH: Final = 1.0  # seconds between two words of progress


def read_zip(source: Source) -> Content:
    """Read the members of a zip; those that cannot be read are named in the notes."""
    return read_members(source, members(source))


def read_members(source: Source, all_members: Iterable[Member]) -> Content:
    """Read `all_members` of the archive `source`, as far as its limits allow."""
    reader = _Reader(source)
    try:
        for member in all_members:
            if not _is_junk(member.name):
                reader.add(member)
    except LoadError as exc:  # of the archive itself, or of the limits of the whole file
        reader.stop(str(exc))
    return reader.content()


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._builder = ContentBuilder()
        self._done = self._failed = self._empty = 0
        self._told = time.monotonic()

    def add(self, member: Member) -> None:
        """Read one member; raises LimitError when the whole file may have no more."""
        self._tell(member.name)
        try:
            self._builder.add_part(member.name, self._read(member))
            self._done += 1
        except LimitError:
            raise
        except LoadError as exc:
            self._note(member, str(exc))

    def stop(self, reason: str) -> None:
        self._builder.note(f"the rest of the archive was not read: {reason}")

    def content(self) -> Content:
        if self._failed > MAX_NOTES:
            self._builder.note(f"{self._failed - MAX_NOTES:,} more members could not be read")
        content = self._builder.build()
        if not content.text and not content.notes:
            raise LoadError("its members are empty" if self._empty else "the archive is empty")
        return content

    def _read(self, member: Member) -> Content:
        from rag.load import read

        data = member.read()
        inner = self._source.member(data, member.name.rpartition("/")[2])
        return read(inner)

    def _note(self, member: Member, reason: str) -> None:
        if not member.size:
            self._empty += 1
            return
        self._failed += 1
        if self._failed <= MAX_NOTES:
            self._builder.note(f"{member.name}: {reason}")

    def _tell(self, name: str) -> None:
        """Tell of progress, now and then: ten thousand small members are no news each."""
        if time.monotonic() - self._told > BREATH:
            self._source.advance(f"{name}, after {self._done + self._failed:,} others")
            self._told = time.monotonic()


def _is_junk(name: str) -> bool:
    """Say whether a member is what systems leave behind, or hidden: a sync skips such files, too."""
    parts = name.lower().split("/")
    return not JUNK.isdisjoint(parts) or any(part.startswith(HIDDEN) for part in parts)
