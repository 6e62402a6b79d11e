"""The desk: where letters are dealt with. Replaying writes a record again; dismissing says that it never will be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.dead_letters.copies import Copy, Search
from agents.dead_letters.shelf import Entry, Place, decoded
from agents.errors import Unavailable
from agents.outgoing import Headers, Outgoing, close, new_producer
from agents.worker.arrivals import arrivals
from schemas import codec, edge
from schemas.command import Clock
from schemas.control import APPENDED_AT_HEADER, RESOLUTION_KEY, Resolution
from schemas.dead_letter import ATTEMPT_HEADER, DeadLetter, DeadLetterAction, How
from schemas.instants import from_wire, to_wire
from schemas.refusals import QUARANTINE, Refused
from schemas.topics import Topics

REPLAYS_MAX = 3
READ_SECONDS_MAX = 10.0


class Left(Exception):
    """This letter cannot be dealt with in this way. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one letter."""

    entry: Entry
    left: str = ""
    """Why nothing was done; empty: it was done."""
    written_at: int | None = None
    forecast: str = ""
    """In a dry run: what would come of it, as far as that can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done, by whom, and why."""

    how: How
    by: str
    note: str
    at: int
    per_second: float
    dry_run: bool


class Desk:
    """Deals with one letter after the other. Made by `at_the_desk`."""

    def __init__(self, *, consumer: Any, producer: Any, topics: Topics, clock: Clock, order: Order) -> None:
        self._consumer, self._producer, self._topics, self._clock = consumer, producer, topics, clock
        self._order = order

    async def deal_with(self, entries: Iterable[Entry]) -> AsyncIterator[Outcome]:
        """Carry out the order for each, no faster than it says."""
        for entry in entries:
            try:
                yield await self._deal_with(entry)
            except Left as left:
                yield Outcome(entry=entry, left=str(left))
            if not self._order.dry_run:
                await asyncio.sleep(1 / self._order.per_second)

    async def original(self, entry: Entry) -> DeadLetter:
        """The letter with the bytes of its record. Raises Left if they are gone."""
        record = await self._read(entry.at)
        letter = decoded(record.value or b"")
        if not isinstance(letter, DeadLetter):
            raise Left("the letter is gone from its topic")
        if letter.kept:
            return letter
        record = await self._read(Place(letter.topic, letter.partition, letter.offset))
        return msgspec.structs.replace(letter, key=record.key, value=record.value)

    async def first_copy(self, copy: DeadLetter) -> Copy:
        """The one that counts, beside this conflicting one with its bytes. Raises Left if it is not to be found."""
        if copy.first_at is None:
            raise Left("the version that wrote this letter did not say where; its detail says when it was appended")
        place, first_at = TopicPartition(copy.topic, copy.partition), from_wire(copy.first_at)
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                kept_from = (await self._consumer.beginning_offsets([place]))[place]
                begin, end = await self._stretch(place, first_at, kept_from=kept_from, below=copy.offset)
                search = Search(copy, first_at=first_at, cut=0 < kept_from == begin)
                self._consumer.assign([place])
                self._consumer.seek(place, begin)
                while await self._consumer.position(place) < end:
                    fetched = await self._consumer.getmany(place, timeout_ms=1_000, max_records=1_000)
                    read = [record for record in fetched.get(place, []) if record.offset < end]
                    if (found := search.among(arrivals(read, clock=self._clock))) is not None:
                        return found
        except TimeoutError:
            raise Left(f"it was not found within {READ_SECONDS_MAX:g} s; try again") from None
        raise Left(f"{copy.topic}/{copy.partition} has no such record of {copy.first_at} any more")

    async def _stretch(self, place: TopicPartition, first_at: int, *, kept_from: int, below: int) -> tuple[int, int]:
        """Between which offsets a record has to be that was taken in this second.

        The broker knows that on a live clock only, where *now* is the highest time of its own that it has given so far:
        what was taken in a second lies between the first record of it and the first one after it.
        """
        if self._clock == "carried":
            return kept_from, below
        found = [(await self._consumer.offsets_for_times({place: at}))[place] for at in (first_at, first_at + 1_000)]
        begin, end = (below if one is None else min(one.offset, below) for one in found)
        return begin, end

    async def _deal_with(self, entry: Entry) -> Outcome:
        how, letter = self._order.how, entry.letter
        again: DeadLetter | None = None
        if how == "replayed":
            if letter.reason in QUARANTINE:
                raise Left("the first copy counts, and this one would change nothing; dismiss it when you have seen it")
            if entry.replays >= REPLAYS_MAX:
                raise Left(f"it was replayed {REPLAYS_MAX} times; correct what refuses it, or dismiss it")
            if _is_to_be_written(letter):
                again = await self.original(entry)
            elif letter.profile is None:
                raise Left("it is no record of a person, and its time is over; dismiss it")
        if self._order.dry_run:
            return Outcome(entry=entry, forecast=_forecast(again))
        written_at = await self._write(letter, again)
        return Outcome(entry=entry, written_at=written_at)

    async def _write(self, letter: DeadLetter, again: DeadLetter | None) -> int | None:
        """The record again, right behind it that it is dealt with; and once both are there, who did so."""
        out, order = Outgoing(self._producer), self._order
        carried = [(APPENDED_AT_HEADER, _carried(letter))] if self._clock == "carried" else []
        if again is not None:
            headers: Headers = [*carried, (ATTEMPT_HEADER, str(letter.attempt + 1).encode())]
            out.add(letter.topic, letter.partition, key=again.key, value=again.value or b"", headers=headers)
        if letter.profile is not None:
            said = Resolution(
                profile=letter.profile, offsets=(letter.offset,), how=order.how, by=order.by, at=to_wire(order.at)
            )
            out.add(letter.topic, letter.partition, key=RESOLUTION_KEY, value=codec.encode(said), headers=carried)
        written = await asyncio.gather(*await out.hand_over())
        written_at = written[0].base_offset if again is not None else None
        action = DeadLetterAction(
            action=order.how, topic=letter.topic, partition=letter.partition, offset=letter.offset,
            profile=letter.profile, attempt=letter.attempt, by=order.by, note=order.note, written_at=written_at,
            at=to_wire(order.at),
        )  # fmt: skip
        await self._producer.send_and_wait(self._topics.dead_letters.name, codec.encode(action), key=letter.key)
        return written_at

    async def _read(self, place: Place) -> Any:
        partition = TopicPartition(place.topic, place.partition)
        self._consumer.assign([partition])
        self._consumer.seek(partition, place.offset)
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                record = await self._consumer.getone(partition)
        except TimeoutError:
            record = None
        if record is None or record.offset != place.offset:
            raise Left(f"its bytes are gone: {place.topic}/{place.partition} has no offset {place.offset} any more")
        return record


@asynccontextmanager
async def at_the_desk(kafka: str, topics: Topics, *, clock: Clock, order: Order) -> AsyncIterator[Desk]:
    """A desk with its clients. Raises Unavailable when Kafka does not do its part."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    producer = new_producer(kafka)
    try:
        await asyncio.gather(consumer.start(), producer.start())
        yield Desk(consumer=consumer, producer=producer, topics=topics, clock=clock, order=order)
    except KafkaError as error:
        raise Unavailable(
            f"Kafka at {kafka} did not do what was asked ({str(error) or type(error).__name__})",
            next_step="what was done is done; run the same command again when Kafka is back",
        ) from error
    finally:
        await close(consumer, producer)


def _is_to_be_written(letter: DeadLetter) -> bool:
    """A record of a person, rather than what woke one or what only moves time."""
    if letter.key is None:
        return not letter.kept
    return letter.key[:1] != b"\x00" and letter.profile in (None, letter.key.decode(errors="replace"))


def _forecast(again: DeadLetter | None) -> str:
    if again is None:
        return "nothing is written again"
    if again.stage in ("dispatcher", "projector"):
        return "written again"
    try:
        edge.accept_event(edge.parse(again.value), received_at=None)
    except Refused as refused:
        return f"written again, and refused again: {refused.reason}"
    return "written again; it can be read"


def _carried(letter: DeadLetter) -> bytes:
    return str(from_wire(letter.appended_at or letter.refused_at)).encode()
