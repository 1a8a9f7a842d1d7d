"""Question sets: SQuAD-style JSON, CLAPNQ JSONL, and our own JSONL, told apart by what they hold."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from rag.errors import InputError

Record: TypeAlias = dict[str, Any]

NOT_A_SET: Final = (
    "it is not a question set: SQuAD-style JSON, CLAPNQ JSONL, or JSONL with a question, its answers and "
    "its document on each line"
)
UNSAFE: Final = re.compile(r"[^\w.()-]+")  # in a file name
LONGEST_NAME: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, and where in which document its answer stands."""

    id: str
    text: str
    document: str  # path below the folder of documents; "": not known, as of one that none answers
    answers: tuple[str, ...] = ()  # each is right; none: there is no answer
    quotes: tuple[str, ...] = ()  # what a citation should show; none: whatever holds an answer
    page: int | None = None
    withheld: bool = False  # its document was left out of the index, so that nothing answers it

    @property
    def answerable(self) -> bool:
        return bool(self.answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """Questions, and the texts they ask about; without texts the documents are those of the user."""

    name: str
    questions: tuple[Question, ...]
    texts: Mapping[str, str] = field(default_factory=dict)  # by document
    unconfirmed: int = 0  # drafted questions that nobody has looked at, left out


def read_set(path: Path) -> QuestionSet:
    """Read a question set; what asks nothing is left out, as two questions of CMRC 2018 do.

    Raises:
        InputError: when the file cannot be read or is not a question set; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read as a question set: {exc}") from exc
    read = _read(path, text)
    return replace(read, questions=tuple(each for each in read.questions if each.text.strip()))


def _read(path: Path, text: str) -> QuestionSet:
    squad = _squad_articles(text)
    if squad is not None:
        return _from_squad(path, squad)
    records = list(_lines(path, text))
    if not records:
        raise InputError(f"{path}: {NOT_A_SET}")
    is_clapnq = all("input" in record and "passages" in record for record in records)
    return (_from_clapnq if is_clapnq else _from_lines)(path, records)


def sample(questions: Sequence[Question], *, size: int | None, seed: int) -> tuple[Question, ...]:
    """Draw at most `size` answerable questions and as many others, in the order of the set."""
    kept: set[str] = set()
    for answerable in (True, False):
        ids = [question.id for question in questions if question.answerable == answerable]
        drawn = ids if size is None else random.Random(seed).sample(ids, min(size, len(ids)))  # noqa: S311
        kept.update(drawn)
    return tuple(question for question in questions if question.id in kept)


def _squad_articles(text: str) -> list[Record] | None:
    try:
        whole = json.loads(text)
    except ValueError:
        return None
    data = whole.get("data") if isinstance(whole, dict) else None
    return data if isinstance(data, list) else None


def _from_squad(path: Path, articles: Sequence[Record]) -> QuestionSet:
    texts: dict[str, str] = {}
    questions: list[Question] = []
    try:
        for number, article in enumerate(articles):
            for place, paragraph in enumerate(article["paragraphs"]):
                document = f"{_file_name(article.get('title', ''))}/{number:04}-{place:03}.txt"
                texts[document] = paragraph["context"]
                questions.extend(_squad_question(record, document) for record in paragraph["qas"])
    except (KeyError, TypeError) as exc:
        raise InputError(f"{path} is damaged SQuAD JSON: {exc!r} in article {number + 1}") from exc
    return QuestionSet(name=path.stem, questions=tuple(questions), texts=texts)


def _file_name(title: str) -> str:
    """Return the title as a user's file or folder would be called."""
    return UNSAFE.sub("_", title).strip("_.")[:LONGEST_NAME] or "untitled"


def _squad_question(record: Record, document: str) -> Question:
    answers = [] if record.get("is_impossible") else [answer["text"] for answer in record["answers"]]
    return Question(
        id=str(record["id"]),
        text=record["question"],
        document=document,
        answers=tuple(dict.fromkeys(answers)),
    )


def _from_clapnq(path: Path, records: Sequence[Record]) -> QuestionSet:
    texts: dict[str, str] = {}
    questions: list[Question] = []
    for line, record in enumerate(records, start=1):
        try:
            passage = record["passages"][0]
            document = f"{_file_name(passage.get('title', ''))}/{line:04}.txt"
            texts[document] = passage["text"]
            output = record["output"][0]
            questions.append(
                Question(
                    id=str(record["id"]),
                    text=record["input"],
                    document=document,
                    answers=tuple(filter(None, [output["answer"]])),
                    quotes=tuple(sentence.strip() for sentence in output["selected_sentences"]),
                )
            )
        except (KeyError, IndexError, TypeError) as exc:
            raise InputError(f"{path}, line {line}, is damaged CLAPNQ: {exc!r} is missing") from exc
    return QuestionSet(name=path.stem, questions=tuple(questions), texts=texts)


def _from_lines(path: Path, records: Sequence[Record]) -> QuestionSet:
    confirmed = [record for record in records if record.get("confirmed", True)]
    return QuestionSet(
        name=path.stem,
        questions=tuple(
            _own_question(path, line, record)
            for line, record in enumerate(records, start=1)
            if record.get("confirmed", True)
        ),
        unconfirmed=len(records) - len(confirmed),
    )


def _own_question(path: Path, line: int, record: Record) -> Question:
    if not isinstance(record.get("question"), str):
        raise InputError(f"{path}, line {line}, has no question: {NOT_A_SET}")
    answers = record.get("answers", [])
    quote, page = record.get("quote"), record.get("page")
    texts = [answers] if isinstance(answers, str) else answers
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in [*texts, quote or ""]):
        raise InputError(f"{path}, line {line}: answers and quote are texts; put them in quotation marks")
    if page is not None and (not isinstance(page, int) or isinstance(page, bool)):
        raise InputError(f"{path}, line {line}: the page is a number, without quotation marks")
    question = Question(
        id=str(record.get("id", line)),
        text=record["question"],
        document=str(record.get("document", "")),
        answers=tuple(texts) if record.get("answerable", True) else (),
        quotes=(quote,) if quote else (),
        page=page,
    )
    if record.get("answerable", True) and not (question.answers and question.document):
        raise InputError(
            f"{path}, line {line}, names no answers or no document; add both, or say "
            '"answerable": false where the documents hold none'
        )
    return question


def _lines(path: Path, text: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), start=1):  # a string may hold U+2028 as it is
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as exc:
            raise InputError(f"{path}, line {number}, is not JSON ({exc}); {NOT_A_SET}") from exc
        if not isinstance(record, dict):
            raise InputError(f"{path}, line {number}: {NOT_A_SET}")
        yield record
