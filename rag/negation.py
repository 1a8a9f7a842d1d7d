"""Whether a sentence denies what a passage affirms, or affirms what it denies.

A word for not is held against all that may deny, prefixes and bans among them, and only where the rest of
what is said stands there: a paraphrase may need a not of its own.
"""

from __future__ import annotations

import re
from typing import Final

from rag.features import features

IDIOMS: Final = re.compile(  # which deny nothing
    r"\b(?:not only|(?:not|no) (?:more|less|fewer|later|earlier|longer) than|whether or not|no longer"
    r"|no doubt|nobody doubts)\b"
    r"|不仅|不但|不只|不得?超过|不[少低高多大小]于|不同|不断|不久|不锈|不动产|差不多|不过|不管|不论|未来|没收|非常",
    re.IGNORECASE,
)
CONTRACTED: Final = re.compile(r"\b(?:can['’]t|cannot|won['’]t)|n['’]t\b", re.IGNORECASE)
IN_FULL: Final = {"cannot": "can not", "can't": "can not", "won't": "will not", "n't": " not"}
NOT: Final = re.compile(r"\b(?:not|never)\b|[不没未]", re.IGNORECASE)
DENYING: Final = re.compile(
    r"""\b(?:not|no|none|nobody|nothing|nowhere|never|neither|nor|without|only|but|except|rather|instead|unless
    |until|unlike|against|hardly|scarcely|little|few|fewer|less|former|free|out|end(?:s|ed)?|clos\w+|stop\w*
    |fail\w*|lack\w*|miss\w*|lost|refus\w*|reject\w*|declin\w*|den[iy]\w*|forb\w+|bann?\w*|prohibit\w*|prevent\w*
    |shut|single|off|below|half|abandon\w*|postpon\w*|avoid\w*|exclu\w*|exempt\w*|waiv\w*|void|null
    |un(?!i|der)\w+|in(?:valid|eligible|active|capable|effective)\w*
    |im(?:possible|proper)\w*|ir\w+|il(?:legal|licit)\w*|dis(?!t|cu|pl|co|tri)\w+|mis\w+|non\w*)\b
    |[不没未无非否禁勿莫别免停止失缺除仅只才闭关]|拒绝|避免|取消""",
    re.IGNORECASE | re.VERBOSE,
)
AFFIRMING: Final = re.compile(
    r" (?:is|are|was|were|may|can|must|should|will|allowed|permitted|required|open|included) "
    r"| [可能会允须应需要有是包含支持]"
)
YES: Final = re.compile(r"\byes\b", re.IGNORECASE)
REFUSING: Final = re.compile(r"\bno\b|\bnot\b|[不没未无否]", re.IGNORECASE)
FORBIDDING: Final = re.compile(
    r"\b(?:not|never|no|nobody|forbidden|prohibited|banned|excluded)\b|[不没未禁勿免]|无(?:[需须法权]|人)",
    re.IGNORECASE,
)
CLAUSE_ENDS: Final = re.compile(r"[,，;；。但而]|\.\s|\b(?:but|while|whereas)\b")
HAN: Final = re.compile(r"[\u3400-\u9fff]")
WORD: Final = re.compile(r"\w+")


def denies_otherwise(sentence: str, told: str) -> bool:
    """Tell whether the sentence says not where `told` nowhere does, or is `told` without its not."""
    sentence, told = _in_full(sentence), _in_full(told)
    if NOT.search(sentence):
        alone = len(DENYING.findall(sentence)) == 1  # two may affirm
        rest = features(NOT.sub(" ", sentence))
        return alone and DENYING.search(told) is None and bool(rest) and rest <= features(told)
    said, words = _words(sentence), _words(told)
    if AFFIRMING.match(said):
        words = re.sub(rf" (?:{NOT.pattern}){said}", " ", words)
    return said not in words and said in _words(NOT.sub(" ", told))


def contradicts(answer: str, question: str, told: str) -> bool:
    """Tell whether a bare yes or no is the reverse of what tells of the question.

    A yes is, where each clause that tells of it has a not, and a no where all that is asked stands there and
    nothing may deny.
    """
    refuses = REFUSING.search(_in_full(answer)) is not None
    if DENYING.search(_in_full(question)) or (refuses and YES.search(answer)):
        return False  # a yes to that may mean either, and an answer may name both
    told, asked = _in_full(told), features(question)
    if refuses:
        return DENYING.search(told) is None and asked <= features(told)
    telling = [clause for clause in CLAUSE_ENDS.split(told) if asked & features(clause)]
    return bool(telling) and all(map(FORBIDDING.search, telling))


def _in_full(text: str) -> str:
    """Return the text with each not as a word of its own, but none in an idiom."""
    text = IDIOMS.sub(" ", text)
    return CONTRACTED.sub(lambda found: IN_FULL[found.group().casefold().replace("’", "'")], text)


def _words(text: str) -> str:
    """Return the words in lower case, each between spaces, and Chinese characters one by one."""
    apart = HAN.sub(r" \g<0> ", text.casefold())
    return f" {' '.join(WORD.findall(apart))} "
