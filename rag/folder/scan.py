"""The files below a folder that are documents, by safe and sorted names."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from rag.errors import ConfigError
from rag.folder.ignore import NAME, BadRules, Rules

LATEST: Final = 2**63 - 1  # nanoseconds that SQLite holds: the year 2262
TEMPORARY: Final = ("~", ".tmp", ".temp", ".bak", ".part", ".crdownload", ".download", ".swp", ".lock")
JUNK: Final = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file, or something that cannot be read as one and says why."""

    source: str  # path below the folder, with forward slashes, as `shown`
    path: Path
    size: int = 0  # bytes
    mtime_ns: int = 0
    ctime_ns: int = 0  # of the last change by the system's clock, which nobody can set back
    moved_ns: int = 0  # likewise, of the link that leads to it, or a folder above it that was renamed
    reason: str = ""  # why it cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a scan found, in order of source."""

    files: tuple[Found, ...]
    ignored_files: int = 0  # by the rules of .kaojuignore files
    ignored_folders: int = 0  # not looked into
    closed: frozenset[str] = frozenset()  # what could not be looked into
    disks: Mapping[str, int] = field(default_factory=dict)  # folder -> inode; see `scan`

    def hides(self, source: str) -> bool:
        """Say whether `source` lies in a folder that could not be looked into."""
        slashes = [at for at, one in enumerate(source) if one == "/"] if self.closed else []
        return any(source[:slash] in self.closed for slash in slashes)


class NotMounted(Exception):  # noqa: N818 (the scan turns it into a reason)
    """Nothing is in a folder that was another one at the last look: its disk is away, not its files."""

    def __init__(self) -> None:
        super().__init__(
            "the disk that was mounted in it is missing; mount it, or remove the folder if its documents are "
            "gone for good"
        )


def scan(folder: Path, *, skip: Path, disks: Mapping[str, int] | None = None) -> Listing:
    """List the documents below `folder`: nothing hidden, temporary, special, ignored, or in `skip`.

    A link is followed to what lies within `folder` only. Whatever links there are, each folder is looked into
    once: under its own name where that can be reached, else under that of the first link to it.

    `disks` are those of the listing before: `folder` and what is mounted below it, by their inodes. Where
    nothing is now, under another inode, a disk is missing: its files are not gone.

    Raises:
        ConfigError: when `folder` is not a folder or cannot be looked into.
    """
    if folder.is_file():
        raise ConfigError(f"{folder} is a file; set RAG_DATA_DIR to the folder it is in")
    if not folder.is_dir():
        raise ConfigError(
            f"the data folder {folder}/ does not exist; create it or set RAG_DATA_DIR to another"
        )
    walk = _Walk(folder.resolve(), skip.resolve(), disks or {})
    try:
        walk.enter(_Folder("", walk.root, walk.root, Rules()))
    except OSError as exc:
        raise ConfigError(
            f"the data folder {folder}/ cannot be read: {exc.strerror}; mend its permissions"
        ) from exc
    except BadRules as exc:
        raise ConfigError(f"the data folder {folder}/ is not read: {exc}; mend or remove it") from exc
    except NotMounted as exc:
        raise ConfigError(
            f"the data folder {folder}/ is empty and not the one of the last sync, as when its disk is not "
            "mounted; mount it, or run `rag sync --rebuild` if its documents are gone for good"
        ) from exc
    walk.finish()
    files = sorted(_unique(walk.found), key=lambda found: found.source)
    return Listing(
        files=tuple(files),
        ignored_files=walk.ignored_files,
        ignored_folders=walk.ignored_folders,
        closed=frozenset(found.source for found in files if found.reason),
        disks=walk.disks,
    )


def path_of(source: str, folder: Path, *, skip: Path) -> Path:
    """Return the path of what is listed as `source`, whose name may be shown otherwise than it is."""
    path = folder / source
    if os.path.lexists(path):
        return path
    return next((found.path for found in scan(folder, skip=skip).files if found.source == source), path)


def looked_at(found: Found, status: os.stat_result) -> Found:
    """Return the file as `status` tells it."""
    changed, touched = (max(-LATEST, min(when, LATEST)) for when in (status.st_mtime_ns, status.st_ctime_ns))
    return replace(found, size=status.st_size, mtime_ns=changed, ctime_ns=touched)


def shown(name: str) -> str:
    r"""Return a file name as text that is safe to print: bytes that are not UTF-8 and controls as \xff."""
    if name.isprintable():  # as nearly all are; no lone surrogate is
        return name
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(
        _escaped(one) if unicodedata.category(one) in {"Cc", "Cf", "Zl", "Zp"} else one for one in text
    )


def _escaped(one: str) -> str:
    return one.encode("ascii", "backslashreplace").decode() if ord(one) > 0x7F else f"\\x{ord(one):02x}"  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class _Folder:
    source: str  # as shown; empty: the scanned folder itself
    path: Path
    real: Path  # without links
    rules: Rules  # of the folders above it, and its own once it is looked into
    moved_ns: int = 0  # when it or a folder above it was renamed, if that can be told


@dataclass(slots=True)
class _Walk:
    root: Path
    skip: Path
    known_disks: Mapping[str, int]
    disks: dict[str, int] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)
    ignored_files: int = 0
    ignored_folders: int = 0
    _seen: set[Path] = field(default_factory=set)  # folders looked into, without links
    _pending: list[_Folder] = field(default_factory=list)
    _links: list[_Folder] = field(default_factory=list)  # to folders; followed when all others are done

    def finish(self) -> None:
        """Look into every folder that was found and into those found there."""
        while self._pending or self._links:
            if not self._pending:
                self._links.sort(key=lambda each: each.source, reverse=True)
            folder = (self._pending or self._links).pop()
            try:
                self.enter(folder)
            except (OSError, BadRules, NotMounted) as exc:
                reason = f"the folder cannot be read: {getattr(exc, 'strerror', '') or exc}"
                self.found.append(Found(source=folder.source, path=folder.path, reason=reason))

    def enter(self, folder: _Folder) -> None:
        if folder.real in self._seen:
            return
        self._seen.add(folder.real)
        with os.scandir(folder.path) as entries:
            children = list(entries)
        status = folder.path.stat()
        self._note_disk(
            folder, status.st_dev, status.st_ino, empty=all(is_left_out(e.name) for e in children)
        )
        has_rules = any(entry.name == NAME for entry in children)
        rules = folder.rules.within(folder.source, folder.path, has_own=has_rules)
        # A change of what lies in it sets both of its times, a new name this one alone.
        renamed_ns = status.st_ctime_ns if folder.source and status.st_ctime_ns != status.st_mtime_ns else 0
        within = replace(folder, rules=rules, moved_ns=max(folder.moved_ns, renamed_ns))
        for entry in children:
            if not is_left_out(entry.name):
                self._look_at(entry, within)

    def _note_disk(self, folder: _Folder, device: int, inode: int, *, empty: bool) -> None:
        before = self.known_disks.get(folder.source)
        if empty and before is not None and before != inode:
            self.disks[folder.source] = before
            raise NotMounted
        if not folder.source or device != folder.real.parent.stat().st_dev:
            self.disks[folder.source] = inode

    def _look_at(self, entry: os.DirEntry[str], folder: _Folder) -> None:
        name = shown(entry.name)
        source = f"{folder.source}/{name}" if folder.source else name
        try:
            linked = entry.is_symlink()
            real = Path(entry.path).resolve() if linked else None
            inside = real is None or real.is_relative_to(self.root)
            status = entry.stat(follow_symlinks=inside)
        except FileNotFoundError:
            if entry.is_symlink():
                self._refuse(source, entry, folder.rules, "it is a link that leads nowhere")
            return
        except (OSError, RuntimeError) as exc:  # RuntimeError: a circle of links
            self._refuse(source, entry, folder.rules, f"it cannot be looked at: {exc}")
            return
        if not inside:
            self._refuse(
                source,
                entry,
                folder.rules,
                "it is a link that leads out of the folder; copy the file itself here",
            )
        elif stat.S_ISDIR(status.st_mode):
            below = replace(
                folder, source=source, path=Path(entry.path), real=real or folder.real / entry.name
            )
            self._take_folder(below, name, linked=linked)
        elif folder.rules.ignore(name, is_dir=False):
            self.ignored_files += 1
        elif stat.S_ISREG(status.st_mode):
            linked_ns = entry.stat(follow_symlinks=False).st_ctime_ns if linked else 0
            moved_ns = max(folder.moved_ns, linked_ns)
            found = Found(source=source, path=Path(entry.path), moved_ns=moved_ns)
            self.found.append(looked_at(found, status))

    def _take_folder(self, folder: _Folder, name: str, *, linked: bool) -> None:
        if folder.real.is_relative_to(self.skip):
            return
        if folder.rules.ignore(name, is_dir=True):
            self.ignored_folders += 1
        else:
            (self._links if linked else self._pending).append(folder)

    def _refuse(self, source: str, entry: os.DirEntry[str], rules: Rules, reason: str) -> None:
        if rules.ignore(shown(entry.name), is_dir=False):
            self.ignored_files += 1
        else:
            self.found.append(Found(source=source, path=Path(entry.path), reason=reason))


def _unique(found: list[Found]) -> list[Found]:
    """Number the names that are shown alike, as of bytes that are not UTF-8 and of backslashes."""
    if len({each.source for each in found}) == len(found):
        return found
    named: dict[str, Found] = {}
    for each in sorted(found, key=lambda each: os.fsencode(each.path)):
        source, number = each.source, 2
        while source in named:
            source, number = f"{each.source} ({number})", number + 1
        named[source] = replace(each, source=source)
    return list(named.values())


def is_left_out(name: str) -> bool:
    """Say whether a name is that of something hidden, temporary or put there by the system."""
    lower = name.lower()
    return name.startswith((".", "~$")) or lower.endswith(TEMPORARY) or lower in JUNK
