"""What the parts of a mail hold, once what was done to them for the way is undone (RFC 2045, 6)."""

from __future__ import annotations

import binascii
import re
from itertools import takewhile
from typing import Final

from rag.load.mail.headers import Mail

BASE64: Final = re.compile(r"[A-Za-z0-9+/]*=*")
FOREIGN: Final = re.compile(r"[^A-Za-z0-9+/=]+")
STRAY: Final = re.compile(r'[\s":;]|=[^=]')  # in a line of a header or a text
RUN: Final = re.compile(r"[A-Za-z0-9+/]+")  # up to its padding: some programs pad each line
WHOLE: Final = 4  # characters that make three bytes
LONG: Final = 40  # characters; a list's footer has no such word
UUENCODED: Final = re.compile(
    r"^begin [0-7]{3,4} (\S[^\n]{0,200})\n((?:[!-M][ -`]{1,84}\n)+)(?:[` ]?\n)?end$", re.M
)
DAMAGED: Final = "it was damaged on its way: only what is whole of it was read"


def payload(part: Mail) -> tuple[bytes, str]:
    """Return the bytes of a part that has no parts, and what is to be said of them."""
    encoding = str(part.get("content-transfer-encoding", "")).partition(";")[0]
    if encoding.strip().lower() == "base64":
        return _from_base64(str(part.get_payload()))
    data = part.get_payload(decode=True)
    return (data if isinstance(data, bytes) else b""), ""


def _from_base64(text: str) -> tuple[bytes, str]:
    """Return what `text` encodes, and the footer that a mailing list wrote below it."""
    lines = [line.strip() for line in text.splitlines()]
    encoded = list(takewhile(BASE64.fullmatch, lines))
    rest = lines[len(encoded) :]
    is_mixed = not any(encoded) or any(len(line) >= LONG and BASE64.fullmatch(line) for line in rest)
    if is_mixed:
        encoded, rest = [FOREIGN.sub("", line) for line in lines if not STRAY.search(line)], []
    if not any(encoded):
        return text.encode("utf-8", "surrogateescape"), ""  # it only says that it is encoded
    runs = RUN.findall("".join(encoded))
    data = b"".join(map(_decoded, runs))
    footer = "\n".join(rest).strip().encode("ascii", "ignore")
    is_damaged = encoded + rest != lines or any(len(run) % WHOLE == 1 for run in runs)
    return (data + b"\n\n" + footer if footer else data), DAMAGED if is_damaged else ""


def _decoded(run: str) -> bytes:
    whole = run[: len(run) - (len(run) % WHOLE == 1)]  # one character alone tells less than a byte
    return binascii.a2b_base64(whole + "=" * (-len(whole) % WHOLE))


def without_uuencoded(text: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return `text` without the files that an old program wrote into it, and those with their names."""
    files = [
        (match[1].strip(), b"".join(map(_from_uu, match[2].splitlines())))
        for match in UUENCODED.finditer(text)
    ]
    return UUENCODED.sub("", text) if files else text, files


def _from_uu(line: str) -> bytes:
    size = (ord(line[0]) - 32) & 63
    try:
        return binascii.a2b_uu(line[: 1 + -(-size // 3) * 4])
    except binascii.Error:
        return b""
