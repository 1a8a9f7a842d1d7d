"""Why an answer is as it is, folded below it, and what is nearest to a question that was refused."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rag.datatypes import Hit
from rag.render import file_name, snippet
from rag.render.labels import LABELS, Labels, Term
from rag.render.why import Why, refusal, why
from rag.ui.sources import place_of
from rag.ui.texts import Texts
from rag.ui.turns import Turn

MOST_NEAR = 4  # passages below a refusal; the sources have them all


def nearest(turn: Turn, texts: Texts) -> str:
    """Return what a refused question has that no passage mentions, and the passages that come nearest."""
    if turn.answer is None or not turn.answer.refused:
        return ""
    said = "".join(
        f'<p class="unmentioned">{escape(each)}</p>' for each in refusal(turn.answer, LABELS[texts.code])
    )
    rows = "".join(
        f'<li><button type="button" class="near" data-turn="{turn.number}" data-place="{number}">'
        f"<b>{escape(file_name(hit.passage))}</b>{_stands(hit, texts)}"
        f"<span>{escape(snippet(hit))}</span></button></li>"
        for number, hit in enumerate(turn.hits[:MOST_NEAR], start=1)
    )
    listed = f'<h3>{texts.nearest}</h3><ul class="nearest">{rows}</ul>' if rows else ""
    return said + listed


def _stands(hit: Hit, texts: Texts) -> str:
    said = [place_of(hit, (), texts), hit.passage.heading.rpartition(" > ")[2]]
    return "".join(f"<small>{escape(each)}</small>" for each in said if each)


def account(turn: Turn, texts: Texts) -> str:
    """Return the folded account of an answer; "" while there is none."""
    if turn.answer is None:
        return ""
    labels = LABELS[texts.code]
    told = why(turn.answer, labels)
    remarks = "".join(f"<li>{escape(each)}</li>" for each in told.remarks)
    return (
        f'<details class="why"><summary>{labels.why}</summary>'
        + (f'<ul class="told">{remarks}</ul>' if remarks else "")
        + (_table(told) if told.rows else "")
        + f'<p class="times">{_times(told, labels)}</p></details>'
    )


def _table(told: Why) -> str:
    heads = "".join(f'<th scope="col">{_term(column)}</th>' for column in told.columns)
    rows = "".join(f"<tr>{_row(told.columns, row)}</tr>" for row in told.rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _row(columns: Sequence[Term], row: Sequence[str]) -> str:
    """Return the cells, each with its column's name for a screen too narrow for columns."""
    first, *others = zip(columns, row, strict=True)
    cells = "".join(f"<td>{_term(column)}<span>{escape(cell) or '–'}</span></td>" for column, cell in others)
    return f'<th scope="row">{escape(first[1])}</th>{cells}'


def _times(told: Why, labels: Labels) -> str:
    spent = " · ".join(f"{_term(term)} {escape(value)}" for term, value in told.times)
    return f"{labels.time}: {spent}" if labels.code == "en" else f"{labels.time}：{spent}"


def _term(term: Term) -> str:
    meant = escape(term.help)
    return f'<abbr tabindex="0" title="{meant}" data-help="{meant}">{escape(term.name)}</abbr>'
