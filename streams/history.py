"""History: the past events of a person that a rule or a condition of a flow may still ask for, with the words it asks.

At most `HISTORY_MAX` of them, orders longest: what is older is as if it had never been.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from schemas.codec import packed_size
from schemas.limits import HISTORY_MAX, HISTORY_WORDS_BYTES_MAX
from schemas.profile import Profile, Seen
from streams import weight
from streams.recorder import Recorder


def shorten(words: dict[str, Any], out: Recorder) -> int:
    """Drop the largest words until the rest fits; returns its bytes."""
    while (size := packed_size(words)) > HISTORY_WORDS_BYTES_MAX:
        out.tallies[("evicted", "history_words")] += 1
        del words[max(words, key=lambda word: (packed_size({"": words[word]}), word))]
    return size


def keep(profile: Profile, seen: Seen, asked: frozenset[str], out: Recorder) -> None:
    """Remember an event with the words that are asked of the past, and forget the oldest if they are too many."""
    if seen.words and not seen.words.keys() <= asked:
        seen = replace(seen, words={name: value for name, value in seen.words.items() if name in asked})
    size = shorten(seen.words, out)
    profile.history.append(seen)
    if len(profile.history) > HISTORY_MAX:
        out.tallies[("evicted", "history")] += 1
        profile.history.remove(weight.oldest(profile.history))
    weight.add(profile, size + weight.SEEN_BYTES, out)
