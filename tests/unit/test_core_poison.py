"""Poison: a record that cannot be taken costs nobody else anything, and its profile gets no message for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec
import pytest

from schemas import codec
from schemas.conditions import AnyOf, Compare
from schemas.control import RESOLUTION_KEY, Watermark
from schemas.flow import Flow
from schemas.instants import to_wire
from schemas.limits import POISON_IN_WINDOW_MAX, POISON_MAX, POISON_WINDOW
from schemas.profile import NEVER
from schemas.steps import If
from streams import waking
from streams.interest import Beginning
from streams.partition import Record
from streams.program import build
from streams.rehearsal import event_record
from streams.unit import NO_TIME
from tests.unit.stage import (
    ANN,
    BOB,
    Stage,
    at,
    checkout,
    event,
    flow,
    order,
    poison,
    resolution,
    send,
    settle,
    stop,
    wait,
    work,
)

#: A comparison that nobody checked: it fails on every event with a channel.
DEFECT = Compare(word="channel_id", kind="text", operator="starts_with", operand=7)

HAS_ID = Compare(word="checkout_id", kind="text", operator="is_set")


def live(*flows: Flow) -> Stage:
    return Stage(*(flows or (flow(),)), clock="live")


class TestAProfileIsHeld:
    """Semantics 8.2: who has a record that could not be read gets no message until it is dealt with."""

    def test_it_waits_at_its_message(self) -> None:
        stage = live().event(checkout("10:00")).append(poison("10:05")).tick("10:20").tick("15:00")
        assert (stage.story, stage.sent) == (["10:00 entered triggered", "10:20 held poison"], [])
        assert stage.decisions[-1].values == {"offsets": [1]}
        (letter,) = stage.dead_letters
        assert (letter.reason, letter.stage, letter.offset, letter.value) == ("broken_json", "worker", 1, b"{")
        assert (letter.key, letter.profile, letter.attempt) == (ANN, ANN.decode(), 1)
        assert letter.appended_at == to_wire(at("10:05"))

    def test_it_goes_on_at_the_first_tick_after_the_record_is_dealt_with(self) -> None:
        stage = live().event(checkout("10:00")).append(poison("10:05")).tick("10:20")
        assert stage.append(resolution("10:30", 1)).sent == []
        assert stage.tick("10:31").sent == ["10:31 remind"]
        assert stage.profile().poison == []

    def test_on_a_carried_clock_its_moment_is_that_of_the_resolution(self) -> None:
        stage = Stage(flow()).event(checkout("10:00")).append(poison("10:05")).pass_time("10:20")
        assert stage.append(resolution("10:30", 1)).finish().sent == ["10:30 remind"]

    def test_nobody_else_is(self) -> None:
        stage = live().append(poison("09:59")).event(checkout("10:00", who="bob")).tick("10:20")
        assert stage.sent == ["10:20 remind"]

    def test_also_who_enters_later(self) -> None:
        assert live().append(poison("09:00")).event(checkout("10:00")).tick("10:20").sent == []

    def test_exits_end_it_meanwhile(self) -> None:
        stage = live().event(checkout("10:00")).append(poison("10:05")).tick("10:20").event(order("10:25"))
        assert stage.append(resolution("10:30", 1)).tick("10:31").sent == []
        assert stage.story[-1] == "10:25 ended bought"

    def test_the_order_that_was_unreadable_ends_it_when_it_is_replayed(self) -> None:
        """The record that is written again stands right before its resolution."""
        stage = live().event(checkout("10:00")).append(poison("10:05")).tick("10:20")
        replayed = event_record(order("10:05"), at=at("10:30"))
        stage.append(replayed, resolution("10:30", 1)).tick("10:31")
        assert (stage.sent, stage.story[-1]) == ([], "10:30 ended bought")

    def test_a_replay_that_is_unreadable_again_holds_it_on(self) -> None:
        stage = live().event(checkout("10:00")).append(poison("10:05")).tick("10:20")
        stage.append(msgspec.structs.replace(poison("10:30"), attempt=2), resolution("10:30", 1)).tick("10:31")
        assert stage.sent == []
        assert [letter.attempt for letter in stage.dead_letters] == [1, 2]
        assert stage.append(resolution("10:40", 3)).tick("10:41").sent == ["10:41 remind"]

    def test_every_record_must_be_dealt_with(self) -> None:
        stage = live().event(checkout("10:00")).append(poison("10:05")).append(poison("10:06")).tick("10:20")
        assert stage.append(resolution("10:30", 1)).tick("10:31").sent == []
        assert stage.append(resolution("10:40", 1, 2)).tick("10:41").sent == ["10:41 remind"]

    def test_a_resolution_of_something_else_changes_nothing(self) -> None:
        stage = live().event(checkout("10:00")).append(poison("10:05")).tick("10:20")
        stage.append(resolution("10:30", 1, key=BOB), resolution("10:30", 0, 7)).tick("10:31")
        assert (stage.sent, BOB in stage.store) == ([], False)

    def test_it_is_held_over_a_restart(self) -> None:
        stage = live().event(checkout("10:00")).append(poison("10:05")).restart().tick("10:20").restart().tick("10:25")
        assert stage.story == ["10:00 entered triggered", "10:20 held poison"]
        assert stage.append(resolution("10:30", 1)).restart().tick("10:31").sent == ["10:31 remind"]

    def test_the_next_wait_counts_from_the_release(self) -> None:
        two = flow(wait(15), send("one"), wait(10, label="again"), send("two"))
        stage = live(two).event(checkout("10:00")).append(poison("10:05")).tick("10:20").append(resolution("10:30", 1))
        assert stage.tick("10:35").tick("10:39").sent == ["10:35 one"]
        assert stage.tick("10:40").sent == ["10:35 one", "10:40 two"]

    def test_what_a_gate_has_decided_stays_decided(self) -> None:
        """A message that a gate's timeout has marked is still marked when it goes."""
        late = flow(wait(15), settle(hold=10, on_timeout="send"), send())
        stage = live(late).event(checkout("10:00")).append(poison("10:05")).tick("10:16").tick("10:30")
        assert stage.append(resolution("10:40", 1)).tick("10:41").story[-2] == "10:41 sent degraded"

    def test_a_new_trigger_begins_it_anew_and_it_is_held_again(self) -> None:
        stage = live(flow(retrigger="restart")).event(checkout("10:00")).append(poison("10:05")).tick("10:20")
        stage.event(checkout("10:25")).tick("10:41")
        assert stage.story[-2:] == ["10:25 restarted restart", "10:41 held poison"]

    def test_what_is_refused_by_rule_holds_nobody(self) -> None:
        old = event_record(event("product_viewed", "-20 10:00"), at=at("10:05"))
        stage = live().event(checkout("10:00")).append(old).tick("10:20")
        assert ([one.reason for one in stage.dead_letters], stage.sent) == (["before_dedupe_horizon"], ["10:20 remind"])

    def test_a_profile_remembers_a_bounded_number_of_them(self) -> None:
        stage = live().event(checkout("10:00"))
        for _ in range(POISON_MAX + 1):
            stage.append(poison("10:05"), *[resolution("10:05", 0, key=BOB)] * 30)
        assert len(stage.profile().poison) == POISON_MAX
        assert stage.tallies["evicted", "poison"] == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty_record"),
        (b"\xff\xfe{}", "invalid_utf8"),
        (b"{", "broken_json"),
        (b"[1]", "not_an_object"),
        (b'{"type":"commerce.order.placed.v1"}', "no_identity"),
        (b'{"pad":"' + b"x" * 2_000_000 + b'"}', "too_large"),
        (event_record(order("10:00", id="big", pad="x" * 2_000_000), at=0).value, "too_large"),
        (event_record(order("10:00"), at=0).value.replace(b"T10:00:00Z", b"T10:00:00"), "time_without_offset"),
        (event_record(order("10:00"), at=0).value.replace(b"order.placed", b"order.plcaed") + b"]", "broken_json"),
    ],
    ids=["tombstone", "utf8", "json", "list", "nobody", "2 MB", "2 MB of an order", "time", "tail"],
)
def test_the_reason_is_the_one_that_intake_would_give(value: bytes, reason: str) -> None:
    """Semantics 2.1."""
    (letter,) = live().append(poison("10:00", value=value)).dead_letters
    assert letter.reason == reason
    assert letter.value == (value if letter.kept else None)
    assert letter.kept == (len(value) < 1_400_000)
    assert len(codec.encode(letter)) < 2 * 1024 * 1024


@pytest.mark.parametrize(
    ("clock", "reason"), [("live", "carried_time_on_live_log"), ("carried", "missing_carried_time")]
)
def test_a_record_of_another_clock_is_poison_too(clock: str, reason: str) -> None:
    stage = Stage(flow(), clock=clock)  # type: ignore[arg-type]
    stage.append(msgspec.structs.replace(event_record(order("10:00"), at=0), appended_at=NO_TIME))
    assert [letter.reason for letter in stage.dead_letters] == [reason]
    assert stage.profile().poison == [(0, "messages")]


class TestTheProgramFails:
    """Semantics 1.8: a defect costs the record, or the profile, that it shows at."""

    SOUND = flow(wait(15), send())
    AT_EVENTS = flow(wait(15), send(), where=AnyOf(parts=(DEFECT, HAS_ID)))
    AT_MOMENTS = flow(
        wait(15), If(label="which", condition=DEFECT, then=2, otherwise=2), send(next=3), stop("done", label="end")
    )

    def records(self) -> list[Record]:
        """A person whose second checkout makes the program fail, behind another one whose record moves *now* ahead."""
        return [
            event_record(one, at=at(when))
            for one, when in (
                (checkout("10:01", who="bob", checkout_id="2"), "10:05"),
                (checkout("10:00", checkout_id="1"), "10:00"),
                (checkout("10:02", checkout_id="3", channel_id="x"), "10:02"),
                (event("product_viewed", "10:03"), "10:03"),
            )
        ]

    def test_only_the_record_is_set_aside(self) -> None:
        stage = live(self.AT_EVENTS).append(*self.records()).tick("10:20")
        (letter,) = stage.dead_letters
        assert (letter.reason, letter.offset, letter.profile) == ("evaluate", 2, ANN.decode())
        assert letter.detail.startswith("TypeError: ")
        assert (letter.key, letter.value) == (ANN, stage.log[2].value)
        assert [one.profile_id for one in stage.commands] == [BOB.decode().partition("/")[2]]
        assert stage.profile().poison == [(2, "messages")]

    def test_the_profile_is_as_if_the_record_had_not_been_there(self) -> None:
        failed = live(self.AT_EVENTS).append(*self.records()).profile()
        without = live(self.AT_EVENTS).append(*(one for one in self.records() if b'"x"' not in one.value)).profile()
        assert (failed.dedupe, failed.history, failed.past) == (without.dedupe, without.history, without.past)
        assert [one.enrollment_id for one in failed.enrollments] == [one.enrollment_id for one in without.enrollments]

    def test_what_it_had_decided_before_it_failed_is_taken_back(self) -> None:
        first = flow(name="a")
        stage = live(first, self.AT_EVENTS).event(checkout("10:00", checkout_id="3", channel_id="x")).tick("10:20")
        assert (stage.story, stage.sent, stage.profile().enrollments) == ([], [], [])

    def test_the_repaired_program_takes_it_when_it_is_replayed(self) -> None:
        stage = live(self.AT_EVENTS).append(*self.records()).tick("10:20").restart(build([self.SOUND]))
        again = msgspec.structs.replace(stage.log[2], appended_at=at("10:30"))
        stage.append(again, resolution("10:30", 2)).tick("10:31")
        assert stage.sent == ["10:20 remind", "10:31 remind"]
        assert stage.append(again, resolution("10:40", 2)).tick("10:50").sent == ["10:20 remind", "10:31 remind"]

    def test_who_makes_it_fail_at_a_tick_is_not_woken_again(self) -> None:
        stage = live(self.AT_MOMENTS).event(checkout("10:00", channel_id="x")).event(checkout("10:00", who="bob"))
        stage.tick("10:20").tick("10:21").tick("10:22").restart().tick("10:23")
        (letter,) = stage.dead_letters
        assert (letter.reason, letter.offset, letter.profile) == ("evaluate", 2, ANN.decode())
        assert stage.sent == ["10:20 remind"]
        assert stage.partition.pending == 0
        assert stage.partition.next_wakeup_at == NEVER

    def test_so_is_who_has_more_turns_at_one_moment_than_anybody_may(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(waking, "TURNS_MAX", 2)
        stage = live(flow(name="a"), flow(name="b")).event(checkout("10:00")).tick("10:20").tick("10:21")
        (letter,) = stage.dead_letters
        assert (letter.reason, letter.profile, stage.sent) == ("evaluate", ANN.decode(), [])
        assert "after 2 turns at one moment" in letter.detail

    def test_the_repaired_program_wakes_it_when_that_is_dealt_with(self) -> None:
        stage = live(self.AT_MOMENTS).event(checkout("10:00", channel_id="x")).tick("10:20")
        stage.restart(build([self.SOUND])).tick("10:25")
        assert stage.sent == []
        assert stage.append(resolution("10:30", 1)).tick("10:31").sent == ["10:31 remind"]

    def test_on_a_carried_clock_any_record_may_be_the_one_that_wakes(self) -> None:
        stage = Stage(self.AT_MOMENTS).event(checkout("10:00", channel_id="x")).event(checkout("10:30", who="bob"))
        (letter,) = stage.dead_letters
        assert (letter.offset, letter.key, letter.profile) == (1, BOB, ANN.decode())
        assert stage.finish().sent == ["10:45 remind"]

    def test_on_a_carried_clock_its_own_record_is_taken_all_the_same(self) -> None:
        stage = Stage(self.AT_MOMENTS).event(checkout("10:00", channel_id="x")).event(order("10:30"))
        assert [letter.offset for letter in stage.dead_letters] == [1]
        assert stage.story[-1] == "10:30 ended bought"

    def test_memory_that_has_run_out_is_no_records_fault(self) -> None:
        class Exhausted(tuple[Beginning, ...]):
            def __iter__(self) -> Iterator[Beginning]:
                raise MemoryError

        program = build([self.SOUND])
        interests = {"checkout_started": replace(program.interests["checkout_started"], one_by_one=Exhausted())}
        stage = live(self.SOUND).event(event("product_viewed", "09:00")).restart(replace(program, interests=interests))
        with pytest.raises(MemoryError):
            stage.event(checkout("10:00"))

    @pytest.mark.parametrize("defective", [AT_EVENTS, AT_MOMENTS], ids=["events", "moments"])
    @pytest.mark.parametrize("clock", ["live", "carried"])
    @pytest.mark.parametrize("unit", [1, 2, 3, 7, 100])
    def test_it_is_the_same_in_units_of_any_size_over_any_crash(self, defective: Flow, clock: str, unit: int) -> None:
        """Semantics 1.3."""
        log = a_log(clock)
        want = outcome(defective, clock, [log[i : i + 1] for i in range(len(log))])
        units = [log[i : i + unit] for i in range(0, len(log), unit)]
        assert outcome(defective, clock, units) == want
        assert outcome(defective, clock, units, settle_every=3) == want
        assert outcome(defective, clock, units, crash=True) == want


def a_log(clock: str) -> list[Record]:
    """Checkouts with and without a channel, unreadable records, and resolutions of some of them."""
    stage = Stage(flow(), clock=clock)  # type: ignore[arg-type]
    for number in range(12):
        who = ("ann", "bob", "eve")[number % 3]
        channel = "x" if number % 5 == 2 else None
        stage.event(checkout(f"10:{4 * number:02}", who=who, checkout_id=str(number), channel_id=channel))
        if number % 4 == 3:
            stage.append(poison(f"10:{4 * number + 1:02}", value=b"\xff"))
        if number % 3 == 2:
            tick = f"10:{4 * number + 2:02}"
            stage = stage.tick(tick) if clock == "live" else stage.pass_time(tick)
    stage.append(resolution("10:55", 2, 3, 5, 6))
    return (stage.tick("11:30").tick("11:40") if clock == "live" else stage.pass_time("11:40")).log


def outcome(
    defective: Flow, clock: str, units: Sequence[Sequence[Record]], *, settle_every: int = 1, crash: bool = False
) -> tuple[set[bytes], ...]:
    """Everything that came out, and the states in the end.

    `crash`: every unit is worked off twice; after the first time its states are durable, its partition record is not.
    """
    stage = Stage(defective, clock=clock)  # type: ignore[arg-type]
    said: tuple[set[bytes], ...] = (set(), set(), set())
    for number, unit in enumerate(units, start=1):
        for turn in ("first", "again") if crash else ("only",):
            outputs = stage.partition.process(unit)
            said[0].update(value for _, value in outputs.commands)
            said[1].update(value for _, value in outputs.decisions)
            said[2].update(value for _, value in outputs.dead_letters)
            if number % settle_every and number < len(units):
                continue
            snapshot = stage.partition.snapshot()
            stage.store.update(snapshot.states)
            stage.partition.settled()
            if turn == "first":
                stage.partition = stage._partition(codec.unpack_partition(stage.record) if stage.record else None)
                for key, state in stage.store.items():
                    stage.partition.restore(key, state)
            else:
                stage.record = snapshot.partition_record
    return (*said, set(stage.store.values()))


class TestTooMuchPoison:
    """Semantics 1.9: more than 50 failures among the last 1,000 records stop the partition, durably."""

    def log(self, good_between: int, *, bad: int = POISON_IN_WINDOW_MAX + 1) -> list[Record]:
        found: list[Record] = []
        for number in range(bad):
            found.append(Record(len(found), at("10:00"), b"acme/p%d" % number, b"{"))
            for _ in range(good_between):
                view = event("product_viewed", "10:00", who="bob", id=str(len(found)))
                found.append(msgspec.structs.replace(event_record(view, at=at("10:00")), offset=len(found)))
        return found

    @pytest.mark.parametrize("unit", [1, 7, 2_000])
    def test_it_stops_behind_the_record_that_is_one_too_many(self, unit: int) -> None:
        log = self.log(18)
        stage = live()
        for start in range(0, len(log), unit):
            stage.outputs.append(work(stage.partition, log[start : start + unit]))
        assert stage.partition.stopped is not None
        assert stage.partition.stopped.offset == stage.partition.position == 19 * POISON_IN_WINDOW_MAX + 1
        assert len(stage.dead_letters) == POISON_IN_WINDOW_MAX + 1
        assert "51" in stage.partition.stopped.reason

    def test_it_takes_nothing_any_more_also_after_a_restart(self) -> None:
        stage = live().append(*self.log(0))
        stage.restart().event(checkout("10:30", who="bob")).tick("11:00")
        assert (stage.sent, stage.partition.position) == ([], POISON_IN_WINDOW_MAX + 1)
        assert stage.partition.plan_tick(ceiling_at=at("12:00"), watermarks=(), force=True) is None
        assert stage.partition.next_wakeup_at == NEVER

    def test_it_goes_on_where_it_stopped_when_an_operator_says_so(self) -> None:
        stage = live().append(*self.log(0))
        record = codec.unpack_partition(stage.record)
        record.stopped, record.poison = None, []
        stage.partition = stage._partition(record)
        assert stage.event(checkout("10:30", who="bob")).tick("11:00").sent == ["11:00 remind"]

    def test_fewer_do_not_stop_it(self) -> None:
        assert live().append(*self.log(0, bad=POISON_IN_WINDOW_MAX)).partition.stopped is None

    def test_nor_do_as_many_further_apart(self) -> None:
        assert live().append(*self.log(POISON_WINDOW // POISON_IN_WINDOW_MAX)).partition.stopped is None

    def test_wakeups_that_fail_count_each(self) -> None:
        """Else a defect at ticks would empty the whole partition into dead letters."""
        stage = live(TestTheProgramFails.AT_MOMENTS)
        for number in range(POISON_IN_WINDOW_MAX + 10):
            stage.event(checkout("10:00", who=f"p{number}", channel_id="x"))
        stage.tick("10:30")
        assert stage.partition.stopped is not None
        assert len(stage.dead_letters) == POISON_IN_WINDOW_MAX + 10


def test_a_broken_resolution_is_a_dead_letter() -> None:
    stage = live().event(checkout("10:00")).append(poison("10:05"))
    for value in (
        b"",
        b"{}",
        b'{"profile":"x","offsets":[1],"how":"dismissed","by":"o","at":"2026-11-20T10:00:00.000Z"}',
    ):
        stage.append(Record(0, at("10:06"), RESOLUTION_KEY, value))
    assert [letter.reason for letter in stage.dead_letters[1:]] == ["invalid_field"] * 3
    assert stage.profile().poison == [(1, "messages")]


def test_unread_news_of_a_source_is_no_persons_poison() -> None:
    broken = Watermark(source="s", tenant="acme", complete_through="soon")
    stage = Stage(flow()).append(Record(0, at("10:00"), b"\x00watermark", codec.encode(broken)))
    assert [letter.profile for letter in stage.dead_letters] == [None]
