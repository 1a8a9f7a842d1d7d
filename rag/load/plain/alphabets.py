"""The letters that languages write beyond ASCII, and how well a text keeps to those of one of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

WESTERN: Final = {
    "Catalan": "àçèéíïòóúü·",
    "Danish and Norwegian": "åæøéêèóòôü",
    "Dutch": "áéëèêïíóöúü",
    "French": "àâæçéèêëîïôœùûüÿ",
    "German": "äöüß",
    "Icelandic": "áéíóúýðþæö",
    "Italian": "àèéìíîòóùú",
    "Portuguese": "ãáàâçéêíõóôúü",
    "Spanish": "áéíñóúü",
    "Swedish and Finnish": "åäöéšž",
}
CENTRAL: Final = {
    "Czech": "áčďéěíňóřšťúůýž",
    "German": WESTERN["German"],
    "Hungarian": "áéíóöőúüű",
    "Polish": "ąćęłńóśźż",
    "Romanian": "ăâîşţșț",
    "Slovak": "áäčďéíĺľňóôŕšťúýž",
    "South Slavic": "čćđšž",
}
TURKISH: Final = {"Turkish": "çğıi\u0307öşüâîû"}  # a dot above: what a small dotted capital I leaves
BALTIC: Final = {"Estonian": "äöõüšž", "Latvian": "āčēģīķļņšūž", "Lithuanian": "ąčęėįšųūž"}
VIETNAMESE: Final = {"Vietnamese": "ăâđêôơưáàảãạéèẻẽẹíìỉĩịóòỏõọúùủũụýỳỷỹỵ\u0300\u0301\u0303\u0309\u0323"}
CYRILLIC: Final = {
    "Belarusian": "абвгдежзйклмнопрстуфхцчшыьэюяёіў",
    "Macedonian": "абвгдежзиклмнопрстуфхцчшѓѕјљњќџѐѝ",
    "Russian and Bulgarian": "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
    "Serbian": "абвгдежзиклмнопрстуфхцчшђјљњћџ",
    "Ukrainian": "абвгдежзийклмнопрстуфхцчшщьюяєіїґ",
}
LATIN_ENCODINGS: Final = {
    "cp1252": WESTERN,
    "cp1250": CENTRAL,
    "cp1254": TURKISH,
    "cp1257": BALTIC,
    "cp1258": VIETNAMESE,
    "iso8859-2": CENTRAL,
    "iso8859-15": WESTERN,
    "mac_roman": WESTERN,
    "cp850": WESTERN,
    "cp852": CENTRAL,
}
CYRILLIC_ENCODINGS: Final = dict.fromkeys(
    ("cp1251", "koi8-r", "koi8-u", "cp866", "iso8859-5", "mac_cyrillic", "cp855"), CYRILLIC
)
PUNCTUATION: Final = frozenset("‘’‚“”„«»‹›–—…•·°§¶©®™€£¥¢№¿¡ªº²³½¼¾×±µ\u00a0\u00ad")
INSIDE: Final = frozenset("’·—–…\u00ad\u0300\u0301\u0303\u0309\u0323")  # may stand within a word
FOREIGN_RUN: Final = re.compile(r"[^\W\d_a-zA-Z]+")
STRANGE: Final = 2.0  # what one foreign character weighs against one that belongs
LETTERS: Final = 100  # from which on the part of accented ones tells something
SPARSE: Final = 0.02
LOOKED_AT: Final = 8_192  # characters


def coherence(text: str, alphabets: Mapping[str, str]) -> float:
    """Return 1.0 when all of `text` beyond ASCII belongs to one language, less when some does not."""
    text = text[:LOOKED_AT]
    counts = Counter({char: n for char, n in Counter(text.lower()).items() if not char.isascii()})
    total = counts.total()
    if not total:
        return 1.0
    neutral = sum(counts[char] for char in PUNCTUATION)
    best = max(sum(counts[char] for char in {*letters} - PUNCTUATION) for letters in alphabets.values())
    wrong = total - best - neutral + _broken(text)
    return (best + neutral - STRANGE * wrong) / total


def _broken(text: str) -> int:
    """Count the capitals and symbols beyond ASCII that stand within or end a word of small letters."""
    wrong = 0
    for before, char, after in zip(text, text[1:], text[2:] + " ", strict=False):
        if char.isascii() or not before.isalpha():
            continue
        if char.isupper():
            wrong += after.islower() or before.islower()
        elif not char.isalpha() and char not in INSIDE:
            wrong += after.isalpha()
    return wrong


def touches_ascii(text: str) -> bool:
    """Say whether most letters beyond ASCII stand beside ASCII ones, as accented ones in Latin script do."""
    runs = list(FOREIGN_RUN.finditer(text))
    touching = sum(
        _is_ascii_letter(text[max(0, run.start() - 1) : run.start()] + text[run.end() : run.end() + 1])
        for run in runs
    )
    return 2 * touching >= len(runs)


def is_sparse(text: str) -> bool:
    """Say whether accents are as rare in `text` as western languages alone have them."""
    letters = sum(map(str.isalpha, text))
    return (
        letters >= LETTERS and sum(char.isalpha() and not char.isascii() for char in text) < SPARSE * letters
    )


def _is_ascii_letter(neighbours: str) -> bool:
    return any(char.isascii() and char.isalpha() for char in neighbours)
