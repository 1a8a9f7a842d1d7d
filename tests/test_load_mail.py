from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from rag.errors import LoadError
from rag.load import read
from rag.load.content import Content
from rag.load.source import Settings, Source
from tests.test_load_archive import zipped

FORMATS = Path(__file__).parents[2] / "shared" / "formats"
PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(range(200)) * 9
HEADERS = "From: Ann <ann@example.org>\nTo: 张三 <zhang@example.org>\nDate: Fri, 01 Mar 2024 09:30:00 +0800"


def mail(subject: str = "季度报告 Q1", text: str = "See the report.\n\n> Where is it?\n") -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = "Ann <ann@example.org>"
    message["To"] = "张三 <zhang@example.org>"
    message["Date"] = "Fri, 01 Mar 2024 09:30:00 +0800"
    message["Subject"] = subject
    message["Message-ID"] = "<1@example.org>"
    if text:
        message.set_content(text)
    return message


def read_mail(data: bytes | EmailMessage, name: str = "a.eml", *, ocr: bool = True) -> Content:
    data = data.as_bytes() if isinstance(data, EmailMessage) else data
    content = read(Source(data=data, name=name, settings=Settings(ocr=ocr)))
    for heading in content.headings:
        assert heading.title in content.text[heading.start : heading.end]
    return content


def test_a_message_is_its_subject_its_headers_and_its_text_with_quotes() -> None:
    content = read_mail(mail())
    assert content.text == f"季度报告 Q1\n\n{HEADERS}\n\nSee the report.\n\n> Where is it?"
    assert [(heading.level, heading.title) for heading in content.headings] == [(1, "季度报告 Q1")]


def test_a_message_is_known_without_its_name() -> None:
    assert read_mail(mail().as_bytes(), "message.txt") == read_mail(mail())


@pytest.mark.parametrize(
    "charset", ["utf-8", "gb2312", "gb18030", "big5", "shift_jis", "euc-kr", "iso-8859-1"]
)
def test_text_is_decoded_by_its_charset(charset: str) -> None:
    text = {
        "big5": "會議記錄",
        "shift_jis": "会議の資料です",
        "euc-kr": "회의 자료입니다",
        "iso-8859-1": "Größe und Maß",
    }.get(charset, "会议记录")
    message = mail(text="")
    message.set_content(text, charset=charset)
    assert read_mail(message).text.endswith(text)


def test_a_wrong_or_unknown_charset_does_not_turn_text_into_rubbish() -> None:
    for declared in ("us-ascii", "x-unknown", "utf-8"):
        head = f"From: a@example.org\nSubject: x\nContent-Type: text/plain; charset={declared}\n\n"
        assert read_mail(head.encode() + "合同的签订日期是三月一日。".encode("gbk")).text.endswith(
            "三月一日。"
        )


def test_headers_are_read_however_they_are_encoded() -> None:
    whole = "关于2024年度采购合同的说明".encode("gb2312")
    cut = 11  # within a character, as many a Chinese mail program cuts
    words = [base64.b64encode(piece).decode() for piece in (whole[:cut], whole[cut:])]
    encoded = f"=?gb2312?B?{words[0]}?=\r\n =?gb2312?B?{words[1]}?="
    for subject in (
        encoded.encode(),
        whole,
        whole.decode("gb2312").encode(),
        b"=?UTF-8?B?" + base64.b64encode(whole.decode("gb2312").encode()) + b"?=",
    ):
        content = read_mail(b"From: a@example.org\r\nSubject: " + subject + b"\r\n\r\ntext")
        assert content.headings[0].title == "关于2024年度采购合同的说明"
    assert read_mail(b'From: "=?utf-8?Q?=E5=BC=A0_San?=" <z@x.org>\n\ntext').text.splitlines()[2] == (
        "From: 张 San <z@x.org>"
    )


def test_plain_text_is_preferred_and_a_page_where_it_only_stands_in() -> None:
    message = mail()
    message.add_alternative("<p>See the <b>report</b>.</p>", subtype="html")
    assert read_mail(message).text.endswith("> Where is it?")
    message = mail(text="Your program shows no HTML.")
    message.add_alternative(f"<h2>Report</h2><p>{'The whole report. ' * 30}</p>", subtype="html")
    content = read_mail(message)
    assert "The whole report. The whole report." in content.text
    assert "Your program" not in content.text
    assert [(heading.level, heading.title) for heading in content.headings][-1] == (3, "Report")


def test_a_page_alone_is_read_in_the_charset_of_its_part() -> None:
    message = mail(text="")
    message.set_content("<p>会议<br>记录</p>", subtype="html", charset="gb2312")
    assert read_mail(message).text.endswith("会议\n记录")


def test_what_is_attached_is_read_under_its_name_below_the_subject() -> None:
    message = mail()
    message.add_attachment("# 计划\n\n内容".encode(), maintype="text", subtype="markdown", filename="计划.md")
    message.add_attachment(
        zipped({"in/a.txt": b"deep"}), maintype="application", subtype="zip", filename="a.zip"
    )
    message.add_attachment(PROGRAM, maintype="application", subtype="octet-stream", filename="tool")
    content = read_mail(message)
    assert content.notes == ("tool: a program cannot be read",)
    titles = [(heading.level, heading.title) for heading in content.headings]
    assert titles == [
        (1, "季度报告 Q1"),
        (2, "计划.md"),
        (3, "计划"),
        (2, "a.zip"),
        (3, "in/a.txt"),
    ]
    parts = {page.part: content.text[page.start : page.end] for page in content.pages}
    assert parts["计划.md"] == "# 计划\n\n内容"
    assert parts["a.zip › in/a.txt"] == "deep"


@pytest.mark.parametrize(
    "disposition",
    [
        b'attachment; filename="=?gb2312?B?us/NrC50eHQ=?="',
        b"attachment; filename*=gb18030''%BA%CF%CD%AC.txt",
        b"attachment; filename*0*=utf-8''%E5%90%88; filename*1*=%E5%90%8C.txt",
        b'attachment; filename="\xba\xcf\xcd\xac.txt"',
        'attachment; filename="合同.txt"'.encode(),
    ],
)
def test_an_attachment_keeps_its_name_however_it_is_encoded(disposition: bytes) -> None:
    data = (
        b"From: a@example.org\nSubject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\n"
        b"Content-Type: application/octet-stream\nContent-Disposition: "
        + disposition
        + b"\n\ninside\n--b--\n"
    )
    assert [page.part for page in read_mail(data).pages if page.part] == ["合同.txt"]


def test_an_attachment_beside_the_page_that_is_not_chosen_is_read() -> None:
    message = mail()  # as Apple Mail writes it
    message.add_alternative("<p>See the report.</p>", subtype="html")
    page = message.get_payload()[1]  # type: ignore[index]
    page.make_mixed()  # type: ignore[union-attr]
    page.add_attachment("the report", filename="report.txt")  # type: ignore[union-attr]
    assert read_mail(message).text.endswith("> Where is it?\n\nreport.txt\n\nthe report")


def test_a_forwarded_message_is_a_part_with_its_own_attachments() -> None:
    inner = mail("原始邮件", "The first word.")
    inner.add_attachment("data", filename="data.txt")
    message = mail()
    message.add_attachment(inner)
    content = read_mail(message)
    parts = {page.part: content.text[page.start : page.end] for page in content.pages}
    assert "From: Ann" in parts["原始邮件"]
    assert "The first word." in parts["原始邮件"]
    assert parts["原始邮件 › data.txt"] == "data"


def test_soft_line_breaks_are_undone_where_the_mail_says_it_has_them() -> None:
    text = "one two \nthree\n> quoted \n> more\nend"
    head = "From: a@example.org\nSubject: s\nContent-Type: text/plain; format=flowed\n\n"
    assert read_mail((head + text).encode()).text.endswith("one two three\n> quoted\n> more\nend")


def test_a_small_picture_in_the_text_is_passed_over() -> None:
    message = mail()
    message.add_related(b"\x89PNG\r\n\x1a\n" + bytes(500), maintype="image", subtype="png", cid="<logo>")
    assert read_mail(message).notes == ()


@pytest.mark.parametrize(
    ("head", "body", "way"),
    [
        ("multipart/encrypted; boundary=b", "--b\n\nVersion: 1\n--b--", "PGP"),
        ("text/plain", "-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----", "PGP"),
        ("application/pkcs7-mime; smime-type=enveloped-data", "not read", "S/MIME"),
    ],
)
def test_an_encrypted_mail_says_so(head: str, body: str, way: str) -> None:
    content = read_mail(f"From: a@example.org\nSubject: s\nContent-Type: {head}\n\n{body}".encode())
    assert content.text == "s\n\nFrom: a@example.org"
    assert [note for note in content.notes if f"encrypted with {way}" in note and "save it" in note]


@pytest.mark.parametrize("pieces", [False, True])
def test_a_signed_mail_is_read_though_its_text_is_wrapped(*, pieces: bool) -> None:
    inside = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "已签名的内容".encode()
    octets = b"\x04\x82" + len(inside).to_bytes(2) + inside
    wrapped = b"\x24\x80" + octets + b"\0\0" if pieces else octets
    data = bytes.fromhex("3080 06092a864886f70d010702 a080 3080 020101 3100 3080 06092a864886f70d010701 a080")
    signed = base64.encodebytes(data + wrapped + bytes(12)).decode()
    head = "From: a@example.org\nSubject: s\nContent-Type: application/pkcs7-mime; smime-type=signed-data\n"
    content = read_mail(f"{head}Content-Transfer-Encoding: base64\n\n{signed}".encode())
    assert content.text == "s\n\nFrom: a@example.org\n\n已签名的内容"
    assert content.notes == ()


MALFORMED = [
    b"Subject: =?utf-8?B?!!!!?=\n\nbody text",
    b"Subject: =?no-such-charset?Q?caf=E9?=\n\nbody text",
    b'From: \xff\xfe<<<>>>,,,;;; "\nTo: @@@\nSubject: s\n\nbody text',
    b"Subject: s\nContent-Type: multipart/mixed\n\nbody text",
    b"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nbody text",
    b"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type\n\nbody text\n--b",
    b'Subject: s\nContent-Type: text/plain; charset="\n\nbody text',
    b"Subject: s\nContent-Type: ;;;===\n\nbody text",
    b"Subject: s\nContent-Transfer-Encoding: base64\n\nYm9keSB0ZXh0",
    b"Subject: s\nContent-Transfer-Encoding: base64\n\nYm9keSB0ZXh0IQ=\n===",
    b"Subject: s\nContent-Transfer-Encoding: nonsense\n\nbody text",
    b"Subject: s\nContent-Transfer-Encoding: base64\n\nbody text is not encoded\nas it says",
    b"Subject: s\nContent-Transfer-Encoding: base64;\nname=x\n\nYm9keSB0ZXh0\n",
    b"Subject: s\nContent-Disposition: attachment; filename*=\n\nbody text",
    b"Subject: s\nno header at all\n\nbody text",
    b"\n\nSubject: s\n\nbody text",
]


@pytest.mark.parametrize("data", MALFORMED)
def test_a_malformed_message_yields_its_text(data: bytes) -> None:
    assert "body text" in read_mail(data).text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_a_message_exported_in_another_encoding_is_read(encoding: str) -> None:
    message = mail().as_string().replace('charset="utf-8"', 'charset="utf-16"')
    text = message.encode() if encoding == "utf-8-sig" else message.encode(encoding)
    text = b"\xef\xbb\xbf" + text if encoding == "utf-8-sig" else text
    assert read_mail(text).headings[0].title == "季度报告 Q1"


def test_apples_form_of_a_message_is_read() -> None:
    message = mail().as_bytes()
    data = f"{len(message)}\n".encode() + message + b'<?xml version="1.0"?><plist/>'
    assert read_mail(data, "1234.emlx").text == read_mail(mail()).text


BASE64_HEAD = b"Subject: s\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
DEEP = "# 计划\n\n内容 of a plan that is longer than one line of such a file".encode()
LINES = [f"the line {number} of a text of many lines 考据".encode() for number in range(9)]


def in_base64(lines: list[bytes], *, width: int = 76) -> bytes:
    whole = base64.b64encode(b"\n".join(lines))
    return b"\n".join(whole[at : at + width] for at in range(0, len(whole), width)) + b"\n"


def test_a_footer_below_a_text_in_base64_is_kept_and_no_rubbish_made_of_it() -> None:
    footer = b"\n_______________\nlist mailing list\nlist@example.org\n"
    content = read_mail(BASE64_HEAD + in_base64(LINES) + footer)
    body = b"\n".join(LINES).decode()
    assert content.text == f"s\n\n{body}\n\n_______________\nlist mailing list\nlist@example.org"
    assert content.notes == ()


def test_lines_that_are_padded_each_for_itself_are_all_read() -> None:
    body = b"\n".join(base64.b64encode(line + b"\n") for line in LINES)
    assert read_mail(BASE64_HEAD + body).text == "s\n\n" + b"\n".join(LINES).decode()


def test_base64_that_is_cut_or_changed_yields_what_is_whole_and_says_so() -> None:
    whole = in_base64(LINES)
    for damaged in (whole[: 5 * 77 + 9], whole[:77] + b"!" + whole[77:]):
        content = read_mail(BASE64_HEAD + damaged)
        assert content.text.startswith("s\n\nthe line 0 of a text of many lines 考据\nthe line 1 ")
        assert "line 5 of a text" in content.text
        assert content.notes[0] == "it was damaged on its way: only what is whole of it was read"


def test_an_invitation_is_read_as_lines_of_text() -> None:
    calendar = (
        "BEGIN:VEVENT\nSUMMARY:Budget\\, final\nDESCRIPTION:We discuss the bud\n get\\nof 2024\nEND:VEVENT"
    )
    shown = "BEGIN:VEVENT\nSUMMARY:Budget, final\nDESCRIPTION:We discuss the budget\nof 2024\nEND:VEVENT"
    head = "Subject: s\nContent-Type: "
    alone = f"{head}text/calendar; method=REQUEST\n\n{calendar}"
    among = (
        f"{head}multipart/alternative; boundary=b\n\n--b\nContent-Type: text/calendar\n\n{calendar}\n--b--"
    )
    for data in (alone, among):
        assert read_mail(data.encode()).text == f"s\n\n{shown}"


def test_why_a_mail_was_not_delivered_is_read() -> None:
    data = (
        b"Subject: s\nContent-Type: multipart/report; boundary=b\n\n--b\n\nSorry\n--b\n"
        b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; x.org\n\n"
        b"Final-Recipient: rfc822; b@x.org\nDiagnostic-Code: smtp; 550 no such user\n\n--b--"
    )
    assert read_mail(data).text.endswith(
        "Reporting-MTA: dns; x.org\nFinal-Recipient: rfc822; b@x.org\nDiagnostic-Code: smtp; 550 no such user"
    )


def test_a_file_written_into_the_text_is_attached() -> None:
    lines = b"".join(binascii.b2a_uu(DEEP[at : at + 45]) for at in range(0, len(DEEP), 45)).decode()
    content = read_mail(mail(text=f"See it:\n\nbegin 644 计划.md\n{lines}`\nend\n\nBye"))
    assert content.text.endswith(f"See it:\n\nBye\n\n计划.md\n\n{DEEP.decode()}")


def test_what_could_not_be_decoded_is_told() -> None:
    for kind in ("plain", "html"):
        head = f"Subject: s\nContent-Type: text/{kind}; charset=utf-8\n\n".encode()
        text = "这是一封关于合同的邮件，请查收附件中的文件。".encode() * 4
        content = read_mail(head + text[:40] + b"\xff\xfe\xfd" + text[42:])
        assert [note for note in content.notes if "could not be decoded" in note], kind


def test_encoded_data_in_a_text_is_left_out() -> None:
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n" + in_base64([bytes(range(255))] * 8, width=64).decode()
    content = read_mail(mail(text=f"My key:\n\n{key}\nBye"))
    assert content.text.endswith("My key:\n\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nBye")
    assert content.notes == ("1 block of encoded data left out",)


def test_a_page_without_text_is_no_damage() -> None:
    data = (
        b"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\n"
        b"Content-Type: text/html\n\n\n--b--\n"
    )
    assert (read_mail(data).text, read_mail(data).notes) == ("s\n\ntext", ())


def test_what_stands_around_an_encrypted_block_is_read() -> None:
    block = "-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----"
    content = read_mail(mail(text=f"before\n\n{block}\n\nbetween\n\n{block}\n\nafter"))
    assert content.text.endswith("before\n\nbetween\n\nafter")
    assert [note for note in content.notes if "encrypted with PGP" in note]


def test_an_encrypted_file_that_is_attached_says_so() -> None:
    message = mail()
    for name in ("smime.p7m", "secret.txt.pgp"):
        data = bytes.fromhex("85010c03") + bytes(range(256))
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    notes = read_mail(message).notes
    assert notes == (
        "the mail is encrypted with S/MIME: open it in your mail program and save it from there",
        "secret.txt.pgp: a file encrypted with PGP cannot be read: decrypt it and put what it holds here",
    )


def test_a_message_named_as_outlook_names_its_own_is_read_as_mail() -> None:
    for data in (b"Subject: s\n\nbody =?utf-8?Q?text?=", b"Content-Type: text/plain\n\nbody text"):
        assert read_mail(data, "a.msg").text == read_mail(data, "a.eml").text
    assert read_mail(b"::msgcat::mcset de Open \\u00d6ffnen", "de.msg").text == (
        "::msgcat::mcset de Open \\u00d6ffnen"
    )


def test_a_file_that_is_no_mail_says_so() -> None:
    with pytest.raises(LoadError, match="binary data"):
        read_mail(bytes(range(256)) * 40)


# Mailboxes.


def mailbox(messages: Iterator[bytes] | list[bytes], *, end: bytes = b"\n") -> bytes:
    """Return an mbox as RFC 4155 and its `>From ` convention ask."""
    written = []
    for data in messages:
        lines = data.replace(b"\r\n", b"\n").split(b"\n")
        quoted = [b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines]
        written.append(end.join([b"From ann@example.org Fri Mar  1 09:30:00 2024", *quoted, b"", b""]))
    return b"".join(written)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("name", ["Inbox.mbox", "Inbox", "Sent Items"])
def test_each_message_of_a_mailbox_is_a_part(name: str, end: bytes) -> None:
    texts = ["first", "From here on:\n>From there", "第三"]
    subjects = ["一", "二", "三"]
    data = mailbox([mail(*pair).as_bytes() for pair in zip(subjects, texts, strict=True)], end=end)
    content = read_mail(data, name)
    assert [(heading.level, heading.title) for heading in content.headings] == [
        (1, each) for each in subjects
    ]
    parts = [(page.part, content.text[page.start : page.end]) for page in content.pages]
    wanted = [f"{HEADERS}\n\n{text}" for text in texts]
    assert parts == list(zip(subjects, wanted, strict=True))


def test_a_line_that_begins_with_from_within_a_text_parts_nothing() -> None:
    text = b"text\nFrom me to you\n\nFrom then on, all was well.\n"
    data = b"From a@x.org Fri Mar  1 09:30:00 2024\nSubject: s\n\n" + text
    assert len(read_mail(data, "a.mbox").headings) == 1


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    "said", [b"a@x.org Fri Mar  1 09:30:00 2024", b"a at x.org  Fri Mar 11 09:30:00 2024 +0100"]
)
def test_messages_without_an_empty_line_between_them_are_parted_by_a_date(said: bytes, end: bytes) -> None:
    head = [b"From " + said, b"Subject: s", b"MIME-Version: 1.0", b"Content-Transfer-Encoding: base64"]
    message = end.join([*head, b"", base64.b64encode(b"The lamp burns."), b""])
    content = read_mail(message * 3, "a.mbox")
    assert content.text == "\n\n".join(["s\n\nThe lamp burns."] * 3)
    loose = message.replace(b"Fri ", b"last ") * 3
    assert len(read_mail(loose, "a.mbox").headings) == 1


def test_a_message_deleted_in_thunderbird_stays_deleted() -> None:
    data = mailbox([b"X-Mozilla-Status: 0009\nSubject: gone\n\ngone", b"Subject: here\n\nhere"])
    assert read_mail(data, "a.mbox").text == "here\n\nhere"


def test_a_large_mailbox_takes_time_in_proportion() -> None:
    message = mail("subject", "text of a usual length " * 40).as_bytes()
    seconds = []
    for count in (1000, 4000):
        data = mailbox([message] * count)
        begun = time.process_time()
        content = read_mail(data, "a.mbox")
        seconds.append(time.process_time() - begun)
        assert len(content.pages) == count
    assert seconds[1] < 8 * seconds[0]


# Pages saved as mail.


def test_the_main_page_of_those_saved_in_one_file_is_read() -> None:
    message = EmailMessage(policy=SMTP)
    message["From"] = "<Saved by Blink>"
    message["Subject"] = "页面"
    message["MIME-Version"] = "1.0"
    message.set_content(
        "<html><title>页面</title><p>正文在此</p></html>", subtype="html", cte="quoted-printable"
    )
    message.add_related(b"p { color: red }", maintype="text", subtype="css")
    message.add_related("<p>an advertisement</p>", subtype="html")
    for name in ("a.mhtml", "a.mht", "page"):
        assert read_mail(message, name).text == "页面\n\n正文在此"


@pytest.mark.parametrize("kind", ["mixed", "alternative", "related"])
def test_a_message_whose_boundary_never_occurs_keeps_its_text(kind: str) -> None:
    head = f'From: a@b.example\nMIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary="A"'
    body = "--B\nContent-Type: text/plain\n\nAlice was elected.\n--B--\n"
    assert "Alice was elected." in read_mail(f"{head}\n\n{body}".encode()).text


@pytest.mark.skipif(not FORMATS.is_dir(), reason="../shared/formats is not on this machine")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("eml/fake-email-attachment.eml", "Hey this is a fake attachment!"),
        ("broken/fake-email-malformed-encoding.eml", "   - Roses are red\n   - Violets are blue"),
        ("encoding/fake-email-utf-16-le.eml", "This is a test email to use for unit tests."),
        ("broken/mime-no-body.eml", "From: sender@example.com"),
    ],
)
def test_a_real_message_is_read(name: str, text: str) -> None:
    assert text in read_mail((FORMATS / name).read_bytes(), Path(name).name, ocr=False).text


def test_a_memo_that_looks_like_mail_keeps_all_it_says() -> None:
    memo = "To: Team\nFrom: Ann\nDate: 3 May\nSubject: Lunch\nVenue: Café Zoë\nBudget: 500 €\n\nAgenda: eat\n"
    text = read_mail(memo.encode(), "memo.txt").text
    assert text == "Lunch\n\nFrom: Ann\nTo: Team\nDate: 3 May\nVenue: Café Zoë\nBudget: 500 €\n\nAgenda: eat"
