"""English: whether a question asks of the collection itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from rag.collection.names import is_document
from rag.collection.wishes import Wish


def _rule(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


DOCUMENTS: Final = r"(?:documents?|docs?|files?|pdfs?)"
THESE: Final = r"(?:(?:all )?(?:of )?(?:the|these|those|my|your|our) |all )?"
HERE: Final = (
    r"(?:in|part of) (?:the|this|your|my|our) (?:collection|index|folder|data folder|knowledge base|corpus)"
)
TALK: Final = (
    r"(?:(?:talks?|speaks?) (?:about|of)|mentions?|discuss(?:es)?|deals? with|refers? to|covers?|describes?"
    r"|explains?|(?:is|are) about|say(?:s)? (?:something|anything) (?:about|on|of)"
    r"|(?:have|has|contains?) (?:something|anything|information) (?:about|on)|contains?"
    r"|(?:talking|speaking) (?:about|of)|mentioning|discussing|dealing with|referring to|covering|describing"
    r"|about|concerning|regarding)"
)
POLITE: Final = _rule(
    r"^(?:(?:please|kindly|hi|hello|ok|so|now|also)\b[, ]*|(?:can|could|would|will) you (?:please )?"
    r"|(?:i would|i'd) like (?:you to )?|i want (?:you to )?|let me know |tell me )+"
)
TAIL: Final = _rule(r"(?:[\s,]*\b(?:please|for me|thanks|thank you|briefly|in short|at all))*[\s?.!,;:]*$")
HOW_LONG: Final = _rule(
    r" in (?:detail|english|chinese"
    r"|(?:an?|one|two|three|four|five|a few|\d+) (?:short )?(?:words?|sentences?|paragraphs?|points?))$"
)
THERE: Final = (
    rf"do (?:you|i|we) (?:have|know|see)|are there|are (?:indexed|loaded|available|{HERE})"
    rf"|(?:have|did) (?:you|i|we) (?:read|index(?:ed)?|load(?:ed)?|add(?:ed)?|upload(?:ed)?|given? you)"
    rf"|can (?:you|i) (?:see|search|read)|is there|(?:do )?you have|have been (?:indexed|loaded|added|read)"
)
LIST: Final = tuple(
    _rule(pattern)
    for pattern in (
        rf"(?:which|what|how many) {THESE}{DOCUMENTS} (?:{THERE})(?: (?:here|now|{HERE}|indexed|in all))?",
        rf"(?:list|show|name|enumerate)(?: me)? {THESE}{DOCUMENTS}"
        rf"(?: (?:that )?(?:you have|there are|{HERE}))?",
        r"what(?: is|'s) (?:this|the|your|my) (?:collection|folder|index|corpus)"
        rf"(?: of {DOCUMENTS})?(?: all)? about",
        rf"what are (?:these|the|my|your|all(?: the)?) {DOCUMENTS}(?: all)? about",
        rf"what (?:topics|subjects) do (?:these|the|my|your) {DOCUMENTS} "
        "(?:cover|talk about|deal with|discuss)",
        rf"what do (?:these|my|your|all(?: the)?) {DOCUMENTS} (?:cover|talk about|deal with|discuss|say)",
    )
)
MENTION: Final = tuple(
    _rule(pattern)
    for pattern in (
        rf"(?:which|what|how many) {THESE}{DOCUMENTS} (?:(?:that|which) )?(?:(?:{THERE}) (?:that )?)?"
        rf"{TALK} (?P<topic>.+)",
        rf"(?:list|show|name|find|give)(?: me)? (?:all |any )?{THESE}{DOCUMENTS} (?:(?:that|which) )?"
        rf"{TALK} (?P<topic>.+)",
        rf"(?:is|are) there (?:any |an? )?{DOCUMENTS} (?:(?:that|which) )?{TALK} (?P<topic>.+)",
        rf"do (?:you|we|i) have (?:any |an? )?{DOCUMENTS} on (?P<topic>.+)",
        rf"(?:which|what) {DOCUMENTS} do (?:you|we|i) have (?:on|about|for) (?P<topic>.+)",
        rf"do (?:you have )?any (?:of (?:the|these|my|your) )?{DOCUMENTS} (?:(?:that|which) )?"
        rf"{TALK} (?P<topic>.+)",
        rf"in (?:which|what|how many) {DOCUMENTS} (?:is|are|was|were) (?P<topic>.+?) "
        r"(?:mentioned|discussed|described|explained|covered)",
        rf"(?:which|what|how many) {DOCUMENTS} (?:is|are) (?P<topic>.+?) "
        r"(?:mentioned|discussed|described) in",
    )
)
NOT_A_TOPIC: Final = _rule(  # no list tells what documents lack
    r"^(?:each other|one another|itself|themselves|it|them|that|this)$|^neither\b"
    r"|(?<!\bwith )\b(?:but|and) (?:not|never|without)\b|\bbut (?:do|does)(?: not|n't)\b"
    r"|\b(?:except|excluding)\b|^to\s|^\d+ ?(?:[kmg]b|pages?|days?|weeks?|months?|years?)(?: old)?$"
)
SHORT: Final = r"(?:short |brief |quick |concise |detailed |one[- ]paragraph |overall )?"
SUMMARY: Final = tuple(
    _rule(pattern)
    for pattern in (
        r"(?:briefly |shortly )?(?:summari[sz]e|sum up|recap) (?P<name>.+)",
        rf"(?:give|write|show|make|provide|get|have|create)? ?(?:me )?(?:an? |the )?{SHORT}"
        r"(?:summary|overview|synopsis|(?:key|main) points) (?:of|for|in|from) (?P<name>.+)",
        r"tl;?dr(?: of|:)? (?P<name>.+)",
    )
)
TOLD: Final = tuple(
    _rule(pattern)
    for pattern in (
        r"what(?: is|'s| are) (?P<name>.+?)(?: all)? about",
        r"what does (?P<name>.+?) (?:say|talk about)",
        r"what does (?P<document>.+?) (?:cover|contain|deal with|describe|discuss)",
        r"what(?: is|'s) (?:written )?in (?P<document>.+)",
    )
)
SAID: Final = _rule(
    r"(?:and |but |so |then )*what (?P<do>do|does) (?P<names>.+?) (?:say|tell us|tell me|write) "
    r"(?:about|on|of|regarding|concerning) (?P<topic>.+)"
)
COMPARE: Final = tuple(
    _rule(pattern)
    for pattern in (
        r"(?:compare|contrast|(?:make |give me )?(?:a )?comparison (?:of|between)) (?P<both>.+)",
        r"(?:(?:what(?:'s| is| are)|explain|list|show me|describe|is there|are there) )?"
        r"(?:the |an? |any )?(?:main |key |biggest |important )?"
        r"(?:differences?|similarit(?:y|ies)|differences and similarities|similarities and differences) "
        r"between (?P<both>.+)",
        r"how (?:do|does) (?P<both>.+? (?:and|differ from|compare (?:to|with)) .+)",
    )
)
JOINT: Final = _rule(r"\s+(?:and|with|to|against|versus|vs\.?|&|differs? from|compares? (?:to|with))\s+")
ASPECT: Final = _rule(
    r"\s+(?:on|about|regarding|concerning|in terms of|with (?:regard|respect) to|as to|as for"
    r"|when it comes to|in their|for)\s+"
)
DIFFER: Final = _rule(r"\s+(?:differ|compare)(?: from each other| with each other)?(?=\s|$)")


def read(question: str) -> Iterator[Wish]:
    """Yield the ways to read a question, the likeliest first."""
    asked = TAIL.sub("", POLITE.sub("", question))
    if any(pattern.fullmatch(asked) for pattern in LIST):
        yield Wish(kind="list")
    for pattern in MENTION:
        found = pattern.fullmatch(asked)
        if found and not NOT_A_TOPIC.search(found["topic"]):
            yield Wish(kind="mention", topic=found["topic"])
    short = HOW_LONG.sub("", asked)
    for pattern in SUMMARY:
        if found := pattern.fullmatch(short):
            for first, second in _pairs(found["name"]):
                yield Wish(kind="about", names=(first, second), sure=False)
            yield Wish(kind="summary", names=(found["name"],))
    for pattern in TOLD:
        if found := pattern.fullmatch(short):
            document = found.groupdict().get("document", "")
            if not document or is_document(document):  # coffee, too, may contain something
                yield Wish(kind="summary", names=(document or found["name"],), sure=False)
    yield from _said(asked)
    yield from _compared(asked)


def _said(asked: str) -> Iterator[Wish]:
    found = SAID.fullmatch(asked)
    if found and found["do"] == "does":
        yield Wish(kind="about", names=(found["names"],), topic=found["topic"], sure=False)
    elif found:
        for first, second in _pairs(re.sub("^both ", "", found["names"])):
            yield Wish(kind="about", names=(first, second), topic=found["topic"])


def _compared(asked: str) -> Iterator[Wish]:
    for pattern in COMPARE:
        found = pattern.fullmatch(asked)
        for first, second in _pairs(found["both"]) if found else ():
            for name, topic in _with_aspect(second):
                yield Wish(kind="about", names=(first, name), topic=topic, sure=False)


def _pairs(both: str) -> Iterator[tuple[str, str]]:
    for joint in JOINT.finditer(both):
        yield both[: joint.start()], both[joint.end() :]


def _with_aspect(second: str) -> Iterator[tuple[str, str]]:
    """Yield where the second name may end, and what of the two is compared."""
    plain = DIFFER.sub("", second)
    yield plain, ""
    for found in ASPECT.finditer(plain):
        yield plain[: found.start()], plain[found.end() :]
