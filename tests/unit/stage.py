"""A stage for the core: short ways to write moments, events and flows, and partitions to play them on.

Nothing here decides anything. Times are written as on a clock, "10:15" or "10:15:30.250", all on one day; a leading
"+1 " is the day after.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from schemas import codec
from schemas.activation import Activation, ActiveFlow, Migration
from schemas.catalog import BY_SHORT
from schemas.command import Clock, Command, Recall
from schemas.conditions import Condition, EventMatch
from schemas.control import (
    ACTIVATION_KEY,
    END_KEY,
    MIGRATION_KEY,
    RESOLUTION_KEY,
    TICK_KEY,
    Resolution,
    Tick,
    Watermark,
)
from schemas.dead_letter import DeadLetter
from schemas.decision import Decision
from schemas.event import Event, LoggedEvent
from schemas.flow import ExitRule, Flow, Reentry, Retrigger, Status
from schemas.identity import Identity
from schemas.instants import EPOCH, from_datetime, from_wire, to_wire
from schemas.money import Money
from schemas.policy import NO_POLICY, Policy
from schemas.profile import PartitionRecord, Profile
from schemas.span import Span
from schemas.steps import Gate, Send, Settle, Step, Stop, Wait
from streams.partition import Partition, Record
from streams.program import Program, activate, build
from streams.rehearsal import event_record, watermark_record

DAY = datetime(2026, 11, 20, tzinfo=UTC)
MINUTE = 60_000
HOUR = 60 * MINUTE
TENANT = "acme"
Scope = Literal["profile", "key"]
NEXT = -1  # a step that leads to the one below it
TOPIC = "log"
ORDERS = "shop.orders"


# --- moments -----------------------------------------------------------------------------------------


def at(text: str) -> int:
    """Milliseconds of a time of the day."""
    days, _, clock = text.rpartition(" ")
    hours, minutes, *seconds = (float(part) for part in clock.split(":"))
    return from_datetime(DAY + timedelta(days=int(days or 0), hours=hours, minutes=minutes, seconds=sum(seconds)))


def clock_of(instant: int) -> str:
    """The other way round."""
    moment = EPOCH + timedelta(milliseconds=instant)
    days = (moment - DAY).days
    spec = "milliseconds" if instant % 1000 else "seconds" if instant % MINUTE else "minutes"
    return (f"{days:+d} " if days else "") + moment.time().isoformat(timespec=spec)


# --- what happens --------------------------------------------------------------------------------------


def event(
    short: str,
    time: str,
    *,
    who: str = "ann",
    identity: Identity | None = None,
    id: str | None = None,  # noqa: A002 - the name on the wire
    source: str = "shop.site",
    total: str | None = None,
    currency: str = "USD",
    channel_id: str | None = None,
    backfill: bool = False,
    dedupe_key: str | None = None,
    tenant: str = TENANT,
    **properties: Any,
) -> Event:
    """One event; its id is made of everything else that tells it from others, unless given."""
    return Event(
        id=id or f"{short} {who} {time} {properties or ''}",
        source=source,
        type=BY_SHORT[short].name,
        time=EPOCH + timedelta(milliseconds=at(time)),
        tenant=tenant,
        identity=identity or Identity(external_id=who),
        dedupe_key=dedupe_key,
        backfill=backfill,
        value=None if total is None else Money(total, currency),
        properties=msgspec.Raw(json.dumps(properties).encode() if properties else b"null"),
        context=msgspec.Raw(b"null" if channel_id is None else json.dumps({"channel_id": channel_id}).encode()),
    )


def logged(event: Event) -> LoggedEvent:
    """As the core reads it back from the profile log."""
    return codec.decode_event(codec.encode(event))


def checkout(time: str, **more: Any) -> Event:
    """The trigger of most flows here."""
    return event("checkout_started", time, **more)


def order(time: str, **more: Any) -> Event:
    """The exit of most flows here."""
    return event("order_placed", time, **{"source": ORDERS, **more})


def mark(through: str, *, source: str = ORDERS, shop: str = "", tenant: str = TENANT) -> Watermark:
    """A source is complete through a moment."""
    return Watermark(source=source, complete_through=to_wire(at(through)), tenant=tenant, shop=shop)


ANN, BOB = (event_record(checkout("00:00", who=who), at=0).key for who in ("ann", "bob"))


def poison(at_: str, *, key: bytes = ANN, value: bytes = b"{") -> Record:
    """A record that nobody can read."""
    return Record(0, at(at_), key, value)


def resolution(at_: str, *offsets: int, key: bytes = ANN) -> Record:
    """An operator says that these records are dealt with."""
    said = Resolution(profile=key.decode(), offsets=offsets, how="dismissed", by="ops", at=to_wire(at(at_)))
    return Record(0, at(at_), RESOLUTION_KEY, codec.encode(said))


# --- flows -----------------------------------------------------------------------------------------------


def flow(
    *steps: Step,
    name: str = "reminder",
    trigger: str = "checkout_started",
    sources: tuple[str, ...] = (),
    where: Condition | None = None,
    key: str | None = None,
    retrigger: Retrigger = "ignore",
    reentry: Reentry = Reentry(),  # noqa: B008 - frozen
    max_trigger_age_ms: int = 24 * HOUR,
    exits: Sequence[ExitRule] | None = None,
    exit_check: Literal["continuous", "at_send"] = "continuous",
    skew_ms: int = 5 * MINUTE,
    version: str = "1",
    status: Status = "live",
) -> Flow:
    """A flow: unless told otherwise, wait 15 minutes after a checkout, send to the log, and end when an order comes."""
    listed = list(steps) or [wait(15), send()]
    if not isinstance(listed[-1], Stop):
        listed.append(Stop(label="end", reason="done"))
    return Flow(
        name=name,
        version=version,
        status=status,
        trigger=EventMatch(event=trigger, sources=sources, where=where),
        key=key,
        retrigger=retrigger,
        reentry=reentry,
        max_trigger_age_ms=max_trigger_age_ms,
        exits=(BOUGHT,) if exits is None else tuple(exits),
        exit_check=exit_check,
        skew_ms=skew_ms,
        steps=tuple(_linked(step, index) for index, step in enumerate(listed)),
    )


def _linked(step: Step, index: int) -> Step:
    if isinstance(step, Wait | Settle | Send) and step.next == NEXT:
        return msgspec.structs.replace(step, next=index + 1)
    return step


def wait(minutes: float, *, label: str = "wait") -> Wait:
    """Wait this many minutes."""
    return Wait(label=label, span=Span(ms=int(minutes * MINUTE)), next=NEXT)


def settle(
    *sources: str | Gate, hold: int = 120, on_timeout: Literal["skip", "send"] = "skip", label: str = "settle"
) -> Settle:
    """Hold until the sources are complete, at most `hold` minutes."""
    gates = tuple(one if isinstance(one, Gate) else Gate(source=one) for one in sources or (ORDERS,))
    return Settle(label=label, gates=gates, max_hold_ms=hold * MINUTE, on_timeout=on_timeout, next=NEXT)


def send(label: str = "remind", *, channel: str = "log", next: int = NEXT) -> Send:  # noqa: A002 - as in the schema
    """Order a message."""
    return Send(label=label, template="t", channel=channel, message_class="marketing", next=next)


def receipt(time: str, command: Command, outcome: str, *, who: str = "ann", **more: Any) -> Event:
    """What a sender says has become of a command."""
    return event("message_reported", time, who=who, command_id=command.command_id, outcome=outcome, **more)


def consent(time: str, channel: str, status: str, *, who: str = "ann", **more: Any) -> Event:
    """Somebody agrees to a channel, or does not any more."""
    return event("consent_changed", time, who=who, channel=channel, status=status, **more)


def stop(reason: str, *, label: str = "stop") -> Stop:
    """End."""
    return Stop(label=label, reason=reason)


def exit_on(
    short: str,
    *,
    reason: str,
    match: tuple[tuple[str, str], ...] = (),
    sources: tuple[str, ...] = (),
    where: Condition | None = None,
) -> ExitRule:
    """An exit rule."""
    return ExitRule(when=EventMatch(event=short, sources=sources, where=where), match=match, reason=reason)


BOUGHT = exit_on("order_placed", reason="bought")
SAME_CART = exit_on("order_placed", reason="bought_this_cart", match=(("checkout_id", "checkout_id"),))


# --- partitions --------------------------------------------------------------------------------------------


class Unit(NamedTuple):
    """One unit of work and the snapshot after it."""

    commands: list[tuple[bytes, bytes]]
    decisions: list[tuple[bytes, bytes]]
    dead_letters: list[tuple[bytes | None, bytes]]
    events: list[tuple[bytes, bytes]]
    states: list[tuple[bytes, bytes]]
    partition_record: bytes
    tallies: Counter[tuple[str, ...]]
    latenesses: dict[str, list[int]]


def work(partition: Partition, records: Sequence[Record]) -> Unit:
    """A unit of work whose snapshot is taken, and settled, at once."""
    said, kept = partition.process(records), partition.snapshot()
    partition.settled()
    return Unit(
        said.commands, said.decisions, said.dead_letters, said.events, kept.states, kept.partition_record, said.tallies,
        said.latenesses,
    )  # fmt: skip


class Stage:
    """One partition, a store for its states, and everything that ever came out of it, decoded."""

    def __init__(self, *flows: Flow, clock: Clock = "carried", policy: Policy = NO_POLICY) -> None:
        self.program: Program = build(flows, policy=policy)
        self.clock: Clock = clock
        self.definitions = {(one.name, one.version): one for one in flows}
        self.activations: dict[int, Activation] = {}
        self.store: dict[bytes, bytes] = {}
        self.record: bytes = b""
        self.partition = self._partition(None)
        self.log: list[Record] = []
        self.outputs: list[Unit] = []

    def _partition(self, record: PartitionRecord | None) -> Partition:
        return Partition(
            program=self.program, topic=TOPIC, number=0, clock=self.clock, incarnation="i", load=self.store.get,
            record=record, programs=self._activated,
        )  # fmt: skip

    def _activated(self, activation: Activation) -> Program:
        return activate(activation, lambda name, version: self.definitions[name, version])

    # What happens. Every record is a unit of work of its own.

    def event(self, event: Event, at_: str | None = None) -> Stage:
        """An event arrives; when, unless said, is when it happened."""
        moment = at(at_) if at_ else from_datetime(event.time)
        return self.append(event_record(event, at=moment))

    def watermark(self, watermark: Watermark, at_: str) -> Stage:
        """A watermark on a carried clock."""
        return self.append(watermark_record(watermark, at=at(at_)))

    def pass_time(self, to: str) -> Stage:
        """On a carried clock: a record that concerns nobody."""
        return self.watermark(mark("00:00", source="nobody", tenant="nobody"), to)

    def finish(self) -> Stage:
        """On a carried clock: time runs until no timer is pending."""
        return self.append(Record(0, self.partition.now_at, END_KEY, b"{}"))

    def tick(
        self, at_: str, *, through: str | None = None, key: str | None = None, marks: Iterable[Watermark] = ()
    ) -> Stage:
        """A tick, as the owner of a partition on a live clock appends it; releases what is due by its own time."""
        tick = Tick(through=to_wire(at(through or at_)), through_key=key, watermarks=tuple(marks))
        return self.append(Record(0, at(at_), TICK_KEY, codec.encode(tick)))

    def activate(self, at_: str, number: int, *flows: Flow, over_before: str | None = None) -> Stage:
        """The owner of a partition on a live clock switches to these flows; of one name, the newest version first."""
        self.definitions |= {(one.name, one.version): one for one in flows}
        active = {
            one.name: ActiveFlow(
                status=one.status,
                versions=tuple(other.version for other in flows if other.name == one.name),
                over_before=None if over_before is None else to_wire(at(over_before)),
            )
            for one in reversed(flows)
        }
        activation = self.activations[number] = Activation(number=number, flows=active)
        return self.append(Record(0, at(at_), ACTIVATION_KEY, codec.encode(activation)))

    def move(self, at_: str, flow: Flow, key: bytes = b"", **labels: str) -> Stage:
        """An operator moves a person to a version of a flow."""
        said = Migration(
            profile=(key or ANN).decode(), flow=flow.name, version=flow.version, labels=labels, by="ops",
            at=to_wire(at(at_)),
        )  # fmt: skip
        return self.append(Record(0, at(at_), MIGRATION_KEY, codec.encode(said)))

    def append(self, *records: Record) -> Stage:
        """One unit of work; the records get the next offsets of the log."""
        numbered = [replace(record, offset=len(self.log) + index) for index, record in enumerate(records)]
        self.log += numbered
        self.outputs.append(work(self.partition, numbered))
        self.store.update(self.outputs[-1].states)
        self.record = self.outputs[-1].partition_record
        return self

    def restart(self, program: Program | None = None) -> Stage:
        """The process dies after the last unit of work was written, and another one takes over."""
        record = codec.unpack_partition(self.record)
        if record.activation in self.activations:
            self.program = self._activated(self.activations[record.activation])
        self.program = program or self.program
        self.partition = self._partition(record)
        for key, state in self.store.items():
            self.partition.restore(key, state)
        return self

    # What came of it.

    @property
    def commands(self) -> list[Command]:
        """In order."""
        return codec.commands_of(value for one in self.outputs for _, value in one.commands)

    @property
    def recalls(self) -> list[Recall]:
        """In order."""
        orders = [codec.decode_order(value) for one in self.outputs for _, value in one.commands]
        return [one for one in orders if isinstance(one, Recall)]

    @property
    def decisions(self) -> list[Decision]:
        """In order."""
        return [codec.decode(value, Decision) for one in self.outputs for _, value in one.decisions]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """In order."""
        return [codec.decode(value, DeadLetter) for one in self.outputs for _, value in one.dead_letters]

    @property
    def tallies(self) -> Counter[tuple[str, ...]]:
        """What was counted; nothing where nothing was."""
        return +sum((one.tallies for one in self.outputs), Counter())

    @property
    def story(self) -> list[str]:
        """The decisions as lines: `10:15 sent due`."""
        return [f"{clock_of(from_wire(one.decided_at))} {one.outcome} {one.reason}" for one in self.decisions]

    @property
    def sent(self) -> list[str]:
        """When messages were ordered: `10:15 remind`."""
        return [f"{clock_of(from_wire(one.decided_at))} {one.step}" for one in self.commands]

    def profile(self, who: str = "ann") -> Profile:
        """The stored state of somebody."""
        key = event_record(checkout("00:00", who=who), at=0).key
        return codec.unpack_profile(self.store[key], key=key)
