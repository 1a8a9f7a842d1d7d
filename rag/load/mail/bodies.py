"""A mail's parts -> its text: the best of the ways it says the same, then what is attached."""

from __future__ import annotations

import mimetypes
import re
from codecs import BOM_UTF8
from dataclasses import replace
from functools import partial
from typing import Final

from rag.errors import LoadError
from rag.load.content import NEWLINES, Content, ContentBuilder, tidy
from rag.load.mail.headers import NO_SUBJECT, Mail, file_name, header_lines, parse_headers
from rag.load.mail.transfer import payload, without_uuencoded
from rag.load.parts import Parts
from rag.load.plain.blobs import without_blobs
from rag.load.plain.encoding import Decoded, decode_noted
from rag.load.source import LimitError, Source

MAX_NESTED: Final = 60  # parts within parts
SIGNATURES: Final = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
ENCRYPTED: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
REPORTS: Final = frozenset({"message/delivery-status", "message/disposition-notification"})
SEALED: Final = "smime.p7m"
ENCRYPTED_PARTS: Final = frozenset({"multipart/encrypted", "application/pgp-encrypted"})
ARMOUR: Final = re.compile(r"-----BEGIN PGP MESSAGE-----.*?(?:-----END PGP MESSAGE-----|\Z)", re.S)
SMALL_TEXT: Final = 200  # characters; a shorter plain text may only say that the mail is a page
FULLER: Final = 4  # times as long as such a text the page must be to be read instead
SMALL_PICTURE: Final = 10_000  # bytes; a smaller one within the text is a logo or a line
SOFT_BREAK: Final = re.compile(r"(?<=[^-\n] )\n(?!>)(?=[^\n])")  # format=flowed (RFC 3676)
FOLDED: Final = re.compile(r"\n[ \t]")  # lines of a calendar (RFC 5545, 3.1 and 3.3.11)
ESCAPED: Final = re.compile(r"\\([nN,;\\])")
OPENED: Final = "open it in your mail program and save it from there"
ENCRYPTED_TEXT: Final = f"its text is encrypted with PGP: {OPENED}"
TNEF: Final = b"\x78\x9f\x3e\x22"  # first bytes of a winmail.dat


def mail_content(message: Mail, source: Source) -> Content:
    """Return who wrote a message to whom, its text and attachments; `source.data` may be empty."""
    return _Reader(source).read(message)


def subject_of(message: Mail) -> str:
    return parse_headers(message).get("subject") or NO_SUBJECT


def html_content(part: Mail, source: Source) -> Content:
    """Read a page within a mail, in the charset that its part declares."""
    from rag.load import read

    page = _decoded(part)
    if not page.text.strip():
        return Content(text="")
    content = read(replace(source, data=BOM_UTF8 + page.text.encode("utf-8", "replace"), name="text.html"))
    return replace(content, notes=(*page.notes, *content.notes))


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._builder = ContentBuilder()
        self._parts = Parts(source, self._builder)
        self._unnamed = 0
        self._has_text = False

    def read(self, message: Mail) -> Content:
        headers = parse_headers(message, message.get_content_charset())
        self._builder.add(header_lines(headers))
        stopped = ""
        try:
            self._add(message, 0)
        except LimitError as exc:
            stopped = str(exc)
        self._parts.finish(stopped)
        return self._builder.build()

    def _add(self, part: Mail, nested: int, *, body: bool = True) -> None:
        """Add a part; without `body` only what is attached, since its text was read in another form."""
        kind = part.get_content_type()
        if nested > MAX_NESTED:
            raise LimitError("its parts are nested too deeply")
        if kind == "message/rfc822" and part.is_multipart():
            self._add_message(part)
        elif kind in ENCRYPTED_PARTS:
            self._builder.note(f"the mail is encrypted with PGP: {OPENED}")
        elif kind in REPORTS:
            self._builder.add(
                "\n".join(f"{name}: {value}" for each in part.walk() for name, value in each.items())
            )
        elif kind in {"multipart/alternative", "multipart/related"} and part.is_multipart():
            self._add_one_of(part, kind, nested, body=body)
        elif part.is_multipart():
            for child in _children(part):
                self._add(child, nested + 1, body=body)
        elif kind not in SIGNATURES:
            self._add_leaf(part, kind, body=body)

    def _add_one_of(self, part: Mail, kind: str, nested: int, *, body: bool) -> None:
        children = _children(part)
        chosen = _best(children) if kind == "multipart/alternative" else _root(part, children)
        for child in children:
            self._add(child, nested + 1, body=body and child is chosen)

    def _add_leaf(self, part: Mail, kind: str, *, body: bool) -> None:
        name = file_name(part)
        attached = part.get_content_disposition() == "attachment" or bool(name)
        if kind in ENCRYPTED or name.lower().endswith(SEALED):
            self._add_sealed(part)
        elif kind.startswith("text/") and not attached:
            if body:
                self._add_text(part, kind)
        elif kind.startswith("image/") and part.get_content_disposition() != "attachment":
            self._add_picture(part)
        elif attached or kind != "text/calendar":
            self._add_attachment(part)

    def _add_text(self, part: Mail, kind: str) -> None:
        try:
            if kind == "text/html":
                found = html_content(part, self._source)
                self._has_text |= self._builder.add_content(found) is not None
                return
            plain = plain_text(part)
        except LimitError:
            raise
        except LoadError as exc:
            if kind != "text/html" or "no text" not in str(exc):
                self._parts.fail("its text", str(exc))
            return
        text, files = without_uuencoded(plain.text)
        self._has_text |= self._builder.add_content(replace(plain, text=tidy(text))) is not None
        for name, data in files:
            self._parts.add_file(name, data)

    def _add_message(self, part: Mail) -> None:
        for message in _children(part):
            name = subject_of(message)
            self._parts.add(name, partial(self._content_of, message, name))

    def _content_of(self, message: Mail, name: str) -> Content:
        inner = self._source.member(b"", name)
        return mail_content(message, inner)

    def _add_picture(self, part: Mail) -> None:
        data, _ = payload(part)
        if self._source.settings.ocr and len(data) >= SMALL_PICTURE:
            self._parts.add_file(self._name(part), data, silently=True)

    def _add_attachment(self, part: Mail) -> None:
        data, damage = payload(part)
        if data.startswith(TNEF):
            self._add_tnef(data)
        elif data:
            name = self._name(part)
            self._parts.add_file(name, data)
            if damage:
                self._builder.note(f"{name}: {damage}")

    def _add_tnef(self, data: bytes) -> None:
        """Add what is attached within a winmail.dat, and its text where the mail has no other."""
        from rag.load.mail.outlook import add_item
        from rag.load.mail.tnef import opened

        add_item(self._builder, self._parts, opened(data), self._source, with_text=not self._has_text)

    def _add_sealed(self, part: Mail) -> None:
        from rag.load.mail.message import parsed
        from rag.load.mail.smime import signed_content

        inside = signed_content(payload(part)[0])
        if inside is None:
            self._builder.note(f"the mail is encrypted with S/MIME: {OPENED}")
        else:
            self._add(parsed(inside), 1)

    def _name(self, part: Mail) -> str:
        name = file_name(part)
        if not name:
            self._unnamed += 1
            suffix = mimetypes.guess_extension(part.get_content_type()) or ""
            name = f"attachment {self._unnamed}{suffix}"
        return name


def plain_text(part: Mail) -> Content:
    """Return the text of a part, its soft line breaks undone where it says that it has such."""
    found = _decoded(part)
    text = NEWLINES.sub("\n", found.text)
    if str(part.get_param("format", "")).lower() == "flowed":
        text = SOFT_BREAK.sub("", text)
    if part.get_content_type() == "text/calendar":
        text = ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], FOLDED.sub("", text))
    text, secrets = ARMOUR.subn("", text)
    text, left_out = without_blobs(text)
    notes = (*found.notes, *([ENCRYPTED_TEXT] if secrets else []), *left_out)
    return Content(text=tidy(text), notes=notes)


def _decoded(part: Mail) -> Decoded:
    data, damage = payload(part)
    found = decode_noted(data, declared=part.get_content_charset())
    return replace(found, notes=(damage, *found.notes)) if damage else found


def _best(children: list[Mail]) -> Mail | None:
    """Return the plain text of a mail, or its page where the plain text only stands in for it."""
    plain = next((child for child in children if child.get_content_type() == "text/plain"), None)
    others = [child for child in children if _holds_page(child)]
    if plain is None or not others:
        calendar = (child for child in children if child.get_content_type() == "text/calendar")
        return plain or next(iter(others), None) or next(calendar, None)
    text = _text_or_nothing(plain).strip()
    is_stand_in = len(text) < SMALL_TEXT and _length_of_page(others[0]) > FULLER * (len(text) + 1)
    return others[0] if is_stand_in else plain


def _holds_page(part: Mail) -> bool:
    return any(each.get_content_type() == "text/html" for each in part.walk())


def _length_of_page(part: Mail) -> int:
    """Return roughly how many characters the page in a part shows."""
    page = next(each for each in part.walk() if each.get_content_type() == "text/html")
    shown = re.sub(r"(?is)<(style|script|head)\b.*?</\1>|<[^>]*>|\s+", "", _text_or_nothing(page))
    return len(shown)


def _text_or_nothing(part: Mail) -> str:
    try:
        return _decoded(part).text
    except LoadError:
        return ""


def _root(part: Mail, children: list[Mail]) -> Mail | None:
    """Return the part that the others of multipart/related belong to (RFC 2387)."""
    start = str(part.get_param("start", ""))
    named = (child for child in children if start and child.get("content-id") == start)
    return next(named, next(iter(children), None))


def _children(part: Mail) -> list[Mail]:
    payload = part.get_payload()
    return [child for child in payload if not isinstance(child, str)] if isinstance(payload, list) else []
