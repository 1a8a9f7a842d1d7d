"""A question -> hits: dense and lexical search, fused by reciprocal rank; a LangChain retriever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from rag.datatypes import Hit, Passage
from rag.embed import Embedder
from rag.index import Index

DEPTH: Final = 30  # candidates of each search
RANK_OFFSET: Final = 60  # k of reciprocal rank fusion


def retrieve(question: str, *, index: Index, embedder: Embedder, top_k: int) -> list[Hit]:
    """Return the `top_k` passages that answer `question` best, best first, each with all its signals.

    Reciprocal rank fusion: Cormack, Clarke and Buettcher, SIGIR 2009.
    """
    depth = max(DEPTH, top_k)
    vector = embedder.embed_query(question)
    dense = index.search_dense(vector, depth)
    lexical = index.search_lexical(question, depth)
    best = _fused(dense, lexical)[:top_k]
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


def _fused(*rankings: Sequence[tuple[Passage, float]]) -> list[tuple[Passage, float]]:
    """Return (passage, fused score), best first; equal scores keep the order of the first ranking."""
    passages: dict[str, Passage] = {}
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, (passage, _) in enumerate(ranking, start=1):
            passages.setdefault(passage.id, passage)
            scores[passage.id] = scores.get(passage.id, 0.0) + 1 / (RANK_OFFSET + rank)
    return [(passages[key], scores[key]) for key in sorted(scores, key=lambda key: -scores[key])]


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
