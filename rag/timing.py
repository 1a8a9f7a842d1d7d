"""`rag benchmark`, and the choice of the engine that comes of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rag.bars import progress_bars
from rag.chores import notice
from rag.errors import InputError, RagError
from rag.exit_status import OK
from rag.measuring import writable

if TYPE_CHECKING:
    from rag.config import Config
    from rag.datatypes import ProgressCallback

NAMES: Final = ("engines", "lengths", "passages", "start", "sync", "retrieval", "embedding", "index", "all")
CASES: Final = """\
Each engine runs in a process of its own, and all take turns on the same prompts:
  engines    four passages of about 240 tokens: read then (cold), again with another
             question (prefix), and read before, each by itself (passages warm)
  lengths    256 to 4096 tokens, cold
  passages   1, 2, 4 and 8 passages, cold and warm
Of the rest:
  start      a new process until it has loaded the engine, and has answered; memory, disk
  sync       the documents of the data folder, into an empty index and once more
  retrieval  the search for the passages of a question
  embedding  the embedder beside plain PyTorch
  index      a large index: to make, to start, to search
  all        each of these
"""


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `rag benchmark`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = CASES
    parser.add_argument(
        "--case",
        choices=NAMES,
        default="engines",
        help="what to measure (default engines); see below",
    )
    parser.add_argument(
        "--engines",
        nargs="?",
        const="",
        metavar="NAMES",
        help="comma-separated; rivals are llamacpp-plain, openvino-plain, ipex-stock; by default all that "
        "can run. Without names: find out which engine of ours is fastest here, and let engine=auto mean it",
    )
    parser.add_argument("--rounds", type=int, default=3, help="counted rounds after the warm-up (default 3)")
    parser.add_argument(
        "--passages",
        type=int,
        metavar="N",
        help="of the index made (default 1000 for retrieval, 100000 for index)",
    )
    parser.add_argument("--questions", type=Path, metavar="FILE", help="asked of that index, one a line")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", dest="json_file", help="write the figures there, too"
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", dest="html_file", help="write a page with plots there"
    )


def benchmark(  # noqa: PLR0913 - one for each flag
    settings: dict[str, Any],
    *,
    case: str,
    engines: str | None,
    rounds: int,
    passages: int | None,
    questions: Path | None,
    json_file: Path | None,
    html_file: Path | None,
) -> int:
    from rag.benchmark.every import Order, measure
    from rag.benchmark.page import to_html
    from rag.config import Config

    config = Config(**settings)
    if engines == "":
        if json_file or html_file:
            raise InputError("--json and --html go with a comparison: name the engines after --engines")
        return _choose(config)
    for file in filter(None, (json_file, html_file)):
        writable(file)
    names = engines.split(",") if engines else None
    order = Order(rounds=rounds, engines=names, passages=passages, questions=questions)
    with progress_bars() as progress:
        done = measure(case, config, order, progress)
    print(done.table)
    if json_file:
        json_file.write_text(done.json, encoding="utf-8")
    if html_file:
        html_file.write_text(to_html(done.report), encoding="utf-8")
    return OK


def _choose(config: Config) -> int:
    from rag.benchmark.fastest import measure_fastest, to_table

    with progress_bars() as progress:
        measured = measure_fastest(config, progress=progress)
    print(to_table(measured, config))
    return OK


def choose_engine(config: Config, progress: ProgressCallback) -> None:
    """Measure the engines that are to be, where there is a choice, once, and tell of it.

    It is no reason not to start when that fails: what answers then is what did before.
    """
    from rag.benchmark.fastest import measure_fastest
    from rag.engines.choice import AUTO, chosen_engine, to_measure, told

    if config.engine != AUTO or not config.measure_engines:
        return
    waiting = to_measure(config)
    if not waiting:
        return
    try:
        measured = measure_fastest(config, engines=waiting, progress=progress)
    except RagError as exc:
        notice(f"the engines could not be measured, so {chosen_engine(config)} answers: {exc}")
    else:
        fastest = measured.fastest
        notice(f"{fastest} is the fastest engine here: {told(measured.speeds[fastest])}")
