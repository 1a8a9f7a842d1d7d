"""The passages behind each answer as HTML cards, the words an answer used marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from rag.datatypes import Citation, Hit
from rag.ui.markup import shorten
from rag.ui.texts import Texts
from rag.ui.turns import Turn


def sources(turns: Sequence[Turn], texts: Texts) -> str:
    """Return one group of cards per turn, the last one shown."""
    with_cards = [turn for turn in turns if turn.hits or turn.citations]
    if not with_cards:
        return f'<h2>{texts.sources}</h2><p class="none">{texts.sources_empty}</p>'
    groups: list[str] = []
    for turn in with_cards:
        cards = "".join(_groups(turn, texts))
        hidden = "" if turn is with_cards[-1] else " hidden"
        about = f'<p class="of">{escape(shorten(turn.question))}</p>'
        groups.append(f'<section class="group" data-turn="{turn.number}"{hidden}>{about}{cards}</section>')
    close = f'<button type="button" class="close" aria-label="{texts.close}">×</button>'
    return f"<h2>{texts.sources}{close}</h2>{''.join(groups)}"


def _groups(turn: Turn, texts: Texts) -> Iterator[str]:
    cited = {citation.marker for citation in turn.citations}
    first = [hit for hit in turn.hits if hit.marker in cited]
    refused = turn.answer is not None and turn.answer.refused
    others = [hit for hit in turn.hits if hit.marker and hit.marker not in cited]
    unread = [hit for hit in turn.hits if not hit.marker]
    yield _group(texts.cited, first, turn, texts, shown=True)
    if refused:
        yield _group(texts.nearest, others + unread, turn, texts, shown=False)
        return
    yield _group(texts.not_cited if turn.finished else "", others, turn, texts, shown=False)
    yield _group(texts.not_used, unread, turn, texts, shown=False)


def _group(title: str, hits: Sequence[Hit], turn: Turn, texts: Texts, *, shown: bool) -> str:
    if not hits:
        return ""
    heading = f"<h3>{title}</h3>" if title else ""
    return heading + "".join(_card(hit, turn, texts, shown=shown) for hit in hits)


def _card(hit: Hit, turn: Turn, texts: Texts, *, shown: bool) -> str:
    passage = hit.passage
    page = f"<small>{texts.page.format(page=passage.page)}</small>" if passage.page is not None else ""
    heading = f'<p class="heading">{escape(passage.heading)}</p>' if passage.heading else ""
    below = f"<i>{escape(passage.heading.rsplit(' > ', 1)[-1])}</i>" if passage.heading else ""
    number = f'<span class="number">{hit.marker}</span>' if hit.marker else ""
    scores = " · ".join(_scores(hit, texts))
    return (
        f'<details class="card{"" if shown else " quiet"}" data-turn="{turn.number}"'
        f' data-marker="{hit.marker}"{" open" if shown else ""}>'
        f"<summary>{number}<b>{escape(passage.source)}</b>{below}{page}</summary>"
        f"{heading}<blockquote>{marked(hit, turn.citations)}</blockquote>"
        f'<p class="scores">{scores}</p></details>'
    )


def _scores(hit: Hit, texts: Texts) -> Iterator[str]:
    if hit.score:
        yield texts.score.format(value=f"{hit.score:.3f}")
    if hit.dense is not None:
        yield texts.score_dense.format(value=f"{hit.dense:.2f}")
    if hit.lexical is not None:
        yield texts.score_lexical.format(value=f"{hit.lexical:.1f}")


def marked(hit: Hit, citations: Sequence[Citation]) -> str:
    """Return the passage's text, escaped, with every quote that bears its marker inside `<mark>`."""
    text, position, pieces = hit.passage.text, 0, []
    for start, end in sorted(_spans(hit, citations)):
        start = max(start, position)
        if end <= start:
            continue
        pieces += [escape(text[position:start]), f"<mark>{escape(text[start:end])}</mark>"]
        position = end
    return "".join(pieces) + escape(text[position:])


def _spans(hit: Hit, citations: Sequence[Citation]) -> Iterator[tuple[int, int]]:
    for citation in citations:
        if citation.marker == hit.marker and citation.document == hit.passage.source:
            start = citation.start - hit.passage.start
            end = citation.end - hit.passage.start
            if 0 <= start < end <= len(hit.passage.text):
                yield start, end
