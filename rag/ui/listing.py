"""The documents as HTML: how far a sync is, totals, and a row for each file. All text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final

from rag.bars import duration
from rag.datatypes import DocumentState, Progress
from rag.ui.texts import Texts, counted, told

MOST_ROWS: Final = 200  # a list of thousands would make the page slow
MORE_ROWS: Final = 500
NOTES_OPEN: Final = 1  # so many are shown without a click
UNITS: Final = ("B", "KB", "MB", "GB")


@dataclass(slots=True)
class View:
    """What a reader has asked to see of the list."""

    find: str = ""  # in names, reasons and notes
    most: int = MOST_ROWS


def documents(
    states: Sequence[DocumentState],
    texts: Texts,
    *,
    folder: str,
    limit: int,
    view: View,
    ignored: int = 0,
    read: Progress | None = None,
) -> str:
    """Return the totals and the rows that `view` asks for; `limit` is the largest upload in megabytes.

    `read` tells how far the LLM has read the passages before anyone asks.
    """
    head = _about(texts, folder, limit)
    if not states:
        return f'{head}<p class="none">{texts.no_documents}</p>'
    found = [state for state in states if _matches(state, view.find, texts)]
    rows = "".join(_document(state, texts) for state in found[: view.most])
    listed = f'<ul class="docs">{rows}</ul>' if rows else f'<p class="none">{texts.none_found}</p>'
    return f"{head}{_totals(states, texts, ignored, read)}{listed}{_more(len(found), view, texts)}"


def _about(texts: Texts, folder: str, limit: int) -> str:
    """Return where the documents lie and how to add some, with what page.js says of a file too large."""
    about = texts.documents_text.format(folder=f"<code>{escape(folder)}</code>")
    large = escape(texts.too_large.format(name="{name}", limit=limit, folder=folder))
    return (
        f'<p class="about" data-limit="{limit}" data-too-large="{large}">{about}'
        f' <span class="drop">{texts.drop.format(limit=limit)}</span></p>'
    )


def notices(said: Sequence[str]) -> str:
    """Return what was just done, a line each."""
    return "".join(f'<p class="notice" role="status">{escape(notice)}</p>' for notice in said)


def _matches(state: DocumentState, find: str, texts: Texts) -> bool:
    wanted = find.casefold().split()
    if not wanted:
        return True
    shown = [told(said, texts) for said in (state.reason, *state.notes)]
    text = "\n".join([state.source, *shown]).casefold()
    return all(word in text for word in wanted)


def _totals(states: Sequence[DocumentState], texts: Texts, ignored: int, read: Progress | None) -> str:
    failed = sum(state.state == "failed" for state in states)
    noted = sum(bool(state.notes) for state in states)
    parts = [
        ("all", texts.total_file, texts.total_files, len(states)),
        ("ready", texts.total_ready, texts.total_ready, len(states) - failed),
        ("failed", texts.total_failed, texts.total_failed, failed),
        ("noted", texts.total_noted, texts.total_noted, noted),
        ("all", texts.passage, texts.passages, sum(state.passages for state in states)),
        ("all", texts.total_ignored, texts.total_ignored, ignored),
    ]
    shown = "".join(
        f'<span class="{kind}">{counted(count, one, many)}</span>'
        for kind, one, many, count in parts
        if count
    )
    ahead = (
        f'<span class="all">{texts.read_ahead.format(done=read.done, total=read.total)}</span>'
        if read
        else ""
    )
    return f'<p class="totals">{shown}{ahead}</p>'


def _more(count: int, view: View, texts: Texts) -> str:
    if count <= view.most:
        return ""
    said = texts.rows_shown.format(shown=f"{view.most:,}", count=f"{count:,}")
    button = f'<button type="button" class="more" data-event="more">{texts.show_more}</button>'
    return f'<p class="rest"><span>{said}</span>{button}</p>'


def _document(state: DocumentState, texts: Texts) -> str:
    name = escape(state.source)
    kind = "failed" if state.state == "failed" else "noted" if state.notes else "indexed"
    label = {
        "failed": texts.state_failed,
        "noted": texts.state_noted,
        "indexed": texts.state_indexed,
    }[kind]
    confirm = escape(texts.confirm_delete.format(name=state.source))
    return (
        f'<li class="{kind}"><div><b>{name}</b><small>{_facts(state, texts)}</small>'
        f"{_said(state, texts)}</div>"
        f'<span class="state">{label}</span>'
        f'<button type="button" class="delete" data-event="delete" data-name="{name}"'
        f' data-confirm="{confirm}" aria-label="{texts.delete} {name}">{texts.delete}</button></li>'
    )


def _facts(state: DocumentState, texts: Texts) -> str:
    parts = [_size(state.size)]
    if state.state == "indexed":
        parts.append(counted(state.passages, texts.passage, texts.passages))
    if state.synced_at:
        read = datetime.fromtimestamp(state.synced_at, UTC).astimezone()
        parts.append(texts.read_at.format(time=read.strftime("%Y-%m-%d %H:%M")))
    return " · ".join(parts)


def _said(state: DocumentState, texts: Texts) -> str:
    """Return why a file failed, or its notes: the first ones at once, many behind a click."""
    reason = f'<p class="reason">{escape(told(state.reason, texts))}</p>' if state.reason else ""
    notes = [f'<p class="note">{escape(told(note, texts))}</p>' for note in state.notes]
    if len(notes) <= NOTES_OPEN:
        return reason + "".join(notes)
    summary = f"<summary>{texts.notes.format(count=len(notes))}</summary>"
    return f'{reason}<details class="notes">{summary}{"".join(notes)}</details>'


def _size(size: float) -> str:
    for unit in UNITS[:-1]:
        if size < 1000:  # noqa: PLR2004 (SI units)
            return f"{size:.0f} {unit}" if unit in UNITS[:2] else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {UNITS[-1]}"


def progress(event: Progress | None, texts: Texts) -> str:
    """Return how far a sync has come; without an event, that it begins."""
    stage = _stage(event.stage, texts) if event else texts.syncing
    item = f"<span>{escape(told(event.item, texts))}</span>" if event and event.item else ""
    if event is None or not event.total:
        return f'<div class="progress"><p>{stage} {item}</p><progress></progress></div>'
    figures = " · ".join([f"{event.done:,.0f} / {event.total:,.0f}", *_pace(event, texts)])
    return (
        f'<div class="progress"><p>{stage} {item}<small>{figures}</small></p>'
        f'<progress max="{event.total:.0f}" value="{event.done:.0f}"></progress></div>'
    )


def _pace(event: Progress, texts: Texts) -> list[str]:
    parts = []
    if event.passages:
        parts.append(counted(event.passages, texts.passage, texts.passages))
        parts.append(texts.pace.format(rate=f"{event.rate:.0f}"))
    if event.left is not None:
        parts.append(texts.time_left.format(time=duration(event.left)))
    if event.failed:
        parts.append(texts.total_failed.format(count=f"{event.failed:,}"))
    return parts


def _stage(stage: str, texts: Texts) -> str:
    """Return the name of a sync's stage in the page's language; one that is not known stays as it is."""
    known = {"Reading documents": texts.stage_reading, "Comparing documents": texts.stage_comparing}
    return known.get(stage, escape(stage))
