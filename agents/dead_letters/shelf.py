"""The shelf: every letter that the dead letter topic still keeps, with what was done about it.

Letters are held without their bytes, which together may be more than fits into memory; `Place` says where those are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from agents.topic_reader import read_to_end
from schemas import codec
from schemas.dead_letter import DeadLetter, DeadLetterAction
from schemas.instants import from_wire
from schemas.topics import Topics

State = Literal["open", "replayed", "dismissed"]


class Place(NamedTuple):
    """A record on a topic."""

    topic: str
    partition: int
    offset: int


@dataclass(slots=True, kw_only=True)
class Entry:
    """One letter, without its value."""

    letter: DeadLetter
    name: str
    at: Place
    """Where the letter itself stands."""
    actions: list[DeadLetterAction] = field(default_factory=list)

    @property
    def state(self) -> State:
        """What was done about it last."""
        return self.actions[-1].action if self.actions else "open"

    @property
    def replays(self) -> int:
        """How often this record has been written again, by this letter or by those before it."""
        return self.letter.attempt - 1 + sum(one.action == "replayed" for one in self.actions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which letters are meant. What is not said does not matter."""

    names: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    stage: str | None = None
    topic: str | None = None
    since: int | None = None
    key: str | None = None
    dealt_with: bool = False
    """Also those that are not open any more; who names a letter means it whatever its state is."""

    def __bool__(self) -> bool:
        return bool(self.names or self.reasons or self.stage or self.topic or self.since is not None or self.key)

    def admits(self, entry: Entry) -> bool:
        """Whether this one is meant."""
        letter = entry.letter
        return (
            (self.dealt_with or bool(self.names) or entry.state == "open")
            and (not self.names or entry.name in self.names)
            and (not self.reasons or letter.reason in self.reasons)
            and self.stage in (None, letter.stage)
            and self.topic in (None, letter.topic, entry.name.partition("/")[0])
            and (self.since is None or from_wire(letter.refused_at) >= self.since)
            and self.key in (None, letter.profile, (letter.key or b"").decode(errors="replace"))
        )


async def read(kafka: str, topics: Topics) -> list[Entry]:
    """Every letter, in the order in which they were written. Raises Unavailable.

    A letter may have been written twice, after a crash; the last one counts. What is no letter is passed over.
    """
    entries: dict[tuple[str, str | None], Entry] = {}
    actions: list[DeadLetterAction] = []
    async for record in read_to_end(kafka, topics.dead_letters):
        found = decoded(record.value or b"")
        if isinstance(found, DeadLetterAction):
            actions.append(found)
        elif found is not None:
            entry = Entry(
                letter=msgspec.structs.replace(found, value=None),
                name=name_of(found, topics),
                at=Place(record.topic, record.partition, record.offset),
            )
            entries[entry.name, found.profile] = entry
    for action in actions:
        if entry_of := entries.get((name_of(action, topics), action.profile)):
            entry_of.actions.append(action)
    return list(entries.values())


def decoded(value: bytes) -> DeadLetter | DeadLetterAction | None:
    """What a record of the dead letter topic says. Only an action says of which schema it is."""
    kinds: Iterable[type[DeadLetter | DeadLetterAction]] = (DeadLetterAction, DeadLetter)
    for kind in kinds:
        try:
            return codec.decode(value, kind)
        except codec.Undecodable:
            continue
    return None


def name_of(of: DeadLetter | DeadLetterAction, topics: Topics) -> str:
    """Where the record came from, with the topic's name as short as it is unique."""
    return f"{short(of.topic, topics)}/{of.partition}/{of.offset}"


def short(topic: str, topics: Topics) -> str:
    """`profile-log` of `cartwheel.profile-log.v1`; a topic of another namespace keeps its name."""
    for own in topics:
        if own.name == topic:
            return topic.rsplit(".", 2)[1]
    return topic


def spelled_out(name: str, topics: Topics) -> str:
    """The name of a letter as `name_of` gives it, however its topic was written."""
    topic, slash, rest = name.partition("/")
    return f"{short(topic, topics)}{slash}{rest}"
