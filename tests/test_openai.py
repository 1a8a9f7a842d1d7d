"""The openai engine against a server that does everything a server should not."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, cast

import pytest

from rag.config import Config
from rag.datatypes import Generation, Message, Prompt, Reading, Usage
from rag.doctor import examine
from rag.engines import Engine, open_engine
from rag.engines.server.counting import estimate
from rag.engines.server.sse import EventDecoder
from rag.errors import ConfigError, EngineError, RagError
from rag.models import lowbit_folder
from rag.pipeline import Rag
from rag.tokenizer.chat import ChatTokenizer
from tests.openai_server import (
    DONE,
    HANG,
    TEMPLATE_WORDS,
    Api,
    Reply,
    Tokenizer,
    event,
    said,
    serve_api,
    used,
)

KEY = "sk-very-secret-1234"
HI = Prompt(messages=(Message(role="user", parts=("Say ", "hello")),))
PAGE = Reply(
    chunks=(b"<html><style>b{}</style><b>Welcome</b></html>",), headers={"Content-Type": "text/html"}
)


@pytest.fixture
def api() -> Iterator[Api]:
    with serve_api() as api:
        yield api


def opened(api: Api, **settings: Any) -> Engine:
    return open_engine(Config(engine="openai", openai_url=api.url, **settings))


def answer(engine: Engine, prompt: Prompt = HI, **options: Any) -> tuple[str, Usage]:
    events = list(engine.stream(prompt, Generation(**{"max_tokens": 24, **options})))
    assert isinstance(events[-1], Usage)
    return "".join(each for each in events if isinstance(each, str)), events[-1]


def failing(api: Api, *replies: Reply, **settings: Any) -> str:
    """Return what an answer fails with."""
    api.replies = list(replies)
    engine = opened(api, **settings)
    with pytest.raises(EngineError) as error:
        answer(engine)
    return str(error.value)


def test_the_request_says_all_that_was_asked_for(api: Api) -> None:
    engine = opened(api, model="tiny")
    prompt = Prompt(
        messages=(
            Message(role="system", parts=("Be brief.",)),
            Message(role="user", parts=("[1] a\n", "[2] b\n", "Why?")),
        )
    )
    answer(engine, prompt, max_tokens=9, temperature=0.5, seed=2**40 + 5, stop=("1", "2", "", "3", "4", "5"))
    assert api.asked() == [
        {
            "model": "tiny",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "[1] a\n[2] b\nWhy?"},
            ],
            "max_tokens": 9,
            "temperature": 0.5,
            "top_p": 1.0,
            "seed": 5,
            "stop": ["1", "2", "3", "4"],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


def test_the_server_tells_the_usage(api: Api) -> None:
    usage = used(prompt_tokens=17, completion_tokens=3, prompt_tokens_details={"cached_tokens": 16})
    api.replies = [Reply(chunks=(said("Hello"), said(finish="length"), usage, DONE))]
    assert answer(opened(api)) == (
        "Hello",
        Usage(prompt_tokens=17, answer_tokens=3, cached_tokens=16, finish="length"),
    )


def test_what_the_server_does_not_tell_is_counted(api: Api) -> None:
    api.tokenizer = "vllm"
    api.replies = [Reply(chunks=(said("one two"), said(" three"), said(finish="stop"), DONE))]
    _, usage = answer(opened(api))
    assert usage == Usage(prompt_tokens=2 + TEMPLATE_WORDS, answer_tokens=3, finish="stop")


@pytest.mark.parametrize(
    ("tokenizer", "least", "most"),
    [
        ("vllm", 2 + TEMPLATE_WORDS, 2 + TEMPLATE_WORDS),
        ("llama-server", 2 + TEMPLATE_WORDS, 2 + TEMPLATE_WORDS),
        ("openvino", 2 + TEMPLATE_WORDS, 60),
        ("llama-cpp-python", 2 + TEMPLATE_WORDS, 60),
        (None, 2 + TEMPLATE_WORDS, 60),
    ],
)
def test_tokens_are_counted_by_what_the_server_has_for_it(
    api: Api, tokenizer: Tokenizer | None, least: int, most: int
) -> None:
    api.tokenizer = tokenizer
    engine = opened(api)
    long = Prompt(messages=(Message(role="user", parts=("word " * 100,)),))
    assert least <= engine.count_tokens(HI) <= most
    more = engine.count_tokens(long) - engine.count_tokens(HI)
    assert more == 98 if tokenizer else 98 <= more <= 200


def test_a_question_is_answered_by_the_server_from_the_passages(
    api: Api, config: Config, write: Callable[[str, str], Path]
) -> None:
    write("leave.md", "Every member of staff has 27 days of paid leave a year.")
    api.replies = [Reply(chunks=(said("27 days"), said(" [1]"), said(finish="stop"), DONE))]
    config = config.model_copy(update={"engine": "openai", "openai_url": api.url})
    with Rag(config) as rag:
        rag.sync()
        found = rag.ask("How many days of paid leave has a member of staff?")
    assert (found.text, found.engine, found.model) == ("27 days [1]", "openai", "tiny")
    assert [citation.document for citation in found.citations] == ["leave.md"]
    (asked,) = api.asked()
    assert "27 days of paid leave" in asked["messages"][-1]["content"]


def test_a_prompt_is_counted_once(api: Api) -> None:
    api.tokenizer = "vllm"
    engine = opened(api)
    engine.count_tokens(HI)
    before = len(api.calls)
    engine.count_tokens(HI)
    assert len(api.calls) == before


def test_the_only_model_need_not_be_named(api: Api) -> None:
    assert opened(api).model == "tiny"


def test_of_several_models_one_must_be_named(api: Api) -> None:
    api.models = [{"id": "small"}, {"id": "large"}]
    with pytest.raises(ConfigError, match="serves small, large; set model"):
        opened(api)
    assert opened(api, model="large").model == "large"


def test_a_server_that_lists_no_models_is_told_which(api: Api) -> None:
    api.models = None
    with pytest.raises(ConfigError, match="set model"):
        opened(api)
    assert answer(opened(api, model="mine"))[0] == "Hello"


def test_a_model_that_is_not_served_is_named_with_those_that_are(api: Api) -> None:
    missing = Reply(chunks=(b'{"error":{"message":"The model does not exist"}}',), status=404, headers={})
    assert failing(api, missing, model="huge").endswith("does not serve 'huge' but tiny; set model")


@pytest.mark.parametrize(
    ("entry", "tokenizer", "setting", "context"),
    [
        ({"max_model_len": 32768}, None, 0, 32768),
        ({"max_model_len": 32768}, None, 9000, 9000),
        ({"max_model_len": 8192}, None, 9000, 8192),
        ({"meta": {"n_ctx_train": 131072}}, "llama-server", 0, 3072),
        ({}, None, 0, 4096),
        ({}, None, 6000, 6000),
    ],
)
def test_the_room_is_the_servers_or_the_settings(
    api: Api, entry: dict[str, Any], tokenizer: Tokenizer | None, setting: int, context: int
) -> None:
    api.models, api.tokenizer = [{"id": "tiny", **entry}], tokenizer
    assert opened(api, openai_context=setting).context == context


# What comes is whole, however it comes.


def test_text_is_whole_however_the_bytes_are_cut(api: Api) -> None:
    text = "考据 🦊 naïve\u2028one line\n"
    whole = b": a comment\r\n\r\n" + said(text).replace(b"\n", b"\r\n") + said(finish="stop") + DONE
    api.replies = [Reply(chunks=[whole[i : i + 1] for i in range(len(whole))])]
    assert answer(opened(api))[0] == text


def test_a_character_that_is_cut_into_two_escapes_is_joined(api: Api) -> None:
    high, low = "🦊".encode("utf-16-be")[:2], "🦊".encode("utf-16-be")[2:]
    halves = [half.decode("utf-16-be", "surrogatepass") for half in (high, low)]
    chunks = [b'data: {"choices":[{"delta":{"content":"\\u%04x"}}]}\n\n' % ord(half) for half in halves]
    api.replies = [Reply(chunks=(*chunks, said(finish="stop"), DONE))]
    assert answer(opened(api))[0] == "🦊"


def test_events_end_as_the_standard_says() -> None:
    decoder = EventDecoder()
    stream = "event: x\rdata: a\rdata:b\r\r: ping\n\nid: 1\ndata: \u2028\n\ndata: cut"
    cut = [byte for part in stream.encode() for byte in decoder.feed(bytes([part]))]
    assert [*cut, *decoder.rest()] == ["a\nb", "\u2028", "cut"]


def test_a_server_that_does_not_stream_is_understood(api: Api) -> None:
    whole = b'{"choices":[{"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}'
    api.replies = [Reply(chunks=(whole,), headers={"Content-Type": "application/json"})]
    assert answer(opened(api))[0] == "Hello"


def test_a_server_need_not_say_done(api: Api) -> None:
    api.replies = [Reply(chunks=(said("Hello"), said(finish="stop")))]
    assert answer(opened(api))[0] == "Hello"


@pytest.mark.parametrize("dropped", [True, False])
def test_an_answer_that_is_whole_is_kept_whatever_the_server_does_then(
    api: Api, *, dropped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.engines.openai.ENDING", 1)
    whole = (said("Hello"), said(finish="stop"))
    api.replies = [Reply(chunks=whole, cut=True) if dropped else Reply(chunks=(*whole, HANG))]
    text, usage = answer(opened(api))
    assert (text, usage.finish) == ("Hello", "stop")


def test_what_a_model_thinks_is_no_part_of_the_answer(api: Api) -> None:
    thought = event({"choices": [{"delta": {"content": None, "reasoning_content": "Hm"}}]})
    api.replies = [Reply(chunks=(thought, said("Hello"), said(finish="stop"), DONE))]
    assert answer(opened(api))[0] == "Hello"


def test_a_server_that_knows_no_stop_words_is_stopped(api: Api) -> None:
    api.replies = [Reply(chunks=(said("one tw"), said("o three"), HANG))]
    text, usage = answer(opened(api), stop=("a", "b", "c", "d", "two"))
    assert (text, usage.finish) == ("one ", "stop")
    assert api.left.wait(30)


def test_a_server_that_goes_on_for_ever_is_stopped(api: Api) -> None:
    api.replies = [Reply(chunks=(*[said("x")] * 100, HANG))]
    text, usage = answer(opened(api), max_tokens=5)
    assert (text, usage.answer_tokens, usage.finish) == ("xxxxx", 5, "length")
    assert api.left.wait(30)


def test_a_model_that_wants_other_names_and_its_own_temperature_is_asked_so(api: Api) -> None:
    """As OpenAI's reasoning models say it."""
    refusals = (
        b'{"error":{"message":"Unsupported parameter: \'max_tokens\' is not supported with this model. '
        b'Use \'max_completion_tokens\' instead.","code":"unsupported_parameter"}}',
        b'{"error":{"message":"Unsupported value: \'temperature\' does not support 0.0 with this model. '
        b'Only the default (1) value is supported.","code":"unsupported_value"}}',
    )
    api.replies = [*(Reply(chunks=(said_so,), status=400) for said_so in refusals), Reply()]
    engine = opened(api)
    assert [answer(engine)[0], answer(engine)[0]] == ["Hello", "Hello"]
    assert [body.get("max_completion_tokens") for body in api.asked()] == [None, 24, 24, 24]
    assert ["max_tokens" in body for body in api.asked()] == [True, False, False, False]
    assert ["temperature" in body for body in api.asked()] == [True, True, False, False]


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_is_not_asked_for_what_it_does_not_know(api: Api, status: int) -> None:
    refusal = b'{"detail":[{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}'
    api.replies = [Reply(chunks=(refusal,), status=status), Reply()]
    engine = opened(api)
    assert [answer(engine)[0], answer(engine)[0]] == ["Hello", "Hello"]
    assert ["stream_options" in body for body in api.asked()] == [True, False, False]


# What goes wrong is said: what, where and what to do.


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            Reply(chunks=(said("Hel"),), cut=True),
            r"broke off in the middle of its answer.*see the server's log",
        ),
        (Reply(chunks=(said("Hel"),)), r"broke off in the middle of its answer"),
        (Reply(chunks=(said("Hel"), b"data: {nonsense\n\n")), r"no answer of an OpenAI.*'\{nonsense'"),
        (Reply(chunks=(b"\x00\xff garbage",)), r"broke off"),
        (Reply(chunks=(b"data: [1]\n\n",)), r"no answer of an OpenAI"),
        (Reply(chunks=(b'data: {"text": 1}\n\n',)), r"no answer of an OpenAI"),
        (
            Reply(chunks=(said("Hel"), event({"error": {"message": "out of memory", "code": 500}}))),
            r"failed while answering: out of memory",
        ),
        (
            Reply(chunks=(event({"object": "error", "message": "too long"}),)),
            r"failed while answering: too long",
        ),
        (Reply(chunks=(b'error: {"code":500,"message":"slot lost"}\n\n',)), r"answering: slot lost"),
        (PAGE, r"no answer of an OpenAI-compatible API: .*Welcome.*correct openai_url"),
        (Reply(chunks=(b"<h1>Bad</h1>",), status=400), r"refuses to answer \(400: Bad\)"),
        (Reply(chunks=(b'{"detail":"context length"}',), status=400), r"\(400: context length\)"),
        (Reply(chunks=(), status=400), r"400: no reason given"),
        (
            Reply(chunks=(), status=302, headers={"Location": "https://else/v1"}),
            r"sends us to https://else/v1",
        ),
        (
            Reply(chunks=(said(finish="content_filter"), DONE)),
            r"withholds this answer by its content filter; ask otherwise",
        ),
        (Reply(chunks=(b"x" * 4096,) * 4200), r"an event of more than 16 MB"),
    ],
)
def test_a_bad_answer_is_an_error_that_says_what(api: Api, reply: Reply, message: str) -> None:
    assert re.search(rf"127\.0\.0\.1.*{message}|{message}.*127\.0\.0\.1", failing(api, reply))


def test_a_server_that_hangs_is_given_up(api: Api) -> None:
    hung = failing(api, Reply(silent=True), openai_timeout=0.5)
    assert "sent nothing for 0.5 s" in hung
    assert "openai_timeout" in hung
    assert "sent nothing" in failing(api, Reply(chunks=(said("a"), HANG)), openai_timeout=0.5)


def test_a_server_that_is_not_there_is_named() -> None:
    with serve_api() as gone:
        pass
    with pytest.raises(EngineError, match=r"nothing answers at http://127.*start the server or correct"):
        opened(gone, openai_retries=0)


def test_a_page_in_place_of_the_models_is_told(api: Api) -> None:
    api.lists_models = [PAGE]
    with pytest.raises(EngineError, match="openai_url"):
        opened(api)
    api.lists_models = [Reply(chunks=(b'{"models": []}',))]
    with pytest.raises(EngineError, match="no answer of an OpenAI"):
        opened(api)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000/v1",
        "ftp://a/v1",
        "http://",
        "http://a:x/v1",
        "http://a/v1?k=1",
        f"http://me:{KEY}@a/v1",
        "x",
    ],
)
def test_what_is_no_address_is_refused_unseen(url: str) -> None:
    with pytest.raises(ConfigError, match="openai_url") as error:
        open_engine(Config(engine="openai", openai_url=url))
    assert KEY not in str(error.value)


def test_a_prompt_that_does_not_fit_is_not_sent(api: Api) -> None:
    api.tokenizer = "vllm"
    engine = opened(api, openai_context=2100)
    with pytest.raises(EngineError, match="room for 2100"):
        next(engine.stream(HI, Generation(max_tokens=2100)))
    assert api.asked() == []


# A server that is busy is asked again, one that has begun is not.


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(api: Api, status: int) -> None:
    api.replies = [Reply(chunks=(), status=status), Reply()]
    assert answer(opened(api))[0] == "Hello"
    assert len(api.asked()) == 2


def test_a_server_that_drops_a_connection_is_asked_again(api: Api) -> None:
    api.replies = [Reply(chunks=(), cut=True), Reply()]
    assert answer(opened(api))[0] == "Hello"


def test_a_server_that_still_loads_its_model_is_waited_for(api: Api) -> None:
    api.lists_models = [Reply(chunks=(b'{"error":{"message":"Loading model"}}',), status=503)]
    assert opened(api).model == "tiny"


def test_retries_come_to_an_end(api: Api) -> None:
    assert "503: no reason" in failing(api, Reply(chunks=(), status=503), openai_retries=1)
    assert len(api.asked()) == 2


def test_what_has_begun_is_not_asked_again(api: Api) -> None:
    failing(api, Reply(chunks=(said("Hel"),), cut=True), Reply())
    assert len(api.asked()) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_cannot_change_is_not_asked_again(api: Api, status: int) -> None:
    failing(api, Reply(chunks=(), status=status), Reply())
    assert len(api.asked()) == 1


def test_the_rest_that_a_server_wants_is_kept(api: Api) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1))
    for header in ("3600", later):
        api.calls.clear()
        refused = failing(api, Reply(chunks=(), status=429, headers={"Retry-After": header}), Reply())
        assert re.search(r"asked too often.*it wants 3[56]\d\d s of rest", refused)
        assert len(api.asked()) == 1
    api.replies = [Reply(chunks=(), status=429, headers={"Retry-After": "2"}), Reply()]
    events = list(opened(api).stream(HI, Generation(max_tokens=24)))
    waited = [each for each in events if isinstance(each, Reading) and not each.done]
    assert len(waited) >= 2  # one at first, and one in the seconds of rest


# Closing the iterator closes the connection.


def test_closed_before_the_first_byte_the_server_is_left(api: Api) -> None:
    api.replies = [Reply(silent=True)]
    leave(opened(api), until=lambda event: bool(api.asked()) and isinstance(event, Reading))
    assert api.left.wait(30)


def test_closed_between_two_words_the_server_is_left(api: Api) -> None:
    api.replies = [Reply(chunks=(said("Hello"), HANG))]
    leave(opened(api), until=lambda event: event == "Hello")
    assert api.left.wait(30)


def test_a_server_that_pauses_can_be_left(api: Api) -> None:
    api.replies = [Reply(chunks=(said("Hello"), HANG))]
    seen: list[Any] = []

    def pauses(event: Any) -> bool:
        seen.append(event)
        return "Hello" in seen and isinstance(event, Reading)

    leave(opened(api), until=pauses)
    assert api.left.wait(30)


def test_closed_while_it_waits_for_a_busy_server_it_ends(api: Api) -> None:
    api.replies = [Reply(chunks=(), status=503, headers={"Retry-After": "50"})]
    before = threading.active_count()
    leave(opened(api), until=lambda event: bool(api.asked()) and isinstance(event, Reading))
    assert not [thread for thread in threading.enumerate() if thread.name == "openai"]
    assert threading.active_count() <= before + 1


def leave(engine: Engine, *, until: Callable[[Any], bool]) -> None:
    events = cast("Generator[Any]", engine.stream(HI, Generation(max_tokens=24)))
    next(event for event in events if until(event))
    events.close()


@pytest.mark.model
def test_what_is_estimated_is_more_than_it_is(real_config: Config) -> None:
    folder = lowbit_folder(real_config.model, real_config)
    tokenizer = ChatTokenizer(folder / "tokenizer.json")
    for path in [*real_config.data_dir.glob("*.md"), Path(__file__)]:
        text = path.read_text(encoding="utf-8")
        assert len(tokenizer.encode(text)) < estimate(text) < 2 * len(tokenizer.encode(text))


# A key is sent and never shown.


def test_the_key_is_sent_to_every_call(api: Api) -> None:
    api.key, api.tokenizer = KEY, "vllm"
    assert answer(opened(api, openai_key=KEY))[0] == "Hello"


def test_a_wrong_key_is_not_shown_though_the_server_repeats_it(api: Api) -> None:
    api.key = "another"
    with pytest.raises(
        EngineError, match=r"refuses the key in openai_key \(401: wrong key: Bearer \[openai_key\]\)"
    ):
        opened(api, openai_key=KEY)
    with pytest.raises(EngineError, match="refuses a request without a key: set openai_key"):
        opened(api)


def test_a_key_is_shown_nowhere(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAG_OPENAI_KEY", KEY)
    api.key = KEY
    caplog.set_level(logging.DEBUG)
    config = Config(engine="openai", openai_url=api.url, data_dir=tmp_path, index_dir=tmp_path)
    engine = open_engine(config)
    assert answer(engine)[0] == "Hello"
    findings = examine(
        {"engine": "openai", "openai_url": api.url, "index_dir": tmp_path, "embedder": "hashing"}
    )
    assert any(finding.fact.startswith("tiny at http://127.0.0.1") for finding in findings)
    shown = f"{config} {config!r} {config.model_dump()} {config.model_dump_json()} {vars(engine)} {findings}"
    assert KEY not in shown + caplog.text
    assert config.hash == Config(engine="openai", openai_key="other", openai_url="http://b/v1").hash


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "ключ", "\x7f"])
def test_a_key_that_cannot_be_sent_is_refused_unseen(api: Api, key: str) -> None:
    with pytest.raises(ConfigError, match="openai_key") as error:
        opened(api, openai_key=key)
    assert key not in str(error.value)


def test_a_wrong_kind_of_secret_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rag.toml").write_text("openai_key = 12345678\npasswords = 87654321\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="openai_key=… is not valid") as error:
        Config()
    assert "5678" not in str(error.value)
    assert "8765" not in str(error.value)


def test_doctor_says_what_is_wrong_with_the_server(api: Api, tmp_path: Path) -> None:
    settings = {"engine": "openai", "index_dir": tmp_path, "embedder": "hashing"}
    api.models = [{"id": "small"}, {"id": "large"}]
    (found,) = [each for each in examine({**settings, "openai_url": api.url}) if each.subject == "server"]
    assert (found.well, found.mend) == (False, "")
    assert "set model to one of them" in found.fact


# A proxy of the environment is for what lies beyond this machine.


def test_no_proxy_stands_between_this_machine_and_itself(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_api() as proxy:
        for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        assert answer(opened(api))[0] == "Hello"
        assert proxy.calls == []
        with pytest.raises(RagError):
            open_engine(Config(engine="openai", openai_url="http://192.0.2.1/v1", openai_retries=0))
        assert [path for path, _ in proxy.calls] == ["http://192.0.2.1/v1/models"]
