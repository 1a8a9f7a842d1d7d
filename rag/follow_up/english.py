"""English: whether a question leans on the conversation, and what it means by it."""

from __future__ import annotations

import re
from typing import Final

from rag.follow_up.empty_words import AUXILIARY, FUNCTION, RELATIONAL
from rag.follow_up.listed import listed, picked
from rag.sentences import sentence_spans

SMALL: Final = rf"(?:{'|'.join(FUNCTION)})\b"
ARTICLES: Final = frozenset({"the", "a", "an"})
UNIT: Final = "(?:hour|day|week|month|year|minute|second|time|person|piece|night|kilo|metre|mile)s?"
LEAD: Final = re.compile(
    r"\A(?:(?:and|or|but|so|then|also|ok|okay|well|now|thanks|thank you|sorry|please|yes|no)\b[\s,.!;:-]*)+",
    re.IGNORECASE,
)
ORDERS: Final = re.compile(
    r"(?:list|find|show|name|compare|summari[sz]e|describe|explain|translate|search|define|tell|give|write)\b",
    re.IGNORECASE,
)
# "it" that stands for nothing
EXPLETIVE: Final = re.compile(
    r"\b(?:is|was|be) it (?:\w+ ){1,2}?"
    r"(?=(?:to (?!(?:the|an?|my|our|your|this)\b)|that|if|whether)\b|for\b.* to\b)"
    r"|\bit (?:is|was) \w+ (?=(?:to|that)\b)"
    r"|\bit (?:takes?|costs?|means?|matters?)(?: [\w']+){0,3}? (?=(?:to|when|that|if)\b)"
    r"|\bit (?:rains?|snows?|thunders?|freezes|is (?:raining|snowing|cold|hot|windy|dark|late))\b"
    r"|\b(?:is|was) it (?:raining|snowing|windy|dark|(?:cold|hot|warm) in)\b"
    r"|\bwhat time (?:is|was) it\b",
    re.IGNORECASE,
)
# What begins another clause: a pronoun in it may stand for what the question has named before.
CLAUSE: Final = re.compile(
    r",|\b(?:when|because|if|after|before|while|until|although|though|since|unless|once|whether|where|and|but"
    r"|or|so|as|who|which|that|to|than|by|without)\b"
)
LEADING_CLAUSE: Final = re.compile(
    r"\W*(?:when|if|after|before|while|once|because|since|until)\b", re.IGNORECASE
)
ASKS: Final = re.compile(r"\b(?:who|whom|whose|which|what)\b", re.IGNORECASE)  # for what the answer names
PRONOUN: Final = re.compile(r"\b(it|they|them|he|him|she|its|their|theirs|his|hers?)\b", re.IGNORECASE)
PERSONAL: Final = frozenset({"he", "him", "his", "she", "her", "hers"})
POSSESSIVE: Final = frozenset({"its", "their", "his", "her"})
VERBS: Final = "(?:does|has|was|happens|means|works|takes|lasts|starts|begins|ends|opens|closes)"
ANTECEDENT: Final = re.compile(
    rf"\b(?i:the|an?|each|every|any|no|my|your|our|some|all|most|many)\s+(?!(?i:{UNIT})\b)[\w'-]+"
    r"|(?<=\s)[A-Z][\w'-]+"
    r"|\b(?i:do|does|did|is|are|was|were|can|may|must|should|will)\s+"
    rf"(?!(?i:{SMALL}))[a-z]{{3,}}"
    rf"|\b(?!{VERBS}\b)[a-z]{{3,}}(?<![su])s\b"
)
POINTER: Final = re.compile(
    r"\bthese\b|\bthose\b(?!\s+(?:who|that|with|which|whose|of|in|under|over)\b)"
    rf"|\bthis\b(?!\s+(?:{UNIT}|morning|evening|afternoon|century|spring|summer|autumn|winter)\b)"
    r"|\b(?:is|was|are|does|do|did|can|could|will|would|should|has|about|of|for|in|on|after|before|with|like"
    r"|from|than|by|why's|how's|what's)\s+that\b(?!\s+(?:the|an?|i|we|you|there)\b)"
    r"|(?<!is )(?<!are )(?<!was )(?<!were )\bthere(?=\W*$)"
    r"|\b(?:that|instead|as well|too|either|then|again|afterwards|both)(?=\W*$)"
    r"|\b(?:else|otherwise|the others?|both of)\b|\bsuch an? |\bthe same\b(?!.*\bas\b)"
    r"|(?<!\bdoes )(?<!\bdo )(?<!\bcan )(?<!\bshould )(?<!\bmust )\bones?(?=\s*[?.!,]|$)"
    rf"|\b(?:which|the|other|another) ones?\b(?!\s+(?:of|{UNIT})\b)",
    re.IGNORECASE,
)
IN_LIST: Final = re.compile(
    r"\bthe (?:(former|latter)\b|(first|second|third|fourth|fifth|last)(?: one\b"
    r"|(?=\s*[?.!,]|$|\s+(?:is|was|does|do|did|has|costs?|needs?)\b)))|\banother(?=\W*$)",
    re.IGNORECASE,
)
INDEX: Final = {
    "former": 0,
    "latter": 1,
    "first": 0,
    "second": 1,
    "third": 2,
    "fourth": 3,
    "fifth": 4,
    "last": -1,
}
ABOUT: Final = re.compile(r"(?:what|how) about\s+", re.IGNORECASE)
CONTINUED: Final = re.compile(
    r"(?:what|how) about\b|what if(?: [\w']+){1,3}\W*$"
    r"|(?:tell me |say |give me |any |anything |something )?more\b(?: details?| about.*)?\W*$"
    r"|(?:no|sorry)?\W*i(?: only| just)? (?:mean|meant|was asking|asked)(?: [\w'-]+){0,5}\W*$"
    r"|not the .+, the\b"
    r"|(?:(?:can|could) you |please )?(?:elaborate|explain further|be more (?:specific|precise))\W*$"
    r"|are you sure\W*$"
    r"|which (?:one |two |of \w+ )?(?:is|are|was|were|costs?|has|comes)"
    r"(?: the| more| most| less| least)* [\w']+\W*$"
    rf"|(?:{'|'.join(sorted(AUXILIARY))}) (?:(?:the|an?|my|your|our) )?\w+\W*$",  # "Does the Heron?"
    re.IGNORECASE,
)
MOST_FRAGMENT: Final = 4  # words of a phrase without a verb
FULL_NAME: Final = re.compile(r"(?!(?:The|An?) )[A-Z][\w'-]+(?: [A-Z][\w'.-]*)+")
NAME: Final = r"[A-Z][\w'-]*(?: (?:of |de |von |van )?[A-Z0-9][\w'-]*)*"
PHRASE: Final = re.compile(rf"\b(?:the |an? )?{NAME}|\b(?:the|an?)(?: (?!{SMALL})[a-z][\w-]*){{1,3}}")
ROLES: Final = frozenset(
    {"president", "ceo", "chair", "chairman", "secretary", "minister", "mayor", "captain", "coach", "editor"}
    | {"officer", "principal", "dean", "king", "queen"}
)
JOINTS: Final = r"(?:and|or|with|versus|vs\.?|from|to|differs? from|compares? (?:to|with))"
NO_THING: Final = r"(?!(?:and|or|with|from|to|between|of|about|for|in|than|differs?|compares?)\b)"
SOME_WORDS: Final = (  # neither joints nor verbs
    rf"{NO_THING}[a-z0-9][\w-]*(?: {NO_THING}(?!\w+ed\b)[a-z0-9][\w-]*){{0,2}}?"
)
LEADS_TO_PAIR: Final = (
    r"\b(?i:between|compare|contrast|is|are|was|were|do|does|did|of|about|for|in|than|either|both)\s+"
)
PAIR: Final = re.compile(  # a whole one only: of "War and Peace and Anna Karenina" there is none
    rf"(?:{LEADS_TO_PAIR}|^|[,:;] )(?!{LEADS_TO_PAIR})"
    rf"(?P<first>(?:(?:[Tt]he|[Aa]n?) )?(?:{NAME}|{SOME_WORDS})) {JOINTS} "
    rf"(?P<second>(?:(?:the|an?) )?{NAME}\b(?! (?:and|or)\b)|(?:(?:the|an?) )?{SOME_WORDS}"
    r"(?=\s*[?.!,;:]|\s*$|\s+(?:is|are|was|were|do|does|did|has|have|on|in|for|at|when|by|regarding)\b))"
)
PREPOSITION: Final = re.compile(r"(?:in|on|at|for|from|to|into|with|without|during|under|over|of|by) ")


def depends(question: str) -> bool:
    rest = LEAD.sub("", question)
    if IN_LIST.search(rest) or CONTINUED.match(rest) or POINTER.search(rest):
        return True
    if any(_is_free(rest, found) for found in _pronouns(rest)):
        return True
    return _is_fragment(rest) or _names_nothing(rest)


def _pronouns(question: str) -> list[re.Match[str]]:
    return list(PRONOUN.finditer(EXPLETIVE.sub(lambda found: " " * len(found[0]), question)))


def _is_free(question: str, found: re.Match[str]) -> bool:
    """Tell whether nothing in the question itself can be what the pronoun stands for."""
    before, after = question[: found.start()], question[found.end() :]
    antecedent = ANTECEDENT.search(before)
    if antecedent and (_is_possessive(found[0], after) or CLAUSE.search(before, antecedent.end())):
        return False
    main = after.partition(",")[2]
    return not (LEADING_CLAUSE.match(before) and ANTECEDENT.search(main))


def _is_possessive(pronoun: str, after: str) -> bool:
    owned = re.match(r"\s+[a-z]", after) is not None and not CLAUSE.match(after.lstrip())
    return pronoun.lower() in POSSESSIVE and owned


def _words(text: str) -> list[str]:
    return re.findall(r"[\w'’-]+", text)


def _is_fragment(rest: str) -> bool:
    lowered = [word.lower().replace("’", "'") for word in _words(rest) if word.lower() not in ARTICLES]
    if ORDERS.match(rest) or any(word in AUXILIARY for word in lowered):
        return False
    asks = lowered[:1] in (["who"], ["what"], ["which"])  # "Who won?" has a verb that no list knows
    return len(lowered) <= (MOST_FRAGMENT if rest.endswith("?") and not asks else 2)


def _names_nothing(rest: str) -> bool:
    words = _words(rest)
    named = any(word[0].isupper() or word[0].isdigit() for word in words[1:] if word != "I")
    return not named and {word.lower().replace("’", "'") for word in words} <= FUNCTION | RELATIONAL


def resolved(question: str, before: str, answer: str) -> str:
    """Return the question with what it means put in, where only one thing can be meant; else nothing.

    `before` is the question before it, `answer` what was answered.
    """
    rest = LEAD.sub("", question)
    if pair := _picked(rest, before, answer):
        return pair
    if found := next((each for each in _pronouns(rest) if _is_free(rest, each)), None):
        meant = ""
        if found[0].lower() in PERSONAL:
            meant = _person(before, answer)
        elif found[0].lower() in {"it", "its"}:
            meant = _thing(before)
        return _put(rest, found, meant) if meant else ""
    return _exchanged(ABOUT.sub("", rest, count=1).rstrip(" ?.!"), before)


def _picked(question: str, before: str, answer: str) -> str:
    """Resolve "the latter", by the question before or by its answer, and "the third one"."""
    found, pair = IN_LIST.search(question), PAIR.search(before)
    if not found or not found.lastindex:
        return ""
    index = INDEX[found[found.lastindex].lower()]
    items = [pair["first"], pair["second"]] if pair and index in {0, 1, -1} else listed(answer)
    return picked(question, found, index, items)


def _put(question: str, pronoun: re.Match[str], meant: str) -> str:
    after = question[pronoun.end() :]
    if _is_possessive(pronoun[0], after):
        meant += "'" if meant.endswith("s") else "'s"
    put = question[: pronoun.start()] + meant + after
    return put[0].upper() + put[1:]


def _person(before: str, answer: str) -> str:
    """Return whom the answer names, where it was asked for; else whom the question names."""
    asked = re.search(r"\b(?:who|whom|whose|which)\b", before, re.IGNORECASE)
    named = re.search(rf"\b(?i:who (?:is|was|are|were)) ({NAME})\W*$", before)
    if named and not (FULL_NAME.fullmatch(answer.strip(" .")) or _is_role(named[1])):
        return named[1]
    names = [name for name in _names(answer) if name not in before] if asked else _names(before)
    return names[0] if len(names) == 1 else ""


def _is_role(name: str) -> bool:
    return not {word.lower() for word in name.split()}.isdisjoint(RELATIONAL | ROLES)


def _names(text: str) -> list[str]:
    found = (re.sub(rf"^(?i:{'|'.join(FUNCTION)}) ", "", name) for name in re.findall(NAME, text))
    return list(dict.fromkeys(each for each in found if each[0].isupper() and each.lower() not in FUNCTION))


def _thing(before: str) -> str:
    """Return the only thing that the question names."""
    things = _phrases(before) if len(sentence_spans(before)) == 1 else []
    return things[0] if len(things) == 1 else ""


def _phrases(text: str) -> list[str]:
    text = text[:1].lower() + text[1:]
    joined: list[str] = []
    for phrase in filter(None, (_phrase(text, found) for found in PHRASE.finditer(text))):
        if joined and f"{joined[-1]} of {phrase}" in text:
            joined[-1] += f" of {phrase}"
        else:
            joined.append(phrase)
    return [re.sub(r"^an? ", "the ", phrase) for phrase in dict.fromkeys(joined)]


def _phrase(text: str, found: re.Match[str]) -> str:
    """Return the noun phrase at `found` without the verb after it; nothing where it is a measure."""
    article, *words = found[0].split()
    if found[0][-1:].isalnum() and words and words[-1][0].isupper() and _is_cut(text, found):
        return ""
    if article not in ARTICLES:
        return found[0]
    kept = [word for number, word in enumerate(words) if not number or word not in RELATIONAL]
    ends = re.match(r"\W*$", text[found.end() :]) and len(kept) == len(words)
    if ends and len(kept) > 1 and re.search(r"\b(?:do|does|did) $", text[: found.start()]):
        kept.pop()
    return "" if re.fullmatch(UNIT, kept[0]) else " ".join([article, *kept])


def _is_cut(text: str, found: re.Match[str]) -> bool:
    """Tell whether a noun follows the name, which only says which: the London office."""
    word = re.match(r" ([a-z][\w-]*)(\W*$)?", text[found.end() :])
    if not word or word[1] in FUNCTION | RELATIONAL or word[1].endswith("ed"):
        return False
    asks = re.search(r"\b(?:do|does|did|can|could|will|would|should|must|may) $", text[: found.start()])
    return not (word[2] is not None and asks)


def _exchanged(fragment: str, before: str) -> str:
    """Return the question before with the phrase that is most like the fragment replaced by it."""
    if set(_words(fragment.lower())) <= FUNCTION | RELATIONAL or len(_words(fragment)) > MOST_FRAGMENT:
        return ""
    if led := PREPOSITION.match(fragment):
        alike = rf"\b{led[0]}(?:(?:the|an?) )?[\w'-]+(?=[?.,]|$| (?:in|on|at|for|of|is|are|does|do)\b)"
    elif re.fullmatch(rf"the {NAME}", fragment):
        alike = rf"\b(?:the|The) {NAME}"
    elif re.fullmatch(r"the [a-z][\w-]+", fragment):
        alike = r"\bthe [a-z][\w-]+"
    elif re.fullmatch(r"an? [\w-]+ one", fragment):
        fragment = fragment.removesuffix(" one")
        alike = r"\ban? [\w-]+(?= [a-z]+)"
    else:
        return ""
    found = list(re.finditer(alike, before))
    if len(found) != 1 or found[0][0].lower() == fragment.lower():
        return ""
    return before[: found[0].start()] + fragment + before[found[0].end() :]
