"""The schedule of one partition: who is due when, who is held at a gate, and how far both have been released.

Timers and holds are an index over profile states; watermarks and bounds are kept in the partition record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas import codec
from schemas.command import Clock
from schemas.control import Tick, Watermark
from schemas.instants import from_wire, to_wire
from schemas.limits import RELEASED_PER_TICK_MAX
from schemas.profile import NEVER, PartitionRecord, Profile
from streams import waking
from streams.holds import Bound, Hold, first
from streams.program import Program
from streams.timers import Timers
from streams.watermarks import Gates, Watermarks

LAST_KEY = b"\xff"  # above every profile key
EVERY_GATE = (NEVER, LAST_KEY)
NO_GATE = (0, LAST_KEY)


class Awaited(NamedTuple):
    """A source that gates ask for: up to where it is complete, None while it has not said, and who is held there."""

    through_at: int | None
    held: int


class Schedule:
    """Derived from the states that were indexed, and the ticks that were taken."""

    def __init__(self, *, program: Program, clock: Clock, record: PartitionRecord | None) -> None:
        self._program, self._clock = program, clock
        self.watermarks = Watermarks(record.watermarks if record else ())
        self.through: Bound = (record.through_at, _key_bound(record.through_key)) if record else (0, LAST_KEY)
        self.gates: Bound = EVERY_GATE  # who is held beyond it stays, though the gate is open
        self.timers = Timers()
        self._kept: dict[bytes, tuple[int, bool]] = {}  # who waits in a held flow: until when, and whether at a gate

    @property
    def next_at(self) -> int:
        """When there is something to release: the earliest wakeup; for an open gate, as soon as time moves on, which on
        a carried clock has a wakeup itself.
        """
        opened = self._clock == "live" and self.timers.holds.opened()
        return self.through[0] + 1 if opened else self.timers.next_at()

    def restore(self, key: bytes, state: bytes, *, now: int) -> None:
        """Take in one packed profile: only its header is read, unless it is held at a gate."""
        applied_offset, wakeup_at, held = codec.peek(state)
        if held:
            self.index(key, codec.unpack_profile(state, key=key), now=now)
        elif wakeup_at != NEVER:
            self.timers.set(key, wakeup_at)
        renewed_offset, renewed_at = self._program.renewed
        if wakeup_at != NEVER and applied_offset < renewed_offset:
            self.timers.bring_forward(key, renewed_at)

    def index(self, key: bytes, profile: Profile, *, now: int) -> None:
        """Bring timers and holds in line with a profile."""
        if not profile.waits() or profile.is_frozen():
            self.drop(key)
            return
        wakeup_at, holds = waking.outlook(self._program, profile)
        if holds or key in self.timers.holds:
            open_due_at = self._open_due_at(key, holds, self.watermarks)
            if open_due_at is not None and self._clock == "carried":
                wakeup_at = min(wakeup_at, now)
            self.timers.holds.set(key, holds, open_due_at=open_due_at)
        self.timers.set(key, wakeup_at)

        if self._program.held or self._program.resting:
            self._keep(key, profile)

    def drop(self, key: bytes) -> None:
        """Say that a profile waits for nothing, or may not be woken."""
        self.timers.drop(key)
        self._kept.pop(key, None)

    def switch(self, program: Program) -> list[bytes]:
        """Go by another program from here on. Whoever waited in a flow that is not held any more is due when they were;
        the keys of those who did at a gate are the answer: they must be indexed again. If flows begin by the clock at
        other moments, everybody who waits for something is due: their appointments are made anew then (semantics 3.8).
        """
        before, self._program = self._program, program
        kept: dict[bytes, tuple[int, bool]] = {}
        if (before.held | before.resting) - (program.held | program.resting):
            kept, self._kept = self._kept, {}
        for key, (wakeup_at, _) in kept.items():
            self.timers.bring_forward(key, wakeup_at)
        if program.renewed != before.renewed:
            self.timers.bring_all_forward(program.renewed[1])
        return [key for key, (_, at_gate) in kept.items() if at_gate]

    def _keep(self, key: bytes, profile: Profile) -> None:
        wakeup_at, holds = waking.outlook(self._program, profile, in_held_flows=True)
        if wakeup_at != NEVER or holds:
            self._kept[key] = (wakeup_at, bool(holds))
        else:
            self._kept.pop(key, None)

    # --- watermarks and ticks -----------------------------------------------------------------------

    def take(self, tick: Tick) -> None:
        """Move the bounds, and the watermarks. Raises ValueError before anything moves if an instant is malformed."""
        through = (from_wire(tick.through), _key_bound(tick.through_key))
        gates = (
            EVERY_GATE if tick.gates_through is None else (from_wire(tick.gates_through), _key_bound(tick.gates_key))
        )
        self.advance(tick.watermarks)
        self.through, self.gates = max(self.through, through), gates

    def advance(self, watermarks: Sequence[Watermark]) -> list[bytes]:
        """Take watermarks in; the keys of profiles that they concern and whose gate is open now.

        Raises ValueError before anything is taken in if an instant is malformed.
        """
        for one in watermarks:
            from_wire(one.complete_through)
        moved = {(one.tenant, one.source) for one in watermarks if self.watermarks.advance(one)}
        opened = self._opened_by(moved, self.watermarks)
        for key, due_at in opened:
            self.timers.holds.open(key, due_at)
        return [key for key, _ in opened]

    def awaited(self) -> dict[str, Awaited]:
        """Every source that a gate of the program asks for."""
        slowest = self.watermarks.slowest(self._program.gates)
        return {source: Awaited(at, self.timers.holds.count(source)) for source, at in slowest.items()}

    def opened(self) -> list[bytes]:
        """Whose gate is open, as far as the last tick lets them go, in the order of due time and key."""
        found = sorted((due_at, key) for key, due_at in self.timers.holds.opened().items())
        return [key for due_at, key in found if (due_at, key) <= self.gates]

    def gates_through_at(self, key: bytes) -> int:
        """Up to which due time the last tick lets this profile go through an open gate."""
        due_at, last = self.gates
        return due_at if key <= last else due_at - 1

    def plan_tick(self, *, ceiling_at: int, watermarks: Sequence[Watermark], force: bool) -> Tick | None:
        """The tick that the owner should append now, or None when there is nothing to say.

        It releases at most RELEASED_PER_TICK_MAX profiles, those with open gates first. While the ceiling does not
        move, it opens only what it has news of.
        """
        news = tuple(watermark for watermark in watermarks if self.watermarks.is_news(watermark))
        ceiling = max(self.through, (ceiling_at, LAST_KEY))
        known = bool(news) or ceiling_at > self.through[0]
        opened = first(self._opened_with(news), RELEASED_PER_TICK_MAX + 1) if known else []
        room = RELEASED_PER_TICK_MAX - min(len(opened), RELEASED_PER_TICK_MAX)
        due = self.timers.first(room + 1, through=ceiling)
        if not (due or opened or news or force):
            return None
        through = ceiling if len(due) <= room else due[room - 1] if room else self.through
        gates = EVERY_GATE
        if len(opened) > RELEASED_PER_TICK_MAX:
            gates = opened[RELEASED_PER_TICK_MAX - 1]
        elif not known and self.timers.holds.opened():
            gates = NO_GATE
        return Tick(
            through=to_wire(through[0]),
            through_key=bound_key(through[1]),
            watermarks=news,
            gates_through=None if gates == EVERY_GATE else to_wire(gates[0]),
            gates_key=bound_key(gates[1]),
        )

    def _opened_with(self, news: Sequence[Watermark]) -> Iterable[tuple[bytes, int]]:
        if not news:
            return self.timers.holds.opened().items()
        then = Watermarks(self.watermarks.pack())
        moved = {(one.tenant, one.source) for one in news if then.advance(one)}
        return {**self.timers.holds.opened(), **dict(self._opened_by(moved, then))}.items()

    def _opened_by(self, moved: set[tuple[str, str]], watermarks: Watermarks) -> list[tuple[bytes, int]]:
        if not moved:
            return []
        tenants = {tenant.encode() for tenant, _ in moved}
        concerned = (
            (key, self._open_due_at(key, holds, watermarks))
            for key, holds in self.timers.holds.at({source for _, source in moved})
            if key.partition(b"/")[0] in tenants
        )
        return [(key, due_at) for key, due_at in concerned if due_at is not None]

    def _open_due_at(self, key: bytes, holds: tuple[Hold, ...], watermarks: Watermarks) -> int | None:
        gates = Gates(watermarks, key.partition(b"/")[0].decode())
        return min((due_at for held, due_at in holds if gates.open(held, due_at=due_at)), default=None)


def bound_key(bound: bytes) -> str | None:
    """A key as a tick and the partition record have it."""
    return None if bound == LAST_KEY else bound.decode()


def _key_bound(key: str | None) -> bytes:
    return LAST_KEY if key is None else key.encode()
