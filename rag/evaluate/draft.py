"""A question set from the user's own documents: the LLM proposes, a person confirms."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any, Final

from rag.datatypes import Generation, Message, Passage, Progress, ProgressCallback, Prompt
from rag.errors import InputError
from rag.pipeline import Rag
from rag.prompt import Language, language
from rag.sentences import sentence_spans

MOST_TOKENS: Final = 96
ATTEMPTS: Final = 3  # passages looked at for each question wanted, at most
FEWEST_CHARACTERS: Final = 40  # of a passage worth a question
ASK: Final[dict[Language, str]] = {
    "en": (
        "Write one question that this text answers and that makes sense without the text, then the answer "
        "in the text's own words, copied exactly.\n\n{text}\n\nQuestion: ...\nAnswer: ..."
    ),
    "zh": (
        "写一个这段文字能回答、不看文字也能懂的问题，再照抄文字中的原话作为答案。\n\n{text}\n\n问题：……\n答案：……"
    ),
}
QUESTION_LINE: Final = re.compile(r"(?:question|问题)\s*[:：]\s*(.+)", re.IGNORECASE)
ANSWER_LINE: Final = re.compile(r"(?:answer|答案)\s*[:：]\s*(.+)", re.IGNORECASE)
QUOTES: Final = " \t\"'“”‘’「」『』。."


def draft(rag: Rag, *, size: int, seed: int, progress: ProgressCallback = lambda _: None) -> Iterator[str]:
    """Yield up to `size` lines of a question set, each `"confirmed": false` until a person says otherwise.

    A proposal counts only where its answer stands in the passage word for word.

    Raises:
        InputError: when nothing is indexed.
        RagError: when the model is missing or fails.
    """
    if not rag.index.passage_count():
        raise InputError(
            f"nothing is indexed to ask about; put documents into {rag.config.data_dir}/ and sync"
        )
    made = 0
    for passage in _drawn(rag, ATTEMPTS * size, random.Random(seed)):  # noqa: S311
        progress(Progress(stage="drafting", done=made, total=size, unit="questions", item=passage.source))
        if proposal := _propose(rag, passage):
            made += 1
            yield json.dumps(proposal, ensure_ascii=False)
        if made == size:
            break
    progress(Progress(stage="drafting", done=made, total=made, unit="questions"))


def _drawn(rag: Rag, size: int, chance: random.Random) -> Iterator[Passage]:
    """Yield passages of documents drawn by their length, no passage twice."""
    indexed = [state for state in rag.documents() if state.passages]
    weights = [state.passages for state in indexed]
    seen: set[str] = set()
    for state in chance.choices(indexed, weights, k=size):
        passage = chance.choice(rag.index.passages(state.source))
        if passage.id not in seen and len(passage.text) >= FEWEST_CHARACTERS:
            seen.add(passage.id)
            yield passage


def _propose(rag: Rag, passage: Passage) -> dict[str, Any] | None:
    asked = ASK[language(passage.text)].format(text=passage.text)
    prompt = Prompt(messages=(Message(role="user", parts=(asked,)),))
    pieces = rag.engine.stream(prompt, Generation(max_tokens=MOST_TOKENS))
    said = "".join(piece for piece in pieces if isinstance(piece, str))
    question, answer = QUESTION_LINE.search(said), ANSWER_LINE.search(said)
    if not (question and answer):
        return None
    words = answer[1].strip(QUOTES)
    if not words or words not in passage.text:
        return None
    return {
        "question": question[1].strip(),
        "answers": [words],
        "document": passage.source,
        **({} if passage.page is None else {"page": passage.page}),
        "quote": _sentence_with(words, passage.text),
        "answerable": True,
        "confirmed": False,
    }


def _sentence_with(words: str, text: str) -> str:
    """Return the sentences that the words begin and end in."""
    start = text.index(words)
    end = start + len(words)
    touched = [(first, last) for first, last in sentence_spans(text) if first < end and start < last]
    return text[touched[0][0] : touched[-1][1]] if touched else words
