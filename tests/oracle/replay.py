"""The two clocks that can drive the interpreter, and what comes out.

Profiles know nothing of each other, so each is replayed alone against the ordered list of what concerns everybody:
watermarks on a carried clock, ticks on a live one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tests.oracle.flowfile import Flow
from tests.oracle.interpreter import Run
from tests.oracle.people import NEVER, Command, Marks, Profile
from tests.oracle.records import Event, Watermark, as_mapping, event, instant, watermark

Line = str | bytes | dict[str, Any]
LogRecord = tuple[int, int, str, Line]


class Tick(NamedTuple):
    """A tick, appended at ``appended_at``: what has a (wakeup, profile key) up to its bound is released."""

    position: int
    appended_at: int
    through: int
    through_key: str | None
    watermarks: list[Watermark]
    gates_through: int | None = None
    gates_key: str | None = None

    def opens(self, held_through: int | None, key: str) -> bool:
        """Does an open gate let this profile go, which reached it at that moment?"""
        if self.gates_through is None or held_through is None or held_through < self.gates_through:
            return True
        return held_through == self.gates_through and (self.gates_key is None or key <= self.gates_key)

    def releases(self, wake_at: int, key: str) -> bool:
        """Is a timer of this profile released?"""
        before = wake_at < self.through
        return before or (wake_at == self.through and (self.through_key is None or key <= self.through_key))


class Mark(NamedTuple):
    """A watermark on a carried clock."""

    position: int
    appended_at: int
    watermark: Watermark


class Poison(NamedTuple):
    """An unreadable record of a profile."""

    position: int
    appended_at: int
    key: str


class Resolution(NamedTuple):
    """An operator has dealt with unreadable records of a profile."""

    position: int
    appended_at: int
    key: str
    positions: list[int]


class Replay:
    """All flows for one profile. ``key`` is its key on the profile log."""

    def __init__(self, flows: Sequence[Flow], key: str) -> None:
        self.key = key
        self.profile = Profile()
        self.marks = Marks()
        self.runs = [Run(flow, self.profile, self.marks) for flow in flows]

    def take(self, event: Event) -> None:
        """An event of this profile."""
        if self.profile.take(event):
            for run in self.runs:
                run.on_event(event, now=event.appended_at)

    def spoil(self, poison: Poison) -> None:
        """An unreadable record of this profile."""
        self.profile.poison.add(poison.position)

    def resolve(self, resolution: Resolution) -> None:
        """Unreadable records of this profile are dealt with."""
        had = bool(self.profile.poison)
        self.profile.poison.difference_update(resolution.positions)
        if had and not self.profile.poison:
            for run in self.runs:
                run.free(now=resolution.appended_at)

    def release(self, *, before: int | None) -> None:
        """On a carried clock: wake what has its moment before an instant, or at last everything, in order."""
        for run in self.runs:
            while due := [one for one in run.live() if one.moment < (NEVER if before is None else before)]:
                first = min(due, key=lambda one: (one.moment, one.enrollment_id))
                run.wake(first, moment=first.moment, now=first.moment)

    def hear(self, mark: Mark) -> None:
        """On a carried clock: a gate that this one opens lets go at its time, if no other of that time shuts it."""
        self.marks.hear(mark.watermark)
        for run in self.runs:
            for enrollment in run.live():
                enrollment.opened_at = mark.appended_at if run.gate_open(enrollment) else None

    def tick(self, tick: Tick) -> None:
        """On a live clock: open gates first, then release timers, as far as a chain of them reaches."""
        for mark in tick.watermarks:
            self.marks.hear(mark)
        for run in self.runs:
            for enrollment in run.live():
                if run.gate_open(enrollment) and tick.opens(enrollment.held_through, self.key):
                    run.wake(enrollment, moment=tick.appended_at, now=tick.appended_at)
            while due := [one for one in run.live() if tick.releases(one.wake_at, self.key)]:
                first = min(due, key=lambda one: (one.wake_at, one.enrollment_id))
                run.wake(first, moment=first.wake_at, now=tick.appended_at)


class Result:
    """What every flow did, over all profiles."""

    def __init__(self, flows: Sequence[Flow]) -> None:
        self._commands: list[Command] = []
        self.duplicates = 0
        self.refused: dict[str, Counter[str]] = {flow.name: Counter() for flow in flows}
        self._entered: Counter[str] = Counter()
        self._ended: dict[str, Counter[str]] = {flow.name: Counter() for flow in flows}
        self._skipped: dict[str, Counter[str]] = {flow.name: Counter() for flow in flows}

    def add(self, replay: Replay) -> None:
        """Add what the flows did for one profile."""
        self.duplicates += replay.profile.duplicates
        for run in replay.runs:
            self._commands += run.commands
            self.refused[run.flow.name] += run.refused
            self._entered[run.flow.name] += len(run.enrollments)
            self._ended[run.flow.name] += run.ended
            self._skipped[run.flow.name] += run.skipped

    @property
    def commands(self) -> list[Command]:
        """All commands, in the order in which they were decided."""
        return sorted(self._commands, key=lambda command: command.decided_at)

    def summary(self) -> dict[str, Any]:
        """The counts, in the words of ``replay --json``."""
        return {"flows": {name: self._of(name) for name in self._ended}}

    def _of(self, name: str) -> dict[str, Any]:
        return {
            "entered": self._entered[name],
            "ended": dict(sorted(self._ended[name].items())),
            "sent": sum(command.flow == name for command in self._commands),
            "skipped": dict(sorted(self._skipped[name].items())),
            "ignored": self.refused[name]["live"] + self.refused[name]["reentry"],
        }


def run_carried(flows: Sequence[Flow], lines: Iterable[Line]) -> Result:
    """Replay lines in order of arrival; they carry their own time, and afterwards it runs until nothing is pending."""
    events: dict[str, list[Event]] = defaultdict(list)
    marks: list[Mark] = []
    now = 0
    for position, line in enumerate(lines):
        raw = as_mapping(line)
        now = max(now, instant(raw.get("arrived_at") or raw["time"]))
        if "watermark" in raw:
            marks.append(Mark(position, now, watermark(raw["watermark"])))
        else:
            taken = event(raw, appended_at=now, position=position)
            events[taken.key].append(taken)
    result = Result(flows)
    for key, own in events.items():
        replay = Replay(flows, key)
        records: list[Event | Mark] = [*own, *marks]
        for record in sorted(records, key=lambda record: record.position):
            replay.release(before=record.appended_at)
            if isinstance(record, Mark):
                replay.hear(record)
            else:
                replay.take(record)
        replay.release(before=None)
        result.add(replay)
    return result


def run_live(flows: Sequence[Flow], log: Iterable[LogRecord]) -> Result:
    """Replay one partition's recorded log: (offset, append time in ms, kind, payload), by offset.

    Kinds are ``event``; ``tick``, whose payload has ``through`` (ms or RFC 3339), and optionally ``through_key``,
    ``watermarks``, ``gates_through`` and ``gates_key``; ``poison`` with a ``profile``; and ``resolution`` with a
    ``profile`` and ``offsets``. What no tick released is left pending.
    """
    result = Result(flows)
    own_of, ticks = read_live(log)
    for key, own in own_of.items():
        replay = Replay(flows, key)
        for record in sorted([*own, *ticks], key=lambda record: record.position):
            apply(replay, record)
        result.add(replay)
    return result


def read_live(log: Iterable[LogRecord]) -> tuple[dict[str, list[Event | Poison | Resolution]], list[Tick]]:
    """By profile key what concerns it alone, and what concerns everybody."""
    own_of: dict[str, list[Event | Poison | Resolution]] = defaultdict(list)
    ticks: list[Tick] = []
    now, furthest = 0, _bound(0, "")
    for offset, appended_at, kind, payload in log:
        raw = as_mapping(payload)
        now = max(now, appended_at)
        if kind == "tick":
            marks = [watermark(mark) for mark in raw.get("watermarks") or []]
            bound = None if raw.get("gates_through") is None else instant(raw["gates_through"])
            furthest = max(furthest, _bound(instant(raw["through"]), raw.get("through_key")))
            ticks.append(Tick(offset, now, *_said(furthest), marks, bound, raw.get("gates_key")))
        elif kind == "poison":
            own_of[raw["profile"]].append(Poison(offset, now, raw["profile"]))
        elif kind == "resolution":
            own_of[raw["profile"]].append(Resolution(offset, now, raw["profile"], raw["offsets"]))
        else:
            taken = event(raw, appended_at=now, position=offset)
            own_of[taken.key].append(taken)
    return own_of, ticks


def _bound(through: int, key: str | None) -> tuple[int, bool, str]:
    """A tick's bound, to be compared: it never moves back, though a second owner's tick may say less."""
    return through, key is None, key or ""


def _said(bound: tuple[int, bool, str]) -> tuple[int, str | None]:
    through, is_every_key, key = bound
    return through, None if is_every_key else key


def apply(replay: Replay, record: Event | Poison | Resolution | Tick) -> None:
    if isinstance(record, Tick):
        replay.tick(record)
    elif isinstance(record, Poison):
        replay.spoil(record)
    elif isinstance(record, Resolution):
        replay.resolve(record)
    else:
        replay.take(record)
