"""Who publishes: flows and policies, holds, stops and moves. They die in the middle of it, and are run again.

What they write is real, and so is the order in which they write it; only the broker is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, get_args

from agents.definitions.book import NOTHING, ORDER_KEY, Book
from agents.definitions.changes import Make, Stamp, Verb, publishing, turning
from agents.errors import InputRefused
from agents.flow_files import FlowFile
from schemas import codec
from schemas.activation import Migration, definition_key
from schemas.control import MIGRATION_KEY
from schemas.instants import to_wire
from schemas.policy import CapRule, Policy
from streams.flowfile.policy import version_of
from tests.simulation.broker import Item
from tests.simulation.clockwork import pause
from tests.simulation.traffic import GROUPS

if TYPE_CHECKING:
    from tests.simulation.world import World

#: So often a publisher begins anew that died, or that others were faster than.
ATTEMPTS_MAX = 10
VERBS: tuple[Verb, ...] = (*get_args(Verb), "hold", "hold")
CAPS = (
    CapRule(group=GROUPS[0], max=1, per_ms=8_000),
    CapRule(group=GROUPS[1], max=2, per_ms=8_000),
    CapRule(channel="log", max=1, per_ms=2_000),
    CapRule(channel="log", max=3, per_ms=8_000),
)


class Publisher:
    """Of one world. If its flows do not `change`, they are published once, before anything else."""

    def __init__(self, world: World, dice: Random, *, changes: bool) -> None:
        self._world, self._dice, self.changes = world, dice, changes
        self._book, self._topic = Book(), world.topics.definitions.name
        self._seconds = dice.choice((0.0, 0.05, 1.0))
        self._dies = dice.choice((0.0, 0.0, 0.2))
        self._skew_ms = dice.choice((0, 0, 0, 900, -900, 20_000, -20_000))

    def book(self) -> Book:
        """All that the definitions topic says by now."""
        for record in self._world.broker.log(self._topic, 0).read(self._book.next_offset):
            self._book.take(record.offset, record.key, record.value)
        return self._book

    def open(self, *, seconds: float) -> None:
        """Publish the first editions, now or, where flows change, perhaps later; then the rest happens."""
        dice, later = self._dice, self._world.loop.later
        make = publishing([editions[0] for editions in self._world.flows.editions])
        if not self.changes or dice.random() < 0.8:
            for item in self._items(make)[0]:
                self._world.broker.append(self._topic, 0, [item])
        else:
            later(dice.uniform(0, 3), self._begin, make)
        for _ in range(dice.randint(2, 8) if self.changes else 0):
            later(dice.uniform(0, seconds), self._something)

    def _something(self) -> None:
        dice = self._dice
        editions = dice.choice(self._world.flows.editions[1:])
        if self.book().newest == NOTHING:
            return  # of what is past, the first flows ask for all that others may ask
        what = dice.choice((self._edition, self._edition, self._verb, self._verb, self._policy, self._move))
        self._world.broker.note(f"publisher: {what.__name__}")
        what(editions)

    def _edition(self, editions: Sequence[FlowFile]) -> None:
        """One; or two at once, of which the second comes too late and begins anew."""
        for _ in range(self._dice.choice((1, 1, 2))):
            self._begin(publishing([self._dice.choice(editions)]))

    def _verb(self, editions: Sequence[FlowFile]) -> None:
        verb = self._dice.choice(VERBS)
        self._begin(turning(_name(editions), verb))
        if verb != "resume" and self._dice.random() < 0.7:
            self._world.loop.later(self._dice.uniform(0, 4), self._begin, turning(_name(editions), "resume"))

    def _policy(self, _: Sequence[FlowFile]) -> None:
        caps = tuple(self._dice.sample(CAPS, self._dice.randint(0, 2)))
        policy = Policy(name="shop", caps=caps)
        self._begin(publishing([], Policy(name="shop", caps=caps, version=version_of(policy))))

    def _move(self, editions: Sequence[FlowFile]) -> None:
        """Everybody to the newest version, if it is another edition of the same steps."""
        active = self.book().order(self.book().newest).flows.get(_name(editions))
        alike = [file.flow.version for file in editions[:2] if file.flow is not None]
        if active is not None and active.versions[0] in alike:
            for key in self._world.traffic.everybody():
                for _ in range(self._dice.choice((0, 1, 1, 1, 2))):  # it has died and was run again
                    self._world.loop.later(
                        self._dice.uniform(0, 2), self._migrate, key, _name(editions), active.versions[0]
                    )

    def _migrate(self, key: bytes, flow: str, version: str) -> None:
        said = Migration(profile=key.decode(), flow=flow, version=version, labels={}, by="ops", at=self._stamp().at)
        name, number = self._world.topics.profile_log.name, self._world.intake.partition_of(key)
        self._world.broker.append(name, number, [(MIGRATION_KEY, codec.encode(said))])

    # --- the desk ---------------------------------------------------------------------------------------

    def _begin(self, make: Make) -> None:
        self._world.loop.world(self._carry_out(make))

    async def _carry_out(self, make: Make) -> None:
        for _ in range(ATTEMPTS_MAX):
            try:
                items, is_order = self._items(make)
            except InputRefused:
                return
            if await self._write(items) and (not is_order or self.book().is_valid(self.book().next_offset - 1)):
                return

    def _items(self, make: Make) -> tuple[list[Item], bool]:
        """What is to be written, and whether there is an order behind the definitions."""
        draft = make(self.book(), self._stamp())
        items: list[Item] = [
            (definition_key(flow=flow, version=version), codec.encode(definition))
            for flow, version, definition in draft.definitions
        ]
        if draft.order is not None:
            items.append((ORDER_KEY + b"%x" % self._dice.getrandbits(64), codec.encode(draft.order)))
        return items, draft.order is not None

    async def _write(self, items: Sequence[Item]) -> bool:
        """False: it has died between two of them, and is run again after a while."""
        for item in items:
            await pause(self._dice.uniform(0, self._seconds))
            if self._dice.random() < self._dies:
                await pause(self._dice.uniform(0, 2))
                return False
            self._world.broker.append(self._topic, 0, [item])
        return True

    def _stamp(self) -> Stamp:
        return Stamp(at=to_wire(int(self._world.loop.time() * 1000) + self._skew_ms), by="ops")


def _name(editions: Sequence[FlowFile]) -> str:
    assert editions[0].flow is not None
    return editions[0].flow.name
