"""llama-cpp-python's own server, which speaks OpenAI's API, over a GGUF file."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

START_SECONDS = 300
CONTEXT = 4096


@contextmanager
def serve_gguf(weights: Path, *, model: str, log: Path) -> Iterator[str]:
    """Serve the model on a free port of 127.0.0.1 until the block ends; give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(weights), "--model_alias", model]
    command += [
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--n_ctx",
        str(CONTEXT),
        "--n_threads",
        "1",
    ]  # two would spin for each other
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as server:
        try:
            url = f"http://127.0.0.1:{port}/v1"
            _wait_until_it_answers(url, server, log)
            yield url
        finally:
            server.terminate()


def _wait_until_it_answers(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/models", timeout=5, trust_env=False)
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(
        f"the server did not start: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}"
    )
