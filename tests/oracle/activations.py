"""Activations told naively: from which place in the log on which versions of which flows decide, and for whom.

Flows are read as they were written, not as they were compiled. A `Life` is one person, with a `Pinned` for each version
of each flow: a person is in the version that they entered, and a message is judged again by the version that has
ordered it. Told from sections 7 and 12 of the semantics; nobody waits for room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from tests.oracle.flowfile import Flow, Step, load_flow
from tests.oracle.interpreter import Run
from tests.oracle.people import Command, Enrollment, Marks, Message, Profile
from tests.oracle.policy import Cap, Policy
from tests.oracle.records import Event, as_mapping
from tests.oracle.replay import LogRecord, Poison, Resolution, Tick, read_live
from tests.oracle.sending import recent, reconsider
from tests.oracle.waits import WAITS

NOTHING = -1
OF_OPERATORS = ("activation", "migration")


class Active(NamedTuple):
    """A flow of an activation; of its versions, the first admits people."""

    status: str
    versions: tuple[str, ...]
    over_before: str | None


class Activation(NamedTuple):
    """What one says."""

    flows: dict[str, Active]
    policy: Policy


class Said(NamedTuple):
    """What came of a log: commands, and by command id why and when one was recalled, or regretted."""

    commands: list[Command]
    recalled: dict[str, tuple[str, int]]
    regretted: dict[str, tuple[str, int]]


_read = lru_cache(maxsize=1_000)(load_flow)


class Definitions:
    """The definitions topic, (offset, key, value) in order. What does not follow the last valid order is void."""

    def __init__(self, records: Iterable[tuple[int, bytes | None, bytes]]) -> None:
        self.flows: dict[tuple[str, str], Flow] = {}
        self.activations = {NOTHING: Activation({}, Policy())}
        self.begins: dict[int, int] = {}
        newest = NOTHING
        for offset, key, value in records:
            kind, _, name = (key or b"").decode().partition("/")
            said = as_mapping(value)
            if kind == "flow":
                flow, _, version = name.partition("/")
                self.flows.setdefault((flow, version), _read(said["source"]))
            elif kind == "beginning":
                self.begins.setdefault(said["partition"], said["activation"])
            elif kind == "activation" and said["follows"] == newest:
                newest = offset
                self.activations[offset] = _activation(said)


def _activation(said: dict[str, Any]) -> Activation:
    flows = {
        name: Active(one["status"], tuple(one["versions"]), one.get("over_before"))
        for name, one in said["flows"].items()
    }
    return Activation(flows, Policy(caps=tuple(_cap(one) for one in said.get("policy", {}).get("caps", ()))))


def _cap(said: dict[str, Any]) -> Cap:
    """Nobody waits for room here."""
    return Cap(said.get("group"), said.get("channel"), None, None, said["max"], said["per_ms"], None)


class Pinned(Run):
    """One version of a flow for one person: those who are in it."""

    def __init__(self, flow: Flow, version: str, life: Life) -> None:
        super().__init__(flow, life.profile, life.marks)
        self.version, self.life = version, life
        self.enrollments = life.enrollments.setdefault(flow.name, [])
        self.commands = life.commands

    def live(self) -> list[Enrollment]:
        """Those of this version."""
        return [one for one in super().live() if self.life.pins[one] is self]

    @property
    def newest(self) -> Pinned:
        """The version that admits."""
        return self.life.run(self.flow.name, self.life.active(self.flow.name).versions[0])

    def on_trigger(self, event: Event, *, now: int, depth: int = 0) -> None:
        """Only the newest is asked whether this is a trigger; who is in another version is judged by that one."""
        if self is not self.newest or self.life.active(self.flow.name).status == "stopped":
            return
        parts = [part for word in self.flow.key_words if isinstance(part := event.words.get(word), str)]
        key = "\x1f".join(parts) if len(parts) == len(self.flow.key_words) else None
        running = [one for one in self.enrollments if one.ended_at is None and one.key == key]
        judge = self.life.pins[running[0]] if running else self
        begins = not running or judge.flow.retrigger == "end_and_restart"
        if not (begins and self.life.active(self.flow.name).status == "draining"):
            Run.on_trigger(judge, event, now=now, depth=depth)

    def _start(self, enrollment: Enrollment, *, now: int) -> None:
        """Whoever begins, and begins anew, begins in the newest."""
        if self.shadow and enrollment not in self.life.pins:
            self.life.begun_in_shadow.add(enrollment)
        self.life.pins[enrollment] = self.newest
        Run._start(self.newest, enrollment, now=now)

    def _send(self, enrollment: Enrollment, step: Step, *, now: int) -> bool:
        """By the policy of today."""
        self.policy, before = self.life.activation.policy, len(self.commands)
        stays = super()._send(enrollment, step, now=now)
        if len(self.commands) > before:
            self.life.ordered_by[self.profile.messages[-1]] = self
            self.life.ordered_from.setdefault(enrollment, enrollment.anchor)
        return stays

    def _end(self, enrollment: Enrollment, reason: str, *, now: int) -> None:
        if self.shadow:
            self.life.ended_in_shadow.add(enrollment)
        super()._end(enrollment, reason, now=now)

    @property
    def shadow(self) -> bool:
        """Does the flow only show what it would do?"""
        return self.life.active(self.flow.name).status == "shadow"

    def _counts_from(self, enrollment: Enrollment) -> int | None:
        """Semantics 12.4: what was only shown counts in shadow only."""
        life = self.life
        if self.shadow:
            return super()._counts_from(enrollment)
        if enrollment not in life.begun_in_shadow and not self.flow.reentry.only_if_sent:
            return super()._counts_from(enrollment)
        if self.flow.reentry.only_if_sent or enrollment in life.ordered_from:
            return life.ordered_from.get(enrollment)
        return None if enrollment in life.ended_in_shadow else enrollment.anchor

    def move(self, enrollment: Enrollment, labels: dict[str, str], *, now: int) -> None:
        """Go on here: at the step of the label, a wait from where it counted, all else when the next tick comes."""
        label = _labels(self.life.pins[enrollment].flow)[enrollment.step]
        own = _labels(self.flow)
        if labels.get(label, label) not in own:
            return  # there is no such place here
        enrollment.step = own.index(labels.get(label, label))
        enrollment.visit += 1
        self.life.pins[enrollment] = self
        enrollment.held_through = enrollment.opened_at = enrollment.chosen = None
        enrollment.stuck, enrollment.wake_at = False, now
        if self.flow.steps[enrollment.step].kind in WAITS:
            self._wait(enrollment, begun=enrollment.begun or enrollment.anchor, now=now)
        if enrollment.ended_at is None and self.flow.exit_check == "continuous":
            self._end_if_an_exit_holds(enrollment, now=now)


def _labels(flow: Flow) -> list[str]:
    """Of its steps: their own, or their kind with a running number."""
    kinds: Counter[str] = Counter()
    found = []
    for step in flow.steps:
        kinds[step.kind] += 1
        found.append(step.label or f"{step.kind}_{kinds[step.kind]}")
    return found


class Life:
    """One person from the beginning of the log on."""

    def __init__(self, definitions: Definitions, *, begins: int) -> None:
        self.profile, self.marks = Profile(), Marks()
        self.enrollments: dict[str, list[Enrollment]] = {}
        self.pins: dict[Enrollment, Pinned] = {}
        self.over: set[Enrollment] = set()
        self.begun_in_shadow: set[Enrollment] = set()
        self.ended_in_shadow: set[Enrollment] = set()
        self.ordered_from: dict[Enrollment, int] = {}  # the anchor that it had at its first message
        self.ordered_by: dict[Message, Pinned] = {}
        self.commands: list[Command] = []
        self._unseen = Profile()
        self._definitions, self._runs = definitions, dict[tuple[str, str], Pinned]()
        self.number, self.activation = begins, definitions.activations[begins]

    def active(self, flow: str) -> Active:
        """What holds of a flow now."""
        return self.activation.flows[flow]

    def run(self, flow: str, version: str) -> Pinned:
        """A version of a flow."""
        if (flow, version) not in self._runs:
            self._runs[flow, version] = Pinned(self._definitions.flows[flow, version], version, self)
        return self._runs[flow, version]

    def activate(self, number: int) -> None:
        """From here on this one holds, if its number is higher. Who is in a flow that was stopped will end."""
        if number <= self.number:
            return
        before, self.number, self.activation = self.activation, number, self._definitions.activations[number]
        for name, active in self.activation.flows.items():
            was = before.flows.get(name)
            if active.status == "stopped" or (was is not None and was.over_before != active.over_before):
                self.over.update(one for one in self.enrollments.get(name, []) if one.ended_at is None)

    def take(self, event: Event) -> None:
        """An event, if it is new. What no flow asks of the past when it comes is not remembered for those to come."""
        before = {id(one): run.shut_then(one) for run, one in self._ordered(event.appended_at)}
        if any(Profile._same(event, earlier) for earlier in self._unseen.history) or not self.profile.take(event):
            return
        for one in [one for one in self.over if one.ended_at is None]:
            self.pins[one]._end(one, "stopped", now=event.appended_at)
        if event.name == "message_reported":
            self.profile.report(event)
        runs = [self.run(name, one) for name in sorted(self.activation.flows) for one in self._oldest_first(name)]
        for run in runs:
            run.exits(now=event.appended_at)
        for run in runs:
            run.on_event(event, now=event.appended_at)
            run.rezone(now=event.appended_at)
        reconsider(self._ordered(event.appended_at), event, before, now=event.appended_at)
        if event.name not in self._asked():
            self._unseen.history.append(event)
            self.profile.history[-1] = event._replace(name="")  # an address it may have told all the same

    def _ordered(self, now: int, *, but: Sequence[Message] = ()) -> list[tuple[Pinned, Message]]:
        """What may be recalled or regretted, and the version that has ordered it."""
        return [(self.ordered_by[one], one) for one in recent(self.profile, now) if one not in but]

    def _oldest_first(self, flow: str) -> tuple[str, ...]:
        newest, *older = self.active(flow).versions
        return (*older, newest)

    def _asked(self) -> set[str]:
        """Events that an exit rule or a wait of a flow that runs may ask for when they are past."""
        asked = set[str]()
        for name, active in self.activation.flows.items():
            for flow in (self._definitions.flows[name, version] for version in active.versions):
                if active.status != "stopped":
                    asked |= {rule.event for rule in flow.exits if rule.event}
                    waits = [step.body for step in flow.steps if step.kind == "wait_event"]
                    asked |= {branch["event"] for body in waits for branch in body.get("branches", [body])}
        return asked

    def tick(self, tick: Tick) -> None:
        """Open gates first; then moment by moment, and at each all who are due by then."""
        for mark in tick.watermarks:
            self.marks.hear(mark)
        gates = [
            one for run, one in self._awake() if run.gate_open(one) and tick.opens(one.held_through, one.trigger.key)
        ]
        for one in gates:
            self._wake(one, moment=tick.appended_at, now=tick.appended_at)
        while due := [one for _, one in self._awake() if tick.releases(one.wake_at, one.trigger.key)]:
            first = min(one.wake_at for one in due)
            for one in [one for one in due if one.wake_at <= first]:
                self._wake(one, moment=one.wake_at, now=tick.appended_at)

    def move(self, said: dict[str, Any], *, now: int) -> None:
        """An operator moves them to another version."""
        name, version = said["flow"], said["version"]
        if name not in self.activation.flows or version not in self.active(name).versions:
            return
        for one in [one for one in self.enrollments.get(name, []) if one.ended_at is None]:
            if one not in self.over and self.pins[one].version != version:
                self.run(name, version).move(one, said.get("labels", {}), now=now)
        reconsider(self._ordered(now), None, {}, now=now)

    def free(self, *, now: int) -> None:
        """All unreadable records are dealt with."""
        for run in self._runs.values():
            run.free(now=now)
        reconsider(self._ordered(now), None, {}, now=now)

    def _awake(self) -> Iterator[tuple[Pinned, Enrollment]]:
        """Who may be woken, in the order in which they entered."""
        for one, run in self.pins.items():
            if one.ended_at is None and self.active(run.flow.name).status != "held":
                yield run, one

    def _wake(self, enrollment: Enrollment, *, moment: int, now: int) -> None:
        run, earlier = self.pins[enrollment], len(self.profile.messages)
        if enrollment.ended_at is not None:
            return
        if enrollment in self.over:
            run._end(enrollment, "stopped", now=now)
        else:
            run.wake(enrollment, moment=moment, now=now)
        reconsider(self._ordered(now, but=self.profile.messages[earlier:]), None, {}, now=now)


def run_active(definitions: Definitions, log: Sequence[LogRecord], *, begins: int) -> Said:
    """What comes of one partition's recorded log, as `run_live` has it, with two kinds more: ``activation``, whose
    payload has a ``number``, and ``migration``, which has ``profile``, ``flow``, ``version`` and ``labels``.
    """
    own_of, ticks = read_live([one for one in log if one[2] not in OF_OPERATORS])
    said = [(offset, now, kind, as_mapping(payload)) for offset, now, kind, payload in log if kind in OF_OPERATORS]
    found = Said([], {}, {})
    for key, own in own_of.items():
        life = Life(definitions, begins=begins)
        concerned: list[tuple[float, Any]] = [(one.position, one) for one in (*own, *ticks)]
        concerned += [(one[0], one) for one in said if one[2] == "activation" or one[3]["profile"] == key]
        for position, record in sorted(concerned, key=lambda one: one[0]):
            life.profile.position = position
            _apply(life, record)
        found.commands.extend(life.commands)
        for message in life.ordered_by:
            if message.judged is not None:
                judged = found.regretted if message.regretted else found.recalled
                judged[message.command.command_id] = message.judged
    return found


def _apply(life: Life, record: Any) -> None:
    if isinstance(record, Tick):
        life.tick(record)
    elif isinstance(record, Poison):
        life.profile.poison.add(record.position)
    elif isinstance(record, Resolution):
        had = bool(life.profile.poison)
        life.profile.poison.difference_update(record.positions)
        if had and not life.profile.poison:
            life.free(now=record.appended_at)
    elif isinstance(record, Event):
        life.take(record)
    elif record[2] == "activation":
        life.activate(record[3]["number"])
    else:
        life.move(record[3], now=record[1])
