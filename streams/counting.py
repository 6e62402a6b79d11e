"""Counting: one event into the counters that conditions ask for (`streams.counters`).

Only what a flow that runs asks for is counted, from when it first does; backfill counts, duplicates do not. In whatever
order events arrive, the counters come out the same.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from schemas.dossier import Count
from schemas.limits import COUNTED_DAYS_MAX, COUNTED_EXACTLY_MAX, COUNTERS_MAX
from schemas.profile import Profile, Seen
from streams import history, weight
from streams.counters import DAY_MS, Counter
from streams.matching import fits
from streams.recorder import Recorder


def count(profile: Profile, counters: Iterable[Counter], seen: Seen, known: Container[str], out: Recorder) -> None:
    """Count one new event. `known` are the names of all counters that are still asked for."""
    for counter in counters:
        if fits(counter.of, seen.source, seen.words):
            counts = profile.known().counts
            size = 0
            if (kept := counts.get(counter.name)) is None:
                _make_room(counts, known, out)
                kept, size = counts.setdefault(counter.name, Count()), weight.COUNT_BYTES
            size += _add(kept, seen.occurred_at, out) if counter.counts else _renew(kept, seen, counter.words, out)
            weight.add(profile, size, out)


def _make_room(counts: dict[str, Count], known: Container[str], out: Recorder) -> None:
    for name in [name for name in counts if name not in known]:
        del counts[name]  # Nobody asks for it any more.
    if len(counts) >= COUNTERS_MAX:
        out.tallies[("evicted", "counters")] += 1
        del counts[min(counts, key=lambda name: (_newest_at(counts[name]), name))]


def _newest_at(kept: Count) -> int:
    return kept.recent[-1] if kept.recent else kept.newest[0] if kept.newest else 0


def _add(kept: Count, occurred_at: int, out: Recorder) -> int:
    kept.total += 1
    kept.recent.append(occurred_at)
    kept.recent.sort()
    if len(kept.recent) > COUNTED_EXACTLY_MAX:
        days = dict(kept.days)
        day = kept.recent.pop(0) // DAY_MS
        days[day] = days.get(day, 0) + 1
        kept.days = sorted(days.items())
        if len(kept.days) > COUNTED_DAYS_MAX:
            out.tallies[("evicted", "count_days")] += 1
            del kept.days[0]
    return weight.INSTANT_BYTES


def _renew(kept: Count, seen: Seen, asked: frozenset[str], out: Recorder) -> int:
    if kept.newest is not None and (seen.occurred_at, seen.offset) <= (kept.newest[0], kept.newest[1]):
        return 0
    words = {name: seen.words[name] for name in sorted(asked) if name in seen.words}
    size = history.shorten(words, out)
    kept.newest = [seen.occurred_at, seen.offset, words]
    return size
