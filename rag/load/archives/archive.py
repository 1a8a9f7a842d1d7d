"""Archives: each member is read as what it is, under its path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rag.errors import LoadError
from rag.load.archives.zipped import DamagedError, Member, members, rescued
from rag.load.content import Content, ContentBuilder
from rag.load.parts import Parts
from rag.load.source import LimitError, Source

JUNK: Final = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
HIDDEN: Final = (".", "~$")


def read_zip(source: Source) -> Content:
    """Read the members of a zip; those that cannot be read are named in the notes."""
    try:
        return read_members(source, members(source))
    except DamagedError as exc:
        return read_members(source, rescued(source), damage=str(exc))


def read_members(source: Source, members: Iterable[Member], *, damage: str = "") -> Content:
    """Read the members of the archive `source`, as far as its limits allow; a `damage` is noted first."""
    source.refuse_depth()  # before 42.zip's millions of members are unpacked for nothing
    builder = ContentBuilder()
    if damage:
        builder.note(damage)
    parts = Parts(source, builder)
    empty, stopped = False, ""
    try:
        for member in members:
            if member.size and not _is_junk(member.name):
                _add(parts, member)
            empty = empty or not member.size
    except LoadError as exc:  # the archive itself is damaged, or over its limits
        stopped = str(exc)
    parts.finish(stopped)
    content = builder.build()
    if not content.text and not content.notes:
        raise LoadError("its members are empty" if empty else "there is nothing in the archive")
    return content


def _add(parts: Parts, member: Member) -> None:
    try:
        data = member.read()
    except LimitError:
        raise
    except LoadError as exc:
        parts.fail(member.name, str(exc))
    else:
        parts.add_file(member.name, data)


def _is_junk(name: str) -> bool:
    """Say whether a member is what systems leave behind, or hidden: a sync skips such files, too."""
    parts = name.lower().split("/")
    return not JUNK.isdisjoint(parts) or any(part.startswith(HIDDEN) for part in parts)
