from __future__ import annotations

import io
from pathlib import Path

import docx
import openpyxl
import pytest
from msoffcrypto.format.ooxml import OOXMLFile

from rag.errors import LoadError
from rag.load import read
from rag.load.source import Settings, Source

FORMATS = Path(__file__).parents[2] / "shared" / "formats" / "encrypted"
needs_files = pytest.mark.skipif(not FORMATS.is_dir(), reason="../shared/formats is not on this machine")
PASSWORDS = Settings(passwords=("wrong", "Password1234_"))


def locked(plain: bytes, password: str) -> bytes:
    buffer = io.BytesIO()
    OOXMLFile(io.BytesIO(plain)).encrypt(password, buffer)
    return buffer.getvalue()


def document() -> bytes:
    made = docx.Document()
    made.add_heading("灯塔", level=1)
    made.add_paragraph("The keeper signs the red book.")
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def test_a_document_is_opened_with_one_of_the_user_s_passwords() -> None:
    settings = Settings(passwords=("wrong", "密码 7"))
    content = read(Source(data=locked(document(), "密码 7"), name="a.docx", settings=settings))
    assert content == read(Source(data=document(), name="a.docx"))


def test_a_merely_protected_workbook_is_opened_without_asking() -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["Tea", 3])
    buffer = io.BytesIO()
    workbook.save(buffer)
    data = locked(buffer.getvalue(), "VelvetSweatshop")
    assert read(Source(data=data, name="a.xlsx")).text.endswith("Tea: 3")


def test_a_document_whose_password_is_not_known_says_what_to_do() -> None:
    with pytest.raises(LoadError, match="add its password to the setting `passwords`"):
        read(Source(data=locked(document(), "secret"), name="a.docx", settings=PASSWORDS))


def test_a_damaged_encrypted_document_is_refused() -> None:
    data = bytearray(locked(document(), "secret"))
    data[600:3000] = bytes(2400)
    with pytest.raises(LoadError, match=r"encrypted|damaged|unknown type"):
        read(Source(data=bytes(data), name="a.docx", settings=PASSWORDS))


@needs_files
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ecma376standard_password.docx", "lorem ipsum"),
        ("example_password.docx", "Lorem ipsum"),
        ("rc4cryptoapi_password.xls", "lorem ipsum"),
    ],
)
def test_files_of_other_programs_are_opened(name: str, text: str) -> None:
    data = (FORMATS / name).read_bytes()
    assert text in read(Source(data=data, name=name, settings=PASSWORDS)).text
    with pytest.raises(LoadError, match="is encrypted"):
        read(Source(data=data, name=name))
