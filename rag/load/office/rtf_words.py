"""What the control words of an RTF file do to the state of its groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rag.load.office.rtf_flow import Cells, Flow
from rag.load.office.rtf_fonts import USUAL, Fonts

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


class Words:
    """The state of the group at hand; each method but the first is called with a control word's number."""

    def __init__(self, flow: Flow) -> None:
        self._state = State(flow=flow)
        self._fonts = Fonts()
        self._levels: dict[int, int] = {}  # of paragraph styles
        self._style = 0  # that is being defined
        self._cells = Cells()
        self._is_picture = False

    def _act(self, name: str, number: int | None) -> None:
        """Do what `name` of `WORDS` says."""
        WORDS[name](self, number)

    def _set_page(self, number: int | None) -> None:
        self._fonts.set_page(number or 1252)
        self._use_font(self._fonts.default)

    def _use_font(self, number: int | None) -> None:
        if self._state.destination == "fonttbl":
            self._fonts.define(number or 0)
        else:
            self._state.codec, self._state.is_symbol = self._fonts.of(number or 0)

    def _set_charset(self, number: int | None) -> None:
        if self._state.destination == "fonttbl":
            self._fonts.set_charset(number or 0)

    def _set_font_page(self, number: int | None) -> None:
        if self._state.destination == "fonttbl" and number:
            self._fonts.set_font_page(number)

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
        self._use_font(self._fonts.default)

    def _set_default_font(self, number: int | None) -> None:
        self._fonts.default = number or 0

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

    def _end_paragraph(self, _: int | None = None) -> None:
        state = self._state
        if state.flow is not None:
            state.flow.end_paragraph(level=state.level, in_table=state.in_table)

    def _picture_word(self, _: int | None) -> None:
        self._is_picture = True


WORDS: Final[dict[str, Callable[[Words, int | None], None]]] = {
    "ansicpg": Words._set_page,
    "mac": lambda words, _: words._set_page(10000),
    "pc": lambda words, _: words._set_page(437),
    "pca": lambda words, _: words._set_page(850),
    "deff": Words._set_default_font,
    "f": Words._use_font,
    "fcharset": Words._set_charset,
    "cpg": Words._set_font_page,
    "s": Words._use_style,
    "outlinelevel": Words._set_level,
    "pard": Words._reset_paragraph,
    "plain": Words._reset_text,
    "v": Words._hide,
    "deleted": Words._hide,
    "uc": Words._skip_after,
    "intbl": Words._be_in_table,
    "cell": Words._end_cell,
    "row": Words._end_row,
    "trowd": Words._begin_row,
    "cellx": Words._define_cell,
    "trhdr": Words._mark_header,
    "par": Words._end_paragraph,
    "sect": Words._end_paragraph,
    "page": Words._end_paragraph,
    "column": Words._end_paragraph,
    "pngblip": Words._picture_word,
    "jpegblip": Words._picture_word,
}
