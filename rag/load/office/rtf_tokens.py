"""The words of an RTF file (Rich Text Format 1.9.1) and the code pages of its fonts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

TOKEN: Final = re.compile(
    rb"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?|\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<sign>[^a-zA-Z])"
    rb"|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)|[\r\n]+|\\",
    re.S,
)
CHARACTERS: Final = {
    "tab": "\t", "line": "\n", "lbr": "\n", "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’",
    "ldblquote": "“", "rdblquote": "”", "bullet": "•", "emspace": " ", "enspace": " ", "qmspace": " ",
    "nestcell": " ", "nestrow": "\n", "softline": "\n",
}  # fmt: skip
SIGNS: Final = {"~": " ", "_": "-", "\t": "\t", "\\": "\\", "{": "{", "}": "}"}
UNREAD: Final = (
    "aftncn aftnsep aftnsepc atndate atnicn atnid atnparent atnref atntime background bkmkend bkmkstart "
    "blipuid colorschememapping colortbl datafield datastore fchars filetbl fldinst fontemb ftncn ftnsep "
    "ftnsepc generator info latentstyles lchars listoverridetable listtable mmathPr nonshppict objclass "
    "objdata passwordhash pgptbl picprop revtbl rsidtbl rxe shprslt sp tc template themedata userprops "
    "wgrffmtfilter xe xmlnstbl"
)
SKIPPED: Final = frozenset(UNREAD.split())
LABELS: Final = frozenset({"listtext", "pntext"})
KNOWN: Final = LABELS | {  # read although a reader is free not to know them
    "annotation", "atnauthor", "do", "dptxbxtext", "footnote", "pict", "shpinst", "shppict", "shptxt", "ud",
}  # fmt: skip
MARGINS: Final = frozenset(
    {"header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf"}
)
DESTINATIONS: Final = frozenset(
    {"annotation", "atnauthor", "dptxbxtext", "fonttbl", "footnote", "pict", "shptxt", "stylesheet", "upr"}
)
MERGES: Final = {"clmrg": "left", "clvmrg": "above"}


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: word (a control word), byte, sign, open, close or text; `data`: the bytes of byte and text."""

    kind: str
    name: str = ""
    number: int | None = None
    data: bytes = b""


def tokens(data: bytes) -> Iterator[Token]:
    """Yield the words of an RTF file; binary data that it declares is left out."""
    at = 0
    while found := TOKEN.match(data, at):
        at = found.end()
        token = _token(found)
        if token is None:
            continue
        if token.name == "bin" and token.kind == "word":
            at += max(0, token.number or 0)
            continue
        yield token


def _token(found: re.Match[bytes]) -> Token | None:
    if found["word"] is not None:
        number = None if found["number"] is None else int(found["number"])
        return Token("word", found["word"].decode("ascii"), number)
    if found["hex"] is not None:
        return Token("byte", data=bytes.fromhex(found["hex"].decode("ascii")))
    if found["text"] is not None:
        return Token("text", data=found["text"])
    if found["brace"] is not None:
        return Token("open" if found["brace"] == b"{" else "close")
    if found["sign"] is not None:
        return Token("sign", found["sign"].decode("latin-1"))
    return None
