"""The commands that ask: `rag ask` and `rag chat`."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from typing import Any

from rag.bars import amount
from rag.chores import json_line
from rag.datatypes import Answer, Event, Queued, Reading, Retrieved, Scope, Token
from rag.errors import RagError
from rag.exit_status import FAILED, OK, REFUSED
from rag.render import Step, answer_json, footer, source_lines, why_lines


def add_scope(parser: argparse.ArgumentParser) -> None:
    """Add the flags that `ask` and `chat` make a `Scope` of."""
    group = parser.add_argument_group("where to look")
    group.add_argument(
        "--in",
        action="append",
        dest="places",
        metavar="PLACE",
        help='a folder, file or pattern below the data folder, as handbook/ or "*.md"; repeatable',
    )
    group.add_argument(
        "--type", action="append", dest="types", metavar="TYPE", help="as pdf; repeat it for more"
    )
    group.add_argument(
        "--since", type=_day, metavar="DAY", help="documents last changed then or later: 2024-01-31"
    )
    group.add_argument("--until", type=_day, metavar="DAY", help="of the last change")


def add_why(parser: argparse.ArgumentParser) -> None:
    """Add the flag for the account of each answer."""
    parser.add_argument(
        "--why", action="store_true", help="also tell how each passage was ranked, what was cut, and the time"
    )


def _day(said: str) -> date:
    try:
        return date.fromisoformat(said)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{said!r} is not a day like 2024-01-31") from None


def _scope(where: dict[str, Any]) -> Scope:
    places, types = where["places"] or (), where["types"] or ()
    return Scope(places=tuple(places), types=tuple(types), since=where["since"], until=where["until"])


def ask(settings: dict[str, Any], *, question: str, as_json: bool, why: bool, **where: Any) -> int:
    from rag.config import Config
    from rag.pipeline import Rag

    scope = _scope(where)
    with Rag(Config(**settings)) as rag:
        if as_json:
            answer = rag.ask(question, scope=scope)
            print(json_line(answer_json(answer)))
        else:
            answer = _show(rag.stream(question, scope=scope), why=why)
    return REFUSED if answer.refused else OK


def chat(settings: dict[str, Any], *, why: bool, **where: Any) -> int:
    from rag.config import Config
    from rag.pipeline import Rag

    scope = _scope(where)
    history: list[Answer] = []
    failed = False
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # a TextIOWrapper, unless replaced
    with Rag(Config(**settings)) as rag:
        while True:
            try:
                question = input("\n> " if sys.stdin.isatty() else "")
            except EOFError:
                question = "/quit"
            if question.strip() in {"/quit", "/exit"}:
                return FAILED if failed and not history else OK
            try:
                history.append(_show(rag.stream(question, history=history, scope=scope), why=why))
            except RagError as exc:
                failed = True
                print(f"rag: {exc}", file=sys.stderr)
            except KeyboardInterrupt:
                print("\n(stopped)", file=sys.stderr)


def _show(events: Any, *, why: bool) -> Answer:
    """Print the answer as it comes, after it its sources and, where `why` is wanted, the account of it."""
    waiting = sys.stderr.isatty()
    step = Step()
    for event in events:
        if isinstance(event, Retrieved):
            step = step.next(event.hits)
        if isinstance(event, Answer):
            account = why_lines(event) if why else ()
            print("\n", *source_lines(event), *account, footer(event), sep="\n")
            return event
        if waiting and (status := _status(event, step)):
            print(f"\r\033[K{status}", end="", file=sys.stderr, flush=True)
        if isinstance(event, Token):
            if waiting:
                print("\r\033[K", end="", file=sys.stderr, flush=True)
                waiting = False
            print(event.text, end="", flush=True)
    raise RagError("the stream ended without an answer")


def _status(event: Event, step: Step) -> str:
    if isinstance(event, Queued):
        return f"waiting: place {event.place} in the queue"
    if isinstance(event, Reading):
        what = f" passage {step.place} of {step.count}" if step.is_one_of_several else ""
        return f"reading{what}: {amount(event.done, event.total, 'tokens')}"
    return ""
