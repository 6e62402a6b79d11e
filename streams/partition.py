"""One partition of the profile log: records in, outputs out. The place where time moves.

Live clock: timers fire only at ticks. Carried clock: any record later than a timer's moment releases it first, with
*now* = that moment; so the record counts as a tick for the profiles it releases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from schemas import codec
from schemas.catalog import short_name
from schemas.command import Clock
from schemas.control import END_KEY, TICK_KEY, WATERMARK_KEY, Tick, Watermark
from schemas.event import Event
from schemas.instants import from_datetime, from_wire, to_wire
from schemas.limits import DEDUPE_HORIZON_MS, FUTURE_MS_MAX, RELEASED_PER_TICK_MAX
from schemas.profile import NEVER, PartitionRecord, Profile
from streams import dedupe, person
from streams.program import Program
from streams.recorder import Recorder, dead_letter
from streams.timers import Timers
from streams.verdict import Trigger
from streams.watermarks import Gates, Watermarks
from streams.words import all_words

CACHED_PROFILES_MAX = 20_000  # decoded profiles kept between units; beyond it those that came first are dropped
LAST_KEY = b"\xff"  # above every profile key
GATES_ONLY = -1  # a time before every wakeup


class Record(NamedTuple):
    """One record of the profile log; `appended_at` is the broker's append time, or the carried one."""

    offset: int
    appended_at: int
    key: bytes
    value: bytes


class Outputs(NamedTuple):
    """What one unit of work says to the world, encoded. Nothing here may be dropped or reordered."""

    commands: list[tuple[bytes, bytes]]
    decisions: list[tuple[bytes, bytes]]
    dead_letters: list[tuple[bytes | None, bytes]]
    tallies: Counter[tuple[str, ...]]
    latenesses: dict[str, list[int]]


class Snapshot(NamedTuple):
    """What all units of work since the snapshot before have made of the state, encoded: each profile once."""

    states: list[tuple[bytes, bytes]]
    partition_record: bytes
    position: int


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
    ) -> None:
        """`load` reads a packed profile from the local store; `record` is None for a partition without a past."""
        self._program, self._topic, self.number = program, topic, number
        self._clock, self._incarnation, self._load = clock, incarnation, load
        self.position = record.position if record else 0
        self.now_at = record.now_at if record else 0
        self._watermarks = Watermarks(record.watermarks if record else ())
        self._through = (record.through_at, _key_bound(record.through_key)) if record else (0, LAST_KEY)
        self._timers = Timers()
        self._profiles: dict[bytes, Profile] = {}
        self._dirty: dict[bytes, Profile] = {}  # changed since the last snapshot
        self._unsettled: dict[bytes, Profile] = {}  # in the last snapshot, which is not in the local store yet
        self._released: set[bytes] = set()  # by the record being processed
        self._out = self._new_recorder()

    # --- what others may ask --------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """Timers pending."""
        return len(self._timers)

    @property
    def dirty(self) -> int:
        """Profiles that the next snapshot will hold."""
        return len(self._dirty)

    @property
    def through_at(self) -> int:
        """Up to where timers have been released."""
        return self._through[0]

    @property
    def next_wakeup_at(self) -> int:
        """The earliest wakeup, NEVER if there is none."""
        return self._timers.next_at()

    def overdue(self, now: int, *, limit: int) -> int:
        """How many profiles were due before `now` and have not been released; no more than `limit` are counted."""
        return self._timers.overdue(now, limit=limit)

    # --- rebuilding after recovery ---------------------------------------------------------------

    def restore(self, key: bytes, state: bytes) -> None:
        """Take in one packed profile: only its header is read, unless it is held at a gate."""
        _, wakeup_at, held = codec.peek(state)
        if held:
            self._index(key, codec.unpack_profile(state))
        else:
            self._timers.set(key, wakeup_at)

    # --- one unit of work --------------------------------------------------------------------------

    def process(self, records: Sequence[Record]) -> Outputs:
        """Apply records in offset order."""
        self._out = out = self._new_recorder()
        for record in records:
            self._process(record)
            self.position = record.offset + 1
        return Outputs(
            commands=out.encoded_commands(),
            decisions=out.encoded_decisions(),
            dead_letters=[(key, codec.encode(letter)) for key, letter in out.dead_letters],
            tallies=out.tallies,
            latenesses=out.latenesses,
        )

    def snapshot(self, *, epoch: int = 0) -> Snapshot:
        """The state as of `position`, under the epoch of its owner. The snapshot before must be settled by now.

        It must not become durable before the outputs of every unit of work up to here.
        """
        states = [(key, codec.pack_profile(profile)) for key, profile in self._dirty.items()]
        self._unsettled, self._dirty = self._dirty, {}
        return Snapshot(states, codec.pack_partition(self._record(), epoch=epoch), self.position)

    def settled(self) -> None:
        """The last snapshot is in the local store: what it holds may be loaded from there again."""
        self._unsettled = {}
        self._make_room()

    def _process(self, record: Record) -> None:
        out = self._out
        out.caused_by(record.offset)
        if self._released:
            self._released = set()
        if record.appended_at > self.now_at:
            if self._clock == "carried":
                self._release((record.appended_at - 1, LAST_KEY), record.offset)
            self.now_at = max(self.now_at, record.appended_at)
        elif record.appended_at < self.now_at:
            out.tallies[("clamped",)] += 1
        if record.key[:1] != b"\x00":
            self._process_event(record)
        else:
            self._process_control(record)

    def _process_control(self, record: Record) -> None:
        known = (TICK_KEY,) if self._clock == "live" else (WATERMARK_KEY, END_KEY)
        if record.key not in known:
            detail = f"the key {record.key!r} is none of {known}, which a log with a {self._clock} clock has"
            self._refuse(record, "unknown_control_record", detail)
        elif record.key == TICK_KEY:
            self._process_tick(record)
        elif record.key == WATERMARK_KEY:
            self._process_watermark(record)
        else:
            # What is released has its moments; the log itself goes on with the time of its next record.
            self._release((NEVER - 1, LAST_KEY), record.offset)

    # --- events --------------------------------------------------------------------------------------

    def _process_event(self, record: Record) -> None:
        try:
            event = codec.decode_event(record.value)
            type_ = short_name(event.type)
            words = all_words(event, type_=type_) if type_ in self._program.events else {}
            occurred_at = from_datetime(event.time)
            if record.key not in self._profiles:
                _check_key(record.key)
        except (codec.Undecodable, OverflowError) as error:
            self._refuse(record, "invalid_field", str(error))
            return
        profile, out = self._profile(record.key), self._out
        if self._is_ahead(record.key, profile, record.offset):
            out.tallies[("event", "skipped")] += 1
            return
        out.caused_by(record.offset, event.id)
        if occurred_at > self.now_at + FUTURE_MS_MAX:
            out.tallies[("event", "from_the_future")] += 1
            occurred_at = self.now_at
        if occurred_at < self.now_at - DEDUPE_HORIZON_MS and not event.backfill:
            detail = f"time {event.time.isoformat()} is more than 14 days before now; send it with backfill: true"
            self._refuse(record, "before_dedupe_horizon", detail)
            return
        if self._is_new(record, profile, event):
            trigger = Trigger(event, type_, words, occurred_at, record.offset)
            person.take_event(self._program, profile, trigger, now=self.now_at, out=out)
            self._touch(record.key, profile, record.offset)

    def _is_new(self, record: Record, profile: Profile, event: Event) -> bool:
        key, body = dedupe.fingerprint(event)
        answer = dedupe.look_up(profile.dedupe, key=key, body=body, now=self.now_at)
        self._out.tallies[("event", answer)] += 1
        if answer == "new":
            profile.dedupe, evicted = dedupe.remember(profile.dedupe, key=key, body=body, now=self.now_at)
            if evicted:
                self._out.tallies[("evicted", "dedupe")] += evicted
            return True
        if answer == "conflict":
            profile.conflicts += 1
            self._touch(record.key, profile, record.offset)
        return False

    # --- time ----------------------------------------------------------------------------------------

    def plan_tick(self, *, ceiling_at: int, watermarks: Sequence[Watermark], force: bool) -> Tick | None:
        """The tick that the owner should append now, or None when there is nothing to say.

        `ceiling_at` is the lower of the owner's clock and intake's low-water mark. At most RELEASED_PER_TICK_MAX
        profiles are released by one tick.
        """
        news = tuple(watermark for watermark in watermarks if self._watermarks.is_news(watermark))
        ceiling = max(self._through, (ceiling_at, LAST_KEY))
        due = self._timers.first(RELEASED_PER_TICK_MAX + 1, through=ceiling)
        if not due and not news and not force:
            return None
        through = due[RELEASED_PER_TICK_MAX - 1] if len(due) > RELEASED_PER_TICK_MAX else ceiling
        return Tick(through=to_wire(through[0]), through_key=_bound_key(through[1]), watermarks=news)

    def _process_tick(self, record: Record) -> None:
        try:
            tick = codec.decode(record.value, Tick)
            through = (from_wire(tick.through), _key_bound(tick.through_key))
            opened = self._advance(tick.watermarks)
        except (codec.Undecodable, ValueError) as error:
            self._refuse(record, "invalid_field", str(error))
            return
        self._out.tallies[("tick",)] += 1
        self._through = max(self._through, through)
        self._release(self._through, record.offset)
        for key in opened:
            self._wake(key, record.offset, through_at=GATES_ONLY, now=self.now_at)

    def _process_watermark(self, record: Record) -> None:
        try:
            watermark = codec.decode(record.value, Watermark)
            opened = self._advance((watermark,))
        except (codec.Undecodable, ValueError) as error:
            self._refuse(record, "invalid_field", str(error))
            return
        for key in opened:
            self._timers.set(key, self.now_at)

    def _advance(self, watermarks: Sequence[Watermark]) -> list[bytes]:
        """Take watermarks in; the keys of profiles held at a gate that is open now.

        Raises ValueError before anything is taken in if an instant is malformed.
        """
        for one in watermarks:
            from_wire(one.complete_through)
        moved = {(one.tenant, one.source) for one in watermarks if self._watermarks.advance(one)}
        if not moved:
            return []
        tenants = {tenant.encode() for tenant, _ in moved}
        return [
            key
            for key, holds in self._timers.held_at({source for _, source in moved})
            if (tenant := key.partition(b"/")[0]) in tenants
            and any(Gates(self._watermarks, tenant.decode()).open(gates, due_at=due) for gates, due in holds)
        ]

    def _release(self, through: tuple[int, bytes], offset: int) -> None:
        """Wake everybody due, in due order. On a carried clock *now* moves to each moment on the way.

        Ends because every wakeup either ends an enrollment or moves it forward in its flow.
        """
        aside = []
        while (entry := self._timers.pop(through)) is not None:
            wakeup_at, key = entry
            now = max(self.now_at, wakeup_at) if self._clock == "carried" else self.now_at
            if not self._wake(key, offset, through_at=wakeup_at, now=now):
                aside.append(entry)
        for wakeup_at, key in aside:
            self._timers.set(key, wakeup_at)

    def _wake(self, key: bytes, offset: int, *, through_at: int, now: int) -> bool:
        """False when the profile is ahead of this record: then it keeps its timer."""
        profile = self._profile(key)
        if self._is_ahead(key, profile, offset):
            return False
        gates = Gates(self._watermarks, profile.tenant)
        if person.wake(self._program, profile, through_at=through_at, gates=gates, now=now, out=self._out):
            self._released.add(key)
            self._touch(key, profile, offset)
        else:
            self._index(key, profile)
        return True

    # --- profiles ------------------------------------------------------------------------------------

    def _profile(self, key: bytes) -> Profile:
        profile = self._profiles.get(key)
        if profile is None:
            packed = self._load(key)
            # State that cannot be read is nobody's record's fault: it ends the process, and nothing is decided.
            profile = _new_profile(key) if packed is None else codec.unpack_profile(packed)
            self._profiles[key] = profile
        return profile

    def _is_ahead(self, key: bytes, profile: Profile, offset: int) -> bool:
        return profile.applied_offset >= offset and key not in self._released

    def _touch(self, key: bytes, profile: Profile, offset: int) -> None:
        if profile.applied_offset < 0:
            self._out.tallies[("profile",)] += 1
        profile.applied_offset = offset
        self._dirty[key] = profile
        if profile.enrollments:
            self._index(key, profile)
        else:
            self._timers.drop(key)

    def _index(self, key: bytes, profile: Profile) -> None:
        """Bring the timers in line with a profile. A gate that is open already has its moment now."""
        holds = person.holds_of(self._program, profile)
        wakeup_at = person.wakeup_of(self._program, profile)
        if holds:
            gates = Gates(self._watermarks, profile.tenant)
            if any(gates.open(held, due_at=due_at) for held, due_at in holds):
                wakeup_at = min(wakeup_at, self.now_at)
        self._timers.set(key, wakeup_at)
        self._timers.hold(key, holds)

    def _make_room(self) -> None:
        excess = max(0, len(self._profiles) - CACHED_PROFILES_MAX)
        for key in list(islice((key for key in self._profiles if key not in self._dirty), excess)):
            del self._profiles[key]

    # --- small things ----------------------------------------------------------------------------------

    def _refuse(self, record: Record, reason: str, detail: str) -> None:
        letter = dead_letter(
            reason=reason, detail=detail, topic=self._topic, partition=self.number, offset=record.offset,
            key=record.key, value=record.value, now=self.now_at,
        )  # fmt: skip
        self._out.refuse_record(record.key, letter)

    def _record(self) -> PartitionRecord:
        return PartitionRecord(
            position=self.position,
            now_at=self.now_at,
            watermarks=self._watermarks.pack(),
            through_at=self._through[0],
            through_key=_bound_key(self._through[1]),
            clock=self._clock,
            incarnation=self._incarnation,
            flows_hash=self._program.hash,
        )

    def _new_recorder(self) -> Recorder:
        return Recorder(topic=self._topic, partition=self.number, clock=self._clock)


def _check_key(key: bytes) -> None:
    tenant, _, profile_id = key.decode(errors="replace").partition("/")
    if not (tenant and profile_id) or "\ufffd" in profile_id or "\ufffd" in tenant:
        raise codec.Undecodable(f"the key of the record is {key!r} and must be tenant/profile id in UTF-8")


def _new_profile(key: bytes) -> Profile:
    tenant, _, profile_id = key.decode().partition("/")
    return Profile(tenant=tenant, profile_id=profile_id)


def _key_bound(key: str | None) -> bytes:
    return LAST_KEY if key is None else key.encode()


def _bound_key(bound: bytes) -> str | None:
    return None if bound == LAST_KEY else bound.decode()
