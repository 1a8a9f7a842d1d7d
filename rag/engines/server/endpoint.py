"""An OpenAI-compatible endpoint: where it is, how it is asked, and what to do when it refuses."""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
import time
import weakref
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from httpx import codes

from rag.errors import ConfigError, EngineError

RETRIED: Final = frozenset({429, 500, 502, 503, 504})
KEYLESS: Final = frozenset({401, 403})
CONNECT_SECONDS: Final = 10.0  # at most, to find that nothing listens
ASK_SECONDS: Final = 30.0
FIRST_WAIT: Final = 0.5  # seconds before the first retry; doubles with each
MOST_WAIT: Final = 60.0  # seconds that a server may ask to be left alone
MOST_SHOWN: Final = 300  # characters of what a server says
MOST_BYTES: Final = 16 << 20  # of one response or event
EXAMPLE: Final = "http://127.0.0.1:8000/v1"
VERSION: Final = re.compile(r"/v\d+$")


class RefusedError(EngineError):
    """The endpoint gave no answer; `wait` is how many seconds later it may, None: never."""

    def __init__(self, message: str, *, wait: float | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.wait = wait
        self.status = status


class Endpoint:
    """The base URL of an API and how to speak to it; its key is in no message and no log."""

    def __init__(self, url: str, *, key: str = "", timeout: float = 300.0, retries: int = 3) -> None:
        """Take the address as given; `timeout` is in seconds without a byte.

        Raises:
            ConfigError: when it is no address, or the key cannot be sent.
        """
        self.url = _checked(url)
        self.timeout = timeout
        self.retries = retries
        self._key = _sendable(key)

    @property
    def root(self) -> str:
        """The address without its version: what is no part of OpenAI's API lies there."""
        return VERSION.sub("", self.url)

    def impatient(self) -> Endpoint:
        """Return the same without retries."""
        return Endpoint(self.url, key=self._key, timeout=self.timeout, retries=0)

    def ask(self, method: str, url: str, body: object = None) -> Any:
        """Return the JSON that a request is answered with.

        Raises:
            EngineError: when there is none.
        """
        attempt = 0
        while True:
            try:
                return self._ask(method, url, body)
            except RefusedError as exc:
                if exc.wait is None or attempt >= self.retries:
                    raise
                time.sleep(pause(exc, attempt))
            attempt += 1

    def _ask(self, method: str, url: str, body: object) -> Any:
        try:
            response = self._client.request(method, url, json=body)
        except httpx.HTTPError as exc:
            raise self.failure(exc, seconds=self.seconds) from exc
        if response.status_code != codes.OK:
            raise self.refusal(response.status_code, response.headers, response.content)
        try:
            return response.json()
        except ValueError as exc:
            raise RefusedError(self.not_an_api(response.text), status=response.status_code) from exc

    @cached_property
    def _client(self) -> httpx.Client:
        client = httpx.Client(**{**self.manners, "timeout": _patience(self.seconds)})
        weakref.finalize(self, client.close)
        return client

    @cached_property
    def manners(self) -> dict[str, Any]:
        """What every client of this endpoint is made with."""
        return {
            "headers": {
                "Accept-Encoding": "identity",  # a compressed stream comes in lumps
                **({"Authorization": f"Bearer {self._key}"} if self._key else {}),
            },
            "timeout": _patience(self.timeout),
            "verify": _trusted(self.url),  # once: reading the certificates takes its time
            "trust_env": not _is_loopback(self.url),  # proxies
        }

    @property
    def seconds(self) -> float:
        """Most seconds of what no model has to compute, since nobody can stop it."""
        return min(self.timeout, ASK_SECONDS)

    def failure(
        self, exc: httpx.HTTPError, *, seconds: float | None = None, begun: bool = False
    ) -> RefusedError:
        """Return what it means that a request failed; only one that has not begun is worth a retry."""
        wait = None if begun else FIRST_WAIT
        if isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout):
            reason = self.hide(str(exc)) or "no connection"
            return RefusedError(
                f"nothing answers at {self.url}: {reason}; start the server or correct openai_url", wait=wait
            )
        if isinstance(exc, httpx.TimeoutException):
            return RefusedError(
                f"{self.url} sent nothing for {seconds or self.timeout:g} s; see whether the server hangs, "
                "or raise openai_timeout"
            )
        reason = self.hide(str(exc)) or type(exc).__name__
        place = " in the middle of its answer" if begun else ""
        message = f"{self.url} broke off{place}: {reason}; see the server's log, and ask again"
        return RefusedError(message, wait=wait)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> RefusedError:
        """Return what a status means that is not 200."""
        said = self.hide(_said(body))
        wait = _wanted_wait(headers.get("Retry-After", "")) if status in RETRIED else None
        message = f"{self.url} {self._meaning(status, said, headers.get('Location', 'nowhere'))}"
        if wait is not None and wait > MOST_WAIT:
            return RefusedError(f"{message}; it wants {wait:.0f} s of rest", status=status)
        return RefusedError(message, wait=wait, status=status)

    def _meaning(self, status: int, said: str, place: str) -> str:
        if status in KEYLESS:
            whose = "the key in openai_key" if self._key else "a request without a key: set openai_key"
            return f"refuses {whose} ({status}: {said})"
        if status == codes.NOT_FOUND:
            return f"has no such thing (404: {said}); openai_url is to be as in {EXAMPLE}"
        if status == codes.TOO_MANY_REQUESTS:
            return f"is asked too often (429: {said}); ask again later"
        if codes.is_redirect(status):
            return f"sends us to {self.hide(place)} ({status}); set openai_url to where the API is"
        return f"refuses to answer ({status}: {said}); see the server's log"

    def not_an_api(self, text: str) -> str:
        shown = self.hide(" ".join(text.split()))[:MOST_SHOWN]
        return f"{self.url} sent what is no answer of an OpenAI-compatible API: {shown!r}; correct openai_url"

    def hide(self, text: str) -> str:
        """Return a text of the server's without the key, should it repeat that."""
        return text.replace(self._key, "[openai_key]") if self._key else text


def pause(refused: RefusedError, attempt: int) -> float:
    """Return the seconds to wait before the next attempt; the first is number 0."""
    return min(max(refused.wait or 0.0, FIRST_WAIT * 2.0**attempt), MOST_WAIT)


def _patience(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(httpx.URL(url).host) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        whole = False
    if not whole or parts.query or parts.fragment:
        raise ConfigError(f"openai_url is no address of an API; write it as in {EXAMPLE}")
    if parts.username is not None:  # it would be shown wherever the address is
        raise ConfigError("openai_url holds a user or password; put the key into openai_key")
    return url.rstrip("/")


def _sendable(key: str) -> str:
    key = key.strip()
    if not key.isascii() or any(not character.isprintable() or character == " " for character in key):
        raise ConfigError("openai_key holds a space or another character that no key has; correct it")
    return key


def _trusted(url: str) -> ssl.SSLContext:
    """Return what certificates are checked with; without TLS nothing needs to be trusted."""
    return httpx.create_ssl_context() if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _said(body: bytes) -> str:
    """Return the reason in the body of a refusal."""
    text = body.decode("utf-8", "replace")
    try:
        text = reason(json.loads(text))
    except ValueError:
        text = re.sub(r"<style.*?</style>|<[^>]*>", " ", text, flags=re.DOTALL)
    return " ".join(text.split())[:MOST_SHOWN] or "no reason given"


def reason(value: Any) -> str:
    """Return what an error object says; servers differ in how they wrap it."""
    while isinstance(value, dict):
        found = next((value[name] for name in ("error", "message", "detail") if value.get(name)), None)
        if found is None:
            break
        value = found
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _wanted_wait(header: str) -> float:
    """Return the seconds of a Retry-After header (RFC 9110, 10.2.3), 0 where there is none."""
    if re.fullmatch(r"\d+(\.\d+)?", header.strip()):
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
