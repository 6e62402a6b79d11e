"""Bad input on the profile log: it may cost its own record, never the stream, the person's state or a promise.

Intake refuses all of this at the edge. The core must bear it all the same: the log outlives every version of intake.
"""

from __future__ import annotations

from datetime import datetime

import pytest
from msgspec import Raw
from msgspec.structs import replace

from schemas import codec
from schemas.conditions import Compare
from schemas.control import END_KEY, TICK_KEY, WATERMARK_KEY, Tick, Watermark
from schemas.flow import Reentry
from schemas.identity import Identity
from schemas.instants import to_wire
from schemas.limits import PROFILE_BYTES_MAX
from schemas.refusals import REASONS
from streams.partition import Record
from streams.profiles import StateUnreadable
from streams.program import build
from streams.rehearsal import event_record
from tests.unit.stage import (
    ORDERS,
    SAME_CART,
    TENANT,
    Stage,
    at,
    checkout,
    clock_of,
    event,
    exit_on,
    flow,
    mark,
    order,
    send,
    settle,
    wait,
)


def record(value: bytes, *, key: bytes = b"acme/ann", at_: str = "10:00") -> Record:
    return Record(0, at(at_), key, value)


def with_part(part: str, value: bytes) -> Record:
    """A checkout with one part of it replaced by these bytes, as somebody who is not intake could have written it."""
    whole = event_record(checkout("10:00"), at=at("10:00"))
    without = whole.value.replace(b'"' + part.encode() + b'"', b'"before"')
    return replace(whole, value=without.replace(b'"type"', b'"' + part.encode() + b'":' + value + b',"type"'))


def assert_only_this_record_is_lost(stage: Stage) -> None:
    """One dead letter with a known reason and the original bytes; whoever comes next is served."""
    assert [letter.reason in REASONS for letter in stage.dead_letters] == [True]
    assert stage.dead_letters[0].value == stage.log[-1].value
    stage.event(checkout("11:00", who="bob")).finish()
    assert stage.sent == ["11:15 remind"]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"{",
        b"[1]",
        b"\xff\xfe",
        b'{"id": "a"}',
        b'{"id": 5, "source": "s", "type": "t", "time": "2026-11-20T10:00:00Z", "tenant": "a", "identity": {}}',
        b'{"id": "5", "source": "s", "type": "t", "time": "2026-11-20T10:00:00", "tenant": "a", "identity": {}}',
    ],
)
def test_what_is_no_event_is_a_dead_letter(value: bytes) -> None:
    """Semantics 2.1."""
    assert_only_this_record_is_lost(Stage(flow()).append(record(value)))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("properties", b'{"checkout_id": "\\q"}'),
        ("properties", b'{"checkout_id": "\\ud800"}'),
        ("properties", b'{"checkout_id": "\xff\xfe"}'),
        ("items", b'[{"n": 123456789012345678901234567890}]'),
        ("items", b'[{"n": 1e400}]'),
        ("items", b"[" * 2_000 + b"]" * 2_000),
    ],
    ids=["escape", "surrogate", "utf8", "integer", "float", "depth"],
)
def test_a_part_that_cannot_be_decoded_or_kept_is_a_dead_letter(part: str, value: bytes) -> None:
    """Free-form parts stay undecoded until a flow asks; then they must not bring down the stream."""
    assert_only_this_record_is_lost(Stage(flow()).append(with_part(part, value)))


@pytest.mark.parametrize("key", [b"\xff\xfe", b"", b"no-slash", b"/ann", b"acme/"])
def test_a_key_that_is_no_profile_key_is_a_dead_letter(key: bytes) -> None:
    assert_only_this_record_is_lost(Stage(flow()).append(record(event_record(checkout("10:00"), at=0).value, key=key)))


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z"])
def test_an_event_from_the_first_day_of_the_calendar_is_too_old_and_no_more(time: str) -> None:
    old = checkout("10:00")
    old.time = datetime.fromisoformat(time)
    assert_only_this_record_is_lost(Stage(flow()).append(event_record(old, at=at("10:00"))))


def test_a_key_of_no_known_control_record_is_a_dead_letter() -> None:
    assert_only_this_record_is_lost(Stage(flow()).append(record(b"{}", key=b"\x00nope")))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        b'{"through": "soon"}',
        b'{"through": "2026-13-45T00:00:00.000Z"}',
        b'{"through": "2026-11-20T10:00:00Z"}',
    ],
)
def test_a_broken_tick_is_a_dead_letter_and_releases_nobody(value: bytes) -> None:
    stage = Stage(flow(), clock="live").event(checkout("10:00")).append(record(value, key=TICK_KEY, at_="10:20"))
    assert [letter.reason in REASONS for letter in stage.dead_letters] == [True]
    assert stage.sent == []
    assert stage.tick("10:21").sent == ["10:21 remind"]


@pytest.mark.parametrize("through", ["soon", "2026-11-20T10:00:00", ""])
def test_a_broken_watermark_is_a_dead_letter(through: str) -> None:
    broken = codec.encode(Watermark(source=ORDERS, tenant=TENANT, complete_through=through))
    assert_only_this_record_is_lost(Stage(flow()).append(record(broken, key=WATERMARK_KEY)))


def test_one_broken_watermark_in_a_tick_does_not_lock_the_gates_that_the_others_open() -> None:
    """The same news is not told twice, so whoever is opened by it must be woken, now or at the next tick."""
    stage = Stage(flow(wait(15), settle(), send()), clock="live").event(checkout("10:00")).tick("10:16")
    broken = Watermark(source="other", tenant=TENANT, complete_through="soon")
    tick = Tick(through=to_wire(at("10:30")), watermarks=(mark("10:30"), broken))
    stage.append(record(codec.encode(tick), key=TICK_KEY, at_="10:30"))
    stage.tick("10:31", marks=[mark("10:30")]).tick("10:32")
    assert len(stage.sent) == 1


@pytest.mark.parametrize("source", ["a\x1fb", "a\x1f", "\x1f"])
def test_a_source_name_with_a_control_character_does_not_lock_out_the_partition(source: str) -> None:
    """What a partition writes about itself, it must be able to read."""
    stage = Stage(flow()).event(checkout("10:00")).watermark(mark("10:00", source=source), "10:01")
    assert stage.restart().finish().sent == ["10:15 remind"]


class TestTheOtherClock:
    """Semantics 1.5 and 1.6: a live log has no carried times, and a carried log has no ticks."""

    def test_an_end_mark_on_a_live_log_releases_nobody(self) -> None:
        stage = Stage(flow(), clock="live").event(checkout("10:00")).append(record(b"{}", key=END_KEY, at_="10:01"))
        assert stage.sent == []
        assert [letter.reason in REASONS for letter in stage.dead_letters] == [True]

    def test_a_watermark_record_on_a_live_log_is_refused(self) -> None:
        stage = Stage(flow(), clock="live").watermark(mark("10:00"), "10:01")
        assert [letter.reason in REASONS for letter in stage.dead_letters] == [True]

    def test_a_tick_on_a_carried_log_releases_nobody(self) -> None:
        stage = Stage(flow()).event(checkout("10:00")).tick("10:01", through="12:00")
        assert (stage.sent, stage.partition.now_at) == ([], at("10:01"))
        assert [letter.reason in REASONS for letter in stage.dead_letters] == [True]


class TestWhatIdentifiesNobody:
    """Semantics 11.2: values such as "", "0", "null" never identify anyone."""

    @pytest.mark.parametrize("nobody", ["", " ", "null", "0", "Anonymous", "undefined"])
    def test_such_a_value_is_no_address(self, nobody: str) -> None:
        stage = Stage(flow(wait(15), send(channel="email")))
        stage.event(checkout("10:00", identity=Identity(external_id="1", email=nobody))).finish()
        assert stage.commands == []
        assert stage.story[1] == "10:15 skipped no_address"

    @pytest.mark.parametrize("nobody", ["", "null"])
    def test_such_a_value_does_not_replace_a_real_one(self, nobody: str) -> None:
        stage = Stage(flow(wait(15), send(channel="email")))
        stage.event(checkout("10:00", identity=Identity(external_id="1", email="ann@example.com")))
        stage.event(event("product_viewed", "10:05", identity=Identity(external_id="1", email=nobody))).finish()
        assert [one.addresses for one in stage.commands] == [{"email": "ann@example.com"}]


class TestOfTwoAddresses:
    """Semantics 7.1."""

    @staticmethod
    def view(time: str, email: str, *, came: str) -> Record:
        who = Identity(external_id="1", email=email)
        return event_record(event("product_viewed", time, id=f"{time}{email}", identity=who), at=at(came))

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ([("10:00", "a@x.org"), ("10:10", "b@x.org")], "b@x.org"),
            ([("10:10", "b@x.org"), ("10:00", "a@x.org")], "b@x.org"),
            ([("10:00", "a@x.org"), ("10:20", "a@x.org"), ("10:10", "b@x.org")], "a@x.org"),
            ([("10:20", "a@x.org"), ("10:10", "b@x.org"), ("10:15", "b@x.org"), ("10:30", "b@x.org")], "b@x.org"),
            ([("10:00", " A@x.org"), ("10:20", " A@x.org"), ("10:10", "b@x.org")], "a@x.org"),
        ],
    )
    def test_the_later_one_stays(self, said: list[tuple[str, str]], expected: str) -> None:
        stage = Stage(flow())
        for minute, (time, email) in enumerate(said):
            stage.append(self.view(time, email, came=f"11:{minute:02}"))
        ((key, state),) = stage.store.items()
        assert codec.unpack_profile(state, key=key).identifiers["email"].value == expected
        in_one_unit = Stage(flow())
        in_one_unit.append(*(self.view(time, email, came=f"11:{n:02}") for n, (time, email) in enumerate(said)))
        assert in_one_unit.store == stage.store


class TestStateStaysWithinItsBound:
    """Architecture, "State": what is too much is refused with a reason; orders are never refused."""

    def test_many_large_carts_do_not_outgrow_the_topic(self) -> None:
        stage = Stage(flow(key="checkout_id"))
        for number in range(40):
            large = checkout("10:00", checkout_id=str(number))
            large.items = Raw(b'[{"name":"' + b"x" * 20_000 + b'"}]')
            stage.event(large)
        assert max(len(state) for state in stage.store.values()) <= PROFILE_BYTES_MAX
        assert stage.tallies["decision", "reminder", "refused", "state_full"] == 37
        stage.event(order("10:05"))
        assert stage.tallies["decision", "reminder", "ended", "bought"] > 0

    def test_many_long_keys_do_not_outgrow_the_topic(self) -> None:
        """What re-entry remembers of a key lasts longer than its enrollment."""
        stage = Stage(flow(key="checkout_id", reentry=Reentry(policy="never", scope="key")))
        for number in range(40):
            long = checkout("10:00", id=str(number), checkout_id=f"{number}" + "x" * 100_000)
            stage.event(long, clock_of(at("11:00") + number))
        assert max(len(state) for state in stage.finish().store.values()) <= PROFILE_BYTES_MAX

    def test_a_large_order_is_still_known_by_its_small_words(self) -> None:
        """It reaches the log before its checkout; what is too large to keep of it must not hide whose order it is."""
        by_item = Compare(word="items", kind="list", operator="contains", operand="sku-1")
        rules = [exit_on("order_placed", reason="item", where=by_item), SAME_CART]
        large = order("09:00", checkout_id="C1")
        large.items = Raw(b'[{"name":"' + b"x" * 10_000 + b'"}]')
        stage = Stage(flow(exits=rules)).event(large).event(checkout("10:00", checkout_id="C1")).finish()
        assert stage.story == ["10:00 entered triggered", "10:00 ended bought_this_cart"]


class TestStateThatCannotBeRead:
    """It is no record's fault: nothing may be decided, and nobody's events may be given away for it."""

    def test_it_stops_the_partition(self) -> None:
        stage = Stage(flow()).event(checkout("10:00"))
        key = stage.log[0].key
        stage.store[key] = stage.store[key][: codec.HEADER.size] + b"\xc1"
        stage.restart()
        with pytest.raises(StateUnreadable):
            stage.event(order("10:05"))

    @pytest.mark.parametrize("version", [0, 3])
    def test_nor_is_state_of_another_version_taken_up(self, version: int) -> None:
        stage = Stage(flow()).event(checkout("10:00"))
        key = stage.log[0].key
        stage.store[key] = bytes([version]) + stage.store[key][1:]
        with pytest.raises(codec.Undecodable):
            stage.restart()


class TestAdoptingOtherFlows:
    """Semantics 12.2. State written under flows that are not there any more must stay readable."""

    def test_reentry_may_be_counted_by_another_scope_from_now_on(self) -> None:
        stage = Stage(flow(key="checkout_id")).event(checkout("10:00", checkout_id="C1"))
        changed = flow(key="checkout_id", reentry=Reentry(policy="never", scope="key"), version="2")
        assert stage.restart(build([changed])).finish().sent == ["10:15 remind"]

    def test_a_step_that_is_gone_ends_who_waits_there(self) -> None:
        stage = Stage(flow(wait(15, label="old"), send())).event(checkout("10:00"))
        stage.restart(build([flow(wait(30, label="new"), send(), version="2")])).finish()
        assert stage.story[1:] == ["10:15 ended step_removed"]

    def test_a_wait_that_grew_longer_keeps_the_due_time_of_who_is_in_it(self) -> None:
        stage = Stage(flow(wait(15), send())).event(checkout("10:00"))
        assert stage.restart(build([flow(wait(30), send(), version="2")])).finish().sent == ["10:15 remind"]

    def test_a_flow_that_is_gone_keeps_its_people_without_a_word(self) -> None:
        stage = Stage(flow()).event(checkout("10:00")).restart(build([flow(name="other", version="2")])).finish()
        assert (stage.sent, len(stage.profile().enrollments)) == ([], 1)
        assert stage.restart(build([flow()])).finish().sent == ["10:15 remind"]
