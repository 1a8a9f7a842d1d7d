"""Which documents a question may be answered from: by folder, file, type and date."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from glob import escape
from pathlib import PurePosixPath
from typing import Final

from rag.datatypes import Passage, Scope
from rag.errors import InputError

EVERYTHING: Final = Scope()
ESCAPED: Final = re.compile(r"\[([*?[])\]")


def admits(scope: Scope, source: str, changed: date | None = None) -> bool:
    """Tell whether a document, last changed on that day, is in the scope; without a day dates don't count."""
    if scope.places and not any(_is_in(source, place) for place in scope.places):
        return False
    if scope.types and _ending(source) not in {kind.lstrip(".").lower() for kind in scope.types}:
        return False
    if changed is None:
        return True
    return (scope.since is None or scope.since <= changed) and (scope.until is None or changed <= scope.until)


def check_scope(scope: Scope, sources: Collection[str]) -> None:
    """Refuse a place or type that no document has.

    Raises:
        InputError: names it, and what was perhaps meant.
    """
    for place in scope.places:
        if not any(_is_in(source, place) for source in sources):
            raise InputError(f"no indexed document is in {place!r}{_meant(place, _places(sources))}")
    endings = {_ending(source) for source in sources}
    for kind in scope.types:
        if kind.lstrip(".").lower() not in endings:
            known = ", ".join(sorted(filter(None, endings)))
            raise InputError(f"no indexed document is of type {kind!r}; there are: {known}")
    if scope.since and scope.until and scope.since > scope.until:
        raise InputError(f"no day lies between {scope.since} and {scope.until}; swap them")


def under_its_name(passage: Passage, scope: Scope) -> Passage:
    """Return the passage under the name that is in the scope, where equal files have several."""
    names = (passage.source, *passage.also)
    first = next((name for name in names if admits(scope, name)), passage.source)
    return replace(passage, source=first, also=tuple(name for name in names if name != first))


def day_of(mtime_ns: int) -> date:
    """Return the day of a file's time of change, here."""
    return datetime.fromtimestamp(mtime_ns / 1e9, tz=UTC).astimezone().date()


def literal(path: str) -> str:
    """Return the place that is this file or folder alone, whatever signs of a pattern its name has."""
    return escape(path) if "/" in path else f"./{escape(path)}"  # without a slash it would be a name anywhere


def as_named(place: str) -> str:
    """Return what `literal` was given, or a pattern as it is."""
    return ESCAPED.sub(r"\1", place.removeprefix("./"))


def _is_in(source: str, place: str) -> bool:
    """A place is a file, a folder or a pattern; a name without a slash ("./a" has one) may be anywhere."""
    wanted = place.removeprefix("./").rstrip("/")
    if wanted in {"", ".", source} or source.startswith(f"{wanted}/"):
        return True
    if fnmatchcase(source, wanted) or fnmatchcase(source, f"{wanted}/*"):
        return True
    name = PurePosixPath(source).name
    return "/" not in place.rstrip("/") and (name == wanted or fnmatchcase(name, wanted))


def _ending(source: str) -> str:
    return PurePosixPath(source).suffix[1:].lower()


def _places(sources: Iterable[str]) -> set[str]:
    parents = {f"{parent}/" for source in sources for parent in PurePosixPath(source).parents[:-1]}
    return {*sources, *parents}


def _meant(place: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(place, sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else "; `rag status` lists them all"
