"""Steps: wait, settle, if, route, send, stop, on a carried clock (semantics 4.3, 5, 6 and 8)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from schemas.conditions import Compare
from schemas.identity import Identity
from schemas.steps import Gate, If, Route, Value
from streams.decide import decide
from streams.passage import WAYS_MAX
from streams.predicates import TOLD_LENGTH_MAX
from streams.verdict import Wakeup
from streams.watermarks import Gates, Watermarks
from tests.unit.stage import ORDERS, TENANT, Stage, at, checkout, flow, mark, order, send, settle, stop, wait

LARGE = Compare(word="total", kind="money", operator="gte", operand=["50", "USD"])
SETTLED = flow(wait(15), settle(hold=120), send())


class TestWait:
    """Semantics 5.1: exact elapsed time; 5.6: completed at its moment."""

    def test_a_wait_is_over_at_its_moment_and_not_before(self) -> None:
        stage = Stage(flow()).event(checkout("10:00")).pass_time("10:15")
        assert stage.sent == []
        assert stage.pass_time("10:15:00.001").sent == ["10:15 remind"]

    def test_waits_of_months_are_ordinary(self) -> None:
        """Semantics 5.7."""
        stage = Stage(flow(wait(200 * 24 * 60), send())).event(checkout("10:00")).finish()
        assert stage.sent == ["+200 10:00 remind"]

    def test_two_waits_in_a_row_add_up(self) -> None:
        stage = Stage(flow(wait(15), wait(30, label="more"), send())).event(checkout("10:00"), "10:05").finish()
        assert stage.sent == ["10:45 remind"]

    def test_after_an_outage_the_next_wait_counts_from_the_moment_of_the_first(self) -> None:
        """Semantics 5.6: never from when the worker woke up."""
        twice = flow(wait(15), send("first"), wait(60, label="again"), send("second"))
        stage = Stage(twice, clock="live").event(checkout("10:00")).tick("10:50").tick("11:14:59.999").tick("11:15")
        assert stage.sent == ["10:50 first", "11:15 second"]

    def test_without_a_wait_the_message_goes_at_the_first_chance_after_the_record(self) -> None:
        """Records of the same instant are seen first."""
        stage = Stage(flow(send())).event(checkout("10:00")).event(order("10:00")).finish()
        assert stage.story == ["10:00 entered triggered", "10:00 ended bought"]
        assert Stage(flow(send())).event(checkout("10:00")).finish().sent == ["10:00 remind"]


class TestSettle:
    """Semantics 6."""

    def test_complete_through_the_due_time_goes_straight_on(self) -> None:
        stage = Stage(SETTLED).event(checkout("10:00")).watermark(mark("10:15"), "10:15").finish()
        assert stage.story[1:] == ["10:15 sent due", "10:15 ended done"]

    def test_held_until_the_watermark_comes(self) -> None:
        stage = Stage(SETTLED).event(checkout("10:00")).watermark(mark("10:14:59.999"), "10:15")
        stage.watermark(mark("10:15"), "10:30").pass_time("10:31")
        assert stage.story[1:] == ["10:15 held settle", "10:30 sent due", "10:30 ended done"]
        assert stage.decisions[1].values == {
            "due_at": "2026-11-20T10:15:00.000Z",
            "complete_through": {ORDERS: "2026-11-20T10:14:59.999Z"},
        }

    def test_an_order_that_comes_while_held_ends_it(self) -> None:
        """Semantics 6.2 and 7.2: the enrollment stays live meanwhile, and the late order ends it."""
        stage = Stage(SETTLED).event(checkout("10:00")).event(order("10:12"), "10:30")
        stage.watermark(mark("10:30"), "10:30").finish()
        assert stage.story[1:] == ["10:15 held settle", "10:30 ended bought"]

    def test_records_of_the_instant_that_opens_the_gate_are_seen_first(self) -> None:
        stage = Stage(SETTLED).event(checkout("10:00"))
        stage.watermark(mark("10:30"), "10:30").event(order("10:12"), "10:30").finish()
        assert stage.sent == []

    def test_a_gate_that_a_record_opens_and_another_of_the_instant_shuts_again_stays_shut(self) -> None:
        """Semantics 6.5: the second shop of the source was never heard of before."""
        stage = Stage(SETTLED).event(checkout("10:00")).watermark(mark("10:20", shop="one"), "10:20")
        stage.watermark(mark("10:05", shop="two"), "10:20").watermark(mark("10:30", shop="two"), "10:40").finish()
        assert stage.story[1:] == ["10:15 held settle", "10:40 sent due", "10:40 ended done"]

    def test_on_timeout_skip(self) -> None:
        """Semantics 6.3: the default."""
        stage = Stage(SETTLED).event(checkout("10:00")).finish()
        assert stage.story[1:] == ["10:15 held settle", "12:15 skipped settle_timeout", "12:15 ended done"]

    def test_on_timeout_send_is_marked(self) -> None:
        """Semantics 6.3: `send` marked `degraded`."""
        stage = Stage(flow(wait(15), settle(hold=30, on_timeout="send"), send())).event(checkout("10:00")).finish()
        assert stage.story[1:] == ["10:15 held settle", "10:45 sent degraded", "10:45 ended done"]
        assert stage.commands[0].degraded

    def test_a_watermark_at_the_last_moment_still_opens_it(self) -> None:
        stage = Stage(SETTLED).event(checkout("10:00")).watermark(mark("10:15"), "12:15").finish()
        assert stage.story[-2:] == ["12:15 sent due", "12:15 ended done"]
        late = Stage(SETTLED).event(checkout("10:00")).watermark(mark("10:15"), "12:15:00.001").finish()
        assert late.story[-2:] == ["12:15 skipped settle_timeout", "12:15 ended done"]

    def test_a_timeout_concerns_every_send_before_the_next_wait_or_gate(self) -> None:
        once = flow(wait(15), settle(hold=30), send("a"), send("b"), wait(60, label="more"), send("c"))
        stage = Stage(once).event(checkout("10:00")).finish()
        assert stage.tallies["decision", "reminder", "skipped", "settle_timeout"] == 2
        assert stage.sent == ["11:45 c"]

    def test_a_gate_inside_a_send_concerns_that_send_only(self) -> None:
        own = replace(send("a"), own_gate=True)
        stage = Stage(flow(wait(15), settle(hold=30), own, send("b"))).event(checkout("10:00")).finish()
        assert stage.sent == ["10:45 b"]

    def test_the_next_wait_counts_from_the_opening_of_the_gate(self) -> None:
        stage = Stage(flow(wait(15), settle(), send("a"), wait(60, label="more"), send("b"))).event(checkout("10:00"))
        stage.watermark(mark("10:20"), "10:30").finish()
        assert stage.sent == ["10:30 a", "11:30 b"]

    def test_or_from_the_end_of_holding(self) -> None:
        steps = (wait(15), settle(hold=30, on_timeout="send"), send("a"), wait(60, label="more"), send("b"))
        assert Stage(flow(*steps)).event(checkout("10:00")).finish().sent == ["10:45 a", "11:45 b"]

    def test_every_source_must_be_complete(self) -> None:
        both = flow(wait(15), settle(ORDERS, Gate(source="shop.carts", shop="one")), send())
        stage = Stage(both).event(checkout("10:00")).watermark(mark("10:30"), "10:30")
        stage.watermark(mark("10:30", source="shop.carts", shop="two"), "10:31")
        stage.watermark(mark("10:30", source="shop.carts", shop="one"), "10:32").finish()
        assert stage.sent == ["10:32 remind"]

    def test_a_second_shop_that_is_slower_holds(self) -> None:
        """Semantics 6.2: as complete as its slowest shop."""
        stage = Stage(SETTLED).event(checkout("10:00")).watermark(mark("10:00", shop="two"), "10:01")
        stage.watermark(mark("10:30", shop="one"), "10:30").watermark(mark("10:16", shop="two"), "10:40").finish()
        assert stage.sent == ["10:40 remind"]

    def test_a_promise_to_another_tenant_opens_nothing(self) -> None:
        stage = Stage(SETTLED).event(checkout("10:00")).watermark(mark("10:30", tenant="other"), "10:30").finish()
        assert stage.sent == []

    def test_a_late_trigger_is_settled_through_the_moment_of_its_message(self) -> None:
        """Semantics 6.2: never a reminder to someone whose order the shop already has but we have not seen yet.

        The wait was due at 10:15, before its trigger came; the message would go at 10:30, so that is what counts.
        """
        stage = Stage(SETTLED).watermark(mark("10:20"), "10:25").event(checkout("10:00"), "10:30")
        stage.event(order("10:25"), "10:45").watermark(mark("10:45"), "10:45").finish()
        assert stage.sent == []

    def test_a_flow_that_begins_with_a_gate(self) -> None:
        first = flow(settle(hold=30), send())
        stage = Stage(first).event(checkout("10:00"), "10:10").watermark(mark("10:05"), "10:11")
        stage.watermark(mark("10:10"), "10:20").finish()
        assert stage.story == ["10:10 entered triggered", "10:10 held settle", "10:20 sent due", "10:20 ended done"]
        assert Stage(first).event(checkout("10:00"), "10:10").finish().story[-1] == "10:40 ended done"

    def test_two_gates_one_after_the_other(self) -> None:
        twice = flow(wait(15), settle(hold=60), settle("shop.carts", hold=60, label="second"), send())
        stage = Stage(twice).event(checkout("10:00")).watermark(mark("10:30"), "10:30")
        stage.watermark(mark("10:29:59.999", source="shop.carts"), "10:31")
        stage.watermark(mark("10:30", source="shop.carts"), "10:40").finish()
        assert stage.story[1:] == ["10:15 held settle", "10:30 held settle", "10:40 sent due", "10:40 ended done"]

    def test_a_second_gate_that_opens_forgives_the_first(self) -> None:
        """Semantics 6.3: up to the next wait or gate."""
        twice = flow(wait(15), settle(hold=30), settle("shop.carts", hold=60, label="second"), send())
        stage = Stage(twice).event(checkout("10:00")).watermark(mark("11:00", source="shop.carts"), "11:00").finish()
        assert stage.sent == ["11:00 remind"]

    def test_after_an_outage_the_next_wait_counts_from_the_end_of_holding(self) -> None:
        """Semantics 6.4 and 5.6."""
        steps = (wait(15), settle(hold=30, on_timeout="send"), send("a"), wait(60, label="more"), send("b"))
        noticed_late = Stage(flow(*steps), clock="live").event(checkout("10:00")).tick("10:16").tick("11:00")
        assert noticed_late.tick("11:44:59.999").tick("11:45").sent == ["11:00 a", "11:45 b"]
        reached_late = Stage(flow(*steps), clock="live").event(checkout("10:00")).tick("11:20")
        assert reached_late.tick("12:19:59.999").tick("12:20").sent == ["11:20 a", "12:20 b"]

    def test_whoever_is_woken_at_a_closed_gate_has_waited_long_enough(self) -> None:
        """Also if *now* lies before that moment, as when the clocks of two brokers differ.

        A tick that wakes somebody who then stays as they were would wake them again, forever.
        """
        held = Stage(SETTLED, clock="live").event(checkout("10:00")).tick("10:16").profile()
        gates = Gates(Watermarks(), TENANT)
        enrollment = held.enrollments[0]
        assert (enrollment.held, enrollment.wakeup_at) == (True, at("12:15"))
        verdict = decide(flow=SETTLED, enrollment=enrollment, profile=held, happening=Wakeup(gates), now=at("12:14"))
        assert [note.reason for note in verdict.notes] == ["settle_timeout", "done"]


class TestIf:
    """Semantics 4.3: judged once, when reached; unknown goes the way of false."""

    @pytest.mark.parametrize(
        ("total", "currency", "sent"),
        [("50", "USD", "large"), ("49.99", "USD", "small"), ("99", "EUR", "small"), (None, "USD", "small")],
    )
    def test_both_ways(self, total: str | None, currency: str, sent: str) -> None:
        ways = flow(
            wait(15),
            If(label="if", condition=LARGE, then=2, otherwise=3),
            send("large", next=4),
            send("small"),
            exits=[],
        )
        stage = Stage(ways).event(checkout("10:00", total=total, currency=currency)).finish()
        assert stage.sent == [f"10:15 {sent}"]

    def test_it_is_judged_on_the_newest_context(self) -> None:
        ways = flow(
            wait(15), If(label="if", condition=LARGE, then=2, otherwise=3), send("large", next=4), send("small"),
            retrigger="replace_context",
        )  # fmt: skip
        stage = Stage(ways).event(checkout("10:00", total="10")).event(checkout("10:05", total="80")).finish()
        assert stage.sent == ["10:20 large"]


class TestWays:
    """Semantics 9.3: what is decided behind a branch says which way led to it, and what was compared there."""

    FLOW = flow(
        wait(15),
        If(label="if", condition=LARGE, then=2, otherwise=5),
        Route(label="route", by=Value("trigger", "channel_id"), cases={"2": 3}, otherwise=4),
        send("two", next=6),
        stop("no_branch_matched"),
        send("small"),
        exits=[],
    )

    @pytest.mark.parametrize(
        ("total", "channel", "ways"),
        [
            ("50", "2", {"if": {"way": "then", "total": {"amount": "50", "currency": "USD"}},
                         "route": {"way": "2", "channel_id": "2"}}),
            ("50", "7", {"if": {"way": "then", "total": {"amount": "50", "currency": "USD"}},
                         "route": {"way": "otherwise", "channel_id": "7"}}),
            ("49", "2", {"if": {"way": "otherwise", "total": {"amount": "49", "currency": "USD"}}}),
            (None, "2", {"if": {"way": "otherwise", "total": None}}),
        ],
    )  # fmt: skip
    def test_the_next_decisions_name_the_ways(self, total: str | None, channel: str, ways: dict[str, object]) -> None:
        stage = Stage(self.FLOW).event(checkout("10:00", total=total, channel_id=channel)).finish()
        entered, *later = stage.decisions
        assert not entered.values.keys() & {"if", "route"}
        assert later
        for one in later:
            assert {name: one.values[name] for name in ("if", "route") if name in one.values} == ways

    def test_of_what_is_long_the_beginning_is_told_and_of_many_branches_the_last(self) -> None:
        long = Compare(word="coupon", kind="text", operator="eq", operand="x")
        branches = [If(label=f"if{n}", condition=long, then=n + 1, otherwise=n + 1) for n in range(WAYS_MAX + 5)]
        [ended] = Stage(flow(*branches, exits=[])).event(checkout("10:00", coupon="y" * 5_000)).finish().decisions[1:]
        assert {name for name in ended.values if name.startswith("if")} == {f"if{n}" for n in range(5, WAYS_MAX + 5)}
        assert ended.values["if9"] == {"way": "otherwise", "coupon": "y" * TOLD_LENGTH_MAX + "…"}


@pytest.mark.parametrize(("channel", "sent"), [("2", ["10:15 two"]), ("3", ["10:15 three"]), ("7", []), (None, [])])
def test_route_goes_by_the_text_of_a_word(channel: str | None, sent: list[str]) -> None:
    ways = flow(
        wait(15),
        Route(label="route", by=Value("trigger", "channel_id"), cases={"2": 2, "3": 3}, otherwise=4),
        send("two", next=5),
        send("three", next=5),
        stop("no_branch_matched"),
        stop("done", label="end"),
    )
    stage = Stage(ways).event(checkout("10:00", channel_id=channel)).finish()
    assert stage.sent == sent
    assert stage.story[-1] == f"10:15 ended {'done' if sent else 'no_branch_matched'}"


class TestSend:
    """Semantics 8 and 9.2."""

    def test_a_command_carries_what_a_sender_needs(self) -> None:
        stage = Stage(flow(wait(15), send(channel="email"), version="v7"))
        ann = Identity(external_id="1", email="Ann@Example.com")
        stage.event(checkout("10:00", identity=ann, total="80.00", checkout_id="C1")).finish()
        command, decision = stage.commands[0], stage.decisions[1]
        assert (command.tenant, command.flow, command.flow_version, command.step) == (
            TENANT,
            "reminder",
            "v7",
            "remind",
        )
        assert (command.channel, command.addresses) == ("email", {"email": "ann@example.com"})
        assert (command.template, command.message_class, command.priority) == ("t", "marketing", 5)
        assert command.variables == {"trigger": {"checkout_id": "C1", "total": {"amount": "80.00", "currency": "USD"}}}
        assert command.clock == "carried"
        assert (decision.command_id, decision.decision_id) == (command.command_id, command.decision_id)

    def test_it_is_never_open_ended(self) -> None:
        """Semantics 9.2: `not_after` is the decision plus 15 minutes."""
        command = Stage(flow()).event(checkout("10:00")).finish().commands[0]
        assert (command.decided_at, command.not_after) == ("2026-11-20T10:15:00.000Z", "2026-11-20T10:30:00.000Z")

    def test_without_an_address_the_message_is_skipped_and_the_flow_goes_on(self) -> None:
        stage = Stage(flow(wait(15), send(channel="email"), send("to_log"))).event(checkout("10:00")).finish()
        assert stage.story[1:] == ["10:15 skipped no_address", "10:15 sent due", "10:15 ended done"]

    def test_an_address_that_became_known_meanwhile_is_used(self) -> None:
        stage = Stage(flow(wait(15), send(channel="email"))).event(checkout("10:00"))
        stage.event(checkout("10:05", identity=Identity(external_id="ann", email="ann@example.com"))).finish()
        assert stage.commands[0].addresses == {"email": "ann@example.com"}

    def test_two_messages_of_one_visit_have_two_ids(self) -> None:
        stage = Stage(flow(wait(15), send("a"), send("b"))).event(checkout("10:00")).finish()
        assert len({one.command_id for one in stage.commands}) == 2
        assert len({one.decision_id for one in stage.decisions}) == len(stage.decisions)


def test_stop_ends_with_its_reason() -> None:
    stage = Stage(flow(wait(15), stop("enough"))).event(checkout("10:00")).finish()
    assert stage.story == ["10:00 entered triggered", "10:15 ended enough"]
    assert stage.partition.pending == 0


def test_a_way_back_through_a_wait_makes_new_messages() -> None:
    """Semantics 3.5: `visit` grows each time the step is entered again."""
    loop = flow(wait(15), send(next=0), exits=[])
    stage = Stage(loop).event(checkout("10:00")).pass_time("11:00")
    assert stage.sent == ["10:15 remind", "10:30 remind", "10:45 remind"]
    assert [one.visit for one in stage.commands] == [1, 2, 3]
    assert len({one.command_id for one in stage.commands}) == 3
