"""What the index knows of every file, and what of the folder it does not know yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.datatypes import DocumentState
from rag.errors import ConfigError
from rag.folder.scan import Listing, scan
from rag.index import Index
from rag.render import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The files by name, and their totals."""

    documents: tuple[DocumentState, ...]
    passages: int
    ignored_files: int = 0  # that .kaojuignore leaves out
    ignored_folders: int = 0
    changed: int = 0  # files added, changed or removed since the last sync
    trouble: str = ""  # why the folder could not be looked at

    @property
    def failed(self) -> int:
        return sum(state.state == "failed" for state in self.documents)

    @property
    def noted(self) -> int:
        """Return how many indexed files have notes."""
        return sum(bool(state.notes) for state in self.documents)


def look_at(data_dir: Path, index: Index) -> Status:
    """Compare the index with the folder as it is now, by names, sizes and times alone."""
    documents, passages = tuple(index.documents()), index.passage_count()
    try:
        listing = scan(data_dir, skip=index.folder, disks=index.disks())
    except ConfigError as exc:
        return Status(documents=documents, passages=passages, trouble=str(exc))
    return Status(
        documents=documents,
        passages=passages,
        ignored_files=listing.ignored_files,
        ignored_folders=listing.ignored_folders,
        changed=_changed(listing, index),
    )


def _changed(listing: Listing, index: Index) -> int:
    known = {source: (file.size, file.mtime_ns) for source, file in index.files().items()}
    found = {each.source: (each.size, each.mtime_ns) for each in listing.files}
    gone = sum(not listing.hides(source) for source in known.keys() - found.keys())
    return gone + sum(known.get(source) != look for source, look in found.items())


def status_json(status: Status) -> dict[str, Any]:
    """Return what `rag status --json` prints; `trouble` says why `changed_since` is not known."""
    documents = [
        {
            "document": each.source,
            "state": each.state,
            "passages": each.passages,
            "bytes": each.size,
            "reason": each.reason,
            "notes": list(each.notes),
            "read_at": datetime.fromtimestamp(each.synced_at, UTC).isoformat(timespec="seconds"),
        }
        for each in status.documents
    ]
    return {
        "documents": documents,
        "indexed": len(documents) - status.failed,
        "failed": status.failed,
        "with_notes": status.noted,
        "passages": status.passages,
        "ignored_files": status.ignored_files,
        "ignored_folders": status.ignored_folders,
        **({"trouble": status.trouble} if status.trouble else {"changed_since": status.changed}),
    }


def status_lines(status: Status) -> Iterator[str]:
    """Yield a line for each file, those that failed last, each reason and note below, and the totals."""
    for each in sorted(status.documents, key=lambda each: (each.state == "failed", each.source)):
        read = datetime.fromtimestamp(each.synced_at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
        amount = "" if each.state == "failed" else counted(each.passages, "passage")
        yield f"{each.state:<8} {read}  {amount:>16}  {each.source}"
        for said in (each.reason, *each.notes):
            if said:
                yield f"{'':<10} {said}"
    yield (
        f"{counted(len(status.documents), 'file')}: {len(status.documents) - status.failed:,} indexed, "
        f"{status.failed:,} failed, {status.noted:,} with notes; {counted(status.passages, 'passage')}; "
        f"{counted(status.ignored_files, 'file')} and {counted(status.ignored_folders, 'folder')} ignored"
    )
    if status.trouble:
        yield status.trouble
    elif status.changed:
        were = "file was" if status.changed == 1 else "files were"
        yield f"{status.changed:,} {were} added, changed or removed since; run `rag sync`"
