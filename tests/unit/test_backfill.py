"""S0-12, backfill, semantics 12.6: who would enter by old events, and what entering by one means."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from msgspec import Raw
from msgspec.structs import replace
from rich.console import Console

from agents.backfilling import Chosen, Known, choose
from agents.cli.flows_backfill import Plan, as_data, shown
from agents.foretelling import ENTERING, Anchor, Foretold, count, foretell
from agents.foretelling import order as ordered
from agents.replay_file import EventLine, read_lines
from schemas import codec
from schemas.activation import Backfill
from schemas.control import BACKFILL_KEY
from schemas.flow import Flow, Reentry, Status
from schemas.identity import Identity
from schemas.instants import to_wire
from schemas.policy import NO_POLICY, Policy, QuietHours
from schemas.profile import PartitionRecord
from schemas.span import Span
from schemas.steps import Wait
from schemas.topics import topics
from schemas.window import Window
from streams.partition import Record
from streams.program import build
from streams.rehearsal import event_record
from tests.unit.stage import ANN, BOUGHT, HOUR, Stage, at, checkout, flow, order, send, settle
from tests.unit.written import REMIND, written

DAY = 86_400_000
DUE = "they enter, and a message goes at once"
TRIED = "they enter, and a message is due at once; the flow is in shadow, so nothing is sent"
NOW = at("12:00")
WINBACK = flow(Wait(label="wait", span=Span(ms=180 * DAY), next=-1), send(), trigger="order_placed", exits=[BOUGHT])


def lines(tmp_path: Path, *bought: tuple[str, float], backfill: bool = False) -> Iterable[EventLine]:
    """A file of orders: who, and how many days ago."""
    file = tmp_path / "orders.ndjson"
    file.write_bytes(
        b"\n".join(
            orjson.dumps(
                {
                    "id": f"{who}-{days}",
                    "source": "shop.orders",
                    "type": "commerce.order.placed.v1",
                    "time": to_wire(int(NOW - days * DAY)),
                    "tenant": "acme",
                    "identity": {"external_id": who},
                    "backfill": backfill,
                }
            )
            for who, days in bought
        )
    )
    return [line for line in read_lines(file) if isinstance(line, EventLine)]


FOUR = (("a", 30), ("b", 180), ("c", 181), ("d", 400))
THREE = (("a", 30), ("b", 181), ("d", 400))


def told_of(
    some: Iterable[EventLine],
    *flows: Flow,
    anchor: Anchor = "occurred_at",
    days: int | None = None,
    states: dict[bytes, bytes] | None = None,
    policy: Policy = NO_POLICY,
    record: PartitionRecord | None = None,
) -> list[Foretold]:
    """What a plan says of the first of these flows, with what the changelog knows; all in one partition."""
    mine = (flows or (WINBACK,))[0]
    return foretell(
        build(flows or (WINBACK,), policy=policy), mine.name, choose(mine, some, now=NOW).candidates,
        Known(record, states or {}), number=0, anchor=anchor, max_overdue_ms=None if days is None else days * DAY,
        now=NOW,
    )  # fmt: skip


def planned(some: Iterable[EventLine], *flows: Flow, **more: Any) -> list[int]:
    counts = count(told_of(some, *flows, **more))
    assert not any(counts[outcome] for outcome in ("not_sent", "refused", "entered_before"))
    return [counts[outcome] for outcome in ("scheduled", "due_now", "left_out")]


def outcomes(some: Iterable[EventLine], *flows: Flow, **more: Any) -> list[str]:
    return [f"{one.outcome} {one.reason}".strip() for one in told_of(some, *flows, **more)]


def bought(*steps: Any, **more: Any) -> Flow:
    """A flow that begins with an order, as a file says it."""
    return written(*steps, name="reminder", trigger="order_placed", **more)


WAIT = {"wait": {"for": "100d"}}


@pytest.mark.parametrize(("status", "name", "meaning"), [("live", "send now", DUE), ("shadow", "due now", TRIED)])
def test_of_a_flow_in_shadow_no_message_is_promised(tmp_path: Path, status: Status, name: str, meaning: str) -> None:
    tried = replace(WINBACK, status=status)
    found = told_of(lines(tmp_path, *FOUR), tried)
    assert count(found)["due_now"] == 3
    plan = Plan("", topics(), WINBACK, status, "now", found, Counter(), 0)
    terminal = Console(record=True, width=150, file=io.StringIO())
    terminal.print(shown(plan))
    assert f"{name} 3 {meaning}" in " ".join(terminal.export_text().split())
    assert as_data(plan)["status"] == status


class TestThePlan:
    def test_s0_12_counts_scheduled_due_now_and_left_out(self, tmp_path: Path) -> None:
        assert planned(lines(tmp_path, *FOUR)) == [1, 3, 0]
        assert planned(lines(tmp_path, *FOUR), days=30) == [1, 2, 1]

    def test_s0_12_of_three_people_one_is_of_each_kind(self, tmp_path: Path) -> None:
        """Counts 1/1/1: one waits, one gets it now, one is overdue by more than 30 days."""
        assert planned(lines(tmp_path, *THREE), days=30) == [1, 1, 1]
        found = told_of(lines(tmp_path, *THREE), days=30)
        ordered_ago = {one.outcome: (NOW - one.candidate.occurred_at) // DAY for one in found}
        assert ordered_ago == {"scheduled": 30, "due_now": 181, "left_out": 400}

    def test_events_that_are_marked_as_historical_are_meant_too(self, tmp_path: Path) -> None:
        assert planned(lines(tmp_path, *FOUR, backfill=True)) == [1, 3, 0]

    def test_anchored_now_everybody_is_scheduled(self, tmp_path: Path) -> None:
        assert planned(lines(tmp_path, *FOUR), anchor="now", days=30) == [4, 0, 0]

    def test_who_has_bought_since_counts_from_the_last_order(self, tmp_path: Path) -> None:
        """In whatever order the file has them."""
        some = list(lines(tmp_path, ("a", 30), ("a", 400)))
        assert [one.occurred_at for one in choose(WINBACK, some, now=NOW).candidates] == [NOW - 30 * DAY]
        assert planned(some) == [1, 0, 0]

    def test_without_exits_the_newest_event_counts(self, tmp_path: Path) -> None:
        some = lines(tmp_path, ("a", 30), ("a", 400))
        (found,) = choose(msgspec.structs.replace(WINBACK, exits=()), some, now=NOW).candidates
        assert found.occurred_at == NOW - 30 * DAY

    def test_an_event_of_the_future_is_passed_over(self, tmp_path: Path) -> None:
        assert planned(lines(tmp_path, ("a", -1))) == [0, 0, 0]

    def test_who_has_done_what_ends_the_flow_is_not_reminded(self, tmp_path: Path) -> None:
        """Even if that was long after the message would have been sent. The file has shown both."""
        began = msgspec.json.decode(codec.encode(checkout("00:00", who="a"))) | {"time": to_wire(NOW - 10 * DAY)}
        file = tmp_path / "all.ndjson"
        bought = [line.document for line in lines(tmp_path, ("a", 2))]
        file.write_bytes(b"\n".join(map(orjson.dumps, [began, *bought])))
        some = [line for line in read_lines(file) if isinstance(line, EventLine)]
        assert choose(flow(), some, now=NOW) == Chosen([], ["bought"])

    @pytest.mark.parametrize(
        ("days", "expected"), [(200, "due_now"), (179, "scheduled"), (100, "scheduled"), (181, "due_now")]
    )
    def test_waits_in_a_row_count_as_one(self, tmp_path: Path, days: int, expected: str) -> None:
        """30 days and 150 days: who ordered 200 days ago is through both, and is not made to wait 150 more."""
        two = bought({"wait": {"for": "30d"}}, {"wait": {"for": "150d"}}, REMIND)
        assert outcomes(lines(tmp_path, ("a", days)), two) == [expected]

    def test_a_settle_in_front_holds_until_the_source_has_reported(self, tmp_path: Path) -> None:
        """S0-12: whether a gate is open is seen from the watermarks that the worker has."""
        gated = bought({"settle": {"sources": ["shop.orders"], "max_hold": "2h"}}, REMIND)
        some = list(lines(tmp_path, ("a", 30)))
        assert outcomes(some, gated) == ["scheduled settle"]
        through = [("acme", "shop.orders", "", NOW)]
        record = PartitionRecord(
            position=7, now_at=NOW - DAY, watermarks=through, through_at=NOW - DAY, through_key=None, clock="live",
            incarnation="i",
        )  # fmt: skip
        assert outcomes(some, gated, record=record) == ["due_now"]

    def test_a_split_in_front_is_drawn_as_it_will_be(self, tmp_path: Path) -> None:
        """Half wait, a tenth is held out; the run draws the same."""
        arms = {"now": {"weight": 1, "then": "remind"}, "later": {"weight": 1, "then": "wait"}}
        halves = bought(
            {"split": {"arms": arms, "holdout": 10}}, {"label": "wait", "wait": {"for": "500d"}}, REMIND
        )  # fmt: skip
        some = list(lines(tmp_path, *((f"p{number}", 30) for number in range(200))))
        found = Counter(outcomes(some, halves))
        assert set(found) == {"scheduled", "due_now", "not_sent holdout"}
        assert 60 < found["due_now"] < 120
        assert 5 < found["not_sent holdout"] < 40
        run = Stage(halves, clock="live")
        for number, one in enumerate(choose(halves, some, now=NOW).candidates):
            said = ordered(one, "reminder", anchor="occurred_at", by="x", at=to_wire(NOW))
            run.append(Record(number, NOW, BACKFILL_KEY, said))
        run.tick("12:00")
        assert len(run.commands) == found["due_now"]
        assert sum("holdout" in line for line in run.story) == found["not_sent holdout"]

    def test_an_if_in_front_is_judged_on_what_the_worker_knows(self, tmp_path: Path) -> None:
        """Not on what the file tells: the run will not know it either."""
        again = {"event_count": {"event": "order_placed", "in_last": "365d", "gte": 1}}
        ways = bought({"if": {"condition": again, "then": "remind", "otherwise": {"stop": "first"}}}, REMIND)
        assert outcomes(lines(tmp_path, ("ann", 30), ("ann", 40)), ways) == ["not_sent first"]
        known = stage(ways).event(order("00:00", who="ann", id="other", backfill=True), "00:00").store
        assert outcomes(lines(tmp_path, ("ann", 30)), ways, states=known) == ["due_now"]

    def test_a_wait_for_an_event_or_an_hour_in_front(self, tmp_path: Path) -> None:
        """Its timeout counts from the event of long ago."""
        some = list(lines(tmp_path, ("a", 30), ("b", 100)))
        branch = {"event": "product_viewed", "then": "remind"}
        for_event = bought({"wait_event": {"branches": [branch], "timeout": "90d", "on_timeout": "remind"}}, REMIND)
        assert outcomes(some, for_event) == ["due_now", "scheduled"]
        morning = bought({"wait": {"until": "09:00"}}, REMIND)
        assert outcomes(some, morning) == ["due_now", "due_now"]
        assert outcomes(some, morning, days=40) == ["left_out", "due_now"]
        assert outcomes(some, morning, anchor="now") == ["scheduled", "scheduled"]

    def test_overdue_counts_from_what_they_would_have_come_to(self, tmp_path: Path) -> None:
        """Behind an `if`, too: 100 days after the order, from which the first wait counts, and not at it."""
        unknown = {"trigger.order_id": {"is_not_set": True}}
        ways = bought(
            {"if": {"condition": unknown, "then": "wait", "otherwise": "remind"}}, {"label": "wait", **WAIT}, REMIND
        )
        assert outcomes(lines(tmp_path, ("a", 110)), ways, days=20) == ["due_now"]
        assert outcomes(lines(tmp_path, ("a", 110)), ways, days=9) == ["left_out"]

    def test_quiet_hours_caps_and_consent_of_the_policy_count(self, tmp_path: Path) -> None:
        some = list(lines(tmp_path, ("a", 30)))
        quiet = QuietHours(channels=("log",), window=Window(start_ms=11 * HOUR, end_ms=13 * HOUR))
        assert outcomes(some, bought(REMIND), policy=Policy(quiet_hours=(quiet,))) == ["scheduled quiet_hours"]
        text = bought({"label": "text", "send": {"template": "t", "channel": "sms"}})
        assert outcomes(some, text, policy=Policy(consent="required")) == ["not_sent no_consent:sms"]

    def test_refusals_have_their_reasons(self, tmp_path: Path) -> None:
        """The filter is judged on the state that the changelog has, as in the run."""
        again = {"event_count": {"event": "order_placed", "gte": 1}}
        ordered_before = bought(REMIND, entry={"filter": again})
        some = list(lines(tmp_path, ("ann", 30)))
        assert outcomes(some, ordered_before) == ["refused filter_false"]
        known = stage(ordered_before).event(order("00:00", who="ann", id="other", backfill=True)).store
        assert outcomes(some, ordered_before, states=known) == ["due_now"]

    def test_who_has_entered_before_is_told_nothing(self, tmp_path: Path) -> None:
        """So a run that was interrupted goes on with who is left."""
        some = list(lines(tmp_path, ("ann", 400), ("b", 400)))
        known = told(stage(), "12:00", 400).store
        assert outcomes(some, WINBACK, states=known) == ["entered_before", "due_now"]
        over = told(stage(), "11:59", 400).tick("11:59").store
        assert outcomes(some, WINBACK, states=over, days=30) == ["left_out", "left_out"]

    def test_people_who_cannot_be_written_to_are_refused(self, tmp_path: Path) -> None:
        mailed = bought({"label": "remind", "send": {"template": "t", "channel": "email"}})
        some = [line.document | {"identity": {"anonymous_id": "b1"}} for line in lines(tmp_path, ("a", 30))]
        (tmp_path / "b").write_bytes(orjson.dumps(some[0]))
        good = [line for line in read_lines(tmp_path / "b") if isinstance(line, EventLine)]
        assert choose(mailed, good, now=NOW).refused == []
        assert outcomes(good, mailed) == ["refused anonymous"]
        keyed = bought(REMIND, entry={"key": "trigger.checkout_id"})
        assert choose(keyed, good, now=NOW) == Chosen([], ["key_missing"])

    def test_more_people_than_a_tick_releases(self, tmp_path: Path) -> None:
        some = list(lines(tmp_path, *((f"p{number}", 400) for number in range(1_101))))
        assert planned(some) == [0, 1_101, 0]


@pytest.mark.parametrize(
    ("people", "days", "sent"),
    [(FOUR, None, ["b", "c", "d"]), (FOUR, 30, ["b", "c"]), (THREE, 30, ["b"])],
)
def test_s0_12_who_is_due_gets_it_now_and_who_is_scheduled_when_it_is_time(
    tmp_path: Path, people: tuple[tuple[str, float], ...], days: int | None, sent: list[str]
) -> None:
    """What the plan has counted, carried out: three now, or two, or one; who is left out never, and one in 150 days."""
    made = stage()
    names = {event_record(order("00:00", who=who), at=0).key.decode(): who for who, _ in people}
    for one in told_of(lines(tmp_path, *people), days=days):
        if one.outcome in ENTERING:
            said = ordered(one.candidate, "reminder", anchor="occurred_at", by="ops", at=to_wire(NOW))
            made.append(Record(0, NOW, BACKFILL_KEY, said))
    made.tick("12:00:01").tick("+150 11:59:59")
    assert sorted(names[f"{one.tenant}/{one.profile_id}"] for one in made.commands) == sent
    made.tick("+150 12:00")
    assert [names[f"{one.tenant}/{one.profile_id}"] for one in made.commands[len(sent) :]] == ["a"]
    assert len({one.command_id for one in made.commands}) == len(sent) + 1


def stage(*flows: Flow) -> Stage:
    return Stage(*(flows or (WINBACK,)), clock="live")


def told(made: Stage, at_: str, days: float, *, anchor: Anchor = "occurred_at", name: str = "reminder") -> Stage:
    """The order to let ann enter by an order of so many days ago."""
    event = order("00:00", who="ann", id=f"ann-{days}")
    data = orjson.loads(codec.encode(event)) | {"time": to_wire(int(NOW - days * DAY))}
    said = Backfill(
        profile=ANN.decode(), flow=name, event=Raw(orjson.dumps(data)), anchor=anchor, by="ops", at=to_wire(at(at_))
    )
    return made.append(Record(0, at(at_), BACKFILL_KEY, codec.encode(said)))


class TestEntering:
    @pytest.mark.parametrize(("days", "due"), [(30, NOW + 150 * DAY), (180, NOW), (400, NOW)])
    def test_the_wait_counts_from_the_event_and_what_is_over_is_due_at_once(self, days: int, due: int) -> None:
        made = told(stage(), "12:00", days)
        (enrollment,) = made.profile().enrollments
        assert (enrollment.due_at, enrollment.anchor_at) == (due, NOW - days * DAY)
        assert made.tick("12:01").sent == (["12:01 remind"] if due == NOW else [])
        assert made.story[0] == "12:00 entered backfilled"

    def test_a_filter_of_a_flow_in_shadow_asks_for_what_it_has_set_itself(self) -> None:
        """Semantics 12.4, 12.6."""
        fresh = {"fact": {"first_name": {"is_not_set": True}}}
        shown = written(
            {"set": {"first_name": "A"}}, {"stop": "done"}, trigger="order_placed", status="shadow",
            entry={"filter": fresh, "reentry": {"never": True, "count_only_if_sent": True}},
        )  # fmt: skip
        made = Stage(shown, clock="live").event(order("11:00")).tick("11:01")
        assert told(made, "12:00", 30, name="f").story[-2:] == ["11:01 ended done", "12:00 refused filter_false"]

    def test_being_due_at_once_is_not_being_late(self) -> None:
        strict = msgspec.structs.replace(send(), when_late="skip", max_lateness_ms=1)
        made = told(stage(flow(WINBACK.steps[0], strict, trigger="order_placed")), "12:00", 400)
        assert made.tick("12:00").sent == ["12:00 remind"]

    def test_anchored_now_the_wait_counts_from_now(self) -> None:
        (enrollment,) = told(stage(), "12:00", 400, anchor="now").profile().enrollments
        assert (enrollment.due_at, enrollment.anchor_at) == (NOW + 180 * DAY, NOW)

    @pytest.mark.parametrize("anchor", ["occurred_at", "now"])
    def test_told_twice_they_enter_once(self, anchor: Anchor) -> None:
        """Idempotent by flow and key: while they are in it, and after."""
        made = told(told(stage(), "12:00", 400, anchor=anchor), "12:01", 400, anchor=anchor)
        made.tick("12:02")
        told(made, "12:03", 400, anchor=anchor).tick("12:04")
        assert made.story.count("12:00 entered backfilled") == sum("entered" in line for line in made.story) == 1
        assert made.tallies[("not_backfilled", "reminder")] == 2

    def test_who_is_in_the_flow_stays_as_they_are(self) -> None:
        again = msgspec.structs.replace(WINBACK, exits=(), retrigger="restart")
        made = told(told(stage(again), "12:00", 100), "12:01", 50)
        assert [one.anchor_at for one in made.profile().enrollments] == [NOW - 100 * DAY]

    def test_who_has_entered_by_that_event_does_not_enter_again(self) -> None:
        made = stage().event(order("11:00", who="ann"))
        told(made, "12:00", 1)
        assert sum("entered" in line for line in made.story) == 1

    def test_who_was_only_shown_to_enter_by_that_event_enters(self) -> None:
        """Semantics 12.4."""
        made = told(stage(msgspec.structs.replace(WINBACK, status="shadow")), "12:00", 400).tick("12:01")
        told(made.activate("12:02", 1, WINBACK), "12:03", 400).tick("12:04")
        assert made.sent == ["12:04 remind"]

    def test_an_order_that_we_know_of_since_ends_it_where_it_begins(self) -> None:
        cart = flow(settle(), send(), name="cart")
        knows = flow(name="other", trigger="product_viewed")
        made = stage(cart, knows).event(order("11:00", who="ann"))
        event = checkout("10:00", who="ann")
        said = Backfill(
            profile=ANN.decode(), flow="cart", event=Raw(codec.encode(event)), anchor="now", by="ops",
            at=to_wire(at("12:00")),
        )  # fmt: skip
        made.append(Record(0, at("12:00"), BACKFILL_KEY, codec.encode(said)))
        assert made.story[-1] == "12:00 ended bought"

    def test_the_rules_of_entry_hold(self) -> None:
        never = flow(*WINBACK.steps[:2], trigger="order_placed", exits=[BOUGHT], reentry=Reentry(policy="never"))
        made = told(told(stage(never), "12:00", 400).tick("12:01"), "12:02", 200)
        assert made.story[-1] == "12:02 refused reentry_never"

    @pytest.mark.parametrize(("name", "value"), [("nobody", None), ("reminder", b"{}"), ("reminder", b"[1]")])
    def test_what_is_no_trigger_of_the_flow_is_counted_and_nothing_else(self, name: str, value: bytes | None) -> None:
        made = stage()
        if value is None:
            told(made, "12:00", 1, name=name)
        else:
            said = Backfill(
                profile=ANN.decode(), flow=name, event=Raw(value), anchor="now", by="ops", at=to_wire(at("12:00"))
            )
            made.append(Record(0, at("12:00"), BACKFILL_KEY, codec.encode(said)))
        assert made.tallies[("not_backfilled", name)] == 1
        assert (made.story, made.dead_letters, made.store) == ([], [], {})

    def test_the_event_tells_who_it_is_about(self) -> None:
        event = order("00:00", identity=Identity(external_id="ann", email="ann@example.org"))
        mailed = flow(*WINBACK.steps[:1], send(channel="email"), trigger="order_placed", exits=[BOUGHT])
        said = Backfill(
            profile=ANN.decode(), flow="reminder", event=Raw(codec.encode(event)), anchor="occurred_at", by="ops",
            at=to_wire(at("12:00")),
        )  # fmt: skip
        made = stage(mailed).append(Record(0, at("12:00"), BACKFILL_KEY, codec.encode(said)))
        assert made.profile().identifiers["email"].value == "ann@example.org"
