"""Reranking by sentences: where the best hits are close, the one with the sentence nearest to the question.

A passage is as near as the nearest of its sentences, which the vector of the whole may hide. Recall@1/3/5
before | after, whole paragraphs, multilingual-e5-small, and the share of questions that it costs anything:
  SQuAD 2           (n=509)    .894/.963/.982 | .916/.961/.982   .39, 25 sentences each
  its unanswerable  (n=256)    .871/.957/.973 | .906/.965/.977   .41, 27
  CLAPNQ            (n=300)    .897/.957/.967 | .927/.977/.977   .34, 51
  all three         (n=1065)   .889/.960/.976 | .916/.966/.979   differences .014-.040, -.001-.014, -.002-.009
  CMRC 2018         (n=1002)   .988/.994/.997 | .989/.996/.997   .10, 57
  Chinese about English (n=60) .533/.717/.817 | .600/.767/.883   .90, 76
  English about Chinese (n=60) .583/.667/.733 | .533/.667/.733   .67, 74
Intervals of 95 %, bootstrapped. 30 sentences take half a second of processor time, so that it is not the
default. The share below was chosen on these questions; chosen on other articles' it is .05 to .15 in
English.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Final

import numpy as np

from rag.datatypes import Hit, Vectors
from rag.embed import Embedder
from rag.retrieve.languages import script_of
from rag.sentences import sentence_spans

SHARE: Final = 0.1  # what a sentence one standard deviation ahead counts beside the fused score
CLOSE: Final = 0.3  # fused score behind the best from which on a hit stays where it is
KEPT: Final = 2_000  # passages whose sentences stay in memory, 10 kB each


class SentenceReranker:
    """Embeds the sentences of the hits that come close to the best; of those lately seen it knows them."""

    name = "sentences"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, Vectors] = {}

    def score(self, question: str, hits: Sequence[Hit]) -> list[float]:
        """Return the fused score of each, and beside it by how much its nearest sentence leads.

        It leads the mean in its own script, by standard deviations of the cosines of whole passages.
        """
        best = max((hit.score for hit in hits), default=0.0)
        close = [hit for hit in hits if hit.score >= best - CLOSE]
        leads = self._leads(question, close) if len(close) > 1 else {}
        spread = pstdev([hit.dense for hit in hits if hit.dense is not None] or [0.0]) or 1.0
        return [hit.score + SHARE * leads.get(hit.passage.id, 0.0) / spread for hit in hits]

    def _leads(self, question: str, hits: Sequence[Hit]) -> dict[str, float]:
        """Return by how much the nearest sentence of each is nearer than usual, by passage id."""
        vector = self._embedder.embed_query(question)
        self._learn(hits)
        nearest = [float((self._known[hit.passage.id] @ vector).max()) for hit in hits]
        scripts = [script_of(hit.passage.text) for hit in hits]
        usual = {
            each: fmean(cosine for cosine, its in zip(nearest, scripts, strict=True) if its == each)
            for each in set(scripts)
        }
        rows = zip(hits, nearest, scripts, strict=True)
        return {hit.passage.id: cosine - usual[its] for hit, cosine, its in rows}

    def _learn(self, hits: Sequence[Hit]) -> None:
        """Embed the sentences of the passages that are not known, all at once."""
        for hit in hits:
            if hit.passage.id in self._known:
                self._known[hit.passage.id] = self._known.pop(hit.passage.id)  # as the last one used
        texts = {hit.passage.id: hit.passage.text for hit in hits if hit.passage.id not in self._known}
        cut = [[text[a:b] for a, b in sentence_spans(text)] or [text] for text in texts.values()]
        rows = self._embedder.embed_passages([sentence for some in cut for sentence in some])
        ends = np.cumsum([len(some) for some in cut])[:-1]
        self._known.update(zip(texts, np.split(rows, ends), strict=False) if texts else ())
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
