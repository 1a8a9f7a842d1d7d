"""Subtitles (SubRip, WebVTT, SBV): what is said, as paragraphs below the time at which it begins."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rag.errors import LoadError
from rag.load.content import CJK, Content, ContentBuilder
from rag.load.plain.encoding import decode_noted
from rag.load.plain.text import plain_text
from rag.load.source import Source

TIME: Final = r"((?:\d{1,3}:)?\d{1,2}:\d{1,2})"
EXACT: Final = rf"{TIME}[,.]\d{{1,3}}"
CUE: Final = re.compile(rf"[ \t]*(?:{TIME}(?:[,.:]\d{{1,4}})?[ \t]*-->[ \t]*{TIME}|{EXACT},{EXACT}[ \t]*$)")
ARROW: Final = "-->"
SPEAKER: Final = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]+([^<>]{1,80})>")
TAG: Final = re.compile(r"</?[a-zA-Z0-9][^<>\n]{0,200}>|\{\\[^{}\n]{0,200}\}")
ENDS: Final = re.compile(r"[.!?。！？…][\"'”’」』)）]*$")
BETWEEN_CJK: Final = re.compile(rf"[{CJK}\u3000-\u303f\uff00-\uffef]")
WORD_END: Final = re.compile(r"\s|[.,!?;:…。，！？；：]|$")
SECTION: Final = 300  # seconds below one heading
PAUSE: Final = 4  # seconds of silence that end a paragraph
ROLLED: Final = (3, 2, 1)  # lines that captions made live show once more
AT_ONCE: Final = 1  # seconds at most until a cue that repeats what it follows
LONG: Final = 400  # characters from which on a paragraph ends with its sentence
TOO_LONG: Final = 1200  # characters after which it ends anyway


@dataclass(frozen=True, slots=True)
class Cue:
    start: int  # seconds
    end: int
    lines: tuple[str, ...]
    is_untimed: bool = False  # its times could not be read: they are those of the cue before it

    @property
    def text(self) -> str:
        return " ".join(self.lines)


def read_subtitles(source: Source) -> Content:
    """Read subtitles, a line that the next cue repeats once; a text without cues is read as it is written.

    Raises:
        LoadError: when it is WebVTT without a cue.
    """
    decoded = decode_noted(source.data)
    cues = list(_cues(decoded.text))
    untimed = sum(cue.is_untimed for cue in cues)
    if untimed == len(cues):
        return _without_cues(source)
    builder = ContentBuilder()
    for note in decoded.notes:
        builder.note(note)
    if untimed:
        builder.note(f"the times of {untimed:,} of its cues are damaged: they stand below those before them")
    section = -1
    for start, text in _paragraphs(iter(cues)):
        if start // SECTION > section:
            section = start // SECTION
            builder.add_heading(1, _clock(start))
        builder.add(text)
    return builder.build()


def _without_cues(source: Source) -> Content:
    text, notes = plain_text(source)
    if text.startswith("WEBVTT"):
        raise LoadError("there are no subtitles in it: no line with two times was found")
    return Content(text=text, notes=(*notes, "no line with two times was found: it was read as plain text"))


def _cues(text: str) -> Iterator[Cue]:
    """Yield the cues; a blank line ends one of WebVTT, where notes may follow, and no other."""
    times, last = None, (0, 0)
    is_untimed = is_number = after_blank = False
    lines: list[str] = []
    blank_ends = text.startswith("WEBVTT")
    for line in [*text.splitlines(), None]:
        said = "" if line is None else line
        found = CUE.match(said)
        is_damaged = found is None and ARROW in said
        if found or is_damaged or line is None or (blank_ends and _is_blank(said, lines)):
            if is_number and lines:
                lines.pop()  # of the cue that begins here
            if times and lines:
                yield Cue(*times, tuple(map(html.unescape, lines)), is_untimed)
            lines = []
            last = times or last
            times = _times(found) if found else last if is_damaged else None
            is_untimed = is_damaged
        elif times:
            spoken = TAG.sub("", SPEAKER.sub(r"\1: ", said)).strip()
            lines += [spoken] if spoken else []
        is_number = after_blank and said.strip().isdigit()
        after_blank = not said.strip()


def _is_blank(line: str, before: list[str]) -> bool:
    """Say whether a line ends a cue of WebVTT: one of spaces may also begin it, as of captions made live."""
    return not line or (not line.strip() and bool(before))


def _times(cue: re.Match[str]) -> tuple[int, int]:
    start, end = filter(None, cue.groups())
    return _seconds(start), _seconds(end)


def _seconds(clock: str) -> int:
    seconds = 0
    for part in clock.split(":"):
        seconds = 60 * seconds + int(part)
    return seconds


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _paragraphs(cues: Iterator[Cue]) -> Iterator[tuple[int, str]]:
    begun, last, text = 0, Cue(0, 0, ()), ""
    for cue in cues:
        if text and (
            cue.start - last.end >= PAUSE or _is_full(text) or cue.start // SECTION > begun // SECTION
        ):
            yield begun, text
            text = ""
        begun = begun if text else cue.start
        text = _continued(text, last, cue)
        last = cue
    if text:
        yield begun, text


def _is_full(text: str) -> bool:
    return len(text) > TOO_LONG or (len(text) > LONG and bool(ENDS.search(text[-4:])))


def _continued(text: str, last: Cue, cue: Cue) -> str:
    """Return a paragraph that ends with `last` as `cue` goes on with it, which may repeat what it follows."""
    follows = cue.start - last.end <= AT_ONCE
    rest = _unsaid(last, cue) if follows else cue.text
    goes_on_within = rest != cue.text and not rest[:1].isspace()
    return text + rest if goes_on_within else _joined(text, rest.strip())


def _unsaid(last: Cue, cue: Cue) -> str:
    """Return what `cue` adds to the last lines of the cue before it, as captions made live repeat them."""
    for lines in (last.lines, *(last.lines[-count:] for count in ROLLED)):
        shown = " ".join(lines)
        for said in filter(None, (shown, shown.partition(": ")[2])):
            rest = cue.text.removeprefix(said)
            if rest != cue.text and (WORD_END.match(rest) or BETWEEN_CJK.match(said[-1])):
                return rest
    return cue.text


def _joined(text: str, said: str) -> str:
    if not text or not said:
        return text or said
    closed = BETWEEN_CJK.match(text[-1]) and BETWEEN_CJK.match(said[0])
    return text + ("" if closed else " ") + said
