"""Weight: what a profile takes as a whole, and what is forgotten to keep it within its bound.

A record adds an estimate, on the safe side; only a profile that may be large by it is weighed. Never when state is
written: when that is depends on the machine, and what is forgotten must not. Dedupe keys of what people do on site go
first, the oldest first: a bot makes most of those.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas import codec
from schemas.dossier import Stated
from schemas.limits import PROFILE_BYTES_MAX
from schemas.profile import SHOWN, Enrollment, Profile, Seen
from streams import dedupe
from streams.recorder import Recorder

RESERVE_BYTES = 2_048  # for what waking, holding and an identifier add to a profile before it is weighed again
ROOM = PROFILE_BYTES_MAX - RESERVE_BYTES
WEIGHED_FROM = PROFILE_BYTES_MAX // 4  # a lighter estimate cannot hide a profile that is too large

ENROLLMENT_BYTES = 512  # of an enrollment besides its words and key, and of its past
SEEN_BYTES = 192
REFUSAL_BYTES = 192
MESSAGE_BYTES = 512  # of a message that was ordered, besides the words of its trigger
COUNT_BYTES = 64  # of a counter besides what it counts
INSTANT_BYTES = 16  # of one event that is counted
FACT_BYTES = 32  # of a fact besides its name, its value and the event that states it


def of_enrollment(enrollment: Enrollment, words_bytes: int) -> int:
    """At most what an enrollment with so many bytes of words adds, with what re-entry remembers of it."""
    return words_bytes + 2 * len(enrollment.key.encode()) + ENROLLMENT_BYTES


def add(profile: Profile, size: int, out: Recorder) -> None:
    """The profile has grown by at most so many bytes. What is too much is forgotten."""
    profile.weight += size
    if profile.weight > WEIGHED_FROM or profile.weight + len(profile.dedupe) > ROOM:
        _weigh(profile, out)


def _weigh(profile: Profile, out: Recorder) -> None:
    """Forget facts that were only shown, keys of events on site, past events, other keys, messages, past runs,
    counters, until all fits.
    """
    excess = _excess(profile)
    if excess <= 0:
        return
    shown = profile.dossier.shown if profile.dossier else {}
    while shown and excess > 0:
        out.tallies[("evicted", "facts")] += 1
        del shown[shown_longest_ago(shown)]
        excess = _excess(profile)
    profile.dedupe = _shrunk(profile, excess, out, lasting=False)
    while profile.history and _excess(profile) > 0:
        out.tallies[("evicted", "history")] += 1
        profile.history.remove(oldest(profile.history))
    profile.dedupe = _shrunk(profile, _excess(profile), out, lasting=True)
    while profile.dossier is not None and profile.dossier.messages and _excess(profile) > 0:
        out.tallies[("evicted", "messages")] += 1
        del profile.dossier.messages[0]
    while profile.past and _excess(profile) > 0:
        out.tallies[("evicted", "past")] += 1
        del profile.past[longest_ago(profile)]
    counts = profile.dossier.counts if profile.dossier else {}
    while counts and _excess(profile) > 0:
        out.tallies[("evicted", "counters")] += 1
        del counts[min(counts, key=lambda name: (counts[name].total, name))]


def oldest(history: list[Seen]) -> Seen:
    """The past event to forget first: orders are kept longest."""
    return min(history, key=lambda one: (one.type.startswith("order"), one.occurred_at, one.offset))


def longest_ago(profile: Profile) -> str:
    """The name under which re-entry remembers what began longest ago; first of all what was only shown."""
    return min(profile.past, key=lambda name: (not name.startswith(SHOWN), profile.past[name].started_at, name))


def shown_longest_ago(shown: Mapping[str, Stated]) -> str:
    """What a flow in shadow has set longest ago."""
    return min(shown, key=lambda name: (shown[name].occurred_at, name))


def _excess(profile: Profile) -> int:
    profile.weight = len(codec.pack_profile(profile)) - len(profile.dedupe)
    return profile.weight + len(profile.dedupe) - ROOM


def _shrunk(profile: Profile, excess: int, out: Recorder, *, lasting: bool) -> bytes:
    seen, evicted = dedupe.shrink(profile.dedupe, excess=excess, lasting=lasting)
    if evicted:
        out.tallies[("evicted", "dedupe")] += evicted
    return seen
