"""Make the probe of `rag.engines.answerable` from questions of which it is known whether they have an answer.

Each is put to the LLM with one passage, the best of its own document: there a set like SQuAD 2 has questions
without an answer. Every second answerable one is put again with the best of another document, which is what
the LLM reads where the search was wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from rag.config import Config
from rag.datatypes import Hit, Progress, ProgressCallback, Prompt, Scope
from rag.embed import open_embedder
from rag.engines import Engine, open_engine
from rag.errors import ConfigError, InputError
from rag.evaluate.curve import RefusalCurve, curve_lines
from rag.evaluate.run import check_documents, documents_of
from rag.evaluate.sets import Question, QuestionSet, sample
from rag.pipeline import Rag
from rag.prompt import Language, fit, language
from rag.refuse import LEAST_ANSWERABLE
from rag.retrieve import retrieve

if TYPE_CHECKING:
    from collections.abc import Generator

    from rag.datatypes import Reading
    from rag.engines.answerable import Looked, Probe

Values: TypeAlias = NDArray[np.float64]

STRENGTH: Final = 1e-3  # inverse regularisation of the standardised states
FOLDS: Final = 8
FEWEST: Final = 40  # examples of each kind that a probe can be made from
OWN: Final = "without an answer in their document"
OTHER: Final = "shown another document"


class Looking(Protocol):
    """An engine whose state can be looked at."""

    def look(self, prompt: Prompt) -> Generator[Reading, None, Looked]:
        """Read a prompt; return the state of its last token."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What the LLM's state was when it had read a question and a passage."""

    looked: Looked
    answerable: bool
    document: str  # asked about; of the passage where none is named
    spoken: Language
    elsewhere: bool = False  # the passage is of another document than the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A probe made from all examples, and the curves of probes that had not seen what they judge."""

    probe: Probe
    curves: Mapping[str, RefusalCurve]  # by language and kind


def calibrate(
    config: Config,
    sets: Sequence[QuestionSet],
    *,
    size: int | None = None,
    seed: int = 0,
    progress: ProgressCallback = lambda _: None,
) -> Calibration:
    """Make a probe for the LLM of `config` from at most `size` questions of each kind of each set.

    Raises:
        ConfigError: when the engine's state cannot be looked at.
        InputError: when a document of a set is missing, or there are too few questions of either kind.
        RagError: when a model is missing or fails.
    """
    engine, embedder = open_engine(config), open_embedder(config)
    examples: list[Example] = []
    for questions in sets:
        drawn = replace(questions, questions=sample(questions.questions, size=size, seed=seed))
        with documents_of(config, questions) as folder, TemporaryDirectory(prefix="rag-calibrate-") as made:
            placed = config.model_copy(update={"data_dir": folder, "index_dir": Path(made)})
            with Rag(placed, engine=engine, embedder=embedder) as rag:
                rag.sync(progress)
                check_documents(rag, drawn.questions)
                examples.extend(examples_of(rag, drawn, progress))
    return calibrated(examples)


def examples_of(rag: Rag, questions: QuestionSet, progress: ProgressCallback) -> Iterator[Example]:
    """Show the LLM a question with a passage, one after the other.

    Raises:
        ConfigError: when the engine's state cannot be looked at.
    """
    if not hasattr(rag.engine, "look"):
        raise ConfigError(f"the {rag.engine.name} engine tells nothing of its state; use the ipex engine")
    total, second = len(questions.questions), cycle((False, True))
    for done, question in enumerate(questions.questions):
        progress(Progress(stage="calibrating", done=done, total=total, unit="questions"))
        for elsewhere in (False, True) if question.answerable and next(second) else (False,):
            if hits := _passages(rag, question, elsewhere=elsewhere):
                yield Example(
                    looked=_look(rag.engine, _prompt(rag.engine, question, hits)),
                    answerable=question.answerable and not elsewhere,
                    document=question.document or hits[0].passage.source,
                    spoken=language(question.text),
                    elsewhere=elsewhere,
                )
    progress(Progress(stage="calibrating", done=total, total=total, unit="questions"))


def calibrated(examples: Sequence[Example]) -> Calibration:
    """Make the probe.

    Raises:
        InputError: when there are too few examples of either kind.
    """
    from rag.engines.answerable import Probe

    answerable = np.array([each.answerable for each in examples])
    if min(answerable.sum(), (~answerable).sum()) < FEWEST:
        raise InputError(
            f"{int(answerable.sum())} answerable and {int((~answerable).sum())} unanswerable questions are "
            f"too few to calibrate on; give sets with at least {FEWEST} of each"
        )
    states = np.stack([each.looked.state for each in examples]).astype(float)
    weights, bias = _unscaled(_model().fit(states, answerable))
    held_out = _held_out(states, answerable, _groups([each.document for each in examples]))
    return Calibration(
        probe=Probe(layer=examples[0].looked.layer, weights=weights, bias=bias),
        curves=_curves(examples, answerable, held_out),
    )


def _groups(documents: Sequence[str]) -> list[str]:
    """Return what is held out together: folders, whose documents are alike, or single documents."""
    folders = [document.rpartition("/")[0] or document for document in documents]
    return folders if len(set(folders)) >= FOLDS else list(documents)


def _passages(rag: Rag, question: Question, *, elsewhere: bool) -> list[Hit]:
    scope = Scope() if elsewhere or not question.document else Scope(places=(question.document,))
    hits = retrieve(question.text, index=rag.index, embedder=rag.embedder, top_k=4, scope=scope)
    own = question.document if elsewhere else None
    return [hit for hit in hits if own not in (hit.passage.source, *hit.passage.also)][:1]


def _prompt(engine: Engine, question: Question, hits: Sequence[Hit]) -> Prompt:
    return fit(question.text, hits, count=engine.count_tokens, budget=engine.context).prompt


def _look(engine: Engine, prompt: Prompt) -> Looked:
    looking = cast("Looking", engine).look(prompt)
    while True:
        try:
            next(looking)
        except StopIteration as end:
            return cast("Looked", end.value)


def _model() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000)
    return make_pipeline(StandardScaler(), regression)


def _unscaled(model: Any) -> tuple[Values, float]:
    """Return weights and bias for states as they are, of a model of standardised ones."""
    scaler, regression = model[0], model[1]
    weights = regression.coef_[0] / scaler.scale_
    return weights, float(regression.intercept_[0] - weights @ scaler.mean_)


def _held_out(states: Values, answerable: NDArray[np.bool_], groups: Sequence[str]) -> Values:
    from sklearn.model_selection import GroupKFold, cross_val_predict

    scores: Values = cross_val_predict(
        _model(), states, answerable, groups=groups, cv=GroupKFold(FOLDS), method="decision_function"
    )
    return scores


def _curves(
    examples: Sequence[Example], answerable: NDArray[np.bool_], scores: Values
) -> dict[str, RefusalCurve]:
    elsewhere = np.array([each.elsewhere for each in examples])
    curves: dict[str, RefusalCurve] = {}
    for tongue in sorted({each.spoken for each in examples}):
        own = np.array([each.spoken == tongue for each in examples])
        for kind, chosen in ((OWN, ~elsewhere), (OTHER, elsewhere)):
            yes, no = scores[own & answerable], scores[own & ~answerable & chosen]
            if len(yes) and len(no):
                curves[f"{tongue}, {kind}"] = _curve(yes, no, least=LEAST_ANSWERABLE[tongue])
    return curves


def _curve(yes: Values, no: Values, *, least: float) -> RefusalCurve:
    used = float((yes < least).mean()), float((no < least).mean())
    return RefusalCurve(answerable=tuple(sorted(yes)), unanswerable=tuple(sorted(no)), used=used)


def to_table(calibration: Calibration) -> str:
    """Return the curves for a terminal."""
    told = ((kind, *curve_lines(curve)) for kind, curve in calibration.curves.items())
    return "\n".join(line for kind, first, *rest in told for line in (f"{kind}: {first}", *rest))
