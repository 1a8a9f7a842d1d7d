"""A small hub on loopback that speaks both Hugging Face's and ModelScope's API, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "a" * 40


@dataclass
class Hub:
    """Repositories by id, each a mapping of path to content, and what shall go wrong with them."""

    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(
        default_factory=dict
    )  # path: bytes sent before the line breaks, each time
    pauses: dict[str, tuple[int, threading.Event]] = field(default_factory=dict)  # bytes sent, then wait
    wrong: set[str] = field(default_factory=set)  # paths served with other bytes than the hash says
    status: int = 0  # answer everything with this status
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Range header
    url: str = ""

    def ranges(self, path: str) -> list[str]:
        """The Range headers with which the content of `path` was asked for."""
        return [given for method, asked, given in self.requests if method == "GET" and path in unquote(asked)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_request(self, *_args: object) -> None:
        """Say nothing: a test reads `Hub.requests`."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.hub.requests.append((self.command, self.path, self.headers.get("Range", "")))
        url = urlsplit(self.path)
        path, query = unquote(url.path), parse_qs(url.query)
        if self.hub.status:
            self._send(self.hub.status, b"")
        elif path == "/":
            self._send(200, b"")
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/.+)?", path):
            self._huggingface_info(found[1])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            self._content(found[1], found[2])
        elif found := re.fullmatch(r"/api/v1/models/([^/]+/[^/]+)/repo/files", path):
            self._modelscope_files(found[1])
        elif found := re.fullmatch(r"/api/v1/models/([^/]+/[^/]+)/repo", path):
            self._content(found[1], query["FilePath"][0])
        else:
            self._missing()

    def _huggingface_info(self, repo: str) -> None:
        if repo not in self.hub.repos:
            return self._missing()
        siblings = [
            {
                "rfilename": path,
                "size": len(content),
                "blobId": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
            }
            | (
                {"lfs": {"sha256": _sha256(content), "size": len(content), "pointerSize": 134}}
                if _is_lfs(path)
                else {}
            )
            for path, content in self.hub.repos[repo].items()
        ]
        return self._send_json(
            200, {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": siblings, "tags": []}
        )

    def _modelscope_files(self, repo: str) -> None:
        if repo not in self.hub.repos:
            return self._send_json(
                404, {"Code": 10010205001, "Message": "record not found", "Success": False}
            )
        files = [
            {
                "Path": path,
                "Name": path.rpartition("/")[2],
                "Type": "blob",
                "Size": len(content),
                "Sha256": _sha256(content),
            }
            for path, content in self.hub.repos[repo].items()
        ]
        return self._send_json(200, {"Code": 200, "Success": True, "Data": {"Files": files}})

    def _content(self, repo: str, path: str) -> None:
        content = self.hub.repos.get(repo, {}).get(path)
        if content is None:
            return self._missing("EntryNotFound" if repo in self.hub.repos else "RepoNotFound")
        etag = _sha256(content)
        if path in self.hub.wrong:
            content = content.translate(bytes(reversed(range(256))))
        start = 0
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start = int(found[1])
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if self.command == "GET" and not start and path in self.hub.pauses:
            return self._pause(content, headers, *self.hub.pauses[path])
        cut = self.hub.cuts.get(path, [])
        if self.command == "GET" and cut:
            return self._send(206 if start else 200, content[start:], headers, cut.pop(0))
        return self._send(206 if start else 200, content[start:], headers)

    def _pause(self, content: bytes, headers: dict[str, str], sent: int, event: threading.Event) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[:sent])
        self.wfile.flush()
        event.wait(60)
        self.close_connection = True

    def _missing(self, code: str = "RepoNotFound") -> None:
        self._send(404, b"{}", {"X-Error-Code": code})

    def _send_json(self, status: int, value: object) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_lfs(path: str) -> bool:
    return path.endswith((".safetensors", ".bin", ".gguf"))


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Serve a `Hub` on a free port of 127.0.0.1 until the block ends."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
