"""The two clocks that can drive the interpreter, and what comes out.

Profiles know nothing of each other, so each is replayed alone against the ordered list of what concerns everybody:
watermarks on a carried clock, ticks on a live one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from tests.oracle.appointments import Calendar
from tests.oracle.flowfile import Flow
from tests.oracle.interpreter import Run
from tests.oracle.people import NEVER, NOT_GONE, Command, Decision, Enrollment, Marks, Message, Profile, Report
from tests.oracle.policy import NO_POLICY, Policy
from tests.oracle.records import Event, Watermark, as_mapping, event, instant, watermark
from tests.oracle.sending import recent, reconsider

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

    def __init__(self, flows: Sequence[Flow], key: str, policy: Policy = NO_POLICY) -> None:
        self.key = key
        self.profile = Profile(key.partition("/")[2])
        self.marks = Marks()
        self.policy = policy
        self.runs = [Run(flow, self.profile, self.marks, policy) for flow in sorted(flows, key=lambda one: one.name)]
        self.by_name = {run.flow.name: run for run in self.runs}
        for run in self.runs:
            run.beside |= self.by_name
        self.calendars = [Calendar(run) for run in self.runs if run.flow.calendar is not None]
        self.reported = 0  # so many events of flows have arrived
        self.returns = False  # do events that flows report come back?

    def take(self, event: Event) -> None:
        """An event of this profile."""
        now = event.appended_at
        shut_before = {id(one): self._run_of(one).shut_then(one) for one in recent(self.profile, now)}
        if not self.profile.take(event):
            self._keep_appointments(now=now)
            return
        if event.name == "message_reported":
            self._receipt(event, now=now)
        self._exits(now=now)
        for run in self.runs:
            run.on_event(event, now=now)
        self._exits(now=now)
        for run in self.runs:
            run.rezone(now=now)
        self._keep_appointments(now=now)
        for run in self.runs:
            run.skip_again(event, now=now)
        self._reconsider(event, shut_before, now=now)

    def _receipt(self, event: Event, *, now: int) -> None:
        message = self.profile.report(event)
        if message is None:
            return
        if message.outcome == "expired":
            self._run_of(message).expired(message, now=now)
        if message.outcome in NOT_GONE:
            for run in self.runs:
                for one in run.pending():
                    if one.waiting == "cap":
                        one.wake_at = now

    def _exits(self, *, now: int) -> None:
        """Until none holds: that somebody leaves a flow may end them in another."""
        while sum(run.exits(now=now) for run in self.runs):
            pass

    # -- after the command

    def _run_of(self, message: Message) -> Run:
        return next(run for run in self.runs if run.flow.name == message.command.flow)

    def _reconsider(
        self, event: Event | None, before: dict[int, str | None], *, now: int, but: Sequence[Message] = ()
    ) -> None:
        those = [one for one in recent(self.profile, now) if one not in but]
        reconsider([(self._run_of(one), one) for one in those], event, before, now=now)

    # -- poison

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

    # -- time

    def _wake(self, run: Run, one: Enrollment, *, moment: int, now: int) -> None:
        stated, earlier = len(self.profile.stated), len(self.profile.messages)
        run.wake(one, moment=moment, now=now)
        self._after_a_step(stated, earlier, now=now)

    def _after_a_step(self, stated: int, earlier: int, *, now: int) -> None:
        while sum(run.hand_on(self.by_name, now=now) for run in self.runs):
            pass
        self._exits(now=now)
        if len(self.profile.stated) > stated:
            for run in self.runs:
                run.rezone(now=now)
            self._keep_appointments(now=now)
        for run in self.runs:
            run.skip_again(None, now=now)
        self._reconsider(None, {}, now=now, but=self.profile.messages[earlier:])

    def _keep_appointments(self, *, now: int) -> None:
        for calendar in self.calendars:
            calendar.keep(now=now)

    def _meet(self, calendar: Calendar, *, now: int) -> None:
        calendar.meet(now=now)
        self._after_a_step(len(self.profile.stated), len(self.profile.messages), now=now)

    def _due(self, until: Callable[[int], bool], *, now: int | None = None) -> tuple[Run, Enrollment] | None:
        """Of whoever is due, who comes first: semantics 1.5 and 8.13. On a carried clock each moment is now."""
        due = [(run, one) for run in self.runs for one in run.pending() if until(one.moment)]
        return min(due, key=lambda pair: (pair[1].moment, *_order(*pair, now=now)), default=None)

    def release(self, *, before: int, appointments_before: int) -> None:
        """On a carried clock: wake what has its moment before an instant, in order; at last everything."""
        while True:
            first = self._due(lambda moment: moment < before)
            met = min(self.calendars, key=lambda one: one.at, default=None)
            meets = met is not None and met.at < appointments_before
            moments = ([first[1].moment] if first else []) + ([met.at] if met is not None and meets else [])
            come = [self._returned(at) for at in (self.reported < len(self._reports()),) if at]
            if come and self.returns and (not moments or min(moments) > come[0].occurred_at):
                self.reported += 1
                self.take(come[0])
            elif not moments:
                return
            elif first is not None and first[1].moment == min(moments):
                self._wake(*first, moment=first[1].moment, now=first[1].moment)
            elif met is not None:
                self._meet(met, now=met.at)

    def _reports(self) -> list[Report]:
        return sorted((one for run in self.runs for one in run.reports), key=lambda one: one.at)

    def _returned(self, _: bool) -> Event:
        """Semantics 14.2: in a rehearsal what a flow reports arrives a millisecond later."""
        one = self._reports()[self.reported]
        latest = self.profile.history[-1]
        return latest._replace(
            name=one.event, source="cartwheel", dedupe=one.id, id=one.id, occurred_at=one.at, appended_at=one.at + 1,
            position=self.profile.position, backfill=False, words=dict(one.properties), depth=one.depth,
            phone=None, email=None,
        )  # fmt: skip

    def hear(self, mark: Mark) -> None:
        """On a carried clock: a gate that this one opens lets go at its time, if no other of that time shuts it."""
        self.marks.hear(mark.watermark)
        for run in self.runs:
            for enrollment in run.pending():
                enrollment.opened_at = mark.appended_at if run.gate_open(enrollment) else None

    def tick(self, tick: Tick) -> None:
        """On a live clock: open gates first, then release timers, as far as a chain of them reaches."""
        for mark in tick.watermarks:
            self.marks.hear(mark)
        now = tick.appended_at
        while opened := [
            (run, one) for run in self.runs for one in run.pending()
            if run.gate_open(one) and tick.opens(one.held_through, self.key)
        ]:  # fmt: skip
            self._wake(*min(opened, key=lambda pair: _order(*pair, now=now)), moment=now, now=now)
        while True:
            first = self._due(lambda moment: tick.releases(moment, self.key), now=now)
            met = min(self.calendars, key=lambda one: one.at, default=None)
            if met is not None and tick.releases(met.at, self.key) and (first is None or met.at < first[1].moment):
                self._meet(met, now=now)
            elif first is not None:
                self._wake(*first, moment=first[1].moment, now=now)
            else:
                return


def _order(run: Run, one: Enrollment, *, now: int | None) -> tuple[Any, ...]:
    """Of one moment, by 8.13: the most urgent message first; of equals, who has waited for room gives way."""
    urgency = run.urgency(one, now=one.moment if now is None else now)
    return -urgency, one.waiting == "cap", one.again, one.number


class Result:
    """What every flow did, over all profiles."""

    def __init__(self, flows: Sequence[Flow]) -> None:
        self._commands: list[Command] = []
        self.decisions: list[Decision] = []
        self.reports: list[Report] = []
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
            self.decisions += run.decisions
            self.reports += run.reports
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


def run_carried(flows: Sequence[Flow], lines: Iterable[Line], policy: Policy = NO_POLICY) -> Result:
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
        replay = Replay(flows, key, policy)
        replay.returns = True
        records: list[Event | Mark] = [*own, *marks]
        for record in sorted(records, key=lambda record: record.position):
            replay.release(before=record.appended_at, appointments_before=record.appended_at)
            replay.profile.position = record.position + 0.5
            if isinstance(record, Mark):
                replay.hear(record)
            else:
                replay.take(record)
        replay.release(before=now, appointments_before=now)
        replay.release(before=NEVER, appointments_before=now + 1)
        result.add(replay)
    return result


def run_live(flows: Sequence[Flow], log: Iterable[LogRecord], policy: Policy = NO_POLICY) -> Result:
    """Replay one partition's recorded log: (offset, append time in ms, kind, payload), by offset.

    Kinds are ``event``; ``tick``, whose payload has ``through`` (ms or RFC 3339), and optionally ``through_key``,
    ``watermarks``, ``gates_through`` and ``gates_key``; ``poison`` with a ``profile``; and ``resolution`` with a
    ``profile`` and ``offsets``. What no tick released is left pending.
    """
    result = Result(flows)
    own_of, ticks = read_live(log)
    for key, own in own_of.items():
        replay = Replay(flows, key, policy)
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
    replay.profile.position = record.position
    if isinstance(record, Tick):
        replay.tick(record)
    elif isinstance(record, Poison):
        replay.spoil(record)
    elif isinstance(record, Resolution):
        replay.resolve(record)
    else:
        replay.take(record)
