"""Two runs of `rag evaluate` question by question: what the second gained and lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from rag.errors import InputError
from rag.evaluate.figures import difference_of
from rag.evaluate.report import show

Record: TypeAlias = Mapping[str, Any]
Pair: TypeAlias = tuple[Record, Record]

SCORES: Final = ("f1", "exact_match", "contained", "first_token", "total")
CITED: Final = ("precision", "recall")


def compare(first: Path, second: Path) -> str:
    """Return the differences, second less first, with 95 % intervals, and the questions that differ.

    Of each run only the first variant counts, and a question that both hold to have an answer, or both not.

    Raises:
        InputError: when a file is not such a run, or the two share no question.
    """
    pairs = _pairs(_questions(first), _questions(second))
    if not pairs:
        raise InputError(
            f"{first} and {second} share no question; run both over the same set with the same --seed"
        )
    lines = [f"{len(pairs)} questions in both; {second.name} less {first.name}:", ""]
    lines += _differences(pairs)
    for kind, some in (("better", _changed(pairs, 1)), ("worse", _changed(pairs, -1))):
        lines += ["", f"{kind} in {second.name}: {len(some)}"]
        lines += [line for pair in some for line in _told(pair)]
    return "\n".join(lines)


def _questions(file: Path) -> dict[str, Record]:
    try:
        whole = json.loads(file.read_text(encoding="utf-8"))
        variant = next(iter(whole["variants"]))
        return {each["id"]: each for each in whole["questions"] if each["variant"] == variant}
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as exc:
        raise InputError(f"{file} is not a run that `rag evaluate --json` has written: {exc!r}") from exc


def _pairs(first: Mapping[str, Record], second: Mapping[str, Record]) -> list[Pair]:
    return [
        (each, second[key])
        for key, each in first.items()
        if key in second and each["answerable"] == second[key]["answerable"]
    ]


def _differences(pairs: Sequence[Pair]) -> Iterator[str]:
    answerable = [pair for pair in pairs if pair[0]["answerable"]]
    others = [pair for pair in pairs if not pair[0]["answerable"]]
    for key in SCORES:
        yield from _difference(key, _both(pairs, key))
    for key in CITED:
        yield from _difference(f"citation {key}", _both(_cited(answerable), key))
    yield from _difference("refused_unanswerable", _both(others, "refused"))
    yield from _difference("refused_answerable", _both(answerable, "refused"))
    yield from _difference("reciprocal rank", [(_reciprocal(a), _reciprocal(b)) for a, b in answerable])


def _cited(pairs: Sequence[Pair]) -> list[Pair]:
    return [(a.get("citation") or {}, b.get("citation") or {}) for a, b in pairs]


def _both(pairs: Sequence[Pair], key: str) -> list[tuple[float, float]]:
    """Return what both runs have a figure of."""
    values = [(a.get(key), b.get(key)) for a, b in pairs]
    return [(float(a), float(b)) for a, b in values if a is not None and b is not None]


def _difference(name: str, values: Sequence[tuple[float, float]]) -> Iterator[str]:
    if values:
        yield f"{name:24}{show(difference_of([a for a, _ in values], [b for _, b in values]))}"


def _reciprocal(record: Record) -> float:
    rank = record["ranks"]["hybrid"]
    return 1 / rank if rank else 0.0


def _goodness(record: Record) -> float:
    """Return how well the question went: the answer where there is one, else the rank."""
    if "refused" not in record:
        return _reciprocal(record)
    if not record["answerable"]:
        return float(record["refused"])
    return float(record["f1"])


def _changed(pairs: Sequence[Pair], sign: int) -> list[Pair]:
    alike = [pair for pair in pairs if ("refused" in pair[0]) == ("refused" in pair[1])]
    by_gain = {id(pair): sign * (_goodness(pair[1]) - _goodness(pair[0])) for pair in alike}
    changed = [pair for pair in alike if by_gain[id(pair)] > 0]
    return sorted(changed, key=lambda pair: -by_gain[id(pair)])


def _told(pair: Pair) -> Iterator[str]:
    first, second = pair
    wanted = " | ".join(first["answers"]) if first["answerable"] else "no answer"
    yield f"  {first['id']}  {first['question']}  (right: {wanted})"
    for record in (first, second):
        said = record.get("answer", f"rank {record['ranks']['hybrid']}")
        yield f"      {_goodness(record):.2f}  {' '.join(str(said).split())}"
