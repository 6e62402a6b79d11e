"""What owners of before still write into the changelog: states older than those that stand there, and states ahead.

Nothing here is forged: an older one stood there before, and one that is ahead is what an owner makes that has read on.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from schemas import codec
from schemas.codec import CLAIM_KEY, PARTITION_KEY
from tests.simulation.broker import Item, Record
from tests.simulation.verdict import replayed_from

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Profiles whose states a zombie writes at most: one batch.
AHEAD_MAX = 5


def old_state(world: World, dice: Random, number: int) -> None:
    """One that an owner before the last claim has written, long after newer ones."""
    if old := _old(world, number):
        ghost = dice.choice(old)
        world.broker.append(world.topics.profile_state.name, number, [(ghost.key, ghost.value)])


def state_behind(world: World, number: int, behind: Sequence[Item]) -> bool:
    """The last one that an owner before the last claim has written of a profile, right behind its first newer one."""
    keys = {key for key, _ in behind}
    old = [one for one in _old(world, number) if one.key in keys]
    if old:
        world.broker.append(world.topics.profile_state.name, number, [(old[-1].key, old[-1].value)])
    return bool(old)


def states_ahead(world: World, dice: Random, number: int, behind: Sequence[Item], *, position: int) -> bool:
    """Between two batches of states: all that was said up to the end of the log is there, and now come some of the
    states that are ahead of a position. False if this is no such moment.
    """
    topics, broker = world.topics, world.broker
    claims = [one for one in broker.log(topics.profile_state.name, number).records if one.key == CLAIM_KEY]
    log, name = broker.log(topics.profile_log.name, number), topics.profile_log.name
    if len(claims) < 2 or log.end <= position or {key for key, _ in behind} & {PARTITION_KEY, CLAIM_KEY}:
        return False
    replay = replayed_from(
        world.publisher.book(), log.records, topic=name, number=number, incarnation=world.incarnation
    )
    ahead = [
        (key, state) for key, state in replay.states.items() if _is_profile(key) and codec.peek(state)[0] >= position
    ]
    if ahead:
        for topic, values in ((topics.commands, replay.commands), (topics.decisions, replay.decisions)):
            broker.append(topic.name, number, [(None, value) for value in values])
        letters = topics.dead_letters
        broker.append(letters.name, number % letters.partitions, [(None, value) for value in replay.dead_letters])
        broker.append(topics.profile_state.name, number, dice.sample(ahead, min(len(ahead), AHEAD_MAX)))
    return bool(ahead)


def stand_last(changelog: Sequence[Record]) -> bool:
    """Whether there is a state behind a newer one of the same key."""
    newest: dict[bytes, tuple[int, int]] = {}
    last: dict[bytes, tuple[int, int]] = {}
    for record in changelog:
        key = record.key or b""
        if key != CLAIM_KEY:
            last[key] = codec.rank(key, record.value)
            newest[key] = max(newest.get(key, last[key]), last[key])
    return last != newest


def _old(world: World, number: int) -> list[Record]:
    records = world.broker.log(world.topics.profile_state.name, number).records
    claimed_at = max((one.offset for one in records if one.key == CLAIM_KEY), default=0)
    return [one for one in records if one.offset < claimed_at and _is_profile(one.key)]


def _is_profile(key: bytes | None) -> bool:
    return key is not None and key[:1] != b"\x00"
