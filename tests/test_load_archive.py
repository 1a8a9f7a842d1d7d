from __future__ import annotations

import bz2
import gzip
import hashlib
import hmac
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from rag.errors import LoadError
from rag.load import read
from rag.load.archives.zip_names import encoding_of
from rag.load.content import Content
from rag.load.source import Settings, Source

PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(range(200)) * 9
TEXT = "Kaoju finds the place. 考据"


def read_file(data: bytes, name: str = "files.zip", *passwords: str) -> Content:
    return read(Source(data=data, name=name, settings=Settings(passwords=passwords)))


def zipped(files: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def named_in(raw: bytes, data: bytes = TEXT.encode()) -> bytes:
    """Return a zip whose one member has the bytes `raw` for a name and no flag that says UTF-8."""
    stand_in = "x" * len(raw)
    return zipped({stand_in: data}).replace(stand_in.encode(), raw)


def test_each_member_is_read_as_what_it_is_under_its_path() -> None:
    inner = zipped({"deep/notes.md": "# 标题\n\n内容".encode()})
    content = read_file(
        zipped({"a.txt": TEXT.encode(), "b/page.html": b"<html><p>Hello <b>you</b>", "c/inner.zip": inner})
    )
    assert content.notes == ()
    assert [(page.part, content.text[page.start : page.end]) for page in content.pages] == [
        ("a.txt", TEXT),
        ("b/page.html", "Hello you"),
        ("c/inner.zip", "deep/notes.md\n\n"),
        ("c/inner.zip › deep/notes.md", "# 标题\n\n内容"),
    ]
    titles = [(heading.level, heading.title) for heading in content.headings]
    assert titles == [
        (1, "a.txt"),
        (1, "b/page.html"),
        (1, "c/inner.zip"),
        (2, "deep/notes.md"),
        (3, "标题"),
    ]
    for heading in content.headings:
        assert heading.title in content.text[heading.start : heading.end]


METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@pytest.mark.parametrize("method", METHODS)
def test_every_way_of_packing_is_read(method: int) -> None:
    assert TEXT in read_file(zipped({"a.txt": TEXT.encode() * 50}, method=method)).text


def test_what_systems_leave_behind_is_skipped_without_a_word() -> None:
    junk = ("__MACOSX/._a.txt", ".DS_Store", "b/Thumbs.db", "desktop.ini", ".git/config", "~$a.docx")
    content = read_file(zipped({"a.txt": TEXT.encode(), **dict.fromkeys(junk, b"junk"), "empty.txt": b""}))
    assert (content.text, content.notes) == (f"a.txt\n\n{TEXT}", ())


def test_a_member_that_cannot_be_read_is_a_note() -> None:
    content = read_file(zipped({"a.txt": TEXT.encode(), "tool": b"\x7fELF" + bytes(range(256)) * 9}))
    assert content.text == f"a.txt\n\n{TEXT}"
    assert content.notes == ("tool: a program cannot be read",)


def test_an_archive_in_which_nothing_can_be_read_says_why() -> None:
    with pytest.raises(LoadError, match=r"^tool: a program cannot be read; b/x.7z: a 7z archive"):
        read_file(zipped({"tool": b"\x7fELF" + bytes(50), "b/x.7z": b"7z\xbc\xaf\x27\x1c" + bytes(50)}))
    with pytest.raises(LoadError, match="there is nothing in the archive"):
        read_file(zipped({}))
    with pytest.raises(LoadError, match="its members are empty"):
        read_file(zipped({"a.txt": b""}))


def test_many_that_cannot_be_read_are_counted() -> None:
    content = read_file(zipped({"a.txt": b"text", **{f"{n}.bin": PROGRAM for n in range(100)}}))
    assert len(content.notes) == 21
    assert content.notes[-1] == "80 more could not be read"


def test_a_damaged_member_costs_only_itself() -> None:
    data = zipped({"a.txt": TEXT.encode() * 30, "b.txt": b"whole"}, method=zipfile.ZIP_STORED)
    content = read_file(data.replace(b"Kaoju", b"KAOJU", 1))
    assert content.text == "b.txt\n\nwhole"
    assert content.notes == ("a.txt: it is damaged within the archive",)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("合同/二〇二四年度采购合同.txt", "gb18030"),
        ("新建文件夹/会议纪要.txt", "gbk"),
        ("資料/會議記錄與說明.txt", "big5"),
        ("テスト資料.txt", "cp932"),
        ("日本語資料.txt", "cp932"),
        ("사업 계획서.txt", "cp949"),
        ("résumé.txt", "cp437"),
        ("frère.txt", "cp437"),
        ("Übergröße.txt", "cp437"),
        ("отчёт.txt", "utf-8"),
        ("Отчёт за март.txt", "cp866"),
        ("Договор аренды.txt", "cp866"),
        ("Übergröße.txt", "cp1252"),
        ("Résumé d'été.txt", "cp1252"),
        ("zażółć gęślą.txt", "cp852"),
        ("合同.txt", "utf-8"),
    ],
)
def test_a_name_without_the_utf8_flag_is_decoded(name: str, encoding: str) -> None:
    assert read_file(named_in(name.encode(encoding))).pages[0].part == name


def test_names_that_belong_together_decide_together() -> None:
    names = "\n".join(["附件一", "説明"]).encode("gbk")
    assert encoding_of(names) == "gb18030"


def test_a_name_never_points_out_of_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = zipped({"../../etc/evil.txt": b"one", "/root/a.txt": b"two", "c:\\..\\b.txt": b"three"})
    parts = [page.part for page in read_file(data).pages]
    assert parts == ["etc/evil.txt", "root/a.txt", "c:/b.txt"]
    assert list(tmp_path.iterdir()) == []


def test_a_cut_archive_yields_its_whole_members_and_says_so() -> None:
    data = zipped(
        {"a.txt": TEXT.encode(), "stored.md": b"# B", "文件.txt": b"x y " * 9000, "b.txt": bytes(9)}
    )
    content = read_file(data[: data.index(b"b.txt")])
    assert [page.part for page in content.pages] == ["a.txt", "stored.md", "文件.txt"]
    assert content.notes == ("the archive is cut or damaged: only what is whole of it was read",)


def test_a_link_in_a_zip_is_no_file() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.txt", TEXT)
    assert read_file(buffer.getvalue()).text == f"a.txt\n\n{TEXT}"


def test_a_zip_in_which_nothing_is_whole_says_so() -> None:
    with pytest.raises(LoadError, match="cut or damaged"):
        read_file(zipped({"a.txt": TEXT.encode() * 99})[:30])


def test_a_table_that_names_a_member_twice_is_no_bomb() -> None:
    data = zipped({"a.txt": TEXT.encode()})
    table, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    counts = struct.pack("<2HL", 2, 2, 2 * (end - table))
    twice = data[:end] + data[table:end] + data[end : end + 8] + counts + data[end + 16 :]
    assert read_file(twice).text == f"a.txt\n\n{TEXT}"


@pytest.mark.parametrize("before", [b"PK00", b"MZ a program that unpacks itself\0", bytes(40)])
def test_a_zip_with_something_before_it_is_read(before: bytes) -> None:
    assert read_file(before + zipped({"a.txt": TEXT.encode()})).text == f"a.txt\n\n{TEXT}"


def test_a_part_of_a_split_zip_yields_what_it_holds_and_says_so() -> None:
    data = zipped({"a.txt": TEXT.encode(), "b.txt": b"x y " * 900})
    at = data.index(b"b.txt") + 8
    first = b"PK\7\x08" + data[:at]
    last = data[at:].replace(b"PK\5\6\0\0\0\0", b"PK\5\6\1\0\1\0")
    content = read_file(first, "a.z01")
    assert content.text.startswith(f"a.txt\n\n{TEXT}")
    assert content.notes[0].startswith("it is one part of a split zip: join all parts")
    with pytest.raises(LoadError, match="it is one part of a split zip"):
        read_file(last)


# Encrypted members: written here by the specifications, as `zipfile` writes none.


def encrypted(files: dict[str, bytes], password: str, *, strength: int = 0) -> bytes:
    """Return a zip encrypted as ever (APPNOTE 6.1), or with AES of `strength` 1 to 3 (WinZip AE-2)."""
    body, directory = b"", b""
    for name, plain in files.items():
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed, method, extra = packer.compress(plain) + packer.flush(), 8, b""
        crc = zlib.crc32(plain)
        if strength:
            packed = _aes(packed, password.encode(), strength)
            method, extra, crc = 99, struct.pack("<2HH2sBH", 0x9901, 7, 2, b"AE", strength, 8), 0
        else:
            packed = _zip_crypto(packed, password.encode(), crc)
        fields = (20, 1, method, 0, 0, crc, len(packed), len(plain), len(name), len(extra))
        local = struct.pack("<4s5H3L2H", b"PK\3\4", *fields) + name.encode() + extra
        directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *fields, 0, 0, 0, 0, len(body))
        directory += name.encode() + extra
        body += local + packed
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(files), len(files), len(directory), len(body), 0)
    return body + directory + end


def _aes(packed: bytes, password: bytes, strength: int) -> bytes:
    size = {1: 16, 2: 24, 3: 32}[strength]
    salt = bytes(range(size // 2))
    keys = hashlib.pbkdf2_hmac("sha1", password, salt, 1000, 2 * size + 2)
    encryptor = Cipher(AES(keys[:size]), ECB()).encryptor()  # noqa: S305
    stream = b"".join(
        encryptor.update((at + 1).to_bytes(16, "little")) for at in range(-(-len(packed) // 16))
    )
    secret = bytes(a ^ b for a, b in zip(packed, stream, strict=False))
    return salt + keys[-2:] + secret + hmac.digest(keys[size : 2 * size], secret, "sha1")[:10]


def _zip_crypto(packed: bytes, password: bytes, crc: int) -> bytes:
    keys = [0x12345678, 0x23456789, 0x34567890]

    def turn(byte: int) -> None:
        keys[0] = ~zlib.crc32(bytes([byte]), ~keys[0] & 0xFFFFFFFF) & 0xFFFFFFFF
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = ~zlib.crc32(bytes([keys[1] >> 24]), ~keys[2] & 0xFFFFFFFF) & 0xFFFFFFFF

    for byte in password:
        turn(byte)
    out = bytearray()
    for byte in bytes(11) + bytes([crc >> 24]) + packed:
        mixer = (keys[2] | 2) & 0xFFFF
        out.append(byte ^ (mixer * (mixer ^ 1) >> 8 & 0xFF))
        turn(byte)
    return bytes(out)


@pytest.mark.parametrize(
    ("strength", "password"),
    [
        (strength, password)
        for strength in range(4)
        for password in ("", "one", "考据", "right password")
        if strength or password  # `zipfile` takes no empty password, and nothing encrypts with it
    ],
)
def test_an_encrypted_member_opens_with_the_empty_password_or_one_of_the_list(
    strength: int, password: str
) -> None:
    data = encrypted({"a.txt": TEXT.encode() * 9000}, password, strength=strength)
    passwords = ("wrong", "one", "考据", "right password")
    assert read_file(data, "a.zip", *passwords).text == f"a.txt\n\n{TEXT * 9000}"


@pytest.mark.parametrize("strength", [0, 2])
def test_an_encrypted_member_without_its_password_says_so(strength: int) -> None:
    data = encrypted({"a.txt": TEXT.encode()}, "secret", strength=strength)
    with pytest.raises(LoadError, match=r"^a.txt: it is encrypted; add its password to the setting"):
        read_file(data, "a.zip", "wrong")


def tarred(files: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz"])
def test_a_tar_is_read_packed_or_not(name: str) -> None:
    suffix = name.rpartition(".")[2]
    mode = "w" if suffix == "tar" else f"w:{suffix.replace('tgz', 'gz')}"
    data = tarred({"a.txt": TEXT.encode(), "文件/b.md": "# 标题".encode()}, mode)
    content = read_file(data, name)
    assert [page.part.rpartition(" › ")[2] for page in content.pages] == ["a.txt", "文件/b.md"]
    assert content.notes == ()


def test_a_tar_of_an_old_system_is_known_by_its_sum() -> None:
    header = bytearray(tarred({"a.txt": TEXT.encode()})[:1024])
    header[257:345] = bytes(88)
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header[:512]):06o}\0 ".encode()
    assert read_file(bytes(header) + bytes(1024), "a.tar").text == f"a.txt\n\n{TEXT}"
    assert read_file(bytes(header) + bytes(1024), "backup").text == f"a.txt\n\n{TEXT}"


def test_the_older_form_of_xz_is_read() -> None:
    packed = lzma.compress(TEXT.encode(), format=lzma.FORMAT_ALONE)
    assert read_file(packed, "a.txt.lzma").text == TEXT


def test_one_packed_file_is_read_under_its_own_name() -> None:
    for suffix, pack in ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)):
        assert read_file(pack(b"# Title\n\ntext"), f"notes.md{suffix}").headings[0].title == "Title"


def test_a_cut_packed_file_yields_its_beginning_and_says_so() -> None:
    lines = "".join(f"line {number} {number * 7919}\n" for number in range(9000))
    content = read_file(gzip.compress(lines.encode())[:20_000], "lines.txt.gz")
    assert content.text.startswith("line 0 0\nline 1 7919")
    assert content.notes == ("the file is cut or damaged: only its beginning was read",)
    with pytest.raises(LoadError, match="nothing of it can be unpacked"):
        read_file(gzip.compress(b"text")[:9], "a.gz")


def test_a_cut_tar_yields_its_whole_members() -> None:
    data = tarred({"a.txt": TEXT.encode(), "b.txt": b"x" * 5000})
    content = read_file(data[:3000], "a.tar")
    assert content.text == f"a.txt\n\n{TEXT}"
    assert content.notes == (
        "b.txt: it is damaged within the archive",
        "the rest was not read: the archive is damaged from here on",
    )


@pytest.mark.parametrize("mark", [b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07\x01\0"])
def test_an_archive_that_is_not_read_says_what_to_do(mark: bytes) -> None:
    with pytest.raises(LoadError, match="archive cannot be read: unpack it and put its files here"):
        read_file(mark + bytes(range(256)), "files.zip")


@pytest.mark.parametrize("mark", [b"\x1f\x9d\x90", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"LZIP\x01"])
def test_a_packed_file_that_is_not_read_says_what_to_do(mark: bytes) -> None:
    with pytest.raises(LoadError, match="cannot be read: unpack it and put what it holds here"):
        read_file(mark + bytes(range(256)), "files.tar.zst")
