"""Matching: is this the event that a flow means, and does it count for an enrollment?

For example, for an enrollment that a checkout of 10:00 began, with a skew of five minutes:

    order of 10:20                              -> counts
    order of 09:58, appended after the checkout -> counts: within `skew`
    order of 09:58, appended before it          -> does not
    order of last week, `match` checkout_id     -> counts, if its checkout_id is that of the trigger
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.conditions import EventMatch
from schemas.profile import Enrollment, Seen
from streams.conditions import judge_words


def comes_from(source: str, wanted: tuple[str, ...]) -> bool:
    """Whether a source is one of the wanted, or stands below one: `magento1` covers `magento1/default`."""
    return not wanted or any(source == name or source.startswith((name + "/", name + ".")) for name in wanted)


def fits(wanted: EventMatch, source: str, words: Mapping[str, Any]) -> bool:
    """Whether an event of the wanted type has the source and the words. A `where` that is unknown does not fit."""
    if not comes_from(source, wanted.sources):
        return False
    return wanted.where is None or judge_words(wanted.where, words) is True


def counts_for(enrollment: Enrollment, seen: Seen, *, match: tuple[tuple[str, str], ...], skew_ms: int) -> bool:
    """Whether an event happened since the enrollment began, or with `match` is correlated with its trigger.

    The trigger itself never counts. One that no record brings, by the clock or from another flow, bears the offset of
    the record before, which is somebody's, and may be an order of this person.
    """
    if seen.offset == enrollment.trigger_offset and seen.occurred_at == enrollment.anchor_at:
        return False
    if match:
        trigger = enrollment.words()
        return all(ours in seen.words and seen.words[ours] == trigger.get(theirs) for ours, theirs in match)
    if seen.occurred_at > enrollment.anchor_at:
        return True
    within_skew = seen.occurred_at > enrollment.anchor_at - skew_ms
    return within_skew and seen.offset > enrollment.trigger_offset
