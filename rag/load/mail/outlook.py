"""Outlook messages: who wrote what to whom, and what is attached (MS-OXMSG, MS-OXPROPS)."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import Final

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.mail.bodies import OPENED, SMALL_PICTURE, mail_content
from rag.load.mail.headers import NO_SUBJECT, header_lines, parse_headers
from rag.load.mail.message import below, parsed
from rag.load.mail.outlook_storage import Storage
from rag.load.mail.smime import signed_content
from rag.load.office.rtf_packed import unpacked_rtf
from rag.load.parts import Parts
from rag.load.source import LimitError, Source

CLASS, SUBJECT, SENT, HEADERS, DELIVERED = 0x001A, 0x0037, 0x0039, 0x007D, 0x0E06
BODY, RTF = 0x1000, 0x1009
CC, TO, RECIPIENT_TYPE = 0x0E03, 0x0E04, 0x0C15
SENDER: Final = ((0x0042, 0x0C1A), (0x5D02, 0x5D01, 0x0065, 0x0C1F))  # names, then addresses
RECIPIENT: Final = ((0x3001,), (0x39FE, 0x3003))
DATA, LONG_NAME, SHORT_NAME, DISPLAY_NAME, CONTENT_ID = 0x3701, 0x3707, 0x3704, 0x3001, 0x3712
EMBEDDED: Final = "__substg1.0_3701000D"
ATTACHMENTS: Final = "__attach_version1.0_#"
RECIPIENTS: Final = "__recip_version1.0_#"
ROLES: Final = {1: "to", 2: "cc"}
PICTURE: Final = re.compile(r"\.(?:png|jpe?g|gif|bmp|tiff?|webp)$", re.I)
SECURE: Final = "ipm.note.smime"


def read_msg(source: Source) -> Content:
    """Read an Outlook message, all below its subject."""
    storage = Storage.open(source.data)
    return below(storage.text(SUBJECT) or NO_SUBJECT, _content(storage, source))


def _content(storage: Storage, source: Source) -> Content:
    if storage.text(CLASS).lower().startswith(SECURE):
        return _secured(storage, source)
    builder = ContentBuilder()
    builder.add(header_lines(_headers(storage)))
    parts, stopped = Parts(source, builder), ""
    try:
        _add_text(builder, parts, storage, source)
        for attachment in storage.within(ATTACHMENTS):
            _add_attachment(parts, attachment, source)
    except LimitError as exc:
        stopped = str(exc)
    parts.finish(stopped)
    return builder.build()


def _secured(storage: Storage, source: Source) -> Content:
    """Read a message that came signed or encrypted: its one attachment is the mail as it was sent."""
    data = next((attachment.data(DATA) for attachment in storage.within(ATTACHMENTS)), b"")
    builder = ContentBuilder()
    builder.add(header_lines(_headers(storage)))
    inside = signed_content(data) or (data if b"multipart/signed" in data[:4096].lower() else None)
    if inside is not None:
        builder.add_content(mail_content(parsed(inside), source))
    else:
        builder.note(f"the mail is encrypted with S/MIME: {OPENED}")
    return builder.build()


def _headers(storage: Storage) -> dict[str, str]:
    """Return the headers that came with the message; what it never sent has properties alone."""
    sent = parse_headers(parsed(storage.text(HEADERS).encode("utf-8", "replace")))
    people: dict[str, list[str]] = defaultdict(list)
    for recipient in storage.within(RECIPIENTS):
        role = ROLES.get(recipient.number(RECIPIENT_TYPE) & 0xF, "")
        people[role].append(_person(recipient, RECIPIENT))
    ours = {
        "from": _person(storage, SENDER),
        "to": ", ".join(people["to"]) or storage.text(TO),
        "cc": ", ".join(people["cc"]) or storage.text(CC),
        "date": sent.get("date") or storage.time(SENT) or storage.time(DELIVERED),
    }
    return {name: value or sent.get(name, "") for name, value in ours.items()}


def _person(storage: Storage, tags: tuple[tuple[int, ...], tuple[int, ...]]) -> str:
    name, address = (next(filter(None, map(storage.text, each)), "") for each in tags)
    if "@" not in address or address == name:  # an address within Exchange means nothing outside it
        return name or address
    return f"{name} <{address}>" if name else address


def _add_text(builder: ContentBuilder, parts: Parts, storage: Storage, source: Source) -> None:
    """Add the message's text from the first of its forms that has some."""
    text = storage.text(BODY)
    if text.strip():
        builder.add(text)
        return
    try:
        builder.add_content(_formatted(storage, source))
    except LimitError:
        raise
    except (LoadError, ValueError) as exc:
        parts.fail("its text", str(exc))


def _formatted(storage: Storage, source: Source) -> Content:
    from rag.load import read

    page, rtf = storage.page(), storage.data(RTF)
    if page.strip():
        return read(replace(source, data=page, name="text.html"))
    if rtf:
        return read(replace(source, data=unpacked_rtf(rtf), name="text.rtf"))
    return Content(text="")


def _add_attachment(parts: Parts, attachment: Storage, source: Source) -> None:
    name = next(filter(None, map(attachment.text, (LONG_NAME, SHORT_NAME, DISPLAY_NAME))), "attachment")
    name = name.replace("/", "_").replace("\\", "_")
    for message in attachment.within(EMBEDDED):
        name = message.text(SUBJECT) or name
        parts.add(name, partial(_embedded, message, source, name))
        return
    data = attachment.data(DATA)
    within_text = bool(attachment.text(CONTENT_ID)) and bool(PICTURE.search(name))
    if within_text and (len(data) < SMALL_PICTURE or not source.settings.ocr):
        return
    if data:
        parts.add_file(name, data, silently=within_text)


def _embedded(message: Storage, source: Source, name: str) -> Content:
    return _content(message, source.member(b"", name))
