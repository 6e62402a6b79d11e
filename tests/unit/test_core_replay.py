"""Replay: the same log gives the same outputs, whatever the batch sizes, and whatever was written before a crash.

Semantics 1.1, 1.3 and 1.4. A crash leaves any mixture behind that the order of acknowledgement allows: outputs of
every unit begun, states of some profiles ahead of the partition record, never a partition record ahead of a state.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from schemas import codec
from schemas.command import Clock
from schemas.control import END_KEY, TICK_KEY, Watermark
from schemas.flow import Flow, Reentry
from schemas.instants import to_wire
from schemas.profile import PartitionRecord
from streams.partition import Partition, Record
from streams.program import Program, build
from streams.rehearsal import Rehearsal, event_record, watermark_record
from tests.unit.stage import (
    HOUR,
    MINUTE,
    ORDERS,
    SAME_CART,
    TENANT,
    Unit,
    at,
    checkout,
    clock_of,
    event,
    flow,
    order,
    send,
    settle,
    wait,
    work,
)
from tests.unit.written import say, written

BOUGHT_ANY = {"when": {"event": "order_placed"}, "reason": "bought"}
CLOCKS: tuple[Clock, ...] = ("live", "carried")
PEOPLE = [f"p{number}" for number in range(12)]
START = at("10:00")


def flows() -> list[Flow]:
    """Every kind of waiting, being held, moving, reporting, beginning anew and ending."""
    gap = Reentry(policy="min_gap", min_gap_ms=20 * MINUTE, counted_from="end")
    return [
        flow(wait(15), settle(hold=40), send(), wait(5, label="again"), send("second"), name="held"),
        flow(wait(3), send(), name="keyed", key="checkout_id", retrigger="restart", exits=[SAME_CART]),
        flow(wait(10), send(), name="late", exit_check="at_send", retrigger="replace_context"),
        flow(send(), wait(7), send("second"), name="at_once", trigger="product_viewed", reentry=gap, exits=[]),
        flow(settle(hold=5, on_timeout="send"), send(), name="gate", trigger="cart_item_added"),
        *stepping(),
    ]


def stepping() -> list[Flow]:
    """Waits in zones that change, awaited events, splits, facts, events of one's own, and flows by the clock."""
    seen = {"event": "order_placed", "match": {"checkout_id": "trigger.checkout_id"}, "then": {"stop": "seen"}}
    awaited = {
        "branches": [seen, {"event": "product_viewed", "then": "looked"}],
        "timeout": "20m",
        "on_timeout": "quiet",
    }
    arms = {zone: {"weight": 1, "then": zone} for zone in ("Berlin", "Tokyo")}
    moves: list[dict[str, object]] = []
    for zone, name in (("Berlin", "Europe/Berlin"), ("Tokyo", "Asia/Tokyo")):
        moves += [{"label": zone, "set": {"timezone": name, "cart": "trigger.cart_id"}}, {"stop": f"in_{zone}"}]
    morning = {"label": "morning", "wait": {"until": "11:30"}}
    return [
        written(
            {"wait_event": awaited}, {"label": "looked", "emit": {"event": "custom_looked", "properties": {"at": 1}}},
            {"enter_flow": {"flow": "entered"}}, {"stop": "done"}, say("quiet"), name="awaits",
            entry={"retrigger": "extend", "key": "trigger.checkout_id"},
        ),
        written({"wait": {"for": "5m"}}, {"split": {"arms": arms, "holdout": 20}}, *moves, name="moves",
                trigger="cart_item_added", entry={"retrigger": "end_and_restart"}),
        written(morning, say("early"), name="mornings", trigger="product_viewed",
                entry={"reentry": {"max": 2, "per": "1h", "count_only_if_sent": True}}),
        written({"wait": {"for": "1d"}}, say("next_day"), name="entered", trigger="custom_never", exits=[BOUGHT_ANY]),
        written({"wait": {"for": "1m"}}, say("clock"), name="by_the_clock", trigger={"schedule": {"at": "10:40"}}),
    ]  # fmt: skip


PROGRAM = build(flows())


def happenings(seed: int, *, count: int) -> Iterable[Record]:
    """A random day: events in disorder, duplicates and poison among them, several at one instant."""
    dice = random.Random(seed)
    now = START
    for number in range(count):
        now += dice.choice([0, 0, 1, 1_000, 20_000, 3 * MINUTE])
        time = clock_of(now - dice.choice([0, 0, 500, 4 * MINUTE, 26 * HOUR]))
        who, cart = dice.choice(PEOPLE), f"C{dice.randrange(3)}"
        identity = f"{number - dice.choice([0, 0, 0, 1, 5])}"
        kind = dice.randrange(10)
        if kind < 4:
            happening = checkout(time, who=who, checkout_id=cart, id=identity)
        elif kind < 6:
            happening = event("product_viewed", time, who=who, id=identity)
        elif kind < 8:
            happening = event("cart_item_added", time, who=who, id=identity)
        else:
            happening = order(time, who=who, checkout_id=cart, id=identity, total=str(dice.randrange(2)))
        record = event_record(happening, at=now)
        yield replace(record, value=b"{poison") if dice.randrange(25) == 0 else record


def marks(at_: int, dice: random.Random) -> list[Watermark]:
    """Sources report in bursts, one of them for two shops."""
    reached = to_wire(at_ - dice.choice([0, MINUTE]))
    shops = dice.sample(["", "one", "two"], dice.randrange(3))
    return [Watermark(source=ORDERS, complete_through=reached, tenant=TENANT, shop=shop) for shop in shops]


def live_log(seed: int, *, count: int = 220) -> list[Record]:
    """A live log with the ticks that its owner really planned."""
    dice = random.Random(seed)
    owner, store, log = Owner(PROGRAM, "live"), dict[bytes, bytes](), list[Record]()
    for record in happenings(seed, count=count):
        owner.append(record, store, log)
        if dice.randrange(4) == 0:
            ceiling_at = record.appended_at + dice.choice([0, 0, 2_000, -10, -MINUTE])  # clocks differ a little
            tick = owner.partition.plan_tick(
                ceiling_at=ceiling_at, watermarks=marks(ceiling_at, dice), force=dice.randrange(5) == 0
            )
            if tick is not None:
                owner.append(
                    Record(0, record.appended_at + dice.choice([0, 5]), TICK_KEY, codec.encode(tick)), store, log
                )
    return log


def carried_log(seed: int, *, count: int = 220) -> list[Record]:
    """A carried log: watermarks as records of their own, and one end."""
    dice = random.Random(seed)
    log: list[Record] = []
    for record in happenings(seed, count=count):
        log.append(record)
        if dice.randrange(6) == 0:
            log += [watermark_record(mark, at=record.appended_at) for mark in marks(record.appended_at, dice)]
    log.append(Record(0, log[-1].appended_at, END_KEY, b"{}"))
    return [replace(record, offset=offset) for offset, record in enumerate(log)]


def log_of(clock: Clock, seed: int) -> list[Record]:
    return live_log(seed) if clock == "live" else carried_log(seed)


class Owner:
    """A process that owns the partition, from its record and store on."""

    def __init__(
        self,
        program: Program,
        clock: Clock,
        record: PartitionRecord | None = None,
        store: dict[bytes, bytes] | None = None,
    ) -> None:
        self.store = {} if store is None else store
        self.partition = Partition(
            program=program, topic="log", number=0, clock=clock, incarnation="i", load=self.store.get, record=record
        )
        for key, state in self.store.items():
            self.partition.restore(key, state)

    def append(self, record: Record, store: dict[bytes, bytes], log: list[Record]) -> None:
        log.append(replace(record, offset=len(log)))
        self.store.update(work(self.partition, log[-1:]).states)

    def run(self, records: Sequence[Record], *, batch: int) -> list[Unit]:
        outputs = []
        for start in range(0, len(records), batch):
            outputs.append(work(self.partition, records[start : start + batch]))
            self.store.update(outputs[-1].states)
        return outputs


class Left(NamedTuple):
    """What a run leaves behind, as bytes."""

    commands: list[tuple[bytes, bytes]]
    decisions: list[tuple[bytes, bytes]]
    dead_letters: list[tuple[bytes | None, bytes]]
    events: list[tuple[bytes, bytes]]
    store: dict[bytes, bytes]
    partition_record: bytes


def left_by(outputs: Sequence[Unit], store: dict[bytes, bytes]) -> Left:
    return Left(
        [one for unit in outputs for one in unit.commands],
        [one for unit in outputs for one in unit.decisions],
        [one for unit in outputs for one in unit.dead_letters],
        [one for unit in outputs for one in unit.events],
        dict(store),
        outputs[-1].partition_record,
    )


def straight(log: Sequence[Record], clock: Clock, *, batch: int) -> Left:
    owner = Owner(PROGRAM, clock)
    return left_by(owner.run(log, batch=batch), owner.store)


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("seed", range(6))
def test_the_batch_size_changes_not_one_byte(clock: Clock, seed: int) -> None:
    """Semantics 1.3: byte-identical decisions, whatever the batch sizes."""
    log = log_of(clock, seed)
    one_by_one = straight(log, clock, batch=1)
    assert len(one_by_one.commands) > 20
    assert len({codec.decode(value, dict)["reason"] for _, value in one_by_one.decisions}) > 8
    outcomes = {codec.decode(value, dict)["outcome"] for _, value in one_by_one.decisions}
    assert outcomes >= {"exposed", "stated", "emitted", "restarted", "held"}
    for batch in (7, 500):
        assert straight(log, clock, batch=batch) == one_by_one


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("seed", range(25))
def test_after_a_crash_nothing_is_lost_and_nothing_differs(clock: Clock, seed: int) -> None:
    """Semantics 1.4: some profiles are ahead of the partition record, and keep what they have."""
    log = log_of(clock, seed)
    dice = random.Random(seed)
    batch = dice.choice([3, 7, 20])
    reference = straight(log, clock, batch=500)

    owner = Owner(PROGRAM, clock)
    written_units = dice.randrange(1, max(2, len(log) // batch - 4))
    window = dice.randrange(1, 5)  # state may be flushed once per several units
    before = owner.run(log[: written_units * batch], batch=batch)
    store = dict(owner.store)
    crashed = owner.run(log[written_units * batch : (written_units + window) * batch], batch=batch)
    for key in {key for unit in crashed for key, _ in unit.states}:
        versions = [state for unit in crashed for at_key, state in unit.states if at_key == key]
        survived = dice.randrange(len(versions) + 1)  # 0: nothing of this window
        if survived:
            store[key] = versions[survived - 1]

    shuffled = list(store.items())
    dice.shuffle(shuffled)
    record = codec.unpack_partition(before[-1].partition_record)
    successor = Owner(PROGRAM, clock, record, dict(shuffled))
    after = successor.run(log[record.position :], batch=dice.choice([1, 7, 500]))

    said = left_by([*before, *crashed, *after], successor.store)
    assert said.store == reference.store
    assert said.partition_record == reference.partition_record
    assert set(said.commands) == set(reference.commands)
    assert set(said.decisions) == set(reference.decisions)
    assert set(said.events) == set(reference.events)
    again = left_by([*before, *after], successor.store)
    assert len(again.commands) <= len(reference.commands)
    assert _in_order(again.commands, reference.commands)


def _in_order(part: Sequence[tuple[bytes, bytes]], whole: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a sequence is the other one with gaps."""
    rest = iter(whole)
    return all(any(one == other for other in rest) for one in part)


@pytest.mark.parametrize("clock", CLOCKS)
def test_after_many_crashes_in_a_row_it_is_still_the_same(clock: Clock) -> None:
    """A process that dies at every unit makes progress as long as one unit is written."""
    log = log_of(clock, 99)
    reference = straight(log, clock, batch=500)
    store: dict[bytes, bytes] = {}
    record: PartitionRecord | None = None
    dice = random.Random(99)
    said: set[tuple[bytes, bytes]] = set()
    while (position := record.position if record else 0) < len(log):
        owner = Owner(PROGRAM, clock, record, dict(store))
        units = [work(owner.partition, log[position + start : position + start + 9]) for start in (0, 9)]
        said.update(units[0].commands + units[1].commands)
        store.update(units[0].states)
        store.update(pair for pair in units[1].states if dice.randrange(2))
        record = codec.unpack_partition(units[0].partition_record)
    assert (store, said) == (reference.store, set(reference.commands))


@pytest.mark.parametrize("clock", CLOCKS)
def test_no_command_id_ever_has_two_bodies_and_none_is_made_twice(clock: Clock) -> None:
    for seed in range(4):
        left = straight(log_of(clock, seed), clock, batch=50)
        ids = [command.command_id for command in codec.commands_of(value for _, value in left.commands)]
        assert len(ids) == len(set(ids))
        decision_ids = [codec.decode(value, dict)["decision_id"] for _, value in left.decisions]
        assert len(decision_ids) == len(set(decision_ids))


def test_a_profile_that_is_ahead_of_a_tick_is_passed_over() -> None:
    program = build([flow(wait(15), send("first"), wait(30, label="again"), send("second"))])
    owner = Owner(program, "live")
    tick = Record(1, at("10:15"), TICK_KEY, codec.encode(_tick("10:15")))
    first = owner.run([event_record(checkout("10:00"), at=START)], batch=1)[0]
    second = owner.run([tick], batch=1)[0]
    assert len(second.commands) == 1
    # The state of the tick was written, the partition record was not.
    successor = Owner(program, "live", codec.unpack_partition(first.partition_record), dict(second.states))
    assert successor.run([tick], batch=1)[0].commands == []
    assert successor.partition.next_wakeup_at == at("10:45")
    late = Record(2, at("10:45"), TICK_KEY, codec.encode(_tick("10:45")))
    assert len(successor.run([late], batch=1)[0].commands) == 1


def test_a_profile_that_is_ahead_of_a_tick_keeps_its_timer() -> None:
    """Armed in the very millisecond of the tick before it; dropped by that tick, it would be a command lost."""
    program = build([flow(send())])
    tick = Record(0, START, TICK_KEY, codec.encode(_tick("10:00")))
    trigger = replace(event_record(checkout("10:00"), at=START), offset=1)
    owner = Owner(program, "live")
    before = owner.run([replace(tick, value=codec.encode(_tick("09:00")))], batch=1)[0]
    ahead = owner.run([tick, trigger], batch=2)[0]
    successor = Owner(program, "live", codec.unpack_partition(before.partition_record), dict(ahead.states))
    assert [unit.commands for unit in successor.run([tick, trigger], batch=1)] == [[], []]
    later = Record(2, at("10:01"), TICK_KEY, codec.encode(_tick("10:01")))
    assert len(successor.run([later], batch=1)[0].commands) == 1


def _tick(through: str) -> object:
    return {"through": to_wire(at(through))}


def test_a_record_that_releases_somebody_ahead_still_moves_time_and_releases_the_others() -> None:
    """Semantics 1.6: profiles ahead keep their timer, a skipped record still moves *now* and releases."""
    program = build([flow()])
    log = [
        event_record(checkout("10:00", who="ann"), at=START),
        event_record(checkout("10:00", who="bob"), at=START),
        event_record(event("product_viewed", "10:20", who="ann"), at=at("10:20")),
        Record(0, at("10:20"), END_KEY, b"{}"),
    ]
    log = [replace(record, offset=offset) for offset, record in enumerate(log)]
    reference = straight_of(program, log)
    owner = Owner(program, "carried")
    before = owner.run(log[:2], batch=2)
    ahead = dict(owner.store)
    units = owner.run(log[2:3], batch=1)
    ahead.update(pair for pair in units[0].states if pair[0] == log[0].key)
    successor = Owner(program, "carried", codec.unpack_partition(before[-1].partition_record), ahead)
    after = successor.run(log[2:], batch=1)
    assert [codec.decode(value, dict)["decided_at"] for unit in after for _, value in unit.commands] == [
        to_wire(at("10:15"))
    ]
    assert successor.store == reference.store
    assert after[-1].partition_record == reference.partition_record


def straight_of(program: Program, log: Sequence[Record]) -> Left:
    owner = Owner(program, "carried")
    return left_by(owner.run(log, batch=1), owner.store)


def test_a_time_after_the_end_mark_is_the_same_after_a_crash() -> None:
    """Whoever is ahead must not lend time to the others: *now* moves to the moments that are released."""
    program = build([flow()])
    log = [
        event_record(checkout("10:00", who="ann"), at=START),
        Record(0, START, END_KEY, b"{}"),
        event_record(checkout("11:00", who="bob"), at=at("11:00")),
        event_record(checkout("11:30", who="ann"), at=at("11:30")),
    ]
    log = [replace(record, offset=offset) for offset, record in enumerate(log)]
    reference = straight_of(program, log)
    owner = Owner(program, "carried")
    before = owner.run(log[:1], batch=1)
    owner.run(log[1:], batch=3)
    ahead = {key: state for key, state in owner.store.items() if key == log[0].key}
    successor = Owner(program, "carried", codec.unpack_partition(before[-1].partition_record), ahead)
    after = successor.run(log[1:], batch=1)
    assert successor.store == reference.store
    assert after[-1].partition_record == reference.partition_record


def test_a_rehearsal_numbers_its_records_itself_whatever_they_say() -> None:
    log = [
        event_record(checkout("10:00"), at=at("10:00")),
        event_record(order("10:20"), at=at("10:20")),
    ]
    seen = []
    for offsets in ((0, 0), (0, 1), (7, 0)):
        rehearsal = Rehearsal(flows())
        rehearsal.feed([replace(record, offset=offset) for record, offset in zip(log, offsets, strict=True)])
        seen.append([(one.decision_id, one.cause.offset) for one in rehearsal.decisions])
    assert seen[0] == seen[1] == seen[2]
    assert {0, 1} <= {offset for _, offset in seen[0]}
