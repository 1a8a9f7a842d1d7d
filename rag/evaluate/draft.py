"""A question set from the user's own documents: the LLM proposes, a person confirms."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rag.datatypes import Generation, Message, Passage, Progress, ProgressCallback, Prompt
from rag.errors import InputError
from rag.harmless import harmless
from rag.pipeline import Rag
from rag.prompt import Language, language
from rag.sentences import sentence_spans

MOST_TOKENS: Final = 96
ATTEMPTS: Final = 4  # sentences looked at for each question wanted, at most
FEWEST_CHARACTERS: Final = 12  # of a sentence worth a question
MOST_CHARACTERS: Final = 400
ASK: Final[dict[Language, str]] = {
    "en": (
        "Copy a fact from the sentence, as short as can be. Then write the question that it answers, naming "
        "what it is about, so that the question is understood without the sentence."
    ),
    "zh": "照抄句子中的一个事实，越短越好。再写出它所回答的问题，写明问的是什么，不看句子也能看懂。",
}
SHOWN: Final[dict[Language, str]] = {
    "en": "Document: {title}\nSentence: {text}",
    "zh": "文档：{title}\n句子：{text}",
}
# A small model that is only told what to do copies the text; of these it takes the form. The answer comes
# first: a question that is written first is often one that the sentence does not answer.
EXAMPLES: Final[dict[Language, tuple[tuple[str, str, str], ...]]] = {
    "en": (
        (
            "garden.md, The rose beds",
            "Each of the beds gets forty litres of water every second evening.",
            "Answer: forty litres\nQuestion: How much water does each rose bed get?",
        ),
        (
            "minutes.txt, Meeting of 3 May",
            "Ms Okafor was elected treasurer with eleven votes.",
            "Answer: Ms Okafor\nQuestion: Who was elected treasurer at the meeting of 3 May?",
        ),
        (
            "printer.pdf, Handling, Paper",
            "The paper for certificates lies in the drawer under the lamp.",
            "Answer: in the drawer under the lamp\nQuestion: Where is the paper for certificates?",
        ),
    ),
    "zh": (
        (
            "花园.md, 玫瑰",
            "每个花坛隔天傍晚浇四十升水。",
            "答案：四十升\n问题：每个玫瑰花坛每次浇多少水？",
        ),
        (
            "会议纪要.txt, 五月三日会议",
            "周敏以十一票当选为财务主管。",
            "答案：周敏\n问题：五月三日的会议上谁当选为财务主管？",
        ),
        (
            "打印机.pdf, 使用, 纸张",
            "打印证书用的纸放在台灯下面的抽屉里。",
            "答案：台灯下面的抽屉里\n问题：打印证书用的纸放在哪里？",
        ),
    ),
}
PROPOSED: Final = re.compile(
    r"(?:answer|答案)\s*[:：]\s*(.+?)\s*\n\s*(?:question|问题)\s*[:：]\s*(.+)", re.IGNORECASE
)
QUESTION_MARKS: Final = ("?", "？")
ASKING: Final = re.compile(
    r"\b(?:wh(?:at|ich|o|om|ose|en|ere|y)|how)\b|什么|谁|哪|几|多少|多[大高长久远]|何|怎", re.IGNORECASE
)
OF_THE_TEXT: Final = re.compile(
    r"\b(?:the|this) (?:text|sentence|passage)\b|文字|文中|句子|这句|这段", re.IGNORECASE
)
QUOTES: Final = " \t\"'“”‘’「」『』。."


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A sentence to ask about."""

    passage: Passage
    start: int  # in the passage, as the next
    end: int

    @property
    def sentence(self) -> str:
        return self.passage.text[self.start : self.end]


def draft(rag: Rag, *, size: int, seed: int, progress: ProgressCallback = lambda _: None) -> Iterator[str]:
    """Yield up to `size` lines of a question set, each `"confirmed": false` until a person says otherwise.

    A proposal counts only where its answer stands in the sentence it was made from.

    Raises:
        InputError: when nothing is indexed.
        RagError: when the model is missing or fails.
    """
    if not rag.index.passage_count():
        raise InputError(
            f"nothing is indexed to ask about; put documents into {rag.config.data_dir}/ and sync"
        )
    made: set[str] = set()
    for place in _drawn(rag, ATTEMPTS * size, random.Random(seed)):  # noqa: S311
        source = place.passage.source
        progress(Progress(stage="drafting", done=len(made), total=size, unit="questions", item=source))
        proposal = _propose(rag, place)
        if proposal and proposal["question"] not in made:
            made.add(proposal["question"])
            yield json.dumps(proposal, ensure_ascii=False)
        if len(made) == size:
            break
    progress(Progress(stage="drafting", done=len(made), total=len(made), unit="questions"))


def _drawn(rag: Rag, size: int, chance: random.Random) -> Iterator[Place]:
    """Yield sentences of documents drawn by their length, none twice."""
    indexed = [state for state in rag.documents() if state.passages]
    weights = [state.passages for state in indexed]
    seen: set[tuple[str, int]] = set()
    for state in chance.choices(indexed, weights, k=size):
        passage = chance.choice(rag.index.passages(state.source))
        places = [each for each in _places(passage) if (passage.id, each.start) not in seen]
        if places:
            place = chance.choice(places)
            seen.add((passage.id, place.start))
            yield place


def _places(passage: Passage) -> Iterator[Place]:
    for start, end in sentence_spans(passage.text):
        if FEWEST_CHARACTERS <= end - start <= MOST_CHARACTERS and passage.text[start] != "#":  # a heading
            yield Place(passage=passage, start=start, end=end)


def _propose(rag: Rag, place: Place) -> dict[str, Any] | None:
    pieces = rag.engine.stream(_prompt(place), Generation(max_tokens=MOST_TOKENS))
    proposed = PROPOSED.search("".join(piece for piece in pieces if isinstance(piece, str)))
    if not proposed:
        return None
    answer, question = proposed[1].strip(QUOTES), proposed[2].strip()
    found = _stands_in(answer, place.sentence)
    if not found or not _is_usable(question, answer, place.sentence):
        return None
    page = _page(place.passage, place.start + found.start())
    return {
        "question": question,
        "answers": [answer],
        "document": place.passage.source,
        **({} if page is None else {"page": page}),
        "quote": place.sentence,
        "answerable": True,
        "confirmed": False,
    }


def _prompt(place: Place) -> Prompt:
    spoken = language(place.sentence)
    title = ", ".join(filter(None, (place.passage.source, *place.passage.heading.split(" > "))))
    asked = SHOWN[spoken].format(title=harmless(title), text=harmless(" ".join(place.sentence.split())))
    return Prompt(
        messages=(
            Message(role="system", parts=(ASK[spoken],)),
            *_examples(spoken),
            Message(role="user", parts=(asked,)),
        )
    )


def _examples(spoken: Language) -> Iterator[Message]:
    for title, text, said in EXAMPLES[spoken]:
        yield Message(role="user", parts=(SHOWN[spoken].format(title=title, text=text),))
        yield Message(role="assistant", parts=(said,))


def _stands_in(words: str, text: str) -> re.Match[str] | None:
    """Find the words wherever the lines are broken."""
    letters = [re.escape(letter) for letter in words if not letter.isspace()]
    return re.search(r"\s*".join(letters), text, re.IGNORECASE) if letters else None


def _is_usable(question: str, answer: str, sentence: str) -> bool:
    """Tell whether it asks, in the sentence's language, for a part of it that it does not say itself."""
    return (
        question.endswith(QUESTION_MARKS)
        and bool(ASKING.search(question))
        and language(question) == language(sentence)
        and not OF_THE_TEXT.search(question)
        and not _stands_in(answer, question)
        and 2 * len(answer) < len(sentence)
    )


def _page(passage: Passage, offset: int) -> int | None:
    """Return the page on which `passage.text[offset]` stands."""
    begun = [number for number, start in passage.later_pages if start <= passage.start + offset]
    return begun[-1] if begun else passage.page
