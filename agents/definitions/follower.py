"""Follows the definitions topic, outside any consumer group: every worker needs all of it."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.definitions.book import Book

POLL_MS = 1000


async def follow(kafka: str, topic: str, book: Book) -> None:
    """Feed the book from where it has been read to, on and on. Raises what the client raises."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, fetch_max_wait_ms=POLL_MS)
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, book.next_offset)
        while True:
            for record in (await consumer.getmany(partition, timeout_ms=POLL_MS)).get(partition, ()):
                book.take(record.offset, record.key, record.value)
    finally:
        await consumer.stop()
