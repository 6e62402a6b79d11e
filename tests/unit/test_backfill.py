"""S0-12, backfill, semantics 12.6: who would enter by old events, and what entering by one means."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import orjson
import pytest
from msgspec import Raw

from agents.backfilling import Anchor, candidates, count
from agents.replay_file import EventLine, read_lines
from schemas import codec
from schemas.activation import Backfill
from schemas.control import BACKFILL_KEY
from schemas.flow import Flow, Reentry
from schemas.identity import Identity
from schemas.instants import to_wire
from schemas.span import Span
from schemas.steps import Wait
from streams.partition import Record
from streams.rehearsal import event_record
from tests.unit.stage import ANN, BOUGHT, Stage, at, checkout, flow, order, send, settle

DAY = 86_400_000
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


def planned(some: Iterable[EventLine], *, anchor: Anchor = "occurred_at", days: int | None = None) -> list[int]:
    overdue = None if days is None else days * DAY
    return list(count(candidates(WINBACK, some, anchor=anchor, max_overdue_ms=overdue, now=NOW)).values())


class TestThePlan:
    def test_s0_12_counts_scheduled_due_now_and_left_out(self, tmp_path: Path) -> None:
        assert planned(lines(tmp_path, *FOUR)) == [1, 3, 0]
        assert planned(lines(tmp_path, *FOUR), days=30) == [1, 2, 1]

    def test_events_that_are_marked_as_historical_are_meant_too(self, tmp_path: Path) -> None:
        assert planned(lines(tmp_path, *FOUR, backfill=True)) == [1, 3, 0]

    def test_anchored_now_everybody_is_scheduled(self, tmp_path: Path) -> None:
        assert planned(lines(tmp_path, *FOUR), anchor="now") == [4, 0, 0]

    def test_who_has_bought_since_counts_from_the_last_order(self, tmp_path: Path) -> None:
        """In whatever order the file has them."""
        (found,) = candidates(
            WINBACK, lines(tmp_path, ("a", 30), ("a", 400)), anchor="occurred_at", max_overdue_ms=None, now=NOW
        )
        assert (found.outcome, found.occurred_at, found.due_at) == ("scheduled", NOW - 30 * DAY, NOW + 150 * DAY)

    def test_without_exits_the_newest_event_counts(self, tmp_path: Path) -> None:
        some = lines(tmp_path, ("a", 30), ("a", 400))
        free = msgspec.structs.replace(WINBACK, exits=())
        (found,) = candidates(free, some, anchor="occurred_at", max_overdue_ms=None, now=NOW)
        assert found.occurred_at == NOW - 30 * DAY

    def test_an_event_of_the_future_is_passed_over(self, tmp_path: Path) -> None:
        assert planned(lines(tmp_path, ("a", -1))) == [0, 0, 0]

    def test_who_has_done_what_ends_the_flow_is_not_reminded(self, tmp_path: Path) -> None:
        """Even if that was long after the message would have been sent."""
        some = list(lines(tmp_path, ("a", 10)))
        bought = candidates(flow(), some, anchor="occurred_at", max_overdue_ms=None, now=NOW)
        assert bought == []


@pytest.mark.parametrize(("days", "sent", "later"), [(None, ["b", "c", "d"], ["a"]), (30, ["b", "c"], ["a"])])
def test_s0_12_who_is_due_gets_it_now_and_who_is_scheduled_when_it_is_time(
    tmp_path: Path, days: int | None, sent: list[str], later: list[str]
) -> None:
    """What the plan has counted, carried out: three now, the fourth in 150 days; or two, and one left out."""
    made = stage()
    names = {event_record(order("00:00", who=who), at=0).key.decode(): who for who, _ in FOUR}
    overdue = None if days is None else days * DAY
    for one in candidates(WINBACK, lines(tmp_path, *FOUR), anchor="occurred_at", max_overdue_ms=overdue, now=NOW):
        if one.outcome != "left_out":
            said = Backfill(
                profile=one.profile.decode(), flow="reminder", event=Raw(one.event), anchor="occurred_at", by="ops",
                at=to_wire(NOW),
            )  # fmt: skip
            made.append(Record(0, NOW, BACKFILL_KEY, codec.encode(said)))
    made.tick("12:00:01").tick("+150 11:59:59")
    assert sorted(names[f"{one.tenant}/{one.profile_id}"] for one in made.commands) == sent
    made.tick("+150 12:00")
    assert [names[f"{one.tenant}/{one.profile_id}"] for one in made.commands[len(sent) :]] == later
    assert len({one.command_id for one in made.commands}) == len(sent + later)


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
