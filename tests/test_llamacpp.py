"""llama.cpp with a tiny model: as transformers computes it, spliced or not, and what fails says why."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as library
import numpy as np
import pytest
import torch

from rag.config import Config
from rag.datatypes import Generation, Prompt, Reading, Usage
from rag.engines.answerable import Probe
from rag.engines.gguf_folder import gguf_model
from rag.engines.layout import Held, Layout, Part, plain, spliced
from rag.engines.llama.library import Llama
from rag.engines.llama.passages import ALONE, HIT, PASSAGE
from rag.engines.llamacpp import LlamaCppEngine
from rag.errors import DiskError, EngineError, ModelError
from rag.reuse.store import Store
from rag.tokenizer.chat import ChatTokenizer, Rendered, Shown
from rag.tokenizer.vocabularies import build_tokenizer
from tests import tiny_qwen2
from tests.boats import TEXTS, asking, seen_by
from tests.tiny_qwen2 import MERGES, TOKENS, TYPES

MEGABYTE = 10**6


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    return tiny_qwen2.write_gguf(path, max_position_embeddings=4096)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text(build_tokenizer(TOKENS, TYPES, MERGES), encoding="utf-8")
    return ChatTokenizer(path)


@pytest.fixture(scope="module")
def reference() -> Any:
    return tiny_qwen2.hugging_face_model(max_position_embeddings=4096)


def opened(
    gguf: Path, tokenizer: ChatTokenizer, store: Store | None = None, *, splices: bool = True, **more: Any
) -> LlamaCppEngine:
    engine = LlamaCppEngine(gguf, model="tiny", tokenizer=tokenizer, threads=1, **more)
    if store:
        engine.keep(store, "weights", splices=splices)
    return engine


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "read", 50 * MEGABYTE)


def told(engine: LlamaCppEngine, prompt: Prompt, tokens: int = 24) -> tuple[str, Usage]:
    *pieces, usage = engine.stream(prompt, Generation(max_tokens=tokens))
    assert isinstance(usage, Usage)
    return "".join(piece for piece in pieces if isinstance(piece, str)), usage


def after(engine: LlamaCppEngine, prompt: Prompt) -> np.ndarray[Any, Any]:
    """Return the logits that follow a prompt as the engine's next answer has them."""
    steps = engine._read(engine._layout(engine._tokenizer.render(prompt)))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return np.array(end.value[1][0])


def rest_of(tokenizer: ChatTokenizer, prompt: Prompt) -> int:
    """Return how many tokens follow the passages."""
    rendered = tokenizer.render(prompt)
    return len(rendered.tokens) - rendered.passages[-1].places.stop


def test_logits_and_a_layers_state_are_those_of_transformers(gguf: Path, reference: Any) -> None:
    tokens = [5, 77, 200, 13, 99, 3]
    with torch.inference_mode():
        want = reference(torch.tensor([tokens]), output_hidden_states=True)
    llama = Llama(gguf, cells=512, sequences=2, threads=1, layer=1)
    rows = llama.read(tokens, 0, 0, rows=len(tokens))
    np.testing.assert_allclose(rows, np.asarray(want.logits[0]), atol=0.03)
    llama.remove(0)
    llama.read(tokens[:2], 0, 0)
    logits, state = llama.look(tokens[2:], 2, 0)
    np.testing.assert_allclose(logits, rows[-1], atol=0.03)
    np.testing.assert_allclose(state, np.asarray(want.hidden_states[2][0, -1]), atol=0.05)


def test_greedy_text_is_that_of_transformers(gguf: Path, tokenizer: ChatTokenizer, reference: Any) -> None:
    prompt = asking("Which boat is for four people?", TEXTS[0])
    tokens = tokenizer.render(prompt).tokens
    with torch.inference_mode():
        written = reference.generate(
            torch.tensor([tokens]), max_new_tokens=12, do_sample=False, pad_token_id=0, eos_token_id=None
        )[0, len(tokens) :].tolist()
    decoder = tokenizer.decoder()
    ends = next((place for place, token in enumerate(written) if token in tokenizer.ends), len(written))
    want = "".join(decoder.feed(token) for token in written[:ends])
    assert told(opened(gguf, tokenizer), prompt, 12)[0] == want


def test_a_passage_alone_is_exactly_as_if_it_had_been_read_there(
    gguf: Path, tokenizer: ChatTokenizer, store: Store
) -> None:
    prompt = asking("Which boat is for four people?", TEXTS[0])
    want = after(opened(gguf, tokenizer), prompt)
    for _ in ("read now", "kept before"):
        np.testing.assert_allclose(after(opened(gguf, tokenizer, store), prompt), want, atol=0.03)


@pytest.mark.parametrize("hits", [TEXTS, (TEXTS[:2], TEXTS[2]), (TEXTS[2], TEXTS[:2]), (TEXTS,)])
def test_passages_apart_are_what_transformers_computes_of_them(
    gguf: Path,
    tokenizer: ChatTokenizer,
    store: Store,
    reference: Any,
    hits: tuple[str | tuple[str, ...], ...],
) -> None:
    prompt = asking("Which boat is for four people?", *hits)
    layout = spliced(tokenizer.render(prompt), tokenizer)
    with torch.inference_mode():
        want = reference(
            torch.tensor([layout.tokens]),
            attention_mask=torch.where(torch.tensor(seen_by(layout))[None, None], 0.0, -torch.inf),
            position_ids=torch.tensor([list(layout.places)]),
        ).logits[0, -1]
    for _ in ("read now", "kept before"):
        got = after(opened(gguf, tokenizer, store), prompt)
        np.testing.assert_allclose(got, np.asarray(want), atol=0.04)


def test_neighbours_found_together_are_read_in_one_row(
    gguf: Path, tokenizer: ChatTokenizer, store: Store
) -> None:
    prompt = asking("Which is cheap?", TEXTS)
    passages = tokenizer.render(prompt).passages
    want = after(opened(gguf, tokenizer), prompt)
    told(opened(gguf, tokenizer, store), asking("?", *TEXTS), 1)
    for known in (1, 3):  # the others were read after nothing; and then after their neighbours
        assert (
            told(opened(gguf, tokenizer, store), prompt, 1)[1].cached_tokens
            == passages[known - 1].places.stop
        )
        np.testing.assert_allclose(after(opened(gguf, tokenizer, store), prompt), want, atol=0.04)


def test_passages_after_the_first_see_it_unless_they_are_spliced(
    gguf: Path, tokenizer: ChatTokenizer, store: Store
) -> None:
    prompt = asking("Which is cheap?", TEXTS[:2], TEXTS[2])
    want = after(opened(gguf, tokenizer), prompt)
    told(opened(gguf, tokenizer, store), prompt, 1)
    passages = tokenizer.render(prompt).passages
    engine = opened(gguf, tokenizer, store, splices=False)
    assert told(engine, prompt, 1)[1].cached_tokens == passages[1].places.stop
    got = after(opened(gguf, tokenizer, store, splices=False), prompt)
    np.testing.assert_allclose(got, want, atol=0.04)
    assert float(np.abs(after(opened(gguf, tokenizer, store), prompt) - want).max()) > 0.1


def test_what_was_read_serves_every_process_order_and_company(
    gguf: Path, tokenizer: ChatTokenizer, store: Store
) -> None:
    first = opened(gguf, tokenizer, store)
    assert told(first, asking("How much is it?", *TEXTS))[1].cached_tokens == 0
    fresh = opened(gguf, tokenizer, store)
    for texts in (TEXTS[::-1], TEXTS[1:], TEXTS[:1]):
        prompt = asking("Who may row?", *texts)
        want, _ = told(opened(gguf, tokenizer, Store(store.folder / "empty", 50 * MEGABYTE)), prompt)
        got, usage = told(fresh, prompt)
        assert got == want
        assert usage.prompt_tokens - usage.cached_tokens == rest_of(tokenizer, prompt)


def test_another_question_about_the_same_passages_reads_only_its_own_words(
    gguf: Path, tokenizer: ChatTokenizer, store: Store
) -> None:
    for engine in (opened(gguf, tokenizer), opened(gguf, tokenizer, store)):
        told(engine, asking("How much is it?", *TEXTS))
        prompt = asking("Who may row?", *TEXTS)
        _, usage = told(engine, prompt)
        assert usage.prompt_tokens - usage.cached_tokens == rest_of(tokenizer, prompt)


@pytest.mark.parametrize("question", ["Who may row?", "How much is it?"])
def test_of_fewer_passages_than_before_the_others_are_not_seen(
    gguf: Path, tokenizer: ChatTokenizer, store: Store, question: str
) -> None:
    first, second = asking(question, TEXTS[0]), asking("How much is it?", *TEXTS)
    want = after(opened(gguf, tokenizer), first)
    for prompt in (first, replace(first, constant=0)):
        engine = opened(gguf, tokenizer, store)
        told(engine, second)
        np.testing.assert_allclose(after(engine, prompt), want, atol=0.03)


def test_a_passage_read_ahead_need_not_be_read_and_leaves_the_conversation(
    gguf: Path, tokenizer: ChatTokenizer, store: Store
) -> None:
    engine = opened(gguf, tokenizer, store)
    told(engine, asking("How much is it?", TEXTS[0]))
    steps = engine.read(asking("", TEXTS[1]))
    assert [step for step in steps if not isinstance(step, Reading)] == []
    _, same = told(engine, asking("How much is it?", TEXTS[0]))
    assert same.prompt_tokens - same.cached_tokens == 1
    prompt = asking("Who?", TEXTS[1])
    _, other = told(engine, prompt)
    assert other.prompt_tokens - other.cached_tokens == rest_of(tokenizer, prompt)


def test_reading_that_is_stopped_gives_its_room_back(
    gguf: Path, tokenizer: ChatTokenizer, store: Store
) -> None:
    engine = opened(gguf, tokenizer, store)
    prompt = asking("", TEXTS)
    second = tokenizer.render(prompt).passages[1].places
    reading = engine.read(prompt)
    assert next(step.done for step in reading if step.done > second.start)
    reading.close()
    memory = engine._llama._memory
    taken = [library.llama_memory_seq_pos_max(memory, sequence) for sequence in (HIT, PASSAGE, ALONE)]
    assert taken == [-1, -1, -1]


def test_stopped_while_a_passage_is_read_nothing_is_mixed_up(
    gguf: Path, tokenizer: ChatTokenizer, store: Store, tmp_path: Path
) -> None:
    long = "The Heron is painted green every spring. " * 20
    prompt = asking("Which boat?", long, TEXTS[1])
    want, _ = told(opened(gguf, tokenizer, Store(tmp_path / "other", 50 * MEGABYTE)), prompt)
    engine = opened(gguf, tokenizer, store)
    for steps in range(1, 8):
        events: Any = engine.stream(prompt, Generation(max_tokens=4))
        for _ in range(steps):
            next(events)
        events.close()
    assert told(engine, prompt)[0] == want


@pytest.mark.parametrize("harm", ["cut", "changed", "swapped"])
def test_damaged_states_are_read_anew(gguf: Path, tokenizer: ChatTokenizer, store: Store, harm: str) -> None:
    prompt = asking("Which boat is for four people?", *TEXTS)
    want, _ = told(opened(gguf, tokenizer, store), prompt)
    files = sorted(store.folder.glob("*/*.safetensors"))
    assert len(files) == 1 + len(TEXTS)
    contents = [bytearray(file.read_bytes()) for file in files]
    for file, content, other in zip(files, contents, contents[::-1], strict=True):
        changed = bytearray(content)
        changed[-9] ^= 255
        harmed = {"cut": content[: len(content) // 3], "changed": changed, "swapped": other}
        file.write_bytes(harmed[harm])
    got, usage = told(opened(gguf, tokenizer, store), prompt)
    assert (got, usage.cached_tokens) == (want, 0)
    assert told(opened(gguf, tokenizer, store), prompt)[1].cached_tokens > 100


def test_guesses_change_no_answer(gguf: Path, tokenizer: ChatTokenizer) -> None:
    prompts = [asking(question, *TEXTS, *TEXTS) for question in ("Who?", "How much?", "为什么？")]
    alone, guessing = opened(gguf, tokenizer), opened(gguf, tokenizer)
    guessing._costs = (1.0,) * 16
    for prompt in prompts:
        assert told(guessing, prompt, 40)[0] == told(alone, prompt, 40)[0]


def test_it_judges_by_the_state_and_writes_nothing_where_that_is_low(
    gguf: Path, tokenizer: ChatTokenizer, reference: Any
) -> None:
    prompt = asking("Which boat is for four people?", TEXTS[0])
    weights = np.random.default_rng(0).normal(size=128)
    with torch.inference_mode():
        tokens = torch.tensor([tokenizer.render(prompt).tokens])
        state = reference(tokens, output_hidden_states=True).hidden_states[2][0, -1]
    engine = opened(gguf, tokenizer, probe=Probe(layer=1, weights=weights, bias=0.5))
    usage = told(engine, prompt, 4)[1]
    want = float(weights @ np.asarray(state)) + 0.5
    assert usage.answerable == pytest.approx(want, abs=1.0)
    least = Generation(least_answerable=want + 2)
    events = [event for event in engine.stream(prompt, least) if not isinstance(event, Reading)]
    assert [event.finish for event in events if isinstance(event, Usage)] == ["unanswerable"]
    assert len(events) == 1


@pytest.mark.parametrize("seed", range(20))
def test_what_is_held_is_the_common_beginning_of_tokens_and_places(seed: int) -> None:
    chance = random.Random(seed)
    tokens = [chance.randrange(3) for _ in range(12)]
    places = [chance.randrange(2) for _ in range(12)]
    kept = chance.randrange(13)
    held = Held([*tokens[:kept], 9], [*places[:kept], 0])
    layout = Layout(tokens=tokens, places=places)
    assert held.shared(layout) == kept
    assert Held().shared(layout) == 0
    assert Held(tokens, places).shared(Layout(tokens=tokens[:5], places=places[:5])) == 5


def test_hits_share_their_place_and_the_rest_follows_the_longest(tokenizer: ChatTokenizer) -> None:
    said = {text: tokenizer.encode(f"[1] {text}") for text in ("ab", "abcd", "e")}
    tokens = [1, 2, 3, *said["ab"], *tokenizer.encode("[2] abcd"), *tokenizer.encode("[2] e"), 8, 9]
    prompt = Rendered(
        tokens=tokens,
        constant=3,
        passages=(
            Shown(number="1", text="ab", places=range(3, 9)),
            Shown(number="2", text="abcd", places=range(9, 17)),
            Shown(number="2", text="e", places=range(17, 22)),
        ),
    )
    layout = spliced(prompt, tokenizer)
    assert list(layout.tokens) == [1, 2, 3, *said["ab"], *said["abcd"], *said["e"], 8, 9]
    assert list(layout.places) == [0, 1, 2, *range(3, 9), *range(3, 11), *range(11, 16), 16, 17]
    assert layout.passages == (
        Part(slots=range(3, 9), after=range(3, 3), texts=("ab",)),
        Part(slots=range(9, 17), after=range(9, 9), texts=("abcd",)),
        Part(slots=range(17, 22), after=range(9, 17), texts=("abcd", "e")),
    )
    assert layout.seen_by(layout.passages[2]) == [1, 2, 3, *said["abcd"]]
    assert (layout.first_hit().passages, layout.first_hit().apart) == (layout.passages[:1], 9)
    assert plain(prompt) == Layout(tokens=tokens, places=range(len(tokens)))
    none = spliced(Rendered(tokens=[1, 2, 3], constant=2, passages=()), tokenizer)
    assert (none.places, none.apart) == ([0, 1, 2], 2)


def test_more_than_it_has_room_for_is_said(gguf: Path) -> None:
    llama = Llama(gguf, cells=256, sequences=1, threads=1, layer=None)
    llama.read(range(200), 0, 0)
    with pytest.raises(EngineError, match=r"llama\.cpp could not read on"):
        llama.read(range(200), 200, 0)
    llama.remove(0)
    llama.read(range(200), 0, 0)


def test_a_file_that_is_no_model_is_told(tmp_path: Path, gguf: Path) -> None:
    broken = tmp_path / "broken.gguf"
    for content in (b"no model", gguf.read_bytes()[: gguf.stat().st_size // 2]):
        broken.write_bytes(content)
        with pytest.raises(ModelError, match=r"cannot load .*broken\.gguf"):
            Llama(broken, cells=256, sequences=1, threads=1, layer=None)


def test_a_gguf_is_described_once_and_again_when_it_changes(tmp_path: Path, gguf: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(gguf.read_bytes())
    config = Config(models_dir=tmp_path / "models", model=str(mine), engine="llamacpp")
    first = gguf_model(str(mine), config)
    assert (first.gguf, first.layers) == (mine, 3)
    made = first.tokenizer.stat().st_mtime_ns
    assert gguf_model(str(mine), config).tokenizer.stat().st_mtime_ns == made
    first.tokenizer.write_text("cut", encoding="utf-8")
    assert gguf_model(str(mine), config).tokenizer.stat().st_size > 1000
    mine.write_bytes(mine.read_bytes() + b"\0")
    assert gguf_model(str(mine), config).sha256 != first.sha256


def test_what_is_not_here_as_a_gguf_says_what_to_do(tmp_path: Path) -> None:
    folder = tiny_qwen2.write_folder(tmp_path / "tiny")
    config = Config(models_dir=tmp_path / "models", engine="llamacpp")
    with pytest.raises(ModelError, match="safetensors, and this engine reads GGUF"):
        gguf_model(str(folder), config)
    with pytest.raises(ModelError, match="rag models pull"):
        gguf_model("qwen2-0.5b-instruct", config)
    mine = tiny_qwen2.write_gguf(tmp_path / "mine.gguf")
    (tmp_path / "models").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(DiskError, match="cannot be written"):
        gguf_model(str(mine), config)


def test_a_process_that_started_the_library_leaves_no_file_open_at_its_end() -> None:
    code = "from rag.engines.llama.library import started; started()"
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert "ResourceWarning" not in done.stderr


def is_read(engine: LlamaCppEngine, text: str) -> bool:
    steps = engine.read(asking("", text))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return bool(end.value)


def file_of_the_beginning(engine: LlamaCppEngine, store: Store) -> Path:
    layout = engine._layout(engine._tokenizer.render(asking("", TEXTS[0])))
    assert engine._passages
    return store._file(engine._passages._key(layout))


def test_reading_ahead_pushes_nothing_out_though_the_beginning_is_gone(
    gguf: Path, tokenizer: ChatTokenizer, tmp_path: Path
) -> None:
    store = Store(tmp_path / "read", MEGABYTE)
    engine = opened(gguf, tokenizer, store)
    texts = [f"{TEXTS[0]} Boat {number}." for number in range(40)]
    count = next(number for number, text in enumerate(texts) if not is_read(engine, text))
    beginning = file_of_the_beginning(engine, store)
    beginning.with_name("other.safetensors").write_bytes(beginning.read_bytes())  # what is in its place
    beginning.unlink()
    kept = set(store.folder.glob("*/*.safetensors"))
    assert len(kept) == count + 1
    assert not is_read(engine, texts[count])
    assert not is_read(opened(gguf, tokenizer, store), texts[count])
    assert set(store.folder.glob("*/*.safetensors")) == kept


def test_reading_ahead_leaves_room_for_the_beginning_that_is_missing(
    gguf: Path, tokenizer: ChatTokenizer, tmp_path: Path
) -> None:
    store = Store(tmp_path / "read", 50 * MEGABYTE)
    engine = opened(gguf, tokenizer, store)
    assert is_read(engine, TEXTS[0])
    file_of_the_beginning(engine, store).unlink()
    (passage,) = kept = list(store.folder.glob("*/*.safetensors"))
    for budget, read in ((2.2, False), (9, True)):  # in passages: the beginning is as long as half of one
        tight = Store(store.folder, int(budget * passage.stat().st_size))
        engine.keep(tight, "weights")
        assert is_read(engine, TEXTS[1]) == read
        assert passage.exists()
    assert len(list(store.folder.glob("*/*.safetensors"))) == len(kept) + 2


def test_the_beginning_stays_used_and_is_kept_again(
    gguf: Path, tokenizer: ChatTokenizer, store: Store
) -> None:
    engine = opened(gguf, tokenizer, store)
    assert is_read(engine, TEXTS[0])
    beginning = file_of_the_beginning(engine, store)
    os.utime(beginning, (1, 1))
    told(engine, asking("Which boat?", TEXTS[1]))
    assert beginning.stat().st_mtime > 1
    beginning.unlink()
    told(engine, asking("Which boat?", TEXTS[2]))
    assert beginning.exists()
    fresh = opened(gguf, tokenizer, store)
    assert told(fresh, asking("Which boat?", TEXTS[0]))[1].cached_tokens > 100
