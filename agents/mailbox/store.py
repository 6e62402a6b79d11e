"""What the mailbox holds: the newest messages, in order of arrival, within bounds of number and size."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal

from agents.dispatch.message import COMMAND_ID_HEADER
from schemas import instants

MESSAGES_MAX = 10_000
BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One message as it arrived. `number` counts arrivals, from 1. What cannot be read shows as empty."""

    number: int
    received_at: int
    dated_at: int
    """When the message says it was written; when it arrived if it does not say."""
    sender: str
    recipients: tuple[str, ...]
    subject: str
    command_id: str
    """The command that ordered this message, empty for a message of somebody else."""
    content: bytes

    def headers(self) -> list[tuple[str, str]]:
        """All headers in their order."""
        message = _parsed(self.content)
        return [(name, _header(message, name)) for name in message]

    def part(self, kind: Literal["plain", "html"]) -> str:
        """The text or the HTML of the message, empty if it has none."""
        try:
            body = _parsed(self.content).get_body((kind,))
            return str(body.get_content()) if body is not None else ""
        except (LookupError, ValueError, AttributeError):
            return ""


class Store:
    """Keeps messages; beyond its bounds the oldest goes and is counted. With a folder each is also a file there."""

    def __init__(self, *, folder: Path | None = None, messages_max: int = MESSAGES_MAX) -> None:
        self._messages: deque[Stored] = deque()
        self._folder = folder
        self._messages_max = messages_max
        self._bytes = 0
        self.received = 0
        """How many ever arrived."""
        self.dropped = 0
        """How many of them are no longer here."""
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, content: bytes, *, sender: str, recipients: Iterable[str]) -> Stored:
        """Keep a message that arrived now."""
        self.received += 1
        now, message = time.time_ns() // 1_000_000, _parsed(content, headers_only=True)
        stored = Stored(
            number=self.received,
            received_at=now,
            dated_at=_dated_at(message) or now,
            sender=sender,
            recipients=tuple(recipients),
            subject=_header(message, "Subject"),
            command_id=_header(message, COMMAND_ID_HEADER),
            content=content,
        )
        self._messages.append(stored)
        self._bytes += len(content)
        if self._folder is not None:
            self._file(stored).write_bytes(content)
        while len(self._messages) > self._messages_max or self._bytes > BYTES_MAX:
            self._drop_oldest()
        return stored

    def __len__(self) -> int:
        return len(self._messages)

    def newest_first(self, *, to: str = "", command_id: str = "") -> Iterator[Stored]:
        """The messages whose recipient contains `to`, in any case, and that `command_id` ordered, if given."""
        wanted = to.strip().lower()
        for stored in reversed(self._messages):
            addressed = not wanted or any(wanted in recipient.lower() for recipient in stored.recipients)
            if addressed and (not command_id or stored.command_id == command_id):
                yield stored

    def get(self, number: int) -> Stored | None:
        """The message of this number, if it is still here."""
        index = number - self.dropped - 1
        return self._messages[index] if 0 <= index < len(self._messages) else None

    def per_command(self) -> Counter[str]:
        """How many messages each command id has here; more than one would be a broken promise."""
        return Counter(stored.command_id for stored in self._messages)

    def _drop_oldest(self) -> None:
        oldest = self._messages.popleft()
        self._bytes -= len(oldest.content)
        self.dropped += 1
        if self._folder is not None:
            self._file(oldest).unlink(missing_ok=True)

    def _file(self, stored: Stored) -> Path:
        assert self._folder is not None
        return self._folder / f"{stored.number:06d}.eml"


def _parsed(content: bytes, *, headers_only: bool = False) -> EmailMessage:
    return BytesParser(EmailMessage, policy=default).parsebytes(content, headersonly=headers_only)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return str(message.get(name, ""))
    except Exception:  # noqa: BLE001 - the parser stumbles in many ways over what strangers write into headers
        return ""


def _dated_at(message: EmailMessage) -> int | None:
    try:
        return instants.from_datetime(parsedate_to_datetime(_header(message, "Date")))
    except (ValueError, TypeError, OverflowError):
        return None
