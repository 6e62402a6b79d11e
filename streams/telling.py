"""Telling: a decision as a plain sentence, for people who ask why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.decision import Decision

#: By outcome and reason. What is not here, such as reasons that flow files name, is told by `_OTHERWISE`.
_SENTENCES = {
    ("entered", "triggered"): "entered the flow",
    ("refused", "anonymous"): "did not enter: only a browser is known, and nobody to write to",
    ("refused", "key_missing"): "did not enter: the event lacks the word that is the key of the flow",
    ("refused", "key_too_long"): "did not enter: the key of the flow is too long in this event",
    ("refused", "reentry_never"): "did not enter: has been in this flow, which is entered once",
    ("refused", "reentry_min_gap"): "did not enter: was in this flow too short a time ago",
    ("refused", "reentry_max"): "did not enter: was in this flow as often as is allowed",
    ("refused", "trigger_too_old"): "did not enter: the event came too long after it had happened",
    ("refused", "too_many_enrollments"): "did not enter: is in as many flows as anybody may be",
    ("refused", "state_full"): "did not enter: as much is known of this person as can be kept",
    ("sent", "due"): "a message was ordered",
    ("sent", "degraded"): "a message was ordered, although a source had not reported in time",
    ("skipped", "settle_timeout"): "a message was not sent: a source had not reported in time",
    ("skipped", "too_late"): "a message was not sent: it was too late for it",
    ("skipped", "no_address"): "a message was not sent: there is no address for its channel",
    ("skipped", "filter_false"): "a step was left out: by now the flow is not for this person",
    ("held", "settle"): "a message was held until its sources have reported",
    ("held", "poison"): "a message was held: a record of this person cannot be read, and an operator must deal with it",
    ("refused", "no_such_flow"): "was offered to a flow that nobody runs",
    ("refused", "where_false"): "was offered to a flow whose `where` does not hold",
    ("refused", "enter_flow_depth"): "was not handed on: too many flows in a row have, without a wait between",
    ("stated", "set"): "facts of this person were set",
    ("ended", "superseded"): "left the flow: another trigger began it anew",
    ("ended", "holdout"): "left the flow: is held out of the experiment",
    ("ended", "date_missing"): "left the flow: the date to wait for is not known",
    ("ended", "date_past"): "left the flow: the date to wait for is over",
    ("ended", "done"): "went through the flow to its end",
    ("ended", "step_removed"): "left the flow: the step it stood at is no longer there",
}
_OTHERWISE = {
    "entered": "entered the flow ({})",
    "refused": "did not enter: {}",
    "restarted": "began anew after another trigger ({})",
    "moved": "was moved to another version of the flow ({})",
    "sent": "a message was ordered ({})",
    "skipped": "a message was not sent: {}",
    "held": "a message was held: {}",
    "exposed": "came to the arm {} of a split",
    "stated": "facts of this person were set ({})",
    "emitted": "the event {} was reported",
    "ended": "left the flow: {}",
    "recalled": "a message was taken back: {}",
    "credited": "an order was credited to its message ({})",
    "regretted": "a message that had gone should not have been sent: {}",
}


def tell(decision: Decision) -> str:
    """What was decided, at which step, and the values that were compared."""
    fallback = _OTHERWISE.get(decision.outcome, f"{decision.outcome}: {{}}").format(decision.reason)
    sentence = _SENTENCES.get((decision.outcome, decision.reason), fallback)
    step = f"{decision.step}: " if decision.step else ""
    values = shown(decision.values)
    return f"{step}{sentence}{f' ({values})' if values else ''}"


def tell_cause(decision: Decision) -> str:
    """The record that made it happen."""
    cause = decision.cause
    what = f"event {cause.event_id}" if cause.event_id is not None else "its moment, which came"
    return f"{what} with record {cause.offset} of {cause.topic}/{cause.partition}"


def shown(values: Mapping[str, Any]) -> str:
    """`name value, name value`; instants without what everybody knows of them."""
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items())


def moment(wire: str) -> str:
    """`2026-01-01 10:40:00 UTC` of an instant as it is written."""
    return wire.removesuffix("Z").removesuffix(".000").replace("T", " ") + " UTC"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + shown(value) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return "nothing" if value is None else str(value)
