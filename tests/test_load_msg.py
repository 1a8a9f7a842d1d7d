from __future__ import annotations

import base64
import contextlib
from datetime import UTC, datetime
from typing import TypeAlias

import olefile
import pytest

from rag.errors import LoadError
from rag.load import read
from rag.load.content import Content
from rag.load.office.rtf_packed import unpacked_rtf
from rag.load.source import Source
from tests.minimal_msg import BINARY, LONG, STRING8, TIME, UNICODE, Tree, attachment, compound, message

Values: TypeAlias = "dict[tuple[int, int], bytes | int | str]"

MOMENT = (
    int((datetime(2024, 3, 1, 1, 30, tzinfo=UTC) - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10**7
)
BASE: Values = {
    (0x0037, UNICODE): "季度报告",
    (0x0042, UNICODE): "Ann",
    (0x5D02, UNICODE): "ann@example.org",
    (0x0039, TIME): MOMENT,
}
BODY = (0x1000, UNICODE)
ZHANG: Values = {(0x3001, UNICODE): "张三", (0x39FE, UNICODE): "zhang@example.org", (0x0C15, LONG): 1}
EXCHANGE: Values = {
    (0x3001, UNICODE): "李四",
    (0x3003, UNICODE): "/o=Org/cn=Recipients/cn=li",
    (0x0C15, LONG): 2,
}
PEOPLE = "From: Ann <ann@example.org>\nTo: 张三 <zhang@example.org>\nCc: 李四"
HEAD = f"季度报告\n\n{PEOPLE}\nDate: 2024-03-01 01:30 UTC"


def outlook(values: Values, *attachments: Tree) -> bytes:
    return compound(message(BASE | values, recipients=[ZHANG, EXCHANGE], attachments=list(attachments)))


def read_msg(data: bytes, name: str = "a.msg") -> Content:
    return read(Source(data=data, name=name))


def test_the_writer_makes_what_olefile_reads() -> None:
    tree: Tree = {f"stream {n}": bytes([n]) * n * 50 for n in range(120)}
    with olefile.OleFileIO(compound({"in": tree, **tree})) as found:
        assert found.parsing_issues == []
        for name, data in tree.items():
            assert found.openstream(["in", name]).read() == data
            assert found.openstream([name]).read() == data


@pytest.mark.parametrize("name", ["a.msg", "a.bin", "a.doc"])
def test_a_message_is_its_subject_who_wrote_to_whom_and_its_text(name: str) -> None:
    content = read_msg(outlook({BODY: "正文。\r\n> quoted\0"}), name)
    assert content.text == f"{HEAD}\n\n正文。\n> quoted"
    assert [(heading.level, heading.title) for heading in content.headings] == [(1, "季度报告")]


def test_text_of_an_old_message_is_decoded_by_its_code_page() -> None:
    values: Values = {(0x1000, STRING8): "会议记录".encode("gbk"), (0x3FFD, LONG): 936}
    assert read_msg(outlook(values)).text.endswith("会议记录")


def test_a_message_with_html_alone_is_read() -> None:
    page = "<html><body><h2>标题</h2><p>内容</p></body></html>"
    ways: tuple[Values, ...] = (
        {(0x1013, BINARY): page.encode("gb2312"), (0x3FDE, LONG): 936},
        {(0x1013, BINARY): page.encode()},
        {(0x1013, UNICODE): page},
    )
    for values in ways:
        content = read_msg(outlook(values))
        assert content.text.endswith("UTC\n\n标题\n\n内容")
        assert content.headings[-1].title == "标题"


def test_packed_rtf_is_unpacked() -> None:
    # The two examples of MS-OXRTFCP, 3.1 and 3.2.
    first = (
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    second = "1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0"
    assert unpacked_rtf(bytes.fromhex(first)) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert unpacked_rtf(bytes.fromhex(second)) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    assert unpacked_rtf(plain_rtf("{\\rtf1 text}")) == b"{\\rtf1 text}"


def plain_rtf(text: str) -> bytes:
    return (
        (len(text) + 12).to_bytes(4, "little") + len(text).to_bytes(4, "little") + b"MELA" + bytes(4)
        + text.encode()
    )  # fmt: skip


def test_a_message_with_rtf_alone_is_read() -> None:
    rtf = "{\\rtf1\\ansi\\ansicpg1252 The text \\'e9 of it.\\par}"
    assert read_msg(outlook({(0x1009, BINARY): plain_rtf(rtf)})).text.endswith("The text é of it.")


def test_damaged_rtf_costs_the_text_alone() -> None:
    content = read_msg(outlook({(0x1009, BINARY): b"garbage" * 9}))
    assert content.text == HEAD
    assert content.notes == ("its text: the RTF of the message is packed in an unknown way",)


def test_what_is_attached_is_read_under_its_name_below_the_subject() -> None:
    files = {
        "计划.md": "# 计划\n\n内容".encode(),
        "large.txt": b"line\n" * 2000,
        "tool": b"\x7fELF" + bytes(range(200)),
    }
    attached = [attachment({(0x3707, UNICODE): name, (0x3701, BINARY): data}) for name, data in files.items()]
    content = read_msg(outlook({BODY: "text"}, *attached))
    parts = {page.part: content.text[page.start : page.end] for page in content.pages}
    assert parts["计划.md"] == "# 计划\n\n内容"
    assert parts["large.txt"] == ("line\n" * 2000).rstrip()
    assert content.notes == ("tool: a program cannot be read",)
    titles = [(heading.level, heading.title) for heading in content.headings]
    assert titles == [(1, "季度报告"), (2, "计划.md"), (3, "计划"), (2, "large.txt")]


def test_an_attached_message_is_a_part_with_its_own_attachments() -> None:
    deep = attachment({(0x3704, UNICODE): "DEEP.TXT", (0x3701, BINARY): b"deep"})
    inner = message(
        {(0x0037, UNICODE): "原始", BODY: "first", (0x0039, TIME): MOMENT}, attachments=[deep], header=24
    )
    content = read_msg(outlook({BODY: "text"}, attachment({(0x3001, UNICODE): "x"}, inner)))
    parts = {page.part: content.text[page.start : page.end] for page in content.pages}
    assert parts["原始"].startswith("Date: 2024-03-01 01:30 UTC\n\nfirst")
    assert parts["原始 › DEEP.TXT"] == "deep"


def test_an_attached_office_file_does_not_make_the_message_one() -> None:
    inner = compound({"WordDocument": bytes(5000)})
    content = read_msg(
        outlook({BODY: "text"}, attachment({(0x3707, UNICODE): "a.doc", (0x3701, BINARY): inner}))
    )
    assert content.text.startswith(f"{HEAD}\n\ntext")


def test_headers_that_came_with_the_message_fill_what_its_properties_lack() -> None:
    sent = (
        "From: =?utf-8?B?"
        + base64.b64encode("王五".encode()).decode()
        + "?= <w@x.org>\r\nDate: Fri, 1 Mar 2024\r\n"
    )
    data = compound(message({(0x0037, UNICODE): "s", BODY: "text", (0x007D, UNICODE): sent}))
    assert read_msg(data).text == "s\n\nFrom: 王五 <w@x.org>\nDate: Fri, 1 Mar 2024\n\ntext"


@pytest.mark.parametrize("kind", ["IPM.Note.SMIME", "IPM.Note.SMIME.MultipartSigned"])
def test_a_secured_message_is_read_or_says_that_it_is_encrypted(kind: str) -> None:
    mail = b"Content-Type: multipart/signed; boundary=b\n\n--b\nContent-Type: text/plain\n\nsigned\n--b--"
    data = mail if kind.endswith("Signed") else b"\x30\x80secret"
    content = read_msg(
        outlook(
            {(0x001A, UNICODE): kind}, attachment({(0x3707, UNICODE): "smime.p7m", (0x3701, BINARY): data})
        )
    )
    if kind.endswith("Signed"):
        assert content.text == f"{HEAD}\n\nsigned"
    else:
        assert content.text == HEAD
        assert "encrypted with S/MIME" in content.notes[0]


def test_what_of_a_text_could_not_be_decoded_is_told() -> None:
    text = "这是一封关于合同的邮件，请查收附件中的文件。".encode() * 4
    for tag in (0x1000, 0x1013):
        kind = BINARY if tag == 0x1013 else STRING8
        values: Values = {(tag, kind): text[:40] + b"\xff\xfe" + text[42:], (0x3FDE, LONG): 65001}
        assert [note for note in read_msg(outlook(values)).notes if "could not be decoded" in note]


def test_an_attachment_that_is_only_a_link_or_an_object_says_so() -> None:
    link = attachment({(0x3707, UNICODE): "plan.docx", (0x3705, LONG): 7})
    ole = attachment({(0x3707, UNICODE): "chart", (0x3705, LONG): 6}, {"CONTENTS": b"data"})
    assert read_msg(outlook({BODY: "text"}, link, ole)).notes == (
        "plan.docx: it is only a link to a file that is kept elsewhere",
        "chart: it is an object of another program: open the mail in Outlook and save it from there",
    )


def test_a_cut_or_changed_message_is_read_or_refused() -> None:
    data = outlook(
        {BODY: "text " * 2000}, attachment({(0x3707, UNICODE): "a.txt", (0x3701, BINARY): b"deep"})
    )
    for at in range(0, len(data), len(data) // 60):
        for changed in (data[:at], data[:at] + b"\xff\x00\x07" + data[at + 3 :]):
            with contextlib.suppress(LoadError):
                assert read_msg(changed).text.strip()
