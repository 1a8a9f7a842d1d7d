from __future__ import annotations

import contextlib
from email.message import EmailMessage

from rag.errors import LoadError
from rag.load import read
from rag.load.content import Content
from rag.load.source import Source
from tests.minimal_msg import compound
from tests.minimal_tnef import (
    ATTACHMENT_PROPERTIES,
    DATA,
    EMBEDDED,
    MANY,
    MESSAGE_PROPERTIES,
    OBJECT,
    RECIPIENTS,
    START,
    STRING8,
    SUBJECT,
    TEXT,
    TITLE,
    UNICODE,
    Values,
    properties,
    recipients,
    tnef,
)
from tests.test_load_msg import MOMENT

ANN: Values = {(0x0C1A, UNICODE): "Ann", (0x0C1F, UNICODE): "ann@example.org", (0x0039, 0x0040): MOMENT}
ZHANG: Values = {(0x3001, UNICODE): "张三", (0x3003, UNICODE): "zhang@example.org", (0x0C15, 0x0003): 1}
HEAD = "From: Ann <ann@example.org>\nTo: 张三 <zhang@example.org>\nDate: 2024-03-01 01:30 UTC"
BODY = properties(
    {(0x8001, UNICODE): "named", (0x8002, STRING8 | MANY): b"two", (0x1000, UNICODE): "正文。", **ANN}
)


def read_tnef(data: bytes, name: str = "winmail.dat") -> Content:
    return read(Source(data=data, name=name))


def file(name: str, data: bytes) -> list[tuple[int, bytes]]:
    long_name = properties({(0x3707, UNICODE): name})
    return [(START, bytes(14)), (TITLE, b"SHORT.TXT\0"), (DATA, data), (ATTACHMENT_PROPERTIES, long_name)]


def test_a_winmail_dat_is_a_message_with_its_people_its_text_and_its_files() -> None:
    data = tnef(
        (SUBJECT, "季度报告\0".encode("gbk")),
        (MESSAGE_PROPERTIES, BODY),
        (RECIPIENTS, recipients(ZHANG)),
        *file("计划.md", "# 计划\n\n内容".encode()),
        codepage=936,
    )
    content = read_tnef(data)
    assert content.text == f"季度报告\n\n{HEAD}\n\n正文。\n\n计划.md\n\n# 计划\n\n内容"
    assert [(heading.level, heading.title) for heading in content.headings] == [
        (1, "季度报告"),
        (2, "计划.md"),
        (3, "计划"),
    ]
    assert read_tnef(data, "message.bin") == content


def test_text_in_an_older_attribute_is_decoded_by_the_code_page() -> None:
    data = tnef((TEXT, "会议记录\0".encode("gbk")), codepage=936)
    assert read_tnef(data).text == "(no subject)\n\n会议记录"


def test_an_attached_message_and_an_attached_object_are_read() -> None:
    inner = tnef((SUBJECT, b"inner\0"), (TEXT, b"first\0"), *file("deep.txt", b"deep"))
    message = properties({(0x3701, OBJECT): EMBEDDED + inner})
    ole = properties({(0x3701, OBJECT): bytes(16) + compound({"WordDocument": bytes(5000)})})
    content = read_tnef(
        tnef(
            (SUBJECT, b"outer\0"),
            (START, bytes(14)),
            (ATTACHMENT_PROPERTIES, message),
            (START, bytes(14)),
            (TITLE, b"an object\0"),
            (ATTACHMENT_PROPERTIES, ole),
        )
    )
    assert content.text == "outer\n\ninner\n\nfirst\n\ndeep.txt\n\ndeep"
    (note,) = content.notes
    assert note.startswith("an object: ")


def mail_with(data: bytes, text: str) -> Content:
    message = EmailMessage()
    message["From"] = "Ann <ann@example.org>"
    message["Subject"] = "outer"
    message.set_content(text)
    message.add_attachment(data, maintype="application", subtype="ms-tnef", filename="winmail.dat")
    return read(Source(data=message.as_bytes(), name="a.eml"))


def test_the_files_in_the_winmail_dat_of_a_mail_are_attached_to_the_mail() -> None:
    data = tnef((SUBJECT, b"inner\0"), (TEXT, b"the text\0"), *file("notes.txt", b"the notes"))
    with_text = mail_with(data, "the text")
    assert with_text.text.endswith("the text\n\nnotes.txt\n\nthe notes")
    assert with_text.text.count("the text") == 1
    assert [page.part for page in with_text.pages if page.part] == ["notes.txt"]
    assert mail_with(data, " ").text.endswith("the text\n\nnotes.txt\n\nthe notes")


def test_a_cut_or_changed_winmail_dat_is_read_or_refused() -> None:
    data = tnef(
        (SUBJECT, b"s\0"),
        (MESSAGE_PROPERTIES, BODY),
        (RECIPIENTS, recipients(ZHANG, ZHANG)),
        *file("a.txt", b"the notes"),
    )
    for at in range(5, len(data)):
        for changed in (data[:at], data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :]):
            with contextlib.suppress(LoadError):
                assert read_tnef(changed).text.strip()
