"""One partition of the profile log: records in, outputs out. The place where time moves.

Live clock: timers fire only at ticks. Carried clock: any record later than a timer's moment releases it first, with
*now* = that moment; so the record counts as a tick for the profiles it releases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from schemas import codec
from schemas.activation import Activation
from schemas.command import Clock
from schemas.control import Tick, Watermark
from schemas.limits import DEDUPE_HORIZON_MS, FUTURE_MS_MAX
from schemas.profile import NEVER, PartitionRecord, Poison, Presence, Profile, Stopped
from schemas.refusals import Refused
from streams import operator, person, poison, taking, waking
from streams.controls import OTHER_CLOCK, Operator, read_control
from streams.profiles import KEPT_MAX, Profiles, StateUnreadable
from streams.program import Program, none_activated
from streams.reading import event_of, trigger_of
from streams.recorder import Recorder
from streams.retained import Retained
from streams.schedule import LAST_KEY, Awaited, Schedule, bound_key
from streams.sweep import Sweep
from streams.unit import NO_TIME
from streams.unit import Outputs as Outputs
from streams.unit import Record as Record
from streams.unit import Snapshot as Snapshot
from streams.verdict import Trigger
from streams.watermarks import Gates

GATES_ONLY = -1  # a time before every wakeup


class Partition:
    """The state machine of one partition. Feed it every record once, in order, from `position` on."""

    def __init__(
        self,
        *,
        program: Program,
        topic: str,
        number: int,
        clock: Clock,
        incarnation: str,
        load: Callable[[bytes], bytes | None],
        record: PartitionRecord | None,
        kept_profiles_max: int = KEPT_MAX,
        version: str = "",
        set_aside: poison.SetAside = frozenset(),
        state_version: int = codec.STATE_VERSION,
        programs: Callable[[Activation], Program] = none_activated,
    ) -> None:
        """`load` reads a packed profile from the local store; `record` is None for a partition without a past.

        `program` is the one in force at the position of the record, `programs` makes those of later activations.
        `version` is that of the program, for dead letters. `set_aside` names what is known to fail.
        """
        self.program = program = program.resumed(record)
        self._heeded = taking.heeded_by(program)
        self._topic, self.number = topic, number
        self._clock, self._incarnation, self._load = clock, incarnation, load
        self._version, self._set_aside, self._state_version = version, set_aside, state_version
        self.position, self.now_at = (record.position, record.now_at) if record else (0, 0)
        self.calendar_through_at = NEVER  # no appointment is met after that: where a log ends
        self.stopped, self._poison = (record.stopped, record.poison) if record else (None, [])
        self._schedule = Schedule(program=program, clock=clock, record=record)
        self._timers = self._schedule.timers
        self._profiles = Profiles(load, kept_max=kept_profiles_max, state_version=state_version)
        self._retained, self._programs = Retained(record, program, clock=clock), programs
        self._released: set[bytes] = set()  # by the record being processed
        self._new, self._out = 0, self._new_recorder()  # new events, and what is said, in this unit of work

    # --- what others may ask --------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """Timers pending."""
        return len(self._timers)

    @property
    def dirty(self) -> int:
        """Profiles that the next snapshot will hold."""
        return len(self._profiles.changed)

    @property
    def through_at(self) -> int:
        """Up to where timers have been released."""
        return self._schedule.through[0]

    @property
    def next_wakeup_at(self) -> int:
        """When a tick would release somebody, NEVER if there is nobody."""
        return NEVER if self.stopped else self._schedule.next_at

    def overdue(self, now: int, *, limit: int) -> int:
        """How many profiles were due before `now` and have not been released; no more than `limit` are counted."""
        return self._timers.overdue(now, limit=limit)

    def awaited(self) -> dict[str, Awaited]:
        """Every source that gates ask for, as it is seen here."""
        return self._schedule.awaited()

    def restore(self, key: bytes, state: bytes) -> None:
        """Take in one packed profile."""
        self._schedule.restore(key, state, now=self.now_at)

    # --- one unit of work --------------------------------------------------------------------------

    def process(self, records: Sequence[Record]) -> Outputs:
        """Apply records in offset order. A partition that has stopped takes none; `position` says where it stands."""
        self._out = out = self._new_recorder()
        self._retained.add(records)
        for record in records:
            if self.stopped is not None:
                break
            if self._released:
                self._released = set()
            if record.appended_at == self.now_at or self._move_on(record):
                if record.key[:1] != b"\x00":
                    self._process_event(record)
                else:
                    out.caused_by(record.offset)
                    self._process_control(record)
            self.position = record.offset + 1
        if self._new:
            out.tallies[("event", "new")], self._new = self._new, 0
        return Outputs(
            commands=out.commands, decisions=out.decisions,
            dead_letters=[(key, codec.encode(letter)) for key, letter in out.dead_letters],
            events=out.events, tallies=out.tallies, latenesses=out.latenesses,
        )  # fmt: skip

    def snapshot(self, *, epoch: int = 0) -> Snapshot:
        """The state as of `position`, under the epoch of its owner. The snapshot before must be settled by now.

        It must not become durable before the outputs of every unit of work up to here.
        """
        self._retained.snapshot(record := self._record(), self.program)
        packed = codec.pack_partition(record, epoch=epoch, version=self._state_version)
        return Snapshot(self._profiles.snapshot(), packed, self.position)

    def settled(self) -> None:
        """The last snapshot is in the local store: what it holds may be loaded from there again."""
        self._profiles.settled()
        self._retained.settled()
        if self._set_aside:
            self._set_aside = frozenset(one for one in self._set_aside if one[0] >= self._retained.position)

    def _move_on(self, record: Record) -> bool:
        """To the time of a record that is another one than *now*. False: the record is not to be taken."""
        if record.appended_at > self.now_at:
            if self._clock == "carried" and self._timers.any_through(last := (record.appended_at - 1, LAST_KEY)):
                self._out.caused_by(record.offset)
                self._release(last, record)
                self._out.caused_by(record.offset)  # what that has said stays, even if the event cannot be taken
            self.now_at = max(self.now_at, record.appended_at)
        else:
            if record.appended_at == NO_TIME:
                detail = f"the clock of this log is {self._clock}; only intake may write to the profile log"
                self._refuse_unread(record, OTHER_CLOCK[self._clock], detail)
                return False
            self._out.tallies[("clamped",)] += 1
        return True

    def _process_control(self, record: Record) -> None:
        try:
            said = read_control(record, clock=self._clock)
            if isinstance(said, Tick):
                self._process_tick(record, said)
            elif isinstance(said, Watermark):
                for key in self._schedule.advance((said,)):
                    self._timers.set(key, self.now_at)
            elif isinstance(said, Activation):
                self._process_activation(said, offset=record.offset)
            elif said is not None:
                self._process_operator(record, said, self._profiles.of(said.profile.encode()))
            else:
                # What is released has its moments; the log itself goes on with the time of its next record.
                self.calendar_through_at = min(self.calendar_through_at, self.now_at)
                self._release((NEVER - 1, LAST_KEY), record)
                self.calendar_through_at = NEVER
        except Refused as refused:
            self._refuse(record, refused.reason, refused.detail)
        except codec.Undecodable as error:
            self._refuse(record, "invalid_field", str(error))

    # --- events --------------------------------------------------------------------------------------

    def _process_event(self, record: Record) -> None:
        key, out = record.key, self._out
        try:
            event, type_, occurred_at = event_of(record)
            profile = self._profiles.at(key)
            stated = event.identity
            identity = None if stated == profile.stated else codec.decode_identity(stated)
            passes_by = taking.passes_by(self._heeded, profile, type_)
            trigger = None if passes_by else trigger_of(self.program, event, type_, occurred_at, record.offset)
        except codec.Undecodable as error:
            self._refuse_unread(record, *poison.why(record.value, str(error)))
            return
        if profile.applied_offset >= record.offset and key not in self._released:
            self._pass_over(record)
            return
        if self._set_aside and (record.offset, key, "messages") in self._set_aside:
            self._hold(key, self._profiles.of(key), record.offset, "messages")
            return
        if occurred_at > self.now_at + FUTURE_MS_MAX:
            out.tallies[("event", "from_the_future")] += 1
            occurred_at = self.now_at
        if occurred_at < self.now_at - DEDUPE_HORIZON_MS and not event.backfill:
            detail = f"time {event.time.isoformat()} is more than 14 days before now; send it with backfill: true"
            out.refuse_record(record, "before_dedupe_horizon", detail, now=self.now_at)
            return
        try:
            answer = person.recognize(profile, event, record, self.now_at, out)
            if answer == "new":
                self._new += 1
                person.notice(profile, stated, identity, occurred_at)
                if trigger is not None:
                    trigger.occurred_at = occurred_at
                    self._take(record, self._profiles.of(key), trigger)
                    return
            if answer != "duplicate":
                self._changed(key, profile, record.offset)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost more than this record
            self._mend(record, key, "messages", error)

    def _take(self, record: Record, profile: Profile, trigger: Trigger) -> None:
        self._out.caused_by(record.offset, trigger.event.id)
        if taking.take(self.program, profile, trigger, now=self.now_at, out=self._out):
            self._touch(record.key, profile, record.offset)
        else:
            self._changed(record.key, profile, record.offset)
            profile.flags = profile.marks()

    # --- time ----------------------------------------------------------------------------------------

    def plan_tick(self, *, ceiling_at: int, watermarks: Sequence[Watermark], force: bool) -> Tick | None:
        """The tick that the owner should append now, or None when there is nothing to say.

        `ceiling_at` is the lower of the owner's clock and intake's low-water mark.
        """
        if self.stopped is not None:
            return None
        return self._schedule.plan_tick(ceiling_at=ceiling_at, watermarks=watermarks, force=force)

    def _process_tick(self, record: Record, tick: Tick) -> None:
        self._schedule.take(tick)
        self._out.tallies[("tick",)] += 1
        for key in self._schedule.opened():
            self._wake(key, record, through_at=GATES_ONLY, now=self.now_at)
        self._release(self._schedule.through, record)

    def _process_activation(self, activation: Activation, *, offset: int) -> None:
        """The switch. Of two activations the one of the higher number counts, wherever they stand."""
        if activation.number > self.program.number:
            self.program = self._programs(activation).after(self.program, offset=offset, at=self.now_at)
            self._heeded = taking.heeded_by(self.program)
            for key in self._schedule.switch(self.program):
                self._schedule.index(key, self._profiles.of(key), now=self.now_at)

    def _process_operator(self, record: Record, said: Operator, profile: Profile) -> None:
        if self._is_ahead(key := said.profile.encode(), profile, record.offset):
            return
        try:
            if (record.offset, key, "moments") in self._set_aside:
                self._hold(key, profile, record.offset, "moments")
            elif operator.obey(self.program, profile, said, offset=record.offset, now=self.now_at, out=self._out):
                self._touch(key, profile, record.offset)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost more than this profile
            self._mend(record, key, "moments", error)

    def _release(self, through: tuple[int, bytes], record: Record) -> None:
        """Wake everybody due, in due order. On a carried clock *now* moves to each moment on the way."""
        sweep = Sweep(
            self._timers, through, calendar_through_at=self.calendar_through_at,
            enrolled_until=lambda key: waking.enrolled_until(self.program, self._profiles.of(key)),
        )  # fmt: skip
        while (entry := sweep.next()) is not None:
            wakeup_at, key = entry
            now = max(self.now_at, wakeup_at) if self._clock == "carried" else self.now_at
            if not self._wake(key, record, through_at=wakeup_at, now=now):
                sweep.keep(entry)
        sweep.close()

    def _wake(self, key: bytes, record: Record, *, through_at: int, now: int) -> bool:
        """False when the profile is ahead of this record: then it keeps its timer."""
        profile = self._profiles.of(key)
        if self._is_ahead(key, profile, record.offset):
            return False
        if self._set_aside and (record.offset, key, "moments") in self._set_aside:
            self._released.add(key)
            self._hold(key, profile, record.offset, "moments")
            return True
        gates, gates_through_at = Gates(self._schedule.watermarks, profile.tenant), self._schedule.gates_through_at(key)
        try:
            if waking.wake(
                self.program, profile, through_at=through_at, calendar_through_at=self.calendar_through_at,
                gates=gates, gates_through_at=gates_through_at, now=now, out=self._out,
            ):  # fmt: skip
                self._released.add(key)
                self._touch(key, profile, record.offset)
            else:
                self._schedule.index(key, profile, now=self.now_at)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost more than this profile
            self._released.add(key)
            self._mend(record, key, "moments", error)
        return True

    # --- what cannot be taken ------------------------------------------------------------------------

    def _refuse_unread(self, record: Record, reason: str, detail: str) -> None:
        """A record that cannot be read, and may have been the order: its profile gets no messages."""
        try:
            profile = self._profiles.of(record.key)
        except codec.Undecodable as error:
            self._refuse(record, "invalid_field", str(error))
            return
        self._refuse(record, reason, detail, profile=record.key)
        if not self._is_ahead(record.key, profile, record.offset):
            self._hold(record.key, profile, record.offset, "messages")

    def _refuse(self, record: Record, reason: str, detail: str, *, profile: bytes | None = None) -> None:
        self._out.refuse_record(record, reason, detail, profile=profile, now=self.now_at)
        self._strike(record.offset)

    def _hold(self, key: bytes, profile: Profile, offset: int, what: Poison) -> None:
        poison.hold(profile, offset, what, out=self._out)
        self._touch(key, profile, offset)

    def _pass_over(self, record: Record) -> None:
        """The profile has been here before. If it was poison then, it counts as poison now."""
        self._out.tallies[("event", "skipped")] += 1
        if (record.offset, "messages") in self._profiles.of(record.key).poison:
            self._strike(record.offset)

    def _strike(self, offset: int) -> None:
        self._poison = poison.strike(self._poison, offset)
        reason = poison.too_much(self._poison)
        if reason and self.stopped is None:
            self.stopped = Stopped(offset=offset + 1, at=self.now_at, reason=reason)

    def _mend(self, record: Record, key: bytes, what: Poison, error: Exception) -> None:
        """The program has failed: make the profile anew, as after a crash, without what failed.

        Memory that has run out, and state that cannot be read, are no record's fault.
        """
        if isinstance(error, MemoryError | StateUnreadable):
            raise error
        self._out.take_back(key, record.offset)
        self._set_aside |= {(record.offset, key, what)}
        anew = Partition(
            program=self._retained.base_program, topic=self._topic, number=self.number, clock=self._clock,
            incarnation=self._incarnation, load=self._load, record=self._retained.base, set_aside=self._set_aside,
            programs=self._programs,
        )  # fmt: skip
        if (packed := self._load(key)) is not None:
            anew.restore(key, packed)
        anew.process(self._retained.about(key, through=record.offset, moments_only=what == "moments"))
        profile = anew._profiles.of(key)
        self._profiles.replace(key, profile)
        self._schedule.index(key, profile, now=self.now_at)
        reason = "invalid_field" if isinstance(error, codec.Undecodable) else "evaluate"
        self._refuse(record, reason, f"{type(error).__name__}: {error}", profile=key)

    # --- profiles ------------------------------------------------------------------------------------

    def _is_ahead(self, key: bytes, profile: Presence, offset: int) -> bool:
        return profile.applied_offset >= offset and key not in self._released

    def _changed(self, key: bytes, profile: Presence, offset: int) -> None:
        if profile.applied_offset < 0:
            self._out.tallies[("profile",)] += 1
        profile.applied_offset = offset
        self._profiles.changed[key] = profile

    def _touch(self, key: bytes, profile: Profile, offset: int) -> None:
        """Changed, and perhaps also when it is to be woken."""
        self._changed(key, profile, offset)
        profile.flags = profile.marks()
        if profile.enrollments or profile.dossier is not None:
            self._schedule.index(key, profile, now=self.now_at)
        else:
            self._timers.drop(key)

    def _record(self) -> PartitionRecord:
        return PartitionRecord(
            position=self.position, now_at=self.now_at,
            watermarks=self._schedule.watermarks.pack(),
            through_at=self._schedule.through[0], through_key=bound_key(self._schedule.through[1]),
            clock=self._clock, incarnation=self._incarnation,
            poison=self._poison, stopped=self.stopped,
            activation=self.program.number, came_back=self.program.came_back, renewed=self.program.renewed,
        )  # fmt: skip

    def _new_recorder(self) -> Recorder:
        return Recorder(topic=self._topic, partition=self.number, clock=self._clock, version=self._version)
