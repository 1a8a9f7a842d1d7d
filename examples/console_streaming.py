"""Chat with the model in the console; each word is shown as soon as it is written.

    .venv/bin/python examples/console_streaming.py
    .venv/bin/python examples/console_streaming.py --documents

With --documents the answers come from data/, with their sources. Ctrl-C stops an answer, Ctrl-D ends.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import closing

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, trim_messages

from rag import Answer, Config, Rag, RagError, Token
from rag.bars import progress_bars
from rag.chat_model import EngineChatModel
from rag.render import source_lines
from rag.setup import prepare

SYSTEM = SystemMessage("You are a helpful assistant. Answer in the language of the question.")


class ModelChat:
    """A conversation with the LLM alone, which is given all that was said before."""

    def __init__(self, rag: Rag) -> None:
        self.model = EngineChatModel(engine=rag.engine, max_tokens=rag.config.max_tokens)
        self.room = rag.engine.context - rag.config.max_tokens  # tokens
        self.messages: list[BaseMessage] = [SYSTEM]

    def stream(self, question: str) -> Generator[str]:
        self.messages.append(HumanMessage(question))
        prompt = trim_messages(  # the oldest turns go when there is no more room
            self.messages,
            max_tokens=self.room,
            token_counter=self.model,
            include_system=True,
            start_on="human",
        )
        said = ""
        try:
            for chunk in self.model.stream(prompt):
                said += chunk.text
                yield chunk.text
        finally:
            self.messages.append(AIMessage(said))  # as far as it came, if it was stopped


class DocumentChat:
    """A conversation about the documents; a follow-up is searched for as what it means."""

    def __init__(self, rag: Rag) -> None:
        self.rag = rag
        self.answers: list[Answer] = []

    def stream(self, question: str) -> Generator[str]:
        with closing(self.rag.stream(question, history=self.answers)) as events:
            for event in events:
                if isinstance(event, Token):
                    yield event.text
                elif isinstance(event, Answer):
                    self.answers.append(event)
                    yield "\n\n" + "\n".join(source_lines(event))


def show(answer: Generator[str]) -> None:
    """Print an answer piece by piece; closing its generator stops the model at once."""
    try:
        with closing(answer) as pieces:
            for piece in pieces:
                print(piece, end="", flush=True)
        print()
    except KeyboardInterrupt:
        print("\n(stopped)")
    except RagError as exc:
        print(exc, file=sys.stderr)


def converse(chat: ModelChat | DocumentChat) -> None:
    while True:
        try:
            question = input("\n> ").strip()
        except EOFError:  # Ctrl-D
            print()
            return
        except KeyboardInterrupt:
            print("\n(Ctrl-D ends)")
            continue
        if question:
            show(chat.stream(question))


def main() -> None:
    config = Config()
    with Rag(config) as rag:
        with progress_bars() as bars:
            prepare(config, bars, notice=lambda said: print(said, file=sys.stderr))
            if "--documents" in sys.argv:
                rag.sync(bars)
        converse(DocumentChat(rag) if "--documents" in sys.argv else ModelChat(rag))


if __name__ == "__main__":
    try:
        main()
    except RagError as exc:
        sys.exit(str(exc))
