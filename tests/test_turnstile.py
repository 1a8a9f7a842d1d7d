"""One at a time, first come first served, and a waiter may leave."""

from __future__ import annotations

import threading
import time

from rag.turnstile import Turnstile


def test_the_first_goes_through_without_waiting() -> None:
    with Turnstile().ticket() as ticket:
        assert list(ticket.places()) == []


def test_places_are_told_and_move_up() -> None:
    turnstile = Turnstile()
    with turnstile.ticket():
        second, third = turnstile.ticket().__enter__(), turnstile.ticket().__enter__()
        places = third.places(seconds=0.01)
        assert next(places) == 2
        second.__exit__(None, None, None)
        assert next(places) == 1
    assert list(places) == []
    third.__exit__(None, None, None)


def test_threads_pass_one_at_a_time_in_the_order_they_came() -> None:
    turnstile, inside, order = Turnstile(), [], list[int]()

    def pass_through(number: int) -> None:
        with turnstile.ticket() as ticket:
            for _ in ticket.places():
                pass
            inside.append(number)
            assert inside == [number]
            order.append(number)
            inside.remove(number)

    threads = [threading.Thread(target=pass_through, args=(number,)) for number in range(8)]
    with turnstile.ticket():
        for count, thread in enumerate(threads, start=2):
            thread.start()
            _until(lambda count=count: len(turnstile._line) == count)
    for thread in threads:
        thread.join(5)
    assert order == list(range(8))


def _until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
