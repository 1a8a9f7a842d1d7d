"""The list of documents and what changes it: files added or deleted, and the sync that follows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.datatypes import DocumentState, Progress, SyncReport
from rag.errors import InputError, RagError
from rag.ui import markup
from rag.ui.background import Background, Emit
from rag.ui.texts import Texts
from rag.ui.uploads import keep, remove

if TYPE_CHECKING:
    from rag.pipeline import Rag


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


class Shelf:
    """The documents of one `Rag`; every change yields the list as it moves on, and never blocks the loop."""

    def __init__(self, rag: Rag) -> None:
        self.rag = rag
        self._writing = threading.Lock()

    def look(self) -> Listing:
        """Return the documents by name, those that failed first; an index that cannot be read says so."""
        try:
            states = self.rag.documents()
        except RagError as exc:
            return Listing(error=str(exc))
        return Listing(states=tuple(sorted(states, key=lambda each: (each.state != "failed", each.source))))

    def html(self, texts: Texts, notices: Sequence[str] = (), *, listing: Listing | None = None) -> str:
        listing, config = listing or self.look(), self.rag.config
        if listing.error:
            notices = [*notices, listing.error]
        folder, limit = str(config.data_dir), config.upload_mb
        return markup.documents(listing.states, texts, folder=folder, limit=limit, notices=notices)

    async def add(self, uploads: Sequence[str], texts: Texts) -> AsyncIterator[Shown]:
        """Keep the uploaded files, then sync."""
        yield await self._show(texts, (), begun=True)
        notices = await asyncio.to_thread(self._keep, uploads, texts)
        async for shown in self._sync(texts, notices):
            yield shown

    def _keep(self, uploads: Sequence[str], texts: Texts) -> list[str]:
        """Return what is to be said of each file; waits for a sync that is running."""
        notices: list[str] = []
        for upload in map(Path, uploads):
            try:
                with self._writing:
                    kept = keep(upload, name=upload.name, folder=self.rag.config.data_dir)
            except RagError as exc:
                notices.append(str(exc))
            else:
                notices.append((texts.kept if kept.new else texts.same).format(name=kept.name))
                upload.unlink(missing_ok=True)  # Gradio's own copy
        return notices

    async def delete(self, source: str, texts: Texts) -> AsyncIterator[Shown]:
        """Delete one listed document, then sync."""
        try:
            await asyncio.to_thread(self._remove, source)
        except RagError as exc:
            yield await self._show(texts, [str(exc)])
            return
        async for shown in self._sync(texts, [texts.deleted.format(name=source)]):
            yield shown

    def _remove(self, source: str) -> None:
        if source not in {state.source for state in self.look().states}:
            raise InputError(f"{source!r} is not a document of {self.rag.config.data_dir}/")
        remove(source, folder=self.rag.config.data_dir)

    async def rescan(self, texts: Texts) -> AsyncIterator[Shown]:
        """Sync with what was changed in the folder by hand."""
        async for shown in self._sync(texts, []):
            yield shown

    async def _sync(self, texts: Texts, notices: Sequence[str]) -> AsyncIterator[Shown]:
        yield await self._show(texts, notices, begun=True)
        try:
            async for batch in Background(self._work, name="sync").batches():
                if isinstance(batch[-1], SyncReport):
                    notices = [*notices, _summary(batch[-1], texts)]
                else:
                    yield await self._show(texts, notices, begun=True, step=batch[-1])
        except RagError as exc:
            notices = [*notices, str(exc)]
        yield await self._show(texts, notices)

    async def _show(
        self, texts: Texts, notices: Sequence[str], *, begun: bool = False, step: Progress | None = None
    ) -> Shown:
        """Return the list of now, made in a thread: reading and drawing thousands of documents takes long."""

        def make() -> Shown:
            listing = self.look()
            bar = markup.progress(step, texts) if begun else ""
            return Shown(html=bar + self.html(texts, notices, listing=listing), listing=listing)

        return await asyncio.to_thread(make)

    def _work(self, emit: Emit[Progress | SyncReport]) -> None:
        def show(step: Progress) -> None:
            emit(step)

        with self._writing:
            emit(self.rag.sync(show))


def _summary(report: SyncReport, texts: Texts) -> str:
    return texts.synced.format(
        added=report.added, changed=report.changed, removed=report.removed, failed=len(report.failed)
    )
