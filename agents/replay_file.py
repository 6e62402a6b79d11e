"""Replay files: events and watermarks as lines of JSON, in order of arrival. Read by `replay` and by `feed`.

The format is public, see `docs/reference/events.md`. Beyond what a raw record may say, a line may carry `arrived_at`,
and may leave `tenant` out.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from agents.errors import InputRefused
from schemas import edge, instants
from schemas.control import Watermark
from schemas.limits import RECORD_BYTES_MAX
from schemas.refusals import Refused

DEFAULT_TENANT = "default"
LINE_BYTES_MAX = RECORD_BYTES_MAX + len(b"\r\n")
PROGRESS_LINES = 256
_GZIP_MAGIC = b"\x1f\x8b"


class EventLine(NamedTuple):
    """A line that holds a good event. `arrived_at` is in milliseconds."""

    number: int
    arrived_at: int
    accepted: edge.Accepted
    """The canonical event, without a `received_at` of ours."""
    document: dict[str, Any]
    """The event as the line says it, without `arrived_at` and with a tenant: what may be written to the raw topic."""


class WatermarkLine(NamedTuple):
    """A line that holds a watermark."""

    number: int
    arrived_at: int
    watermark: Watermark


class RefusedLine(NamedTuple):
    """A line that cannot be taken."""

    number: int
    refused: Refused


Line = EventLine | WatermarkLine | RefusedLine


def read_lines(path: Path, *, progress: Callable[[int], None] | None = None) -> Iterator[Line]:
    """Every line of a file, plain or compressed with gzip, that is not blank; numbered from 1.

    `progress` is told from time to time how many bytes of the file have been read. Raises `InputRefused` if the file
    cannot be read; a line that cannot be taken is a `RefusedLine`.
    """
    tenant = _tenant_of(path)
    for number, text in _texts(path, progress):
        try:
            yield _line(number, text, tenant)
        except Refused as refused:
            yield RefusedLine(number, refused)


def _line(number: int, text: bytes, tenant: str) -> Line:
    document = edge.parse(text)
    arrived_at = document.pop("arrived_at", None)
    kind = edge.kind(document)
    if kind == "end":
        raise Refused("invalid_field", "an end mark belongs on a topic; a file ends where it ends")
    if kind == "watermark":
        watermark = edge.accept_watermark(document, tenant=tenant)
        at = instants.from_wire(watermark.complete_through) if arrived_at is None else _arrival(arrived_at)
        return WatermarkLine(number, at, watermark)
    if document.get("tenant") is None:
        document["tenant"] = DEFAULT_TENANT
    accepted = edge.accept_event(document, received_at=None)
    at = accepted.occurred_at if arrived_at is None else _arrival(arrived_at)
    return EventLine(number, at, accepted, document)


def _arrival(said: Any) -> int:
    return edge.read_time(said, "arrived_at")


def _tenant_of(path: Path) -> str:
    """The tenant of the first event: whose a watermark is that names none."""
    for _, text in _texts(path):
        try:
            document = edge.parse(text)
        except Refused:
            continue
        if edge.kind(document) == "event":
            tenant = document.get("tenant")
            return tenant if isinstance(tenant, str) else DEFAULT_TENANT
    return DEFAULT_TENANT


def _texts(path: Path, progress: Callable[[int], None] | None = None) -> Iterator[tuple[int, bytes]]:
    """Of each line with text: its number, and its bytes, cut where no record is so long."""
    try:
        with path.open("rb") as file:
            packed = file.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
            lines: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
            number = 0
            while text := lines.readline(LINE_BYTES_MAX):
                number += 1
                rest = text
                while len(rest) == LINE_BYTES_MAX and not rest.endswith(b"\n"):
                    rest = lines.readline(LINE_BYTES_MAX)
                if progress is not None and number % PROGRESS_LINES == 0:
                    progress(file.tell())
                if not text.isspace():
                    yield number, text.rstrip(b"\r\n")
    except (OSError, EOFError, zlib.error) as error:
        raise InputRefused(
            f"{path} cannot be read ({error})", next_step="give a readable file of JSON lines, plain or gzip"
        ) from error
