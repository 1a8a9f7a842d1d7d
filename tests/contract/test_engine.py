"""What every engine must do; all but echo with the small real weights."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import Any

import psutil
import pytest

from rag.config import Config
from rag.datatypes import Generation, Message, Prompt, Reading, Usage
from rag.engines import ENGINES, Engine, Scorer, open_engine
from rag.errors import EngineError
from rag.models import find_model
from tests.gguf_server import serve_gguf

COUNT = "Count from one to ten: one, two, three, four, five, six, seven, eight, nine, ten"
RARE = "Repeat exactly: 😀 🎉 𠮷"
SAID = {  # by transformers' own generate() of the same weights, in bfloat16
    "What is the capital of France? Answer in one word.": "Paris",
    "法国的首都是哪座城市？只回答城市名。": "巴黎",
    "Repeat exactly: red, green, blue": "red, green, blue",
    "How much is 2 + 3? Answer with the number only.": "5",
    "一年有几个月？只回答数字。": "12",
}
CHINESE = "重复这句话：我们要去北京看长城，然后吃烤鸭。"


OTHERS = [pytest.param(name, marks=pytest.mark.model) for name in ("openai", "openvino")]
SCORERS = ["echo", *(pytest.param(name, marks=pytest.mark.model) for name in ("ipex", "llamacpp", "hf"))]


@pytest.fixture(scope="module", params=[*SCORERS, *OTHERS])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "echo":
        return open_engine(Config(engine="echo"))
    if request.param == "openvino":
        return open_engine(request.getfixturevalue("openvino_config"))
    config: Config = request.getfixturevalue("real_config")
    changes: dict[str, Any] = {"engine": request.param}
    if request.param == "hf":
        changes["threads"] = 1  # two would wait for each other where the machine has other work
    if request.param == "openai":
        changes["openai_url"] = request.getfixturevalue("llama_cpp_server")
    return open_engine(config.model_copy(update=changes))


@pytest.fixture(scope="module")
def llama_cpp_server(real_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the same weights by llama-cpp-python's own server; return its address."""
    weights = find_model(real_config.model, real_config)
    assert weights
    with serve_gguf(weights, model=real_config.model, log=tmp_path_factory.mktemp("server") / "log") as url:
        yield url


def user(text: str) -> Prompt:
    return Prompt(messages=(Message(role="user", parts=(text,)),))


def answer(engine: Engine, prompt: Prompt, **options: Any) -> tuple[str, Usage]:
    events = list(engine.stream(prompt, Generation(**{"max_tokens": 24, **options})))
    assert isinstance(events[-1], Usage)
    return "".join(event for event in events if isinstance(event, str)), events[-1]


def test_it_is_an_engine_that_names_itself(engine: Engine) -> None:
    assert isinstance(engine, Engine)
    assert engine.name in ENGINES
    assert engine.model
    assert engine.context >= 2048


def test_it_reads_then_speaks_then_tells_the_usage(engine: Engine) -> None:
    events = list(engine.stream(user(COUNT), Generation(max_tokens=8)))
    assert list(dict.fromkeys(map(type, events))) == [Reading, str, Usage]  # in that order at first
    assert [each for each in events if isinstance(each, Usage)] == events[-1:]
    assert all(event for event in events if isinstance(event, str))


def test_reading_advances_to_the_whole_prompt(engine: Engine) -> None:
    prompt = user(f"{CHINESE} {COUNT}")
    readings = [e for e in engine.stream(prompt, Generation(max_tokens=1)) if isinstance(e, Reading)]
    assert [reading.done for reading in readings] == sorted(reading.done for reading in readings)
    assert readings[-1].done == engine.count_tokens(prompt)
    assert {reading.total for reading in readings} == {engine.count_tokens(prompt)}


def test_the_usage_counts_what_was_said(engine: Engine) -> None:
    text, usage = answer(engine, user(COUNT), max_tokens=4)
    assert text
    assert usage.prompt_tokens == engine.count_tokens(user(COUNT))
    assert usage.answer_tokens == 4
    assert usage.finish == "length"


@pytest.mark.parametrize(("question", "said"), list(SAID.items()))
def test_its_greedy_text_is_that_of_transformers(engine: Engine, question: str, said: str) -> None:
    """In four bits, too; longer answers differ, as the model itself does then."""
    if engine.name == "echo":
        said = question  # it says what it is told
    assert answer(engine, user(question))[0].strip() == said


def test_it_answers_the_same_way_twice(engine: Engine) -> None:
    assert answer(engine, user(COUNT))[0] == answer(engine, user(COUNT))[0]


def test_letters_of_four_bytes_come_whole(engine: Engine) -> None:
    events = [e for e in engine.stream(user(RARE), Generation(max_tokens=24)) if isinstance(e, str)]
    assert "\ufffd" not in "".join(events)
    assert set("".join(events)) & set("😀🎉𠮷")


def test_chinese_comes_whole(engine: Engine) -> None:
    events = [e for e in engine.stream(user(CHINESE), Generation(max_tokens=24)) if isinstance(e, str)]
    assert "\ufffd" not in "".join(events)
    assert any("\u4e00" <= character <= "\u9fff" for character in "".join(events))


def test_the_text_ends_before_a_stop_word(engine: Engine) -> None:
    whole, _ = answer(engine, user(COUNT))
    word = whole[8:12]
    text, usage = answer(engine, user(COUNT), stop=(word,))
    assert text == whole.partition(word)[0]
    assert usage.finish == "stop"


def test_closed_while_speaking_it_is_ready_for_the_next(engine: Engine) -> None:
    want = answer(engine, user(COUNT))[0]
    events = engine.stream(user(CHINESE), Generation(max_tokens=24))
    next(event for event in events if isinstance(event, str))
    close(events)
    assert answer(engine, user(COUNT))[0] == want


def test_closed_while_speaking_nothing_goes_on(engine: Engine) -> None:
    """Neither in a thread of its own nor on the server."""
    events = engine.stream(user("Count from one to five hundred."), Generation(max_tokens=400))
    next(event for event in events if isinstance(event, str))
    close(events)
    time.sleep(1)  # threads that spin come to rest
    before = processor_seconds()
    time.sleep(1)
    assert processor_seconds() - before < 0.3


def processor_seconds() -> float:
    """Return what this process and those it started have used."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def test_closed_while_reading_it_is_ready_for_the_next(engine: Engine) -> None:
    want = answer(engine, user(CHINESE))[0]
    events = engine.stream(user(CHINESE + COUNT), Generation(max_tokens=24))
    assert isinstance(next(events), Reading)
    close(events)
    assert answer(engine, user(CHINESE))[0] == want


def test_a_prompt_that_does_not_fit_is_refused_before_it_is_read(engine: Engine) -> None:
    with pytest.raises(EngineError, match="room for"):
        next(engine.stream(user("long " * engine.context), Generation()))
    with pytest.raises(EngineError, match="room for"):
        next(engine.stream(user("Hi"), Generation(max_tokens=engine.context)))


only_scorers = pytest.mark.parametrize("engine", SCORERS, indirect=True, scope="module")


def likelihood(engine: Engine, text: str, continuation: str) -> float:
    assert isinstance(engine, Scorer)
    return returned(engine.likelihood(user(text), continuation))


def returned(readings: Generator[Reading, None, float]) -> float:
    done: list[int] = []
    while True:
        try:
            done.append(next(readings).done)
        except StopIteration as stop:
            assert done == sorted(done)
            return float(stop.value)


@only_scorers
@pytest.mark.parametrize(
    ("passage", "question", "other"),
    [
        ("The tower was built in 1889 by Eiffel.", "Who built the tower?", "What do penguins eat?"),
        ("这座桥1968年建成通车。", "这座桥哪年建成？", "企鹅吃什么东西？"),
    ],
)
def test_what_the_prompt_speaks_of_is_likelier(
    engine: Engine, passage: str, question: str, other: str
) -> None:
    prompt = f"{passage}\nWrite a question about this text. 就这段文字提一个问题。"
    assert 0 > likelihood(engine, prompt, question) > likelihood(engine, prompt, other)


@only_scorers
def test_a_likelihood_does_not_depend_on_what_was_read_before(engine: Engine) -> None:
    assert isinstance(engine, Scorer)
    first = likelihood(engine, COUNT, "eleven")
    readings = engine.likelihood(user(f"{COUNT} {CHINESE}"), "eleven")
    next(readings)
    readings.close()
    assert likelihood(engine, COUNT, "eleven") == pytest.approx(first, abs=0.05)
    assert likelihood(engine, COUNT, "") == 0


@only_scorers
def test_what_is_too_long_to_be_judged_is_refused(engine: Engine) -> None:
    with pytest.raises(EngineError, match="room for"):
        likelihood(engine, COUNT, "long " * engine.context)


def close(events: Iterator[Any]) -> None:
    assert hasattr(events, "close")
    events.close()
