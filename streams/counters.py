"""Counters: which conditions ask for which of them, and what they answer. `streams.counting` keeps them.

For example, after orders of 1 January, 1 March and 10:00 today:

    event_count: { event: order_placed, gte: 3 }                    -> 3, true
    event_count: { event: order_placed, in_last: 30d, gte: 3 }      -> 1, false
    an order of 1 February that arrives only now                    -> 4, and in the last 30 days still 1

A count ever is exact. A window is exact as far as the newest `COUNTED_EXACTLY_MAX` events reach; older ones are known
by UTC day, so that the day in which the window begins counts as a whole, and what is older than `COUNTED_DAYS_MAX` such
days is in no window. Since an enrollment began, and with `match`, the history is asked
(`streams.history`), and so no more is counted than that keeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

from schemas.codec import encode
from schemas.conditions import Condition, EventCount, EventMatch, LastEvent
from schemas.profile import Seen
from streams.conditions import words_used
from streams.matching import counts_for, fits
from streams.view import View

DAY_MS = 86_400_000


class Counter(NamedTuple):
    """What is kept of some events of one type."""

    name: str
    of: EventMatch
    words: frozenset[str]  # of the newest one
    counts: bool  # False: only the newest is kept


def looks_back(condition: EventCount) -> bool:
    """Whether the answer depends on an enrollment, so that the history is asked and no counter."""
    return condition.since_start or bool(condition.match)


def counter_of(condition: Condition) -> Counter | None:
    """The counter that a condition reads. Conditions that ask for the same share one."""
    if isinstance(condition, EventCount) and not looks_back(condition):
        return Counter(name_of(condition), condition.of, frozenset(), counts=True)
    if isinstance(condition, LastEvent):
        return Counter(name_of(condition), condition.of, words_used(condition.part), counts=False)
    return None


def name_of(condition: EventCount | LastEvent) -> str:
    """The canonical name of its counter: of what is counted, not of what is asked about the number."""
    of = condition.of
    asked = sorted(words_used(condition.part)) if isinstance(condition, LastEvent) else None
    said = encode((of.event, sorted(of.sources), of.where, sorted(of.words), asked))
    return blake2b(said, digest_size=8).hexdigest()


def occurrences(condition: EventCount, view: View) -> int:
    """How many there are, at the moment of the view."""
    since = view.now - condition.within_ms if condition.within_ms else None
    if looks_back(condition):
        return sum(since is None or seen.occurred_at >= since for seen in _looked_back(condition, view))
    dossier = view.profile.dossier if view.profile else None
    kept = dossier.counts.get(name_of(condition)) if dossier else None
    if kept is None:
        return 0
    if since is None:
        return kept.total
    exact = sum(occurred_at >= since for occurred_at in kept.recent)
    return exact + sum(number for day, number in kept.days if day >= since // DAY_MS)


def newest(condition: LastEvent, view: View) -> tuple[int, dict[str, Any]] | None:
    """When the newest one occurred, and its words; None without any."""
    dossier = view.profile.dossier if view.profile else None
    kept = dossier.counts.get(name_of(condition)) if dossier else None
    return None if kept is None or kept.newest is None else (kept.newest[0], kept.newest[2])


def _looked_back(condition: EventCount, view: View) -> Iterator[Seen]:
    assert view.profile is not None
    assert view.enrollment is not None
    assert view.flow is not None
    of, known = condition.of, view.profile.history
    for seen in known if view.passing is None else (*known, view.passing):
        if (
            seen.type == of.event
            and fits(of, seen.source, seen.words)
            and counts_for(view.enrollment, seen, match=condition.match, skew_ms=view.flow.skew_ms)
        ):
            yield seen
