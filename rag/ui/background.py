"""Blocking work in a thread of its own, what it emits awaited by the page."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Generic, TypeAlias, TypeVar, cast

from rag.errors import RagError

T = TypeVar("T")
Emit: TypeAlias = Callable[[T], bool]  # False: nobody waits for more
log = logging.getLogger(__name__)


class _End:
    """The last thing in the queue."""


class Background(Generic[T]):
    """Runs `work` in a thread; what it emits comes out of `batches` in the event loop that made this object.

    `stop` ends the waiting at once and lets the next `emit` return False. A `RagError` of the work is raised
    from `batches`; any other error goes to the log and ends them.
    """

    def __init__(self, work: Callable[[Emit[T]], None], *, name: str) -> None:
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[T | RagError | _End] = asyncio.Queue()
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        """Stop; safe from any thread, and more than once."""
        self._stopped.set()
        self._post(_End())

    async def batches(self) -> AsyncIterator[list[T]]:
        """Yield what was emitted, all that piled up meanwhile together."""
        while True:
            items = [await self._items.get()]
            while not self._items.empty():
                items.append(self._items.get_nowait())
            last = next((item for item in items if isinstance(item, RagError | _End)), None)
            emitted = items if last is None else items[: items.index(last)]
            if emitted:
                yield cast("list[T]", emitted)
            if isinstance(last, RagError):
                raise last
            if last is not None:
                return

    def _run(self) -> None:
        try:
            self._work(self._emit)
        except RagError as exc:
            self._post(exc)
        except Exception:
            log.exception("%s failed", threading.current_thread().name)
        finally:
            self._post(_End())

    def _emit(self, item: T) -> bool:
        self._post(item)
        return not self.stopped

    def _post(self, item: T | RagError | _End) -> None:
        with suppress(RuntimeError):  # the loop is closed: the server has gone
            self._loop.call_soon_threadsafe(self._items.put_nowait, item)
