"""Ask every question of a set, under each variant of the settings in turn, and note what came of it."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias

from rag.ahead import alone
from rag.config import Config
from rag.datatypes import Answer, Generation, Hit, Message, Passage, Progress, ProgressCallback, Prompt
from rag.embed import Embedder, open_embedder
from rag.engines import Engine, chosen_engine, keeps, open_engine
from rag.errors import ConfigError, InputError
from rag.evaluate.scoring import CitationScored, Scored, score_answer, score_citations
from rag.evaluate.sets import Question, QuestionSet
from rag.evaluate.withhold import leave_out
from rag.pipeline import Rag
from rag.prompt import QUESTION, language
from rag.retrieve import retrieve

Stage: TypeAlias = Literal["dense", "lexical", "hybrid", "reranked"]

STAGES: Final[tuple[Stage, ...]] = ("dense", "lexical", "hybrid", "reranked")
DEPTH: Final = 10  # hits of each stage among which the right one is looked for
CLOSED_BOOK: Final = "Answer the question in a few words. 用几个词回答问题。"
CLOSED_BOOK_TOKENS: Final = 48
INDEXING: Final = frozenset({"embedder", "passage_tokens", "ocr", "passwords", "file_timeout"})
ASKING: Final = frozenset({"reranker", "top_k", "max_tokens", "temperature", "caution", "seed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Settings to try, under a name."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to ask: at most `size` answerable questions and as many others, drawn by `seed`."""

    size: int | None = None  # None: all
    withhold: int = 0  # further questions, whose documents are left out of the index
    seed: int = 0
    variants: tuple[Variant, ...] = (Variant(name="as set"),)
    answers: bool = True  # False: only retrieval is judged
    closed_book: bool = False  # ask without documents, too
    read_before: bool = False  # an engine that keeps what it reads has read the passages before


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question under one variant: what was found, said and cited, and how right it was."""

    variant: str
    question: Question
    ranks: Mapping[Stage, int | None]  # of the first hit that holds the answer, from 1; None: beyond DEPTH
    answer: Answer | None = None  # None: only retrieval was asked for
    found: bool = False  # one of the answer's hits holds what was asked for, whether it was read or not
    scored: Scored | None = None  # None: there is no right answer
    cited: CitationScored | None = None
    closed_book: str | None = None  # what the model says without documents
    closed_book_scored: Scored | None = None


def run_questions(
    config: Config,
    questions: QuestionSet,
    plan: Plan,
    *,
    progress: ProgressCallback = lambda _: None,
) -> list[Asked]:
    """Ask all questions under each variant in turn, so that a busy moment of the machine hits all alike.

    Each question begins with another variant, since what one has read others may find read. The index is
    thrown away afterwards.

    Raises:
        ConfigError: for a setting that is not known.
        InputError: when a document of the set is missing or cannot be read.
        RagError: when a model is missing or fails.
    """
    configs = {variant.name: _changed(config, variant) for variant in plan.variants}
    asked: list[Asked] = []
    with ExitStack() as stack:
        folder = stack.enter_context(documents_of(config, questions))
        rags = _open_all(stack, configs, folder, questions.questions, progress)
        if plan.answers or plan.closed_book:
            _share_engines(rags.values())
        total = len(questions.questions)
        for done, question in enumerate(questions.questions):
            progress(Progress(stage="asking", done=done, total=total, unit="questions"))
            turns = deque(rags)
            turns.rotate(-done)
            by_variant = {name: _ask(rags[name], question, plan, variant=name) for name in turns}
            asked += [by_variant[name] for name in rags]
        progress(Progress(stage="asking", done=total, total=total, unit="questions"))
    return asked


def _ask(rag: Rag, question: Question, plan: Plan, *, variant: str) -> Asked:
    found = _search(rag, question, variant=variant)
    if plan.answers:
        if plan.read_before:
            _read_before(rag, question)
        found = _answered(rag, found)
    return _from_memory(rag, found) if plan.closed_book and question.answerable else found


def _changed(config: Config, variant: Variant) -> Config:
    unknown = set(variant.settings) - set(Config.model_fields)
    if unknown:
        raise ConfigError(f"variant {variant.name!r}: {min(unknown)!r} is not a setting")
    chosen = config.model_dump(
        exclude_unset=True
    )  # a default may yet give way, as the LLM does without a hub
    return Config(**{**chosen, **variant.settings})


@contextmanager
def documents_of(config: Config, questions: QuestionSet) -> Iterator[Path]:
    """Give the folder of the set's documents: the user's own, or one with the texts of the set."""
    if not questions.texts:
        yield config.data_dir
        return
    with tempfile.TemporaryDirectory(prefix="rag-evaluate-") as name:
        for document, text in questions.texts.items():
            file = Path(name) / document
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", errors="surrogatepass")
        yield Path(name)


def _open_all(
    stack: ExitStack,
    configs: Mapping[str, Config],
    folder: Path,
    questions: Sequence[Question],
    progress: ProgressCallback,
) -> dict[str, Rag]:
    """Open a `Rag` for each variant, its index made; what the settings allow to share is shared."""
    embedders: dict[str, Embedder] = {}
    indexes: dict[str, Path] = {}
    rags: dict[str, Rag] = {}
    for name, config in configs.items():
        index_key = config.model_dump_json(include=set(INDEXING))
        if config.embedder not in embedders:
            embedders[config.embedder] = open_embedder(config)
        is_new = index_key not in indexes
        if is_new:
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix="rag-evaluate-"))
            indexes[index_key] = Path(made)
        placed = config.model_copy(update={"data_dir": folder, "index_dir": indexes[index_key]})
        rag = Rag(placed, embedder=embedders[config.embedder])
        rags[name] = stack.enter_context(rag)
        if is_new:
            rag.sync(progress)
            check_documents(rag, questions)
            leave_out(rag.index, questions)
    return rags


def _share_engines(rags: Iterable[Rag]) -> None:
    """Load each model once, however many variants use it."""
    engines: dict[str, Engine] = {}
    for rag in rags:
        elsewhere = INDEXING | ASKING | {"engine", "index_dir"}
        key = chosen_engine(rag.config) + rag.config.model_dump_json(exclude=set(elsewhere))
        if key not in engines:
            engines[key] = open_engine(rag.config)
        rag.engine = engines[key]


def check_documents(rag: Rag, questions: Sequence[Question]) -> None:
    """See that there is a document wherever an answer should stand.

    Raises:
        InputError: when one is missing or could not be read; names the question.
    """
    states = {state.source: state for state in rag.documents()}
    for question in questions:
        state = states.get(question.document)
        if (question.answerable or question.withheld) and (state is None or state.state == "failed"):
            reason = f"could not be read: {state.reason}" if state else f"is not in {rag.config.data_dir}/"
            raise InputError(f"question {question.id} asks about {question.document!r}, which {reason}")


def _search(rag: Rag, question: Question, *, variant: str) -> Asked:
    vector = rag.embedder.embed_query(question.text)
    find = partial(retrieve, question.text, index=rag.index, embedder=rag.embedder, top_k=DEPTH)
    found: dict[Stage, list[Passage]] = {
        "dense": [passage for passage, _ in rag.index.search_dense(vector, DEPTH)],
        "lexical": [passage for passage, _ in rag.index.search_lexical(question.text, DEPTH)],
        "hybrid": [hit.passage for hit in find()],
    }
    if rag.reranker:
        found["reranked"] = [hit.passage for hit in find(reranker=rag.reranker)]
    places = _places(rag, question)
    ranks = {stage: _rank(passages, question, places) for stage, passages in found.items()}
    return Asked(variant=variant, question=question, ranks=ranks)


def _places(rag: Rag, question: Question) -> list[tuple[int, int]]:
    """Return where the quotes stand in the document; [] where the whole document counts."""
    if not question.quotes or not question.answerable:
        return []
    text = rag.index.document_text(question.document)
    starts = [(text.find(quote), len(quote)) for quote in question.quotes]
    return [(start, start + size) for start, size in starts if start >= 0]


def _rank(passages: Sequence[Passage], question: Question, places: Sequence[tuple[int, int]]) -> int | None:
    ranked = enumerate(passages, start=1)
    return next((rank for rank, each in ranked if is_right(each, question, places)), None)


def is_right(passage: Passage, question: Question, places: Sequence[tuple[int, int]] = ()) -> bool:
    """Tell whether a passage is one that answers: of the document, on the page, touching a place."""
    if question.document not in (passage.source, *passage.also):
        return False
    pages = {passage.page, *(number for number, _ in passage.later_pages)}
    if question.page is not None and question.page not in pages:
        return False
    return not places or any(passage.start < end and start < passage.end for start, end in places)


def _read_before(rag: Rag, question: Question) -> None:
    """Read what will be found, as if it had been asked about before."""
    engine = rag.engine
    if keeps(engine):
        hits = retrieve(
            question.text,
            index=rag.index,
            embedder=rag.embedder,
            top_k=rag.config.top_k,
            reranker=rag.reranker,
        )
        for hit in hits:
            deque(engine.read(alone(hit, engine)), maxlen=0)


def _answered(rag: Rag, asked: Asked) -> Asked:
    question = asked.question
    answer = rag.ask(question.text)
    if not question.answerable:
        return replace(asked, answer=answer)
    places = _places(rag, question)
    text = "" if answer.refused else answer.text
    return replace(
        asked,
        answer=answer,
        found=any(is_right(_whole(hit), question, places) for hit in answer.hits),
        scored=score_answer(text, question.answers),
        cited=None
        if answer.refused
        else score_citations(answer, answers=question.answers, quotes=question.quotes),
    )


def _whole(hit: Hit) -> Passage:
    """Return the passage as it was found, where the prompt had no room for all of it."""
    return replace(hit.passage, end=hit.passage.end + hit.cut)


def _from_memory(rag: Rag, asked: Asked) -> Asked:
    """Ask the model without documents: what it knows by heart is not Kaoju's merit."""
    question = asked.question
    said = QUESTION[language(question.text)].format(question=question.text)
    prompt = Prompt(
        messages=(
            Message(role="system", parts=(CLOSED_BOOK,)),
            Message(role="user", parts=(said,)),
        )
    )
    pieces = rag.engine.stream(prompt, Generation(max_tokens=CLOSED_BOOK_TOKENS))
    text = "".join(piece for piece in pieces if isinstance(piece, str)).strip()
    return replace(asked, closed_book=text, closed_book_scored=score_answer(text, question.answers))
