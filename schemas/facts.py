"""Facts: what can be known of a person under a name, of which kind, and which of two statements stays.

A fact is stated by `profile_updated` and `profile_identified`, by the context of any event, or by a step `set`. Facts
that a policy file declares come on top; a fact that nobody declares is kept, but no flow can ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from schemas.catalog import Kind, words_of

#: latest: by occurred_at, then by event id; first: the earliest; set: all texts that were ever said, in order.
Merge = Literal["latest", "first", "set"]


class FactKind(NamedTuple):
    """How a fact is declared."""

    kind: Kind
    merge: Merge = "latest"


#: Events whose `properties` state facts.
STATING = frozenset({"profile_identified", "profile_updated"})

#: Read off the context of every event, once a flow asks for them: fact -> member of the context.
FROM_CONTEXT = {
    "timezone": "timezone",
    "locale": "locale",
    "country": "country",
    "original_channel_id": "channel_id",
    "channels": "channel_id",
}
#: Known without being stated: from identifiers, and from when somebody was there.
OBSERVED: dict[str, Kind] = {"email": "text", "phone": "text", "external_id": "text", "last_seen_at": "instant"}

BUILT_IN: dict[str, FactKind] = {
    **{name: FactKind(word.kind) for name, word in words_of("profile_updated").items() if word.path[0] == "properties"},
    "original_channel_id": FactKind("text", "first"),
    "channels": FactKind("list", "set"),
    "first_seen_at": FactKind("instant", "first"),
    **{name: FactKind(kind) for name, kind in OBSERVED.items()},
}


def kinds(declared: Mapping[str, Kind]) -> dict[str, FactKind]:
    """All facts that flows may ask for: a declared one never changes what a built-in one is."""
    return {name: FactKind(kind) for name, kind in declared.items()} | BUILT_IN
