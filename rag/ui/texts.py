"""What the web page says: a name for each text, so that no language forgets one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rag.chinese import in_chinese

Language: TypeAlias = Literal["en", "zh"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The page in one language; names in braces are filled in when shown."""

    code: Language
    tagline: str
    nav_ask: str
    nav_documents: str
    switch_theme: str
    placeholder: str
    ask: str
    stop: str
    clear: str
    empty_title: str
    empty_text: str
    empty_index: str
    examples: tuple[str, ...]
    queued: str
    searching: str
    reading_one: str
    reading: str
    reading_next: str
    stopped: str
    refused: str
    unsupported: str
    unsure: str
    failed: str
    unexpected: str
    sources: str
    sources_of: str
    sources_empty: str
    searched_for: str
    searched_in: str
    scope: str
    scope_all: str
    scope_find: str
    scope_places: str
    scope_types: str
    scope_days: str
    scope_since: str
    scope_until: str
    scope_clear: str
    scope_remove: str
    scope_gone: str
    scope_empty: str
    since: str
    until: str
    cited: str
    not_cited: str
    not_used: str
    nearest: str
    page: str
    pages: str
    slide: str
    slides: str
    sheet: str
    cells: str
    look: str
    look_hide: str
    look_failed: str
    doubtful: str
    also: str
    score: str
    score_dense: str
    score_lexical: str
    queue_time: str
    retrieve_time: str
    first_time: str
    total_time: str
    tokens: str
    cached: str
    seconds: str
    add_files: str
    rescan: str
    documents_text: str
    drop: str
    too_large: str
    no_documents: str
    state_indexed: str
    state_failed: str
    passage: str
    passages: str
    delete: str
    confirm_delete: str
    deleted: str
    kept: str
    same: str
    syncing: str
    stage_reading: str
    stage_comparing: str
    pace: str
    time_left: str
    find: str
    none_found: str
    total_file: str
    total_files: str
    total_ready: str
    total_failed: str
    total_noted: str
    total_ignored: str
    read_ahead: str
    state_noted: str
    read_at: str
    notes: str
    rows_shown: str
    show_more: str
    synced: str
    close: str


def counted(number: int, one: str, many: str) -> str:
    """Return the text for one or for many, with their number."""
    return (one if number == 1 else many).format(count=f"{number:,}")


def told(said: str, texts: Texts) -> str:
    """Return a reason, a note or an error, which are made in English, in the page's language."""
    return in_chinese(said) if texts.code == "zh" else said
