"""The files below a folder that are documents, by safe and sorted names."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rag.errors import ConfigError

TEMPORARY: Final = ("~", ".tmp", ".temp", ".bak", ".part", ".crdownload", ".download", ".swp", ".lock")
JUNK: Final = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file, or something that cannot be read as one and says why."""

    source: str  # path below the folder, with forward slashes; bytes that are not UTF-8 shown as \\xff
    path: Path
    size: int = 0  # bytes
    mtime_ns: int = 0
    reason: str = ""  # why it cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a scan found, in order of source."""

    files: tuple[Found, ...]

    def hides(self, source: str) -> bool:
        """Say whether `source` lies in a folder that could not be looked into."""
        return any(found.reason and source.startswith(f"{found.source}/") for found in self.files)


def scan(folder: Path, *, skip: Path) -> Listing:
    """List the documents below `folder`: nothing hidden, temporary, special, or in the folder `skip`.

    A link is followed to a file within `folder` only; a link to a folder is not followed.

    Raises:
        ConfigError: when `folder` is not a folder or cannot be looked into.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"the data folder {folder}/ does not exist; create it or set RAG_DATA_DIR to another"
        )
    root, hidden = folder.resolve(), skip.resolve()
    files: list[Found] = []
    pending = [root]
    while pending:
        here = pending.pop()
        try:
            with os.scandir(here) as entries:
                children = [entry for entry in entries if not _is_ignored(entry.name)]
        except OSError as exc:
            if here == root:
                raise ConfigError(
                    f"the data folder {folder}/ cannot be read: {exc.strerror}; mend its permissions"
                ) from exc
            files.append(_found(root, here, reason=f"the folder cannot be read: {exc.strerror}"))
            continue
        for entry in children:
            path = here / entry.name
            if entry.is_dir(follow_symlinks=False):
                pending.extend([path] if path != hidden else [])
            elif found := _look_at(root, path):
                files.append(found)
    return Listing(files=tuple(sorted(files, key=lambda found: found.source)))


def _look_at(root: Path, path: Path) -> Found | None:
    """Return the file at `path`; None for a special file, a link to a folder, or one that just vanished."""
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            return _found(
                root, path, reason="it is a link that leads out of the folder; copy the file itself here"
            )
        status = path.stat()
    except FileNotFoundError:
        return _found(root, path, reason="it is a link that leads nowhere") if path.is_symlink() else None
    except (OSError, RuntimeError) as exc:  # RuntimeError: a circle of links
        return _found(root, path, reason=f"it cannot be looked at: {exc}")
    if not stat.S_ISREG(status.st_mode):
        return None
    return _found(root, path, size=status.st_size, mtime_ns=status.st_mtime_ns)


def _found(root: Path, path: Path, *, size: int = 0, mtime_ns: int = 0, reason: str = "") -> Found:
    below = os.fsencode(path.relative_to(root).as_posix())
    source = below.decode("utf-8", "backslashreplace")
    return Found(source=source, path=path, size=size, mtime_ns=mtime_ns, reason=reason)


def _is_ignored(name: str) -> bool:
    lower = name.lower()
    return name.startswith((".", "~$")) or lower.endswith(TEMPORARY) or lower in JUNK
