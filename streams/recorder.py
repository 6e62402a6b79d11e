"""The recorder: turns verdicts into what leaves the core: commands, decision records, dead letters, counts.

Python puts more than fifteen arguments by name into a dict first, which takes longer than all the rest of making a
struct. So what seldom differs is put into a decision afterwards, and a command is made from another of its step.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from msgspec.structs import replace

from schemas import codec
from schemas.channels import ADDRESS_OF_CHANNEL
from schemas.command import Clock, Command, Recall
from schemas.dead_letter import DeadLetter, letter
from schemas.decision import Cause, Decision
from schemas.dossier import Message
from schemas.flow import Flow
from schemas.identity import profile_key
from schemas.instants import to_wire
from schemas.limits import REFUSAL_REPEAT_MS
from schemas.profile import Enrollment, Profile, Refusal
from schemas.steps import Send
from streams import ids
from streams.unit import NO_TIME, Record
from streams.verdict import Note, Order

COUNTED_ONLY = {"ignored": "flow", "zone_invalid": "reason"}  # by what


class Recorder:
    """Collects the outputs of one unit of work. `at` and `cause` are set anew for every record."""

    def __init__(self, *, topic: str, partition: int, clock: Clock, version: str) -> None:
        self._topic, self._partition, self._clock, self._version = topic, partition, clock, version
        self.commands: list[tuple[bytes, bytes]] = []  # by profile key, encoded
        self.decisions: list[tuple[bytes, bytes]] = []
        self.events: list[tuple[bytes, bytes]] = []  # for intake
        self.dead_letters: list[tuple[bytes | None, DeadLetter]] = []
        self.tallies: Counter[tuple[str, ...]] = Counter()
        self.latenesses: defaultdict[str, list[int]] = defaultdict(list)
        self._forms: dict[tuple[str, str, str], Command] = {}  # by flow, version and step
        self.caused_by(-1)

    def caused_by(self, offset: int, event_id: str | None = None) -> None:
        """From now on, decisions are the doing of this record."""
        self.offset, self._event_id = offset, event_id
        self._cause: Cause | None = None  # once a decision is written
        self._commands_before, self._decisions_before = len(self.commands), len(self.decisions)
        self._events_before = len(self.events)

    def note(self, flow: Flow, profile: Profile, enrollment: Enrollment | None, note: Note, *, now: int) -> None:
        """Count one note, and write it down unless it is of a kind that is only counted or repeats itself.

        `enrollment` is the one the note is about, also when the note ends it.
        """
        if note.outcome == "reached":
            self.tallies[(note.outcome, flow.name, note.step, note.reason)] += 1
            return
        if note.outcome == "plugin_failed":
            self.tallies[(note.outcome, note.step, note.reason)] += 1
            return
        if note.outcome in COUNTED_ONLY:
            by = flow.name if COUNTED_ONLY[note.outcome] == "flow" else note.reason
            self.tallies[(note.outcome, by)] += 1
            return
        # A message that is taken back was ordered in earnest, whatever the flow is by now.
        shadow = flow.status == "shadow" and note.outcome not in ("recalled", "regretted")
        self.tallies[("decision", flow.name, note.outcome, note.reason)] += 1
        if shadow:
            self.tallies[("shadow", flow.name)] += 1
        if note.outcome == "refused" and not self._is_new_refusal(flow, profile, note, now):
            return
        self._write(flow, profile, enrollment, note, now, shadow=shadow)

    def refuse_record(
        self, record: Record, reason: str, detail: str, *, now: int, profile: bytes | None = None,
        first_at: int | None = None,
    ) -> None:  # fmt: skip
        """A record that the core could not take, and whose messages are held up by it, if anybody's are."""
        written = letter(
            reason=reason,
            detail=detail,
            stage="worker",
            topic=self._topic,
            partition=self._partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            refused_at=now,
            appended_at=None if record.appended_at == NO_TIME else record.appended_at,
            profile=None if profile is None else profile.decode(),
            version=self._version,
            attempt=record.attempt,
            first_at=first_at,
        )
        self.tallies[("event", reason)] += 1
        self.dead_letters.append((written.key, written))

    def take_back(self, key: bytes, offset: int) -> None:
        """Forget what this record has decided about a profile. Counts stay: they are not exact over failures."""
        if self.offset != offset:
            return  # it has decided nothing yet
        for some, before in (
            (self.commands, self._commands_before),
            (self.decisions, self._decisions_before),
            (self.events, self._events_before),
        ):
            some[before:] = [one for one in some[before:] if one[0] != key]

    def _is_new_refusal(self, flow: Flow, profile: Profile, note: Note, now: int) -> bool:
        last = profile.refusals.get(flow.name)
        if last is not None and last.reason == note.reason and now - last.written_at < REFUSAL_REPEAT_MS:
            last.repeats += 1
            return False
        profile.refusals[flow.name] = Refusal(reason=note.reason, written_at=now)
        return True

    def _write(
        self, flow: Flow, profile: Profile, enrollment: Enrollment | None, note: Note, now: int, *, shadow: bool
    ) -> None:
        """`shadow`: nothing comes of it, it is only shown."""
        subject = enrollment.enrollment_id if enrollment else f"{profile.tenant}/{profile.profile_id}"
        visit = note.visit or (enrollment.visit if enrollment else 0)
        key = profile_key(tenant=profile.tenant, profile_id=profile.profile_id)
        decision_id = ids.decision_id(
            subject=subject, flow=flow.name, step=f"{note.step}/{visit}{note.apart}", outcome=note.outcome,
            reason=note.reason, cause=f"{self._partition}/{self.offset}",
        )  # fmt: skip
        message = note.message
        if note.order is not None:
            message = None if shadow else note.order.message
            if enrollment is not None and not shadow:
                command = self._command(flow, profile, enrollment, note.order, decision_id, now)
                self.commands.append((key, codec.encode(command)))
                self.tallies[("command", flow.name, command.channel)] += 1
        if note.outcome == "recalled" and note.message is not None:
            self.commands.append(
                (key, codec.encode(self._recall(profile, note.message, note.reason, decision_id, now)))
            )
            self.tallies[("recall", flow.name, note.message.channel)] += 1
        cause = self._cause
        if cause is None:
            cause = self._cause = Cause(
                topic=self._topic, partition=self._partition, offset=self.offset, event_id=self._event_id
            )
        decision = Decision(
            decision_id=decision_id,
            tenant=profile.tenant,
            profile_id=profile.profile_id,
            flow=flow.name,
            flow_version=flow.version,
            enrollment_id=enrollment.enrollment_id if enrollment else None,
            step=note.step or None,
            outcome=note.outcome,  # type: ignore[arg-type]  # the counted-only kinds never come here
            reason=note.reason,
            values=_with_zone(note.values, enrollment),
            cause=cause,
            decided_at=to_wire(now),
            clock=self._clock,
            command_id=message.command_id if message else None,
            arms={} if enrollment is None else enrollment.arms,
        )
        ignored = enrollment.ignored if enrollment and note.outcome == "ended" else 0
        if ignored or shadow:
            decision = replace(decision, ignored=ignored, shadow=shadow)
        self.decisions.append((key, codec.encode(decision)))

    def _command(
        self, flow: Flow, profile: Profile, enrollment: Enrollment, order: Order, decision_id: str, now: int
    ) -> Command:
        message, storefront = order.message, order.storefront
        command = replace(
            self._form(flow, order.send),
            command_id=message.command_id,
            decision_id=decision_id,
            enrollment_id=enrollment.enrollment_id,
            tenant=profile.tenant,
            profile_id=profile.profile_id,
            visit=message.visit,
            addresses=_addresses(profile, message.channel),
            variables=order.variables,
            decided_at=to_wire(now),
            not_after=to_wire(message.not_after),
            degraded=order.degraded,
            arms=message.arms,
            decision_group=order.group,
            consent=order.consent,
        )
        if message.storefront or storefront:
            command = replace(
                command,
                storefront=message.storefront or None,
                sender=storefront.sender if storefront else None,
                locale=storefront.locale if storefront else None,
                storefront_name=storefront.name or None if storefront else None,
            )
        return command

    def _form(self, flow: Flow, send: Send) -> Command:
        """What all commands of a step have in common, the rest empty."""
        name = flow.name, flow.version, send.label
        form = self._forms.get(name)
        if form is None:
            form = self._forms[name] = Command(
                command_id="", decision_id="", enrollment_id="", tenant="", profile_id="", flow=flow.name,
                flow_version=flow.version, step=send.label, visit=1, channel=send.channel, addresses={},
                message_class=send.message_class, template=send.template, variables={}, decided_at="", not_after="",
                priority=send.priority, clock=self._clock,
            )  # fmt: skip
        return form

    def _recall(self, profile: Profile, message: Message, reason: str, decision_id: str, now: int) -> Recall:
        return Recall(
            recall_id=ids.recall_id(command_id=message.command_id),
            command_id=message.command_id,
            decision_id=decision_id,
            tenant=profile.tenant,
            profile_id=profile.profile_id,
            flow=message.flow,
            channel=message.channel,
            reason=reason,
            at=to_wire(now),
            clock=self._clock,
        )


def _with_zone(values: dict[str, Any], enrollment: Enrollment | None) -> dict[str, Any]:
    """With the zone in which its wait was computed, the current or the last one, if a zone mattered."""
    if enrollment is None or not enrollment.zone:
        return values
    return {"zone": enrollment.zone, "zone_from": enrollment.zone_from, **values}


def _addresses(profile: Profile, channel: str) -> dict[str, str]:
    kind = ADDRESS_OF_CHANNEL.get(channel)
    return {} if kind is None else {kind: profile.identifiers[kind].value}
