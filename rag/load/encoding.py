"""Bytes -> text: byte-order mark, declaration, UTF-8, then the encoding whose frequent characters appear."""

from __future__ import annotations

import codecs
import unicodedata
from typing import Final

from rag.errors import LoadError

MARKS: Final = (  # UTF-32 before UTF-16: its mark begins with the other's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WIDER: Final = {  # what writers declare, and the superset they mean (WHATWG Encoding Standard)
    "ascii": "cp1252",
    "big5": "big5hkscs",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "shift_jis": "cp932",
}
CHINESE: Final = frozenset(
    "的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好"
    "都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知样现分将外但身些与高意进把法此"
    "最新二第使其间关名使者点问话各世区明月正定它因由本通今位期部市名张京北南东西山美水海平口路理电力工员机民体全内加制度化"
    "请每周议书读司务章数据司门车场安产业合同总使北王四五六七八九百千万元先重比向回量等反并系级代表示教组料式物更被几特"
    "實這個國來說們為會時後裡學對過發經動兩長樣現與將進開無從還當頭點問間關電話機車東西門見書語請認識讓應該種義黨縣區總"
    "，。、；：？！“”《》（）「」"
)
KOREAN: Final = frozenset(
    "이다는을를의에가은한고하지로기사도서리어나대시인자수정있그아해것세일원부전제보장주스상과들안요"
)
KANA: Final = frozenset(map(chr, range(0x3041, 0x30FF))) | frozenset("。、「」")
RUSSIAN: Final = frozenset("оеаинтсрвл")
WESTERN: Final = frozenset("éèêëàâáçñíîïóôöúùûüäåãõøæœßÉÈÀÇÄÖÜÅØÑÓÁ«»–—‘’“”…°€£µ§©®·•¿¡½²³™\u00a0")
PROFILES: Final = (  # encoding, its frequent characters, least part of the non-ASCII characters among them
    ("gb18030", CHINESE, 0.25),
    ("big5hkscs", CHINESE, 0.25),
    ("utf-16-le", CHINESE, 0.25),
    ("utf-16-be", CHINESE, 0.25),
    ("cp932", KANA, 0.3),
    ("euc_jp", KANA, 0.3),
    ("cp949", KOREAN, 0.25),
    ("cp1251", RUSSIAN, 0.5),
    ("koi8-r", RUSSIAN, 0.5),
    ("cp1252", WESTERN, 0.9),
)
SINGLE_BYTE: Final = frozenset({"cp1251", "koi8-r", "cp1252"})
SAMPLE: Final = 65_536  # bytes looked at to choose an encoding
MANY_NULS: Final = 0.1  # part of the bytes from which on they are UTF-16
MANY_ACCENTS: Final = 0.5  # part of the letters above which a text is not in a western alphabet
LEVEL_1: Final = range(0xB0, 0xD8)  # lead bytes of the 3,755 everyday characters of GB 2312
GB_SYMBOLS: Final = range(0xA1, 0xA4)  # lead bytes of punctuation and full-width Latin
MIXED: Final = 0.2  # part of the non-ASCII lines that are UTF-8 when a file mixes encodings
FEW_UNREADABLE: Final = 4  # characters, in a short text
MAX_UNREADABLE: Final = 0.03  # part of the characters


def decode(data: bytes, *, declared: str | None = None) -> str:
    """Return the text of `data`; `declared` is the charset that the file itself names.

    Raises:
        LoadError: when it is not text in any encoding.
    """
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return _readable(data.decode(encoding, "replace"))
    if data.count(0) > MANY_NULS * len(data):
        little = data[1::2].count(0) >= data[::2].count(0)
        return _readable(data.decode("utf-16-le" if little else "utf-16-be", "replace"))
    for encoding in ([declared] if declared else []) + ["utf-8"]:
        text = _strictly(data, encoding)
        if text is not None:
            return _readable(text)
    return _readable(_cut_utf8(data) or _mixed(data) or data.decode(_guess(data), "replace"))


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        name = codecs.lookup(encoding.strip()).name
        return data.decode(WIDER.get(name, name))
    except (LookupError, UnicodeError):
        return None


def _cut_utf8(data: bytes) -> str | None:
    """Return the text of UTF-8 that was cut within its last character."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return None


def _mixed(data: bytes) -> str | None:
    """Return the text of a file whose lines are partly in UTF-8, partly in another encoding."""
    lines = data.splitlines(keepends=True)
    texts = [_strictly(line, "utf-8") for line in lines]
    others = b"".join(line for line, text in zip(lines, texts, strict=True) if text is None)
    utf8 = sum(len(line) for line, text in zip(lines, texts, strict=True) if text and not text.isascii())
    if utf8 < MIXED * (utf8 + len(others)):
        return None
    encoding = _guess(others)
    return "".join(
        line.decode(encoding, "replace") if text is None else text
        for line, text in zip(lines, texts, strict=True)
    )


def _guess(data: bytes) -> str:
    sample = data[:SAMPLE]
    scores = {encoding: _score(sample, encoding, frequent) for encoding, frequent, _ in PROFILES}
    fit = [encoding for encoding, _, least in PROFILES if scores[encoding] >= least]
    if fit:
        return max(fit, key=lambda encoding: scores[encoding])
    if _is_everyday_gb(sample):
        return "gb18030"
    from charset_normalizer import from_bytes

    found = from_bytes(sample).best()
    return found.encoding if found else "cp1252"


def _score(sample: bytes, encoding: str, frequent: frozenset[str]) -> float:
    """Return the part of the non-ASCII characters that is frequent, 0 when the bytes do not fit."""
    text = _sampled(sample, encoding)
    others = [char for char in text if not char.isascii()]
    is_western = sum(map(str.isalpha, others)) <= MANY_ACCENTS * sum(map(str.isalpha, text))
    if encoding in SINGLE_BYTE and is_western != (encoding == "cp1252"):
        return 0.0
    return sum(char in frequent for char in others) / len(others) if others else 0.0


def _sampled(sample: bytes, encoding: str) -> str:
    try:  # incrementally, since the sample may end within a character
        return codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeError:
        return ""


def _is_everyday_gb(sample: bytes) -> bool:
    text = _sampled(sample, "gb18030")
    leads = [char.encode("gb18030")[0] for char in text if not char.isascii()]
    return bool(leads) and all(lead in LEVEL_1 or lead in GB_SYMBOLS for lead in leads)


def _readable(text: str) -> str:
    sample = text[:SAMPLE]
    bad = sum(char == "\ufffd" or unicodedata.category(char) in {"Cc", "Cn", "Co", "Cs"} for char in sample)
    bad -= sum(sample.count(char) for char in "\t\n\r\f")
    if bad > max(FEW_UNREADABLE, MAX_UNREADABLE * len(sample)):
        raise LoadError("it holds binary data, not text in any known encoding")
    return text
