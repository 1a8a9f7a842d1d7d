"""A streamed request in a thread of its own: whoever reads it never waits long and can leave at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

import httpx

from rag.engines.server.endpoint import MOST_BYTES, Endpoint, RefusedError, pause
from rag.engines.server.sse import EventDecoder
from rag.errors import EngineError

PATIENCE: Final = 1.0  # seconds without an event before the reader is given a chance to leave
MOST_REASON: Final = 1 << 16  # bytes of a refusal
LEAVING_SECONDS: Final = 5.0  # most that closing waits for the connection to be closed


def stream_events(endpoint: Endpoint, url: str, body: object) -> Generator[str | None]:
    """Post `body` and yield the data of each event, and None whenever there was none for a while.

    Before the first event the request is sent again when the server cannot be reached or is busy. Closing the
    iterator closes the connection, whatever the server is doing.

    Raises:
        EngineError: when the endpoint refuses, breaks off or falls silent.
    """
    posted = _Posted(endpoint, url, body)
    try:
        while True:
            try:
                event = posted.events.get(timeout=PATIENCE)
            except Empty:
                yield None
                continue
            if event is None:
                return
            if isinstance(event, BaseException):
                raise event
            yield event
    finally:
        posted.leave()


class _Posted:
    """The thread; `events` holds what came, then an error or None."""

    def __init__(self, endpoint: Endpoint, url: str, body: object) -> None:
        self._endpoint, self._url, self._body = endpoint, url, body
        self.events: SimpleQueue[str | EngineError | None] = SimpleQueue()
        self._begun = False
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._send())
        self._thread = threading.Thread(target=self._run, name="openai", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: all is over
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(LEAVING_SECONDS)

    def _run(self) -> None:
        last: EngineError | None = None
        try:
            self._loop.run_until_complete(self._task)
        except EngineError as exc:
            last = exc
        except asyncio.CancelledError:
            pass
        except Exception as exc:  # noqa: BLE001 - whoever reads must not wait for ever
            last = EngineError(f"{self._endpoint.url} could not be asked: {type(exc).__name__}; ask again")
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
            self.events.put(last)

    async def _send(self) -> None:
        attempt = 0
        async with httpx.AsyncClient(**self._endpoint.manners) as client:
            while True:
                try:
                    return await self._receive(client)
                except httpx.HTTPError as exc:
                    refused = self._endpoint.failure(exc, begun=self._begun)
                    refused.__cause__ = exc
                except RefusedError as exc:
                    refused = exc
                if refused.wait is None or attempt >= self._endpoint.retries:
                    raise refused
                await asyncio.sleep(pause(refused, attempt))
                attempt += 1

    async def _receive(self, client: httpx.AsyncClient) -> None:
        async with client.stream("POST", self._url, json=self._body) as response:
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
            if response.status_code != httpx.codes.OK:
                said = await _read(response, MOST_REASON)
                raise self._endpoint.refusal(response.status_code, response.headers, said)
            if kind == "text/html":
                raise RefusedError(self._endpoint.not_an_api(_text(await _read(response, MOST_REASON))))
            if kind == "application/json":  # the server does not stream
                self._pass_on(_text(await _read(response, MOST_BYTES)))
                return
            await self._decode(response)

    async def _decode(self, response: httpx.Response) -> None:
        decoder = EventDecoder()
        try:
            async for chunk in response.aiter_bytes():
                for event in decoder.feed(chunk):
                    self._pass_on(event)
            for event in decoder.rest():
                self._pass_on(event)
        except ValueError as exc:
            raise RefusedError(self._endpoint.not_an_api(str(exc))) from exc

    def _pass_on(self, event: str) -> None:
        self._begun = True
        self.events.put(event)


async def _read(response: httpx.Response, most: int) -> bytes:
    """Return the first bytes of the body, `most` or a few more."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= most:
            break
    return bytes(body)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
