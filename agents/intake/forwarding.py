"""Forwarding: what becomes of one raw record. An event, a watermark, the end mark, or a dead letter with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.intake.low_water import LowWater
from agents.intake.metrics import Metrics
from agents.outgoing import Headers, Outgoing, partition_of
from agents.version import program_version
from schemas import edge, instants
from schemas.codec import encode
from schemas.command import Clock
from schemas.control import APPENDED_AT_HEADER, END_KEY, WATERMARK_KEY
from schemas.dead_letter import attempt_of, letter
from schemas.refusals import Refused
from schemas.topics import Topics

CARRIED_AT_MIN = instants.from_wire("1990-01-01T00:00:00.000Z")
CARRIED_AT_MAX = instants.from_wire("2999-12-31T23:59:59.999Z")


class Forwarding:
    """Turns raw records into outgoing ones.

    On a carried clock each record brings its append time, which it keeps; watermarks and the end mark are copied to
    every partition of the profile log, as nobody appends ticks there.
    """

    def __init__(self, *, topics: Topics, partitions: int, clock: Clock, metrics: Metrics) -> None:
        self._profile_log, self._partitions = topics.profile_log.name, partitions
        self._dead_letters = topics.dead_letters
        self._carried = clock == "carried"
        self._metrics = metrics

    def take(self, record: Any, *, out: Outgoing, marks: Mapping[int, LowWater]) -> None:
        """Forward one raw record, or refuse it."""
        if record.headers and attempt_of(record.headers) > 1:
            self._metrics.replayed.inc()
        try:
            self._forward(record, out, marks[record.partition])
        except Refused as refused:
            self._refuse(record, refused, out)
        else:
            self._metrics.forwarded.inc()

    def _forward(self, record: Any, out: Outgoing, mark: LowWater) -> None:
        appended_at, headers = self._appended_at(record)
        document = edge.parse(record.value)
        match edge.kind(document):
            case "event":
                accepted = edge.accept_event(document, received_at=appended_at)
                partition = partition_of(accepted.key, self._partitions)
                out.add(self._profile_log, partition, key=accepted.key, value=accepted.value, headers=headers)
                self._metrics.event_age.observe(max(0, appended_at - accepted.occurred_at) / 1000)
            case "watermark":
                watermark = edge.accept_watermark(document)
                if self._carried:
                    self._copy(WATERMARK_KEY, encode(watermark), headers, out)
                else:
                    mark.note(watermark)
            case "end":
                if not self._carried:
                    raise Refused("carried_time_on_live_log", "an end mark is for a carried clock; leave it out")
                self._copy(END_KEY, b"{}", headers, out)

    def _copy(self, key: bytes, value: bytes, headers: Headers, out: Outgoing) -> None:
        for partition in range(self._partitions):
            out.add(self._profile_log, partition, key=key, value=value, headers=headers)

    def _appended_at(self, record: Any) -> tuple[int, Headers]:
        """When the record was appended, by the clock of this log, and the headers that carry it on."""
        carried = [value for name, value in record.headers if name == APPENDED_AT_HEADER]
        if not self._carried:
            if carried:
                advice = f"leave the header {APPENDED_AT_HEADER} out, or feed a namespace with a carried clock"
                raise Refused("carried_time_on_live_log", f"the clock of this log is live; {advice}")
            return record.timestamp, []
        if record.partition != 0:
            found = f"the record is on raw partition {record.partition}"
            raise Refused("not_on_partition_zero", f"{found}; write all to partition 0, which keeps their order")
        text = carried[0] if len(carried) == 1 else b""
        if not (text.isdigit() and len(text) < 16 and CARRIED_AT_MIN <= int(text) <= CARRIED_AT_MAX):
            advice = "give one, in decimal milliseconds since 1970, from the year 1990 on"
            raise Refused("missing_carried_time", f"no usable header {APPENDED_AT_HEADER}; {advice}")
        return int(text), [(APPENDED_AT_HEADER, text)]

    def _refuse(self, record: Any, refused: Refused, out: Outgoing) -> None:
        self._metrics.refused.inc()
        self._metrics.dead_letters.labels("intake", refused.reason).inc()
        kept = letter(
            reason=refused.reason,
            detail=refused.detail,
            stage="intake",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            # Its own append time, so that reading it again makes the same letter.
            refused_at=record.timestamp,
            appended_at=_carried_or_appended(record),
            version=program_version(),
            attempt=attempt_of(record.headers),
        )
        topic = self._dead_letters
        partition = partition_of(kept.key or b"", topic.partitions)
        out.add(topic.name, partition, key=kept.key, value=encode(kept))


def _carried_or_appended(record: Any) -> int:
    """The time that the record says it has, if that can be read, so that it can be written again with it."""
    carried = next((value for name, value in record.headers if name == APPENDED_AT_HEADER), b"")
    usable = carried.isdigit() and len(carried) < 16 and CARRIED_AT_MIN <= int(carried) <= CARRIED_AT_MAX
    return int(carried) if usable else int(record.timestamp)
