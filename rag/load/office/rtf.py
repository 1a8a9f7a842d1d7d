"""Rich Text Format (version 1.9.1): paragraphs, headings, lists, tables, notes, pictures; any code page."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from rag.errors import LoadError
from rag.load.content import Content
from rag.load.office.rtf_flow import Flow
from rag.load.office.rtf_fonts import SYMBOL_FONT
from rag.load.office.rtf_tokens import (
    CHARACTERS,
    DESTINATIONS,
    KNOWN,
    LABELS,
    MARGINS,
    MERGES,
    SIGNS,
    SKIPPED,
    Token,
    tokens,
)
from rag.load.office.rtf_words import WORDS, State, Words
from rag.load.office.symbol_font import PRIVATE, symbols
from rag.load.pages.pictures import Pictures
from rag.load.source import Source

MAX_DEPTH: Final = 5_000  # groups within groups
HEADING: Final = re.compile(r"(?:heading|标题|標題|Überschrift|titre|título) ([1-9])\b", re.I)


def read_rtf(source: Source) -> Content:
    """Read an RTF file; headers, footers and repeated lines of theirs once.

    Raises:
        LoadError: when its groups are nested beyond reason.
    """
    reader = _Reader(source)
    for token in tokens(source.data):
        reader.take(token)
    return reader.content()


class _Reader(Words):
    def __init__(self, source: Source) -> None:
        self._body = Flow()
        super().__init__(self._body)
        self._stack: list[State] = []
        self._bytes = bytearray()  # of the code page at hand, not decoded yet
        self._pictures = Pictures(source)
        self._name: list[str] = []  # of the style
        self._hex: list[bytes] = []  # of a picture
        self._margins: dict[str, None] = {}
        self._footnotes = 0
        self._starred = False
        self._to_skip = 0
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
        if self._fonts.lost:
            lost = self._fonts.lost
            builder.note(
                f"{lost:,} character{' does' if lost == 1 else 's do'} not belong to the code page "
                "that the file declares"
            )
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
        elif state.destination == "fonttbl":
            self._fonts.set_name(data)
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
            self._flush()
            self._end_paragraph()
        elif sign in {"\\", "{", "}"} and self._state.flow is not None and not self._state.is_hidden:
            self._bytes += sign.encode("ascii")  # it may be the second half of a character
        elif sign in SIGNS:
            self._add(SIGNS[sign])

    def _take_word(self, name: str, number: int | None) -> None:
        self._to_skip = 0
        if name == "u":
            self._add_unicode(chr((number or 0) & 0xFFFF))
            self._to_skip = self._state.skips
        elif name in CHARACTERS:
            self._add(CHARACTERS[name])
        elif name in WORDS:
            self._flush()
            self._act(name, number)
        elif (self._starred and name not in KNOWN) or name in SKIPPED:
            self._enter(name, None)
        elif name == "ud":
            self._enter(name, self._state.around)
        elif name in DESTINATIONS or name in MARGINS or name in LABELS:
            self._enter(name, self._flow_for(name))
        elif name in MERGES:
            self._cells.coming = MERGES[name]

    def _flow_for(self, name: str) -> Flow | None:
        """Return where the text of a destination goes; one within another is part of it."""
        flow = self._state.flow
        if flow is None or name in {"fonttbl", "stylesheet", "pict", "upr"}:
            return None
        return Flow() if flow is self._body else flow

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
        if left.destination == self._state.destination:
            return
        if left.destination == "pict":
            self._end_picture()
        elif left.destination == "fonttbl":
            self._use_font(self._fonts.default)
        elif left.flow is not None and left.flow is not self._state.flow and left.destination != "ud":
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

    def _add_unicode(self, character: str) -> None:
        is_sign = self._state.codec == SYMBOL_FONT and ord(character) in PRIVATE
        self._add(symbols(character) if is_sign else character)

    def _add(self, text: str) -> None:
        self._flush()
        if self._state.flow is not None and not self._state.is_hidden:
            self._state.flow.add(text)

    def _flush(self) -> None:
        if not self._bytes:
            return
        data = bytes(self._bytes)
        self._bytes.clear()
        if self._state.flow is not None:
            self._state.flow.add(self._fonts.decode(data, self._state.codec))
