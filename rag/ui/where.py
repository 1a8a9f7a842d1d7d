"""Where to search, as HTML: what is chosen, and the folders, files, types and days to choose from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from html import escape
from pathlib import PurePosixPath
from typing import Final, Literal, TypeAlias

from rag.datatypes import DocumentState, Scope
from rag.scope import EVERYTHING, admits, as_named, literal
from rag.ui.texts import Texts

Kind: TypeAlias = Literal["place", "type", "since", "until"]
MOST_PLACES: Final = 60  # listed at once; any other is found by its name
MOST_TYPES: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that was chosen."""

    kind: Kind
    value: str
    label: str


def parts(scope: Scope, texts: Texts) -> Iterator[Part]:
    """Yield what is chosen; nothing where everything is searched."""
    for place in scope.places:
        yield Part(kind="place", value=place, label=as_named(place))
    for ending in scope.types:
        yield Part(kind="type", value=ending, label=f".{ending}")
    if scope.since:
        yield Part(kind="since", value="", label=texts.since.format(day=scope.since))
    if scope.until:
        yield Part(kind="until", value="", label=texts.until.format(day=scope.until))


def changed(scope: Scope, kind: str, value: str, *, on: bool) -> Scope:
    """Return the scope with one thing chosen, or no longer; of another kind: everything."""
    if kind == "place":
        return replace(scope, places=_with(scope.places, value, on=on))
    if kind == "type":
        return replace(scope, types=_with(scope.types, value, on=on))
    if kind == "since":
        return replace(scope, since=_day(value))
    if kind == "until":
        return replace(scope, until=_day(value))
    return EVERYTHING


def _with(values: tuple[str, ...], value: str, *, on: bool) -> tuple[str, ...]:
    others = tuple(each for each in values if each != value)
    return (*others, value) if on else others


def _day(said: str) -> date | None:
    try:
        return date.fromisoformat(said)
    except ValueError:
        return None


def searched_in(scope: Scope, texts: Texts) -> str:
    """Return the line below a question that says where was searched; "" for everywhere."""
    names = " · ".join(part.label for part in parts(scope, texts))
    return f'<p class="searched-in">{escape(texts.searched_in.format(names=names))}</p>' if names else ""


def chosen(scope: Scope, states: Sequence[DocumentState], texts: Texts) -> str:
    """Return the button that opens the choice, and each thing that is chosen with what removes it."""
    sources = _indexed(states)
    chips = "".join(_chip(part, sources, texts) for part in parts(scope, texts))
    everything = "" if chips else f" <b>{texts.scope_all}</b>"
    return (
        f'<div><button type="button" class="where" data-event="choose" aria-expanded="false"'
        f' aria-haspopup="dialog" aria-controls="scope-panel">{texts.scope}{everything}</button>'
        + (f'<ul aria-label="{texts.scope}">{chips}</ul></div>' if chips else "</div>")
    )


def _chip(part: Part, sources: Sequence[str], texts: Texts) -> str:
    label = escape(part.label)
    gone = "" if not sources or _is_anywhere(part, sources) else f"<em>{texts.scope_gone}</em>"
    return (
        f'<li{" class=gone" if gone else ""}><span title="{label}">{label}</span>{gone}'
        f'<button type="button" data-event="unpick" data-kind="{part.kind}" data-value="{escape(part.value)}"'
        f' aria-label="{texts.scope_remove.format(name=label)}">×</button></li>'
    )


def _is_anywhere(part: Part, sources: Sequence[str]) -> bool:
    alone = changed(EVERYTHING, part.kind, part.value, on=True)
    return part.kind in {"since", "until"} or any(admits(alone, source) for source in sources)


def choices(scope: Scope, states: Sequence[DocumentState], texts: Texts, *, find: str = "") -> str:
    """Return the folders and files whose names have the words of `find`, and every type."""
    sources = _indexed(states)
    return _places(scope, sources, texts, find) + _types(scope, sources, texts)


def _indexed(states: Iterable[DocumentState]) -> list[str]:
    return [state.source for state in states if state.state == "indexed"]


def _places(scope: Scope, sources: Sequence[str], texts: Texts, find: str) -> str:
    folders = _folders(sources)
    wanted = find.casefold().split()
    names = [*sorted(folders, key=lambda name: (name.count("/"), name)), *sorted(sources)]
    found = [name for name in names if all(word in name.casefold() for word in wanted)]
    rows = "".join(
        _box("place", place, name, folders.get(name, 0), checked=place in scope.places)
        for name in found[:MOST_PLACES]
        for place in [literal(name)]
    )
    listed = f"<ul>{rows}</ul>" if rows else f'<p class="none">{texts.none_found}</p>'
    more = texts.rows_shown.format(shown=f"{MOST_PLACES:,}", count=f"{len(found):,}")
    rest = f'<p class="rest">{more}</p>' if len(found) > MOST_PLACES else ""
    return _group("places", texts.scope_places, listed + rest)


def _folders(sources: Iterable[str]) -> Counter[str]:
    """Return each folder, with a slash at its end, and how many documents are in it."""
    counts: Counter[str] = Counter()
    for source in sources:
        end = source.find("/")
        while end >= 0:
            counts[source[: end + 1]] += 1
            end = source.find("/", end + 1)
    return counts


def _types(scope: Scope, sources: Iterable[str], texts: Texts) -> str:
    endings = Counter(PurePosixPath(source).suffix[1:].lower() for source in sources)
    del endings[""]
    rows = "".join(
        _box("type", ending, f".{ending}", count, checked=ending in scope.types)
        for ending, count in endings.most_common(MOST_TYPES)
    )
    return _group("types", texts.scope_types, f"<ul>{rows}</ul>") if rows else ""


def _box(kind: Kind, value: str, name: str, count: int, *, checked: bool) -> str:
    number = f"<small>{count:,}</small>" if count else ""
    return (
        f'<li><label><input type="checkbox" data-event="pick" data-kind="{kind}" data-value="{escape(value)}"'
        f"{' checked' if checked else ''}><span>{escape(name)}</span>{number}</label></li>"
    )


def days(scope: Scope, texts: Texts) -> str:
    """Return the fields for the first and the last day, and the buttons that end the choice."""
    fields = _date("since", scope.since, texts.scope_since) + _date("until", scope.until, texts.scope_until)
    return (
        _group("days", texts.scope_days, fields)
        + f'<p class="ends"><button type="button" data-event="unpick" data-kind="all">{texts.scope_clear}'
        f'</button><button type="button" class="done">{texts.close}</button></p>'
    )


def _date(kind: Kind, day: date | None, label: str) -> str:
    value = day.isoformat() if day else ""
    return f'<label>{label} <input type="date" data-event="pick" data-kind="{kind}" value="{value}"></label>'


def _group(name: str, legend: str, inside: str) -> str:
    return f'<fieldset class="{name}"><legend>{legend}</legend>{inside}</fieldset>'
