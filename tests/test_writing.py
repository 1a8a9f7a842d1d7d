"""Answers written token by token: guesses change nothing, and what ends them ends them at once."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from rag.datatypes import Generation
from rag.engines.lookup import FEW, RUN, Lookup
from rag.engines.writing import Logits, Writing, check_room
from rag.errors import EngineError
from rag.tokenizer.chat import ChatTokenizer
from rag.tokenizer.vocabularies import build_tokenizer
from tests.tiny_qwen2 import MERGES, TOKENS, TYPES

END = TOKENS.index("<|im_end|>")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text(build_tokenizer(TOKENS, TYPES, MERGES), encoding="utf-8")
    return ChatTokenizer(path)


class Table:
    """A language model whose next token depends on the last two, and is asked for several at once."""

    def __init__(self, tokens: Sequence[int], *, guesses: int, seed: int = 0) -> None:
        self.guesses = guesses
        self.read = list(tokens)
        self.calls = 0
        self._seed = seed

    def after(self, tokens: Sequence[int]) -> Logits:
        chance = np.random.default_rng([self._seed, *tokens[-2:]])
        logits = np.zeros(len(TOKENS), dtype=np.float32)
        logits[:256] = 9 * chance.random(256)  # never the end
        return logits

    def extend(self, tokens: Sequence[int]) -> Logits:
        self.calls += 1
        rows = []
        for token in tokens:
            self.read.append(token)
            rows.append(self.after(self.read))
        return np.stack(rows)

    def take_back(self, count: int) -> None:
        del self.read[len(self.read) - count :]


def written(
    tokenizer: ChatTokenizer, prompt: Sequence[int], options: Generation, *, guesses: int, seed: int = 0
) -> tuple[str, Writing, Table]:
    table = Table(prompt, guesses=guesses, seed=seed)
    writing = Writing(tokenizer, options, None)
    text = "".join(writing.pieces(prompt, table.after(prompt), table))
    return text, writing, table


@pytest.mark.parametrize("seed", range(12))
def test_guessing_changes_no_greedy_answer(tokenizer: ChatTokenizer, seed: int) -> None:
    chance = random.Random(seed)
    beginning = [chance.randrange(256) for _ in range(RUN)]
    table = Table([], guesses=0, seed=seed)
    prompt = list(beginning)
    for _ in range(40):  # the prompt holds what the model would write, so that guesses are often right
        prompt.append(int(table.after(prompt).argmax()))
    prompt += [chance.randrange(256), *beginning]
    options = Generation(max_tokens=32, stop=("never said",))
    plain, one, alone = written(tokenizer, prompt, options, guesses=0, seed=seed)
    guessed, other, fast = written(tokenizer, prompt, options, guesses=5, seed=seed)
    assert (guessed, other.count, other.finish) == (plain, one.count, one.finish)
    assert fast.read[: len(alone.read)] == alone.read[: len(fast.read)]
    assert fast.calls < alone.calls


@pytest.mark.parametrize("most", [1, 2, 7])
def test_an_answer_has_no_more_tokens_than_asked_for(tokenizer: ChatTokenizer, most: int) -> None:
    prompt = [65, 66, 67] * 9
    for guesses in (0, 4):
        _, writing, table = written(tokenizer, prompt, Generation(max_tokens=most), guesses=guesses)
        assert writing.count <= most
        assert len(table.read) <= len(prompt) + most - 1


class Says:
    """Says given tokens, whatever is read; may look one ahead."""

    guesses = 0

    def __init__(self, *said: int) -> None:
        self._said = list(said)
        self._at = 0

    def row(self, place: int) -> Logits:
        logits = np.zeros(len(TOKENS), dtype=np.float32)
        logits[self._said[min(place, len(self._said) - 1)]] = 2.0
        logits[ord("z")] = 1.0
        return logits

    def extend(self, tokens: Sequence[int]) -> Logits:
        self._at += len(tokens)
        return self.row(self._at)[None]

    def take_back(self, count: int) -> None:
        self._at -= count


def said(tokenizer: ChatTokenizer, text: str, options: Generation, *, answerable: float | None) -> str:
    says = Says(*tokenizer.encode(text), END)
    writing = Writing(tokenizer, options, answerable)
    return "".join(writing.pieces([], says.row(0), says))


def test_a_refusal_is_barred_only_as_a_whole_and_only_where_the_answer_is_likely(
    tokenizer: ChatTokenizer,
) -> None:
    options = Generation(refusals=("no way",), answer_from=1.0)
    assert said(tokenizer, "no way", options, answerable=0.5) == "no way"
    assert said(tokenizer, "no way", options, answerable=None) == "no way"
    assert said(tokenizer, "no way", options, answerable=1.0) == "zo way"
    assert said(tokenizer, "nine", options, answerable=1.0) == "nine"


def test_nothing_is_written_where_no_answer_is_likely(tokenizer: ChatTokenizer) -> None:
    options = Generation(least_answerable=0.0)
    writing = Writing(tokenizer, options, -0.1)
    says = Says(65, END)
    assert list(writing.pieces([], says.row(0), says)) == []
    assert (writing.count, writing.finish) == (0, "unanswerable")
    assert said(tokenizer, "yes", options, answerable=0.0) == "yes"


def test_a_seed_gives_the_same_words_and_chances_follow_the_temperature(tokenizer: ChatTokenizer) -> None:
    options = [Generation(max_tokens=24, temperature=1.0, seed=seed) for seed in (1, 1, 2)]
    one, same, other = (written(tokenizer, [65, 66], each, guesses=4)[0] for each in options)
    assert one == same != other
    cold = Generation(max_tokens=24, temperature=1e-4, seed=3)
    assert (
        written(tokenizer, [65, 66], cold, guesses=0)[0]
        == written(tokenizer, [65, 66], Generation(max_tokens=24), guesses=0)[0]
    )


def test_what_followed_the_latest_like_run_is_guessed() -> None:
    run = [*range(RUN)]
    lookup = Lookup([*run, 70, 71, *run, 80, 81, 90, *run[1:-1]], most=2)
    assert lookup.guess(run[-1], room=9) == []  # 90 and what follows is new
    lookup.learn([], 0)
    for token in run[:-1]:
        assert lookup.guess(token, room=9) == []
    assert lookup.guess(run[-1], room=9) == [80, 81]  # the later of two places
    assert Lookup([*run, 70, *run[:-1]], most=15).guess(run[-1], room=0) == []


def test_more_is_guessed_while_all_is_right() -> None:
    lookup = Lookup([*range(199), *range(RUN - 1)], most=FEW + 3)
    sizes, written = [], RUN - 1
    for right in (FEW, FEW + 3, 9, FEW):
        guessed = lookup.guess(written, room=99)
        assert guessed == [*range(written + 1, written + 1 + len(guessed))]
        sizes.append(len(guessed))
        lookup.learn(guessed, right)
        written += right + 1
    assert sizes == [FEW, FEW + 3, FEW + 3, FEW]
    assert len(lookup.guess(written, room=2)) == 2


def test_what_does_not_fit_names_all_its_numbers() -> None:
    check_room(60, 40, model="small", context=100)
    with pytest.raises(EngineError, match="61 tokens and the answer up to 40, but small has room for 100"):
        check_room(61, 40, model="small", context=100)
