"""A passage is read once: what is stored of it gives the same answer, and what is damaged is read anew."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rag.ahead import read_ahead
from rag.config import Config
from rag.datatypes import Generation, Prompt, Usage
from rag.doctor import examine
from rag.engines.ipex import IpexEngine
from rag.engines.low_bit.conversion import convert
from rag.engines.low_bit.decoder import Decoder, States, rotate
from rag.pipeline import Rag
from rag.reuse import Tally, Tokens, keep_only, states_folder
from rag.reuse import store as store_module
from rag.reuse.quantised import quantised, restore
from rag.reuse.store import Store
from tests import tiny_qwen2
from tests.boats import TEXTS, asking, seen_by

MEGABYTE = 10**6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("tiny")
    source = tiny_qwen2.write_folder(base / "source", max_position_embeddings=4096)
    convert(source, base / "sym_int8", "sym_int8", lambda _: None)
    return base / "sym_int8"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "read", 50 * MEGABYTE)


def splicing(folder: Path, store: Store) -> IpexEngine:
    return IpexEngine(folder, model="tiny", store=store, splices=True)


def told(engine: IpexEngine, prompt: Prompt, tokens: int = 24) -> tuple[str, Usage]:
    *pieces, usage = engine.stream(prompt, Generation(max_tokens=tokens))
    assert isinstance(usage, Usage)
    return "".join(piece for piece in pieces if isinstance(piece, str)), usage


def logits_of(engine: IpexEngine, prompt: Prompt) -> torch.Tensor:
    """Return the first logits as the engine's next answer has them."""
    layout = engine._layout(engine._tokenizer.render(prompt))
    kept = engine._kept.take(layout, room=len(layout.tokens))
    with torch.inference_mode():
        steps = engine._read(layout, kept)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return torch.as_tensor(end.value[1][0])


def test_a_passage_once_read_is_not_read_again_by_another_process(folder: Path, store: Store) -> None:
    first, second = asking("Which boat is for four people?", TEXTS[0]), asking("How big is it?", TEXTS[0])
    assert told(IpexEngine(folder, model="tiny", store=store), first)[1].cached_tokens == 0
    for prompt in (first, second):
        engine = IpexEngine(folder, model="tiny", store=store)
        rendered = engine._tokenizer.render(prompt)
        assert told(engine, prompt)[1].cached_tokens == rendered.passages[0].places.stop


def test_eight_bits_change_little(folder: Path, store: Store) -> None:
    prompt = asking("Which boat is for four people?", TEXTS[0])
    told(IpexEngine(folder, model="tiny", store=store), prompt, 1)
    want = logits_of(IpexEngine(folder, model="tiny"), prompt)
    got = logits_of(IpexEngine(folder, model="tiny", store=store), prompt)
    assert not torch.equal(got, want)
    assert (got - want).norm() < 0.15 * want.norm()  # random weights magnify; any other passage is at 1.2


def turned_back(model: Decoder, places: range) -> tuple[torch.Tensor, torch.Tensor]:
    cosines, sines = model.angles(places)
    return cosines, -sines


def test_what_varies_little_around_a_large_value_is_kept(folder: Path) -> None:
    """As some channels of Qwen2's keys do: 300 and a little."""
    model = IpexEngine(folder, model="tiny")._model
    states, other = States(model, 64), States(model, 64)
    torch.manual_seed(0)
    states.keys.normal_()
    states.values.normal_()
    states.keys[:, :, 0:60] = rotate(states.keys[:, :, 0:60] + 300, *model.angles(range(60)))
    restore(quantised(states, range(60), model), other, range(60), range(60), model)
    assert float((other.keys[:, :, :60] - states.keys[:, :, :60]).abs().max()) < 0.03


def test_what_is_stored_is_each_state_to_half_a_step_at_whatever_place(folder: Path) -> None:
    model = IpexEngine(folder, model="tiny")._model
    states, other = States(model, 300), States(model, 300)
    torch.manual_seed(0)
    states.keys.normal_(std=3.0)
    states.values.normal_()
    stored = quantised(states, range(40, 100), model)
    restore(stored, other, range(40, 100), range(40, 100), model)
    for name, dim in (("keys", 2), ("values", 3)):
        was, now = (getattr(each, name)[:, :, 40:100] for each in (states, other))
        flat = rotate(was, *turned_back(model, range(40, 100))) if name == "keys" else was
        step = (flat.amax(dim, keepdim=True) - flat.amin(dim, keepdim=True)) / 255
        assert bool(((was - now).abs() <= (0.72 if name == "keys" else 0.51) * step.amax()).all())
    restore(stored, other, range(200, 260), range(200, 260), model)
    again = quantised(other, range(200, 260), model)
    assert int((again["keys"].int() - stored["keys"].int()).abs().max()) <= 1, "turning is exact"


def test_of_stored_passages_only_what_follows_them_is_read(folder: Path, store: Store) -> None:
    told(splicing(folder, store), asking("?", *TEXTS), 1)
    assert len(list(store.folder.glob("*/*"))) == 1 + len(TEXTS), "each is stored when it is first read"
    for texts in (TEXTS, TEXTS[::-1], TEXTS[1:]):
        engine, prompt = (
            splicing(folder, store),
            asking("Which is the cheapest?", *texts),
        )
        rendered = engine._tokenizer.render(prompt)
        _, usage = told(engine, prompt, 1)
        rest = len(rendered.tokens) - rendered.passages[-1].places.stop
        assert usage.prompt_tokens - usage.cached_tokens == rest


@pytest.mark.parametrize("hits", [TEXTS, (TEXTS[:2], TEXTS[2]), (TEXTS[2], TEXTS[:2]), (TEXTS,)])
def test_passages_read_apart_are_what_transformers_computes_of_them(
    folder: Path, store: Store, hits: tuple[str | tuple[str, ...], ...]
) -> None:
    prompt = asking("Which is cheap?", *hits)
    engine = splicing(folder, store)
    layout = engine._layout(engine._tokenizer.render(prompt))
    mask = torch.where(torch.tensor(seen_by(layout)), 0.0, -torch.inf)[None, None]
    reference = tiny_qwen2.hugging_face_model(max_position_embeddings=4096)
    with torch.inference_mode():
        want = reference(
            torch.tensor([list(layout.tokens)]),
            attention_mask=mask,
            position_ids=torch.tensor([list(layout.places)]),
        ).logits[0, -1]
    for _ in ("read now", "stored before"):
        got = logits_of(splicing(folder, store), prompt)
        assert (got - want).norm() < 0.15 * want.norm()  # of eight bits in weights and states
    if len(hits) > 1:
        alone = logits_of(IpexEngine(folder, model="tiny"), prompt)
        assert (alone - want).norm() > 0.2 * want.norm(), "read in one row they see one another"


def test_neighbours_found_together_are_read_in_one_row(folder: Path, store: Store) -> None:
    prompt = asking("Which is cheap?", TEXTS)
    want = logits_of(IpexEngine(folder, model="tiny"), prompt)
    told(splicing(folder, store), asking("?", *TEXTS), 1)
    for known in (1, 3):  # the others were read after nothing; and then after their neighbours
        engine = splicing(folder, store)
        passages = engine._tokenizer.render(prompt).passages
        assert told(engine, prompt, 1)[1].cached_tokens == passages[known - 1].places.stop
        got = logits_of(splicing(folder, store), prompt)
        assert (got - want).norm() < 0.15 * want.norm()


def test_prompts_without_a_constant_beginning_are_not_stored(folder: Path, store: Store) -> None:
    engine = IpexEngine(folder, model="tiny", store=store)
    told(engine, replace(asking("Who?", TEXTS[0]), constant=0), 1)
    assert list(store.folder.glob("*/*")) == []


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "another"])
def test_what_is_damaged_is_read_anew_and_replaced(folder: Path, store: Store, damage: str) -> None:
    prompt = asking("Which boat is for four people?", TEXTS[0])
    want, _ = told(IpexEngine(folder, model="tiny", store=store), prompt)
    files = list(store.folder.glob("*/*"))
    assert len(files) == 2
    others = [file.read_bytes() for file in files[::-1]]
    for file, other in zip(files, others, strict=True):
        data = file.read_bytes()
        changed = {
            "truncated": data[: len(data) // 2],
            "flipped": data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
            "empty": b"",
            "another": other,
        }
        file.write_bytes(changed[damage])
    got, usage = told(IpexEngine(folder, model="tiny", store=store), prompt)
    assert (got, usage.cached_tokens) == (want, 0)
    assert told(IpexEngine(folder, model="tiny", store=store), prompt)[1].cached_tokens > 0


def test_other_weights_have_states_of_their_own(folder: Path, store: Store, tmp_path: Path) -> None:
    prompt = asking("Which boat is for four people?", TEXTS[0])
    told(IpexEngine(folder, model="tiny", store=store), prompt)
    convert(
        tiny_qwen2.write_folder(tmp_path / "s", max_position_embeddings=4096),
        tmp_path / "q",
        "sym_int4",
        print,
    )
    assert told(IpexEngine(tmp_path / "q", model="tiny", store=store), prompt)[1].cached_tokens == 0


def test_the_doctor_tells_what_is_kept_and_how_often_it_served(config: Config) -> None:
    settings = config.model_dump(exclude_unset=True)
    assert not [finding for finding in examine(settings) if finding.subject == "passages read"]
    folder = states_folder(config)
    Store(folder, 10**9).put("model/passage", {"states": np.zeros(60 * MEGABYTE, dtype=np.uint8)})
    for reused in (0, 250, 500):
        Tally(folder).add_tokens(Tokens(wanted=500, reused=reused))
    (found,) = (finding for finding in examine(settings) if finding.subject == "passages read")
    assert found.fact == "0.1 of 4 GB kept; 50% of the tokens asked about were read before"


def test_beyond_the_budget_the_least_recently_used_goes(tmp_path: Path) -> None:
    array = np.zeros(MEGABYTE, dtype=np.int8)
    store = Store(tmp_path, int(3.5 * MEGABYTE))
    for at, name in enumerate(("m/a", "m/b", "m/c"), start=1):
        store.put(name, {"x": array})
        os.utime(store._file(name), (at, at))
    assert store.get("m/a") is not None
    time.sleep(0.01)
    store.put("m/d", {"x": array})
    assert [name for name in ("m/a", "m/b", "m/c", "m/d") if store.get(name)] == ["m/a", "m/c", "m/d"]
    assert store.size() < 3.5 * MEGABYTE
    store.put("m/e", {"x": np.zeros(4 * MEGABYTE, dtype=np.int8)})
    assert store.get("m/e") is None


def test_what_another_model_read_gives_way_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array, store = np.zeros(MEGABYTE, dtype=np.int8), Store(tmp_path, int(3.5 * MEGABYTE))
    for at, name in enumerate(("new/a", "old/b", "old/c"), start=1):
        store.put(name, {"x": array})
        os.utime(store._file(name), (at, at))
    assert store.has_room(2 * MEGABYTE, model="new")
    assert not store.has_room(3 * MEGABYTE, model="new")
    store.put("new/d", {"x": array})
    assert [name for name in ("new/a", "old/b", "old/c", "new/d") if store.has(name)] == [
        "new/a",
        "old/c",
        "new/d",
    ]
    free = {True: 0, False: 10**12}
    monkeypatch.setattr(store_module, "disk_usage", lambda _: SimpleNamespace(free=free[store.has("old/c")]))
    store.put("new/e", {"x": array[:9]})
    assert store.has("old/c"), "to delete it would not give disk enough"
    monkeypatch.setattr(store_module, "RESERVE", 0)
    store.put("new/e", {"x": array[:9]})
    assert [name for name in ("new/a", "old/c", "new/d", "new/e") if store.has(name)] == [
        "new/a",
        "new/d",
        "new/e",
    ]


def test_the_beginning_in_memory_is_not_read_again_where_the_disk_is_full(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [asking("Which boat is for four people?", text) for text in TEXTS]
    wanted = [
        told(IpexEngine(folder, model="tiny", store=Store(store.folder / text[:9], MEGABYTE)), prompt)[0]
        for text, prompt in zip(TEXTS, prompts, strict=True)
    ]
    monkeypatch.setattr(store_module, "RESERVE", 10**18)
    engine = IpexEngine(folder, model="tiny", store=store)
    beginning = engine._tokenizer.render(prompts[0]).constant
    answers = [told(engine, prompt) for prompt in prompts]
    assert [text for text, _ in answers] == wanted
    assert [usage.cached_tokens for _, usage in answers] == [0, beginning, beginning]
    monkeypatch.setattr(store_module, "RESERVE", 0)
    told(engine, asking("How many sails?", TEXTS[0] * 2))
    assert len(list(store.folder.glob("*/*.safetensors"))) == 2, "the beginning, and the passage"


def test_a_folder_that_cannot_be_written_is_no_fault(folder: Path, tmp_path: Path, store: Store) -> None:
    (tmp_path / "file").write_text("a file")
    prompt = asking("Which boat is for four people?", TEXTS[0])
    engine = IpexEngine(folder, model="tiny", store=Store(tmp_path / "file", MEGABYTE))
    assert told(engine, prompt) == told(IpexEngine(folder, model="tiny", store=store), prompt)


def test_tokens_asked_for_and_found_are_counted(folder: Path, store: Store) -> None:
    prompt = asking("Which boat is for four people?", TEXTS[0])
    for _ in range(2):
        told(IpexEngine(folder, model="tiny", store=store), prompt, 1)
    (shown,) = IpexEngine(folder, model="tiny")._tokenizer.render(prompt).passages
    count = len(shown.places)
    assert Tally(store.folder).tokens() == Tokens(wanted=2 * count, reused=count)


def test_an_answer_that_is_stopped_leaves_what_was_read(folder: Path, store: Store) -> None:
    prompt = asking("Which boat is for four people?", TEXTS[0])
    stream = IpexEngine(folder, model="tiny", store=store).stream(prompt, Generation(max_tokens=24))
    next(piece for piece in stream if isinstance(piece, str))
    stream.close()  # type: ignore[attr-defined]  # a generator
    assert told(IpexEngine(folder, model="tiny", store=store), prompt)[1].cached_tokens > 0


def test_a_passage_is_read_before_it_is_asked_about_and_only_once(folder: Path, store: Store) -> None:
    engine = IpexEngine(folder, model="tiny", store=store)
    asked = asking("Which boat is for four people?", TEXTS[0])
    told(engine, asked, 1)
    ahead = list(engine.read(asking("", TEXTS[1])))
    assert ahead[-1].done == ahead[-1].total
    assert list(engine.read(asking("Whatever?", TEXTS[1]))) == []
    assert told(engine, asked, 1)[1].cached_tokens == engine.count_tokens(asked) - 1, "what was recent stays"
    prompt = asking("How much is it?", TEXTS[1])
    other = IpexEngine(folder, model="tiny", store=store)
    assert told(other, prompt)[1].cached_tokens == other._tokenizer.render(prompt).passages[0].places.stop


def test_passages_after_the_first_see_it_unless_they_are_spliced(folder: Path, store: Store) -> None:
    prompt = asking("Which is cheap?", TEXTS[:2], TEXTS[2])
    want = logits_of(IpexEngine(folder, model="tiny"), prompt)
    told(splicing(folder, store), prompt, 1)
    engine = IpexEngine(folder, model="tiny", store=store)
    passages = engine._tokenizer.render(prompt).passages
    assert told(engine, prompt, 1)[1].cached_tokens == passages[1].places.stop
    got = logits_of(IpexEngine(folder, model="tiny", store=store), prompt)
    assert (got - want).norm() < 0.15 * want.norm()
    assert (logits_of(splicing(folder, store), prompt) - want).norm() > 0.2 * want.norm()


def test_a_hit_is_read_ahead_with_its_neighbours(folder: Path, store: Store) -> None:
    hit, other = TEXTS[:2], TEXTS[2]
    assert list(IpexEngine(folder, model="tiny", store=store).read(asking("", hit, other))) != []
    assert list(IpexEngine(folder, model="tiny", store=store).read(asking("", hit))) == []
    assert list(IpexEngine(folder, model="tiny", store=store).read(asking("", other))) != []


def test_what_was_read_after_a_neighbour_goes_with_it(folder: Path, store: Store) -> None:
    told(IpexEngine(folder, model="tiny", store=store), asking("?", TEXTS), 1)
    assert len(list(store.folder.glob("*/*"))) == 4, "the beginning and three passages"
    keep_only(store.folder, [TEXTS[0], TEXTS[2]])
    assert len(list(store.folder.glob("*/*"))) == 2, "the third had seen the second"


def test_reading_ahead_that_is_stopped_keeps_nothing_of_the_passage(folder: Path, store: Store) -> None:
    engine = IpexEngine(folder, model="tiny", store=store)
    reading = engine.read(asking("", TEXTS[0]))
    next(reading)
    reading.close()
    assert list(store.folder.glob("*/*")) == []
    assert list(engine.read(asking("", TEXTS[0]))) != []


def test_passages_are_counted_as_often_as_they_are_found(tmp_path: Path) -> None:
    for passages in (["a", "b"], ["b"], []):
        Tally(tmp_path).add_found(passages)
    assert Tally(tmp_path).times_found() == {"a": 1, "b": 2}


@pytest.mark.parametrize("spared", [0, 4096])
def test_a_damaged_tally_begins_anew(tmp_path: Path, spared: int) -> None:
    tally, file = Tally(tmp_path), tmp_path / "tally.sqlite"
    tally.add_found(map(str, range(9999)))
    data = file.read_bytes()
    file.write_bytes(data[:spared] + b"\xff" * (len(data) - spared))
    for _ in range(2):
        tally.add_found(["a"])
    assert tally.times_found() == {"a": 1}


@pytest.mark.timeout(4)
def test_nobody_waits_for_a_tally_that_another_process_holds(tmp_path: Path) -> None:
    tally = Tally(tmp_path)
    tally.add_found(["a"])
    with closing(sqlite3.connect(tmp_path / "tally.sqlite")) as other:
        other.execute("BEGIN EXCLUSIVE")
        tally.add_found(["a"])
    assert tally.times_found() == {"a": 1}


def test_what_is_read_ahead_serves_the_questions_of_another_process(config: Config, folder: Path) -> None:
    store = Store(states_folder(config), 50 * MEGABYTE)
    config.data_dir.mkdir(exist_ok=True)
    for number, text in enumerate(TEXTS):
        (config.data_dir / f"{number}.md").write_text(text * 3, encoding="utf-8")
    with Rag(config, engine=IpexEngine(folder, model="tiny", store=store)) as rag:
        rag.sync()
        assert read_ahead(rag, lambda _: None, threading.Event()) == (3, 3)
    with Rag(config, engine=IpexEngine(folder, model="tiny", store=store)) as rag:
        usage = rag.ask("Which boat is a sailing dinghy, an hour at nineteen crowns?").usage
    tokens = Tally(states_folder(config)).tokens()
    assert tokens.reused > 0.8 * tokens.wanted > 0
    assert usage.cached_tokens > usage.prompt_tokens - 150
    assert sorted(Tally(states_folder(config)).times_found().values())[-1] == 1


def test_what_was_read_of_a_document_goes_with_it(config: Config, folder: Path) -> None:
    store = Store(states_folder(config), 50 * MEGABYTE)
    for number, text in enumerate(TEXTS):
        (config.data_dir / f"{number}.md").write_text(text * 3, encoding="utf-8")
    with Rag(config, engine=IpexEngine(folder, model="tiny", store=store)) as rag:
        rag.sync()
        read_ahead(rag, lambda _: None, threading.Event())
        before = set(store.folder.glob("*/*"))
        assert len(before) == 4, "the beginning and three passages"
        (config.data_dir / "new.md").write_text("A new one.", encoding="utf-8")
        rag.sync()
        assert set(store.folder.glob("*/*")) == before
        (config.data_dir / "0.md").unlink()
        (config.data_dir / "1.md").write_text(TEXTS[1] * 4, encoding="utf-8")
        rag.sync()
        left = set(store.folder.glob("*/*"))
        assert (len(left), left - before) == (2, set())
        assert read_ahead(rag, lambda _: None, threading.Event()) == (3, 3)
        assert set(store.folder.glob("*/*")) > left
