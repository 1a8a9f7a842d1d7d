from __future__ import annotations

import contextlib
import os
import random

import pytest

from rag.errors import LoadError
from rag.load.encoding import decode

ZH = "今天的会议改到下午三点，请各部门负责人准时参加。联系人张三，电话 13800138000。"
ZH_TRADITIONAL = "臺北市信義區的圖書館今天不開門，請大家明天再來。"
JA = "こんにちは、世界。今日は良い天気です。明日は雨が降るでしょう。"
KO = "안녕하세요 세계 여러분. 오늘은 날씨가 좋습니다."
RU = "Добрый день, товарищи! Завтра в десять часов собрание."
FR = "Le café naïf coûtait 5 € à l’été : « très bien », dit Noël."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ZH, "utf-8"),
        (ZH, "utf-8-sig"),
        (ZH, "gbk"),
        (ZH, "gb18030"),
        (ZH, "utf-16"),
        (ZH, "utf-32"),
        (ZH, "utf-16-le"),
        (ZH, "utf-16-be"),
        (ZH_TRADITIONAL, "big5"),
        (ZH_TRADITIONAL, "utf-16-le"),
        ("Plain English, nothing else.", "utf-16-le"),
        ("Plain English, nothing else.", "utf-16-be"),
        ("你好，世界", "gbk"),
        ("张三 13800138000 北京市朝阳区", "gbk"),
        ("Meeting notes: 会议记录 2024", "gbk"),
        ("联通", "gbk"),
        (JA, "shift_jis"),
        (JA, "euc_jp"),
        (KO, "euc_kr"),
        (RU, "cp1251"),
        (RU, "koi8-r"),
        (FR, "cp1252"),
        ("Größe: 5 µm", "cp1252"),
    ],
)
def test_text_comes_back_whatever_its_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["gbk", "big5", "utf-16-le"])
def test_any_cut_of_a_long_text_is_recognised(encoding: str) -> None:
    text = ZH_TRADITIONAL * 20 if encoding == "big5" else ZH * 20
    data = text.encode(encoding)
    for size in range(200, 240, 2):
        found = decode(data[:size])
        assert found.rstrip("\ufffd")[:80] == text[:80]


def test_a_declared_charset_is_believed_when_it_fits() -> None:
    assert decode("été".encode("latin-1"), declared="iso-8859-1") == "été"
    assert decode(ZH.encode("gb18030"), declared="gb2312") == ZH


@pytest.mark.parametrize("declared", ["utf-8", "no-such-charset", "ascii"])
def test_a_wrong_declaration_is_not_believed(declared: str) -> None:
    assert decode(ZH.encode("gbk"), declared="utf-8" if declared == "ascii" else declared) == ZH


def test_lines_of_two_encodings_are_each_read_in_their_own() -> None:
    data = (ZH + "\n").encode() * 3 + (ZH + "\n").encode("gbk") * 2
    assert decode(data) == (ZH + "\n") * 5


def test_utf8_cut_within_a_character_loses_only_that_character() -> None:
    assert decode("考据".encode()[:-1]) == "考"


def test_random_bytes_are_refused() -> None:
    with pytest.raises(LoadError, match="binary data"):
        decode(os.urandom(5000) + bytes(100))


def test_no_bytes_make_it_fail_otherwise() -> None:
    rng = random.Random(0)
    for _ in range(300):
        data = rng.randbytes(rng.randrange(1, 60))
        with contextlib.suppress(LoadError):
            decode(data)
