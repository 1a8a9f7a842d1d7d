"""What the index held of each file when a sync began, and what a new look at one says about it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from typing import Final

from rag.folder.reader import digest_of, look_again
from rag.folder.scan import Found
from rag.index import FileState

FINE_TICK: Final = 20_000_000  # ns; a file changed again within a tick of its file system looks unchanged
COARSE_TICK: Final = 2_000_000_000  # ns; FAT, and whatever else keeps whole seconds


class Verdict(StrEnum):
    """What has become of a file."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class Known:
    """The files of the last sync; `reader` names what reads files now."""

    def __init__(self, files: dict[str, FileState], *, reader: str) -> None:
        self.files = files
        self._reader = reader
        whole = [state for state in files.values() if not state.reason]
        self._sizes = {state.size for state in whole}
        self._contents = {state.content for state in whole}

    def is_settled(self, found: Found) -> bool:
        """Say whether nothing about this file asks for looking into it again.

        A file of the same size and time is another when somebody set its time back, or gave its name or that
        of its folder to another: the times of change tell, which the system keeps.
        """
        known = self.files.get(found.source)
        if known is None or not _looks_like(known, found) or self._is_read_better(known):
            return False
        if known.reason and not known.digest:
            return False  # its bytes could not be had
        changed_ns = max(found.ctime_ns, found.moved_ns)
        tick = FINE_TICK if changed_ns % 1_000_000_000 else COARSE_TICK
        return changed_ns + tick < known.synced_at * 1e9

    def may_be_held(self, found: Found) -> bool:
        """Say whether a content of this size is held, so that its hash is worth asking for."""
        known = self.files.get(found.source)
        return found.size in self._sizes and not found.reason and not (known and self._is_read_better(known))

    def named(self, found: Found) -> FileState | None:
        """Return the file with its digest, when its content is held: found by its hash, under any name."""
        with suppress(OSError):
            synced_at, digest = time.time(), digest_of(found.path)
            file = FileState(
                source=found.source,
                size=found.size,
                mtime_ns=found.mtime_ns,
                digest=digest,
                version=self._reader,
                synced_at=synced_at,
            )
            if file.content in self._contents and look_again(found) == found:
                return file
        return None

    def is_out_of_reach(self, file: FileState) -> bool:
        """Say whether a file's bytes cannot be had now, so that what was read of them before still holds."""
        known = self.files.get(file.source)
        unread = bool(file.reason) and not file.digest
        return unread and known is not None and not known.reason and _looks_like(known, file)

    def verdict(self, file: FileState) -> Verdict:
        known = self.files.get(file.source)
        if known is None:
            return Verdict.ADDED
        same = not known.reason and known.content == file.content
        return Verdict.UNCHANGED if same else Verdict.CHANGED

    def gone(self, present: Iterable[str]) -> list[str]:
        return sorted(self.files.keys() - set(present))

    def _is_read_better(self, known: FileState) -> bool:
        """Say whether the reader of now may make more of a file than the one before."""
        return bool(known.reason or known.partial) and known.version != self._reader


def _looks_like(known: FileState, now: Found | FileState) -> bool:
    return (known.size, known.mtime_ns) == (now.size, now.mtime_ns)
