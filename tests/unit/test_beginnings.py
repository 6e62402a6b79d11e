"""With which flows a partition begins: written down once among the definitions, before the first record is taken.

Semantics 12.1.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from agents.definitions.book import BEGINNING_KEY, NOTHING, Book
from agents.definitions.changes import publishing
from agents.errors import Misconfigured
from agents.worker.metrics import Metrics
from agents.worker.partitions import Partitions, Work
from agents.worker.unit_of_work import Destinations
from schemas import codec
from schemas.activation import Beginning
from schemas.command import Clock
from schemas.profile import PartitionRecord
from schemas.topics import topics
from tests.definitions import flow_file, ordered
from tests.unit.stage import flow

OLD, NEW = (publishing([flow_file(flow(version=version))]) for version in ("1", "2"))


class Broker:
    """The definitions topic, as all the books have it that belong to somebody; and partition records."""

    def __init__(self) -> None:
        self.written: list[Beginning] = []
        self.books: list[Book] = []
        self.records: dict[int, bytes] = {}

    async def send(self, topic: str, partition: int, batch: Any) -> Any:
        ((key, value),) = batch
        assert (topic, partition) == (topics().definitions.name, 0)
        self.written.append(codec.decode(value, Beginning))
        for one in self.books:
            one.take(one.next_offset, key, value)
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged


def owner(broker: Broker, book: Book, *, clock: Clock = "live") -> Partitions:
    broker.books.append(book)
    engine: Any = SimpleNamespace(
        batches=SimpleNamespace(pack=lambda items, **_: [items], send=broker.send),
        store=SimpleNamespace(load=lambda number, key: broker.records.get(number), write=None),
        read_changelog=None,
    )
    return Partitions(
        engine=engine, work=Work(book=book, topic="log", clock=clock, incarnation="one"),
        destinations=Destinations.of(topics()), state_batch_bytes=None, metrics=Metrics(CollectorRegistry()),
        instance="w1", clock_ms=lambda: 0, reached=lambda point: None, ready=lambda numbers: None,
        fail=lambda error: None,
    )  # fmt: skip


def begins(one: Partitions, number: int) -> int:
    asyncio.run(one._settle_beginning(number))
    return one._activation(number)


def published(*makes: Any) -> Book:
    book = Book()
    for make in makes:
        ordered(book, make)
    return book


def test_the_first_owner_takes_the_newest_and_every_other_one_takes_the_same() -> None:
    broker = Broker()
    first, second = published(OLD), published(OLD, NEW)
    one, other = owner(broker, first), owner(broker, second)
    assert begins(one, 3) == first.newest
    assert begins(other, 3) == first.newest, "a newer one is in force from its record in the log on"
    assert begins(other, 4) == second.newest, "another partition begins by itself"
    assert [(said.partition, said.activation) for said in broker.written] == [(3, first.newest), (4, second.newest)]


def test_of_two_that_are_written_the_first_counts() -> None:
    broker, book = Broker(), published(OLD, NEW)
    for number in (1, 3):
        said = Beginning(incarnation="one", partition=0, activation=number)
        book.take(book.next_offset, BEGINNING_KEY + b"%d" % number, codec.encode(said))
    assert begins(owner(broker, book), 0) == 1
    assert not broker.written


def test_another_log_begins_anew() -> None:
    broker, book = Broker(), published(OLD, NEW)
    book.take(9, BEGINNING_KEY, codec.encode(Beginning(incarnation="before", partition=0, activation=1)))
    assert begins(owner(broker, book), 0) == book.newest


def test_who_has_begun_goes_on_with_what_the_partition_record_says() -> None:
    broker = Broker()
    broker.records[0] = codec.pack_partition(
        PartitionRecord(
            position=5, now_at=0, watermarks=[], through_at=0, through_key=None, clock="live", incarnation="one",
            activation=1,
        )
    )  # fmt: skip
    assert begins(owner(broker, published(OLD, NEW)), 0) == 1
    assert not broker.written


def test_a_live_log_may_begin_without_flows_and_a_carried_one_waits_for_them() -> None:
    """Its time is in its data, so that the flows of its beginning are all that it will ever have."""
    broker = Broker()
    assert begins(owner(broker, Book()), 0) == NOTHING
    assert [said.activation for said in broker.written] == [NOTHING]
    carried = Broker()
    book = Book()
    one = owner(carried, book, clock="carried")
    assert begins(one, 0) == NOTHING
    assert not carried.written
    ordered(book, OLD)
    assert begins(one, 0) == book.newest


def test_on_a_carried_clock_all_partitions_begin_as_the_first_one_does() -> None:
    broker = Broker()
    first, second = published(OLD), published(OLD, NEW)
    one, other = owner(broker, first, clock="carried"), owner(broker, second, clock="carried")
    assert begins(one, 2) == first.newest
    assert begins(other, 1) == first.newest


def test_what_was_written_and_cannot_be_read_is_said() -> None:
    with pytest.raises(Misconfigured, match="partition 7"):
        asyncio.run(Book().begun("one", 7, seconds=0.0))
