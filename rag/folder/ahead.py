"""What comes next, made by a thread of its own while what came before is worked on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

T = TypeVar("T")
MOST: Final = 64  # items that wait
HEAVIEST: Final = 32_000_000  # of their weights together; a single one may be heavier
TICK: Final = 0.5  # seconds
PATIENCE: Final = 0.2  # seconds


class Ahead(Generic[T]):
    """Runs an iterator in a thread, a little ahead of whoever takes its items.

    It stops while enough items wait, so that memory stays flat. What the iterator raises is raised where the
    items are taken.
    """

    def __init__(
        self, items: Iterator[T], *, weigh: Callable[[T], int], interrupt: Callable[[], None]
    ) -> None:
        """`interrupt` ends what the iterator is waiting for."""
        self._items = items
        self._interrupt = interrupt
        self._weigh = weigh
        self._waiting: deque[T] = deque()
        self._weight = 0
        self._ended = self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="reading ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T | None]:
        """Yield the items, and None whenever none has come for a while."""
        while True:
            with self._changed:
                if not self._waiting and not self._ended:
                    self._changed.wait(TICK)
                item = self._waiting.popleft() if self._waiting else None
                if item is None and self._ended:
                    break
                self._weight -= 0 if item is None else self._weigh(item)
                self._changed.notify_all()
            yield item
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the thread; `interrupt` is called until it has ended, and once more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        while self._thread.is_alive():
            self._interrupt()
            self._thread.join(PATIENCE)
        self._interrupt()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as exc:  # noqa: BLE001 - raised again in the thread that takes the items
            self._error = exc
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, item: T) -> bool:
        weight = self._weigh(item)
        with self._changed:
            while not self._closed and self._is_full(weight):
                self._changed.wait()
            if self._closed:
                return False
            self._waiting.append(item)
            self._weight += weight
            self._changed.notify_all()
            return True

    def _is_full(self, weight: int) -> bool:
        return len(self._waiting) >= MOST or bool(self._waiting and self._weight + weight > HEAVIEST)
