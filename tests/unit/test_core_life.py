"""The life of a flow in the core: statuses, versions that people are pinned to, activations, and moving people."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest

from schemas import codec
from schemas.conditions import InFlow, Not
from schemas.flow import ExitRule, Flow, Status
from schemas.profile import NEVER
from schemas.window import Window
from streams.partition import Record
from tests.unit.stage import (
    ANN,
    BOUGHT,
    HOUR,
    Stage,
    at,
    checkout,
    event,
    flow,
    mark,
    order,
    receipt,
    send,
    settle,
    stop,
    wait,
)
from tests.unit.written import REMIND, written

OLD, NEW = flow(), flow(wait(30), send("again"), version="2")
LEFT = ExitRule(person=Not(part=InFlow(flow="reminder")), reason="left")
STATUSES: tuple[Status, ...] = ("shadow", "live", "draining", "held", "stopped")


def live(*flows: Flow) -> Stage:
    return Stage(*(flows or (OLD,)), clock="live")


def with_status(status: Status, one: Flow = OLD) -> Flow:
    return msgspec.structs.replace(one, status=status)


def replayed(stage: Stage, *flows: Flow, batches: Callable[[], int]) -> tuple[list[bytes], dict[bytes, bytes]]:
    """The decisions and states of the same log, in batches of other sizes, restarted after each."""
    again = live(*flows)
    again.definitions, again.activations = stage.definitions, stage.activations
    log = list(stage.log)
    while log:
        size = batches()
        again.append(*log[:size])
        again.log = stage.log[: len(again.log)]
        again.restart()
        del log[:size]
    return [value for one in again.outputs for _, value in one.decisions], again.store


class TestPinning:
    """Semantics 12.1, 12.3: publishing creates a version; new enrollments use the newest, existing ones stay pinned."""

    def test_who_is_in_stays_in_the_version_they_entered_and_others_enter_the_newest(self) -> None:
        stage = live().event(checkout("10:00")).activate("10:05", 7, NEW, OLD).event(checkout("10:06", who="bob"))
        stage.tick("10:20").tick("10:40")
        assert stage.sent == ["10:20 remind", "10:40 again"]
        assert [one.flow_version for one in stage.commands] == ["1", "2"]

    def test_the_switch_is_at_the_offset_of_the_record(self) -> None:
        stage = live().activate("10:00", 7, NEW, OLD)
        before, after = checkout("10:01", who="ann"), checkout("10:01", who="bob")
        assert {one.flow_version for one in stage.event(before).event(after).decisions} == {"2"}
        late = live().event(before).activate("10:01", 7, NEW, OLD).event(after)
        assert [one.flow_version for one in late.decisions] == ["1", "2"]

    def test_the_highest_number_wins_wherever_it_stands(self) -> None:
        stage = live().activate("10:00", 9, NEW, OLD).activate("10:01", 7, with_status("stopped"))
        assert stage.partition.program.number == 9
        assert [one.flow_version for one in stage.event(checkout("10:02")).decisions] == ["2"]

    def test_the_partition_record_remembers_it(self) -> None:
        stage = live().activate("10:00", 9, NEW, OLD)
        assert codec.unpack_partition(stage.record).activation == 9

    def test_an_exit_rule_of_a_version_that_admits_nobody_still_ends(self) -> None:
        """Rules of the version that somebody is pinned to."""
        without = flow(version="2", exits=())
        stage = live().event(checkout("10:00")).activate("10:05", 7, without, OLD).event(order("10:06")).tick("10:20")
        assert stage.sent == []
        assert stage.story[-1] == "10:06 ended bought"

    @pytest.mark.parametrize(("retrigger", "version"), [("ignore", "1"), ("replace_context", "1"), ("restart", "2")])
    def test_a_trigger_for_who_is_in_is_judged_by_their_version_unless_they_begin_anew(
        self, retrigger: str, version: str
    ) -> None:
        old, new = (msgspec.structs.replace(one, retrigger=retrigger) for one in (OLD, NEW))
        stage = live(old).event(checkout("10:00")).activate("10:05", 7, new, old).event(checkout("10:06"))
        assert stage.profile().enrollments[0].version == version
        assert stage.tick("11:00").commands[0].flow_version == version

    @pytest.mark.parametrize(("before", "after", "version"), [("ignore", "restart", "1"), ("restart", "ignore", "2")])
    def test_whether_they_begin_anew_is_said_by_the_version_they_are_in(
        self, before: str, after: str, version: str
    ) -> None:
        old, new = msgspec.structs.replace(OLD, retrigger=before), msgspec.structs.replace(NEW, retrigger=after)
        stage = live(old).event(checkout("10:00")).activate("10:05", 7, new, old).event(checkout("10:06"))
        assert stage.profile().enrollments[0].version == version

    @pytest.mark.parametrize(
        ("asks", "story"), [("old", "10:06 refused filter_false"), ("new", "10:06 restarted restart")]
    )
    def test_whether_they_may_is_judged_by_the_filter_of_the_version_they_are_in(self, asks: str, story: str) -> None:
        old, new = (
            msgspec.structs.replace(
                one, retrigger="restart", filter=Not(part=InFlow(flow="reminder")) if asks == name else None
            )
            for name, one in (("old", OLD), ("new", NEW))
        )
        stage = live(old).event(checkout("10:00")).activate("10:05", 7, new, old).event(checkout("10:06"))
        assert stage.story[-1] == story

    @pytest.mark.parametrize(("hours", "story"), [(1, "refused trigger_too_old"), (24, "restarted restart")])
    def test_and_by_its_age(self, hours: int, story: str) -> None:
        old, new = (
            msgspec.structs.replace(one, retrigger="restart", max_trigger_age_ms=age * HOUR)
            for age, one in ((hours, OLD), (25 - hours, NEW))
        )
        stage = live(old).event(checkout("10:00")).activate("10:05", 7, new, old).event(checkout("10:02"), "12:00")
        assert stage.story[-1] == f"12:00 {story}"

    def test_who_is_pinned_to_a_version_that_is_gone_goes_on_in_the_newest(self) -> None:
        """Semantics 12.2."""
        stage = live().event(checkout("10:00")).activate("10:05", 7, flow(wait(15), send("other"), version="2"))
        assert stage.tick("10:20").sent == ["10:20 other"]

    def test_an_activation_whose_definition_is_missing_is_no_record_s_fault(self) -> None:
        stage = live().activate("10:00", 7, NEW, OLD)
        again = live()  # and knows of no other version
        with pytest.raises(KeyError):
            again.append(*stage.log)

    def test_a_damaged_activation_is_a_dead_letter_and_changes_nothing(self) -> None:
        stage = live().append(Record(0, at("10:00"), b"\x00activation", b'{"number": -3}')).event(checkout("10:00"))
        assert [one.reason for one in stage.dead_letters] == ["invalid_field"]
        assert stage.tick("10:20").sent == ["10:20 remind"]


class TestStatuses:
    """Semantics 12.4: never pinned, so a status holds for every version at once."""

    def test_draining_takes_nobody_in_and_lets_those_who_are_in_go_on(self) -> None:
        draining = with_status("draining")
        stage = live().event(checkout("10:00")).activate("10:05", 7, draining).event(checkout("10:06", who="bob"))
        stage.tick("10:30")
        assert stage.sent == ["10:30 remind"]
        assert "10:06 refused draining" in stage.story

    def test_a_trigger_for_who_is_in_a_draining_flow_is_no_new_enrollment(self) -> None:
        replacing = flow(retrigger="replace_context")
        stage = live(replacing).event(checkout("10:00")).activate("10:05", 7, with_status("draining", replacing))
        stage.event(checkout("10:10"))
        assert stage.story[-1] == "10:10 restarted replace_context"

    def test_nothing_fires_while_held_and_timers_are_kept(self) -> None:
        stage = live().event(checkout("10:00")).activate("10:05", 7, with_status("held")).tick("10:20").tick("10:50")
        assert stage.sent == []
        assert stage.profile().enrollments[0].wakeup_at == at("10:15")
        assert stage.partition.next_wakeup_at == NEVER, "no tick is planned for who is held"
        assert stage.activate("11:00", 8, OLD).partition.next_wakeup_at == at("10:15")
        assert stage.tick("11:01").sent == ["11:01 remind"]

    def test_a_held_flow_takes_people_in_and_exits_end_them(self) -> None:
        stage = live(with_status("held")).event(checkout("10:00")).event(checkout("10:00", who="bob"))
        stage.event(order("10:05")).tick("10:30").activate("10:40", 7, OLD).tick("10:41")
        assert stage.sent == ["10:41 remind"]
        assert [one.profile_id for one in stage.commands] == [stage.profile("bob").profile_id]

    def test_on_resume_the_overdue_rule_applies(self) -> None:
        strict = flow(wait(15), msgspec.structs.replace(send(), when_late="skip", max_lateness_ms=HOUR))
        held = with_status("held", strict)
        stage = live(strict).event(checkout("10:00")).activate("10:05", 7, held).tick("11:00")
        stage.activate("12:00", 8, strict).tick("12:01")
        assert stage.story[-2:] == ["12:01 skipped too_late", "12:01 ended done"]

    def test_a_gate_of_a_held_flow_does_not_open_until_it_is_resumed(self) -> None:
        gated = flow(wait(15), settle(hold=600), send())
        stage = live(gated).event(checkout("10:00")).tick("10:16").activate("10:20", 7, with_status("held", gated))
        stage.tick("10:30", marks=[mark("10:25")]).tick("10:31")
        assert stage.sent == []
        assert stage.activate("10:40", 8, gated).tick("10:41").sent == ["10:41 remind"]

    def test_other_flows_go_on_while_one_is_held(self) -> None:
        other = flow(wait(20), send("other"), name="other")
        stage = live(OLD, other).event(checkout("10:00")).activate("10:05", 7, with_status("held"), other)
        assert stage.tick("10:30").sent == ["10:30 other"]
        assert stage.activate("10:40", 8, OLD, other).tick("10:41").sent == ["10:30 other", "10:41 remind"]

    def test_a_shadow_decides_and_emits_nothing(self) -> None:
        stage = live(with_status("shadow")).event(checkout("10:00")).tick("10:20")
        assert stage.commands == []
        assert [(one.outcome, one.shadow, one.command_id) for one in stage.decisions] == [
            ("entered", True, None),
            ("sent", True, None),
            ("ended", True, None),
        ]

    def test_decisions_of_a_live_flow_are_not_marked(self) -> None:
        stage = live().event(checkout("10:00")).tick("10:20")
        assert not any(one.shadow for one in stage.decisions)
        assert b"shadow" not in b"".join(value for one in stage.outputs for _, value in one.decisions)

    def test_who_is_in_a_stopped_flow_ends_when_their_moment_comes(self) -> None:
        stage = live().event(checkout("10:00")).activate("10:05", 7, with_status("stopped")).tick("10:20")
        assert stage.sent == []
        assert stage.story[-1] == "10:20 ended stopped"
        assert stage.partition.pending == 0

    @pytest.mark.parametrize("short", ["order_placed", "product_viewed"])
    def test_or_when_anything_is_heard_of_them(self, short: str) -> None:
        """Also what no flow looks at."""
        stage = (
            live().event(checkout("10:00")).activate("10:05", 7, with_status("stopped")).event(event(short, "10:06"))
        )
        assert stage.story[-1] == "10:06 ended stopped"
        assert stage.partition.pending == 0

    def test_what_has_expired_is_not_ordered_again_by_a_stopped_flow(self) -> None:
        """Semantics 9.6, 12.4."""
        stage = live().event(checkout("10:00")).tick("10:16").activate("10:20", 7, with_status("stopped"))
        stage.event(receipt("10:31", stage.commands[0], "expired")).tick("10:32")
        stage.activate("10:40", 8, OLD, over_before="10:39").tick("10:50")
        assert stage.sent == ["10:16 remind"]
        assert stage.story[-1] == "10:32 skipped stopped"

    def test_a_stopped_flow_takes_nobody_in(self) -> None:
        stage = live(with_status("stopped")).event(checkout("10:00"))
        assert (stage.story, stage.partition.pending) == ([], 0)

    def test_a_gate_of_a_stopped_flow_opens_to_the_end(self) -> None:
        gated = flow(wait(15), settle(hold=600), send())
        stage = live(gated).event(checkout("10:00")).tick("10:16").activate("10:20", 7, with_status("stopped", gated))
        assert stage.tick("10:30", marks=[mark("10:25")]).story[-1] == "10:30 ended stopped"

    def test_who_was_in_when_it_was_stopped_does_not_come_back_with_it(self) -> None:
        stage = live().event(checkout("10:00")).activate("10:05", 7, with_status("stopped"))
        stage.activate("10:10", 8, OLD, over_before="10:09").event(checkout("10:11", who="bob")).tick("10:40")
        assert [one.profile_id for one in stage.commands] == [stage.profile("bob").profile_id]
        assert "10:40 ended stopped" in stage.story

    @pytest.mark.parametrize("resumed", ["09:00", "23:00"])
    def test_who_was_in_before_is_told_by_the_place_and_not_by_the_clock_of_who_resumed_it(self, resumed: str) -> None:
        """Nor by whether this partition has seen the stop itself."""
        stage = live().event(checkout("10:00")).activate("10:10", 8, OLD, over_before=resumed)
        stage.event(checkout("10:10", who="bob")).activate("10:11", 9, OLD, over_before=resumed).restart()
        stage.event(checkout("10:12", who="cat")).tick("10:40")
        assert sorted(one.profile_id for one in stage.commands) == sorted(
            stage.profile(who).profile_id for who in ("bob", "cat")
        )

    def test_who_leaves_a_stopped_flow_leaves_what_depends_on_being_in_it(self) -> None:
        """Semantics 4: rules on other flows are asked whenever an enrollment ends, whatever has ended it."""
        beside = flow(wait(60), send("beside"), name="watching", exits=[LEFT])
        made = live(OLD, beside).event(checkout("10:00")).activate("10:05", 7, with_status("stopped"), beside)
        made.event(event("product_viewed", "10:06"))
        assert made.story[-2:] == ["10:06 ended stopped", "10:06 ended left"]

    def test_nobody_else_is_looked_at_for_a_stopped_flow(self) -> None:
        other = flow(wait(20), send("other"), name="other")
        stage = live(OLD, other).event(checkout("10:00")).activate("10:05", 7, with_status("stopped"), other)
        assert stage.tick("10:30").sent == ["10:30 other"]


class TestMoving:
    """Semantics 12.5: moving people is explicit, by a map of labels."""

    def test_a_wait_counts_from_where_it_counted_in_the_old_version(self) -> None:
        stage = live().event(checkout("10:00")).activate("10:05", 7, NEW, OLD).move("10:10", NEW)
        assert stage.profile().enrollments[0].version == "2"
        assert stage.story[-1] == "10:10 moved migration"
        assert stage.tick("10:29").tick("10:31").sent == ["10:31 again"]

    def test_a_removed_label_is_mapped(self) -> None:
        renamed = flow(wait(20, label="pause"), send("again"), version="2")
        stage = live().event(checkout("10:00")).activate("10:05", 7, renamed, OLD).move("10:10", renamed, wait="pause")
        assert stage.decisions[-1].values == {
            "from_step": "wait", "from_version": "1", "to_step": "pause", "to_version": "2",
        }  # fmt: skip
        assert stage.tick("10:19").tick("10:21").sent == ["10:21 again"]

    def test_who_is_moved_to_a_message_gets_it_at_the_next_tick(self) -> None:
        stage = live().event(checkout("10:00")).activate("10:05", 7, NEW, OLD).move("10:06", NEW, wait="again")
        assert stage.sent == []
        assert stage.tick("10:07").sent == ["10:07 again"]

    def test_whom_a_rule_of_the_new_version_concerns_already_ends(self) -> None:
        """On stored history."""
        free = flow(exits=())
        strict = flow(version="2", exits=[BOUGHT])
        other = flow(name="other", exits=[BOUGHT])
        stage = live(free, other).event(checkout("10:00")).event(order("10:02")).activate("10:05", 7, strict, free)
        assert stage.move("10:06", strict).story[-1] == "10:06 ended bought"

    def test_whom_moving_ends_leaves_what_depends_on_it(self) -> None:
        free, strict = flow(exits=()), flow(version="2", exits=[BOUGHT])
        beside = flow(wait(60), send("beside"), name="watching", exits=[LEFT])
        keeps = flow(name="keeps", exits=[BOUGHT])
        made = live(free, beside, keeps).event(checkout("10:00")).event(order("10:02"))
        made.activate("10:05", 7, strict, free, beside, keeps).move("10:06", strict)
        assert made.story[-2:] == ["10:06 ended bought", "10:06 ended left"]

    def test_moving_twice_is_moving_once(self) -> None:
        stage = live().event(checkout("10:00")).activate("10:05", 7, NEW, OLD).move("10:10", NEW).move("10:11", NEW)
        assert stage.story.count("10:10 moved migration") == 1
        assert len(stage.decisions) == 2

    def test_without_the_version_or_the_label_everybody_stays(self) -> None:
        stage = live().event(checkout("10:00")).move("10:04", NEW).activate("10:05", 7, NEW, OLD)
        stage.move("10:06", NEW, wait="nowhere")
        assert stage.tallies[("not_moved", "reminder")] == 2
        assert stage.tick("10:16").sent == ["10:16 remind"]

    def test_a_gate_that_has_timed_out_says_nothing_of_what_is_behind_a_wait(self) -> None:
        """Semantics 6.3: up to the next wait."""
        shut = msgspec.structs.replace(send(), window=Window(12 * HOUR, 13 * HOUR))
        old = flow(wait(15), settle("shop.orders", hold=1, on_timeout="send"), shut)
        stage = live(old).event(checkout("10:00")).tick("10:16").tick("10:17")
        assert stage.story[-1] == "10:16 held window"
        stage.activate("10:18", 7, NEW, old).move("10:19", NEW, remind="wait").tick("10:31")
        assert [one.reason for one in stage.decisions if one.outcome == "sent"] == ["due"]

    def test_a_message_of_the_new_version_is_a_new_message(self) -> None:
        """4, ids: a label that was passed in the old version and comes again gets an id of its own."""
        twice = flow(wait(15), send("remind"), wait(30, label="more"), send("last"))
        new = msgspec.structs.replace(twice, version="2")
        stage = live(twice).event(checkout("10:00")).tick("10:20").activate("10:21", 7, new, twice)
        stage.move("10:22", new, more="wait").tick("10:30").tick("11:30")
        assert len({one.command_id for one in stage.commands}) == 3


def test_a_record_of_an_operator_about_somebody_ends_what_was_stopped_too() -> None:
    """Semantics 12.4: with the next record about them, and that may be the one that would have moved them."""
    stage = live(OLD).event(checkout("10:00")).activate("10:05", 7, with_status("stopped"))
    stage.activate("10:06", 8, NEW, OLD, over_before="10:06").move("10:07", NEW, wait="wait")
    assert stage.story == ["10:00 entered triggered", "10:07 ended stopped"]


@pytest.mark.parametrize("seed", range(40))
def test_the_same_log_gives_the_same_decisions_in_whatever_lives(seed: int) -> None:
    """Semantics 1.3, with activations and migrations in between: batches of any size, a restart after each."""
    dice = random.Random(seed)
    gated = flow(wait(10), settle(hold=30), send("gated"), stop("over"), name="gated")
    versions = [flow(wait(dice.choice((5, 15, 40))), send(), version=str(n)) for n in range(1, 5)]
    times = [written(REMIND, name="daily", trigger={"schedule": {"at": at_}}) for at_ in ("10:30", "11:00", "11:30")]
    stage, minute, newest = live(versions[0], gated, times[0]), 0, 1
    for number in range(60):
        minute += dice.choice((0, 1, 2, 5))
        now = f"{10 + minute // 60}:{minute % 60:02}"
        match dice.choice(["checkout", "checkout", "order", "tick", "tick", "tick", "activate", "move"]):
            case "checkout":
                stage.event(checkout(now, who=dice.choice("abcde"), id=f"c{number}"))
            case "order":
                stage.event(order(now, who=dice.choice("abcde"), id=f"o{number}"))
            case "tick":
                stage.tick(now, marks=[mark(now)] if dice.random() < 0.3 else [])
            case "activate":
                newest = max(newest, dice.randint(1, 4))
                status, other = dice.choice(STATUSES), dice.choice(STATUSES)
                active = [with_status(status, one) for one in reversed(versions[:newest])]
                daily = with_status(dice.choice(STATUSES), dice.choice(times))
                stage.activate(now, number, *active, with_status(other, gated), daily)
            case "move":
                stage.move(now, versions[newest - 1], dice.choice(list(stage.store) or [ANN]), nothing="wait")
    stage.tick("20:00")
    decided = [value for one in stage.outputs for _, value in one.decisions]
    again, store = replayed(stage, versions[0], gated, times[0], batches=lambda: dice.randint(1, 9))
    assert again == decided
    assert store == stage.store
