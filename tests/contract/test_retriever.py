"""The retriever passes LangChain's standard tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from rag.datatypes import Document, Passage
from rag.embed import HashingEmbedder
from rag.index import FileState, Index
from rag.retrieve import PassageRetriever

EMBEDDER = HashingEmbedder()


class TestPassageRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _index(self, tmp_path: Path) -> Iterator[None]:
        with Index.open(tmp_path, embedder=EMBEDDER.name, dim=EMBEDDER.dim, passage_tokens=64) as index:
            with index.writing():
                for number in range(5):
                    _add(index, number)
            self.index = index
            yield

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return PassageRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"index": self.index, "embedder": EMBEDDER}

    @property
    def retriever_query_example(self) -> str:
        return "How long is the bridge? 桥有多长？"

    @property
    def num_results_arg_name(self) -> str:
        return "top_k"


def _add(index: Index, number: int) -> None:
    text = f"Bridge {number} is {number} km long. 第{number}座桥长{number}公里。"
    document = Document(source=f"{number}.txt", digest=f"{number:064}", text=text)
    passage = Passage(source=document.source, digest=document.digest, start=0, end=len(text), text=text)
    file = FileState(source=document.source, size=1, mtime_ns=1, digest=document.digest)
    index.add(file, document, [passage], EMBEDDER.embed_passages([text]))
