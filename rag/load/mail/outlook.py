"""Outlook messages: who wrote what to whom, and what is attached (MS-OXMSG, MS-OXPROPS)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Final

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder, tidy
from rag.load.mail.bodies import OPENED, SMALL_PICTURE, mail_content
from rag.load.mail.headers import NO_SUBJECT, header_lines, parse_headers
from rag.load.mail.message import below, parsed
from rag.load.mail.outlook_properties import BINARY, Item, noted, number_of, page_of, text_of, time_of
from rag.load.mail.outlook_storage import Storage
from rag.load.mail.smime import signed_content
from rag.load.mail.tnef import opened
from rag.load.office.rtf_packed import unpacked_rtf
from rag.load.parts import Parts
from rag.load.source import LimitError, Source

CLASS, SUBJECT, SENT, HEADERS, DELIVERED = 0x001A, 0x0037, 0x0039, 0x007D, 0x0E06
BODY, RTF = 0x1000, 0x1009
CC, TO, RECIPIENT_TYPE = 0x0E03, 0x0E04, 0x0C15
SENDER: Final = ((0x0042, 0x0C1A), (0x5D02, 0x5D01, 0x0065, 0x0C1F))  # names, then addresses
RECIPIENT: Final = ((0x3001,), (0x39FE, 0x3003))
DATA, LONG_NAME, SHORT_NAME, DISPLAY_NAME, CONTENT_ID = 0x3701, 0x3707, 0x3704, 0x3001, 0x3712
ROLES: Final = {1: "to", 2: "cc"}
METHOD: Final = 0x3705
LINK: Final = "it is only a link to a file that is kept elsewhere"
ELSEWHERE: Final = dict.fromkeys((2, 3, 4, 7), LINK) | {
    6: "it is an object of another program: open the mail in Outlook and save it from there"
}
PICTURE: Final = re.compile(r"\.(?:png|jpe?g|gif|bmp|tiff?|webp)$", re.I)
SECURE: Final = "ipm.note.smime"


def read_msg(source: Source) -> Content:
    """Read an Outlook message, all below its subject."""
    return _below_subject(Storage.open(source.data), source)


def read_tnef(source: Source) -> Content:
    """Read a winmail.dat, all below its subject."""
    return _below_subject(opened(source.data), source)


def add_item(
    builder: ContentBuilder, parts: Parts, item: Item, source: Source, *, with_text: bool = True
) -> None:
    """Add the text of `item`, if wanted, and the files and messages that are attached to it."""
    if with_text:
        _add_text(builder, parts, item, source)
    for attachment in item.attachments():
        _add_attachment(parts, attachment, source)


def _below_subject(item: Item, source: Source) -> Content:
    return below(text_of(item, SUBJECT) or NO_SUBJECT, _content(item, source))


def _content(item: Item, source: Source) -> Content:
    if text_of(item, CLASS).lower().startswith(SECURE):
        return _secured(item, source)
    builder = ContentBuilder()
    builder.add(header_lines(_headers(item)))
    parts, stopped = Parts(source, builder), ""
    try:
        add_item(builder, parts, item, source)
    except LimitError as exc:
        stopped = str(exc)
    parts.finish(stopped)
    return builder.build()


def _secured(item: Item, source: Source) -> Content:
    """Read a message that came signed or encrypted: its one attachment is the mail as it was sent."""
    data = next((attachment.value(DATA, BINARY) for attachment in item.attachments()), b"")
    builder = ContentBuilder()
    builder.add(header_lines(_headers(item)))
    inside = signed_content(data) or (data if b"multipart/signed" in data[:4096].lower() else None)
    if inside is not None:
        builder.add_content(mail_content(parsed(inside), source))
    else:
        builder.note(f"the mail is encrypted with S/MIME: {OPENED}")
    return builder.build()


def _headers(item: Item) -> dict[str, str]:
    """Return the headers that came with the message; what it never sent has properties alone."""
    sent = parse_headers(parsed(text_of(item, HEADERS).encode("utf-8", "replace")))
    people: dict[str, list[str]] = defaultdict(list)
    for recipient in item.recipients():
        role = ROLES.get(number_of(recipient, RECIPIENT_TYPE) & 0xF, "")
        people[role].append(_person(recipient, RECIPIENT))
    ours = {
        "from": _person(item, SENDER),
        "to": ", ".join(people["to"]) or text_of(item, TO),
        "cc": ", ".join(people["cc"]) or text_of(item, CC),
        "date": sent.get("date") or time_of(item, SENT) or time_of(item, DELIVERED),
    }
    return {name: value or sent.get(name, "") for name, value in ours.items()}


def _person(item: Item, tags: tuple[tuple[int, ...], tuple[int, ...]]) -> str:
    name, address = (_first_text(item, each) for each in tags)
    if "@" not in address or address == name:  # an address within Exchange means nothing outside it
        return name or address
    return f"{name} <{address}>" if name else address


def _first_text(item: Item, tags: Iterable[int]) -> str:
    return next(filter(None, (text_of(item, tag) for tag in tags)), "")


def _add_text(builder: ContentBuilder, parts: Parts, item: Item, source: Source) -> None:
    """Add the message's text from the first of its forms that has some."""
    try:
        plain = noted(item, BODY)
        if plain.text.strip():
            builder.add_content(Content(text=tidy(plain.text), notes=plain.notes))
        else:
            builder.add_content(_formatted(item, source))
    except LimitError:
        raise
    except (LoadError, ValueError) as exc:
        parts.fail("its text", str(exc))


def _formatted(item: Item, source: Source) -> Content:
    from rag.load import read

    page, notes = page_of(item)
    rtf = item.value(RTF, BINARY)
    if page.strip():
        content = read(replace(source, data=page, name="text.html"))
        return replace(content, notes=(*notes, *content.notes))
    if rtf:
        return read(replace(source, data=unpacked_rtf(rtf), name="text.rtf"))
    return Content(text="")


def _add_attachment(parts: Parts, attachment: Item, source: Source) -> None:
    name = _first_text(attachment, (LONG_NAME, SHORT_NAME, DISPLAY_NAME)) or "attachment"
    name = name.replace("/", "_").replace("\\", "_")
    message = attachment.embedded()
    if message is not None:
        name = text_of(message, SUBJECT) or name
        parts.add(name, partial(_embedded, message, source, name))
        return
    data = attachment.value(DATA, BINARY)
    within_text = bool(text_of(attachment, CONTENT_ID)) and bool(PICTURE.search(name))
    if within_text and (len(data) < SMALL_PICTURE or not source.settings.ocr):
        return
    if data:
        parts.add_file(name, data, silently=within_text)
    elif number_of(attachment, METHOD) in ELSEWHERE:
        parts.fail(name, ELSEWHERE[number_of(attachment, METHOD)])


def _embedded(message: Item, source: Source, name: str) -> Content:
    return _content(message, source.member(b"", name))
