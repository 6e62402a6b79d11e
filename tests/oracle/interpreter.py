"""The meaning of a flow for one profile, as slow and as plain as it can be said.

One ``Run`` is one flow and one profile. It never looks at a clock: whoever drives it (``carried`` or ``live``) says
what comes next and what time it is. Every question is answered by looking at everything again: all live enrollments,
all events ever taken, all entries ever made.

Two times are kept apart. *now* is the time of the record being processed, and the time of a decision. The *moment* of
a step is when it was entered, which a late worker does not move: a wait completes at its wakeup, a gate at *now* if it
is open then and at its time limit if it is not, everything else at once.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.oracle import waits
from tests.oracle.conditions import Words, judge
from tests.oracle.flowfile import Exit, Flow, Gate, Step, milliseconds
from tests.oracle.identity import hashed
from tests.oracle.people import NEVER, Command, Enrollment, Marks, Profile
from tests.oracle.records import Event
from tests.oracle.waits import WAITS


class Run:
    """One flow for one profile."""

    def __init__(self, flow: Flow, profile: Profile, marks: Marks) -> None:
        self.flow = flow
        self.profile = profile
        self.marks = marks
        self.enrollments: list[Enrollment] = []
        self.commands: list[Command] = []
        self.ended: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def live(self) -> list[Enrollment]:
        """Enrollments that have not ended, oldest first."""
        return [enrollment for enrollment in self.enrollments if enrollment.ended_at is None]

    # -- an event

    def on_event(self, event: Event, *, now: int) -> None:
        """The event was just taken into the history: first it may end enrollments, then it may begin one."""
        if self.flow.exit_check == "continuous":
            for enrollment in self.live():
                self._end_if_an_exit_holds(enrollment, now=now)
        for enrollment in self.live():
            if enrollment.chosen is None and self._way_of(enrollment, event, is_new=True) is not None:
                enrollment.chosen = self._way_of(enrollment, event, is_new=True)
                enrollment.wake_at = now
        if not event.backfill and _fits(event, self.flow.event, self.flow.sources, self.flow.where):
            self._on_trigger(event, now=now)
        for enrollment in self.live():
            self._rezone(enrollment, now=now)

    def _on_trigger(self, event: Event, *, now: int) -> None:
        parts = [part for word in self.flow.key_words if isinstance(part := event.words.get(word), str)]
        key = "\x1f".join(parts) if len(parts) == len(self.flow.key_words) else None
        refusal, running = self._refusal(event, key)
        if refusal is not None:
            self.refused[refusal] += 1
        elif running is None or self.flow.retrigger == "end_and_restart":
            assert isinstance(key, str)
            if running is not None:
                self._end(running, "superseded", now=now)
            enrollment_id = hashed(event.tenant, event.profile_id, self.flow.name, key, event.name, event.dedupe)
            enrollment = Enrollment(enrollment_id=enrollment_id, key=key, trigger=event)
            self.enrollments.append(enrollment)
            if not self.flow.reentry.only_if_sent:
                enrollment.counts_from = event.occurred_at
            self._start(enrollment, now=now)
        elif self.flow.retrigger == "restart":
            running.visit += 1
            running.begin(event)
            self._start(running, now=now)
        else:
            self._replace_context(running, event, now=now)

    def _refusal(self, event: Event, key: Any) -> tuple[str | None, Enrollment | None]:
        """Why this trigger is refused, if it is, and the enrollment that is live under its key, if there is one."""
        if not isinstance(key, str):
            return "no_key", None
        if event.anonymous and any(step.kind == "send" and step.body["channel"] != "log" for step in self.flow.steps):
            return "anonymous", None
        running = next((enrollment for enrollment in self.live() if enrollment.key == key), None)
        if running is not None and self.flow.retrigger in ("ignore", "parallel"):
            return "live", running
        if running is not None and self.flow.retrigger == "extend" and not self._waits(running):
            return "live", running  # there is nothing to extend
        if running is not None and event.occurred_at < running.newest.occurred_at:
            return "live", running  # it happened before the newest one that was taken: there is nothing new in it
        if running is None and not self._may_enter_again(event, key):
            return "reentry", None
        if event.appended_at - event.occurred_at > self.flow.max_trigger_age_ms:
            return "trigger_too_old", running
        return None, running

    def _may_enter_again(self, event: Event, key: str) -> bool:
        rule = self.flow.reentry
        earlier = [
            one for one in self.enrollments
            if one.counts_from is not None and (rule.scope == "profile" or one.key == key)
        ]  # fmt: skip
        if rule.policy == "never":
            return not earlier
        if rule.policy == "always":
            return True
        begun = [one.counts_from for one in earlier if one.counts_from is not None]
        if rule.policy == "max":
            return sum(event.occurred_at - at < rule.per_ms for at in begun) < rule.most
        ends = [one.ended_at for one in earlier if one.ended_at is not None]
        counted = begun if rule.since == "start" else ends
        return all(event.occurred_at - before >= rule.gap_ms for before in counted)

    def _start(self, enrollment: Enrollment, *, now: int) -> None:
        if self.flow.exit_check == "continuous" and self._end_if_an_exit_holds(enrollment, now=now):
            return
        # Whatever comes first, it comes when the enrollment is woken, never on the trigger's own record.
        enrollment.wake_at = now
        if self.flow.steps and self.flow.steps[0].kind in WAITS:
            self._wait(enrollment, begun=enrollment.anchor, now=now)

    def _replace_context(self, enrollment: Enrollment, event: Event, *, now: int) -> None:
        if self.flow.retrigger == "replace_context":
            enrollment.visit += 1
            enrollment.trigger = event
        enrollment.newest = event
        if self.flow.exit_check == "continuous" and self._end_if_an_exit_holds(enrollment, now=now):
            return
        if self._waits(enrollment):
            self._wait(enrollment, begun=event.occurred_at, now=now)

    # -- waits

    def _waits(self, enrollment: Enrollment) -> bool:
        """Does it wait for a time, and not for what has come already?"""
        waits = self.flow.steps[enrollment.step].kind in WAITS
        return waits and enrollment.chosen is None

    def _wait(self, enrollment: Enrollment, *, begun: int, now: int) -> None:
        """Wait at the current step, from then on; what is awaited may have come."""
        body = self.flow.steps[enrollment.step].body
        words = enrollment.trigger.words
        zone = waits.zone(self.flow.timezone, self.profile.phone)
        ends = waits.ends_at(body, begun=begun, words=words, zone=zone)
        if isinstance(ends, str):
            self._end(enrollment, ends, now=now)
            return
        enrollment.begun, enrollment.ends, enrollment.zone = begun, ends, zone
        enrollment.known = len(self.profile.history)
        enrollment.wake_at = max(ends, now)
        for event in self.profile.history:
            if enrollment.chosen is None and (way := self._way_of(enrollment, event, is_new=False)) is not None:
                enrollment.chosen, enrollment.wake_at = way, now

    def _rezone(self, enrollment: Enrollment, *, now: int) -> None:
        """A wait by the calendar or the wall clock that is not over, and the person is elsewhere."""
        body = self.flow.steps[enrollment.step].body
        zone = waits.zone(self.flow.timezone, self.profile.phone)
        if (
            not self._waits(enrollment)
            or not waits.by_calendar(body)
            or zone == enrollment.zone
            or enrollment.ends <= now
        ):
            return
        ends = waits.ends_at(body, begun=enrollment.begun, words=enrollment.trigger.words, zone=zone)
        if isinstance(ends, int):
            enrollment.zone, enrollment.ends, enrollment.wake_at = zone, ends, max(ends, now)

    def _way_of(self, enrollment: Enrollment, event: Event, *, is_new: bool) -> int | None:
        """The branch that an event opens for who waits for one."""
        step = self.flow.steps[enrollment.step]
        if step.kind != "wait_event":
            return None
        since = enrollment.begun - (self.flow.skew_ms if is_new else 0)
        for number, branch in enumerate(step.body.get("branches", [step.body])):
            if not _fits(event, branch["event"], [], branch.get("where", {})):
                continue
            if "match" in branch:
                wanted = enrollment.trigger.words
                same = all(
                    event.words.get(word) is not None and event.words.get(word) == wanted.get(other[8:])
                    for word, other in branch["match"].items()
                )
                counts = same and event.position > enrollment.anchored_by.position
            else:
                counts = since < event.occurred_at <= enrollment.ends
            if counts:
                return number
        return None

    # -- exits

    def _end_if_an_exit_holds(self, enrollment: Enrollment, *, now: int) -> bool:
        for rule in self.flow.exits:
            if any(self._counts(rule, enrollment, event) for event in self.profile.history):
                self._end(enrollment, rule.reason, now=now)
                return True
        return False

    def _counts(self, rule: Exit, enrollment: Enrollment, event: Event) -> bool:
        """Does this event count for this exit since the enrollment began?"""
        if event.position in (enrollment.anchored_by.position, enrollment.trigger.position):
            return False
        if not _fits(event, rule.event, rule.sources, rule.where):
            return False
        if rule.match:
            wanted = enrollment.trigger.words
            return all(
                event.words.get(word) is not None and event.words.get(word) == wanted.get(other)
                for word, other in rule.match.items()
            )
        if event.occurred_at > enrollment.anchor:
            return True
        within_skew = event.occurred_at > enrollment.anchor - self.flow.skew_ms
        return within_skew and event.position > enrollment.anchored_by.position

    def _end(self, enrollment: Enrollment, reason: str, *, now: int) -> None:
        enrollment.ended_at = now
        self.ended[reason] += 1

    # -- time

    def gate_open(self, enrollment: Enrollment) -> bool:
        """Is this enrollment held at a gate that has opened?"""
        if enrollment.held_through is None:
            return False
        gate = self.flow.steps[enrollment.step].gate
        assert gate is not None
        return self.marks.complete(gate, tenant=enrollment.trigger.tenant, through=enrollment.held_through)

    def wake(self, enrollment: Enrollment, *, moment: int, now: int) -> None:
        """A wait is over, a gate has opened, or a gate was closed for too long."""
        step, visit = self.flow.steps[enrollment.step], enrollment.visit
        is_open = self.gate_open(enrollment)
        if is_open:
            moment = now
        if not enrollment.stuck:
            enrollment.due = moment
        if enrollment.stuck:
            enrollment.stuck = False
            enrollment.gate_passed = True
        elif enrollment.held_through is None and step.kind in WAITS:
            enrollment.waited = True
            chosen, enrollment.chosen = enrollment.chosen, None
            if not self._follow(enrollment, _way_out(step, chosen), now=now):
                return
        elif enrollment.held_through is not None:
            assert step.gate is not None
            enrollment.unsettled = not is_open and step.gate.on_timeout == "skip"
            enrollment.held_through, enrollment.opened_at = None, None
            enrollment.gate_passed = True
        self._go(enrollment, moment=moment, now=now, visit=visit)

    def _follow(self, enrollment: Enrollment, target: Any, *, now: int) -> bool:
        """Go where a target says; false when that is the end."""
        if isinstance(target, dict):
            self._end(enrollment, target["stop"], now=now)
            return False
        to = enrollment.step + 1 if target is None else self.flow.step_at(target)
        enrollment.visit += to <= enrollment.step
        enrollment.step = to
        return True

    def _go(self, enrollment: Enrollment, *, moment: int, now: int, visit: int) -> None:
        """Take steps until one waits, is held, or ends the enrollment."""
        while enrollment.step < len(self.flow.steps):
            step = self.flow.steps[enrollment.step]
            if self._held(enrollment, step.gate, moment=moment, now=now):
                return
            enrollment.gate_passed = False
            if step.kind in WAITS:
                begun = moment if enrollment.waited else enrollment.anchor
                came_back = enrollment.visit > visit and "until" in step.body
                enrollment.unsettled = False
                self._wait(enrollment, begun=begun + came_back, now=now)
                return
            if step.kind == "send" and (self._stuck(enrollment, now=now) or self._send(enrollment, step, now=now)):
                return
            if step.kind == "send":
                enrollment.due = moment
            if not self._follow(enrollment, self._target(enrollment, step), now=now):
                return
        self._end(enrollment, "done", now=now)

    def free(self, *, now: int) -> None:
        """All unreadable records are dealt with: who is stuck goes on, and now is the moment, unless there is one."""
        for enrollment in self.live():
            if enrollment.stuck and enrollment.wake_at == NEVER:
                enrollment.wake_at = now

    def _stuck(self, enrollment: Enrollment, *, now: int) -> bool:
        """Must this message wait for an operator? It neither does when it is skipped, nor when an exit ends it."""
        if enrollment.unsettled or not self.profile.poison:
            return False
        if self.flow.exit_check == "at_send" and self._end_if_an_exit_holds(enrollment, now=now):
            return True
        enrollment.stuck, enrollment.wake_at = True, NEVER
        return True

    def _held(self, enrollment: Enrollment, gate: Gate | None, *, moment: int, now: int) -> bool:
        if gate is None or enrollment.gate_passed:
            return False
        enrollment.unsettled = False
        enrollment.held_through = moment
        if self.gate_open(enrollment):
            enrollment.held_through = None
        else:
            enrollment.wake_at = max(moment + gate.max_hold_ms, now)
        return enrollment.held_through is not None

    def _target(self, enrollment: Enrollment, step: Step) -> Any:
        """Where a step leads: a label, an end such as ``{"stop": "done"}``, or ``None`` for the step below."""
        if step.kind == "stop":
            return {"stop": step.body}
        if step.kind == "route":
            value = enrollment.trigger.words.get(step.body["by"].removeprefix("trigger."))
            cases = {str(case): target for case, target in step.body["cases"].items()}
            return step.body["otherwise"] if value is None else cases.get(value, step.body["otherwise"])
        if step.kind == "if":
            holds = judge(_bare(step.body["condition"]), enrollment.trigger.words) is True
            return step.body.get("then") if holds else step.body.get("otherwise")
        if step.kind == "split":
            return self._arm(enrollment, step)
        return None

    def _arm(self, enrollment: Enrollment, step: Step) -> Any:
        event, body = enrollment.trigger, step.body
        who = f"{event.tenant}/{event.profile_id if body.get('by', 'profile') == 'profile' else enrollment.key}"
        salt = body.get("salt", f"{self.flow.name}/{step.label}")
        if waits.held_out(salt, who, body.get("holdout", 0)):
            return {"stop": "holdout"}
        weights = {name: arm["weight"] for name, arm in body["arms"].items()}
        return body["arms"][waits.arm(salt, who, weights)].get("then")

    def _send(self, enrollment: Enrollment, step: Step, *, now: int) -> bool:
        """Send, or skip, or end by an exit; true when the enrollment has ended."""
        assert step.label is not None
        if enrollment.unsettled:
            self.skipped["settle_timeout"] += 1
            enrollment.unsettled = step.gate is None
            return False
        if self.flow.exit_check == "at_send" and self._end_if_an_exit_holds(enrollment, now=now):
            return True
        most = milliseconds(step.body.get("max_lateness", "24h"))
        if step.body.get("when_late") == "skip" and now - enrollment.due > most:
            self.skipped["too_late"] += 1
            return False
        command_id = hashed(enrollment.enrollment_id, step.label, str(enrollment.visit))
        who = enrollment.trigger.profile_id
        if enrollment.counts_from is None:
            enrollment.counts_from = enrollment.anchor
        self.commands.append(
            Command(command_id, enrollment.enrollment_id, who, self.flow.name, step.label, enrollment.visit, now)
        )
        return False


def _way_out(step: Step, chosen: int | None) -> Any:
    """The target behind a wait: of its branch, if an event has opened one."""
    if step.kind == "wait":
        return None
    return step.body.get("on_timeout") if chosen is None else step.body.get("branches", [step.body])[chosen].get("then")


def _bare(condition: Any) -> Any:
    """A condition on `trigger.total` as one on `total`."""
    if isinstance(condition, dict):
        return {name.removeprefix("trigger."): _bare(part) for name, part in condition.items()}
    return [_bare(part) for part in condition] if isinstance(condition, list) else condition


def _fits(event: Event, name: str, sources: list[str], where: Words) -> bool:
    """Is this the event meant? A source's name also covers what stands below it."""
    covered = not sources or any(
        event.source == source or event.source.startswith((source + "/", source + ".")) for source in sources
    )
    return event.name == name and covered and judge(where, event.words) is True
