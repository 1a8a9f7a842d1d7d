"""The console script `rag`: a thin door to `rag.pipeline.Rag`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from rag.asking import add_scope, add_why, ask, chat
from rag.bars import progress_bars
from rag.chores import export_command, import_command, notice, print_report, read, status, sync
from rag.errors import RagError
from rag.exit_status import FAILED, INTERRUPTED, INTERRUPTION, OK
from rag.measuring import calibrate, evaluate
from rag.timing import add_benchmark, benchmark, choose_engine

EPILOG: Final = """\
exit status: 0 done or answered, 1 failed, 2 wrong command line,
3 the documents hold no answer, 130 interrupted

Each setting is a flag of every command, a variable (RAG_TOP_K=6) and a line in
rag.toml (top_k = 6); `rag COMMAND --help` lists them. Passwords and the key of
a server are no flags, which others could read: set them in rag.toml or as
RAG_PASSWORDS and RAG_OPENAI_KEY.
"""


MODEL_ACTIONS: Final = {
    "list": "list the models of the catalogue",
    "pull": "fetch and convert a model",
    "show": "tell where a model is, or would be fetched from",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = vars(build_parser().parse_args(argv))
    command: Callable[..., int] = arguments.pop("command")
    settings = {name: arguments.pop(name) for name in _setting_names() if name in arguments}
    try:
        return _flushed(command(settings, **arguments))
    except RagError as exc:
        print(f"rag: {exc}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(INTERRUPTION, file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader went away, as in `rag ask … | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as exc:  # as of a full disk that standard output goes to
        what = exc.filename or "the output"
        print(f"rag: {what} cannot be written or read: {exc.strerror or exc}", file=sys.stderr)
        return FAILED


def _flushed(status: int) -> int:
    sys.stdout.flush()  # here, where a reader that went away is noticed
    return status


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; the settings' flags come from `Config`'s fields."""
    parser = argparse.ArgumentParser(
        prog="rag",
        description="Ask questions of your own documents, on an ordinary CPU, with every claim traceable.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    settings = _settings_parser()

    def add(name: str, command: Callable[..., int], summary: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=summary, description=summary, parents=[settings], allow_abbrev=False
        )
        sub.set_defaults(command=command)
        return sub

    add("run", run, "fetch and convert what is missing, sync, serve the web UI")
    syncing = as_json(add("sync", sync, "make the index equal to the data folder"))
    syncing.add_argument("--rebuild", action="store_true", help="set the old index aside and begin anew")
    as_json(
        add("status", status, "list every file with its state, and how many are ignored or changed since")
    )
    add("read", read, "let the LLM read all passages, so that no question waits for it")
    exporting = add("export", export_command, "write the index to one file, for another machine")
    exporting.add_argument("file")
    importing = add("import", import_command, "take over an index that was exported elsewhere")
    importing.add_argument("file")
    asking = as_json(add("ask", ask, "answer one question, streamed, with its sources"))
    asking.add_argument("question")
    chatting = add("chat", chat, "ask question after question in one conversation")
    for each in (asking, chatting):
        add_why(each)
        add_scope(each)
    add("ui", ui, "serve the web UI")
    _add_models(add("models", models_command, "list, fetch and convert, or describe models"), settings)
    add("doctor", doctor, "say what is installed, what is wrong and how to mend it")
    add_benchmark(
        add("benchmark", benchmark, "time the first word and decoding, the embedder, or a large index")
    )
    _add_evaluate(
        add("evaluate", evaluate, "score retrieval, answers, citations and refusals on a question set")
    )
    calibrating = add("calibrate", calibrate, "teach Kaoju when your LLM has found no answer")
    calibrating.add_argument("paths", nargs="+", type=Path, metavar="SET", help="as of `rag evaluate`")
    calibrating.add_argument(
        "--questions", type=_count, default=0, metavar="N", help="at most N of each kind of each set (0: all)"
    )
    return parser


def _add_models(parser: argparse.ArgumentParser, settings: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, dest="action", metavar="ACTION")
    for action, summary in MODEL_ACTIONS.items():
        acting = actions.add_parser(
            action, help=summary, description=summary, parents=[settings], allow_abbrev=False
        )
        acting.add_argument("name", nargs="?", help="of a model; by default those in the settings")


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="SET",
        help="SQuAD-style JSON, CLAPNQ JSONL, or lines of JSON with question, answers, document (below the "
        "data folder), and if you like page, quote, answerable",
    )
    parser.add_argument(
        "--questions",
        type=_count,
        default=100,
        metavar="N",
        help="at most N answerable and N others (default 100; 0: all)",
    )
    parser.add_argument(
        "--withhold",
        type=_count,
        default=0,
        metavar="N",
        help="and N more whose documents are left out of the index, so that none should be answered",
    )
    parser.add_argument(
        "--variant",
        action="append",
        dest="variants",
        metavar="SETTINGS",
        help='ask with these settings instead, as in top_k=2,passage_tokens=128; repeat it, "" is as set',
    )
    parser.add_argument("--retrieval-only", action="store_true", help="do not ask the LLM")
    parser.add_argument("--closed-book", action="store_true", help="also ask the LLM without documents")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", dest="json_file", help="write figures and questions there"
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", dest="html_file", help="write a page with plots there"
    )
    parser.add_argument(
        "--draft", type=Path, metavar="FILE", help="write proposed questions about your own documents there"
    )
    parser.add_argument(
        "--compare", action="store_true", help="show two runs' JSON files question by question"
    )


def _count(said: str) -> int:
    if not said.isdecimal():
        raise argparse.ArgumentTypeError(f"{said!r} is not a number from 0 on")
    return int(said)


def as_json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")
    return parser


def _settings_parser() -> argparse.ArgumentParser:
    from rag.config import Config, is_secret

    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = parser.add_argument_group("settings")
    for name, field in Config.model_fields.items():
        if is_secret(name):
            continue
        flag = "--" + name.replace("_", "-")
        if field.annotation is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=field.description)
        else:
            group.add_argument(flag, metavar="VALUE", help=field.description)
    return parser


def _setting_names() -> list[str]:
    from rag.config import Config

    return list(Config.model_fields)


def ui(settings: dict[str, Any]) -> int:
    from rag.config import Config
    from rag.pipeline import Rag

    return _serve(Rag(Config(**settings)))


def run(settings: dict[str, Any]) -> int:
    from rag.config import Config
    from rag.pipeline import Rag
    from rag.setup import prepare

    with progress_bars() as progress:
        config = Config(**settings)
        prepare(config, progress, notice=notice)
        choose_engine(config, progress)
        rag = Rag(config)
        report = rag.sync(progress)
    print_report(report, as_json=False)
    return _serve(rag)


def _serve(rag: Any) -> int:
    from rag.config import uploads_of_our_own

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # tidies up as after Ctrl-C
    stop = threading.Event()
    making_ready = threading.Thread(target=_make_ready, args=(rag, stop), daemon=True)
    with rag, uploads_of_our_own():
        from rag.ui import serve

        making_ready.start()
        try:
            serve(rag, rag.config, on_ready=lambda url: print(f"Kaoju is at {url}", flush=True))
        finally:
            stop.set()
            making_ready.join()  # torch aborts a process that ends while a thread computes
    return OK


def _make_ready(rag: Any, stop: threading.Event) -> None:
    from rag.ahead import keep_reading
    from rag.engines import keeps

    try:
        rag.warm_up(stop)
        if not stop.is_set() and keeps(rag.engine):
            # in a thread of its own, since those that compute for it take over its priority
            reading = threading.Thread(target=keep_reading, args=(rag, stop, notice), daemon=True)
            reading.start()
            reading.join()
    except RagError as exc:
        notice(str(exc))


def models_command(settings: dict[str, Any], *, action: str, name: str | None) -> int:
    from rag import setup
    from rag.config import Config

    config = Config(**settings)
    if action == "list":
        print(setup.describe_models(config))
    elif action == "show":
        names = [name] if name else setup.names_in_use(config)
        print("\n\n".join(setup.describe_model(each, config) for each in names))
    else:
        with progress_bars() as progress:
            if name:
                setup.pull(name, config, progress, notice=notice)
            else:
                setup.prepare(config, progress, notice=notice)
    return OK


def doctor(settings: dict[str, Any]) -> int:
    from rag.doctor import examine

    findings = examine(settings)
    for finding in findings:
        print(f"{'ok ' if finding.well else '!! '} {finding.subject}: {finding.fact}")
        if finding.mend:
            print(f"     mend it: {finding.mend}")
    return OK if all(finding.well for finding in findings) else FAILED
