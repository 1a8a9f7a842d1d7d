"""Which legacy encoding bytes are in, by what languages write."""

from __future__ import annotations

import codecs
import re
from typing import Final

from chardetng_py import EncodingDetector

from rag.load.plain.alphabets import (
    CYRILLIC_ENCODINGS,
    FOREIGN_RUN,
    LATIN_ENCODINGS,
    WESTERN,
    coherence,
    is_sparse,
    touches_ascii,
)

WIDER: Final = {  # what is declared or found -> the superset that writers mean (WHATWG Encoding Standard)
    "ascii": "cp1252",
    "big5": "big5hkscs",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "shift_jis": "cp932",
    "tis-620": "cp874",
}
OTHER_NAMES: Final = {  # that Python does not know
    "windows-874": "cp874",
    "iso-8859-8-i": "iso8859-8",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-gbk": "gb18030",
    "x-sjis": "cp932",
    "x-euc-jp": "euc_jp",
    "unicode": "utf-16",
}
CHINESE: Final = frozenset(
    "的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好"
    "都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知样现分将外但身些与高意进把法此"
    "最新二第使其间关名使者点问话各世区明月正定它因由本通今位期部市名张京北南东西山美水海平口路理电力工员机民体全内加制度化"
    "请每周议书读司务章数据司门车场安产业合同总使北王四五六七八九百千万元先重比向回量等反并系级代表示教组料式物更被几特"
    "實這個國來說們為會時後裡學對過發經動兩長樣現與將進開無從還當頭點問間關電話機車東西門見書語請認識讓應該種義黨縣區總"
    "录目单项记，。、；：？！“”《》（）「」"
)
EVERYDAY: Final = CHINESE | frozenset(  # and what names files, forms and columns
    "简历图谢您否告报谱档案址姓性别职聘休假薪资奖金额价格款账票税费付收支买卖购销订货仓库存品牌型号码编签审核批准证券保险银行贷"
    "客户供应商店铺市招投标约期限备注附邮箱真网站络软硬屏键系统设置装密登录注册验试测错误警功失败成功完未待办计划总结周季培训考勤"
    "课程师院校班级题答案卷绩研究医药病房患护健康检查料库图照片视频音乐游戏新闻版权简介绍说话词句译英汉语法律诉判款城镇村街道楼层室"
    "交运输车船飞航油煤水电气暖热冷米克吨升秒钟晚早午春夏秋冬红黄蓝绿白黑男女父母兄弟姐妹爱好友朋李王张刘陈杨赵吴徐孙"
)
KANA: Final = frozenset(map(chr, range(0x3041, 0x30FF))) | frozenset("。、「」")
HANGUL: Final = frozenset(
    "이다는을를의에가은한고하지로기사도서리어나대시인자수정있그아해것세일원부전제보장주스상과들안요"
)
FREQUENT: Final = {  # encoding -> its frequent characters, least part of the others that are among them
    "gb18030": (CHINESE, 0.2),
    "big5hkscs": (CHINESE, 0.2),
    "cp932": (KANA, 0.25),
    "euc_jp": (KANA, 0.25),
    "cp949": (HANGUL, 0.2),
    "johab": (HANGUL, 0.3),
}
OTHER_SCRIPTS: Final = frozenset(
    map(chr, (*range(0x0370, 0x0400), *range(0x0590, 0x0700), *range(0x0E01, 0x0E5C)))
)
SYMBOL: Final = re.compile(  # of a price, a measure or a rule in cp1252, alone among ASCII
    rb"(?<![A-Za-z\x80-\xff])(?!\xa2[A-Z])[\xa2\xa3\xa7\xa9\xae\xb0-\xb3\xb5-\xb7\xbc-\xbe\xd7\x80\x95](?![\x80-\xff]|[a-z]{2})"
    rb"|(?<![A-Za-z\x80-\xff])[\xa1\xbf](?=[A-Z][A-Za-z])"
)
QUOTE: Final = re.compile(  # in cp1252, where one may stand: in other encodings these are letters
    rb"(?<![A-Za-z\x80-\xff])[\x84\x93\xab](?=[A-Za-z\xa0 ])"
    rb"|(?<=[A-Za-z.,!?\xa0 ])[\x94\xbb](?![A-Za-z\x80-\xff])"
    rb"|(?<=[A-Za-z])\x92(?=(?:s|t|re|ve|ll|d|m)\b)|(?<=[\s\d])[\x96\x97](?=[\s\d])"
    rb"|(?<![A-Za-z])\xa0|\xa0(?![A-Za-z])"
)
FEWEST: Final = 3  # letters of a word that tells its alphabet
SHORT: Final = 6  # different characters beyond ASCII up to which frequent Chinese alone decides
MOST: Final = 0.5  # part of the characters of such a short text that are frequent Chinese
HIGH: Final = re.compile(rb"[\x80-\xff]")
PAIRS: Final = re.compile(rb"(?:[\xa1-\xa3\xb0-\xd7][\xa1-\xfe])+")  # everyday characters of GB 2312
GLUED: Final = re.compile(rb"[A-Za-z][\x80-\xff]{2}[A-Za-z]")  # within a Latin word, as in Wałęsa
SAMPLE: Final = 65_536  # bytes looked at
BETTER: Final = 0.08  # by so much a text must keep better to one alphabet to overrule the detector
PERFECT: Final = 0.99  # so well a text keeps to one alphabet that `SLIGHTLY` better is enough
SLIGHTLY: Final = 0.02
FEW_ERRORS: Final = 0.02  # part of the characters beyond ASCII that may be damaged
ENOUGH: Final = 20  # characters beyond ASCII that tell damaged Chinese, Japanese or Korean
BELIEVABLE: Final = 0.5  # coherence of a text whose declared charset is believed


def python_name(encoding: str | None) -> str:
    """Return Python's name for the superset of a declared or detected `encoding`, "" for an unknown one."""
    bare = (encoding or "").strip(" \t\r\n'\"").lower()
    try:
        name = codecs.lookup(OTHER_NAMES.get(bare, bare)).name
        b"".decode(name)  # not one that maps bytes to bytes
    except (LookupError, UnicodeError, ValueError):
        return ""
    return WIDER.get(name, name)


def guess(data: bytes) -> str:
    """Return the encoding that bytes which are not UTF-8 are most probably in."""
    sample = telling(data)
    if is_short_chinese(sample):
        return "gb18030"
    if len(SYMBOL.findall(sample)) == len(HIGH.findall(sample)):
        return "cp1252"
    detector = EncodingDetector()
    detector.feed(sample, last=len(sample) < SAMPLE)
    found = python_name(detector.guess(tld=None, allow_utf8=False)) or "cp1252"
    if found in FREQUENT:
        return "gb18030" if _is_everyday_chinese(sample) and not fits(sample, found) else found
    if found.startswith("iso2022"):
        return found
    if (
        _is_everyday_chinese(sample)
        and not GLUED.search(sample)
        and _says_little(sample.decode(found, "replace"))
    ):
        return "gb18030"
    if len(SYMBOL.findall(sample)) + len(QUOTE.findall(sample)) == len(HIGH.findall(sample)):
        return "cp1252"
    damaged = next((name for name in FREQUENT if _is_but_for_damage(sample, name)), None)
    if damaged and not fits(sample, found):
        return damaged
    text = sample.decode(found, "replace")
    if touches_ascii(text):
        members = {name: of for name, of in LATIN_ENCODINGS.items() if of is WESTERN or not is_sparse(text)}
        return _closest(sample, found if found in members else "cp1252", members)
    if found in LATIN_ENCODINGS or found in CYRILLIC_ENCODINGS:
        return _closest(sample, found, {found: LATIN_ENCODINGS.get(found, {}), **CYRILLIC_ENCODINGS})
    return found  # another script, which the detector tells well


def telling(data: bytes) -> bytes:
    """Return about `SAMPLE` bytes of the lines in which characters beyond ASCII stand."""
    pieces: list[bytes] = []
    size, at = 0, 0
    while size < SAMPLE and (high := HIGH.search(data, at)):
        first = max(at, high.start() - SAMPLE // 8)
        start = max(data.rfind(b"\n", first, high.start()) + 1, first)
        end = data.find(b"\n", high.start(), start + SAMPLE)
        end = start + SAMPLE if end < 0 else end + 1
        pieces.append(data[start:end])
        size, at = size + end - start, end
    return b"".join(pieces)[:SAMPLE]


def is_short_chinese(sample: bytes) -> bool:
    """Say whether the few characters beyond ASCII in `sample` are everyday Chinese in GBK."""
    high = b"".join(PAIRS.findall(sample))
    chars = set(high.decode("gb18030", "replace"))
    if not 0 < len(chars) <= SHORT or len(HIGH.findall(sample)) > len(high):
        return False
    return len(chars & EVERYDAY) >= MOST * len(chars)


def _is_everyday_chinese(sample: bytes) -> bool:
    return len(b"".join(PAIRS.findall(sample))) == len(HIGH.findall(sample))


def _says_little(text: str) -> bool:
    """Tell whether a few letters beyond ASCII are all there is, and no word of small ones."""
    runs = FOREIGN_RUN.findall(text)
    return len(set("".join(runs))) <= 2 * SHORT and not any(
        len(run) >= FEWEST and run[1:].islower() for run in runs
    )


def fits(data: bytes, encoding: str) -> bool:
    """Say whether `data`, read in a legacy encoding, is what people write in it."""
    text = telling(data).decode(encoding, "replace")
    if encoding in FREQUENT:
        frequent, least = FREQUENT[encoding]
        return _share(text, frequent) >= least
    alphabets = LATIN_ENCODINGS.get(encoding) or CYRILLIC_ENCODINGS.get(encoding)
    if alphabets is None:
        return _share(text, OTHER_SCRIPTS) >= MOST
    return coherence(text, alphabets) >= BELIEVABLE


def _share(text: str, frequent: frozenset[str]) -> float:
    others = [char for char in text if not char.isascii()]
    return sum(char in frequent for char in others) / len(others) if others else 0.0


def _is_but_for_damage(sample: bytes, encoding: str) -> bool:
    """Say whether the bytes are Chinese, Japanese or Korean but for a few that the detector stumbled over."""
    text = sample.decode(encoding, "replace")
    others = sum(not char.isascii() for char in text)
    frequent, least = FREQUENT[encoding]
    is_sound = text.count("\ufffd") <= FEW_ERRORS * others and others >= ENOUGH
    return is_sound and _share(text, frequent) >= least


def _closest(sample: bytes, found: str, members: dict[str, dict[str, str]]) -> str:
    """Return the encoding in which the text keeps best to one alphabet, `found` in doubt."""
    scores = {name: coherence(sample.decode(name, "replace"), members[name]) for name in members}
    best = max(scores, key=lambda name: scores[name])
    margin = SLIGHTLY if scores[best] >= PERFECT else BETTER
    return best if scores[best] > scores[found] + margin else found
