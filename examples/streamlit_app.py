"""Chat with your documents on a web page made with Streamlit: streamed, with the sources below each answer.

    .venv/bin/streamlit run examples/streamlit_app.py

It speaks the language of your browser. .streamlit/config.toml beside it keeps it on 127.0.0.1, and quiet.
What documents and people said goes through `plain`: as Markdown or HTML it could link, load or run something.
"""

import sys
from contextlib import closing
from html import escape

import streamlit as st
from streamlit.web.cli import main as run

from rag import Answer, Config, Rag, RagError
from rag.bars import progress_bars
from rag.render import place, snippet
from rag.render.labels import LABELS
from rag.setup import prepare
from rag.ui.languages import texts_for
from rag.ui.texts import Texts, told
from rag.ui.turns import Turn, advance, fail, stop

PLAIN = "white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.7"
FAINT = "opacity: .6; font-size: 14px"
QUOTE = "margin: 2px 0 12px; padding-left: 12px; border-left: 3px solid #b8382b"


@st.cache_resource(show_spinner="Fetching the models and reading the documents …")
def open_rag() -> Rag:
    """Open one `Rag` for all who have the page open: it holds the models, and lets questions queue."""
    rag = Rag(Config())
    with progress_bars() as bars:
        prepare(rag.config, bars, notice=lambda said: print(said, file=sys.stderr))
        rag.sync(bars)
    return rag


def plain(text: str, style: str = "") -> str:
    """Return HTML that shows the text as it is."""
    return f'<div style="{PLAIN}; {style}">{escape(text)}</div>'


def waiting(turn: Turn, texts: Texts) -> str:
    said = {
        "queued": texts.queued.format(place=turn.place),
        "searching": texts.searching,
        "reading": f"{texts.reading.format(count=len(turn.hits))} … {turn.read:.0%}",
    }
    return said.get(turn.phase, "")


def show_sources(answer: Answer, texts: Texts) -> None:
    """Show what was cited or, where nothing was found, the passages that came nearest."""
    labels = LABELS[texts.code]
    found = [(f"[{each.marker}] {place(each, labels)}", each.quote) for each in answer.citations]
    if answer.refused:
        found = [(place(hit.passage, labels), snippet(hit)) for hit in answer.hits]
    if found:
        with st.expander(texts.nearest if answer.refused else texts.sources_of.format(count=len(found))):
            for name, quote in found:
                st.html(plain(name, "font-weight: 600") + plain(quote, QUOTE))


def show(turn: Turn, texts: Texts) -> None:
    """Show a turn of the conversation that has ended."""
    with st.chat_message("user"):
        st.html(plain(turn.question))
    with st.chat_message("assistant"):
        st.empty()  # the place of what `ask` waits for: on another, what is below would be shown twice
        st.html(plain(turn.text))
        conclude(turn, texts)


def conclude(turn: Turn, texts: Texts) -> None:
    if turn.error:
        st.html(plain(f"{texts.failed} {told(turn.error, texts)}"))
    if turn.phase == "stopped":
        st.caption(texts.stopped)
    if turn.searched_for:
        st.html(plain(texts.searched_for.format(question=turn.searched_for), FAINT))
    if turn.answer:
        show_sources(turn.answer, texts)


def ask(question: str, turns: list[Turn], texts: Texts) -> None:
    """Answer and show it word by word; what Streamlit's Stop button ends, `closing` ends in the engine."""
    history = [turn.answer for turn in turns if turn.answer]
    turn = Turn(number=len(turns) + 1, question=question)
    turns.append(turn)
    with st.chat_message("user"):
        st.html(plain(question))
    with st.chat_message("assistant"):
        status, text = st.empty(), st.empty()
        status.caption(waiting(turn, texts))
        try:
            with closing(open_rag().stream(question, history=history)) as events:
                for event in events:
                    turns[-1] = turn = advance(turn, event)
                    status.caption(waiting(turn, texts))
                    text.html(plain(turn.text))
        except RagError as exc:
            turns[-1] = turn = fail(turn, str(exc))
        finally:
            turns[-1] = stop(turn)
        status.empty()
        conclude(turn, texts)


def main() -> None:
    st.set_page_config(page_title="Kaoju 考据")
    texts = texts_for(st.context.locale or "")
    turns: list[Turn] = st.session_state.setdefault("turns", [])
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.title("Kaoju 考据")
    if right.button(texts.clear, width="stretch"):
        turns.clear()
    st.caption(texts.empty_text)
    try:
        open_rag()
    except RagError as exc:
        st.html(plain(told(str(exc), texts)))
        st.stop()
    for turn in turns:
        show(turn, texts)
    if question := st.chat_input(texts.placeholder):
        ask(question, turns, texts)


if st.runtime.exists():
    main()
elif __name__ == "__main__":
    run(["run", __file__])  # as `streamlit run` does
