"""Turns as HTML. All of their text is data: escaped, with no link, image or tag of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import Any, Final

from rag.datatypes import Answer
from rag.scope import EVERYTHING
from rag.ui.account import account, nearest
from rag.ui.texts import Texts, counted, told
from rag.ui.turns import WAITING, Turn, shorten
from rag.ui.where import searched_in

MARKER: Final = re.compile(r"\[(\d{1,3}|\?)\]")


def conversation(turns: Sequence[Turn], texts: Texts) -> str:
    """Return the turns, oldest first."""
    return "".join(turn_html(turn, texts) for turn in turns)


def turn_html(turn: Turn, texts: Texts) -> str:
    """Return one question with what there is of its answer."""
    refused = " refused" if turn.answer and turn.answer.refused else ""
    busy = "" if turn.finished else " busy"
    return (
        f'<article class="turn {turn.phase}{refused}{busy}" data-turn="{turn.number}">'
        f'<h2 class="question">{escape(shorten(turn.question))}</h2>'
        f"{searched_in(turn.scope, texts)}"
        f"{_notice(turn, texts)}"
        f'<div class="answer" aria-live="polite" aria-busy="{str(not turn.finished).lower()}">'
        f"{answer_html(turn, texts)}</div>"
        f"{nearest(turn, texts)}{_footer(turn, texts)}{account(turn, texts)}</article>"
    )


def answer_html(turn: Turn, texts: Texts) -> str:
    """Return the answer's Markdown as HTML, its true markers as buttons; links, images and tags stay text."""
    known = {hit.marker for hit in turn.hits if hit.marker} | {found.marker for found in turn.citations}
    html: str = _markdown().render(turn.text, {"turn": turn.number, "known": known, "texts": texts})
    return html


@cache
def _markdown() -> Any:
    from markdown_it import MarkdownIt

    rules = ["link", "image", "autolink", "html_inline", "html_block", "reference", "entity"]
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").disable(rules)
    markdown.add_render_rule("text", _text_with_chips)
    return markdown


def _text_with_chips(_renderer: Any, tokens: Any, index: int, _options: Any, env: Any) -> str:
    texts: Texts = env["texts"]

    def chip(found: re.Match[str]) -> str:
        if found[1] == "?":
            return f'<abbr class="unsure" tabindex="0" title="{escape(texts.unsupported)}">?</abbr>'
        marker = int(found[1])
        if marker not in env["known"]:
            return found[0]
        return (
            f'<button type="button" class="chip" data-turn="{env["turn"]}" data-marker="{marker}"'
            f' aria-label="{texts.sources} {marker}">{marker}</button>'
        )

    return MARKER.sub(chip, escape(tokens[index].content))


def _notice(turn: Turn, texts: Texts) -> str:
    if turn.phase == "failed":
        said = escape(told(turn.error, texts)) or texts.unexpected
        return f'<p class="notice error" role="alert"><b>{texts.failed}</b> {said}</p>'
    if turn.phase in WAITING:
        return _waiting(turn, texts)
    if turn.answer and turn.answer.refused:
        nothing = turn.scope != EVERYTHING and not turn.hits
        return f'<p class="notice">{texts.scope_empty if nothing else texts.refused}</p>'
    if turn.answer and turn.answer.unsupported:
        return f'<p class="notice unsupported">{texts.unsure}</p>'
    if turn.answer and not turn.citations:
        return f'<p class="notice unsupported">{texts.unsupported}</p>'
    return ""


def _waiting(turn: Turn, texts: Texts) -> str:
    said = {
        "queued": texts.queued.format(place=turn.place),
        "searching": texts.searching,
        "reading": _reading(turn, texts),
    }[turn.phase]
    elapsed = time.monotonic() - turn.started
    share = f'<progress value="{turn.read:.3f}"></progress>' if 0 < turn.read < 1 else ""
    return (
        f'<p class="waiting" role="status"><i></i>{said}{share}'
        f'<time data-elapsed="{elapsed:.2f}">{_seconds(elapsed, texts)}</time></p>'
    )


def _reading(turn: Turn, texts: Texts) -> str:
    if turn.step.is_one_of_several:
        return texts.reading_next.format(place=turn.step.place, count=turn.step.count)
    together = sum(1 for hit in turn.hits if hit.marker) or len(turn.hits)
    return counted(together, texts.reading_one, texts.reading)


def _footer(turn: Turn, texts: Texts) -> str:
    if turn.phase == "stopped":
        return f'<footer class="made">{texts.stopped}</footer>'
    if turn.answer is None:
        return ""
    show = ""
    if turn.hits or turn.citations:
        label = texts.sources_of.format(count=len(turn.hits) or len(turn.citations))
        show = f'<button type="button" class="show" data-turn="{turn.number}">{label}</button>'
    made = "".join(f"<span>{escape(part)}</span>" for part in _made(turn.answer, texts))
    return f'<footer class="made">{show}{made}</footer>'


def _made(answer: Answer, texts: Texts) -> list[str]:
    timings, usage = answer.timings, answer.usage
    parts = [part for part in (answer.model, answer.engine) if part]
    if timings.queued >= 0.1:  # noqa: PLR2004 (less is no queue)
        parts.append(texts.queue_time.format(seconds=_seconds(timings.queued, texts)))
    parts.append(texts.retrieve_time.format(seconds=_seconds(timings.retrieve, texts)))
    if usage.answer_tokens:
        parts.append(texts.first_time.format(seconds=_seconds(timings.first_token, texts)))
    parts.append(texts.total_time.format(seconds=_seconds(timings.total, texts)))
    if usage.prompt_tokens:
        parts.append(texts.tokens.format(prompt=usage.prompt_tokens, answer=usage.answer_tokens))
    if usage.cached_tokens:
        parts.append(texts.cached.format(count=usage.cached_tokens))
    return parts


def _seconds(value: float, texts: Texts) -> str:
    return texts.seconds.format(value=f"{value:.1f}")
