"""Timers: an index of (wakeup, profile key), one current wakeup a profile, lazily canceled."""

from __future__ import annotations

import random

from schemas.profile import NEVER
from schemas.steps import Gate
from streams.holds import Holds, first
from streams.timers import Timers

LAST = b"\xff"


def timers(*entries: tuple[int, bytes]) -> Timers:
    made = Timers()
    for wakeup_at, key in entries:
        made.set(key, wakeup_at)
    return made


def drained(made: Timers, through: tuple[int, bytes] = (NEVER - 1, LAST)) -> list[tuple[int, bytes]]:
    return list(iter(lambda: made.pop(through), None))


def test_they_come_out_in_order_of_wakeup_and_then_of_key() -> None:
    assert drained(timers((5, b"c"), (9, b"a"), (5, b"b"))) == [(5, b"b"), (5, b"c"), (9, b"a")]


def test_setting_one_again_replaces_it() -> None:
    made = timers((5, b"a"), (3, b"b"))
    made.set(b"a", 2)
    made.set(b"b", 8)
    assert (len(made), made.next_at()) == (2, 2)
    assert drained(made) == [(2, b"a"), (8, b"b")]


def test_never_takes_it_out_and_it_may_come_back() -> None:
    made = timers((5, b"a"))
    made.set(b"a", NEVER)
    assert (len(made), made.next_at(), drained(made)) == (0, NEVER, [])
    made.set(b"a", 5)
    assert drained(made) == [(5, b"a")]


def test_there_and_back_again_is_still_one() -> None:
    """A stale entry that becomes current once more must not wake twice."""
    made = timers((5, b"a"), (6, b"a"), (5, b"a"))
    assert made.first(10, through=(9, LAST)) == [(5, b"a")]
    assert (len(made), drained(made)) == (1, [(5, b"a")])


def test_what_is_above_the_bound_stays() -> None:
    made = timers((5, b"a"), (5, b"b"), (5, b"c"), (6, b"a2"))
    assert drained(made, (5, b"b")) == [(5, b"a"), (5, b"b")]
    assert len(made) == 2
    assert drained(made, (5, LAST)) == [(5, b"c")]


def test_first_looks_and_takes_nothing() -> None:
    made = timers((3, b"c"), (1, b"a"), (2, b"b"))
    assert made.first(2, through=(9, LAST)) == [(1, b"a"), (2, b"b")]
    assert made.first(9, through=(2, LAST)) == [(1, b"a"), (2, b"b")]
    assert made.first(9, through=(0, LAST)) == []
    assert len(drained(made)) == 3


def test_overdue_counts_what_lies_before_an_instant() -> None:
    made = timers((1, b"a"), (2, b"b"), (3, b"c"), (1, b"d"), (9, b"e"))
    made.drop(b"d")
    made.set(b"e", 2)
    made.set(b"a", 5)
    made.set(b"a", 1)  # which the heap holds twice now
    assert (made.overdue(3, limit=9), made.overdue(3, limit=2), made.overdue(1, limit=9)) == (3, 2, 0)


def test_the_overdue_are_those_that_counting_all_would_find() -> None:
    dice = random.Random(7)
    made, current = Timers(), dict[bytes, int]()
    for _ in range(3000):
        key, wakeup_at = b"%d" % dice.randrange(400), dice.randrange(1000)
        made.set(key, wakeup_at)
        current[key] = wakeup_at
    for now in (0, 1, 300, 1001):
        made.first(100, through=(now, LAST))  # lie in a row from here on
        assert made.overdue(now, limit=1000) == sum(one < now for one in current.values())


def test_what_no_longer_counts_does_not_pile_up() -> None:
    made = Timers()
    for wakeup_at in range(10_000, 0, -1):
        made.set(b"a", wakeup_at)
        assert made.next_at() == wakeup_at
    assert len(made._heap) + len(made._row) < 2_000


def test_who_is_held_is_found_by_source_until_let_go() -> None:
    made = Holds()
    orders, carts = Gate(source="orders"), Gate(source="carts", shop="one")
    made.set(b"b", (((orders, carts), 5),), open_due_at=None)
    made.set(b"a", (((orders,), 7), ((carts,), 9)), open_due_at=None)
    assert [key for key, _ in made.at(["orders"])] == [b"a", b"b"]
    made.set(b"b", (((carts,), 6),), open_due_at=None)
    assert made.at({"orders"}) == [(b"a", (((orders,), 7), ((carts,), 9)))]
    made.set(b"a", (), open_due_at=None)
    assert [key for key, _ in made.at(["orders", "carts", "unknown"])] == [b"b"]


def test_whose_gate_is_open_is_known_until_let_go() -> None:
    made = Holds()
    held = (((Gate(source="orders"),), 5),)
    made.set(b"b", held, open_due_at=5)
    made.set(b"a", held, open_due_at=None)
    made.open(b"a", 3)
    assert first(made.opened().items(), 9) == [(3, b"a"), (5, b"b")]
    assert first(made.opened().items(), 1) == [(3, b"a")]
    made.set(b"b", held, open_due_at=None)
    made.set(b"a", (), open_due_at=None)
    assert not made.opened()


def test_who_is_dropped_waits_for_nothing() -> None:
    made = timers((5, b"a"), (6, b"b"))
    made.holds.set(b"a", (((Gate(source="orders"),), 5),), open_due_at=5)
    made.drop(b"a")
    assert (len(made), made.holds.at(["orders"]), drained(made)) == (1, [], [(6, b"b")])
    assert not made.holds.opened()


def test_like_a_plain_dictionary_that_is_searched_each_time() -> None:
    """Against the simplest thing that could be right, through enough changes that the heap is rebuilt."""
    dice = random.Random(7)
    made, plain = Timers(), dict[bytes, int]()
    for _ in range(20_000):
        key = b"%d" % dice.randrange(40)
        action = dice.randrange(20)
        if action == 0:
            through = (dice.randrange(100), b"%d" % dice.randrange(40))
            expected = min(((at, one) for one, at in plain.items() if (at, one) <= through), default=None)
            assert made.pop(through) == expected
            if expected:
                del plain[expected[1]]
        elif action == 1:
            made.set(key, NEVER)
            plain.pop(key, None)
        elif action == 2:
            limit, through_at = dice.randrange(1, 9), dice.randrange(100)
            due = sorted((at, one) for one, at in plain.items() if at <= through_at)
            assert made.first(limit, through=(through_at, LAST)) == due[:limit]
        else:
            made.set(key, plain.setdefault(key, 0))
            plain[key] = dice.randrange(100)
            made.set(key, plain[key])
        assert len(made) == len(plain)
        assert made.next_at() == min(plain.values(), default=NEVER)
