"""The hubs' own client libraries in a child process; a script that `rag.models.hubs` runs, never imported.

They start threads, print, and retry for minutes: a child can be stopped at once. One JSON object per line
comes in and one goes out: {"hub", "endpoint", "repo", "revision", "folder", "names"} is answered by {"files",
"revision"} without names, by {} with names, and by {"error", "kind"} when it fails. The end of the input, so
also the parent's death, ends the child in the middle of a download.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

LIST_TIMEOUT = 30.0  # seconds
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
WORKERS = 2  # files at a time


def main() -> None:
    """Answer requests until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the libraries print is no reply
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_serve, args=(requests, replies), daemon=True).start()
    for line in sys.stdin:
        requests.put(json.loads(line))
    if requests.unfinished_tasks:
        os._exit(1)


def _serve(requests: queue.Queue[dict[str, Any]], replies: Any) -> None:
    while True:
        request = requests.get()
        try:
            reply = _answer(request)
        except Exception as exc:  # noqa: BLE001  # whatever a vendor raises becomes an error reply
            reply = {"error": _message(exc), "kind": _kind(exc)}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
        requests.task_done()


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    hub, names = request["hub"], request.get("names")
    if names is None:
        return _list_huggingface(request) if hub == "huggingface" else _list_modelscope(request)
    if hub == "huggingface":
        _download_huggingface(request)
    else:
        _download_modelscope(request)
    return {}


def _list_huggingface(request: dict[str, Any]) -> dict[str, Any]:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=request["endpoint"])
    info = api.model_info(
        request["repo"], revision=request["revision"] or None, files_metadata=True, timeout=LIST_TIMEOUT
    )
    files = [
        {"path": file.rfilename, "size": file.size or 0, "sha256": file.lfs.sha256 if file.lfs else ""}
        for file in info.siblings or []
    ]
    return {"files": files, "revision": info.sha}


def _download_huggingface(request: dict[str, Any]) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(
        request["repo"],
        revision=request["revision"],
        endpoint=request["endpoint"],
        local_dir=request["folder"],
        allow_patterns=request["names"],
        max_workers=WORKERS,
    )


def _modelscope(request: dict[str, Any]) -> Any:
    from modelscope_hub import HubApi
    from modelscope_hub.config import HubConfig

    # Settings of its own: no pickled cookies of a login, no lasting id in the user agent.
    own = Path(request["folder"]) / ".cache" / "modelscope"
    return HubApi(HubConfig(endpoint=request["endpoint"], config_dir=own, cache_dir=own))


def _list_modelscope(request: dict[str, Any]) -> dict[str, Any]:
    found = _modelscope(request).list_repo_files(request["repo"], "model")
    files = [
        {"path": file.path, "size": file.size, "sha256": file.sha256 or ""}
        for file in found
        if file.type != "tree"
    ]
    return {"files": files, "revision": ""}


def _download_modelscope(request: dict[str, Any]) -> None:
    _modelscope(request).download_repo(
        request["repo"],
        "model",
        local_dir=request["folder"],
        allow_patterns=request["names"],
        max_workers=WORKERS,
    )


def _message(exc: BaseException) -> str:
    """Return the first line of what went wrong, of the files it went wrong with when those are listed."""
    failed = getattr(exc, "failed_files", None) or {}
    told = [f"{name}: {_message(inner)}" for name, inner in failed.items()]
    return "; ".join(told) or next(iter(str(exc).strip().splitlines()), "") or type(exc).__name__


def _kind(exc: BaseException) -> str:
    """Sort an error by what the parent does about it; both libraries' names for it are known."""
    names = {kind.__name__ for kind in type(exc).__mro__}
    if names & {"RepositoryNotFoundError", "NotExistError"}:
        return "missing"
    causes = [exc, exc.__cause__, *(getattr(exc, "failed_files", None) or {}).values()]
    full = any(getattr(cause, "errno", None) in DISK_FULL for cause in causes)
    return "disk" if full else "other"


if __name__ == "__main__":
    main()
