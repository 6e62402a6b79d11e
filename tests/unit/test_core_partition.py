"""The partition: where time moves, on a live and on a carried clock (semantics 1)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from schemas import codec
from schemas.control import TICK_KEY, Tick, Watermark
from schemas.flow import Flow
from schemas.instants import from_wire, to_wire
from schemas.limits import RELEASED_PER_TICK_MAX
from schemas.profile import NEVER
from streams.partition import Record
from streams.program import DuplicateFlow, build
from streams.rehearsal import event_record
from tests.unit.stage import MINUTE, Stage, at, checkout, event, exit_on, flow, mark, order, send, settle, wait

SETTLED = flow(wait(15), settle(hold=60), send())


def live(*flows: Flow) -> Stage:
    return Stage(*(flows or (flow(),)), clock="live")


def plan(stage: Stage, ceiling: str, marks: Sequence[Watermark] = (), *, force: bool = False) -> Tick | None:
    return stage.partition.plan_tick(ceiling_at=at(ceiling), watermarks=marks, force=force)


def take(stage: Stage, tick: Tick | None, at_: str) -> Stage:
    """The owner appends the tick that it planned."""
    assert tick is not None
    return stage.append(Record(0, at(at_), TICK_KEY, codec.encode(tick)))


def crowd(count: int, time: str = "10:00") -> list[Record]:
    return [event_record(checkout(time, who=f"p{number}"), at=at(time)) for number in range(count)]


class TestLiveClock:
    """Timers fire only at ticks."""

    def test_an_event_releases_nobody_however_late_it_is(self) -> None:
        stage = live().event(checkout("10:00")).event(event("product_viewed", "12:00"))
        assert (stage.sent, stage.partition.overdue(at("12:00"), limit=9)) == ([], 1)

    def test_now_at_a_tick_is_its_append_time_and_lateness_is_told(self) -> None:
        """Semantics 1.2."""
        stage = live().event(checkout("10:00")).tick("10:16", through="10:15")
        assert stage.sent == ["10:16 remind"]
        assert [late for one in stage.outputs for late in one.latenesses.values()] == [[MINUTE]]

    def test_a_tick_releases_what_is_due_at_or_before_its_bound(self) -> None:
        stage = live().event(checkout("10:00")).tick("10:20", through="10:14:59.999")
        assert (stage.sent, stage.partition.through_at) == ([], at("10:14:59.999"))
        assert stage.tick("10:20", through="10:15").sent == ["10:20 remind"]

    def test_an_order_before_the_tick_is_never_overtaken(self) -> None:
        """The promise: bought at 13:58, nothing at 13:59, whatever the clock of the owner says."""
        stage = live(flow(wait(59), send())).event(checkout("13:00")).event(order("13:58"), "14:30").tick("14:30")
        assert stage.sent == []

    def test_the_bound_is_a_pair_of_time_and_key(self) -> None:
        """Semantics 1.5: a (time, key) bound; a replay releases the same."""
        stage = live().append(*crowd(3))
        keys = sorted(record.key.decode() for record in stage.log)
        stage.tick("10:15", key=keys[1])
        assert sorted(f"{one.tenant}/{one.profile_id}" for one in stage.commands) == keys[:2]
        assert len(stage.tick("10:15").commands) == 3

    def test_the_bound_never_moves_back(self) -> None:
        stage = live().event(checkout("10:00")).tick("10:14").tick("10:14", through="10:00")
        assert stage.partition.through_at == at("10:14")

    def test_ticks_of_a_second_owner_do_no_harm(self) -> None:
        """Semantics 1.5. Both planned from what they knew; the log orders them."""
        one, two = live().append(*crowd(4)), live().append(*crowd(4))
        ticks = [plan(two, "10:20"), plan(one, "10:30"), plan(two, "10:25", force=True)]
        for tick in ticks:
            take(one, tick, "10:30")
        assert len(one.commands) == len({command.command_id for command in one.commands}) == 4

    def test_time_never_moves_backward(self) -> None:
        """Semantics 1.2: a lower time is clamped and counted."""
        stage = live().event(checkout("10:00"), "10:30").event(event("product_viewed", "10:00"), "10:10").tick("10:20")
        assert stage.partition.now_at == at("10:30")
        assert stage.tallies["clamped",] == 2
        assert stage.tick("10:20", through="10:30").sent == ["10:30 remind"]

    def test_a_chain_of_overdue_steps_is_taken_one_moment_after_the_other(self) -> None:
        """What a tick arms may be due at that tick, never before its append time."""
        chain = flow(wait(5), send("a"), wait(5, label="more"), send("b"))
        stage = live(chain).event(checkout("10:00")).tick("10:30")
        assert stage.sent == ["10:30 a", "10:30 b"]

    def test_a_tick_that_opens_a_gate_lets_go_at_once(self) -> None:
        stage = (
            live(SETTLED).event(checkout("10:00")).tick("10:16").tick("10:31", through="10:20", marks=[mark("10:30")])
        )
        assert stage.story[1:] == ["10:16 held settle", "10:31 sent due", "10:31 ended done"]

    def test_an_order_in_the_same_log_before_that_tick_wins(self) -> None:
        stage = live(SETTLED).event(checkout("10:00")).tick("10:16").event(order("10:12"), "10:31")
        assert stage.tick("10:31", marks=[mark("10:30")]).sent == []

    def test_news_at_the_last_moment_of_holding_counts(self) -> None:
        stage = live(SETTLED).event(checkout("10:00")).tick("10:16").tick("11:20", marks=[mark("10:30")])
        assert stage.story[2:] == ["11:20 sent due", "11:20 ended done"]

    def test_held_too_long_is_released_by_a_tick_like_any_timer(self) -> None:
        stage = live(SETTLED).event(checkout("10:00")).tick("10:16").tick("11:14").tick("11:15")
        assert stage.story[2:] == ["11:15 skipped settle_timeout", "11:15 ended done"]


class TestPlanningTicks:
    """What the owner of a partition appends."""

    def test_nothing_due_nothing_new_nothing_said(self) -> None:
        stage = live().event(checkout("10:00"))
        assert plan(stage, "10:14") is None

    def test_unless_it_is_time_to_say_something(self) -> None:
        tick = plan(live(), "10:14", force=True)
        assert tick is not None
        assert (tick.through, tick.through_key, tick.watermarks) == (to_wire(at("10:14")), None, ())

    def test_due_work_is_said_up_to_the_ceiling(self) -> None:
        stage = live().event(checkout("10:00"))
        tick = plan(stage, "10:15")
        assert tick is not None
        assert from_wire(tick.through) == at("10:15")
        assert take(stage, tick, "10:15").sent == ["10:15 remind"]
        assert plan(stage, "10:16") is None

    def test_only_watermarks_that_are_news(self) -> None:
        stage = live().tick("10:00", marks=[mark("09:00"), mark("09:30", shop="two")])
        marks = [mark("09:00"), mark("09:31", shop="two"), mark("08:00", source="other")]
        tick = plan(stage, "10:01", marks)
        assert tick is not None
        assert list(tick.watermarks) == marks[1:]
        assert plan(take(stage, tick, "10:01"), "10:02", marks) is None

    def test_at_most_so_many_profiles_at_once_and_the_rest_next_time(self) -> None:
        """Semantics 1.5 and 5.7: in due order, at a bounded rate."""
        stage = live(flow(wait(15), send())).append(*crowd(2 * RELEASED_PER_TICK_MAX + 1))
        stage.event(checkout("09:59", who="first"), "10:01")
        released: list[int] = []
        while (tick := plan(stage, "12:00")) is not None:
            before = len(stage.commands)
            take(stage, tick, "12:00")
            released.append(len(stage.commands) - before)
        assert released == [RELEASED_PER_TICK_MAX, RELEASED_PER_TICK_MAX, 2]
        assert stage.commands[0].profile_id == stage.profile("first").profile_id
        assert len({one.profile_id for one in stage.commands}) == sum(released)
        assert stage.partition.through_at == at("12:00")

    def test_a_ceiling_below_what_was_said_before_has_nothing_to_add(self) -> None:
        """Another owner, with a slower clock, takes over in the middle of an instant: it waits until it is there."""
        stage = live().append(*crowd(3))
        keys = sorted(record.key.decode() for record in stage.log)
        stage.tick("10:15", key=keys[0])
        assert plan(stage, "10:14") is None
        assert len(take(stage, plan(stage, "10:15"), "10:15").commands) == 3


class TestCarriedClock:
    """Records carry their own time; a timer's moment is max(due, append time of the record that armed it)."""

    def test_released_before_the_first_record_later_than_its_moment(self) -> None:
        stage = Stage(flow()).event(checkout("10:00")).event(event("product_viewed", "10:20"))
        assert stage.sent == ["10:15 remind"]
        assert stage.decisions[1].cause.offset == 1

    def test_a_record_of_the_same_instant_is_seen_first(self) -> None:
        stage = Stage(flow()).event(checkout("10:00")).event(order("10:15")).finish()
        assert stage.story == ["10:00 entered triggered", "10:15 ended bought"]

    def test_due_before_the_record_that_armed_it_is_due_with_it(self) -> None:
        """Semantics 1.7."""
        stage = Stage(flow()).event(checkout("10:00"), "10:20").event(order("10:18"), "10:20").finish()
        assert stage.sent == []

    def test_in_due_order_over_all_people(self) -> None:
        stage = Stage(flow()).event(checkout("10:01", who="bob")).event(checkout("10:00"), "10:01")
        stage.event(event("product_viewed", "10:30", who="eve"))
        assert stage.sent == ["10:15 remind", "10:16 remind"]

    def test_the_record_that_releases_is_itself_an_event_of_the_released(self) -> None:
        """It is applied after the release, and the state takes its offset once."""
        stage = Stage(flow()).event(checkout("10:00")).event(checkout("10:20"))
        assert stage.story[-1] == "10:20 entered triggered"
        assert stage.profile().applied_offset == 1
        assert stage.restart().append(stage.log[1]).tallies["event", "duplicate"] == 1

    def test_so_an_order_that_comes_after_the_moment_comes_too_late(self) -> None:
        stage = Stage(flow()).event(checkout("10:00")).event(order("10:14"), "10:15:00.001")
        assert stage.story[1:] == ["10:15 sent due", "10:15 ended done", "10:15:00.001 recalled bought"]

    def test_a_gate_opens_at_the_time_of_its_watermark(self) -> None:
        stage = Stage(SETTLED).event(checkout("10:00")).watermark(mark("10:20"), "10:30").pass_time("11:00")
        assert stage.sent == ["10:30 remind"]
        assert stage.decisions[2].cause.offset == 2

    def test_the_end_mark_drains_everything(self) -> None:
        chain = flow(wait(15), send("a"), wait(24 * 60, label="more"), send("b"))
        stage = Stage(chain).event(checkout("10:00")).finish()
        assert (stage.sent, stage.partition.pending) == (["10:15 a", "+1 10:15 b"], 0)
        assert stage.partition.next_wakeup_at == NEVER

    def test_time_moves_to_each_moment_on_the_way(self) -> None:
        """So what one release arms is in order with what was waiting."""
        quick = flow(wait(5), send("a"), wait(5, label="more"), send("b"), name="quick", exits=[])
        stage = Stage(quick, flow(wait(7), send("slow"), name="slow")).event(checkout("10:00")).finish()
        assert stage.sent == ["10:05 a", "10:07 slow", "10:10 b"]

    def test_a_lower_time_is_clamped(self) -> None:
        stage = Stage(flow()).event(checkout("10:20"), "10:20").event(checkout("10:00", who="bob"), "10:10").finish()
        assert stage.tallies["clamped",] == 1
        assert stage.sent == ["10:20 remind", "10:35 remind"]


class TestTheUnitOfWork:
    """What one call gives, and what a partition keeps."""

    def test_each_touched_profile_once_and_nobody_else(self) -> None:
        """Architecture, "The unit of work"."""
        stage = live().append(*crowd(3), *crowd(2, "10:05"))
        assert sorted(key for key, _ in stage.outputs[0].states) == sorted(record.key for record in stage.log[:3])
        assert stage.event(event("product_viewed", "10:06", who="p0")).outputs[1].states[0][0] == stage.log[0].key

    def test_a_duplicate_touches_nobody(self) -> None:
        stage = live().event(checkout("10:00", id="a")).event(checkout("10:00", id="a"))
        assert stage.outputs[1].states == []

    def test_the_position_is_the_next_offset_also_after_gaps_and_poison(self) -> None:
        stage = live()
        stage.partition.process([Record(5, at("10:00"), b"acme/x", b"{"), Record(9, at("10:00"), b"acme/x", b"{")])
        assert stage.partition.position == 10

    def test_a_dead_letter_says_where_it_came_from(self) -> None:
        stage = live().append(Record(0, at("10:00"), b"acme/x", b"{"))
        letter = stage.dead_letters[0]
        assert (letter.topic, letter.partition, letter.offset, letter.key, letter.value, letter.stage) == (
            "log", 0, 0, b"acme/x", b"{", "worker",
        )  # fmt: skip
        assert letter.refused_at == to_wire(at("10:00"))
        assert stage.outputs[0].dead_letters[0][0] == b"acme/x"

    def test_the_partition_record_holds_where_the_partition_is(self) -> None:
        stage = live().append(*crowd(2))
        stage.tick("10:14", key="acme/x", marks=[mark("09:00")])
        record = codec.unpack_partition(stage.record)
        assert (record.position, record.now_at, record.through_at, record.through_key) == (
            3,
            at("10:14"),
            at("10:14"),
            "acme/x",
        )
        assert record.watermarks == [("acme", "shop.orders", "", at("09:00"))]
        assert (record.clock, record.incarnation, record.activation) == ("live", "i", -1)

    def test_a_restored_partition_goes_on_where_it_was(self) -> None:
        stage = live(SETTLED).event(checkout("10:00")).event(checkout("10:10", who="bob")).tick("10:16")
        stage.restart()
        assert (stage.partition.position, stage.partition.pending) == (3, 2)
        stage.tick("10:31", marks=[mark("10:30")])
        assert stage.sent == ["10:31 remind", "10:31 remind"]

    def test_a_watermark_told_before_the_restart_is_remembered(self) -> None:
        stage = live(SETTLED).tick("10:00", marks=[mark("10:20")]).event(checkout("10:00")).restart().tick("10:16")
        assert stage.sent == ["10:16 remind"]

    def test_the_same_causes_in_two_partitions_are_told_apart(self) -> None:
        """A decision id names the record that caused it."""
        stage = live().event(checkout("10:00"))
        assert len(stage.decisions[0].decision_id) == 32
        assert stage.decisions[0].cause.partition == 0


class TestThePrograms:
    """`build` indexes the live flows."""

    def test_two_flows_of_one_name_are_refused(self) -> None:
        with pytest.raises(DuplicateFlow, match="reminder"):
            build([flow(), flow(version="2")])

    def test_a_draft_is_left_out(self) -> None:
        assert list(build([flow(name="two", status="draft"), flow(name="one")]).flows) == ["one"]

    def test_only_words_that_exits_ask_for_are_kept_of_an_event(self) -> None:
        matched = exit_on("order_placed", reason="x", match=(("checkout_id", "checkout_id"),))
        stage = Stage(flow(exits=[matched])).event(order("10:00", checkout_id="C1", order_id="7", total="5.00"))
        assert [seen.words for seen in stage.profile().history] == [{"checkout_id": "C1"}]
