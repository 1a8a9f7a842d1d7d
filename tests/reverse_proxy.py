"""A reverse proxy that serves one server below a path, as hosted notebooks do: it strips the path."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"}


@contextmanager
def reverse_proxy(port: int, path: str, *, own_host: bool) -> Iterator[str]:
    """Serve 127.0.0.1:`port` below `path`; with `own_host` the server sees its own address as Host."""
    proxy = Proxy(port, path, host=f"127.0.0.1:{port}" if own_host else None)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}{path}/"
    finally:
        proxy.shutdown()
        proxy.server_close()


class Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, path: str, *, host: str | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.port, self.path, self.host = port, path, host


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # an answer ends with its connection
    server: Proxy

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name upstream)
        pass

    def do_GET(self) -> None:
        if not self.path.startswith(self.server.path + "/"):
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("content-length") or 0)) or None
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        headers["Host"] = self.server.host or headers["Host"]
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.port)
        with suppress(OSError, http.client.HTTPException):
            upstream.request(self.command, self.path.removeprefix(self.server.path), body, headers)
            self._pass_on(upstream)
        upstream.close()

    def do_POST(self) -> None:
        self.do_GET()

    def _pass_on(self, upstream: http.client.HTTPConnection) -> None:
        answer = upstream.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.end_headers()
        threading.Thread(target=self._watch, args=(upstream,), daemon=True).start()
        while piece := answer.read1(65536):
            self.wfile.write(piece)
            self.wfile.flush()

    def _watch(self, upstream: http.client.HTTPConnection) -> None:
        """Close the way up as soon as the browser has gone."""
        with suppress(OSError):
            gone = self.connection.recv(1, socket.MSG_PEEK) == b""
            if gone and upstream.sock:
                upstream.sock.shutdown(socket.SHUT_RDWR)
