"""The page: Gradio's layout and events, bound to the sessions of a `Desk` and the shelf of documents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import gradio as gr

from rag.datatypes import Hit
from rag.prompt import MOST_CHARACTERS
from rag.ui import chrome, markup, where
from rag.ui.desk import Desk, Session
from rag.ui.elements import asset, element
from rag.ui.languages import texts_for
from rag.ui.listing import MORE_ROWS, View
from rag.ui.shelf import FRESH, Listing, Shelf, Shown
from rag.ui.sources import sources
from rag.ui.turns import Turn

if TYPE_CHECKING:
    from rag.pipeline import Rag

Updates: TypeAlias = dict[Any, Any]  # component -> new value
TITLE: Final = "Kaoju 考据"
REFRESH_SECONDS: Final = 2.0  # between two looks at whether the documents have changed
FRAME_SECONDS: Final = 0.05  # tokens that come faster are shown together
QUIET: Final[dict[str, Any]] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "trigger_mode": "multiple",
    "concurrency_limit": None,  # Rag queues questions itself, and says the place
}
# A list of all places, late, must not stand in for the list of those that have been looked for since.
IN_TURN: Final[dict[str, Any]] = {"concurrency_limit": 1, "concurrency_id": "places"}
LANGUAGE_WANTED: Final = "() => [localStorage.getItem('kaoju-language') || navigator.languages.join()]"


class Page:
    """The components of the page and what each event does."""

    def __init__(self, rag: Rag, shelf: Shelf) -> None:
        self.rag = rag
        self.desk = Desk()
        self.shelf = shelf

    def build(self) -> gr.Blocks:
        with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 3600)) as blocks:
            self.preferred = gr.Textbox(visible=False)
            self.bar = element("bar", "language", "refresh")
            with gr.Row(elem_id="ask-view"):
                with gr.Column(elem_id="talk"):
                    self.past = element("past")
                    self.live = element("live", "example")
                    with gr.Column(elem_id="foot"):
                        self._where()
                        self._composer()
                self.sources = element("sources")
            with gr.Column(elem_id="documents-view"):
                with gr.Row(elem_id="shelf-actions"):
                    self.upload = gr.UploadButton(file_count="multiple", elem_id="upload", variant="primary")
                    self.rescan = gr.Button(elem_id="rescan")
                    self.find = gr.Textbox(
                        elem_id="find", show_label=False, container=False, lines=1, max_lines=1
                    )
                self.documents = element("documents", "delete", "more")
                self.timer = gr.Timer(REFRESH_SECONDS)
            self._bind(blocks)
        return blocks

    def _where(self) -> None:
        self.scope = element("scope", "choose", "unpick")
        with gr.Column(elem_id="scope-panel"):
            self.find_place = gr.Textbox(
                elem_id="find-place", show_label=False, container=False, lines=1, max_lines=1
            )
            self.choices = element("choices", "pick")
            self.days = element("days", "pick", "unpick")

    def _composer(self) -> None:
        with gr.Row(elem_id="composer"):
            self.question = gr.Textbox(
                elem_id="question", show_label=False, container=False, lines=1, max_lines=6, autofocus=True
            )
            self.ask_button = gr.Button(elem_id="ask", variant="primary")
            self.stop_button = gr.Button(elem_id="stop", variant="stop")
            self.clear_button = gr.Button(elem_id="clear")

    def _bind(self, blocks: gr.Blocks) -> None:
        everything = [
            *(self.bar, self.past, self.live, self.sources, self.question, self.ask_button, self.stop_button),
            *(self.clear_button, self.upload, self.rescan, self.find, self.documents),
            *(self.scope, self.find_place, self.choices, self.days),
        ]
        talk = [self.past, self.live, self.sources, self.question]
        places = [self.scope, self.choices]
        shelf = [self.documents, self.live, *places]
        blocks.load(None, js=asset("page.js"), api_visibility="private")
        blocks.load(self._open, self.preferred, everything, js=LANGUAGE_WANTED, **QUIET)
        blocks.unload(self._leave)
        self.bar.language(self._switch, None, everything, **QUIET)
        self.bar.refresh(self._refresh, None, shelf, **QUIET)
        for trigger in (self.question.submit, self.ask_button.click):
            trigger(self._ask, self.question, talk, **QUIET)
        self.live.example(self._ask_example, None, talk, **QUIET)
        self.stop_button.click(self._stop, None, None, queue=False, **QUIET)
        self.clear_button.click(self._clear, None, [*talk, *places, self.find_place, self.days], **QUIET)
        self.scope.choose(self._choose, None, places, **(QUIET | IN_TURN))
        for changed in (self.scope.unpick, self.choices.pick, self.days.pick, self.days.unpick):
            changed(self._pick, None, self.scope, **QUIET)
        self.upload.upload(self._add, self.upload, shelf, **QUIET)
        self.rescan.click(self._rescan, None, shelf, **QUIET)
        self.documents.delete(self._delete, None, shelf, **QUIET)
        self.documents.more(self._more, None, shelf, **QUIET)
        last = QUIET | {"trigger_mode": "always_last"}
        self.find.change(self._find, self.find, shelf, **last)
        self.find_place.change(self._find_place, self.find_place, self.choices, **(last | IN_TURN))
        self.timer.tick(self._tick, None, shelf, **(QUIET | {"trigger_mode": "once"}))

    def _session(self, request: gr.Request) -> Session:
        return self.desk.session(request.session_hash or "")

    def _open(self, preferred: str, request: gr.Request) -> Iterator[Updates]:
        session = self._session(request)
        session.texts = texts_for(preferred or "")
        yield self._frame(session)
        yield self._everything(session)  # the first look into the index may wait for the embedder

    def _switch(self, event: gr.EventData, request: gr.Request) -> Updates:
        session = self._session(request)
        session.texts, session.notices = texts_for(str(event.code)), ()
        return self._everything(session)

    def _leave(self, request: gr.Request) -> None:
        self.desk.leave(request.session_hash or "")

    def _everything(self, session: Session) -> Updates:
        days = {self.days: where.days(session.scope, session.texts)}
        return self._frame(session) | self._talk(session) | self._shelf(session) | days

    def _frame(self, session: Session) -> Updates:
        texts = session.texts
        return {
            self.bar: chrome.bar(texts),
            self.sources: sources(session.turns, texts),
            self.question: gr.update(placeholder=texts.placeholder, label=texts.placeholder),
            self.ask_button: gr.update(value=texts.ask),
            self.stop_button: gr.update(value=texts.stop),
            self.clear_button: gr.update(value=texts.clear),
            self.upload: gr.update(label=texts.add_files),
            self.rescan: gr.update(value=texts.rescan),
            self.find: gr.update(placeholder=texts.find, label=texts.find),
            self.find_place: gr.update(placeholder=texts.scope_find, label=texts.scope_find),
        }

    def _talk(self, session: Session) -> Updates:
        if not session.turns:
            return {self.past: "", self.live: self._empty(session, self.shelf.look())}
        return {
            self.past: markup.conversation(session.turns[:-1], session.texts),
            self.live: markup.turn_html(session.turns[-1], session.texts),
        }

    async def _ask_example(self, event: gr.EventData, request: gr.Request) -> AsyncGenerator[Updates, None]:
        async with aclosing(self._ask(str(event.text), request)) as updates:
            async for update in updates:
                yield update

    async def _ask(self, question: str, request: gr.Request) -> AsyncGenerator[Updates, None]:
        session = self._session(request)
        question = question.encode("utf-8", "replace").decode("utf-8")  # half an emoji cannot be sent back
        if session.busy or not question.strip():
            yield gr.skip()  # without a yield Gradio would empty the page
            return
        turns, first = session.turns, True
        shown: tuple[Hit, ...] = ()
        async with aclosing(session.ask(self.rag, question)) as steps:
            async for turn in steps:
                if session.turns is not turns or turns[-1].number != turn.number:
                    yield gr.skip()  # cleared, or stopped and asked anew; Gradio sends the last yield again
                    return
                yield self._step(session, turn, first=first, with_sources=turn.finished or turn.hits != shown)
                shown, first = turn.hits, False
                await asyncio.sleep(FRAME_SECONDS)

    def _step(self, session: Session, turn: Turn, *, first: bool, with_sources: bool) -> Updates:
        updates: Updates = {self.live: markup.turn_html(turn, session.texts)}
        if first:
            updates[self.past] = markup.conversation(session.turns[:-1], session.texts)
        if first and len(turn.question) <= MOST_CHARACTERS:  # a longer one fails, and stays to be shortened
            updates[self.question] = ""
        if with_sources:
            updates[self.sources] = sources(session.turns, session.texts)
        return updates

    def _stop(self, request: gr.Request) -> None:
        self._session(request).stop()

    def _clear(self, request: gr.Request) -> Updates:
        session = self._session(request)
        session.clear()
        days = where.days(session.scope, session.texts)
        fresh = {self.sources: sources((), session.texts), self.question: "", self.find_place: ""}
        return self._talk(session) | self._places(session, self.shelf.look()) | fresh | {self.days: days}

    def _choose(self, request: gr.Request) -> Updates:
        return self._places(self._session(request), self.shelf.look())

    def _pick(self, event: gr.EventData, request: gr.Request) -> Updates:
        session = self._session(request)
        on = bool(event.checked)
        session.scope = where.changed(session.scope, str(event.kind), str(event.value), on=on)
        return {self.scope: where.chosen(session.scope, self.shelf.look(age=FRESH).states, session.texts)}

    def _find_place(self, find: str, request: gr.Request) -> Updates:
        session = self._session(request)
        session.find_place = find
        return {self.choices: self._places(session, self.shelf.look(age=FRESH))[self.choices]}

    def _places(self, session: Session, listing: Listing) -> Updates:
        scope, states, texts = session.scope, listing.states, session.texts
        return {
            self.scope: where.chosen(scope, states, texts),
            self.choices: where.choices(scope, states, texts, find=session.find_place),
        }

    def _refresh(self, request: gr.Request) -> Updates:
        return self._shelf(self._session(request))

    def _find(self, find: str, request: gr.Request) -> Updates:
        session = self._session(request)
        session.view = View(find=find)
        return self._shelf(session)

    def _more(self, request: gr.Request) -> Updates:
        session = self._session(request)
        session.view.most += MORE_ROWS
        return self._shelf(session)

    def _tick(self, request: gr.Request) -> Any:
        """Show what the following of the folder has changed since this tab last saw the list."""
        session = self._session(request)
        if session.seen == self.shelf.version:
            return gr.skip()
        return self._shelf(session)

    def _shelf(self, session: Session) -> Updates:
        session.seen = self.shelf.version
        listing = self.shelf.look()
        html = self.shelf.html(session.texts, session.notices, listing=listing, view=session.view)
        return self._shown(session, Shown(html=html, listing=listing)) | self._places(session, listing)

    def _shown(self, session: Session, shown: Shown) -> Updates:
        updates: Updates = {self.documents: shown.html}
        if not session.turns:
            updates[self.live] = self._empty(session, shown.listing)
        return updates

    def _empty(self, session: Session, listing: Listing) -> str:
        return chrome.empty(session.texts, readable=listing.readable, error=listing.error)

    async def _moving(self, session: Session, steps: AsyncIterator[Shown]) -> AsyncGenerator[Updates, None]:
        async for shown in steps:
            session.notices = shown.notices
            yield self._shown(session, shown)
        yield await asyncio.to_thread(lambda: self._places(session, self.shelf.look()))

    async def _add(self, paths: list[str] | None, request: gr.Request) -> AsyncGenerator[Updates, None]:
        session = self._session(request)
        async for update in self._moving(session, self.shelf.add(paths or [], session.texts, session.view)):
            yield update

    async def _rescan(self, request: gr.Request) -> AsyncGenerator[Updates, None]:
        session = self._session(request)
        async for update in self._moving(session, self.shelf.rescan(session.texts, session.view)):
            yield update

    async def _delete(self, event: gr.EventData, request: gr.Request) -> AsyncGenerator[Updates, None]:
        session = self._session(request)
        steps = self.shelf.delete(str(event.name), session.texts, session.view)
        async for update in self._moving(session, steps):
            yield update


def build_ui(rag: Rag, shelf: Shelf) -> gr.Blocks:
    """Return the page over `rag` and its documents, not yet served."""
    return Page(rag, shelf).build()
