"""The chat model passes LangChain's own standard tests; parts stay parts."""

from __future__ import annotations

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from rag.chat_model import EngineChatModel, from_prompt, to_prompt
from rag.datatypes import Message, Prompt, Reading
from rag.engines.echo import EchoEngine
from rag.errors import InputError


class TestUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return EngineChatModel

    @property
    def chat_model_params(self) -> dict[str, object]:
        return {"engine": EchoEngine()}


class TestIntegration(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return EngineChatModel

    @property
    def chat_model_params(self) -> dict[str, object]:
        return {"engine": EchoEngine()}


PROMPT = Prompt(
    messages=(
        Message(role="system", parts=("be brief",)),
        Message(role="user", parts=("[1] a.md\nThe sky is green.\n\n", "Which colour?")),
    )
)


def test_parts_travel_as_content_blocks_and_come_back_the_same() -> None:
    messages = from_prompt(PROMPT)
    assert messages[1].content == [
        {"type": "text", "text": "[1] a.md\nThe sky is green.\n\n"},
        {"type": "text", "text": "Which colour?"},
    ]
    assert to_prompt(messages) == PROMPT


def test_streamed_pieces_join_to_the_invoked_answer_and_usage_comes_last() -> None:
    model = EngineChatModel(engine=EchoEngine())
    chunks = list(model.stream(from_prompt(PROMPT)))
    answer = model.invoke(from_prompt(PROMPT))
    assert "".join(chunk.text for chunk in chunks) == answer.text == "The sky is green. [1]"
    assert chunks[-1].usage_metadata == {
        "input_tokens": 19,
        "output_tokens": 9,
        "total_tokens": 28,
        "input_token_details": {"cache_read": 0},
    }
    assert answer.response_metadata["finish_reason"] == "stop"


def test_stop_words_and_budget_end_the_answer() -> None:
    model = EngineChatModel(engine=EchoEngine(), max_tokens=2)
    short = model.invoke(from_prompt(PROMPT))
    assert (short.text, short.response_metadata["finish_reason"]) == ("The sky ", "length")
    assert (
        EngineChatModel(engine=EchoEngine()).invoke(from_prompt(PROMPT), stop=["green"]).text == "The sky is "
    )


def test_reading_is_told_before_the_first_word() -> None:
    readings: list[Reading] = []
    model = EngineChatModel(engine=EchoEngine(), on_reading=readings.append)
    next(model.stream(from_prompt(PROMPT)))
    assert readings == [Reading(done=19, total=19)]


def test_closing_the_stream_lets_the_next_question_in() -> None:
    model = EngineChatModel(engine=EchoEngine())
    stream = model.stream(from_prompt(PROMPT))
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # LangChain annotates its generator as an iterator
    assert model.invoke(from_prompt(PROMPT)).text == "The sky is green. [1]"


@pytest.mark.parametrize(
    "message",
    [
        ToolMessage(content="x", tool_call_id="1"),
        HumanMessage(content=[{"type": "image_url", "image_url": "http://127.0.0.1/x.png"}]),
    ],
)
def test_what_is_not_text_is_refused_by_name(message: HumanMessage) -> None:
    with pytest.raises(InputError, match=r"tool|image_url"):
        EngineChatModel(engine=EchoEngine()).invoke([SystemMessage("s"), AIMessage("a"), message])


def test_tokens_are_counted_by_the_engine() -> None:
    model = EngineChatModel(engine=EchoEngine())
    assert model.get_num_tokens("one two three") == 3
    assert model.get_num_tokens_from_messages(from_prompt(PROMPT)) == 19
