"""Telling: a decision as a plain sentence, for people who ask why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from schemas.decision import Decision
from schemas.instants import from_wire
from schemas.span import written

#: By outcome and reason. What is not here, such as reasons that flow files name, is told by `_OTHERWISE`.
_SENTENCES = {
    ("entered", "triggered"): "entered the flow",
    ("entered", "backfilled"): "entered the flow, let in by an old event",
    ("refused", "anonymous"): "did not enter: only a browser is known, and nobody to write to",
    ("refused", "key_missing"): "did not enter: the event lacks the word that is the key of the flow",
    ("refused", "key_too_long"): "did not enter: the key of the flow is too long in this event",
    ("refused", "reentry_never"): "did not enter: has been in this flow, which is entered once",
    ("refused", "reentry_min_gap"): "did not enter: was in this flow too short a time ago",
    ("refused", "reentry_max"): "did not enter: was in this flow as often as is allowed",
    ("refused", "trigger_too_old"): "did not enter: the event came too long after it had happened",
    ("refused", "too_many_enrollments"): "did not enter: is in as many flows as anybody may be",
    ("refused", "state_full"): "did not enter: as much is known of this person as can be kept",
    ("refused", "draining"): "did not enter: the flow takes nobody in any more",
    ("skipped", "filter_false"): "a step was left out: by now the flow is not for this person",
    ("refused", "no_such_flow"): "was offered to a flow that nobody runs",
    ("refused", "where_false"): "was offered to a flow whose `where` does not hold",
    ("refused", "enter_flow_depth"): "was not handed on: too many flows in a row have, without a wait between",
    ("restarted", "restart"): "began anew: another trigger came",
    ("restarted", "replace_context"): "goes on with the words of another trigger, from which its wait counts",
    ("restarted", "extend"): "waits anew: another trigger came",
    ("moved", "migration"): "goes on in another version of the flow, as an operator said",
    ("sent", "due"): "a message was ordered",
    ("sent", "degraded"): "a message was ordered, although a source had not reported in time",
    ("stated", "set"): "facts of this person were set",
    ("ended", "superseded"): "left the flow: another trigger began it anew",
    ("ended", "holdout"): "left the flow: is held out of the experiment",
    ("ended", "date_missing"): "left the flow: the date to wait for is not known",
    ("ended", "date_past"): "left the flow: the date to wait for is over",
    ("ended", "done"): "went through the flow to its end",
    ("ended", "step_removed"): "left the flow: the step it stood at is no longer there",
    ("ended", "stopped"): "left the flow: an operator has stopped it",
    ("credited", "clicked"): "an order was credited to its message",
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
#: Reasons that stand in several sentences, as clauses. Behind a colon stands what they are about.
_CLAUSES = {
    "filter_false": "the filter of the flow does not hold",
    "settle": "until its sources have reported",
    "settle_timeout": "a source had not reported in time",
    "poison": "a record of this person cannot be read, and an operator must deal with it",
    "too_late": "it was too late for it",
    "no_consent": "there is no consent to {}",
    "suppressed": "nothing may go out to them by {}",
    "stale_fact": "{} was stated too long ago",
    "window": "until its window opens",
    "quiet_hours": "until quiet hours are over",
    "window_never_opens": "its window never opens",
    "quiet_hours_never_opens": "quiet hours never let it go",
    "cap": "until there is room under a cap",
    "capped": "they have had as many as the cap on {} allows",
    "cap_expired": "no room came in time under the cap on {}",
    "no_address": "there is no address for its channel",
    "stopped": "an operator has stopped the flow",
}
#: What values are called in a sentence; "": it is told elsewhere.
_NAMES = {
    "anchor_at": "counted from", "due_at": "due", "occurred_at": "happened", "appended_at": "reported",
    "opens_at": "opens", "room_at": "room again", "since": "since", "withdrawn_at": "withdrawn",
    "stated_at": "stated", "decided_at": "ordered", "entered_at": "entered before", "last_start_at": "began last",
    "last_end_at": "ended last", "first_at": "first", "triggered_at": "it happened", "clicked_at": "clicked",
    "max_trigger_age_seconds": "at most after", "max_lateness_seconds": "at most late by",
    "min_gap_seconds": "must be apart by", "per_seconds": "in", "within_seconds": "at most ago",
    "passed": "being transactional it passed", "from_version": "from version", "to_version": "to version",
    "from_step": "from step", "to_step": "to step", "command_id": "of command",
    "zone": "", "zone_from": "",
}  # fmt: skip
_ZONES = {
    "profile": "of their profile",
    "phone": "of their phone or country",
    "storefront": "of the storefront",
    "flow": "of the flow",
}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def tell(decision: Decision) -> str:
    """What was decided, at which step, the values that were compared, and by the clock of which zone."""
    step = f"{decision.step}: " if decision.step else ""
    of_split = decision.outcome == "exposed"
    values = shown({"weights": decision.values.get("weights")} if of_split else decision.values)
    return f"{step}{_sentence(decision)}{f' ({values})' if values else ''}{asides(decision)}"


#: What comes of a record that an operator ordered, and of no event.
_BY_ORDER = frozenset({("moved", "migration"), ("entered", "backfilled")})


def tell_cause(decision: Decision) -> str:
    """The record that made it happen."""
    cause = decision.cause
    what = "its moment, which came" if cause.event_id is None else f"event {cause.event_id}"
    if cause.event_id is None and (decision.outcome, decision.reason) in _BY_ORDER:
        what = "an order of `cartwheel flows`, which came"
    return f"{what} with record {cause.offset} of {cause.topic}/{cause.partition}"


def shown(values: Mapping[str, Any]) -> str:
    """`name value, name value`, with names for people; instants and spans as they are read."""
    told = []
    for name, value in values.items():
        if name == "complete_through" and isinstance(value, Mapping):
            told += [f"{source} {_through(reached)}" for source, reached in value.items()]
        elif isinstance(value, Mapping) and "way" in value:  # of a branch
            found = {one: of for one, of in value.items() if one != "way"}
            told.append(f"{name} went {value['way']}{f', as {shown(found)}' if found else ''}")
        elif called := _NAMES.get(name, name):
            spent = name.endswith("_seconds") and isinstance(value, int | float)
            told.append(f"{called} {written(int(value * 1000)) if spent else _value(value)}")
    return ", ".join(told)


def moment(wire: str) -> str:
    """`2026-01-01 10:40:00 UTC` of an instant as it is written."""
    return wire.removesuffix("Z").removesuffix(".000").replace("T", " ") + " UTC"


def arms_of(arms: Mapping[str, str]) -> str:
    """`arm b of ab`, of each split that somebody has come by."""
    return " and ".join(f"arm {arm} of {split}" for split, arm in arms.items())


def _sentence(decision: Decision) -> str:
    fixed = _SENTENCES.get((decision.outcome, decision.reason))
    if fixed is not None:
        return fixed
    known, _, about = decision.reason.partition(":")
    clause = _CLAUSES[known].format(about) if known in _CLAUSES else decision.reason
    if decision.outcome == "held" and clause.startswith("until "):
        return f"a message was held {clause}"
    return _OTHERWISE.get(decision.outcome, f"{decision.outcome}: {{}}").format(clause)


def asides(decision: Decision) -> str:
    """What stands behind a sentence: the zone of its times, what was ignored meanwhile, and that nothing was sent."""
    told, zone = "", decision.values.get("zone")
    if isinstance(zone, str) and decision.outcome != "ended":  # which no clock decides; a branch may be called `zone`
        told += f"; zone {zone} {_ZONES.get(str(decision.values.get('zone_from')), '')}".rstrip()
    if decision.ignored:
        told += f"; {decision.ignored} more trigger{'s' * (decision.ignored > 1)} meanwhile changed nothing"
    return f"{told}; the flow is in shadow, so nothing came of it" if decision.shadow else told


def _through(reached: Any) -> str:
    return "has not reported yet" if reached is None else f"has reported all through {_value(reached)}"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} {_value(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str) and _is_instant(value):
        return moment(value)
    return "nothing" if value is None else str(value)


def _is_instant(text: str) -> bool:
    """A word may only look like one, such as the 45th of a month."""
    try:
        return bool(_INSTANT.fullmatch(text)) and from_wire(text) is not None
    except ValueError:
        return False
