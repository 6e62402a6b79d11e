"""Learning: the facts of a person, made of what events state, in whatever order they arrive.

    10:00  profile_updated { country: FR }                   -> country FR
    09:00  profile_updated { country: DE }, arriving late    -> country FR: it was stated later (semantics 7.1)
    10:05  order on channel 3; later one of 09:55 on 2       -> original_channel_id 2, channels [2, 3]
    10:10  profile_updated { country: null }                 -> country is not set

What is stated is kept, whether or not a flow asks for it; what can be read off any event is kept only once a flow asks,
so that it costs nothing before. A value of another kind than declared is counted, kept, and unknown to conditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas import codec
from schemas.dossier import Stated
from schemas.event import NONE, LoggedEvent
from schemas.facts import FROM_CONTEXT, OBSERVED, STATING, FactKind
from schemas.instants import to_wire
from schemas.limits import FACT_BYTES_MAX, FACT_MEMBERS_MAX, FACTS_MAX
from schemas.profile import Profile
from streams import weight
from streams.recorder import Recorder
from streams.words import is_kind

NO_KIND = FactKind("text")


class Context(msgspec.Struct, gc=False):
    """What the context of an event may say about a person. Everything else in it is passed over."""

    timezone: Any = None
    locale: Any = None
    country: Any = None
    channel_id: Any = None


_context = msgspec.json.Decoder(Context)


def learn(
    profile: Profile, event: LoggedEvent, type_: str, occurred_at: int, *,
    kinds: Mapping[str, FactKind], asked: frozenset[str], out: Recorder,
) -> bool:  # fmt: skip
    """Take in what an event states, and what can be read off it if it is asked for. True: some fact has changed.

    Raises Undecodable when a part of the event is no JSON.
    """
    said: dict[str, Any] = {}
    if asked:
        said |= _read_off(event, occurred_at, asked)
    if type_ in STATING and event.properties is not NONE:
        said |= _object(event.properties)
    return bool(said) and state(profile, said, occurred_at=occurred_at, event_id=event.id, kinds=kinds, out=out)


def state(
    profile: Profile, said: Mapping[str, Any], *,
    occurred_at: int, event_id: str, kinds: Mapping[str, FactKind], out: Recorder,
) -> bool:  # fmt: skip
    """Take in facts that were stated at an instant. True: the value of one has changed."""
    changed = False
    for name, value in said.items():
        if name in OBSERVED:
            continue  # Nobody states it; it is what we have seen.
        declared = kinds.get(name, NO_KIND)
        if value is None and declared.merge != "latest":
            continue  # What was first, or ever, is not taken back.
        if value is not None and name in kinds and not is_kind(value, declared.kind):
            out.tallies[("fact_wrong_kind", name)] += 1
        size = codec.packed_size({name: value})
        if size > FACT_BYTES_MAX:
            out.tallies[("evicted", "fact_too_long")] += 1
            continue
        facts = profile.known().facts
        known = facts.get(name)
        after = merged(known, Stated(value, occurred_at, event_id), declared, out)
        if after is not known:
            facts[name] = after
            if known is None or known.value != after.value:
                changed = True
                weight.add(profile, size + len(event_id) + weight.FACT_BYTES, out)
        if len(facts) > FACTS_MAX:
            out.tallies[("evicted", "facts")] += 1
            del facts[min(facts, key=lambda name: (facts[name].occurred_at, name))]
    return changed


def merged(known: Stated | None, said: Stated, declared: FactKind, out: Recorder | None = None) -> Stated:
    """Which statement stays; the very one that is known, if nothing is new. `out`, to count what is forgotten."""
    newer = known is None or (said.occurred_at, said.event_id) >= (known.occurred_at, known.event_id)
    if declared.merge == "set":
        united = _members(said.value) | (_members(known.value) if known else set())
        if len(united) > FACT_MEMBERS_MAX and out is not None:
            out.tallies[("evicted", "fact_members")] += 1
        last = said if known is None or newer else known
        return Stated(sorted(united)[:FACT_MEMBERS_MAX], last.occurred_at, last.event_id)
    if known is None or newer == (declared.merge == "latest"):
        return said
    return known


def _members(value: Any) -> set[str]:
    return {part for part in value if isinstance(part, str)} if isinstance(value, list) else set()


def _read_off(event: LoggedEvent, occurred_at: int, asked: frozenset[str]) -> dict[str, Any]:
    said: dict[str, Any] = {"first_seen_at": to_wire(occurred_at)} if "first_seen_at" in asked else {}
    if event.context is NONE:
        return said
    try:
        context = _context.decode(event.context)
    except msgspec.ValidationError:
        return said  # it is no object
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise codec.Undecodable(str(error)) from error
    for name, member in FROM_CONTEXT.items():
        value = getattr(context, member)
        if name in asked and isinstance(value, str) and value:
            said[name] = [value] if name == "channels" else value
    return said


def _object(part: msgspec.Raw) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(part)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise codec.Undecodable(str(error)) from error
    return found if isinstance(found, dict) else {}
