"""The code pages of an RTF file: its own, and those of its fonts."""

from __future__ import annotations

import re
from typing import Final

from rag.load.office.symbol_font import symbols

CHARSETS: Final = {  # \fcharset -> Python's codec
    77: "mac_roman", 78: "cp932", 79: "cp949", 80: "gb18030", 81: "cp950", 128: "cp932", 129: "cp949",
    130: "johab", 134: "gb18030", 136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255",
    178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
SYMBOL_FONT: Final = "symbol"  # no codec: the font of that name
SYMBOL: Final = 2  # a charset of pictures, whose codes mean nothing elsewhere
PAGES: Final = {932: "cp932", 936: "gb18030", 949: "cp949", 950: "cp950", 10000: "mac_roman", 65001: "utf-8"}
USUAL: Final = "cp1252"
HIGH: Final = re.compile(rb"[\x80-\xff]{2}")


class Fonts:
    """The fonts of one file and the codec of the text in each."""

    def __init__(self) -> None:
        self.default = 0
        self.lost = 0  # bytes that were no characters
        self._usual = USUAL
        self._table: dict[int, tuple[str, bool]] = {}
        self._defined = 0

    def set_page(self, page: int) -> None:
        """Set the code page of the whole file."""
        self._usual = codec(page)

    def define(self, font: int) -> None:
        self._defined = font

    def set_charset(self, charset: int) -> None:
        """Set the charset of the font that is being defined; 0 is Western, or what a sloppy program meant."""
        name = CHARSETS.get(charset, self._usual) if charset else ""
        self._table[self._defined] = (name, charset == SYMBOL)

    def set_font_page(self, page: int) -> None:
        self._table[self._defined] = (codec(page), False)

    def set_name(self, name: bytes) -> None:
        """Tell the one font of signs that means something from those of pictures."""
        if name.strip().rstrip(b";") == b"Symbol":
            self._table[self._defined] = (SYMBOL_FONT, False)

    def of(self, font: int) -> tuple[str, bool]:
        """Return a font's codec, and whether it is one of pictures."""
        return self._table.get(font, (self._usual, False))

    def decode(self, data: bytes, name: str) -> str:
        """Decode by a font's codec; one that names none ("") is Western unless its bytes fit the file's."""
        text = _decoded(data, name, self._usual)
        self.lost += text.count("\ufffd")
        return text


def codec(page: int) -> str:
    """Return Python's codec for a Windows code page."""
    name = PAGES.get(page, f"cp{page}")
    try:
        b"".decode(name)
    except LookupError:
        return USUAL
    return name


def _decoded(data: bytes, name: str, usual: str) -> str:
    if name == SYMBOL_FONT:
        return symbols(data.decode("latin-1"))
    if name:
        return data.decode(name, "replace")
    if usual != USUAL and HIGH.search(data):
        try:
            return data.decode(usual)
        except UnicodeDecodeError:
            pass
    return data.decode(USUAL, "replace")
