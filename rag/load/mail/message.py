"""Mail: single messages, mailboxes of many, and web pages saved as mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from email.feedparser import BytesFeedParser
from email.policy import compat32
from typing import Final

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.mail.bodies import html_content, mail_content, subject_of
from rag.load.mail.headers import Mail
from rag.load.parts import Parts
from rag.load.plain.encoding import decode
from rag.load.source import LimitError, Source

CHUNK: Final = 1 << 20
WIDE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
WIDE_NULS: Final = 0.2  # part of the first bytes that are 0 in UTF-16 without a mark
HEAD: Final = 512
COUNT: Final = re.compile(
    rb"\s*(\d{1,12})[ \t]*\r?\n"
)  # the first line of Apple's .emlx: bytes of the message
ESCAPED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)  # mboxrd
# A line that parts two messages of a mailbox: after an empty line or with a date, before a header (RFC 4155).
FROM_LINE: Final = re.compile(rb"^From ([^\r\n]{0,300})\r?\n(?=[!-9;-~]{1,80}:|>From )", re.MULTILINE)
DATED: Final = re.compile(  # as C's asctime writes it; some programs add the time zone
    rb".{1,250} (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    rb" [ \d]\d \d\d:\d\d(?::\d\d)?(?: [A-Z]{3,5}| [+-]\d{4})? \d{4}(?: [+-]\d{4})?\s*"
)
EMPTY_LINES: Final = (b"\n\n", b"\r\n\r\n")
DELETED: Final = 0x8  # Thunderbird keeps what was deleted until the folder is compacted
CHARSET: Final = re.compile(r'(?im)(charset\s*=\s*)"?utf-?(?:16|32)[\w-]*"?')


def read_mail(source: Source) -> Content:
    """Read one message: its headers, its text, and what is attached, all below its subject."""
    message = parsed(_narrow(source.data))
    return below(subject_of(message), mail_content(message, source))


def read_mbox(source: Source) -> Content:
    """Read the messages of a mailbox, each under its subject."""
    builder = ContentBuilder()
    parts = Parts(source, builder)
    stopped = ""
    try:
        for data in _messages(_narrow(source.data)):
            _add_message(parts, data, source)
    except LimitError as exc:
        stopped = str(exc)
    parts.finish(stopped)
    return builder.build()


def read_mhtml(source: Source) -> Content:
    """Read the main page of those saved in one file (RFC 2557)."""
    message = parsed(_narrow(source.data))
    pages = [part for part in message.walk() if part.get_content_type() == "text/html"]
    for page in pages:
        try:
            return html_content(page, source)
        except LoadError as exc:  # a page of nothing but frames
            if page is pages[-1]:
                raise LoadError("there is no text in the page") from exc
    return below(subject_of(message), mail_content(message, source))


def below(title: str, content: Content) -> Content:
    """Return `content` below a heading of its own; nothing stays nothing."""
    builder = ContentBuilder()
    if content.text.strip():
        builder.add_heading(1, title)
    headings = tuple(replace(heading, level=heading.level + 1) for heading in content.headings)
    builder.add_content(replace(content, headings=headings))
    return builder.build()


def parsed(data: bytes) -> Mail:
    """Return the parts of a message; nothing in it is an error."""
    parser = BytesFeedParser(policy=compat32)
    for start in range(0, len(data), CHUNK):
        parser.feed(data[start : start + CHUNK])
    return parser.close()


def _add_message(parts: Parts, data: bytes, source: Source) -> None:
    message = parsed(ESCAPED.sub(rb"\1", data))
    if _is_deleted(message):
        return
    inner = replace(source, data=b"")
    parts.add(subject_of(message), lambda: mail_content(message, inner))


def _messages(data: bytes) -> Iterator[bytes]:
    """Yield the messages of a mailbox, without the line before each."""
    start = None
    for match in FROM_LINE.finditer(data):
        if start is None:
            start = match.end()
        elif data.endswith(EMPTY_LINES, 0, match.start()) or DATED.fullmatch(match[1]):
            yield data[start : match.start()]
            start = match.end()
    yield data[start or 0 :]


def _is_deleted(message: Mail) -> bool:
    status = str(message.get("X-Mozilla-Status", ""))
    return bool(re.fullmatch(r"[0-9a-fA-F]{4}", status)) and bool(int(status, 16) & DELETED)


def _narrow(data: bytes) -> bytes:
    """Return the message's own bytes: an export may be UTF-16 as a whole, or count its bytes first."""
    if data.startswith(WIDE_MARKS) or data[:HEAD].count(0) > WIDE_NULS * len(data[:HEAD]):
        text = CHARSET.sub(r"\1utf-8", decode(data).lstrip("\ufeff"))
        return text.encode("utf-8", "replace")
    counted = COUNT.match(data)
    if counted:
        return data[counted.end() : counted.end() + int(counted[1])]
    return data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
