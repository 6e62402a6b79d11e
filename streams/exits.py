"""Exit rules: has something happened that makes the reminder pointless?

For example:

    10:00  checkout C1 (anchor)     10:20  order for C1        -> ended `bought_this_cart` at 10:20
    10:00  checkout C1              10:02  order of 09:58      -> counts: within `skew` and appended after the trigger
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.conditions import EventMatch
from schemas.flow import ExitRule, Flow
from schemas.profile import Enrollment, Seen
from streams.predicates import judge_words


def comes_from(source: str, wanted: tuple[str, ...]) -> bool:
    """Whether a source is one of the wanted, or stands below one: `magento1` covers `magento1/default`."""
    return not wanted or any(source == name or source.startswith((name + "/", name + ".")) for name in wanted)


def first_held(flow: Flow, enrollment: Enrollment, history: Iterable[Seen]) -> tuple[ExitRule, Seen] | None:
    """The first rule of the flow that some event of the history makes true, and that event."""
    events = list(history)
    for rule in flow.exits:
        for seen in events:
            if holds(rule, seen, flow=flow, enrollment=enrollment):
                return rule, seen
    return None


def held_by(flow: Flow, enrollment: Enrollment, seen: Seen) -> int:
    """Which rules this event makes true, as bits: bit i is rule i."""
    return sum(holds(rule, seen, flow=flow, enrollment=enrollment) << i for i, rule in enumerate(flow.exits))


def first_of(flow: Flow, bits: int) -> ExitRule | None:
    """The first rule whose bit is set."""
    return next((rule for i, rule in enumerate(flow.exits) if bits >> i & 1), None)


def holds(rule: ExitRule, seen: Seen, *, flow: Flow, enrollment: Enrollment) -> bool:
    """Whether one event makes one rule true for one enrollment. A `where` that is unknown does not."""
    if rule.when is None or seen.type != rule.when.event or not _fits(rule.when, seen):
        return False
    if rule.match:
        return _matches(rule.match, event=seen.words, trigger=enrollment.context)
    if seen.occurred_at > enrollment.anchor_at:
        return True
    within_skew = seen.occurred_at > enrollment.anchor_at - flow.skew_ms
    return within_skew and seen.offset > enrollment.trigger_offset


def _fits(wanted: EventMatch, seen: Seen) -> bool:
    if not comes_from(seen.source, wanted.sources):
        return False
    return wanted.where is None or judge_words(wanted.where, seen.words) is True


def _matches(pairs: tuple[tuple[str, str], ...], *, event: Mapping[str, Any], trigger: Mapping[str, Any]) -> bool:
    return all(ours in event and event[ours] == trigger.get(theirs) for ours, theirs in pairs)
