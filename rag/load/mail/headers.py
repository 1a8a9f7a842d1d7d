"""The headers of a mail as its reader sees them, encoded as in RFC 2047 and 2231 or not at all."""

from __future__ import annotations

import base64
import binascii
import operator
import quopri
import re
from email.message import Message
from itertools import groupby
from typing import Final, TypeAlias

from rag.errors import LoadError
from rag.load.content import clean
from rag.load.plain.encoding import decode

Mail: TypeAlias = "Message[str, str]"
SHOWN: Final = ("From", "To", "Cc", "Date")
BY_PROGRAMS: Final = {"content-type", "message-id", "mime-version", "received", "return-path", "x-mailer"}
ENCODED: Final = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=(?:\s+(?==\?))?")
FOLD: Final = re.compile(r"\s*[\r\n]+\s*")
QUOTED_NAME: Final = re.compile(r'"([^"]*)"\s*(?=<)')
MAX_HEADER: Final = 100_000  # characters; a mail to thousands of people is cut here
NO_SUBJECT: Final = "(no subject)"


def parse_headers(message: Mail, charset: str | None = None) -> dict[str, str]:
    """Return the first header of each name, in lower case; `charset` is that of bytes beyond ASCII."""
    found: dict[str, str] = {}
    for name, value in message.raw_items():
        found.setdefault(name.lower(), decoded(str(value), charset))
    return found


def header_lines(headers: dict[str, str]) -> str:
    """Return who wrote to whom and when, a line each; of what no program wrote, all that is said."""
    typed = (
        () if BY_PROGRAMS & headers.keys() else (name.capitalize() for name in headers if name != "subject")
    )
    names = dict.fromkeys((*SHOWN, *typed))
    shown = [(name, QUOTED_NAME.sub(r"\1 ", headers.get(name.lower(), ""))) for name in names]
    return "\n".join(f"{name}: {value}" for name, value in shown if value)


def decoded(value: str, charset: str | None = None) -> str:
    """Return a header's text on one line; `charset` is that of bytes beyond ASCII."""
    value = FOLD.sub(" ", value[:MAX_HEADER])
    pieces = []
    # Words of one charset belong together: a character may be cut between them.
    for key, words in groupby(_words(value), key=operator.itemgetter(0)):
        data = [word for _, word in words]
        pieces.append(text_of(b"".join(data), charset if key is None else key))
    return " ".join(clean("".join(pieces)).split())


def text_of(data: bytes, charset: str | None) -> str:
    """Return the text of bytes that may be in `charset`."""
    try:
        return decode(data, declared=charset)
    except LoadError:
        return data.decode("ascii", "ignore")


def file_name(message: Mail) -> str:
    """Return what an attachment is called, "" when it has no name."""
    for header, parameter in (("content-disposition", "filename"), ("content-type", "name")):
        name = _parameter(message, header, parameter)
        if name:
            return name.replace("/", "_").replace("\\", "_")
    return ""


def _words(value: str) -> list[tuple[str | None, bytes]]:
    """Return the encoded words with their charset, and what stands between them."""
    words: list[tuple[str | None, bytes]] = []
    at = 0
    for match in ENCODED.finditer(value):
        if match.start() > at:
            words.append((None, _raw(value[at : match.start()])))
        charset = match[1].partition("*")[0].lower()  # a language may follow (RFC 2231)
        words.append((charset, _word(match[2], match[3])))
        at = match.end()
    if at < len(value):
        words.append((None, _raw(value[at:])))
    return words


def _word(encoding: str, text: str) -> bytes:
    raw = _raw(text)
    if encoding in "qQ":
        return quopri.decodestring(raw, header=True)
    try:
        return base64.b64decode(raw + b"=" * (-len(raw) % 4))
    except binascii.Error:
        return raw


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _parameter(message: Mail, header: str, name: str) -> str:
    """Return a parameter, encoded as the standards say, as many a program does, or not at all."""
    value = next((str(value) for key, value in message.raw_items() if key.lower() == header), "")
    bare = Message()
    bare["x"] = text_of(_raw(FOLD.sub(" ", value[:MAX_HEADER])), None)
    try:
        pairs = bare.get_params(header="x") or []
    except (ValueError, TypeError, AttributeError, IndexError):  # a damaged one
        return ""
    return next((_plain(value) for key, value in pairs if str(key).lower() == name), "")


def _plain(value: object) -> str:
    if not isinstance(value, tuple):
        return decoded(str(value))
    charset, _, text = value  # the text's bytes as characters (RFC 2231)
    return clean(text_of(str(text).encode("latin-1", "replace"), charset or None))
