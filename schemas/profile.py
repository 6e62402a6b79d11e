"""The state of one profile, and of one partition, as the worker keeps them.

Packed: a fixed header that can be read without decoding, then msgpack of typed structs. Fields are only ever added at
the end of a struct, with a default; anything else is a new schema version, lifted at the door by `schemas.codec`.
A profile is a tree: `gc=False` spares the collector from looking through a hundred thousand of them for circles.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw

from schemas.dossier import Dossier, Message, unpack

NEVER = (1 << 63) - 1  # a wakeup that is not due at any time
NOTHING_STATED = Raw()
SHOWN = "\x1e"  # before the name of a past that was in shadow only


class Enrollment(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """One profile inside one flow, once. Instants are milliseconds UTC."""

    enrollment_id: str
    flow: str
    key: str
    visit: int
    anchor_at: int  # occurred_at of the trigger that started it, or last restarted it
    triggered_at: int  # occurred_at of the newest trigger taken
    trigger_offset: int  # where that trigger stands in the profile log
    entered_at: int  # now, when it was enrolled
    context: Raw  # the trigger's words, packed: most events leave them so
    step: str = ""  # label of the step it waits at: labels outlive a changed flow file, indexes do not
    due_at: int = NEVER  # of the wait, or of the gate it is held at
    wakeup_at: int = NEVER  # its moment: never before the record that armed it
    held: bool = False  # at a settle gate, open for as long as `wakeup_at` has not come
    exits_held: int = 0  # at_send: bit i set when exit rule i has become true; EXIT_RULES_MAX bits
    unsettled: str = ""  # what sends must do because a gate timed out: "skip" or "send"; "" is nothing special
    ignored: int = 0
    waited: bool = False  # a wait has been completed: the next one counts from the step before it, not from the anchor
    version: str = ""  # of the flow it is pinned to; "" in states written before there were versions
    base_at: int = 0  # from when the wait it stands at is counted
    base_offset: int = -1  # offset of the record by which it came to stand there
    zone: str = ""  # in which the wait was computed, "" if that did not matter
    arms: dict[str, str] = {}  # split step -> arm
    sent: int = 0  # messages ordered
    gate: str = ""  # label of the settle step that guards the messages from here to the next wait
    waiting: str = ""  # what it is held for at a message: settle, quiet_hours, window, cap, poison
    room_until: int = 0  # how long it waits for room under a cap; 0: it does not
    zone_from: str = ""  # who said so: profile, phone, storefront or flow
    chosen: int = -1  # at a wait_event: the branch whose event has come
    depth: int = 0  # how many flows have handed this person on, none of them after a wait
    held_ms: int = 0  # how long its message has been held at the gate, since it was first judged again
    shown: bool = False  # what re-entry counts of it was in shadow only

    def words(self) -> dict[str, Any]:
        """The trigger's words."""
        return unpack(self.context)


class Past(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """What re-entry must remember of a flow (and key)."""

    started_at: int  # the latest anchor
    ended_at: int | None = None  # the latest end; None: none has ended yet
    starts: list[int] = []  # the newest anchors, ascending, as many as a `max` per period asks for


class Seen(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """A past event that an exit rule may ask for."""

    type: str
    source: str
    occurred_at: int
    offset: int
    words: dict[str, Any]


class Refusal(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """The last refusal of this profile by a flow, so that repeats are counted and not written again."""

    reason: str
    written_at: int
    repeats: int = 0


class Fact(msgspec.Struct, array_like=True, gc=False):
    """A value and when it was true; of two, the later `occurred_at` stays."""

    value: str
    occurred_at: int


#: What a record that a profile could not take holds up: its messages; or every moment of it, because waking it failed.
Poison = Literal["messages", "moments"]


#: What the header says of the rest of a profile, for whoever need not unpack it.
HELD = 1  # something may be waiting at a settle gate
ENROLLED = 2  # in some flow
LOCAL = 4  # something waits by the calendar, the wall clock or for hours, or a message is to be judged again
ORDERED = 8  # some message is remembered
UNKNOWN = 16  # nobody has looked; never in a header


class Presence(msgspec.Struct, kw_only=True, gc=False):
    """What every event of a person changes. The rest may still be packed: see `Profile`."""

    tenant: str
    profile_id: str
    applied_offset: int = -1
    identifiers: dict[str, Fact] = {}
    dedupe: bytes = b""  # see streams.dedupe
    conflicts: int = 0
    last_active_at: int = 0
    weight: int = 0  # bytes of all but `dedupe`, when it was last weighed; see streams.weight
    # Not kept: the identifiers of an event as they stand in it, and the facts that say the same.
    stated: Raw = NOTHING_STATED
    facts: tuple[Fact, ...] = ()
    rest: Raw | None = None  # None: it may have changed since it was packed
    flags: int = UNKNOWN  # of the rest as it is now
    wakeup_at: int = NEVER  # of the rest as it was packed


class Profile(Presence, kw_only=True, gc=False):
    """Everything known about a person."""

    enrollments: list[Enrollment] = []
    past: dict[str, Past] = {}
    refusals: dict[str, Refusal] = {}
    history: list[Seen] = []
    poison: list[tuple[int, Poison]] = []  # offset of the record, what it holds up
    dossier: Dossier | None = None

    def known(self) -> Dossier:
        """The dossier, made if there is none; for whoever is about to write in it."""
        if self.dossier is None:
            self.dossier = Dossier()
        return self.dossier

    def is_frozen(self) -> bool:
        """True while no enrollment may be woken, because waking one has failed."""
        return bool(self.poison) and any(what == "moments" for _, what in self.poison)

    def earliest(self) -> int:
        """The first moment at which a live enrollment, or a flow that begins by the clock, has something to do."""
        at = NEVER
        if self.is_frozen():
            return at
        for one in self.enrollments:
            if one.wakeup_at < at:
                at = one.wakeup_at
        if self.dossier is not None:
            for message in self.dossier.messages:
                if message.again_at and message.again_at < at:
                    at = message.again_at
            for appointment in self.dossier.appointments.values():
                if appointment.at < at:
                    at = appointment.at
        return at

    def again(self) -> list[Message]:
        """The messages that have expired and are to be judged again."""
        found = []
        if self.dossier is not None:
            for one in self.dossier.messages:
                if one.again_at:
                    found.append(one)
        return found

    def waits(self) -> bool:
        """Whether anything of this person may have to be woken."""
        return bool(self.enrollments or (self.dossier is not None and (self.dossier.appointments or self.again())))

    def marks(self) -> int:
        """The flags that are true of it."""
        flags = 0
        for enrollment in self.enrollments:
            flags |= ENROLLED
            if enrollment.held:
                flags |= HELD
            if enrollment.zone:
                flags |= LOCAL
        for message in () if self.dossier is None else self.dossier.messages:
            flags |= ORDERED
            if message.again_at:
                flags |= LOCAL | HELD if message.waiting else LOCAL
        return flags


class RestBody(msgspec.Struct, array_like=True, gc=False):
    """The rest of a profile as state version 2 packs it."""

    enrollments: list[Enrollment]
    past: dict[str, Past]
    refusals: dict[str, Refusal]
    history: list[Seen]
    poison: list[tuple[int, Poison]]
    dossier: Dossier | None


class Body(msgspec.Struct, array_like=True, gc=False):
    """A profile as state version 2 packs it, without what stands in the header and in the key."""

    identifiers: dict[str, Fact]
    dedupe: bytes
    conflicts: int
    weight: int
    rest: Raw  # a `RestBody`: most events leave it as it is, and then it is neither unpacked nor packed


class Version1(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """A profile as state version 1 packs it."""

    tenant: str
    profile_id: str
    applied_offset: int = -1
    identifiers: dict[str, Fact] = {}
    enrollments: list[Enrollment] = []
    past: dict[str, Past] = {}
    refusals: dict[str, Refusal] = {}
    history: list[Seen] = []
    dedupe: bytes = b""
    conflicts: int = 0
    last_active_at: int = 0
    poison: list[tuple[int, Poison]] = []
    weight: int = 0
    dossier: Dossier | None = None


class Stopped(msgspec.Struct, kw_only=True, frozen=True):
    """A partition of which nothing is taken any more, until an operator says so."""

    offset: int  # the first record that was not taken
    at: int
    reason: str


#: When a stopped flow was resumed, by the clock of who did it, which only tells one time from another; and from which
#: offset on the partition has known. Who entered by a trigger before is over.
CameBack = tuple[str, int]


#: Offset and time of the activation since which flows begin by the clock at other moments than before.
Renewed = tuple[int, int]
NOT_RENEWED: Renewed = (-1, 0)


class PartitionRecord(msgspec.Struct, kw_only=True):
    """Where a partition is: every profile's state includes all records below `position`."""

    position: int
    now_at: int
    watermarks: list[tuple[str, str, str, int]]  # tenant, source, shop, complete through
    through_at: int
    through_key: str | None
    clock: str
    incarnation: str
    poison: list[int] = []  # offsets among the last POISON_WINDOW records
    stopped: Stopped | None = None
    activation: int | None = None  # number of the one in force; None in records from before there were any
    came_back: dict[str, CameBack] = {}  # by flow that was stopped once, and is not any more
    renewed: Renewed = NOT_RENEWED
