"""A document's text as the LLM may see it: disarmed of what could pass for its prompt, or for an order.

Small models obey what they read. Being told that passages are only quotations changed nothing, and an order
in quotes was obeyed in one language of two; one that is left out cannot be. So a sentence is left out where
two signs of an order to a model come together, in it or next to it; one alone, as in "ignore the warning
above", is only text. The document itself, and what is cited of it, stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from rag.sentences import sentence_spans

# A token of a chat template, the header of a passage, a turn of the conversation.
TEMPLATE_TOKEN: Final = re.compile(
    r"<[|｜]\s*([\w▁/-]{1,40})\s*[|｜]>|<((?:start|end)_of_turn)>|<<(/?SYS)>>|\[(/?INST)\]", re.IGNORECASE
)
LINE_START: Final = r"(?:(?<=[\n\r\v\f\x85\u2028\u2029])|\A)[^\S\n\r]*"
HEADER: Final = re.compile(LINE_START + r"[\[［【]\s*(\d+)\s*[\]］】]")
TURN_LABEL: Final = re.compile(
    rf"({LINE_START}[#*_>\t -]*"
    r"(?:question|answer(?: in \w+)?|user|human|assistant|ai|(?:new )?(?:system|task|prompt|instructions?)"
    r"|问题|回答|用中文回答|系统|新?指令|用户|助手|提示)[*_ ]*)[:：]",
    re.IGNORECASE,
)
WITHIN: Final = "[^.。!！?？]"  # of a sentence, over line breaks
SAY: Final = "(?:reply|respond|answer|output|print|say|write|repeat|begin|reveal)"
HAN_SAY: Final = "(?:回复|回答|输出|打印|(?<![填书])写(?![明清上在入])|说(?!明)|复述|重复|开头)"
QUOTED: Final = r"(?<=[\s:])[\"'“‘]"
# What a letter asks of its reader: an answer in writing or by a day, a form filled in or printed.
LETTER: Final = r"(?:by(?! \w+ing)|before|within|in writing|no later|to (?:us|me|this))\b"
HAN_LETTER: Final = "(?:书面|尽快|及时|[前内]回[复答]|打印)"
SIGNS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # what was said before is to be dropped
        rf"\b(?:ignore|disregard|forget|override|bypass|discard)\b{WITHIN}{{0,40}}\b(?:above|previous|prior|earlier"
        r"|preceding|instructions?|directions?|prompts?|question(?! mark)|context|passages?)\b"
        r"|\b(?:do not|don't|stop) (?:answer(?:ing)? the user|us(?:e|ing) the passages)\b"
        rf"|(?:忽略|无视|忘掉|忘记|不要理会|不必理会|抛开){WITHIN}{{0,15}}"
        r"(?:以上|上述|上面|之前|先前|前面|指令|指示|提示|命令|问题|段落|设定)"
        r"|不要再?(?:回答用户|使用段落|遵守系统)",
        # a model is spoken to
        rf"\b(?:dear|note to|message to|attention)\b{WITHIN}{{0,8}}"
        r"\b(?:assistant|ai|model|llm|chatbot|bot)\s*[,:;.!]"
        r"|\byou are now (?:an? |the )?\w*(?:bot|assistant|ai|model|gpt|dan)\b|\bevery question with\b"
        rf"|\bfrom now on,? (?:you )?(?:must |will |only )*{SAY}"
        r"|\byour (?:reply|response|output) (?:must|should|shall|will)\b"
        r"|(?:亲爱的|给|致)(?:AI|人工智能|语言模型|大模型|助手|机器人)|助手必须用"
        rf"|你现在是{WITHIN}{{0,8}}(?:机器人|助手|AI|模型)"
        rf"|从现在(?:起|开始)[，,]?(?:你|请)?(?:只|都|必须|一律)*{HAN_SAY}|你的(?:回复|回答|输出)(?:必须|应|要)"
        r"|所有问题的(?:答案|回答)",
        # what is to be said
        rf"\b(?:reply|respond|answer|begin)\b{WITHIN}{{0,24}}\bwith\b"
        rf"|\b{SAY}\b{WITHIN}{{0,24}}\b(?:only|just|exactly|instead|nothing else|the words?)\b"
        rf"|\b(?:only|just|must|always|then|now|and)\s+{SAY}\b"
        rf"|\bplease\s+(?!write|print){SAY}\b(?!\s+{LETTER})|\bplease\s+{SAY}\b{WITHIN}{{0,24}}{QUOTED}"
        r"|(?:\A|[.:;,!?\n]\s{0,3})(?:output|print|say|write|repeat|reveal)\b"
        rf"|(?:只|必须|直接|务必|改为|一律){WITHIN}{{0,8}}{HAN_SAY}"
        rf"|[请以](?:(?!{HAN_LETTER}){WITHIN}){{0,8}}(?!{HAN_LETTER}){HAN_SAY}"
        rf"|{HAN_SAY}{WITHIN}{{0,6}}[“「\"'：:遍]",
        # a turn of the conversation
        rf"{TEMPLATE_TOKEN.pattern}|(?:\A|\n)[#*_> \t-]*(?:answer in english|用中文回答)[*_ ]*[:：]",
    )
)
TURN: Final = len(SIGNS) - 1
ENOUGH: Final = 2  # different signs in a sentence and its neighbours


@lru_cache(maxsize=512)
def harmless(text: str) -> str:
    """Return the text without what could pass for the prompt around it, and without orders to a model."""
    for start, end in reversed(list(_orders(text))):
        text = (text[:start] + text[end:]).strip()  # no "(…)" in its place: with that the models refuse
    text = TEMPLATE_TOKEN.sub(lambda found: f"({next(filter(None, found.groups()))})", text)
    return TURN_LABEL.sub(r"\1 –", HEADER.sub(r"(\1)", text))


def _orders(text: str) -> Iterator[tuple[int, int]]:
    """Yield each run of sentences that together show enough signs of an order."""
    found = [(number, each.span()) for number, sign in enumerate(SIGNS) for each in sign.finditer(text)]
    run: list[tuple[int, int]] = []
    between: list[tuple[int, int]] = []  # a sentence without a sign, said in one of several faked turns
    seen: set[int] = set()
    for start, end in [*sentence_spans(text), *[(len(text), len(text))] * 2] if found else ():
        signs = {number for number, (first, last) in found if first < end and start < last}
        if signs:
            run += [*between, (start, end)]
            seen |= signs
            between = []
        elif run and TURN in seen and not between:
            between = [(start, end)]
        else:
            if len(seen) >= ENOUGH:
                yield run[0][0], run[-1][1]
            run, between, seen = [], [], set()
