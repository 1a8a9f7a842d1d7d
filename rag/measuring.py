"""The commands that judge answers: `rag evaluate` and `rag calibrate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.bars import progress_bars
from rag.errors import ConfigError, InputError
from rag.exit_status import OK

if TYPE_CHECKING:
    from rag.evaluate import Report


def evaluate(  # noqa: PLR0913 - one for each flag
    settings: dict[str, Any],
    *,
    paths: Sequence[Path],
    questions: int,
    withhold: int,
    variants: Sequence[str] | None,
    retrieval_only: bool,
    closed_book: bool,
    json_file: Path | None,
    html_file: Path | None,
    draft: Path | None,
    compare: bool,
) -> int:
    if draft:
        return _draft(settings, draft, size=questions)
    if compare:
        return _compare(paths)
    from rag.config import Config
    from rag.evaluate import Plan, parse_variant, read_set
    from rag.evaluate import evaluate as run

    if len(paths) != 1:
        raise InputError("name one question set; `rag evaluate --help` tells its formats")
    if withhold and retrieval_only:
        raise InputError("--withhold measures refusing, which --retrieval-only leaves out; drop one of them")
    for file in filter(None, (json_file, html_file)):
        writable(file)
    reuses, settings = _reuses(settings)
    config = Config(**settings)
    plan = Plan(
        size=questions or None,
        withhold=withhold,
        seed=config.seed,
        variants=tuple(parse_variant(said) for said in _varied(variants or [""], reuses)),
        read_before=bool(reuses),
        answers=not retrieval_only,
        closed_book=closed_book,
    )
    with progress_bars() as progress:
        report = run(config, read_set(paths[0]), plan, progress=progress)
    _show(report, json_file, html_file)
    return OK


def _reuses(settings: dict[str, Any]) -> tuple[Sequence[str], dict[str, Any]]:
    """Return the values of `reuse` where there are several, as in "on,off", and the other settings."""
    reuses = settings.get("reuse", "").split(",")
    if len(reuses) == 1:
        return [], settings
    return reuses, {name: value for name, value in settings.items() if name != "reuse"}


def _varied(variants: Sequence[str], reuses: Sequence[str]) -> Sequence[str]:
    if not reuses:
        return variants
    return [f"{said},reuse={each}".strip(",") for said in variants for each in reuses]


def _show(report: Report, json_file: Path | None, html_file: Path | None) -> None:
    from rag.evaluate.page import to_html
    from rag.evaluate.report import to_json, to_table

    print(to_table(report))
    if json_file:
        json_file.write_text(to_json(report), encoding="utf-8")
    if html_file:
        html_file.write_text(to_html(report), encoding="utf-8")


def calibrate(settings: dict[str, Any], *, paths: Sequence[Path], questions: int) -> int:
    from rag.config import Config
    from rag.engines.answerable import FILE, write_probe
    from rag.evaluate import read_set
    from rag.evaluate.calibrate import calibrate as run
    from rag.evaluate.calibrate import to_table
    from rag.models import chosen_model, lowbit_folder

    config = Config(**settings)
    sets = [read_set(path) for path in paths]
    with progress_bars() as progress:
        calibration = run(config, sets, size=questions or None, seed=config.seed, progress=progress)
    file = lowbit_folder(chosen_model(config), config) / FILE
    write_probe(file, calibration.probe)
    print(to_table(calibration))
    print(f"{file} is made; {chosen_model(config)} uses it from now on, and without it what is shipped")
    return OK


def _compare(paths: Sequence[Path]) -> int:
    from rag.evaluate.compare import compare

    if len(paths) != 2:  # noqa: PLR2004
        raise InputError("--compare needs two files written by `rag evaluate --json`")
    print(compare(*paths))
    return OK


def _draft(settings: dict[str, Any], file: Path, *, size: int) -> int:
    """Write line by line, so that an interrupted draft keeps what it has."""
    from rag.config import Config
    from rag.evaluate.draft import draft
    from rag.pipeline import Rag

    if file.exists():
        raise ConfigError(f"{file} is there already; name a new file")
    if not size:
        raise InputError("--draft needs to know how many questions to propose; say --questions 20")
    writable(file)
    count = 0
    try:
        with (
            Rag(Config(**settings)) as rag,
            file.open("w", encoding="utf-8") as out,
            progress_bars() as progress,
        ):
            for line in draft(rag, size=size, seed=rag.config.seed, progress=progress):
                out.write(line + "\n")
                out.flush()
                count += 1
    finally:
        if not count:
            file.unlink()  # else the next try would find it there already
    if not count:
        raise InputError(
            "the LLM proposed no question that can be used; add documents, or set another --seed or --model"
        )
    print(
        f'{count} questions are in {file}: read each, mend or delete it, set "confirmed" to true, '
        f"then run `rag evaluate {file}`"
    )
    return OK


def writable(file: Path) -> None:
    """See that a file can be written; raises ConfigError."""
    try:
        file.touch()
    except OSError as exc:
        raise ConfigError(f"{file} cannot be written: {exc.strerror}; name another file") from exc
