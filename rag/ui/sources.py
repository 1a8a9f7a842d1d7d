"""The passages behind each answer as HTML cards, the words an answer used marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from rag.datatypes import Citation, Hit, Passage
from rag.render import file_name, is_doubtful, page_range
from rag.ui.originals import address
from rag.ui.texts import Texts
from rag.ui.turns import Turn, shorten

LINE: Final = re.compile(r"[^\n]+")
ROW: Final = re.compile(r"^\s*\||\S(?: \| |\t+)\S|[:：][^;；\n]*[;；][^:：;；\n]*[:：]")
RULE: Final = re.compile(r"[\s|:-]*-[\s|:-]*")  # between the header and the rows of a Markdown table


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
        if turn.searched_for:
            searched = texts.searched_for.format(question=turn.searched_for)
            about += f'<p class="of searched">{escape(searched)}</p>'
        groups.append(f'<section class="group" data-turn="{turn.number}"{hidden}>{about}{cards}</section>')
    close = f'<button type="button" class="close" aria-label="{texts.close}">×</button>'
    return f"<h2>{texts.sources}{close}</h2>{''.join(groups)}"


def _groups(turn: Turn, texts: Texts) -> Iterator[str]:
    cited = {citation.marker for citation in turn.citations}
    first = [hit for hit in turn.hits if hit.marker in cited]
    refused = turn.answer is not None and turn.answer.refused
    read = [hit for hit in turn.hits if hit.marker or hit.left_out == "doubted"]
    others = [hit for hit in read if hit.marker not in cited]
    unread = [hit for hit in turn.hits if hit not in read]
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
    name = escape(file_name(passage))
    stands = place_of(hit, turn.citations, texts)
    place = f'<small title="{escape(stands)}">{escape(stands)}</small>' if stands else ""
    titles = [
        title for title in passage.heading.split(" > ") if title not in {"", *passage.part.split(" › ")}
    ]
    heading = f'<p class="heading">{escape(" > ".join(titles))}</p>' if titles else ""
    below = f"<i>{escape(titles[-1])}</i>" if titles else ""
    number = f'<span class="number">{hit.marker}</span>' if hit.marker else ""
    scores = " · ".join(_scores(hit, texts))
    return (
        f'<details class="card{"" if shown else " quiet"}" data-turn="{turn.number}"'
        f' data-place="{turn.hits.index(hit) + 1}" data-marker="{hit.marker}"{" open" if shown else ""}>'
        f'<summary>{number}<b title="{name}">{name}</b>{below}{place}</summary>'
        f"{heading}{_remarks(passage, texts)}{_quotation(hit, turn.citations)}{_look(hit, turn, texts)}"
        f'<p class="scores">{scores}</p></details>'
    )


def _look(hit: Hit, turn: Turn, texts: Texts) -> str:
    """Return the button that shows the original page, if the passage stands in a PDF or image by itself."""
    passage = hit.passage
    if passage.part or not passage.regions:
        return ""
    cited = [(each.start, each.end) for each in turn.citations if _is_of(each, hit) and each.boxes]
    where = address(passage.source, cited or [(passage.start, passage.end)], digest=passage.digest)
    return (
        f'<button type="button" class="look" aria-expanded="false" data-failed="{escape(texts.look_failed)}"'
        f' data-hide="{escape(texts.look_hide)}" data-picture="{escape(where)}">'
        f"{texts.look}</button>"
    )


def place_of(hit: Hit, citations: Sequence[Citation], texts: Texts) -> str:
    """Return the cells, the pages that are quoted, or those of the whole passage."""
    passage = hit.passage
    if passage.cells:
        return passage.cells if "!" in passage.cells else texts.cells.format(cells=passage.cells)
    quoted = [citation.page for citation in citations if _is_of(citation, hit) and citation.page]
    first, last = (min(quoted), max(quoted)) if quoted else page_range(passage)
    if first is None:
        return ""
    one, several = {
        "page": (texts.page, texts.pages),
        "slide": (texts.slide, texts.slides),
        "sheet": (texts.sheet, texts.sheet),
    }[passage.unit]
    return one.format(page=first) if first == last else several.format(page=first, last=last)


def _remarks(passage: Passage, texts: Texts) -> str:
    doubtful = f'<p class="doubtful">{texts.doubtful}</p>' if is_doubtful(passage) else ""
    names = escape(", ".join(passage.also))
    return doubtful + (f'<p class="also">{texts.also.format(names=names)}</p>' if names else "")


def _scores(hit: Hit, texts: Texts) -> Iterator[str]:
    if hit.score:
        yield texts.score.format(value=f"{hit.score:.3f}")
    if hit.dense is not None:
        yield texts.score_dense.format(value=f"{hit.dense:.2f}")
    if hit.lexical is not None:
        yield texts.score_lexical.format(value=f"{hit.lexical:.1f}")


def _quotation(hit: Hit, citations: Sequence[Citation]) -> str:
    """Return the passage with its quotes marked; the rows of a table stand apart."""
    text = hit.passage.text
    lines = [match.span() for match in LINE.finditer(text)]
    rows = {line for line in lines if ROW.search(text, *line)}
    if 2 * len(rows) <= len(lines):
        return f"<blockquote>{marked(hit, citations)}</blockquote>"
    shown = "".join(
        f"<{tag}>{marked(hit, citations, *line)}</{tag}>"
        for line in lines
        for tag in ["span" if line in rows else "p"]
        if not RULE.fullmatch(text, *line)
    )
    return f'<blockquote class="rows">{shown}</blockquote>'


def marked(hit: Hit, citations: Sequence[Citation], start: int = 0, end: int | None = None) -> str:
    """Return the passage's text from `start` to `end`, escaped, every quote with its marker in `<mark>`."""
    text, pieces = hit.passage.text[:end], []
    for first, last in sorted(_spans(hit, citations)):
        first, last = max(first, start), min(last, len(text))
        if first < last:
            pieces += [escape(text[start:first]), f"<mark>{escape(text[first:last])}</mark>"]
            start = last
    return "".join(pieces) + escape(text[start:])


def _spans(hit: Hit, citations: Sequence[Citation]) -> Iterator[tuple[int, int]]:
    for citation in citations:
        if _is_of(citation, hit):
            start = citation.start - hit.passage.start
            end = citation.end - hit.passage.start
            if 0 <= start < end <= len(hit.passage.text):
                yield start, end


def _is_of(citation: Citation, hit: Hit) -> bool:
    return citation.marker == hit.marker and citation.document == hit.passage.source
