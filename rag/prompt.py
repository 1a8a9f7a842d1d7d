"""All prompt text, and how a question and its passages become a `Prompt`.

What repeats comes first: the system message and the examples are constant, passages come next, before the
conversation and the question. So every passage is read in the same surroundings, whatever was asked before,
and an engine that keeps its state reads only what is new.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from rag.datatypes import Answer, Hit, Message, Passage, Prompt
from rag.errors import InputError
from rag.harmless import harmless
from rag.sentences import sentence_spans

Language: TypeAlias = Literal["en", "zh"]

MOST_CHARACTERS: Final = 4000  # a longer question is a document
NO_ANSWER: Final[dict[Language, str]] = {
    "en": "The documents do not answer this question.",
    "zh": "文档中没有这个问题的答案。",
}
UNANSWERABLE: Final[dict[Language, str]] = {"en": "unanswerable", "zh": "无法回答"}  # the model's NO_ANSWER
SYSTEM: Final = (
    "Answer from the numbered passages with their own words, as short as possible, and cite like [1]. "
    f"If they do not say exactly what is asked, answer: {UNANSWERABLE['en']}\n"
    "用编号段落中的原话尽量简短地回答，并注明编号，如 [1]。"
    f"如果段落没有说明所问的内容，就回答：{UNANSWERABLE['zh']}"
)
PASSAGE: Final = "{title}\n{text}\n\n"  # after its number, "[1] "
QUESTION: Final[dict[Language, str]] = {
    "en": "Question: {question}\nAnswer in English:",
    "zh": "问题：{question}\n用中文回答：",
}
# Answered before every conversation: read once, since they never change. Without them a small model makes
# sentences about the passages.
SHOWN: Final = (
    "[1] tea.md\nThe Lusong tea house opened in 1921 on Bridge Street. Its founder, Lin Yue, sold green tea "
    "from the hills; her daughter added a kitchen in 1950, because travellers asked for hot meals.\n\n",
    "[2] 茶馆.md\n茶馆现有员工二十四人，周一休息，老板娘负责后厨。到店先取号，再点茶，最后到柜台付款。\n\n",
)
EXAMPLES: Final = (
    ("When was the kitchen added?", "1950 [1]"),
    ("茶馆有多少员工？", "二十四人 [2]"),
    ("When did Lin Yue sell the tea house?", UNANSWERABLE["en"]),
    ("茶馆的厨师周几休息？", UNANSWERABLE["zh"]),
    ("Why did the tea house get a kitchen?", "travellers asked for hot meals [1]"),
    ("茶馆是哪一年开业的？", "1921年 [1]"),
    ("How do guests order tea?", "They take a number, order, and pay at the counter [2]"),
)
REWRITE: Final[dict[Language, str]] = {
    "en": (
        "{conversation}\nQuestion: {question}\n\n"
        "Write the last question as one that can be understood without the conversation, naming what it "
        "means. Do not answer it.\nThe question:"
    ),
    "zh": (
        "{conversation}\n问题：{question}\n\n"
        "把最后一个问题改写成不看对话也能看懂的问题，写明所指的是什么。不要回答。\n改写后的问题："
    ),
}
TURN: Final[dict[Language, str]] = {
    "en": "Question: {question}\nAnswer: {answer}\n",
    "zh": "问题：{question}\n回答：{answer}\n",
}
TURNS: Final = 3  # of the conversation that say what a question means
TURN_CHARACTERS: Final = 400  # of each question and answer

HAN: Final = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
MARKERS: Final = re.compile(r"\s*\[[\d?]+\]")
LATIN_WORD: Final = re.compile(r"[A-Za-z]{2,}|\b[aI]\b")  # another letter alone is a name in either

CountTokens: TypeAlias = Callable[[Prompt], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A prompt within its budget, and the hits it holds, each with its marker."""

    question: str
    prompt: Prompt
    hits: tuple[Hit, ...]  # those without a marker did not fit

    @property
    def shown(self) -> tuple[Hit, ...]:
        return tuple(hit for hit in self.hits if hit.marker)


def language(question: str) -> Language:
    """Return the language to answer in: Chinese where Chinese characters outnumber Latin words."""
    return "zh" if len(HAN.findall(question)) > len(LATIN_WORD.findall(question)) else "en"


def check_question(question: str) -> str:
    """Return the question without surrounding space and undecodable characters.

    Raises:
        InputError: when it is no text, empty, or longer than `MOST_CHARACTERS`.
    """
    if not isinstance(question, str):
        raise InputError(f"the question is no text but {type(question).__name__}; pass a str")
    question = question.encode("utf-8", "replace").decode("utf-8").strip()  # lone surrogates go
    if not question:
        raise InputError("the question is empty; type one")
    if len(question) > MOST_CHARACTERS:
        raise InputError(
            f"the question has {len(question):,} characters; ask in at most {MOST_CHARACTERS:,}, "
            "and put longer text into a document"
        )
    return question


def rewriting(question: str, history: Sequence[Answer]) -> Prompt:
    """Ask what the question means; much shorter than its own prompt, since it shows no passages."""
    spoken = language(question)
    turns = (
        TURN[spoken].format(
            question=(turn.searched_for or turn.question)[:TURN_CHARACTERS],
            answer=turn.text[:TURN_CHARACTERS],
        )
        for turn in history[-TURNS:]
    )
    text = REWRITE[spoken].format(conversation="".join(turns), question=question)
    return Prompt(messages=(Message(role="user", parts=(text,)),))


def fit(
    question: str,
    hits: Sequence[Hit],
    *,
    count: CountTokens,
    budget: int,
    before: Sequence[Answer] = (),
) -> Fitted:
    """Build the longest prompt of at most `budget` tokens.

    What was said `before`, for a question that cannot be understood without it, goes first, the oldest turns
    before the others; then the last passages: whole, or from a sentence end on.

    Raises:
        InputError: when the question alone does not fit.
    """
    before = before[-TURNS:]
    while before and count(_prompt(question, hits, before)) > budget:
        before = before[1:]

    def fits(some: Sequence[Hit]) -> bool:
        return count(_prompt(question, some, before)) <= budget

    if not fits(()):
        raise InputError(f"the question does not fit the model's {budget:,} tokens; ask a shorter one")
    whole = max(n for n in range(len(hits) + 1) if fits(hits[:n]))
    kept = tuple(hits[:whole])
    cuts = [(*kept, cut) for hit in hits[whole : whole + 1] for cut in _cuts(hit)]
    kept = next(filter(fits, cuts), kept)
    shown = _numbered(kept)
    return Fitted(
        question=question, prompt=_prompt(question, kept, before), hits=(*shown, *hits[len(kept) :])
    )


def _cuts(hit: Hit) -> Iterator[Hit]:
    """Yield the hit cut at its sentence ends, longest first."""
    for _, end in reversed(sentence_spans(hit.passage.text)[:-1]):
        yield _cut(hit, end)


def _cut(hit: Hit, length: int) -> Hit:
    text = hit.passage.text[:length].rstrip()
    passage = replace(hit.passage, text=text, end=hit.passage.start + len(text))
    return replace(hit, passage=passage, joined=())


def _numbered(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    return tuple(replace(hit, marker=number) for number, hit in enumerate(hits, 1))


def _prompt(question: str, hits: Sequence[Hit], before: Sequence[Answer]) -> Prompt:
    said: list[Message] = []
    passages = [part for hit in _numbered(hits) for part in passage_parts(hit)]
    for turn in before:
        said.append(_asking(turn.question[:TURN_CHARACTERS], passages))
        answer = UNANSWERABLE[language(turn.question)] if turn.refused else MARKERS.sub("", turn.text)
        said.append(Message(role="assistant", parts=(answer[:TURN_CHARACTERS],)))
        passages = []
    return Prompt(messages=(*BEFORE, *said, _asking(question, passages)), constant=len(BEFORE))


def _asking(question: str, passages: Iterable[str]) -> Message:
    return Message(role="user", parts=(*passages, QUESTION[language(question)].format(question=question)))


def _title(passage: Passage) -> str:
    return " ".join(" > ".join(part for part in (passage.source, passage.heading) if part).split())


def passage_parts(hit: Hit) -> Iterator[str]:
    """Yield a hit as a prompt shows it: each unit by itself, so that it reads as when it is found alone."""
    for unit in hit.units:
        yield f"[{hit.marker}] {as_shown(unit)}"


def as_shown(passage: Passage) -> str:
    """Return a passage as every prompt shows it after its number."""
    return PASSAGE.format(title=harmless(_title(passage)), text=harmless(passage.text))


TRANSLATION: Final[dict[Language, str]] = {
    "en": "Translate into English, only the sentence:\n{sentence}",
    "zh": "Translate into Chinese, only the sentence:\n{sentence}",
}


def translating(sentence: str, spoken: Language) -> Prompt:
    """Ask for a sentence of a document in the question's language."""
    text = TRANSLATION[spoken].format(sentence=harmless(sentence))
    return Prompt(messages=(Message(role="user", parts=(text,)),))


def _before() -> Iterator[Message]:
    """Yield what stands before every conversation: what to do, and how it is done."""
    yield Message(role="system", parts=(SYSTEM,))
    for number, (question, answer) in enumerate(EXAMPLES):
        yield _asking(question, () if number else SHOWN)
        yield Message(role="assistant", parts=(answer,))


BEFORE: Final = tuple(_before())
