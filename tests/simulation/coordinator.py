"""The group coordinator: members, generations, assignments, sessions, committed offsets. Eager rebalances only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal, NamedTuple

from tests.simulation.broker import Broker
from tests.simulation.clockwork import VirtualLoop

Answer = Literal["ok", "rebalance", "unknown"]


class Assigned(NamedTuple):
    """What a member gets when it has joined."""

    generation: int
    partitions: frozenset[int]


@dataclass
class Member:
    """One process in the group; a static one keeps its place under its name for a session."""

    name: str
    number: int
    joined: asyncio.Future[Assigned] | None = None
    partitions: frozenset[int] = frozenset()
    heard_at: float = 0.0


@dataclass
class Coordinator:
    """One group over one number of partitions."""

    loop: VirtualLoop
    broker: Broker
    dice: Random
    partitions: int
    session_seconds: float
    static: bool
    generation: int = 0
    joining: bool = False
    moving: int = -1
    committed: dict[int, int] = field(default_factory=dict)
    _members: dict[str, Member] = field(default_factory=dict)
    _numbers: int = 0

    def enter(self, name: str) -> int:
        """A process introduces itself; the number under which it is known. A static one replaces its predecessor."""
        self._numbers += 1
        known = self._members.get(name)
        member = Member(name, self._numbers, heard_at=self.loop.time())
        if known is not None and self.static:
            member.partitions = known.partitions
        self._members[name] = member
        return member.number

    def join(self, name: str, number: int) -> asyncio.Future[Assigned] | None:
        """Ask to be part of the next generation; None for a member that is not known any more."""
        member = self._known(name, number)
        if member is None:
            return None
        member.joined = self.loop.create_future()
        member.heard_at = self.loop.time()
        if self.static and not self.joining and member.partitions and member.number == self._numbers:
            # It has come back within its session: the same partitions, the same generation, and nobody else notices.
            joined, member.joined = member.joined, None
            joined.set_result(Assigned(self.generation, member.partitions))
            return joined
        self.rebalance()
        self._maybe_complete()
        return member.joined

    def rebalance(self, moving: int = -1) -> None:
        """Tell everybody with the next heartbeat; who has not joined within two sessions is out. A partition that is
        `moving` gets another owner, if there is another member.
        """
        self.moving = max(self.moving, moving)
        if not self.joining:
            self.joining = True
            self.broker.note("rebalance begins")
            generation = self.generation
            self.loop.later(2 * self.session_seconds, self._complete, generation)

    def heartbeat(self, name: str, number: int) -> Answer:
        """A member lives."""
        member = self._known(name, number)
        if member is None:
            return "unknown"
        member.heard_at = self.loop.time()
        return "rebalance" if self.joining and member.joined is None else "ok"

    def leave(self, name: str, number: int) -> None:
        """A member goes; a static one just falls silent."""
        if not self.static and self._known(name, number) is not None:
            del self._members[name]
            self.rebalance()
            self._maybe_complete()

    def commit(self, name: str, number: int, generation: int, offsets: Mapping[int, int]) -> bool:
        """Take offsets of a member of this generation."""
        if self._known(name, number) is None or generation != self.generation:
            return False
        self.committed.update(offsets)
        return True

    def expire(self) -> None:
        """Throw out who has been silent for a session; to be called now and then."""
        late = self.loop.time() - self.session_seconds
        silent = [name for name, member in self._members.items() if member.joined is None and member.heard_at < late]
        for name in silent:
            self.broker.note(f"session of {name} expired")
            del self._members[name]
        if silent:
            self.rebalance()
            self._maybe_complete()

    def _known(self, name: str, number: int) -> Member | None:
        member = self._members.get(name)
        return member if member is not None and member.number == number else None

    def _maybe_complete(self) -> None:
        if self.joining and all(member.joined is not None for member in self._members.values()):
            self.loop.later(self.dice.uniform(0, 0.05), self._complete_if_all, self.generation)

    def _complete_if_all(self, generation: int) -> None:
        if all(member.joined is not None for member in self._members.values()):
            self._complete(generation)

    def _complete(self, generation: int) -> None:
        if not self.joining or generation != self.generation:
            return
        self._members = {name: member for name, member in self._members.items() if member.joined is not None}
        self.joining = False
        self.generation += 1
        self._deal()
        said = " ".join(f"{one.name}={sorted(one.partitions)}" for one in self._members.values())
        self.broker.note(f"generation {self.generation}: {said}")
        for member in self._members.values():
            joined, member.joined, member.heard_at = member.joined, None, self.loop.time()
            if joined is not None and not joined.done():
                joined.set_result(Assigned(self.generation, member.partitions))

    def _deal(self) -> None:
        """Mostly as it was, sometimes all anew, and moved where that is asked for."""
        members = [self._members[name] for name in sorted(self._members)]
        if not members:
            return
        if self.dice.random() < 0.5:
            self.dice.shuffle(members)
        if self.moving in members[self.moving % len(members)].partitions:
            members = [*members[1:], members[0]]
        self.moving = -1
        numbers = list(range(self.partitions))
        for at, member in enumerate(members):
            member.partitions = frozenset(numbers[at :: len(members)])
