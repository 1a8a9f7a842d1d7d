"""A Prompt as the text of a conversation, by the model's own chat template, cut where its parts stand.

Templates are Jinja, set up as in transformers (https://huggingface.co/docs/transformers/chat_templating). A
template sees a mark in place of each part of a message: what it writes around the marks is markup, in which
special tokens count, and what a part says stays plain text, whatever it looks like.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from rag.datatypes import Message, Prompt
from rag.errors import ModelError

if TYPE_CHECKING:
    from jinja2 import Template

MARK: Final = "\ue000{message}.{part}\ue001"  # of private use: no template writes these
MARKS: Final = re.compile("\ue000(\\d+)\\.(\\d+)\ue001")
# Llama 3 tells the day. One that changes would make all that was read of the documents stale, so it is always
# the one that its template falls back to.
SETTLED: Final = {"date_string": "26 Jul 2024"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of a conversation: markup of the template, or a part of one of the prompt's messages."""

    text: str
    message: int | None = None  # counted from 0; None for markup
    part: int | None = None


class _UnfitError(Exception):
    """The template does not take such a conversation, or drops some of it."""


class ChatTemplate:
    """A model's chat template."""

    def __init__(self, text: str, *, tokens: Mapping[str, str] | None = None, system: str = "") -> None:
        """Compile `text`.

        `tokens` are the special tokens that it may name, as `bos_token`; `system` is said to the model where
        a prompt has no system message.

        Raises:
            ModelError: when it is no Jinja template.
        """
        self._template = _compiled(text)
        self._variables = {**SETTLED, **(tokens or {})}
        self._system = system

    def pieces(self, prompt: Prompt) -> list[Piece]:
        """Return the conversation up to where the assistant's next answer begins.

        A system message that the template does not take goes before the first question.

        Raises:
            ModelError: when the template does not take the conversation.
        """
        messages = [_marked(number, message) for number, message in enumerate(prompt.messages)]
        try:
            try:
                return self._pieces(messages, prompt)
            except _UnfitError:
                if not (merged := _without_system(messages)):
                    raise
                return self._pieces(merged, prompt)
        except _UnfitError as exc:
            raise ModelError(
                f"the model's chat template does not take the conversation: {exc}; choose another model"
            ) from exc

    def _pieces(self, messages: Sequence[Message], prompt: Prompt) -> list[Piece]:
        has_system = bool(messages) and messages[0].role == "system"
        said = [Message(role="system", parts=(self._system,))] if self._system and not has_system else []
        text = self._rendered([*said, *messages])
        wanted = [
            (number, part)
            for number, message in enumerate(prompt.messages)
            for part in range(len(message.parts))
        ]
        if [(int(found[1]), int(found[2])) for found in MARKS.finditer(text)] != wanted:
            raise _UnfitError("it leaves some of it out")
        return _cut(text, prompt)

    def _rendered(self, messages: Sequence[Message]) -> str:
        from jinja2 import TemplateError

        told = [{"role": message.role, "content": message.text} for message in messages]
        try:
            return self._template.render(messages=told, add_generation_prompt=True, **self._variables)
        except (TemplateError, TypeError, ValueError, LookupError, AttributeError) as exc:
            raise _UnfitError(str(exc)) from exc


def _marked(number: int, message: Message) -> Message:
    parts = tuple(MARK.format(message=number, part=part) for part in range(len(message.parts)))
    return replace(message, parts=parts)


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with the system's put before the first of the user; [] where there is none."""
    if [message.role for message in messages[:2]] != ["system", "user"]:
        return []
    system, user, *others = messages
    return [replace(user, parts=(*system.parts, "\n\n", *user.parts)), *others]


def _cut(text: str, prompt: Prompt) -> list[Piece]:
    pieces, end = list[Piece](), 0
    for found in MARKS.finditer(text):
        if found.start() > end:
            pieces.append(Piece(text=text[end : found.start()]))
        message, part = int(found[1]), int(found[2])
        pieces.append(Piece(text=prompt.messages[message].parts[part], message=message, part=part))
        end = found.end()
    return [*pieces, Piece(text=text[end:])] if end < len(text) else pieces


def _compiled(text: str) -> Template:
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = _now
    try:
        return environment.from_string(text)
    except TemplateError as exc:
        raise ModelError(f"the model's chat template cannot be read: {exc}; choose another model") from exc


def _to_json(value: Any, *, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)  # Jinja's own escapes for HTML


def _raise(reason: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(reason)


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
