"""`send`: all gates in the law's order (`streams.gates`), then one command. The first refusal names the reason.

For example:

    exit_check at_send, an order since the anchor  -> ended by its reason
    an exit rule on the person is true by now      -> ended by its reason
    the settle gate timed out with `skip`          -> skipped `settle_timeout`, the flow goes on
    21:30 there, window 08:00-21:00                -> held `window` until 08:00, then judged by all gates again
    a record of this profile could not be taken    -> held `poison`, until an operator has dealt with it
    channel email, no e-mail address known         -> skipped `no_address`
"""

from __future__ import annotations

from typing import Any

from schemas.channels import is_addressed
from schemas.command import ConsentProof
from schemas.dossier import Message
from schemas.instants import to_wire
from schemas.steps import Send
from streams import filters, ids
from streams.consent import standing
from streams.gates import GATES, PASSED_BY_TRANSACTIONAL
from streams.gates.answer import Over, Wait
from streams.gates.hours import closes_at
from streams.gates.lateness import goes_anyway
from streams.passage import End, Go, Hold, Move, Passage
from streams.predicates import plugin
from streams.values import value_of
from streams.verdict import Note, Order


def run(step: Send, passage: Passage) -> Move:
    """Judges the enrollment once more and orders the message."""
    passed: list[str] = []
    for name, judge in GATES.items():
        answer = judge(step, passage)
        if answer is None:
            continue
        if step.message_class == "transactional" and name in PASSED_BY_TRANSACTIONAL:
            passed.append(answer.reason)
        elif isinstance(answer, Over):
            return End(answer.reason, answer.values)
        elif isinstance(answer, Wait):
            return _hold(step, passage, answer)
        else:
            passage.notes.append(Note(outcome="skipped", reason=answer.reason, step=step.label, values=answer.values))
            return _go_on(step, passage)
    _order(step, passage, {"passed": passed} if step.message_class == "transactional" else {})
    return _go_on(step, passage)


def _hold(step: Send, passage: Passage, wait: Wait) -> Move:
    """Noted once, unless it goes on for another reason or until another time."""
    enrollment = passage.enrollment
    moved = wait.moves and enrollment.due_at != wait.until_at
    if not enrollment.held or moved or enrollment.waiting != wait.reason:
        passage.notes.append(Note(outcome="held", reason=wait.reason, step=step.label, values=wait.values))
    enrollment.waiting, (enrollment.zone, enrollment.zone_from) = wait.reason, wait.zone
    enrollment.room_until = wait.room_until or enrollment.room_until
    if wait.moves:
        enrollment.due_at = wait.until_at
    return Hold(wait.until_at)


def _go_on(step: Send, passage: Passage) -> Go:
    """Who was held here is done with the step at the moment of release, not when it was reached."""
    enrollment = passage.enrollment
    if step.own_gate:
        enrollment.unsettled = enrollment.gate = ""
    if enrollment.waiting:
        enrollment.waiting, enrollment.zone, enrollment.zone_from = "", "", ""
        enrollment.room_until = enrollment.held_ms = 0
    return Go(step.next, completed_at=min(enrollment.wakeup_at, passage.now) if enrollment.held else None)


def _order(step: Send, passage: Passage, values: dict[str, Any]) -> None:
    degraded = passage.enrollment.unsettled == "send"
    if passage.flow.filter is not None and not goes_anyway(step, passage):
        values = {**filters.found(passage.flow.filter, passage.view), **values}
    closing_at = closes_at(step, passage)
    if closing_at is not None:
        zone = passage.zone(step)
        values = {**values, "zone": zone.name, "zone_from": zone.source}
    message = _message(step, passage, closing_at)
    variables, failed = _variables(step, passage)
    if failed:
        values = {**values, **failed}
    order = Order(
        send=step, message=message, degraded=degraded, variables=variables,
        consent=_proof(step, message, passage), storefront=passage.policy.storefronts.get(message.storefront),
        group=ids.decision_group(
            enrollment_id=message.enrollment_id, visit=message.visit, base_at=passage.enrollment.base_at
        ),
    )  # fmt: skip
    reason = "degraded" if degraded else "due"
    passage.enrollment.sent += 1
    passage.notes.append(
        Note(outcome="sent", reason=reason, step=step.label, values=values, order=order, visit=message.visit)
    )


def _message(step: Send, passage: Passage, closing_at: int | None) -> Message:
    run, now = passage.enrollment, passage.now
    valid_until = now + step.valid_ms if closing_at is None else min(now + step.valid_ms, closing_at)
    message = Message(
        command_id=ids.command_id(enrollment_id=run.enrollment_id, step=step.label, visit=run.visit),
        enrollment_id=run.enrollment_id, flow=passage.flow.name, version=run.version, step=step.label,
        channel=step.channel, message_class=step.message_class, group=step.cap.group if step.cap else "",
        storefront=passage.storefront(step), decided_at=now, not_after=valid_until, anchor_at=run.anchor_at,
        trigger_offset=run.trigger_offset, context=run.context, visit=run.visit,
    )  # fmt: skip
    # More than fifteen arguments at once would take several times as long.
    message.key, message.arms, message.gate = run.key, run.arms, run.gate
    message.unfiltered = goes_anyway(step, passage)
    return message


def _variables(step: Send, passage: Passage) -> tuple[dict[str, Any], dict[str, str]]:
    """The words of the trigger, and what the step names; of that, what is not there is left out, as in `trigger`. And
    which plug-ins have not answered.
    """
    words = passage.words
    found, failed = {"trigger": words}, dict[str, str]()
    for name, one in step.variables.items():
        if one.origin == "plugin":
            answer = plugin.answered(one.of, passage.view)
            value = answer.value
            if answer.failed:
                failed[plugin.name_of(one.of)] = plugin.shown(answer)
        else:
            value = value_of(one, words=words, profile=passage.profile)
        if value is not None:
            found[name] = value
    return found, failed


def _proof(step: Send, message: Message, passage: Passage) -> ConsentProof | None:
    if step.message_class == "transactional" or not is_addressed(step.channel):
        return None
    act = standing(passage.profile, channel=step.channel, storefront=message.storefront)
    return None if act is None else ConsentProof(event_id=act.event_id, source=act.source, at=to_wire(act.occurred_at))
