"""The decoder against transformers' own, and the states it keeps."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
import torch

from rag.datatypes import Generation, Message, Prompt, Reading
from rag.engines import writing
from rag.engines.ipex import CHUNK, IpexEngine
from rag.engines.layout import Layout
from rag.engines.lookup import ALONE, Costs
from rag.engines.low_bit.conversion import convert, read_manifest
from rag.engines.low_bit.decoder import FEW, Decoder, States, gated
from rag.engines.low_bit.kept import Kept, KeptStates
from rag.engines.low_bit.kernels import Kernels, usable_variants
from rag.engines.low_bit.matmul import KERNEL_ALONE, Matmul
from rag.engines.low_bit.packed import Packed
from rag.engines.low_bit.packing import WIDE
from rag.weights.architectures import STACKS
from tests import tiny_qwen2

TOKENS = list(range(40, 100))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen2.write_folder(tmp_path_factory.mktemp("tiny") / "source")


@pytest.fixture(scope="module")
def folder(source: Path) -> Path:
    convert(source, source.with_name("sym_int8"), "sym_int8", lambda _: None)
    return source.with_name("sym_int8")


@pytest.fixture(scope="module")
def model(folder: Path) -> Decoder:
    return Decoder(folder, read_manifest(folder), Matmul(Kernels(usable_variants()[0]), 2, ((1, "float32"),)))


def logits(model: Decoder, tokens: list[int], states: States, past: int = 0) -> torch.Tensor:
    with torch.inference_mode():
        return deque(model.forward(tokens, states, range(past, past + len(tokens))), maxlen=1).pop()[-1]


def reference(model: Decoder, tokens: list[int]) -> torch.Tensor:
    """Every position's logits of transformers' model with the weights that the packed ones stand for."""
    theirs = tiny_qwen2.hugging_face_model()
    ours = dict(zip(range(len(model.layers)), model.layers, strict=True))
    multiply = model._multiply

    def dense(weight: Packed) -> torch.Tensor:
        return multiply.rows(weight, range(weight.rows))

    for number, layer in ours.items():
        for stack, names in STACKS.items():
            modules = [theirs.get_submodule(f"model.layers.{number}.{name}") for name in names]
            parts = torch.split(dense(getattr(layer, stack)), [module.out_features for module in modules])
            for module, part in zip(modules, parts, strict=True):
                module.weight.data = part
    theirs.model.embed_tokens.weight.data = dense(model._embed)
    theirs.lm_head.weight.data = dense(model._lm_head)
    with torch.inference_mode():
        every: torch.Tensor = theirs(torch.tensor([tokens])).logits[0]
    return every


def test_logits_equal_those_of_transformers(model: Decoder) -> None:
    want = reference(model, TOKENS)[-1]
    torch.testing.assert_close(logits(model, TOKENS, States(model, 64)), want, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("low_bit", ["asym_int4", "sym_int5", "asym_int5"])
def test_logits_equal_those_of_transformers_in_other_types(
    low_bit: str, source: Path, tmp_path: Path
) -> None:
    convert(source, tmp_path / low_bit, low_bit, lambda _: None)
    matmul = Matmul(Kernels(usable_variants()[0]), 2, ((1, "float32"),))
    model = Decoder(tmp_path / low_bit, read_manifest(tmp_path / low_bit), matmul)
    want = reference(model, TOKENS)[-1]
    torch.testing.assert_close(logits(model, TOKENS, States(model, 64)), want, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("count", [1, 16, 37])
def test_chances_of_tokens_equal_those_of_transformers(model: Decoder, count: int) -> None:
    wanted = [*TOKENS[-count + 1 :], 7] if count > 1 else [7]
    want = torch.log_softmax(reference(model, TOKENS), dim=-1)[-count:].gather(
        1, torch.tensor(wanted)[:, None]
    )[:, 0]
    states = States(model, 64)
    logits(model, TOKENS[:20], states)
    with torch.inference_mode():
        got = deque(model.score(TOKENS[20:], states, range(20, len(TOKENS)), wanted), maxlen=1).pop()
    torch.testing.assert_close(got, want, rtol=0, atol=0.05)  # the kernel rounds what it multiplies


def test_a_likelihood_is_the_same_however_the_reading_was_cut(tmp_path: Path) -> None:
    source = tiny_qwen2.write_folder(tmp_path / "source", max_position_embeddings=4096)
    convert(source, tmp_path / "sym_int8", "sym_int8", lambda _: None)
    engine = IpexEngine(tmp_path / "sym_int8", model="tiny")
    empty = Prompt(messages=(Message(role="user", parts=("",)),))
    text = ("the river ends " * 100)[: CHUNK - 8 - engine.count_tokens(empty)]
    prompt = Prompt(messages=(Message(role="user", parts=(text,)),))
    assert engine.count_tokens(prompt) == CHUNK - 8
    whole = told(engine.likelihood(prompt, "Where does the river end?"))
    again = told(engine.likelihood(prompt, "Where does the river end?"))
    assert whole == pytest.approx(again, abs=0.05)
    assert told(engine.likelihood(prompt, "Where does the river bend?")) != pytest.approx(whole, abs=0.05)


def told(readings: Generator[Reading, None, float]) -> float:
    try:
        while True:
            next(readings)
    except StopIteration as stop:
        return float(stop.value)


def test_reading_in_chunks_and_token_by_token_gives_the_same(model: Decoder) -> None:
    want = logits(model, TOKENS, States(model, 64))
    states = States(model, 64)
    logits(model, TOKENS[:25], states)
    logits(model, TOKENS[25:50], states, 25)
    for past in range(50, 60):
        last = logits(model, TOKENS[past : past + 1], states, past)
    torch.testing.assert_close(last, want, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("count", [2, 5, FEW])
@pytest.mark.parametrize("variant", usable_variants())
def test_tokens_read_at_once_have_the_same_bits_as_one_by_one(folder: Path, variant: str, count: int) -> None:
    model = Decoder(folder, read_manifest(folder), Matmul(Kernels(variant), 2))
    once, one_by_one = States(model, 64), States(model, 64)
    for states in (once, one_by_one):
        logits(model, TOKENS[:30], states)
    slots = range(30, 30 + count)
    with torch.inference_mode():
        steps = model.forward(TOKENS[30 : slots.stop], once, slots, rows=count)
        got = deque(steps, maxlen=1).pop()
    want = torch.stack([logits(model, [TOKENS[slot]], one_by_one, slot) for slot in slots])
    assert got.shape == (count, len(tiny_qwen2.TOKENS))
    assert torch.equal(got, want)
    assert torch.equal(once.keys[:, :, : slots.stop], one_by_one.keys[:, :, : slots.stop])
    assert torch.equal(once.values[:, :, : slots.stop], one_by_one.values[:, :, : slots.stop])


class Prophet:
    """Guesses what was written the last time, right up to a place that moves on."""

    known: Sequence[int] = ()

    def __init__(self, prompt: Sequence[int], costs: Costs) -> None:
        self._place = 0
        self._most = len(costs) - 1

    def guess(self, written: int, *, room: int) -> Sequence[int]:
        assert written == self.known[self._place]
        self._place += 1
        guessed = [*self.known[self._place : self._place + min(room, self._most)]]
        wrong = self._place % 7
        guessed[wrong : wrong + 1] = [(token + 1) % 200 for token in guessed[wrong : wrong + 1]]
        return guessed

    def learn(self, right: Sequence[int]) -> None:
        self._place += len(right)


@pytest.mark.parametrize("question", ["Who?", "How much was it?", "为什么？"])
def test_guesses_right_and_wrong_change_no_answer(
    folder: Path, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = Prompt(messages=(Message(role="user", parts=(question,)),))
    options = Generation(max_tokens=48)
    engine = IpexEngine(folder, model="tiny")
    engine._matmul.plan, engine._costs = KERNEL_ALONE, ALONE
    alone = "".join(each for each in engine.stream(prompt, options) if isinstance(each, str))
    written = engine._kept._kept[-1].held.tokens[engine.count_tokens(prompt) :]
    assert len(written) > 7
    monkeypatch.setattr(Prophet, "known", [*written, 0])  # the last token is not read any more
    monkeypatch.setattr(writing, "Lookup", Prophet)
    guessing = IpexEngine(folder, model="tiny")
    guessing._matmul.plan, guessing._costs = KERNEL_ALONE, (1.0,) * FEW
    assert "".join(each for each in guessing.stream(prompt, options) if isinstance(each, str)) == alone
    assert guessing._kept._kept[-1].held.tokens == engine._kept._kept[-1].held.tokens


def test_no_more_are_guessed_than_the_kernel_multiplies(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "out", "sym_int8", lambda _: None)
    speeds = tmp_path / "out" / "speeds.json"
    IpexEngine(tmp_path / "out", model="tiny", threads=1)
    measured = json.loads(speeds.read_text(encoding="utf-8"))
    for plan, most in (([[1, "kernel"], [4, "float32"]], 3), ([[1, "kernel"], [2, "bfloat16"]], 1)):
        speeds.write_text(json.dumps({**measured, "plan": plan, "busy": False}), encoding="utf-8")
        (tmp_path / "out" / "pace.json").unlink()
        engine = IpexEngine(tmp_path / "out", model="tiny", threads=1)
        assert len(engine._costs) == most
    engine = IpexEngine(tmp_path / "out", model="tiny", threads=2)
    assert len(engine._costs) == min(engine._matmul.alike, FEW)


def test_gates_have_the_same_bits_however_many_threads_share_them() -> None:
    x = torch.randn(FEW, 2 * 8960)[:, :8960]  # as in the 1.5B model: a part of each row
    alone = torch.cat([gated(row[None]) for row in x])
    try:
        for threads in (2, 3, 4):
            torch.set_num_threads(threads)
            for count in (2, 8, 13, FEW):
                assert torch.equal(gated(x[:count]), alone[:count])
    finally:
        torch.set_num_threads(2)
    torch.testing.assert_close(alone, x * x.sigmoid())


def test_reading_stops_between_layers(model: Decoder) -> None:
    steps = model.forward(TOKENS, States(model, 64), range(len(TOKENS)))
    with torch.inference_mode():
        assert sum(1 for _ in steps) == tiny_qwen2.CONFIG["num_hidden_layers"] + 1


def row(*tokens: int) -> Layout:
    return Layout(tokens=tokens, places=range(len(tokens)))


def read(kept: KeptStates, *tokens: int) -> Kept:
    """Take states for a prompt, and note it as read."""
    taken = kept.take(row(*tokens), room=100)
    taken.held.note(row(*tokens), len(tokens))
    return taken


def known(kept: KeptStates, layout: Layout, room: int = 100) -> int:
    return len(kept.take(layout, room=room).held.tokens)


def test_a_continued_prompt_is_not_read_again(model: Decoder) -> None:
    kept = KeptStates(model, 4096)
    logits(model, TOKENS, read(kept, *TOKENS).states)
    again = kept.take(row(*TOKENS, 7, 8), room=100)
    assert again.held.tokens == TOKENS
    got = logits(model, [7, 8], again.states, len(TOKENS))
    want = logits(model, [*TOKENS, 7, 8], States(model, 64))
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-3)


def test_the_same_prompt_again_reads_its_last_token_only(model: Decoder) -> None:
    kept = KeptStates(model, 4096)
    read(kept, *TOKENS)
    assert known(kept, row(*TOKENS)) == len(TOKENS) - 1


def test_the_same_tokens_at_other_places_are_another_prompt(model: Decoder) -> None:
    kept = KeptStates(model, 4096)
    read(kept, *TOKENS)
    places = [*range(20), *range(15, 15 + len(TOKENS) - 20)]
    assert known(kept, Layout(tokens=TOKENS, places=places)) == 20


def test_another_conversation_shares_the_beginning_and_leaves_the_first_alone(model: Decoder) -> None:
    kept = KeptStates(model, 4096)
    logits(model, TOKENS, read(kept, *TOKENS).states)
    other = [*TOKENS[:30], *range(5)]
    branch = kept.take(row(*other), room=100)
    assert len(branch.held.tokens) == 30
    got = logits(model, other[30:], branch.states, 30)
    branch.held.note(row(*other), len(other))
    torch.testing.assert_close(got, logits(model, other, States(model, 64)), rtol=1e-4, atol=1e-3)
    assert known(kept, row(*TOKENS, 1)) == len(TOKENS)


def test_the_least_recently_used_gives_way_when_room_is_short(model: Decoder) -> None:
    kept = KeptStates(model, 512)
    for first in (1, 2, 3):
        read(kept, first, *TOKENS)
    assert known(kept, row(3, *TOKENS, 9)) == len(TOKENS) + 1
    assert known(kept, row(1, *TOKENS, 9)) == 0


def test_a_beginning_that_was_just_shared_counts_as_used(model: Decoder) -> None:
    kept = KeptStates(model, 512)
    for first in (1, 2):
        read(kept, first, *TOKENS)
    kept.take(row(1, 2, 3), room=3)  # begins like the first, and takes the room of the second
    assert known(kept, row(1, *TOKENS, 9), room=1) == len(TOKENS) + 1


def test_a_prompt_left_halfway_leaves_nothing_wrong(model: Decoder) -> None:
    kept = KeptStates(model, 4096)
    taken = kept.take(row(*TOKENS), room=100)
    with torch.inference_mode():
        # the reader goes away after the first layer
        next(model.forward(TOKENS, taken.states, range(len(TOKENS))))
    assert known(kept, row(*TOKENS)) == 0


def test_embeddings_and_head_keep_eight_bits(model: Decoder) -> None:
    assert model._embed.low_bit == model._lm_head.low_bit == WIDE
