"""The meaning of a flow for one profile, as slow and as plain as it can be said.

One ``Run`` is one flow and one profile. It never looks at a clock: whoever drives it (``carried`` or ``live``) says
what comes next and what time it is. Every question is answered by looking at everything again: all live enrollments,
all events ever taken, all entries ever made.

Two times are kept apart. *now* is the time of the record being processed, and the time of a decision. The *moment* of
a step is when it was entered, which a late worker does not move: a wait completes at its wakeup, a gate at *now* if it
is open then and at its time limit if it is not, everything else at once.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.oracle import waits
from tests.oracle.conditions import judge
from tests.oracle.flowfile import Gate, Step
from tests.oracle.identity import hashed
from tests.oracle.people import NEVER, Enrollment
from tests.oracle.records import Event
from tests.oracle.sending import Sending
from tests.oracle.standing import fits
from tests.oracle.waits import WAITS


class Run(Sending):
    """One flow for one profile."""

    # -- an event

    def on_event(self, event: Event, *, now: int) -> None:
        """The event was just taken into the history, and has ended whom it ends: now it may begin an enrollment."""
        for enrollment in self.live():
            if enrollment.chosen is None and self._way_of(enrollment, event, is_new=True) is not None:
                enrollment.chosen = self._way_of(enrollment, event, is_new=True)
                enrollment.wake_at = now
        if not event.backfill and fits(event, self.flow.event, self.flow.sources, self.flow.where):
            self.on_trigger(event, now=now, depth=event.depth)

    def exits(self, *, now: int) -> bool:
        """After a record: whoever has an exit rule that holds ends, unless rules are judged at messages only."""
        if self.flow.exit_check != "continuous":
            return False
        return sum(self._end_if_an_exit_holds(enrollment, now=now) for enrollment in self.live()) > 0

    def rezone(self, *, now: int) -> None:
        """After a record: people may be elsewhere."""
        for enrollment in self.pending():
            self._rezone(enrollment, now=now)

    def on_trigger(self, event: Event, *, now: int, depth: int = 0) -> None:
        """A trigger whose `where` holds."""
        parts = [part for word in self.flow.key_words if isinstance(part := event.words.get(word), str)]
        key = "\x1f".join(parts) if len(parts) == len(self.flow.key_words) else None
        refusal, running = self._refusal(event, key, now=now)
        if refusal is not None:
            self.refused[refusal] += 1
        elif running is None or self.flow.retrigger == "end_and_restart":
            assert isinstance(key, str)
            if running is not None:
                self._end(running, "superseded", now=now)
            enrollment_id = hashed(event.tenant, event.profile_id, self.flow.name, key, event.name, event.dedupe)
            enrollment = Enrollment(enrollment_id=enrollment_id, key=key, trigger=event)
            self.profile.entered += 1
            enrollment.number = self.profile.entered
            enrollment.depth = depth
            if not self.flow.reentry.only_if_sent:
                enrollment.counts_from = event.occurred_at
            self._say("entered", "", now=now)
            self._start(enrollment, now=now)
            self.enrollments.append(enrollment)  # who is asked at the door is not in yet
        elif self.flow.retrigger == "restart":
            running.visit += 1
            running.begin(event)
            running.depth = depth
            self._say("restarted", "restart", now=now)
            self._start(running, now=now)
        else:
            self._replace_context(running, event, now=now)

    def _refusal(self, event: Event, key: Any, *, now: int) -> tuple[str | None, Enrollment | None]:
        """Why this trigger is refused, if it is, and the enrollment that is live under its key, if there is one."""
        if not isinstance(key, str):
            return "no_key", None
        if event.anonymous and any(step.kind == "send" and step.body["channel"] != "log" for step in self.flow.steps):
            return "anonymous", None
        asking = Enrollment(enrollment_id="", key=key, trigger=event)
        if self.flow.filter and self._holds(self.flow.filter, asking, now=now) is not True:
            return "filter_false", None
        running = next((enrollment for enrollment in self.live() if enrollment.key == key), None)
        if running is not None and self.flow.retrigger in ("ignore", "parallel"):
            return "live", running
        if running is not None and self.flow.retrigger == "extend" and not self._waits(running):
            return "live", running  # there is nothing to extend
        if running is not None and event.occurred_at < running.newest.occurred_at:
            return "live", running  # it happened before the newest one that was taken: there is nothing new in it
        if running is None and not self._may_enter_again(event, key):
            return "reentry", None
        if now - event.occurred_at > self.flow.max_trigger_age_ms:
            return "trigger_too_old", running
        return None, running

    def _may_enter_again(self, event: Event, key: str) -> bool:
        rule = self.flow.reentry
        asked = [one for one in self.enrollments if rule.scope == "profile" or one.key == key]
        earlier = [one for one in asked if self._counts_from(one) is not None]
        if rule.policy == "never":
            return not earlier
        if rule.policy == "always":
            return True
        begun = [at for one in earlier if (at := self._counts_from(one)) is not None]
        if rule.policy == "max":
            return sum(event.occurred_at - at < rule.per_ms for at in begun) < rule.most
        ends = [one.ended_at for one in earlier if one.ended_at is not None]
        counted = begun if rule.since == "start" else ends
        return all(event.occurred_at - before >= rule.gap_ms for before in counted)

    def _counts_from(self, enrollment: Enrollment) -> int | None:
        """When it began, for re-entry; None while it does not count."""
        return enrollment.counts_from

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
        self._say("restarted", self.flow.retrigger, now=now)
        if self.flow.exit_check == "continuous" and self._end_if_an_exit_holds(enrollment, now=now):
            return
        if self._waits(enrollment):
            self._wait(enrollment, begun=event.occurred_at, now=now, but=event)

    def hand_on(self, runs: dict[str, Run], *, now: int) -> bool:
        """Offer the person to the flows that steps have named; false when there was none."""
        offers, self.offers = self.offers, []
        for step, event, depth in offers:
            other = runs.get(event.name)
            if other is None:
                self._say("refused", "no_such_flow", step, now=now)
            elif judge(other.flow.where, event.words) is not True:
                self._say("refused", "where_false", step, now=now)
            elif not self.shadow:
                other.on_trigger(event._replace(name=other.flow.event), now=now, depth=depth)
        return bool(offers)

    # -- waits

    def _waits(self, enrollment: Enrollment) -> bool:
        """Does it wait for a time, and not for what has come already?"""
        waits = self.flow.steps[enrollment.step].kind in WAITS
        return waits and enrollment.chosen is None

    def _wait(self, enrollment: Enrollment, *, begun: int, now: int, but: Event | None = None) -> None:
        """Wait at the current step, from then on; what is awaited may have come."""
        body = self.flow.steps[enrollment.step].body
        words = enrollment.trigger.words
        zone = self._zone(enrollment)
        ends = waits.ends_at(self._dated(body, enrollment), begun=begun, words=words, zone=zone)
        if isinstance(ends, str):
            self._end(enrollment, ends, now=now)
            return
        enrollment.begun, enrollment.ends, enrollment.zone = begun, ends, zone
        enrollment.known = len(self.profile.history)
        enrollment.wake_at = max(ends, now)
        for event in [one for one in self.profile.history if one is not but]:
            if enrollment.chosen is None and (way := self._way_of(enrollment, event, is_new=False)) is not None:
                enrollment.chosen, enrollment.wake_at = way, now

    def _rezone(self, enrollment: Enrollment, *, now: int) -> None:
        """A wait by the calendar or the wall clock that is not over, and the person is elsewhere."""
        body = self.flow.steps[enrollment.step].body
        if enrollment.waiting in ("window", "quiet_hours") and self._zone_of_hours(enrollment, body) != enrollment.zone:
            enrollment.wake_at = min(enrollment.wake_at, now)
        zone = self._zone(enrollment)
        if (
            not self._waits(enrollment)
            or not waits.by_calendar(body)
            or zone == enrollment.zone
            or enrollment.ends <= now
        ):
            return
        body = self._dated(body, enrollment)
        ends = waits.ends_at(body, begun=enrollment.begun, words=enrollment.trigger.words, zone=zone)
        if isinstance(ends, int):
            enrollment.zone, enrollment.ends, enrollment.wake_at = zone, ends, max(ends, now)

    def _dated(self, body: Any, enrollment: Enrollment) -> Any:
        """Semantics 5.9: which date it is, is asked when the step is entered, and when the zone changes."""
        if "until_date" not in body:
            return body
        return body | {"said": self._value(enrollment, body["until_date"])}

    def _way_of(self, enrollment: Enrollment, event: Event, *, is_new: bool) -> int | None:
        """The branch that an event opens for who waits for one."""
        step = self.flow.steps[enrollment.step]
        if step.kind != "wait_event":
            return None
        since = enrollment.begun - (self.flow.skew_ms if is_new else 0)
        for number, branch in enumerate(step.body.get("branches", [step.body])):
            if not fits(event, branch["event"], [], branch.get("where", {})):
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

    # -- time

    def _gate(self, enrollment: Enrollment) -> Gate | None:
        """Where it stands; and for a message that is judged again, the step in front of it, too: semantics 8.8."""
        step = self.flow.steps[enrollment.step]
        behind = None if enrollment.gate_at is None else self.flow.steps[enrollment.gate_at].gate
        return behind if step.gate is None and enrollment.once_more else step.gate

    def gate_open(self, enrollment: Enrollment) -> bool:
        """Is this enrollment held at a gate that has opened?"""
        if enrollment.held_through is None:
            return False
        gate = self._gate(enrollment)
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
        elif enrollment.waiting:
            enrollment.waiting, enrollment.once_more = None, True
        elif enrollment.held_through is None and step.kind in WAITS:
            enrollment.waited, enrollment.depth = True, 0
            chosen, enrollment.chosen = enrollment.chosen, None
            if not self._follow(enrollment, _way_out(step, chosen), now=now):
                return
        elif enrollment.held_through is not None:
            gate = self._gate(enrollment)
            assert gate is not None
            enrollment.unsettled = not is_open and gate.on_timeout == "skip"
            enrollment.held_ms += (moment - enrollment.held_through) * enrollment.once_more
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
            if self._held(enrollment, self._gate(enrollment), moment=moment, now=now):
                return
            enrollment.gate_passed = False
            if step.kind == "settle":
                enrollment.gate_at = enrollment.step
            if step.kind in WAITS:
                enrollment.gate_at = None
                begun = moment if enrollment.waited else enrollment.anchor
                came_back = enrollment.visit > visit and "until" in step.body
                enrollment.unsettled = False
                self._wait(enrollment, begun=begun + came_back, now=now)
                return
            if step.kind == "send":
                if self._send(enrollment, step, now=now):
                    return
                enrollment.due, enrollment.patience, enrollment.once_more, enrollment.held_ms = moment, None, False, 0
                if enrollment.again:
                    enrollment.ended_at = now
                    return
            if not self._does(enrollment, step, moment=moment, now=now):
                return
            if not self._follow(enrollment, self._target(enrollment, step, now=now), now=now):
                return
        self._end(enrollment, "done", now=now)

    def free(self, *, now: int) -> None:
        """All unreadable records are dealt with: who is stuck goes on, and now is the moment, unless there is one."""
        for enrollment in self.pending():
            if enrollment.stuck and enrollment.wake_at == NEVER:
                enrollment.wake_at = now

    def _held(self, enrollment: Enrollment, gate: Gate | None, *, moment: int, now: int) -> bool:
        if gate is None or enrollment.gate_passed:
            return False
        enrollment.unsettled = False
        enrollment.held_through = moment
        held_until = moment + gate.max_hold_ms - enrollment.held_ms
        if self.gate_open(enrollment):
            enrollment.held_through = None
        elif enrollment.once_more and held_until <= now:
            enrollment.held_through, enrollment.unsettled = None, gate.on_timeout == "skip"
        else:
            enrollment.wake_at = max(held_until, now)
        return enrollment.held_through is not None

    def _target(self, enrollment: Enrollment, step: Step, *, now: int) -> Any:
        """Where a step leads: a label, an end such as ``{"stop": "done"}``, or ``None`` for the step below."""
        if step.kind == "stop":
            return {"stop": step.body}
        if step.kind == "route":
            value = self._value(enrollment, step.body["by"])
            cases = {str(case): target for case, target in step.body["cases"].items()}
            return step.body["otherwise"] if value is None else cases.get(value, step.body["otherwise"])
        if step.kind == "if":
            holds = self._holds(step.body["condition"], enrollment, now=now) is True
            return step.body.get("then") if holds else step.body.get("otherwise")
        if step.kind == "split":
            return self._arm(enrollment, step, now=now)
        return None

    def _arm(self, enrollment: Enrollment, step: Step, *, now: int) -> Any:
        event, body = enrollment.trigger, step.body
        who = f"{event.tenant}/{event.profile_id if body.get('by', 'profile') == 'profile' else enrollment.key}"
        salt = body.get("salt", f"{self.flow.name}/{step.label}")
        if waits.held_out(salt, who, body.get("holdout", 0)):
            return {"stop": "holdout"}
        weights = {name: arm["weight"] for name, arm in body["arms"].items()}
        arm = waits.arm(salt, who, weights)
        if step.label not in enrollment.exposed:
            enrollment.exposed.add(step.label)
            self._say("exposed", arm, now=now)
        return body["arms"][arm].get("then")

    # -- which comes first

    def urgency(self, enrollment: Enrollment, *, now: int) -> int:
        """The priority of the message that this one comes to next; -1 without any."""
        step = self.flow.steps[enrollment.step]
        if step.kind in WAITS:
            return self._urgency_behind(enrollment, _way_out(step, enrollment.chosen), now=now)
        return self._urgency_from(enrollment, enrollment.step, now=now)

    def _urgency_behind(self, enrollment: Enrollment, way: Any, *, now: int) -> int:
        if isinstance(way, dict):
            return -1
        to = enrollment.step + 1 if way is None else self.flow.step_at(way)
        return self._urgency_from(enrollment, to, now=now)

    def _urgency_from(self, enrollment: Enrollment, index: int, *, now: int) -> int:
        if index >= len(self.flow.steps) or self.flow.steps[index].kind in (*WAITS, "stop"):
            return -1
        step = self.flow.steps[index]
        if step.kind == "send":
            return int(step.body.get("priority", 5))
        probe = copy.copy(enrollment)
        probe.step, probe.exposed = index, {one.label for one in self.flow.steps}
        return self._urgency_behind(probe, self._target(probe, step, now=now), now=now)


def _way_out(step: Step, chosen: int | None) -> Any:
    """The target behind a wait: of its branch, if an event has opened one."""
    if step.kind == "wait":
        return None
    return step.body.get("on_timeout") if chosen is None else step.body.get("branches", [step.body])[chosen].get("then")
