"""The book of definitions, what orders make of it, and what versions differ in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from agents.definitions import book as books
from agents.definitions.book import ORDER_KEY, Book
from agents.definitions.changes import VERSIONS_MAX, Change, Stamp, Verb, publishing, turning
from agents.errors import InputRefused, Misconfigured
from agents.flow_diff import differences
from agents.flow_files import load_flows
from schemas import codec
from schemas.activation import Definition, Order, definition_key
from schemas.flow import Flow, Status
from schemas.policy import Policy
from streams.flowfile import check_policy
from streams.flowfile.compiler import version_of
from tests.definitions import book_of, flow_file, ordered
from tests.unit.stage import exit_on, flow, send, wait

ROOT = Path(__file__).parents[2]
OLD, NEW = flow(version="1"), flow(wait(30), version="2")
RECORDED = [one for folder in ("deploy/flows", "tests/data/flows") for one in load_flows(ROOT / folder)]


def publish(book: Book, *flows: Flow, at: str = "2026-11-20T10:00:00.000Z") -> list[Change]:
    """Publish these into a book; what was said about it."""
    make = publishing([flow_file(one) for one in flows])
    changes = make(book, Stamp(at=at, by="tests")).changes
    ordered(book, make, at=at)
    return list(changes)


def policy(text: str) -> Policy:
    found = check_policy(f"policy: shop\n{text}\n", name="policy.yaml").policy
    assert found is not None
    return found


def turn(book: Book, verb: Verb, name: str = "reminder", *, at: str = "2026-11-20T11:00:00.000Z") -> Book:
    return ordered(book, turning(name, verb), at=at)


def status(book: Book, name: str = "reminder") -> Status:
    return book.order(book.newest).flows[name].status


def whats(changes: Iterable[Change]) -> list[tuple[str, str]]:
    return [(change.flow, change.what) for change in changes]


class TestPublishing:
    """Semantics 12.1: publishing creates an immutable version."""

    def test_publishing_twice_is_publishing_once(self) -> None:
        book = Book()
        assert whats(publish(book, OLD)) == [("reminder", "new")]
        number = book.newest
        assert whats(publish(book, OLD)) == [("reminder", "unchanged")]
        assert book.newest == number
        assert book.next_offset == 2, "a definition and an order"

    def test_the_policy_is_published_with_them_and_is_pinned_to_nobody(self) -> None:
        """Semantics 12.7."""
        book = Book()
        strict = policy("consent: required")
        ordered(book, publishing([flow_file(OLD)], strict))
        assert book.program_of(book.newest).policy == strict
        assert book.program_of(turn(book, "hold").newest).policy == strict
        ordered(book, publishing([flow_file(NEW)]))
        assert book.program_of(book.newest).policy == strict, "without a policy file it stays as it is"
        number, open_ = book.newest, policy("consent: unless_withdrawn")
        ordered(book, publishing([flow_file(NEW)], open_))
        assert book.program_of(book.newest).policy == open_
        assert book.program_of(number).policy == strict
        ordered(book, publishing([flow_file(NEW)], msgspec.structs.replace(open_, version="of another program")))
        with pytest.raises(Misconfigured, match="says more than this program understands"):
            book.program_of(book.newest)

    def test_a_new_version_is_the_newest_and_the_one_before_stays(self) -> None:
        book = book_of([OLD])
        assert whats(publish(book, NEW)) == [("reminder", "changed")]
        program = book.program_of(book.newest)
        assert program.flows["reminder"].version == "2"
        assert set(program.versions) == {("reminder", "1"), ("reminder", "2")}

    def test_going_back_makes_the_old_version_the_newest_again(self) -> None:
        book = book_of([OLD])
        publish(book, NEW)
        publish(book, OLD)
        assert book.order(book.newest).flows["reminder"].versions == ("1", "2")

    def test_what_is_not_among_the_files_stays_as_it_is(self) -> None:
        book = book_of([OLD, flow(name="other")])
        publish(book, NEW)
        assert set(book.program_of(book.newest).flows) == {"reminder", "other"}

    def test_the_oldest_of_too_many_versions_falls_out_and_is_named(self) -> None:
        book = book_of([OLD])
        for number in range(2, VERSIONS_MAX + 1):
            publish(book, flow(version=str(number)))
        (change,) = publish(book, flow(version="last"))
        assert change.dropped == ("1",)
        assert len(book.order(book.newest).flows["reminder"].versions) == VERSIONS_MAX

    def test_a_version_never_changes(self) -> None:
        book = book_of([OLD])
        before = book.definition("reminder", "1")
        forged = Definition(flow=msgspec.Raw(b"{}"), source="", at="2026-11-20T10:00:00.000Z", by="x")
        book.take(book.next_offset, definition_key(flow="reminder", version="1"), codec.encode(forged))
        assert book.definition("reminder", "1") == before

    def test_a_draft_is_written_and_not_active(self) -> None:
        book = Book()
        assert whats(publish(book, flow(status="draft"))) == [("reminder", "draft")]
        assert book.has("reminder", "1")
        assert book.newest == -1

    def test_a_draft_of_a_flow_that_runs_changes_nothing(self) -> None:
        book = book_of([OLD])
        publish(book, msgspec.structs.replace(NEW, status="draft"))
        assert book.program_of(book.newest).flows["reminder"].version == "1"

    @pytest.mark.parametrize("one", RECORDED, ids=lambda one: one.name)
    def test_a_published_flow_is_read_back_as_it_was(self, one: Flow) -> None:
        assert book_of([one]).flow(one.name, one.version) == one
        assert version_of(one) == one.version


class TestStatuses:
    def test_hold_and_resume(self) -> None:
        book = turn(book_of([OLD]), "hold")
        assert status(book) == "held"
        assert status(turn(book, "resume")) == "live"

    @pytest.mark.parametrize("before", ["shadow", "draining"])
    def test_what_was_held_is_again_what_it_was(self, before: Status) -> None:
        book = book_of([flow(status=before)])
        assert status(turn(turn(book, "hold"), "resume")) == before

    def test_publishing_again_leaves_a_held_flow_held(self) -> None:
        book = turn(book_of([OLD]), "hold")
        publish(book, OLD)
        assert status(book) == "held"
        publish(book, NEW)
        assert status(book) == "held"

    def test_a_status_that_was_changed_in_the_file_counts(self) -> None:
        book = turn(book_of([OLD]), "hold")
        assert whats(publish(book, msgspec.structs.replace(OLD, status="draining"))) == [("reminder", "status")]
        assert status(book) == "draining"

    def test_done_twice_it_is_done_once(self) -> None:
        book = turn(book_of([OLD]), "stop")
        number = book.newest
        assert turn(book, "stop").newest == number

    def test_who_was_in_a_stopped_flow_does_not_come_back(self) -> None:
        book = turn(turn(book_of([OLD]), "stop"), "resume", at="2026-11-20T12:00:00.000Z")
        assert (status(book), book.order(book.newest).flows["reminder"].over_before) == (
            "live",
            "2026-11-20T12:00:00.000Z",
        )
        publish(book, NEW)
        assert book.order(book.newest).flows["reminder"].over_before == "2026-11-20T12:00:00.000Z"

    def test_a_stopped_flow_cannot_be_held(self) -> None:
        with pytest.raises(InputRefused, match="stopped"):
            turn(turn(book_of([OLD]), "stop"), "hold")

    def test_a_flow_that_is_not_there_is_named(self) -> None:
        with pytest.raises(InputRefused, match="nobody"):
            turn(book_of([OLD]), "hold", "nobody")


class TestTheBook:
    def test_of_two_orders_at_once_the_second_is_void(self) -> None:
        book = book_of([OLD])
        now = Stamp("2026-11-20T11:00:00.000Z", "x")
        stop, drain = turning("reminder", "stop")(book, now), turning("reminder", "drain")(book, now)
        assert stop.order is not None
        assert drain.order is not None
        first = book.next_offset
        for draft in (stop.order, drain.order):
            book.take(book.next_offset, ORDER_KEY + b"x", codec.encode(draft))
        assert book.newest == first
        assert not book.is_valid(first + 1)
        assert status(book) == "stopped"

    def test_a_missing_definition_names_the_runbook(self) -> None:
        book = Book()
        order = Order(follows=-1, flows=book_of([OLD]).order(1).flows, said={}, at="2026-11-20T10:00:00.000Z", by="x")
        book.take(5, ORDER_KEY + b"x", codec.encode(order))
        with pytest.raises(Misconfigured, match="version 1 of the flow reminder") as refused:
            book.program_of(5)
        assert books.RUNBOOK in refused.value.next_step
        assert (ROOT / books.RUNBOOK).is_file()

    def test_a_definition_that_says_more_than_we_know_is_refused(self) -> None:
        """Whoever passed over a condition would send what nobody asked for."""
        book = Book()
        newer = codec.encode(OLD).replace(b'{"name":', b'{"mood":"good","name":')
        written = Definition(flow=msgspec.Raw(newer), source="", at="2026-11-20T10:00:00.000Z", by="x")
        book.take(0, definition_key(flow="reminder", version="1"), codec.encode(written))
        with pytest.raises(Misconfigured, match="more than this program understands"):
            book.flow("reminder", "1")

    def test_an_activation_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(Misconfigured, match="no activation 7"):
            book_of([OLD]).program_of(7)

    def test_reaching_waits_for_what_is_not_read_yet(self) -> None:
        async def play() -> int:
            book = book_of([OLD])

            async def read_on() -> None:
                turn(turn(book, "hold"), "resume")

            await asyncio.gather(book.reach(3), read_on())
            return book.next_offset

        assert asyncio.run(play()) == 4

    def test_what_never_comes_is_refused(self) -> None:
        with pytest.raises(Misconfigured, match="end at offset 2, before activation 9"):
            asyncio.run(book_of([OLD]).reach(9, seconds=0))

    def test_programs_of_long_ago_are_forgotten_and_made_anew(self) -> None:
        book = book_of([OLD])
        first = book.newest
        for number in range(20):
            publish(book, flow(version=f"v{number}"))
            book.program_of(book.newest)
        assert len(book._programs) <= books.PROGRAMS_KEPT + 1
        assert book.program_of(first).flows["reminder"].version == "1"


class TestDifferences:
    def test_steps_go_by_their_labels(self) -> None:
        before = flow(wait(15), send())
        after = flow(wait(20), send(), wait(5, label="more"), send("last"), exits=[exit_on("order_placed", reason="x")])
        found = {one.path: (one.before, one.after) for one in differences(before, after)}
        assert found["steps.remind.next"] == ("end", "more")
        assert found["exits[0].reason"] == ("bought", "x")
        assert found["steps.more"][0] is None
        assert "steps.last.next" not in found, "a new step is one difference"

    def test_the_same_is_the_same_whatever_its_status(self) -> None:
        assert differences(OLD, msgspec.structs.replace(OLD, status="held", version="x")) == []
