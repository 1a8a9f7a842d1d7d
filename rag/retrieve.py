"""A question -> hits: dense and lexical search, fused by reciprocal rank; a LangChain retriever."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from rag.datatypes import Hit, Passage
from rag.embed import Embedder
from rag.index import Index

DEPTH: Final = 30  # candidates of each search
# recall@1/3/5 with multilingual-e5-small, 300 questions on 256 paragraphs of SQuAD 2 | CMRC 2018:
#   cosine                    .823/.950/.973 | .960/.977/.987
#   BM25                      .863/.937/.960 | .967/.990/.993
#   both fused                .873/.970/.983 | .973/.987/.997
#   with the sum as the third .903/.970/.987 | .980/.990/.997
# An offset of 10, or BM25 counting half or double, changes recall@1 by .010 at most.
RANK_OFFSET: Final = 60  # k of reciprocal rank fusion
HAN: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
WORD: Final = re.compile(rf"{HAN.pattern}|[^\W\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A hit counts as relevant from `covered + slope * (dense - unrelated) >= threshold` on."""

    threshold: float
    slope: float  # how much a cosine counts beside a share of words
    unrelated: dict[str, float]  # by script: a cosine that speaks neither way


# The gate of e5-small refuses none of 300 answerable questions of each language (SQuAD 2, CMRC 2018), and of
# questions about other articles, asked of 10 paragraphs, .91 in English and .86 in Chinese (n=300 each); the
# model refuses what passes. A threshold of 0.30 would refuse .99 of these, but also 9 of 20 questions
# about the sample documents put in everyday words (this one 2): the sets' questions borrow a passage's words.
# Across scripts the cosines of right and wrong passages overlap, so that no cut helps.
WORDS: Final = Gate(threshold=0.16, slope=0.0, unrelated={"han": 0.0, "latin": 0.0})
WORDS_ONLY: Final = frozenset({"hashing"})  # embedders that never match across scripts
GATES: Final = {
    "multilingual-e5-small": Gate(threshold=0.05, slope=8.0, unrelated={"han": 0.85, "latin": 0.80}),
}


def retrieve(question: str, *, index: Index, embedder: Embedder, top_k: int) -> list[Hit]:
    """Return the `top_k` passages that answer `question` best, best first, each with all its signals.

    Three rankings are fused by reciprocal rank (Cormack, Clarke and Buettcher 2009): by cosine, by BM25, and
    by the sum of both, each scaled to 0..1 (CombSUM, Fox and Shaw 1994), which keeps what ranks lose: by how
    much one passage leads.
    """
    depth = max(DEPTH, top_k)
    vector = embedder.embed_query(question)
    dense = index.search_dense(vector, depth)
    lexical = index.search_lexical(question, depth)
    best = _fused(dense, lexical, _summed(dense, lexical))[:top_k]
    passages = [passage for passage, _ in best]
    cosines, covered = index.cosines(vector, passages), index.coverage(question, passages)
    bm25 = {passage.id: score for passage, score in lexical}
    return [
        Hit(
            passage=passage,
            score=score,
            dense=cosines.get(passage.id),
            lexical=bm25.get(passage.id),
            covered=covered[passage.id],
        )
        for passage, score in best
    ]


def is_relevant(question: str, hits: Sequence[Hit], *, embedder: str = "") -> bool:
    """Say whether any hit may answer the question, by the shared words and the cosine; see GATES.

    `embedder` names what made the cosines; of one that was never measured only the words are trusted. Where
    most hits are in another script no signal tells, and the model decides.
    """
    if not hits:
        return False
    script = _script(question)
    foreign = sum(_script(hit.passage.text) != script for hit in hits)
    if embedder not in WORDS_ONLY and 2 * foreign > len(hits):
        return True
    gate = GATES.get(embedder, WORDS)
    return any(_evidence(hit, script, gate) >= gate.threshold for hit in hits)


def _evidence(hit: Hit, script: str, gate: Gate) -> float:
    if hit.dense is None or _script(hit.passage.text) != script:
        return hit.covered or 0.0
    return (hit.covered or 0.0) + gate.slope * (hit.dense - gate.unrelated[script])


def _script(text: str) -> str:
    """Return the script of most of the words: a Chinese character says about as much as a Latin word."""
    return "han" if 2 * len(HAN.findall(text)) >= len(WORD.findall(text)) else "latin"


def _fused(*rankings: Sequence[tuple[Passage, float]]) -> list[tuple[Passage, float]]:
    """Return (passage, fused score), best first; equal scores keep the order of the first ranking."""
    passages: dict[str, Passage] = {}
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, (passage, _) in enumerate(ranking, start=1):
            passages.setdefault(passage.id, passage)
            scores[passage.id] = scores.get(passage.id, 0.0) + 1 / (RANK_OFFSET + rank)
    return [(passages[key], scores[key]) for key in sorted(scores, key=lambda key: -scores[key])]


def _summed(*rankings: Sequence[tuple[Passage, float]]) -> list[tuple[Passage, float]]:
    """Return (passage, sum of its scores, each ranking's scaled to 0..1), best first."""
    passages: dict[str, Passage] = {}
    sums: dict[str, float] = {}
    for ranking in rankings:
        low = min((score for _, score in ranking), default=0.0)
        width = max((score for _, score in ranking), default=0.0) - low
        for passage, score in ranking:
            passages.setdefault(passage.id, passage)
            sums[passage.id] = sums.get(passage.id, 0.0) + ((score - low) / width if width else 1.0)
    return [(passages[key], sums[key]) for key in sorted(sums, key=lambda key: -sums[key])]


class PassageRetriever(BaseRetriever):
    """`retrieve` as a LangChain retriever; the metadata of each document holds the whole `Hit`."""

    index: Index
    embedder: Any  # an Embedder; pydantic would check a Protocol by isinstance at each copy
    top_k: int = 4

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, top_k: int = 0
    ) -> list[Document]:
        del run_manager  # the callbacks see what is returned
        hits = retrieve(query, index=self.index, embedder=self.embedder, top_k=top_k or self.top_k)
        return [_document(hit) for hit in hits]


def _document(hit: Hit) -> Document:
    passage = hit.passage
    return Document(
        id=passage.id,
        page_content=passage.text,
        metadata={
            "id": passage.id,
            "source": passage.source,
            "page": passage.page,
            "start": passage.start,
            "end": passage.end,
            "score": hit.score,
            "hit": hit,
        },
    )
