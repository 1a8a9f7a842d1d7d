"""A question -> hits: dense and lexical search, in its own language and the other; a LangChain retriever."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from rag.datatypes import Hit, Passage, Ranks, Scope
from rag.embed import Embedder
from rag.index import Index
from rag.rerank import Reranker, reranked
from rag.retrieve.compare import sides
from rag.retrieve.fusion import fused
from rag.retrieve.gate import is_relevant
from rag.retrieve.hits import distinct, interleaved, joined
from rag.retrieve.languages import WORDS_ONLY, cohort, script_of
from rag.scope import EVERYTHING

__all__ = ["PassageRetriever", "is_relevant", "ranked", "retrieve"]

DEPTH: Final = 30  # candidates of each search
JOINED: Final = 2  # passages of full length that neighbours may make together


def retrieve(
    question: str,
    *,
    index: Index,
    embedder: Embedder,
    top_k: int,
    scope: Scope = EVERYTHING,
    reranker: Reranker | None = None,
) -> list[Hit]:
    """Return the `top_k` passages that answer `question` best, best first, each with all its signals.

    A reranker orders the best ones anew. Passages that nearly repeat a better one give way to the next, and
    neighbours become one longer passage. Where the question compares two things, both have their share.
    """
    depth = max(DEPTH, top_k)
    asked = (*(sides(question) or ()), question)
    rankings = [ranked(each, index=index, embedder=embedder, depth=depth, scope=scope) for each in asked]
    if reranker:
        rankings = [reranked(each, hits, reranker) for each, hits in zip(asked, rankings, strict=True)]
    hits = distinct(interleaved(rankings), top_k, question)

    def fits(text: str) -> bool:
        return len(embedder.token_offsets(text)) <= JOINED * index.passage_tokens

    return joined(hits, between=index.text_between, fits=fits)


def ranked(question: str, *, index: Index, embedder: Embedder, depth: int, scope: Scope) -> list[Hit]:
    """Return `depth` candidates of each search, best first."""
    script, others = script_of(question), cohort(embedder)
    vector = embedder.embed_query(question)
    dense = index.search_dense(vector, depth, scope=scope)
    ranks = _places(dense)
    if embedder.name not in WORDS_ONLY:
        turned = index.search_dense(others.turned(vector, script), depth, scope=scope)
        ranks = _places(turned) | ranks
        dense += turned
    lexical = index.search_lexical(question, depth, scope=scope)
    passages = list({passage.id: passage for passage, _ in dense + lexical}.values())
    cosines, covered = index.cosines(vector, passages), index.coverage(question, passages)
    bm25, lexical_ranks = {passage.id: score for passage, score in lexical}, _places(lexical)
    hits = [
        Hit(
            passage=passage,
            score=0.0,
            dense=cosines.get(passage.id),
            lexical=bm25.get(passage.id),
            covered=covered[passage.id],
            ranks=Ranks(dense=ranks.get(passage.id), lexical=lexical_ranks.get(passage.id)),
        )
        for passage in passages
    ]
    scores = fused(hits, vector, script=script, cohort=others)
    alone = all(script_of(passage.text) != script for passage in passages)
    hits = [replace(hit, score=score, alone=alone) for hit, score in zip(hits, scores, strict=True)]
    best = sorted(hits, key=lambda hit: -hit.score)
    return [replace(hit, ranks=replace(hit.ranks, fused=place)) for place, hit in enumerate(best, start=1)]


def _places(found: list[tuple[Passage, float]]) -> dict[str, int]:
    return {passage.id: place for place, (passage, _) in enumerate(found, start=1)}


class PassageRetriever(BaseRetriever):
    """`retrieve` as a LangChain retriever; the metadata of each document holds the whole `Hit`."""

    index: Index
    embedder: Any  # an Embedder; pydantic would check a Protocol by isinstance at each copy
    top_k: int = 4
    reranker: Any = None  # a Reranker

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        top_k: int = 0,
        scope: Scope = EVERYTHING,
    ) -> list[Document]:
        del run_manager  # the callbacks see what is returned
        hits = retrieve(
            query,
            index=self.index,
            embedder=self.embedder,
            top_k=top_k or self.top_k,
            scope=scope,
            reranker=self.reranker,
        )
        return [_document(hit) for hit in hits]


def _document(hit: Hit) -> Document:
    passage: Passage = hit.passage
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
