"""Dead letters: records that could not be taken, and what operators did about them.

Both stand on one topic. A letter is never changed: what became of it is an action, a record of its own that names where
the letter came from.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.control import WireInstant
from schemas.instants import to_wire
from schemas.refusals import DETAIL_LENGTH_MAX

#: Of key and value together. In base64 they still fit into what the topic takes; of a longer record only the place is
#: told, where it can be read for as long as its own topic keeps it.
KEPT_BYTES_MAX = 1_400_000

#: Header of a record that was written again: the attempt that it is, ASCII decimal.
ATTEMPT_HEADER = "attempt"

How = Literal["replayed", "dismissed"]


class DeadLetter(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """A record that could not be taken, with why, where it came from, and its original bytes."""

    reason: Annotated[str, Meta(description="a word from a closed list, see `schemas.refusals`")]
    detail: Annotated[str, Meta(max_length=DETAIL_LENGTH_MAX, description="what was wrong, where, what to do")]
    stage: Annotated[str, Meta(description="intake, worker, dispatcher or projector")]
    topic: str
    partition: int
    offset: int
    key: Annotated[bytes | None, Meta(description="base64")]
    value: Annotated[bytes | None, Meta(description="the original bytes, base64; null if there are none, or too many")]
    refused_at: WireInstant
    appended_at: Annotated[WireInstant | None, Meta(description="of the record, by the clock of its log")] = None
    profile: Annotated[str | None, Meta(description="tenant/profile id of who gets no message for this letter")] = None
    version: Annotated[str, Meta(description="of the program that refused the record")] = ""
    attempt: Annotated[int, Meta(ge=1, description="1 for a record as it came, one more each time it was replayed")] = 1
    kept: Annotated[bool, Meta(description="false: the original is too long to be repeated here")] = True
    first_at: Annotated[
        WireInstant | None,
        Meta(description="conflict: in this second the copy that counts was appended to the partition"),
    ] = None


class DeadLetterAction(
    msgspec.Struct,
    kw_only=True,
    omit_defaults=True,
    frozen=True,
    tag_field="schema",
    tag="cartwheel.dead_letter_action.v1",
):
    """What an operator did about the letter whose record came from here. Written once it is done."""

    action: How
    topic: str
    partition: int
    offset: int
    profile: str | None = None
    attempt: Annotated[int, Meta(ge=1, description="of the letter")] = 1
    by: Annotated[str, Meta(max_length=128, description="who did it, as the operating system calls them")]
    note: Annotated[str, Meta(max_length=DETAIL_LENGTH_MAX, description="why, in their words")] = ""
    written_at: Annotated[int, Meta(ge=0, description="replayed: the offset of the record written again")] | None = None
    at: WireInstant


def letter(
    *,
    reason: str,
    detail: str,
    stage: Literal["intake", "worker", "dispatcher", "projector"],
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    refused_at: int,
    appended_at: int | None = None,
    profile: str | None = None,
    version: str = "",
    attempt: int = 1,
    first_at: int | None = None,
) -> DeadLetter:
    """A letter that its topic can take, however long the record was. Instants in milliseconds."""
    size = len(key or b"") + len(value or b"")
    kept = size <= KEPT_BYTES_MAX
    if not kept:
        told = f" (its {size} bytes are too many to repeat here: read them from {topic} while it keeps them)"
        detail = detail[: DETAIL_LENGTH_MAX - len(told)] + told
    return DeadLetter(
        reason=reason,
        detail=detail[:DETAIL_LENGTH_MAX],
        stage=stage,
        topic=topic,
        partition=partition,
        offset=offset,
        key=key if kept else None,
        value=value if kept else None,
        refused_at=to_wire(refused_at),
        appended_at=None if appended_at is None else to_wire(appended_at),
        profile=profile,
        version=version,
        attempt=attempt,
        kept=kept,
        first_at=None if first_at is None else to_wire(first_at),
    )


def attempt_of(headers: list[tuple[str, bytes]] | tuple[tuple[str, bytes], ...]) -> int:
    """Which attempt a record is. What says nothing usable is taken for the first."""
    for name, value in headers:
        if name == ATTEMPT_HEADER and value.isdigit() and len(value) < 4:
            return max(1, int(value))
    return 1
