"""Letters as an operator chooses them: by name, by filter, and by what was done about them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.dead_letters.desk import Desk, Order, Outcome
from agents.dead_letters.shelf import Entry, Filters, Place, decoded, name_of, spelled_out
from schemas import codec
from schemas.dead_letter import KEPT_BYTES_MAX, DeadLetterAction, How, letter
from schemas.refusals import DETAIL_LENGTH_MAX
from schemas.topics import topics

OURS = topics("shop")
LOG = OURS.profile_log.name


def entry(*done: How, **more: Any) -> Entry:
    said: dict[str, Any] = {
        "reason": "broken_json", "detail": "d", "stage": "worker", "topic": LOG, "partition": 3, "offset": 7,
        "key": b"acme/ann", "value": b"{", "refused_at": 5_000, "profile": "acme/ann",
    }  # fmt: skip
    made = letter(**(said | more))
    actions = [
        DeadLetterAction(action=how, topic=LOG, partition=3, offset=7, by="ops", at="2026-11-21T10:00:00.000Z")
        for how in done
    ]
    return Entry(letter=made, name=name_of(made, OURS), at=Place("t", 0, 0), actions=actions)


@pytest.mark.parametrize("written", ["profile-log/3/7", f"{LOG}/3/7"])
def test_a_name_may_be_short_or_long(written: str) -> None:
    assert spelled_out(written, OURS) == entry().name == "profile-log/3/7"
    assert spelled_out("other.profile-log.v1/3/7", OURS) != entry().name


@pytest.mark.parametrize(
    ("filters", "admitted"),
    [
        (Filters(), True),
        (Filters(reasons=frozenset({"broken_json", "evaluate"}), stage="worker"), True),
        (Filters(reasons=frozenset({"evaluate"})), False),
        (Filters(stage="intake"), False),
        (Filters(topic="profile-log"), True),
        (Filters(topic=LOG, since=5_000, key="acme/ann"), True),
        (Filters(since=5_001), False),
        (Filters(key="acme/bob"), False),
        (Filters(names=frozenset({"profile-log/3/8"})), False),
    ],
)
def test_every_filter_must_admit_it(filters: Filters, admitted: bool) -> None:
    assert filters.admits(entry()) is admitted


def test_what_is_dealt_with_is_meant_only_by_name_or_when_asked_for() -> None:
    done = entry("replayed")
    assert (done.state, done.replays) == ("replayed", 1)
    assert not Filters().admits(done)
    assert Filters(dealt_with=True).admits(done)
    assert Filters(names=frozenset({done.name})).admits(done)


def test_replays_are_counted_over_the_letters_of_one_record() -> None:
    assert entry("replayed", "dismissed", attempt=3).replays == 3


def test_a_letter_and_an_action_are_told_apart() -> None:
    one = entry("dismissed")
    assert decoded(codec.encode(one.letter)) == one.letter
    assert decoded(codec.encode(one.actions[0])) == one.actions[0]
    assert decoded(b"{}") is None


def test_what_is_too_long_is_left_out_and_the_place_is_told() -> None:
    made = entry(value=b"x" * KEPT_BYTES_MAX, detail="d" * DETAIL_LENGTH_MAX).letter
    assert (made.kept, made.key, made.value) == (False, None, None)
    assert len(made.detail) == DETAIL_LENGTH_MAX
    assert LOG in made.detail


def test_a_conflicting_copy_is_listed_and_not_replayed() -> None:
    """Semantics 1.4: the first copy counts, whenever the second comes again."""
    copy = entry(reason="conflict", profile=None)
    assert Filters().admits(copy)
    assert not dealt_with("dismissed", copy).left
    assert dealt_with("replayed", copy).left.startswith("the first copy counts")


def dealt_with(how: How, letter: Entry) -> Outcome:
    order = Order(how=how, by="ops", note="", at=0, per_second=1, dry_run=True)
    desk = Desk(consumer=None, producer=None, topics=OURS, clock="live", order=order)

    async def work() -> Outcome:
        (outcome,) = [one async for one in desk.deal_with([letter])]
        return outcome

    return asyncio.run(work())
