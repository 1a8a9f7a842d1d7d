"""Questions that nothing answers, for a set that has none: their documents are left out of the index."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from rag.errors import InputError
from rag.evaluate.sets import Question, QuestionSet
from rag.index import Index


def withheld_from(
    questions: QuestionSet, drawn: Sequence[Question], *, count: int, seed: int
) -> tuple[Question, ...]:
    """Draw questions about documents that none of `drawn` is about, which so keep theirs.

    Raises:
        InputError: when there are fewer than `count`.
    """
    texts = questions.texts
    kept = {texts.get(each.document, each.document) for each in drawn}
    others = [
        each
        for each in questions.questions
        if each.answerable and texts.get(each.document, each.document) not in kept
    ]
    if len(others) < count:
        raise InputError(
            f"{questions.name} has {len(others):,} answerable questions about documents that no question "
            f"drawn is about, too few to withhold {count:,}; withhold fewer, or draw fewer with --questions"
        )
    withheld = random.Random(seed).sample(others, count)  # noqa: S311
    return tuple(replace(each, answers=(), quotes=(), withheld=True) for each in withheld)


def leave_out(index: Index, questions: Sequence[Question]) -> None:
    """Remove the documents of withheld questions from the index, and all that are byte for byte the same.

    Raises:
        InputError: when one of them is what another question is about.
    """
    files = index.files()
    withheld = {files[each.document].digest: each.document for each in questions if each.withheld}
    gone = {source: file.digest for source, file in files.items() if file.digest in withheld}
    for each in questions:
        if not each.withheld and each.document in gone:
            raise InputError(
                f"question {each.id} asks about {each.document!r}, of which "
                f"{withheld[gone[each.document]]!r}, to be withheld, is a copy; let all questions name the "
                "same file, or set another --seed"
            )
    if gone:
        with index.writing():
            index.remove(list(gone))
