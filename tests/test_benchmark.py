"""The benchmark's prompts, its report, and a real run."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from rag.benchmark import CASES, DIED, Case, Figure, Report, Row, benchmark, make_prompt, to_table
from rag.benchmark.runners import RUNNERS, Timing, serve
from rag.config import Config
from rag.datatypes import Prompt
from rag.engines.chat import ChatTokenizer
from rag.engines.decoder import Decoder, States
from rag.engines.kernels import Kernels
from rag.engines.lowbit import convert, read_manifest
from rag.engines.matmul import Matmul
from rag.engines.vocabularies import build_tokenizer
from rag.errors import ConfigError, EngineError, MissingExtraError, ModelError
from rag.models import lowbit_folder
from tests.tiny_qwen2 import MERGES, TOKENS, TYPES, write_folder

COLD, AGAIN = (
    Case(name="cold", prompt_tokens=900, answer_tokens=3, reuse="none"),
    Case(name="again", prompt_tokens=900, answer_tokens=3, reuse="prefix"),
)


@pytest.fixture
def tokenizer(tmp_path: Path) -> ChatTokenizer:
    path = tmp_path / "tokenizer.json"
    path.write_text(build_tokenizer(TOKENS, TYPES, MERGES), encoding="utf-8")
    return ChatTokenizer(path)


@pytest.fixture
def tiny(tmp_path: Path) -> Config:
    """Settings for the tiny model, converted."""
    source = write_folder(tmp_path / "source")
    config = Config(models_dir=tmp_path / "models", model=str(source))
    convert(source, lowbit_folder(config.model, config), config.low_bit, lambda _: None)
    return config


def shared(left: list[int], right: list[int]) -> int:
    return next((i for i, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), len(left))


def test_a_prompt_fills_its_size_and_rounds_begin_differently(tokenizer: ChatTokenizer) -> None:
    first, second = (tokenizer.render(make_prompt(COLD, number, tokenizer)).tokens for number in (1, 2))
    assert 800 < len(first) <= 900
    assert shared(first, second) < 120


def test_a_reusing_case_asks_another_question_of_the_same_passages(tokenizer: ChatTokenizer) -> None:
    first, second = (tokenizer.render(make_prompt(case, 1, tokenizer)).tokens for case in (COLD, AGAIN))
    assert first != second
    assert shared(first, second) > 700


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(ConfigError, match="'vllm' is not one of ipex, ipex-stock, llamacpp-plain"):
        benchmark(Config(), engines=["vllm"])


def test_the_table_shows_each_case_and_what_did_not_run() -> None:
    row = Row(
        case="cold",
        engine="ipex",
        model="tiny",
        prompt_tokens=963,
        answer_tokens=24,
        reuse="none",
        first_token=Figure(median=10.5, min=10.0, max=11.0),
        decode_tps=Figure(median=12.0, min=11.5, max=12.5),
        total=Figure(median=12.0, min=11.0, max=13.0),
        rss_mb=1234.5,
    )
    table = to_table(Report(machine="A CPU", rounds=3, rows=(row,), skipped={"llamacpp-plain": "not here"}))
    lines = table.splitlines()
    assert lines[0] == "A CPU"
    assert "cold: tiny, 963 prompt tokens" in lines
    assert "ipex               10.50 [ 10.00 -  11.00]    12.00" in table
    assert lines[-1] == "llamacpp-plain did not run: not here"


@pytest.mark.filterwarnings("ignore")  # what ipex-llm and transformers say when imported is not ours to mend
def test_the_stock_model_is_the_same_model(tmp_path: Path) -> None:
    from rag.benchmark.stock import stock_model

    convert(write_folder(tmp_path / "source"), tmp_path / "out", "sym_int8", lambda _: None)
    ours = Decoder(tmp_path / "out", read_manifest(tmp_path / "out"), Matmul(Kernels("avx"), 1))
    ids = list(range(40, 60))
    with torch.inference_mode():
        want = stock_model(tmp_path / "out")(torch.tensor([ids])).logits[0, -1]
        got = deque(ours.forward(ids, States(ours, 32), range(len(ids))), maxlen=1).pop()
    torch.testing.assert_close(got, want, rtol=1e-3, atol=0.05)
    assert got.argmax() == want.argmax()


@pytest.mark.model
def test_a_real_run_gives_figures(real_config: Config) -> None:
    report = benchmark(real_config, engines=["ipex"], cases=[COLD, AGAIN], rounds=1)
    cold, again = report.rows
    assert (cold.reuse, again.reuse) == ("none", "prefix")
    assert 800 < cold.prompt_tokens <= 900
    assert cold.total.median > cold.first_token.median
    assert 300 < cold.rss_mb < 2500
    assert "ipex-llm 2.2.0" in report.machine


def test_a_model_that_is_not_converted_is_an_error(tmp_path: Path) -> None:
    config = Config(models_dir=tmp_path, model="qwen2.5-coder-0.5b-instruct")
    with pytest.raises(ModelError, match="rag models pull"):
        benchmark(config, cases=CASES)


def test_without_llama_cpp_the_reason_is_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(MissingExtraError, match=r"pip install -e '\.\[llamacpp\]'"):
        RUNNERS["llamacpp-plain"](Config())


def stand_in(engine: str, settings: dict[str, Any], pipe: Connection) -> None:
    """Behave as the process of an engine: two of them badly."""
    del settings
    if engine == "ipex-stock":
        os._exit(3)
    pipe.send("")
    while True:
        pipe.recv()
        if engine == "llamacpp-plain":
            pipe.send("out of ink")
        else:
            pipe.send(Timing(first_token=1.0, decode_tps=2.0, total=3.0, answer_tokens=3, rss_mb=4.0))


def test_an_engine_that_dies_or_fails_leaves_the_others_their_figures(
    tiny: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.benchmark.serve", stand_in)
    engines = ["ipex-stock", " llamacpp-plain", "ipex "]
    report = benchmark(tiny, engines=engines, cases=[COLD], rounds=2)
    assert [(row.engine, row.total.median) for row in report.rows] == [("ipex", 3.0)]
    assert report.skipped == {"ipex-stock": DIED, "llamacpp-plain": "warm-up: out of ink"}


def test_when_every_engine_fails_their_reasons_are_the_error(
    tiny: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.benchmark.serve", stand_in)
    with pytest.raises(EngineError, match=r"ipex-stock cannot run: its process died.*out of ink"):
        benchmark(tiny, engines=["ipex-stock", "llamacpp-plain"], cases=[COLD], rounds=1)


def test_what_goes_wrong_while_answering_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def speak(prompt: Prompt, tokens: int) -> Iterator[object]:
        yield prompt
        raise ValueError(f"{tokens} are too many")

    monkeypatch.setitem(RUNNERS, "ipex", lambda _: speak)
    ours, theirs = Pipe()
    ours.send((Prompt(messages=()), 7))
    thread = Thread(target=serve, args=("ipex", {}, theirs))
    thread.start()
    assert [ours.recv(), ours.recv()] == ["", "7 are too many"]
    ours.close()
    thread.join()


@pytest.mark.parametrize("rounds", [0, -1])
def test_less_than_one_round_is_refused(rounds: int) -> None:
    with pytest.raises(ConfigError, match=f"{rounds} rounds measure nothing"):
        benchmark(Config(), rounds=rounds)
