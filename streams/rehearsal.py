"""Rehearsal: the real core on a scripted timeline. No broker, virtual time (a carried clock), everything to look at.

It is product code: `cartwheel replay`, flow tests and people who try a flow use it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from schemas import codec
from schemas.command import Command, Recall
from schemas.control import END_KEY, WATERMARK_KEY, Watermark
from schemas.dead_letter import DeadLetter
from schemas.decision import Decision
from schemas.event import Event
from schemas.flow import Flow
from schemas.identity import profile_id, profile_key, strongest
from schemas.policy import NO_POLICY, Policy
from schemas.profile import NEVER, Profile
from schemas.steps import Emit
from streams import waking
from streams.partition import Partition, Record
from streams.plugins import NO_PLUGINS, Name, Plugin
from streams.program import build
from streams.retained import NO_NEWS

TOPIC = "rehearsal"
#: Between two records, if flows report events; whoever is due after so many waits for the next record.
MOMENTS_MAX = 10_000


class Nobody(ValueError):
    """The event's identifiers identify nobody; give it at least one that does."""


class Rehearsal:
    """Feed events and watermarks in order of arrival; read what was decided."""

    def __init__(
        self, flows: Iterable[Flow], *, policy: Policy = NO_POLICY, plugins: Mapping[Name, Plugin] = NO_PLUGINS
    ) -> None:
        """Raises DuplicateFlow when two flows have one name, and UnknownPlugin."""
        program = build(flows, policy=policy, plugins=plugins)
        self._reports = any(isinstance(step, Emit) for flow in program.flows.values() for step in flow.steps)
        self._store: dict[bytes, bytes] = {}
        self._partition = Partition(
            program=program, topic=TOPIC, number=0, clock="carried", incarnation=TOPIC, load=self._store.get,
            record=None,
        )  # fmt: skip
        self.commands: list[Command] = []
        self.recalls: list[Recall] = []
        self._decisions: list[Decision] = []
        self._unread: list[bytes] = []  # decisions that nobody has asked for yet
        self.dead_letters: list[DeadLetter] = []
        self.events: list[Event] = []  # reported by flows
        self.tallies: Counter[tuple[str, ...]] = Counter()

    @property
    def now_at(self) -> int:
        """Where time stands."""
        return self._partition.now_at

    @property
    def decisions(self) -> list[Decision]:
        """Everything that was decided. Whoever only counts need not ask."""
        unread, self._unread = self._unread, []
        self._decisions += (codec.decode(value, Decision) for value in unread)
        return self._decisions

    @property
    def pending(self) -> int:
        """Timers pending."""
        return self._partition.pending

    def profiles(self) -> list[Profile]:
        """Everybody, as they are now."""
        return [codec.unpack_profile(state, key=key) for key, state in sorted(self._store.items())]

    def event(self, event: Event, *, at: int) -> None:
        """An event arrives. A time before the last one is clamped to it. Raises Nobody."""
        self.feed([event_record(event, at=at)])

    def watermark(self, watermark: Watermark, *, at: int) -> None:
        """A source reports how far it is complete."""
        self.feed([watermark_record(watermark, at=at)])

    def advance(self, to: int) -> None:
        """Let time pass: everything due before `to` happens, and what is due at `to` does not yet."""
        self.feed([Record(offset=0, appended_at=to, key=WATERMARK_KEY, value=NO_NEWS)])

    def finish(self) -> None:
        """Let time run until no timer is pending."""
        self.feed([Record(offset=0, appended_at=self.now_at, key=END_KEY, value=b"{}")])

    def feed(self, records: Sequence[Record]) -> None:
        """Many records as one unit of work; their offsets are given here.

        Where flows report events of their own, each moment is a unit, and what is reported arrives a millisecond later.
        """
        if not self._reports:
            self._process(records)
            return
        for record in records:
            if ends := record.key == END_KEY:
                self._partition.calendar_through_at = self.now_at
            for _ in range(MOMENTS_MAX):
                moment = self._next_moment(ends=ends)
                if moment == NEVER or (moment >= record.appended_at and not ends):
                    break
                later = max(moment + 1, self.now_at)
                self._arrive(self._process([Record(offset=0, appended_at=later, key=WATERMARK_KEY, value=NO_NEWS)]))
            self._arrive(self._process([record]))

    def _arrive(self, reported: Sequence[Event]) -> None:
        for event in reported:
            self._process([event_record(event, at=self.now_at)])

    def _next_moment(self, *, ends: bool) -> int:
        """When somebody is due; at the end nobody by an appointment alone."""
        if not ends:
            return self._partition.next_wakeup_at
        return min((waking.enrolled_until(self._partition.program, one) for one in self.profiles()), default=NEVER)

    def _process(self, records: Sequence[Record]) -> list[Event]:
        """One unit of work; the events that flows have reported in it."""
        outputs = self._partition.process([
            record if record.offset == offset else replace(record, offset=offset)
            for offset, record in enumerate(records, self._partition.position)
        ])  # fmt: skip
        self._store.update(self._partition.snapshot().states)
        self._partition.settled()
        for order in (codec.decode_order(value) for _, value in outputs.commands):
            if isinstance(order, Command):
                self.commands.append(order)
            else:
                self.recalls.append(order)
        self._unread += (value for _, value in outputs.decisions)
        self.dead_letters += (codec.decode(value, DeadLetter) for _, value in outputs.dead_letters)
        self.tallies.update(outputs.tallies)
        events = [codec.decode(value, Event) for _, value in outputs.events]
        self.events += events
        return events


def event_record(event: Event, *, at: int) -> Record:
    """An event as it stands on the profile log. Raises Nobody."""
    who = strongest(event.identity)
    if who is None:
        raise Nobody(f"event {event.id!r} has no identifier that identifies anybody")
    profile = profile_id(tenant=event.tenant, kind=who[0], value=who[1])
    return Record(0, at, profile_key(tenant=event.tenant, profile_id=profile), codec.encode(event))


def watermark_record(watermark: Watermark, *, at: int) -> Record:
    """A watermark as it stands on a profile log with a carried clock."""
    return Record(0, at, WATERMARK_KEY, codec.encode(watermark))
