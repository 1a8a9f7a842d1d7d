"""What a sentence of an answer claims: nothing, a yes or a no, or what its leading words lead to."""

from __future__ import annotations

import re
from typing import Final

from rag.index.lexical import chinese_words
from rag.index.small_words import SMALL

COURTESY: Final = r"thank(?:s| you)|you['’]re welcome|hello|hi|sorry|goodbye|谢谢|不客气|你好|您好|抱歉|再见"
NOTHING: Final = re.compile(  # it leads to what follows, asks, or is polite
    rf"[:：?？]\s*\Z|\A\W*(?:{COURTESY})\W*\Z", re.IGNORECASE
)
LEADING: Final = re.compile(r"\s*答案[是为：:]+")
LEADS: Final = frozenset("是为共有")
SAID: Final = """
yes no sure 是 不是 对 不对 否 有 没有 能 不能 会 不会 可以 不可以 不可 行 不行 需要 不需要 无需 不用 不必
要 不要 必须 允许 不允许
"""
YES_OR_NO: Final = frozenset(SAID.split())
AGREES: Final = frozenset({"right", "true", "false", "correct", "allowed"})  # these may name something, too
AROUND: Final = SMALL | {"may", "must", "shall", "cannot", "course"}  # yes, you may
WHETHER: Final = re.compile(
    r"\s*(?:is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|had)\b", re.IGNORECASE
)
WORD: Final = re.compile(r"[a-z]+|[^\W\da-z_]+")
PRONOUNS: Final = "您你它他她我们"


def is_yes_or_no(sentence: str, question: str = "") -> bool:
    """Tell whether a sentence is a yes or a no and nothing else, as "Yes, they may" is."""
    folded = re.sub("n['’]t\\b", " not", re.sub("['’]s\\b", "", sentence.casefold()))
    if any(map(str.isdigit, folded)):
        return False
    said = [word if word in YES_OR_NO else _bare(word) for word in WORD.findall(folded)]
    known = YES_OR_NO | AGREES if WHETHER.match(question) else YES_OR_NO
    return any(word in known for word in said) and all(word in YES_OR_NO | AGREES | AROUND for word in said)


def _bare(word: str) -> str:
    return word.lstrip(PRONOUNS).removesuffix("的")


def claims_nothing(sentence: str) -> bool:
    return NOTHING.search(sentence) is not None


def led_to(sentence: str) -> str:
    """Return the answer itself, as of 答案是周一 or 共三人."""
    rest = LEADING.sub("", sentence, count=1).lstrip()
    if rest[:1] in LEADS and chinese_words(rest)[0] in LEADS:
        rest = rest[1:]
    return rest or sentence
