"""Chat with your documents on a web page made with Gradio: streamed, with the sources below each answer.

    .venv/bin/python examples/gradio_chat.py

Then open http://127.0.0.1:7860; RAG_PORT=8000 chooses another port. Nothing is asked of another machine.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import closing
from html import escape
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI

from rag import Config, Hit, Rag, RagError
from rag.bars import progress_bars
from rag.render import file_name
from rag.setup import prepare
from rag.ui.elements import asset, theme
from rag.ui.frame import Framed
from rag.ui.hosts import HostCheck, known_hosts
from rag.ui.languages import texts_for
from rag.ui.sources import marked, place_of
from rag.ui.texts import Texts, told
from rag.ui.turns import Turn, advance, fail, stop

TITLE = "Kaoju 考据"
STYLE = """
.gradio-container { width: 100%; max-width: 760px !important; margin: 0 auto !important; }
#talk { display: flex; flex-direction: column-reverse; height: calc(100dvh - 120px); overflow-y: auto; }
#talk > * { margin-bottom: auto; } /* from the top; and what does not fit is scrolled to its end */
#talk h1 { font-size: 22px; }
#talk h3 { margin: 8px 0 4px; font-size: 17px; font-weight: 600; }
.turn { margin: 0 0 28px; line-height: 1.7; overflow-wrap: anywhere; }
.turn details { margin: 8px 0; padding: 6px 12px; border: 1px solid #8884; border-radius: 8px; }
.turn summary { cursor: pointer; }
.turn :is(.said, blockquote) { white-space: pre-wrap; }
.turn blockquote { margin: 6px 0 0; font-size: 14px; }
.turn mark { background: #b8382b22; color: inherit; }
.turn .faint { opacity: .6; }
"""


def welcome(texts: Texts) -> str:
    return f"<div><h1>{texts.empty_title}</h1><p>{texts.empty_text}</p></div>"


def conversation(turns: list[Turn], texts: Texts) -> str:
    """Return the turns as HTML. What documents and people said is escaped: it can never be a tag."""
    shown = (
        f'<div class="turn {turn.phase}"><h3>{escape(turn.question)}</h3>{answer(turn, texts)}</div>'
        for turn in turns
    )
    return f"<div>{''.join(shown)}</div>"


def answer(turn: Turn, texts: Texts) -> str:
    if turn.error:
        return f"<p>{texts.failed} {escape(told(turn.error, texts))}</p>"
    if turn.phase == "searching":
        return f'<p class="faint">{texts.searching}…</p>'
    if turn.phase == "queued":
        return f'<p class="faint">{texts.queued.format(place=turn.place)}</p>'
    if turn.phase == "reading":
        return f'<p class="faint">{texts.reading.format(count=len(turn.hits))}… {turn.read:.0%}</p>'
    said = f'<p class="said">{escape(turn.text)}</p>'
    if turn.phase == "stopped":
        return f'{said}<p class="faint">{texts.stopped}</p>'
    return said + searched_for(turn, texts) + sources(turn, texts)


def searched_for(turn: Turn, texts: Texts) -> str:
    """Return what a follow-up was taken to mean."""
    said = texts.searched_for.format(question=turn.searched_for) if turn.searched_for else ""
    return f'<p class="faint">{escape(said)}</p>'


def sources(turn: Turn, texts: Texts) -> str:
    """Return the passages that were cited or, where there is no answer, those that came nearest."""
    if turn.answer is None:
        return ""
    cited = {citation.marker for citation in turn.citations}
    hits = [hit for hit in turn.hits if turn.answer.refused or hit.marker in cited]
    return "".join(source(hit, turn, texts) for hit in hits)


def source(hit: Hit, turn: Turn, texts: Texts) -> str:
    """Return a passage with what was cited of it marked, and where it stands."""
    marker = f"[{hit.marker}] " if hit.marker else ""
    place = escape(f"{marker}{file_name(hit.passage)} {place_of(hit, turn.citations, texts)}")
    return (
        f"<details><summary>{place}</summary><blockquote>{marked(hit, turn.citations)}</blockquote></details>"
    )


def build(rag: Rag) -> gr.Blocks:
    def ask(question: str, turns: list[Turn], request: gr.Request) -> Iterator[tuple[Any, list[Turn], str]]:
        if not question.strip():
            return
        texts = texts_for(request.headers.get("accept-language", ""))
        turn = Turn(number=len(turns) + 1, question=question)
        history = [each.answer for each in turns if each.answer]
        yield "", [*turns, turn], conversation([*turns, turn], texts)
        try:
            with closing(rag.stream(question, history=history)) as events:
                for event in events:
                    turn = advance(turn, event)
                    yield gr.skip(), [*turns, turn], conversation([*turns, turn], texts)
        except RagError as exc:
            turn = fail(turn, str(exc))
            yield gr.skip(), [*turns, turn], conversation([*turns, turn], texts)

    def end(turns: list[Turn], request: gr.Request) -> tuple[list[Turn], str]:
        turns = [stop(each) for each in turns]
        return turns, conversation(turns, texts_for(request.headers.get("accept-language", "")))

    def greet(request: gr.Request) -> tuple[Any, ...]:
        texts = texts_for(request.headers.get("accept-language", ""))
        box = gr.Textbox(placeholder=texts.placeholder)
        return welcome(texts), box, gr.Button(texts.ask), gr.Button(texts.stop)

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        turns = gr.State([])
        talk = gr.HTML(elem_id="talk", apply_default_css=False)
        with gr.Row():
            question = gr.Textbox(elem_id="question", show_label=False, container=False, scale=1)
            send = gr.Button(elem_id="ask", variant="primary", scale=0, min_width=90)
            halt = gr.Button(elem_id="stop", scale=0, min_width=90)
        page.load(greet, None, [talk, question, send, halt])
        asked = gr.on(
            [question.submit, send.click],
            ask,
            [question, turns],
            [question, turns, talk],
            show_progress="hidden",
            trigger_mode="multiple",  # one after another; "once" would drop what is asked just after a stop
        )
        halt.click(None, None, None, cancels=[asked])  # which closes the generator, and so the engine's
        halt.click(end, turns, [turns, talk], show_progress="hidden")
    return page


def serve(page: gr.Blocks, config: Config) -> None:
    """Serve the page; unlike `page.launch()` it loads no script from another host, and only answers to us."""
    warnings.filterwarnings("ignore", module="gradio")  # its own use of Starlette's old names
    app: Any = gr.mount_gradio_app(FastAPI(), page, path="/", footer_links=[], theme=theme())
    app = Framed(app, root_path="", title=TITLE, style=STYLE, icon=asset("icon.svg"))
    app = HostCheck(app, hosts=known_hosts(config) or frozenset())
    uvicorn.run(app, host="127.0.0.1", port=config.port, access_log=False, timeout_graceful_shutdown=1)


def main() -> None:
    config = Config(host="127.0.0.1")
    with Rag(config) as rag:
        with progress_bars() as bars:
            prepare(config, bars, notice=lambda said: print(said, file=sys.stderr))
            rag.sync(bars)
        serve(build(rag), config)


if __name__ == "__main__":
    try:
        main()
    except RagError as exc:
        sys.exit(str(exc))
