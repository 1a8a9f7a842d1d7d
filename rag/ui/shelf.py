"""The list of documents and what changes it: files added or deleted, and the sync that follows."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rag.datatypes import DocumentState, Progress, SyncReport
from rag.errors import InputError, RagError
from rag.ui import listing as markup
from rag.ui.background import Background, Emit
from rag.ui.listing import View
from rag.ui.texts import Texts, told
from rag.ui.uploads import keep, remove, safe_name

if TYPE_CHECKING:
    from rag.folder.scan import Found
    from rag.pipeline import Rag

FRESH: Final = 2.0  # seconds; while a sync runs the list is not read again at each of its steps
FRAME: Final = 0.2  # seconds between two steps that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The documents as the index knows them, or why it cannot tell."""

    states: tuple[DocumentState, ...] = ()
    error: str = ""

    @property
    def readable(self) -> bool:
        return any(state.state == "indexed" for state in self.states)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The list as the page shows it, and what it was made from."""

    html: str
    listing: Listing
    notices: tuple[str, ...] = ()


class Shelf:
    """The documents of one `Rag`; every change yields the list as it moves on, and never blocks the loop."""

    def __init__(self, rag: Rag) -> None:
        self.rag = rag
        self._version = 0  # raised whenever the list or the following of the folder moves on
        self._ignored = 0
        self._step: Progress | None = None  # of the sync that follows the folder, while it does something
        self._trouble = ""  # why the folder cannot be followed just now
        self._writing = threading.Lock()
        self._looked: tuple[float, Listing] | None = None

    @property
    def version(self) -> tuple[int, Progress | None]:
        """Another one whenever there is something new to show."""
        return self._version, self.rag.reading_ahead

    def look(self, *, age: float = 0.0) -> Listing:
        """Return the documents, those that failed first and then those with notes; at most `age` seconds old.

        An index that cannot be read says so.
        """
        if self._looked is not None and time.monotonic() - self._looked[0] < age:
            return self._looked[1]
        try:
            states = self.rag.documents()
        except RagError as exc:
            return Listing(error=str(exc))
        listing = Listing(states=tuple(sorted(states, key=_order)))
        self._looked = (time.monotonic(), listing)
        return listing

    def html(
        self,
        texts: Texts,
        notices: Sequence[str] = (),
        *,
        listing: Listing | None = None,
        view: View | None = None,
    ) -> str:
        listing, config = listing or self.look(), self.rag.config
        trouble = [told(error, texts) for error in (listing.error, self._trouble) if error]
        step = "" if self._step is None else markup.progress(self._step, texts)
        folder, limit = str(config.data_dir), config.upload_mb
        rows = markup.documents(
            listing.states,
            texts,
            folder=folder,
            limit=limit,
            view=view or View(),
            ignored=self._ignored,
            read=self.rag.reading_ahead,
        )
        return step + markup.notices([*notices, *trouble]) + rows

    def follow(self, stop: threading.Event) -> None:
        """Sync whenever the folder changes, until `stop` is set; see `rag.folder.watch`."""
        self.rag.follow(self._followed, stop=stop, tell=self._hear)

    def _followed(self, is_steady: Callable[[Found], bool]) -> SyncReport:
        with self._writing:
            try:
                report = self.rag.sync(self._note, is_steady=is_steady)
            finally:
                if self._step is not None:
                    self._step = None
                    self._version += 1
        self._ignored = report.ignored
        return report

    def _note(self, step: Progress) -> None:
        if step.total:
            self._step = step
            self._version += 1

    def _hear(self, news: SyncReport | RagError) -> None:
        self._step, self._trouble = None, str(news) if isinstance(news, RagError) else ""
        self._version += 1

    async def add(
        self, uploads: Sequence[str], texts: Texts, view: View | None = None
    ) -> AsyncIterator[Shown]:
        """Keep the uploaded files, then sync."""
        yield await self._show(texts, (), view, begun=True)
        notices = await asyncio.to_thread(self._keep, uploads, texts)
        async for shown in self._sync(texts, notices, view):
            yield shown

    def _keep(self, uploads: Sequence[str], texts: Texts) -> list[str]:
        """Return what is to be said of each file."""
        # The same content under the same name is one copy of Gradio's.
        return [self._kept(upload, texts) for upload in map(Path, dict.fromkeys(uploads))]

    def _kept(self, upload: Path, texts: Texts) -> str:
        folder, name = self.rag.config.data_dir, safe_name(upload.name)
        try:
            kept = keep(upload, name=upload.name, folder=folder)
        except RagError as exc:
            kept_before = not upload.exists() and (folder / name).is_file()
            return texts.same.format(name=name) if kept_before else told(str(exc), texts)
        upload.unlink(missing_ok=True)  # Gradio's own copy
        return (texts.kept if kept.new else texts.same).format(name=kept.name)

    async def delete(self, source: str, texts: Texts, view: View | None = None) -> AsyncIterator[Shown]:
        """Delete one listed document, then sync."""
        try:
            await asyncio.to_thread(self._remove, source)
        except RagError as exc:
            yield await self._show(texts, [told(str(exc), texts)], view)
            return
        async for shown in self._sync(texts, [texts.deleted.format(name=source)], view):
            yield shown

    def _remove(self, source: str) -> None:
        if source not in {state.source for state in self.look().states}:
            raise InputError(f"{source!r} is not a document of {self.rag.config.data_dir}/")
        remove(source, folder=self.rag.config.data_dir)

    async def rescan(self, texts: Texts, view: View | None = None) -> AsyncIterator[Shown]:
        """Sync with what was changed in the folder by hand."""
        async for shown in self._sync(texts, [], view):
            yield shown

    async def _sync(self, texts: Texts, notices: Sequence[str], view: View | None) -> AsyncIterator[Shown]:
        yield await self._show(texts, notices, view, begun=True)
        try:
            async for batch in Background(self._work, name="sync").batches():
                if isinstance(batch[-1], SyncReport):
                    notices = [*notices, _summary(batch[-1], texts)]
                else:
                    yield await self._show(texts, notices, view, begun=True, step=batch[-1])
                    await asyncio.sleep(FRAME)
        except RagError as exc:
            notices = [*notices, told(str(exc), texts)]
        yield await self._show(texts, notices, view)

    async def _show(
        self,
        texts: Texts,
        notices: Sequence[str],
        view: View | None,
        *,
        begun: bool = False,
        step: Progress | None = None,
    ) -> Shown:
        """Return the list of now, made in a thread: reading and drawing thousands of documents takes long."""

        def make() -> Shown:
            listing = self.look(age=FRESH if step else 0.0)
            bar = markup.progress(step, texts) if begun else ""
            html = bar + self.html(texts, notices, listing=listing, view=view)
            return Shown(html=html, listing=listing, notices=tuple(notices))

        return await asyncio.to_thread(make)

    def _work(self, emit: Emit[Progress | SyncReport]) -> None:
        def show(step: Progress) -> None:
            if step.total:
                emit(step)

        with self._writing:
            report = self.rag.sync(show)
        self._ignored = report.ignored
        self._version += 1  # for the other tabs
        emit(report)


def _order(state: DocumentState) -> tuple[bool, bool, str]:
    return state.state != "failed", not state.notes, state.source


def _summary(report: SyncReport, texts: Texts) -> str:
    return texts.synced.format(
        added=report.added, changed=report.changed, removed=report.removed, failed=len(report.failed)
    )
