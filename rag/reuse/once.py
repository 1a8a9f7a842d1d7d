"""A passage is read once: before it is asked about, unless it is kept already."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rag.datatypes import Reading
    from rag.engines.layout import Layout


class Keeps(Protocol):
    """What was read of passages, whichever the engine."""

    def touch(self, layout: Layout) -> bool: ...

    def has_room(self, layout: Layout) -> bool: ...


Kept = TypeVar("Kept", bound=Keeps)


def read_once(
    layout: Layout, kept: Kept | None, read: Callable[[Layout, Kept], Iterator[Reading]]
) -> Generator[Reading, None, bool]:
    """Read the first hit of a prompt, unless it is kept or there is no room, and tell whether it is now."""
    if kept is None or not layout.passages:
        return False
    layout = layout.first_hit()
    if kept.touch(layout):
        return True
    if not kept.has_room(layout):
        return False
    yield from read(layout, kept)
    return kept.touch(layout)
