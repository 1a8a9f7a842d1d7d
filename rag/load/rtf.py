"""Rich Text Format (version 1.9.1): paragraphs, headings, lists, tables, notes, pictures, in any code page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from rag.errors import LoadError
from rag.load.content import Content
from rag.load.pictures import Pictures
from rag.load.rtf_flow import Cells, Flow
from rag.load.rtf_tokens import (
    CHARACTERS,
    CHARSETS,
    DESTINATIONS,
    KNOWN,
    LABELS,
    MARGINS,
    MERGES,
    SIGNS,
    SKIPPED,
    SYMBOL,
    USUAL,
    Token,
    codec,
    decoded,
    tokens,
)
from rag.load.source import Source

MAX_DEPTH: Final = 5_000  # groups within groups
HEADING: Final = re.compile(r"(?:heading|标题|標題|Überschrift|titre|título) ([1-9])\b", re.I)
BODY_TEXT: Final = 9  # the outline level of what is no heading


@dataclass(slots=True)
class State:
    """What holds within one group."""

    flow: Flow | None = None  # where text goes; None: nowhere
    destination: str = ""
    around: Flow | None = None  # where text goes that is said twice
    codec: str = USUAL
    is_symbol: bool = False
    skips: int = 1  # characters after each \\u that say it again for old readers
    is_hidden: bool = False
    in_table: bool = False
    level: int | None = None


def read_rtf(source: Source) -> Content:
    """Read an RTF file; headers, footers and repeated lines of theirs once.

    Raises:
        LoadError: when its groups are nested beyond reason.
    """
    reader = _Reader(source)
    for token in tokens(source.data):
        reader.take(token)
    return reader.content()


class _Reader:
    def __init__(self, source: Source) -> None:
        self._body = Flow()
        self._state = State(flow=self._body)
        self._stack: list[State] = []
        self._bytes = bytearray()  # of the code page at hand, not decoded yet
        self._pictures = Pictures(source)
        self._fonts: dict[int, tuple[str, bool]] = {}
        self._font = 0  # that is being defined
        self._default_font = 0
        self._usual = USUAL
        self._levels: dict[int, int] = {}  # of paragraph styles
        self._style = 0  # that is being defined
        self._name: list[str] = []  # of the style
        self._hex: list[bytes] = []  # of a picture
        self._is_picture = False
        self._margins: dict[str, None] = {}
        self._footnotes = 0
        self._cells = Cells()
        self._starred = False
        self._to_skip = 0
        self._lost = 0  # bytes that are no characters
        self._author = ""

    def content(self) -> Content:
        self._flush()
        builder = self._body.builder()
        said = builder.build().text
        for line in self._margins:
            if line not in said:
                builder.add(line)
        for note in self._pictures.all_notes():
            builder.note(note)
        if self._lost:
            builder.note(f"{self._lost:,} characters do not belong to the code page that the file declares")
        return builder.build()

    def take(self, token: Token) -> None:
        if token.kind in {"text", "byte"}:
            self._take_bytes(token)
        elif token.kind == "open":
            self._open()
        elif token.kind == "close":
            self._close()
        elif token.kind == "sign":
            self._take_sign(token.name)
        elif self._to_skip and token.name not in {"u", "uc"} and token.name in CHARACTERS:
            self._to_skip -= 1
        else:
            self._take_word(token.name, token.number)
        if token.kind != "sign" and token.kind != "open":
            self._starred = False

    def _take_bytes(self, token: Token) -> None:
        state, data = self._state, token.data
        if self._to_skip:
            skipped = min(self._to_skip, len(data))
            self._to_skip -= skipped
            data = data[skipped:]
        if state.destination == "pict":
            self._hex.append(data)
        elif state.destination == "stylesheet":
            self._name.append(data.decode("latin-1"))
            if data.endswith(b";"):
                self._end_style()
        elif state.flow is not None and not state.is_hidden and not state.is_symbol:
            self._bytes += data

    def _take_sign(self, sign: str) -> None:
        if sign == "*":
            self._starred = True
        elif self._to_skip:
            self._to_skip -= 1
        elif sign in "\r\n":
            self._end_paragraph()
        elif sign in {"\\", "{", "}"} and self._state.flow is not None and not self._state.is_hidden:
            self._bytes += sign.encode("ascii")  # it may be the second half of a character
        elif sign in SIGNS:
            self._add(SIGNS[sign])

    def _take_word(self, name: str, number: int | None) -> None:
        self._to_skip = 0
        if name == "u":
            self._add(chr((number or 0) & 0xFFFF))
            self._to_skip = self._state.skips
        elif name in CHARACTERS:
            self._add(CHARACTERS[name])
        elif name in WORDS:
            self._flush()
            WORDS[name](self, number)
        elif (self._starred and name not in KNOWN) or name in SKIPPED:
            self._enter(name, None)
        elif name == "ud":
            self._enter(name, self._state.around)
        elif name in DESTINATIONS or name in MARGINS or name in LABELS:
            self._enter(name, self._flow_for(name))
        elif name in MERGES:
            self._cells.coming = MERGES[name]

    def _flow_for(self, name: str) -> Flow | None:
        if self._state.flow is None or name in {"fonttbl", "stylesheet", "pict", "upr"}:
            return None
        return Flow()

    def _enter(self, name: str, flow: Flow | None) -> None:
        self._flush()
        if name == "upr":  # says a text twice, the second time in Unicode
            self._state.around = self._state.flow
        self._state.destination, self._state.flow = name, flow
        if name == "pict":
            self._hex, self._is_picture = [], False

    def _open(self) -> None:
        self._flush()
        self._to_skip = 0
        if len(self._stack) >= MAX_DEPTH:
            raise LoadError(f"the RTF file is damaged: its groups are nested more than {MAX_DEPTH:,} deep")
        self._stack.append(self._state)
        self._state = replace(self._state)

    def _close(self) -> None:
        self._flush()
        self._to_skip = 0
        if not self._stack:
            return
        left, self._state = self._state, self._stack.pop()
        if left.destination == self._state.destination and left.flow is self._state.flow:
            return
        if left.destination == "pict":
            self._end_picture()
        elif left.destination == "fonttbl":
            self._use_font(self._default_font)
        elif left.flow is not None and left.destination != "ud":
            self._end_flow(left.destination, left.flow)

    def _end_flow(self, name: str, flow: Flow) -> None:
        """Put what was read aside where it belongs."""
        around = self._state.flow
        lines = list(flow.lines())
        text = " ".join(lines)
        if name in MARGINS:
            self._margins |= dict.fromkeys(line for line in lines if sum(map(str.isalpha, line)) > 1)
        elif around is not None and name in LABELS:
            around.label = text if any(map(str.isalnum, text)) else "-"
        elif around is None or not text:
            return
        elif name == "footnote":
            self._footnotes += 1
            around.add(f"[{self._footnotes}]")
            around.add_below(f"[{self._footnotes}] {text}")
        elif name == "atnauthor":
            self._author = text
        elif name == "annotation":
            around.add_below(f"[Comment{f' by {self._author}' if self._author else ''}: {text}]")
        else:
            around.add_below(text)

    def _end_picture(self) -> None:
        data = b"".join(b"".join(self._hex).split())
        around = self._state.flow
        if not self._is_picture or around is None or len(data) % 2:
            return
        try:
            content = self._pictures.read(bytes.fromhex(data.decode("ascii")), "picture")
        except ValueError:
            return
        if content is not None:
            around.add_below(content.text)

    def _end_style(self) -> None:
        name = "".join(self._name)
        self._name.clear()
        found = HEADING.search(name)
        if found:
            self._levels.setdefault(self._style, int(found[1]))
        self._style = 0

    def _end_paragraph(self) -> None:
        self._flush()
        state = self._state
        if state.flow is not None:
            state.flow.end_paragraph(level=state.level, in_table=state.in_table)

    def _add(self, text: str) -> None:
        self._flush()
        if self._state.flow is not None and not self._state.is_hidden:
            self._state.flow.add(text)

    def _flush(self) -> None:
        if not self._bytes:
            return
        data = bytes(self._bytes)
        self._bytes.clear()
        text = decoded(data, self._state.codec, self._usual)
        self._lost += text.count("\ufffd")
        if self._state.flow is not None:
            self._state.flow.add(text)

    # What control words do; each is called with its number.

    def _set_page(self, number: int | None) -> None:
        self._usual = self._state.codec = codec(number or 1252)

    def _use_font(self, number: int | None) -> None:
        if self._state.destination == "fonttbl":
            self._font = number or 0
        else:
            self._state.codec, self._state.is_symbol = self._fonts.get(number or 0, (self._usual, False))

    def _set_charset(self, number: int | None) -> None:
        if self._state.destination == "fonttbl":
            self._fonts[self._font] = (
                "" if not number else CHARSETS.get(number, self._usual),
                number == SYMBOL,
            )

    def _set_font_page(self, number: int | None) -> None:
        if self._state.destination == "fonttbl" and number:
            self._fonts[self._font] = (codec(number), False)

    def _use_style(self, number: int | None) -> None:
        if self._state.destination == "stylesheet":
            self._style = number or 0
        else:
            self._state.level = self._levels.get(number or 0)

    def _set_level(self, number: int | None) -> None:
        level = None if number is None or number >= BODY_TEXT else number + 1
        if self._state.destination != "stylesheet":
            self._state.level = level
        elif level is not None:
            self._levels[self._style] = level

    def _reset_paragraph(self, _: int | None) -> None:
        self._state.in_table, self._state.level = False, None

    def _reset_text(self, _: int | None) -> None:
        self._state.is_hidden = False
        self._use_font(self._default_font)

    def _set_default_font(self, number: int | None) -> None:
        self._default_font = number or 0

    def _hide(self, number: int | None) -> None:
        self._state.is_hidden = number != 0

    def _skip_after(self, number: int | None) -> None:
        self._state.skips = min(number if number is not None and number >= 0 else 1, 100)

    def _be_in_table(self, _: int | None) -> None:
        self._state.in_table = True

    def _end_cell(self, _: int | None) -> None:
        if self._state.flow is not None:
            self._state.flow.end_cell()

    def _end_row(self, _: int | None) -> None:
        if self._state.flow is not None:
            self._state.flow.end_row(self._cells)

    def _begin_row(self, _: int | None) -> None:
        self._cells = Cells()

    def _define_cell(self, _: int | None) -> None:
        self._cells.define()

    def _mark_header(self, _: int | None) -> None:
        self._cells.is_header = True

    def _paragraph_word(self, _: int | None) -> None:
        self._end_paragraph()

    def _picture_word(self, _: int | None) -> None:
        self._is_picture = True


WORDS: Final[dict[str, Callable[[_Reader, int | None], None]]] = {
    "ansicpg": _Reader._set_page,
    "mac": lambda reader, _: reader._set_page(10000),
    "pc": lambda reader, _: reader._set_page(437),
    "pca": lambda reader, _: reader._set_page(850),
    "deff": _Reader._set_default_font,
    "f": _Reader._use_font,
    "fcharset": _Reader._set_charset,
    "cpg": _Reader._set_font_page,
    "s": _Reader._use_style,
    "outlinelevel": _Reader._set_level,
    "pard": _Reader._reset_paragraph,
    "plain": _Reader._reset_text,
    "v": _Reader._hide,
    "deleted": _Reader._hide,
    "uc": _Reader._skip_after,
    "intbl": _Reader._be_in_table,
    "cell": _Reader._end_cell,
    "row": _Reader._end_row,
    "trowd": _Reader._begin_row,
    "cellx": _Reader._define_cell,
    "trhdr": _Reader._mark_header,
    "par": _Reader._paragraph_word,
    "sect": _Reader._paragraph_word,
    "page": _Reader._paragraph_word,
    "column": _Reader._paragraph_word,
    "pngblip": _Reader._picture_word,
    "jpegblip": _Reader._picture_word,
}
