"""Messages, and what else a flow does at a step: semantics 8, 9 and 14."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from tests.oracle import gates
from tests.oracle.agreement import WHENEVER
from tests.oracle.conditions import Stated
from tests.oracle.flowfile import Step, milliseconds
from tests.oracle.identity import hashed
from tests.oracle.people import NEVER, NOT_GONE, Command, Enrollment, Message, Profile, Report
from tests.oracle.records import Event
from tests.oracle.standing import Standing

DEPTH_MAX = 5
REGRET_MS = 48 * 3_600_000
DEEDS = ("set", "emit", "enter_flow")


class Sending(Standing):
    """What comes of a flow."""

    # -- messages

    def _send(self, enrollment: Enrollment, step: Step, *, now: int) -> bool:
        """Send, or skip, or wait, or end by an exit; true when it goes no further. Semantics 8.1."""
        assert step.label is not None
        if enrollment.unsettled:
            enrollment.unsettled = step.gate is None
            return self._skip("settle_timeout", step, now=now)
        if self._end_if_an_exit_holds(enrollment, now=now):
            return True
        if self.profile.poison:
            enrollment.stuck, enrollment.wake_at = True, NEVER
            return True
        is_late = now - enrollment.due > milliseconds(step.body.get("max_lateness", "24h"))
        when_late = step.body.get("when_late", "reevaluate")
        passes = is_late and when_late == "send"
        if self.flow.filter and not passes and self._holds(self.flow.filter, enrollment, now=now) is not True:
            return self._skip("filter_false", step, now=now)
        if is_late and when_late == "skip":
            return self._skip("too_late", step, now=now)
        zone, storefront = self._zone_of_hours(enrollment, step.body), self._storefront(enrollment, step.body)
        wish = gates.Wish(step.body, storefront, zone, passes)
        answer = gates.ask(wish, self.seen, self.policy, now=now, patience=enrollment.patience)
        if isinstance(answer, gates.Skip):
            return self._skip(answer.reason, step, now=now)
        if isinstance(answer, gates.Hold):
            enrollment.waiting, enrollment.wake_at, enrollment.zone = answer.reason, answer.until, zone
            enrollment.patience = enrollment.patience if answer.patience is None else answer.patience
            enrollment.gate_passed = False
            return True
        self._order(enrollment, step.label, wish, now=now)
        return False

    def _skip(self, reason: str, step: Step, *, now: int) -> bool:
        self.skipped[reason] += 1
        self._say("skipped", reason, step.label or "", now=now)
        return False

    def _order(self, enrollment: Enrollment, label: str, wish: gates.Wish, *, now: int) -> None:
        if enrollment.again:
            enrollment.visit = self._next_visit(enrollment)
        command_id = hashed(enrollment.enrollment_id, label, str(enrollment.visit))
        who = enrollment.trigger.profile_id
        if enrollment.counts_from is None:
            enrollment.counts_from = enrollment.anchor
        self._say("sent", "", label, now=now)
        if self.shadow:
            return  # it is only shown
        command = Command(command_id, enrollment.enrollment_id, who, self.flow.name, label, enrollment.visit, now)
        self.commands.append(command)
        last = gates.not_after(wish, self.policy, now=now)
        self.profile.messages.append(Message(command, enrollment, not_after=last, wish=wish))

    def _next_visit(self, enrollment: Enrollment) -> int:
        """Of a message that is ordered anew: none that this enrollment has had, and its run goes on behind it."""
        of = enrollment.enrollment_id
        runs = [one for one in self.live() if one.enrollment_id == of]
        had = [one.command.visit for one in self.profile.messages if one.command.enrollment_id == of]
        visit = 1 + max(had + [one.visit for one in runs])
        for one in runs:
            one.visit = visit + 1
        return visit

    def expired(self, message: Message, *, now: int) -> None:
        """Semantics 9.6: it is judged again by all gates, whatever has become of its run, unless it was recalled."""
        if message.taken_back and not message.regretted:
            return
        again = copy.copy(message.run)
        again.number = self.profile.messages.index(message)
        again.again, again.ended_at, again.wake_at, again.waiting = True, None, now, "expired"
        again.held_through, again.stuck, again.unsettled, again.patience = None, False, False, None
        again.held_ms = 0
        again.gate_passed = False
        self.again.append(again)

    def was_wrong(self, message: Message, event: Event) -> str | None:
        """Semantics 7.4: an exit rule that counts this event, whatever others it counts."""
        return next((one.reason for one in self.flow.exits if self._counts(one, message.run, event)), None)

    def shut(self, message: Message, *, now: int, by_events: bool = True, said_by: int = WHENEVER) -> str | None:
        """Semantics 7.3: why a message that was ordered should not go now. One that was late did not ask the filter."""
        reason = self.exit_that_holds(message.run, now=now, by_events=by_events)
        asks = self.flow.filter and not message.wish.is_late
        if reason is None and asks and self._holds(self.flow.filter, message.run, now=now) is not True:
            return "filter_false"
        return reason or gates.no_say(message.wish, self.profile, self.policy, said_by=said_by)

    def shut_then(self, message: Message) -> str | None:
        """Semantics 7.4: the same as of its decision, by anything but an event that an exit rule counts, and but for a
        no that was said later.
        """
        return self.shut(message, now=message.decided_at, by_events=False, said_by=message.decided_at)

    def skip_again(self, event: Event | None, *, now: int) -> None:
        """Semantics 9.6: what waits to be ordered anew is given up by what shuts it."""
        for one in [one for one in self.again if one.ended_at is None]:
            step = self.flow.steps[one.step]
            held = [
                rule.reason for rule in self.flow.exits
                if (
                    self._holds(rule.person, one, now=now) if rule.person is not None
                    else event is not None and self._counts(rule, one, event)
                )
            ]  # fmt: skip
            if not held and self.flow.filter and self._holds(self.flow.filter, one, now=now) is not True:
                held = ["filter_false"]
            zone, storefront = self._zone_of_hours(one, step.body), self._storefront(one, step.body)
            wish = gates.Wish(step.body, storefront, zone, is_late=False)
            reason = held[0] if held else gates.no_say(wish, self.profile, self.policy)
            if reason is not None:
                self._end(one, reason, now=now)

    def take_back(self, message: Message, reason: str, *, regret: bool, now: int) -> None:
        """It is recalled, or it is regretted."""
        message.taken_back, message.regretted, message.judged = True, regret, (reason, now)
        self._say("regretted" if regret else "recalled", reason, message.command.step, now=now)

    # -- what a flow does beside messages

    def _does(self, enrollment: Enrollment, step: Step, *, moment: int, now: int) -> bool:
        """Whether it is still there after its deed, which it does if there is still a point to it: semantics 4."""
        if step.kind not in DEEDS:
            return True
        if self._end_if_an_exit_holds(enrollment, now=now):
            return False
        if self.flow.filter and self._holds(self.flow.filter, enrollment, now=now) is not True:
            self._skip("filter_false", step, now=now)
        else:
            self._do(enrollment, step, moment=moment, now=now)
        return True

    def _do(self, enrollment: Enrollment, step: Step, *, moment: int, now: int) -> None:
        if step.kind == "set":
            found = {name: self._value(enrollment, said) for name, said in step.body.items()}
            for name, value in found.items():
                if value is not None:
                    self.profile.stated.append(Stated(now, name, value, self.flow.name if self.shadow else None))
            self._say("stated", "", now=now)
            return
        if enrollment.depth + 1 > DEPTH_MAX:
            self._say("refused", "enter_flow_depth", step.label or "", now=now)
        elif step.kind == "emit":
            said = {name: self._value(enrollment, one) for name, one in step.body.get("properties", {}).items()}
            words = tuple(sorted((name, value) for name, value in said.items() if value is not None))
            own = hashed(enrollment.enrollment_id, step.label or "", str(enrollment.visit))
            if not self.shadow:
                self.reports.append(Report(self.profile.id, step.body["event"], words, now, own, enrollment.depth + 1))
            self._say("emitted", step.body["event"], now=now)
        else:
            own = hashed(enrollment.enrollment_id, step.label or "", str(enrollment.visit))
            begins = enrollment.trigger._replace(
                name=step.body["flow"], occurred_at=moment, appended_at=now, position=self.profile.position,
                dedupe=f"cartwheel/{self.flow.name}/{enrollment.depth + 1}\x1f{own}", backfill=False,
            )  # fmt: skip
            self.offers.append((step.label or "", begins, enrollment.depth + 1))


def recent(profile: Profile, now: int) -> list[Message]:
    """The messages that may be recalled or regretted."""
    return [one for one in profile.messages if not one.taken_back and now - one.decided_at <= REGRET_MS]


def reconsider(
    those: Iterable[tuple[Sending, Message]], event: Event | None, before: dict[int, str | None], *, now: int
) -> None:
    """Semantics 7.3 and 7.4, of these messages, each with the flow that has ordered it."""
    for run, message in those:
        is_open = message.outcome is None and now <= message.not_after
        if is_open and (reason := run.shut(message, now=now)) is not None:
            run.take_back(message, reason, regret=False, now=now)
        if is_open or message.outcome in NOT_GONE or event is None or event.occurred_at > message.decided_at:
            continue
        why = run.was_wrong(message, event)
        if why is None and before.get(id(message)) is None:
            why = run.shut_then(message)
        if why is not None:
            run.take_back(message, why, regret=True, now=now)
