"""What a server has sent of an answer, from its `chat.completion.chunk` objects."""

from __future__ import annotations

import codecs
import json
from typing import Any, Final

from rag.datatypes import Finish
from rag.engines.server.endpoint import Endpoint, reason
from rag.errors import EngineError

DONE: Final = "[DONE]"
FINISHES: Final[dict[str, Finish]] = {"length": "length", "max_tokens": "length"}  # every other one is "stop"
WITHHELD: Final = "content_filter"


class Reply:
    """The answer as far as it came."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._halves: Any = codecs.getincrementaldecoder("utf-16-le")(errors="replace")
        self.text = ""
        self.pieces = 0  # that hold text: no more than there are tokens
        self.finish: Finish = "stop"
        self.finished = False  # the server told why it ended
        self.ended = False  # nothing more comes
        self.prompt_tokens: int | None = None
        self.answer_tokens: int | None = None
        self.cached_tokens = 0

    def feed(self, event: str) -> str:
        """Return the text of an event.

        Raises:
            EngineError: when it is none of an answer, or tells of an error.
        """
        if event.strip() == DONE:
            self.ended = True
            return ""
        chunk = self._parsed(event)
        self._count(chunk.get("usage"))
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return ""
        return self._choose(choices[0])

    def check_whole(self) -> None:
        """Raise EngineError unless the server said that the answer is whole."""
        if not self.finished:
            raise EngineError(
                f"{self._endpoint.url} broke off in the middle of its answer; see the server's log, "
                "and ask again"
            )

    def _parsed(self, event: str) -> dict[str, Any]:
        try:
            chunk = json.loads(event)
        except ValueError as exc:
            raise EngineError(self._endpoint.not_an_api(event)) from exc
        if not isinstance(chunk, dict):
            raise EngineError(self._endpoint.not_an_api(event))
        if ("choices" in chunk or "usage" in chunk) and not chunk.get("error"):
            return chunk
        if "error" in chunk or "message" in chunk:
            said = self._endpoint.hide(reason(chunk))
            raise EngineError(f"{self._endpoint.url} failed while answering: {said}; see the server's log")
        raise EngineError(self._endpoint.not_an_api(event))

    def _choose(self, choice: dict[str, Any]) -> str:
        said = choice.get("delta") or choice.get("message")  # the second where the server does not stream
        content = said.get("content") if isinstance(said, dict) else None
        why = choice.get("finish_reason")
        if why == WITHHELD:
            raise EngineError(
                f"{self._endpoint.url} withholds this answer by its content filter; ask otherwise"
            )
        if why:
            self.finished, self.finish = True, FINISHES.get(str(why), "stop")
        text = self._joined(content) if isinstance(content, str) else ""
        self.text += text
        self.pieces += bool(text)
        return text

    def _joined(self, text: str) -> str:
        """Return the text with the halves of a character joined that JSON wrote as two escapes."""
        joined: str = self._halves.decode(text.encode("utf-16-le", "surrogatepass"))
        return joined

    def _count(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        details = usage.get("prompt_tokens_details")
        self.prompt_tokens = _number(usage.get("prompt_tokens"), self.prompt_tokens)
        self.answer_tokens = _number(usage.get("completion_tokens"), self.answer_tokens)
        if isinstance(details, dict):
            self.cached_tokens = _number(details.get("cached_tokens"), None) or 0


def _number(value: Any, otherwise: int | None) -> int | None:
    return value if isinstance(value, int) and value >= 0 else otherwise
