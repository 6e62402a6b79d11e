"""How a flow and a profile stand to each other: who is enrolled, what is known of them, and which exits hold."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.oracle.conditions import Began, Person, judge, judge_person
from tests.oracle.flowfile import Exit, Flow
from tests.oracle.people import Command, Decision, Enrollment, Marks, Profile, Report
from tests.oracle.policy import NO_POLICY, Policy
from tests.oracle.records import Event
from tests.oracle.words import Words


class Standing:
    """One flow for one profile."""

    def __init__(self, flow: Flow, profile: Profile, marks: Marks, policy: Policy = NO_POLICY) -> None:
        self.flow = flow
        self.profile = profile
        self.marks = marks
        self.policy = policy
        self.beside: dict[str, Standing] = {}  # all flows of this profile, by name
        self.enrollments: list[Enrollment] = []
        self.again: list[Enrollment] = []  # messages that have expired, each as a run of its own that is only that
        self.commands: list[Command] = []
        self.decisions: list[Decision] = []
        self.reports: list[Report] = []
        self.offers: list[tuple[str, Event, int]] = []
        self.ended: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def live(self) -> list[Enrollment]:
        """Enrollments that have not ended, oldest first."""
        return [enrollment for enrollment in self.enrollments if enrollment.ended_at is None]

    def pending(self) -> list[Enrollment]:
        """Whoever has a moment to come."""
        return self.live() + [one for one in self.again if one.ended_at is None]

    def _say(self, outcome: str, reason: str, step: str = "", *, now: int) -> None:
        self.decisions.append(Decision(self.profile.id, self.flow.name, outcome, reason, step, now))

    # -- the person

    @property
    def shadow(self) -> bool:
        """Does the flow only show what it would do?"""
        return self.flow.status == "shadow"

    @property
    def seen(self) -> Profile:
        """The person as this flow sees them."""
        return self.profile.seen_by(self.flow.name if self.shadow else None)

    def _storefront(self, enrollment: Enrollment, body: Any = None) -> str | None:
        said = (body or {}).get("storefront", self.flow.storefront)
        value = None if said is None else self._value(enrollment, said)
        return value if isinstance(value, str) else None

    def _value(self, enrollment: Enrollment, said: Any) -> Any:
        """Of `trigger.word`, `fact.name`, or what stands there."""
        if isinstance(said, str) and said.startswith("trigger."):
            return enrollment.trigger.words.get(said.removeprefix("trigger."))
        if isinstance(said, str) and said.startswith("fact."):
            return self.seen.fact(said.removeprefix("fact."))
        return said

    def _zone(self, enrollment: Enrollment) -> str:
        """Semantics 5.5: by whose clock the flow goes."""
        return self.seen.zone(self.flow, self._storefront(enrollment), self.policy.zones)

    def _zone_of_hours(self, enrollment: Enrollment, body: Any) -> str:
        """Semantics 8.7: a message keeps the hours of where its recipient is, whomever the flow asks."""
        return self.seen.zone(self.flow, self._storefront(enrollment, body), self.policy.zones, of_hours=True)

    def _holds(self, condition: Words, enrollment: Enrollment, *, now: int) -> bool | None:
        began = Began(
            enrollment.anchor, enrollment.anchored_by.position, enrollment.trigger.words, self.flow.skew_ms,
            enrollment.trigger.position,
        )  # fmt: skip
        return self._about(condition, began, zone=self._zone(enrollment), now=now)

    def _about(self, condition: Words, began: Began, *, zone: str, now: int) -> bool | None:
        runs = [run for run in self.beside.values() if self.shadow or not run.shadow]
        live = frozenset(run.flow.name for run in runs if run.live())
        ever = frozenset(run.flow.name for run in runs for one in run.enrollments if one.counts_from is not None)
        person = Person(
            self.profile.past(), now, began,
            flows=live, flows_ever=live | ever,
            stated=tuple(self.seen.stated), zone=zone, kinds=self.policy.facts,
        )  # fmt: skip
        return judge_person(condition, person)

    # -- exits

    def _end_if_an_exit_holds(self, enrollment: Enrollment, *, now: int) -> bool:
        reason = self.exit_that_holds(enrollment, now=now)
        if reason is not None:
            self._end(enrollment, reason, now=now)
        return reason is not None

    def exit_that_holds(self, enrollment: Enrollment, *, now: int, by_events: bool = True) -> str | None:
        """The reason of the first, be it a rule on the person or on events."""
        for rule in self.flow.exits:
            if rule.person is not None:
                holds = self._holds(rule.person, enrollment, now=now) is True
            else:
                holds = by_events and any(self._counts(rule, enrollment, event) for event in self.profile.history)
            if holds:
                return rule.reason
        return None

    def _counts(self, rule: Exit, enrollment: Enrollment, event: Event) -> bool:
        """Does this event count for this exit since the enrollment began?"""
        if event.position in (enrollment.anchored_by.position, enrollment.trigger.position):
            return False
        if not fits(event, rule.event, rule.sources, rule.where):
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
        if enrollment.again:
            step = self.flow.steps[enrollment.step].label or ""
            self.skipped[reason] += 1
            self._say("skipped", reason, step, now=now)
            return
        self.ended[reason] += 1
        self._say("ended", reason, now=now)


def fits(event: Event, name: str, sources: list[str], where: Words) -> bool:
    """Is this the event meant? A source's name also covers what stands below it."""
    covered = not sources or any(
        event.source == source or event.source.startswith((source + "/", source + ".")) for source in sources
    )
    return event.name == name and covered and judge(where, event.words) is True
