"""Text that was encoded twice ("donâ€™t", "浣犲ソ"), put right where that is certain."""

from __future__ import annotations

import re
from typing import Final

from ftfy import TextFixerConfig, fix_encoding

from rag.load.plain.charsets import CHINESE

ENCODINGS_ONLY: Final = TextFixerConfig(
    unescape_html=False,
    remove_terminal_escapes=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    fix_surrogates=False,
    remove_control_chars=False,
    replace_lossy_sequences=False,
    normalization=None,
)
SUSPECT: Final = re.compile("[ÂÃÄÅÎÏÐÑØÙâãäåæçèéêëìíîïðŸ][\x80-\xbfŒœŠšŸŽžƒˆ˜–—‘’‚“”„†‡•…‰‹›€™ ]")
LOST_SPACE: Final = re.compile("([ä-é][\x80-\xbfŒœŠšŸŽžƒˆ˜–—‘’‚“”„†‡•…‰‹›€™]) (?=[à-ï]|$|\\W)")
AS_GBK: Final = re.compile(r"[^\x00-\x7f]{4,}")
ALL_CJK: Final = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]{4,}")
LINE: Final = re.compile(r"[^\n]{1,4096}")
FEW: Final = 3  # characters of a run below which it proves nothing
MOST: Final = 0.5  # part of the lines beyond ASCII that are repaired, or it is text about such damage


def repaired(text: str) -> tuple[str, str]:
    """Return `text` with what was encoded twice put right, and a sentence that says so, if so."""
    if not (SUSPECT.search(text) or AS_GBK.search(text)):
        return text, ""
    lines = 0
    changed: dict[str, str] = {}
    for line in LINE.findall(text):
        if line.isascii():
            continue
        lines += 1
        better = _line(line)
        if better != line:
            changed[line] = better
    if not changed:
        return text, ""
    places = sum(1 for line in LINE.findall(text) if line in changed)
    said = f"{places:,} {'line' if places == 1 else 'lines'}"
    if places < MOST * lines:
        return (
            text,
            f"{said} of it may have been encoded twice and {'was' if places == 1 else 'were'} left so",
        )
    return (
        LINE.sub(lambda found: changed.get(found[0], found[0]), text),
        f"{said} had been encoded twice and {'was' if places == 1 else 'were'} repaired",
    )


def _line(line: str) -> str:
    if SUSPECT.search(line):
        better = fix_encoding(line, ENCODINGS_ONLY)
        if better == line:
            filled = LOST_SPACE.sub("\\1\xa0", line)
            better = fix_encoding(filled, ENCODINGS_ONLY) if filled != line else line
            better = better if any(char in CHINESE for char in better) else line
        return better
    return AS_GBK.sub(_from_gbk, line)


def _from_gbk(run: re.Match[str]) -> str:
    """Return Chinese in UTF-8 that was read as GBK; the same run when that is not certain."""
    try:
        better = run[0].encode("gb18030").decode("utf-8")
    except UnicodeError:
        return run[0]
    frequent = sum(char in CHINESE for char in better) > sum(char in CHINESE for char in run[0])
    return better if ALL_CJK.fullmatch(better) or (len(better) >= FEW and frequent) else run[0]
