"""A small server on loopback that speaks OpenAI's API, with faults on demand."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, TypeAlias

Tokenizer: TypeAlias = Literal["vllm", "llama-server", "openvino", "llama-cpp-python"]
TEMPLATE_WORDS = 5  # that the server's chat template adds


def said(text: str | None = None, *, finish: str | None = None) -> bytes:
    """One event of an answer."""
    delta = {} if text is None else {"content": text}
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n\n"


def used(**usage: Any) -> bytes:
    return event({"choices": [], "usage": usage})


DONE = b"data: [DONE]\n\n"
HANG = None  # in a reply's chunks: wait until whoever asked goes away, or the test ends


@dataclass(frozen=True)
class Reply:
    """What a request for an answer gets; `chunks` are written one by one."""

    chunks: Sequence[bytes | None] = (said("Hello"), said(finish="stop"), DONE)
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/event-stream"})
    silent: bool = False  # hang before the status line
    cut: bool = False  # break the connection after the chunks


@dataclass
class Api:
    """What is served, and what was asked."""

    models: list[dict[str, Any]] | None = field(default_factory=lambda: [{"id": "tiny"}])
    key: str = ""
    tokenizer: Tokenizer | None = None
    replies: list[Reply] = field(default_factory=lambda: [Reply()])  # in turn; the last again and again
    lists_models: list[Reply] = field(default_factory=list)  # before the list itself
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # path, body
    left: threading.Event = field(default_factory=threading.Event)  # who asked went away meanwhile
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def asked(self, path: str = "/v1/chat/completions") -> list[dict[str, Any]]:
        return [body for called, body in self.calls if called == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: Api

    def log_request(self, *_args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.api.calls.append((self.path, {}))
        if not self._admitted():
            return
        if self.path == "/v1/models" and self.api.lists_models:
            self._reply(self.api.lists_models.pop(0))
        elif self.path == "/v1/models" and self.api.models is not None:
            self._json({"object": "list", "data": self.api.models})
        elif self.path == "/props" and self.api.tokenizer == "llama-server":
            self._json({"default_generation_settings": {"n_ctx": 3072}})
        else:
            self._json({"detail": "Not Found"}, 404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.api.calls.append((self.path, body))
        if not self._admitted():
            return
        if self.path == "/v1/chat/completions":
            replies = self.api.replies
            self._reply(replies.pop(0) if len(replies) > 1 else replies[0])
        else:
            found = _tokens(self.api.tokenizer, self.path, body)
            self._json(found or {"detail": "Not Found"}, 200 if found else 404)

    def _admitted(self) -> bool:
        if self.api.key and self.headers.get("Authorization") != f"Bearer {self.api.key}":
            given = self.headers.get("Authorization", "none")
            self._json({"error": {"message": f"wrong key: {given}"}}, 401)
            return False
        return True

    def _json(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reply(self, reply: Reply) -> None:
        self.close_connection = True
        if reply.silent:
            self._hang()
            return
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Transfer-Encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        for chunk in reply.chunks:
            if chunk is None:
                self._hang()
                return
            if not self._sent(chunk):
                return
        if reply.cut:
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _sent(self, chunk: bytes) -> bool:
        try:
            self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            self.wfile.flush()
        except OSError:
            self.api.left.set()
            return False
        return True

    def _hang(self) -> None:
        while not self.api.over.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.02)
            if readable and not self._still_there():
                self.api.left.set()
                return

    def _still_there(self) -> bool:
        with suppress(OSError):
            return bool(self.connection.recv(1, socket.MSG_PEEK))
        return False


def _tokens(tokenizer: Tokenizer | None, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
    """Count words, each server in its own way; a chat template adds `TEMPLATE_WORDS`."""
    if tokenizer == "vllm" and path == "/tokenize":
        if "messages" in body:
            return {"count": _words(body["messages"]) + TEMPLATE_WORDS, "max_model_len": 4096}
        return {"count": len(body["prompt"].split())}
    if tokenizer == "llama-server" and path == "/apply-template":
        return {"prompt": "t " * TEMPLATE_WORDS + " ".join(each["content"] for each in body["messages"])}
    if tokenizer == "llama-server" and path == "/tokenize":
        return {"tokens": [7] * len(body.get("content", "").split())}
    if tokenizer == "openvino" and path == "/v1/tokenize":
        return {"tokens": [7] * len(body["text"].split())}
    if tokenizer == "llama-cpp-python" and path == "/extras/tokenize/count":
        return {"count": len(body["input"].split())}
    return None


def _words(messages: list[dict[str, str]]) -> int:
    return sum(len(message["content"].split()) for message in messages)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


@contextmanager
def serve_api() -> Iterator[Api]:
    """Serve an `Api` on a free port of 127.0.0.1 until the block ends."""
    api = Api()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield api
    finally:
        api.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
