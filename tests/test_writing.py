"""Answers written token by token: guesses change nothing, and what ends them ends them at once."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from rag.datatypes import Generation
from rag.engines.lookup import ALONE, RUN, WORTH, Costs, Lookup, best_count, costs_between
from rag.engines.writing import Logits, Writing, check_room
from rag.errors import EngineError
from rag.tokenizer.chat import ChatTokenizer
from rag.tokenizer.vocabularies import build_tokenizer
from tests.tiny_qwen2 import MERGES, TOKENS, TYPES

END = TOKENS.index("<|im_end|>")
FREE = (1.0,) * 6  # five guesses cost nothing


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text(build_tokenizer(TOKENS, TYPES, MERGES), encoding="utf-8")
    return ChatTokenizer(path)


class Table:
    """A language model whose next token depends on the last two, and is asked for several at once."""

    def __init__(self, tokens: Sequence[int], *, costs: Costs, seed: int = 0) -> None:
        self.costs = costs
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
    tokenizer: ChatTokenizer,
    prompt: Sequence[int],
    options: Generation,
    *,
    costs: Costs,
    seed: int = 0,
) -> tuple[str, Writing, Table]:
    table = Table(prompt, costs=costs, seed=seed)
    writing = Writing(tokenizer, options, None)
    text = "".join(writing.pieces(prompt, table.after(prompt), table))
    return text, writing, table


@pytest.mark.parametrize("seed", range(12))
def test_guessing_changes_no_greedy_answer(tokenizer: ChatTokenizer, seed: int) -> None:
    chance = random.Random(seed)
    beginning = [chance.randrange(256) for _ in range(RUN)]
    table = Table([], costs=ALONE, seed=seed)
    prompt = list(beginning)
    for _ in range(40):  # the prompt holds what the model would write, so that guesses are often right
        prompt.append(int(table.after(prompt).argmax()))
    prompt += [chance.randrange(256), *beginning]
    options = Generation(max_tokens=32, stop=("never said",))
    plain, one, alone = written(tokenizer, prompt, options, costs=ALONE, seed=seed)
    guessed, other, fast = written(tokenizer, prompt, options, costs=FREE, seed=seed)
    assert (guessed, other.count, other.finish) == (plain, one.count, one.finish)
    assert fast.read[: len(alone.read)] == alone.read[: len(fast.read)]
    assert fast.calls < alone.calls


@pytest.mark.parametrize("most", [1, 2, 7])
def test_an_answer_has_no_more_tokens_than_asked_for(tokenizer: ChatTokenizer, most: int) -> None:
    prompt = [65, 66, 67] * 9
    for costs in (ALONE, FREE):
        _, writing, table = written(tokenizer, prompt, Generation(max_tokens=most), costs=costs)
        assert writing.count <= most
        assert len(table.read) <= len(prompt) + most - 1


class Says:
    """Says given tokens, whatever is read; may look one ahead."""

    costs = ALONE

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
    one, same, other = (written(tokenizer, [65, 66], each, costs=FREE)[0] for each in options)
    assert one == same != other
    cold = Generation(max_tokens=24, temperature=1e-4, seed=3)
    assert (
        written(tokenizer, [65, 66], cold, costs=ALONE)[0]
        == written(tokenizer, [65, 66], Generation(max_tokens=24), costs=ALONE)[0]
    )


def like_before(tokens: Sequence[int], written: int) -> tuple[int, int]:
    """Return the longest run of the last tokens, of those written, that stood before, and its latest end."""
    found = [
        (run, end)
        for end in range(1, len(tokens))
        for run in range(1, min(written, end, RUN) + 1)
        if tokens[end - run : end] == tokens[-run:]
    ]
    return max(found, default=(0, len(tokens)))


@pytest.mark.parametrize("seed", range(40))
def test_what_followed_the_latest_of_the_longest_like_runs_is_guessed(seed: int) -> None:
    chance = random.Random(seed)
    tokens = [chance.randrange(3) for _ in range(chance.randrange(1, 60))]
    lookup, prompt = Lookup(tokens, FREE), len(tokens)
    for _ in range(30):
        tokens.append(chance.randrange(3))
        guessed = lookup.guess(tokens[-1], room=4)
        run, end = like_before(tokens, len(tokens) - prompt)
        assert guessed == (tokens[end : end + 4] if run else [])
        right = guessed[: chance.randrange(len(guessed) + 1)]
        lookup.learn(right)
        tokens += right


def test_what_ends_a_prompt_does_not_lengthen_a_run() -> None:
    ended = [*range(RUN - 1)]
    prompt = [*ended, 99, 50, 51, 99, 60, *ended]
    assert Lookup(prompt, FREE).guess(99, room=2) == [60, 0]
    dear = costs_between({1: 1.0, 3: 3.0})  # for what follows a run of one, which is seldom right
    assert Lookup(prompt, dear).guess(99, room=2) == []


@pytest.mark.parametrize("seed", range(30))
def test_as_many_are_guessed_as_write_most_in_a_time(seed: int) -> None:
    chance = np.random.default_rng(seed)
    chances, costs = chance.random(5), np.cumsum(chance.random(6)) + 1
    costs /= costs[0] * chance.uniform(1, 3)
    costs[0] = 1.0
    tries = 20_000
    right = (chance.random((tries, 5)) < chances).cumprod(axis=1)
    rates = [(1 + right[:, :count].sum(axis=1).mean()) / costs[count] for count in range(6)]
    got = best_count([float(each) for each in chances], [float(each) for each in costs])
    if got:
        assert rates[got] > max(rates) - 0.03
        assert rates[got] > WORTH - 0.03
    else:
        assert max(rates) < WORTH + 0.03


def test_nothing_is_guessed_where_several_cost_as_much_as_one_by_one_or_nobody_knows() -> None:
    assert best_count([0.9, 0.9], [1.0, 2.0, 3.0]) == 0
    assert best_count([0.9, 0.9], [1.0, 1.2, 1.4]) == 2
    assert best_count([0.9], [1.0, 1.9 / (WORTH + 0.01)]) == 1
    assert best_count([0.9], [1.0, 1.9 / (WORTH - 0.01)]) == 0
    assert best_count([0.9, 0.9], [1.0, 1.2]) == 1
    assert best_count([0.9], [1.0]) == best_count([0.9], []) == best_count([], [1.0, 1.1]) == 0


def test_costs_lie_on_lines_between_what_was_measured() -> None:
    assert costs_between({1: 2.0, 2: 3.0, 4: 8.0}) == (1.0, 1.5, 2.75, 4.0)
    assert costs_between({1: 2.0}) == costs_between({}) == (1.0,)


def test_what_does_not_fit_names_all_its_numbers() -> None:
    check_room(60, 40, model="small", context=100)
    with pytest.raises(EngineError, match="61 tokens and the answer up to 40, but small has room for 100"):
        check_room(61, 40, model="small", context=100)
