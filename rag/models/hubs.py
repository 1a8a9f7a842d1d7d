"""Hugging Face and ModelScope: probe, list, choose the files, download, verify."""

from __future__ import annotations

import json
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rag.config import child_environment
from rag.datatypes import ProgressCallback
from rag.errors import DiskError, ModelError
from rag.models.files import (
    Meter,
    ModelFile,
    bytes_below,
    refuse_custom_code,
    require_free,
    verify,
)
from rag.models.hub_files import PLAIN, choose_files
from rag.models.places import Wanted

if TYPE_CHECKING:
    from rag.config import Config

CLIENT: Final = Path(__file__).with_name("client.py")
LIST_SECONDS: Final = 60.0
STALL_SECONDS: Final = 180.0  # without one byte more: the line is dead
EXIT_SECONDS: Final = 3.0
SERVER_ERROR: Final = 500


class UnreachableError(ModelError):
    """The hub does not answer at all."""


class _Hub:
    """What both hubs share; a subclass names its endpoint and the id of a model there."""

    name: str
    key: str

    def __init__(self, config: Config, endpoint: str) -> None:
        self._config = config
        self._endpoint = endpoint.rstrip("/")

    def fetch(self, wanted: Wanted, folder: Path, progress: ProgressCallback) -> tuple[ModelFile, ...]:
        """Download the model's files into `folder` and verify them; see `rag.models.sources.Source`."""
        repo = str(getattr(wanted, self.key))
        _probe(self._endpoint, self._config.hub_timeout)
        about = {
            "hub": self.key,
            "endpoint": self._endpoint,
            "repo": repo,
            "revision": wanted.entry.revision if wanted.entry else "",
            "folder": str(folder),
        }
        with _Client() as client:
            listed = client.ask(about, LIST_SECONDS)
            files = choose_files(
                [ModelFile(**file) for file in listed["files"]],
                wanted.kind,
                trusted=self._config.trust_remote_code,
            )
            total = sum(file.size for file in files)
            require_free(folder, total - min(total, bytes_below(folder)))
            about["revision"] = listed["revision"]
            meter = Meter(progress, f"downloading {wanted.name} from {self.name}", total)
            small = [file.path for file in files if Path(file.path).suffix in PLAIN]
            _download(client, about, small, folder, meter)
            is_ours = (
                wanted.kind == "llm" and bool(small) and _runs_without_its_code(folder)
            )  # a GGUF is alone
            refuse_custom_code(folder, trusted=is_ours or self._config.trust_remote_code)
            _download(client, about, [file.path for file in files], folder, meter)
            meter.force(total)
        checked = verify(folder, files, progress)
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        return checked


class HuggingFace(_Hub):
    """huggingface.co or a mirror of it, through `huggingface_hub`."""

    name = "Hugging Face"
    key = "huggingface"

    def __init__(self, config: Config) -> None:
        super().__init__(config, config.hf_endpoint)

    def fetch(self, wanted: Wanted, folder: Path, progress: ProgressCallback) -> tuple[ModelFile, ...]:
        """Refuse when Hugging Face's own offline switch is on, else fetch."""
        if self._config.huggingface_offline:
            raise UnreachableError("HF_HUB_OFFLINE is set")
        return super().fetch(wanted, folder, progress)


class ModelScope(_Hub):
    """modelscope.cn, through `modelscope`'s hub client."""

    name = "ModelScope"
    key = "modelscope"

    def __init__(self, config: Config) -> None:
        super().__init__(config, config.modelscope_endpoint)


def _probe(endpoint: str, timeout: float) -> None:
    """Find out within `timeout` seconds, resolving the name included, whether anything serves `endpoint`.

    Raises:
        UnreachableError: when nothing does.
    """
    said: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_head, args=(endpoint, timeout, said), daemon=True).start()
    try:
        problem = said.get(timeout=timeout)
    except queue.Empty:
        problem = f"no answer within {timeout:g} seconds"
    if problem:
        raise UnreachableError(f"{endpoint} cannot be reached: {problem}")


def _head(endpoint: str, timeout: float, said: queue.Queue[str]) -> None:
    import requests

    try:
        status = requests.head(endpoint, timeout=timeout).status_code
    except requests.RequestException as exc:
        said.put(_reason(exc))
    else:
        said.put(f"it answers with status {status}" if status >= SERVER_ERROR else "")


def _reason(exc: BaseException) -> str:
    """Return the innermost cause of a connection error, without addresses of objects."""
    inner: BaseException = exc
    while (reason := getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)) is not None:
        if not isinstance(reason, BaseException):
            break
        inner = reason
    return re.sub(r"^.*?<[^>]*>:?\s*|^\w*Connection\w*\(.*?\):\s*", "", str(inner)) or type(inner).__name__


def _runs_without_its_code(folder: Path) -> bool:
    """Check, before gigabytes are sent, that the LLM in `folder` is of a kind that runs here.

    Tell whether Python code that comes with it is of no use, since the engine knows what it says.

    Raises:
        ModelError: with the architecture or quantisation that its config.json names.
    """
    from rag.weights.architectures import find_architecture, known_names
    from rag.weights.tensors import refuse_unreadable

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        named, quantised = config.get("architectures"), config.get("quantization_config")
    except (OSError, ValueError, AttributeError) as exc:
        raise ModelError("it has no config.json that can be read, which names its architecture") from exc
    known = named if isinstance(named, list) else []
    found = find_architecture(known)
    if found is None:
        holds = ", ".join(map(str, known))[:200] or "no architecture"
        raise ModelError(f"its config.json names {holds} and only {known_names()} run here")
    refuse_unreadable({} if quantised is None else quantised, "it")
    return found.is_told_by_code


def _download(
    client: _Client, about: dict[str, Any], names: Sequence[str], folder: Path, meter: Meter
) -> None:
    """Ask for `names` again as long as each try brings more bytes: a bad line is taken up where it broke."""
    while True:
        before = bytes_below(folder)
        try:
            client.ask({**about, "names": list(names)}, STALL_SECONDS, folder, meter)
        except _BrokenError:
            if bytes_below(folder) <= before:
                raise
        else:
            return


class _BrokenError(ModelError):
    """The download stopped; trying again may help."""


class _Client:
    """The child process that runs a hub's own library."""

    def __enter__(self) -> _Client:
        # Xet's own transfer keeps no partial file that a later run could take up.
        environment = child_environment(
            without=(), HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1", PYTHONWARNINGS="ignore"
        )
        self._process = subprocess.Popen(  # noqa: S603  # our own script
            [sys.executable, "-P", str(CLIENT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            encoding="utf-8",
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, failed: type[BaseException] | None, *_rest: object) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()  # the child's sign to end
        if failed is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(EXIT_SECONDS)
        self._process.kill()
        self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)
        self._lines.put("")

    def ask(
        self,
        request: dict[str, Any],
        patience: float,
        folder: Path | None = None,
        meter: Meter | None = None,
    ) -> dict[str, Any]:
        """Send a request and wait for its reply, at most `patience` seconds after `folder` last grew.

        Raises:
            ModelError: with the hub's reason.
            DiskError: when the disk is full.
        """
        if self._process.stdin is None:
            raise ModelError("the hub client has no input")
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        size, grown = -1, time.monotonic()
        while True:
            with suppress(queue.Empty):
                return _understand(self._lines.get(timeout=0.1), request["repo"])
            if folder is not None and meter is not None:
                now = bytes_below(folder)
                meter.show(now, request["repo"])
                size, grown = (now, time.monotonic()) if now != size else (size, grown)
            if time.monotonic() - grown > patience:
                raise ModelError(f"{request['endpoint']} sent nothing for {patience:g} seconds")


def _understand(line: str, repo: str) -> dict[str, Any]:
    if not line:
        raise ModelError("the hub's client library ended without an answer")
    reply: dict[str, Any] = json.loads(line)
    if "error" not in reply:
        return reply
    if reply["kind"] == "missing":
        raise ModelError(f"there is no model {repo} (or it needs an account)")
    if reply["kind"] == "disk":
        raise DiskError(f"the disk is full while downloading {repo}; free some space and run it again")
    raise _BrokenError(str(reply["error"]))
