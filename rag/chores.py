"""The commands that look after the index: sync, status, read, export and import."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.bars import progress_bars
from rag.datatypes import SyncReport
from rag.errors import RagError
from rag.exit_status import OK
from rag.render import counted, report_json, report_text

if TYPE_CHECKING:
    from rag.portable import Described


def sync(settings: dict[str, Any], *, as_json: bool, rebuild: bool) -> int:
    from rag.config import Config
    from rag.pipeline import Rag

    with Rag(Config(**settings)) as rag:
        follows = bool(settings.get("watch"))  # said on the command line: by default only the page follows
        if rebuild or not follows:
            with progress_bars() as progress:
                report = rag.rebuild(progress) if rebuild else rag.sync(progress)
            print_report(report, as_json=as_json)
        return _follow(rag, as_json=as_json) if follows else OK


def _follow(rag: Any, *, as_json: bool) -> int:
    """Follow the folder until interrupted, which is how this ends well."""

    def tell(news: SyncReport | RagError) -> None:
        if isinstance(news, RagError):
            notice(str(news))
        else:
            print_report(news, as_json=as_json)

    notice(f"following {rag.config.data_dir}/; Ctrl-C ends it")
    try:
        rag.follow(_drawn(rag), stop=threading.Event(), tell=tell)
    except KeyboardInterrupt:
        notice(f"no longer following {rag.config.data_dir}/")
    return OK


def _drawn(rag: Any) -> Callable[[Any], SyncReport]:
    """Return a sync that draws bars while it has something to do."""

    def drawn(is_steady: Any) -> SyncReport:
        with progress_bars() as progress:
            report: SyncReport = rag.sync(progress, is_steady=is_steady)
            return report

    return drawn


def print_report(report: SyncReport, *, as_json: bool) -> None:
    if report.notice:
        notice(report.notice)
    print(json_line(report_json(report)) if as_json else report_text(report), flush=True)


def json_line(value: dict[str, Any]) -> str:
    """Return JSON, escaped where standard output could not write its characters."""
    return json.dumps(value, ensure_ascii=not (sys.stdout.encoding or "").lower().startswith("utf"))


def status(settings: dict[str, Any], *, as_json: bool) -> int:
    from rag.config import Config
    from rag.pipeline import Rag
    from rag.status import status_json, status_lines

    with Rag(Config(**settings)) as rag:
        found = rag.status()
    if as_json:
        print(json_line(status_json(found)))
    else:
        print(*status_lines(found), sep="\n")
    return OK


def read(settings: dict[str, Any]) -> int:
    """Read ahead until interrupted or done; what was read stays."""
    from rag.ahead import read_ahead
    from rag.config import Config
    from rag.pipeline import Rag

    with Rag(Config(**settings)) as rag, progress_bars() as progress:
        kept, passages = read_ahead(rag, progress, threading.Event())
    print(f"{counted(kept, 'passage')} of {passages} read")
    if kept < passages:
        notice(
            f"there is no room for more: reuse_gb is {rag.config.reuse_gb:g}, and "
            "`rag doctor` tells what the disk has left"
        )
    return OK


def export_command(settings: dict[str, Any], *, file: str) -> int:
    from rag.config import Config
    from rag.pipeline import Rag

    with Rag(Config(**settings)) as rag:
        described = rag.export_to(Path(file))
    print(f"{file}: {_held(described)}")
    return OK


def import_command(settings: dict[str, Any], *, file: str) -> int:
    from rag.config import Config
    from rag.pipeline import Rag

    with Rag(Config(**settings)) as rag:
        described, kept = rag.import_from(Path(file))
    if kept:
        notice(f"the old index is kept in {kept}/")
    print(f"{_held(described)}; `rag sync` compares them with yours")
    return OK


def _held(described: Described) -> str:
    return f"{counted(described.documents, 'file')}, {counted(described.passages, 'passage')}"


def notice(text: str) -> None:
    print(f"rag: {text}", file=sys.stderr, flush=True)
