"""How good the answers are: questions with known answers, asked of a throw-away index of their documents."""

from __future__ import annotations

from dataclasses import replace

from rag.config import Config, is_secret
from rag.datatypes import ProgressCallback
from rag.errors import ConfigError, InputError
from rag.evaluate.report import Report, summarise
from rag.evaluate.run import Plan, Variant, run_questions
from rag.evaluate.sets import QuestionSet, read_set, sample
from rag.evaluate.withhold import withheld_from

__all__ = ["Plan", "Report", "Variant", "evaluate", "parse_variant", "read_set"]


def evaluate(
    config: Config,
    questions: QuestionSet,
    plan: Plan | None = None,
    *,
    progress: ProgressCallback = lambda _: None,
) -> Report:
    """Ask what `plan` says, and compute every figure.

    Raises:
        ConfigError: for a setting that is not known.
        InputError: when the set has no question to ask or too few to withhold, or a document of it cannot
            be read.
        RagError: when a model is missing or fails.
    """
    plan = plan or Plan()
    drawn = sample(questions.questions, size=plan.size, seed=plan.seed)
    if not drawn:
        waiting = f"; {questions.unconfirmed:,} wait to be confirmed" if questions.unconfirmed else ""
        raise InputError(f"{questions.name} has no question to ask{waiting}")
    drawn += withheld_from(questions, drawn, count=plan.withhold, seed=plan.seed)
    asked = run_questions(config, replace(questions, questions=drawn), plan, progress=progress)
    return summarise(asked, made=_made(config, questions, plan, n=len(drawn)))


def parse_variant(said: str) -> Variant:
    """Read for example "top_k=2,passage_tokens=128".

    Raises:
        ConfigError: when a part is not setting=value, or a secret, which others could read.
    """
    settings: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in said.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(
                f"variant {said!r}: {part!r} is not setting=value, as in top_k=2,passage_tokens=128"
            )
        name = name.strip().replace("-", "_")
        if is_secret(name):
            raise ConfigError(f"variant: {name} is a secret; set it in rag.toml or as RAG_{name.upper()}")
        settings[name] = value.strip()
    return Variant(name=said or "as set", settings=settings)


def _made(config: Config, questions: QuestionSet, plan: Plan, *, n: int) -> dict[str, str | int]:
    import rag
    from rag.benchmark import machine
    from rag.engines import chosen_engine
    from rag.models import answering_name, chosen_model

    asks = plan.answers or plan.closed_book
    engine = chosen_engine(config)
    model = "" if engine == "echo" else answering_name(chosen_model(config), config)
    using = {
        **({"model": model} if model else {}),  # a server may not have been asked for one by name
        **({"low_bit": config.low_bit} if engine == "ipex" else {}),
        "engine": engine,
    }
    return {
        "set": questions.name,
        "n": n,
        **({"withheld": plan.withhold} if plan.withhold else {}),
        "seed": plan.seed,
        **({"passages": "read before"} if plan.read_before else {}),
        "embedder": config.embedder,
        **(using if asks else {}),
        "config": config.hash,
        "kaoju": rag.__version__,
        "machine": machine(config),
    }
