"""Following a folder: a sync whenever something in it has changed, and again once it can be read again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from rag.datatypes import Failure, SyncReport
from rag.errors import RagError
from rag.folder.ignore import NAME as RULES
from rag.folder.scan import Found, is_left_out
from rag.folder.steady import Steady

if TYPE_CHECKING:
    from watchfiles import Change

QUIET: Final = 400  # ms without another change, after which a sync begins
LONGEST_WAIT: Final = 5_000  # ms; changes that never pause are followed at this pace
TICK: Final = 500  # ms
POLL: Final = 2_000  # ms between two looks at a network drive
STEADY: Final = 1.0  # seconds for which a file must stay the same before it is read
RETRY: Final = 3.0  # seconds after which what failed is tried again
ANYWAY: Final = 600.0  # seconds after which the folder is looked at without any sign: some may be lost
REMOTE: Final = ("9p", "afs", "cifs", "drvfs", "fuse", "nfs", "prl_fs", "smb", "vboxsf", "virtiofs", "vmhgfs")

IsSteady: TypeAlias = Callable[[Found], bool]
Tell: TypeAlias = Callable[[SyncReport | RagError], None]
log = logging.getLogger(__name__)


def follow(
    folder: Path, sync: Callable[[IsSteady], SyncReport], *, skip: Path, stop: threading.Event, tell: Tell
) -> None:
    """Sync now and after every change below `folder`, until `stop` is set.

    `sync` is given what tells which files are no longer written to. `tell` hears of each sync that did
    something and of each new error. No error ends it: what could not be done is tried again.
    """
    follower = _Follower(folder, sync, skip, stop, tell)
    while not stop.is_set():
        follower.run()


class _Follower:
    def __init__(
        self,
        folder: Path,
        sync: Callable[[IsSteady], SyncReport],
        skip: Path,
        stop: threading.Event,
        tell: Tell,
    ) -> None:
        self._folder = folder
        self._sync = sync
        self._skip = skip.resolve()
        self._stop = stop
        self._tell = tell
        self._is_steady = Steady(STEADY)
        self._waiting = False
        self._error = ""
        self._failed: tuple[Failure, ...] = ()

    def run(self) -> None:
        """Follow the folder until it is gone, something fails or `stop` is set."""
        try:
            for _ in self._moments():
                self._hear(self._sync(self._is_steady))
        except RagError as exc:
            self._fail(exc)
        except Exception as exc:  # a fault of our own: the folder is followed all the same
            log.exception("following %s/ failed", self._folder)
            self._fail(
                RagError(f"{self._folder}/ could not be followed ({type(exc).__name__}: {exc}); see the log")
            )

    def _fail(self, error: RagError) -> None:
        if str(error) != self._error:
            self._tell(error)
        self._error = str(error)
        self._stop.wait(RETRY)

    def _hear(self, report: SyncReport) -> None:
        did = report.added or report.changed or report.removed or report.failed != self._failed
        if did or self._error:
            self._tell(report)
        self._waiting, self._error, self._failed = bool(report.waiting), "", report.failed

    def _moments(self) -> Iterator[None]:
        """Yield whenever a sync is due, first when the watching has begun, so that no change is missed."""
        place, last = _identity(self._folder), 0.0
        for changed in self._changes():
            if _identity(self._folder) != place:
                return  # what is watched is not what has this name now
            if changed or self._waiting or not last or time.monotonic() - last > ANYWAY:
                yield
                last = time.monotonic()

    def _changes(self) -> Iterator[bool]:
        """Yield now and then, and tell each time whether something has changed since."""
        from watchfiles import watch

        polling = is_remote(self._folder)
        try:
            for changes in watch(
                self._folder,
                watch_filter=self._matters,
                debounce=LONGEST_WAIT,
                step=QUIET,
                rust_timeout=TICK,
                yield_on_timeout=True,
                stop_event=self._stop,
                force_polling=polling,
                poll_delay_ms=POLL,
                ignore_permission_denied=True,
            ):
                yield bool(changes)
        except (OSError, RuntimeError) as exc:  # no such folder, or too many folders for the system to watch
            log.info("%s/ cannot be watched: %s; it is looked at now and then", self._folder, exc)
            yield True
            self._stop.wait(POLL / 1000)

    def _matters(self, _change: Change, name: str) -> bool:
        """Say whether a change may be one of a document or of the rules that leave some out."""
        path = Path(name)
        if path.is_relative_to(self._skip):
            return False
        parts = path.parts[len(self._folder.resolve().parts) :]
        hidden = any(part.startswith(".") for part in parts[:-1])
        return not hidden and (path.name == RULES or not is_left_out(path.name))


def is_remote(folder: Path) -> bool:
    """Say whether `folder` lies on a drive of which the system tells no changes made by others."""
    import psutil

    here = folder.resolve()
    mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    nearest = next((mounts[above] for above in (here, *here.parents) if above in mounts), "")
    return nearest.lower().startswith(REMOTE)


def _identity(folder: Path) -> tuple[int, int]:
    """Tell one folder from another that took its name; (0, 0): there is none."""
    try:
        status = folder.stat()
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino
