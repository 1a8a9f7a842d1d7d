"""One question to the model, and one to your documents, answered with its sources.

    .venv/bin/python examples/single_answer.py
    .venv/bin/python examples/single_answer.py "有薪假期有多少天？"

The first run fetches the models and indexes data/. Every setting is a variable, as RAG_DATA_DIR=~/notes.
"""

import sys

from langchain_core.messages import HumanMessage, SystemMessage

from rag import Config, Rag, RagError
from rag.bars import progress_bars
from rag.chat_model import EngineChatModel
from rag.setup import prepare

ASKED_OF_THE_MODEL = "What is a large language model? Answer in one sentence."
ASKED_OF_THE_DOCUMENTS = "How many days of paid leave does the handbook give?"


def ask_the_model(rag: Rag, question: str) -> None:
    """Ask the LLM through LangChain: it answers from what it has learnt, and may be wrong."""
    model = EngineChatModel(engine=rag.engine, max_tokens=96)
    reply = model.invoke([SystemMessage("You are a helpful assistant."), HumanMessage(question)])
    print(f"{question}\n\n{reply.text}\n")
    if used := reply.usage_metadata:
        print(f"{used['input_tokens']} tokens read, {used['output_tokens']} written\n")


def ask_the_documents(rag: Rag, question: str) -> None:
    """Ask Kaoju: the passages that fit are found first, and each claim names the one it is from."""
    answer = rag.ask(question)
    print(f"{question}\n\n{answer.text}\n")
    for citation in answer.citations:
        page = f", page {citation.page}" if citation.page else ""
        print(f"[{citation.marker}] {citation.document}{page}: {citation.quote!r}")
    if answer.refused:
        print("Found, but without an answer:", ", ".join({hit.passage.source for hit in answer.hits}))


def main() -> None:
    question = " ".join(sys.argv[1:]) or ASKED_OF_THE_DOCUMENTS
    config = Config()
    with Rag(config) as rag, progress_bars() as bars:
        prepare(config, bars, notice=lambda said: print(said, file=sys.stderr))
        rag.sync(bars)
        ask_the_model(rag, ASKED_OF_THE_MODEL)
        ask_the_documents(rag, question)


if __name__ == "__main__":
    try:
        main()
    except RagError as exc:
        sys.exit(str(exc))
