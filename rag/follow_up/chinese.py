"""Chinese: whether a question leans on the conversation, and what it means by it."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from rag.follow_up.empty_words import HAN_FUNCTION, HAN_RELATIONAL
from rag.follow_up.listed import listed, picked
from rag.index.lexical import chinese_words, plain

LEAD: Final = re.compile(
    r"\A(?:(?:请问|谢谢你?|好的?吧?|嗯|那么|那(?![个些里样儿种次边位本部台是])|而且|另外|还有(?=.{3})|所以|但是?|不过|可是|而)"
    r"[，,、。！\s]*)+"
)
POINTER: Final = re.compile(
    r"两者|二者|这|那(?=是|个|些|里|样|时(?!间)|儿|种|次|边|位|本|部|台|座|家|款|件|条|天|年|会)|上述|以上|刚才"
    r"|(?:^|(?<=[在对由从向被把给，,的与和]))该(?![怎如不做去有要找])|此(?![外时])|^其中|同样|后来|当时|接下来|接着"
    r"|(?:然后|之后|以后|还有|另外的?|其他的?|其它的?|别的)(?:呢|吗|怎么样|如何|$|[？?])"
    r"|^[^和跟与同比]*(?<!不)一样[吗么的]"
)
IN_LIST: Final = re.compile(
    r"(前者|后者)|第([一二三四五\d])[个种条款本台项位座支](?=[呢是的有怎多要能什几在产哪谁为？?]|$)"
    r"|(最后一)[个种条款本台项位座支]|另一?[个种款]"
)
INDEX: Final = {"前者": 0, "后者": 1, "最后一": -1} | {
    digit: number for pair in ("一二三四五", "12345") for number, digit in enumerate(pair)
}
ASKS_WHO: Final = re.compile(r"谁|哪位|什么人|叫什么")
ASKS: Final = re.compile(r"谁|什么|哪(?![里儿年天])")  # for what the answer names
WHO_IS: Final = re.compile(r"([^的，,是谁？?]{2,8})是谁\W*$")
TELLS: Final = frozenset({"是", "为", "叫", "有", "包括"})  # leads to what an answer names
LENGTHS_OF_NAMES: Final = range(2, 5)
MOST_LEADING: Final = 12  # characters before that
CORRECTS: Final = re.compile(
    r"(?:不是|不对)?[，, ]*我(?:刚才)?是?(?:说|问|指|想问)的?是|你?确定吗|出处(?:呢|是|在哪|\W*$)"
)
PRONOUN: Final = re.compile(
    r"(?<![其吉排])[他她它](?!人|乡|国)们?的?|(?<![尤极与土莫何])其(?![他它她实中余次间事])"
)
# What begins another clause: a pronoun in it may stand for what the question has named before.
CLAUSE: Final = re.compile(r"[，,；;]|[时后前](?!间|面)|如果|因为|的话|以便|当|在$|再|就|并|而|之")
QUESTION: Final = re.compile(
    r"什么|谁|哪|几|多少|多(?=[长大高久宽重远深快厚贵])|怎|如何|为何|何时|何[地处]|吗|是否|(.)不\1|有没有|咋|啥|么[？?]?$"
)
# The subject is left out, or compared with one that was named.
SHORT: Final = re.compile(
    r"是?(?:谁|什么时候|哪一?年|怎么|怎样|在?哪里?|为什么|何时|为何)[^，,《“]{1,4}的[？?]?$"
    r"|(?:哪|谁)[个种款本台些一位边]*(?:更|最|比较).{1,3}[？?]?$"
    r"|[还也又都][^，,]{1,6}[？?]?$|.{1,6}也.{1,5}[？?]?$"
    r"|(?:有没有|有|要|需要)..[吗么]?[？?]?$"
)
DEFINED: Final = re.compile(r"(?:什么是|什么叫|何谓|何为|谁是)\w{2,}")
ASKED_FOR: Final = re.compile(r"(?:什么|哪[个种些本部家]?|几[个种本部家]?)\w{1,3}[？?]?$")
ASPECT: Final = re.compile("[了过着好完得到后时]|[以之]后")  # of a deed that is told, not talked of
HAN: Final = re.compile(r"[\u3400-\u9fff]")
MOST_FRAGMENT: Final = 6  # characters of a phrase without a question word
MOST_NAME: Final = 12  # characters
ORDER: Final = re.compile(
    r"^(?:请问?|麻烦你?|帮我|给我|能否|可以)*(?:比较|对比|对照)(?:一下|一比|下)?(?![级度组表法]|文学)"
)
PAIR: Final = re.compile(r"([^和与跟同，？?]{1,10})[和与跟同]([^，？?的有之哪都谁在]{1,10})")
CODE: Final = re.compile(r"[A-Za-z]+(?:[-_][A-Za-z]*)?\d[A-Za-z\d-]*(?![.:/+_A-Za-z\d])")  # KJ-500
NO_LETTER: Final = re.compile("[^A-Z]")
OWNER: Final = re.compile(r"([^，？?的是有]{2,12}?)(?:的|是|有|由|在|位于|始?建于|产[于自在]|来自|出自|坐落)")


def depends(question: str) -> bool:
    question = plain(question)  # Traditional characters, among others
    if IN_LIST.search(question) or POINTER.search(question):
        return True
    rest = LEAD.sub("", question)
    if (
        CORRECTS.match(rest)
        or SHORT.match(rest)
        or any(_is_free(rest, found) for found in PRONOUN.finditer(rest))
    ):
        return True
    if not QUESTION.search(rest):
        return re.search(r"呢\W*$", rest) is not None or len(re.findall(r"\w", rest)) <= MOST_FRAGMENT
    return not DEFINED.match(rest) and not _topic(rest) and not naming_words(ASKED_FOR.sub("", rest))


def _is_free(question: str, found: re.Match[str]) -> bool:
    """Tell whether nothing in the question itself can be what the pronoun stands for."""
    before = question[: found.start()]
    named = naming_words(before)
    owned = found[0].endswith("的") or found[0] == "其"
    return not named or not (owned or CLAUSE.search(before, before.find(named[0]) + len(named[0])))


def _topic(question: str) -> bool:
    """Tell whether it begins with a deed that it asks something of, as in "续借怎么办理"."""
    word, after = [*chinese_words(re.sub("^[不没]", "", question)), "", ""][:2]
    deed = len(word) > 1 and word in _words("v") - HAN_FUNCTION - HAN_RELATIONAL
    return deed and not ASPECT.match(word[-1]) and not ASPECT.match(after)


def naming_words(text: str) -> list[str]:
    """Return the words that name something: nouns, and characters that the dictionary does not join."""
    words = [word for word in chinese_words(text) if word.isalnum()]
    kinds = "".join(map(_kind, words))
    return [word for found in re.finditer("n|x{2,}", kinds) for word in words[slice(*found.span())]]


def _kind(word: str) -> str:
    """Return "n" for a name, "x" for a character that may be part of one."""
    if word in HAN_FUNCTION | HAN_RELATIONAL:
        return " "
    if word in _words("n") or not HAN.search(word):
        return "n"
    return "x" if len(word) == 1 and word not in _words("v") else " "


@cache
def _words(tag: str) -> frozenset[str]:
    """Return the words of jieba's dictionary whose part of speech begins with `tag`."""
    import jieba

    with jieba.Tokenizer().get_dict_file() as lines:
        entries = (line.decode("utf-8").split() for line in lines)
        return frozenset(word for word, _, kind in entries if kind.startswith(tag))


def resolved(question: str, before: str, answer: str) -> str:
    """Return the question with what it means put in, where only one thing can be meant; else nothing.

    `before` is the question before it, `answer` what was answered.
    """
    rest = LEAD.sub("", question)
    found, pair = IN_LIST.search(rest), PAIR.search(ORDER.sub("", LEAD.sub("", before)))
    if found and found.lastindex and (index := INDEX.get(found[found.lastindex])) is not None:
        two = pair and "、" not in before and index in {0, 1, -1}
        items = list(pair.groups()) if pair and two else listed(_told(answer))
        return picked(rest, found, index, items)
    if pronoun := next((each for each in PRONOUN.finditer(rest) if _is_free(rest, each)), None):
        person = pronoun[0][0] in "他她"
        named = WHO_IS.match(LEAD.sub("", before)) if person else None
        asked = person and ASKS_WHO.search(before)
        told = _short(answer) if asked else ""
        meant = told if _is_person(told) else _named(named) or told or ("" if asked else _thing(before))
        end = "的" if meant and (pronoun[0].endswith("的") or pronoun[0] == "其") else ""
        return rest[: pronoun.start()] + meant + end + rest[pronoun.end() :] if meant else ""
    return _exchanged(rest, before)


def _named(found: re.Match[str] | None) -> str:
    """Return who it is that was asked about by name, not by what they are."""
    name = found[1] if found else ""
    return "" if _is_role(name) else name


def _is_role(name: str) -> bool:
    roles = _words("n") - _words("nr") | HAN_RELATIONAL
    return all(word in roles for word in chinese_words(name))


def _is_person(name: str) -> bool:
    return len(name) in LENGTHS_OF_NAMES and not _is_role(name)


def _told(answer: str) -> str:
    """Return what an answer names, as of 公司有财务部和人事部."""
    words = chinese_words(answer)
    for at, word in enumerate(words):
        before = "".join(words[:at])
        if len(before) > MOST_LEADING or re.search(r"[，。、：:]", before):
            break
        if word in TELLS and len(before) > 1 and "".join(words[at + 1 : at + 2]).isalnum():
            return "".join(words[at + 1 :])
    return answer


def _short(answer: str) -> str:
    """Return an answer that only names what it was asked for."""
    name = _told(answer).rstrip("。！ ")
    return name if len(name) <= MOST_NAME and not re.search(r"[，,。；]", name) else ""


def _thing(before: str) -> str:
    """Return what the question begins with, which it asks something of."""
    owner = OWNER.match(LEAD.sub("", before))
    named = owner and not QUESTION.search(owner[1]) and naming_words(owner[1])
    return owner[1] if owner and named else ""


def _series(code: str) -> str:
    """Return the letters that a code begins with, which tell what kind of thing it is."""
    return NO_LETTER.split(code.upper(), maxsplit=1)[0]


def _exchanged(question: str, before: str) -> str:
    """Return the question before with the word that is most like the new one replaced by it."""
    if QUESTION.search(question):
        return ""
    new = re.sub(r"(?:的话)?呢?\W*$", "", question)
    if CODE.fullmatch(new):
        alike = {code for code in CODE.findall(before) if _series(code) == _series(new)}
    elif len(chinese_words(new)) == 1 and naming_words(new):
        alike = {
            word
            for word in chinese_words(before)
            if len(word) == len(new) > 1 and word != new and (word[-1] == new[-1] or word[0] == new[0])
        }
    else:
        return ""
    old = alike.pop() if len(alike) == 1 else ""
    return re.sub(rf"(?<![A-Za-z\d-]){re.escape(old)}(?![A-Za-z\d-])", new, before) if old else ""
