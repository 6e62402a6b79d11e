"""Golden wire messages: bytes that were once written stay readable, and are written the same today."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas import codec, edge
from schemas.event import Event
from schemas.instants import from_wire
from schemas.publish import PUBLISHED

GOLDEN = Path(__file__).parent / "golden"
RECEIVED_AT = from_wire("2026-11-21T13:00:00.000Z")
MESSAGES = [
    pytest.param(entry.struct, path, id=path.stem)
    for entry in PUBLISHED
    if entry.name != "event"
    for path in sorted(GOLDEN.glob(f"{entry.name}.*.json"))
]
RAW_EVENTS = sorted(GOLDEN.glob("event.*.raw.json"))


@pytest.mark.parametrize(("struct", "path"), MESSAGES)
def test_a_message_is_read_and_written_to_the_same_bytes(struct: type, path: Path) -> None:
    wire = path.read_bytes()
    assert codec.encode(codec.decode(wire, struct)) == wire


@pytest.mark.parametrize("path", RAW_EVENTS, ids=lambda path: path.stem)
def test_a_raw_event_becomes_the_same_canonical_bytes(path: Path) -> None:
    wire = path.with_name(path.name.replace(".raw", "")).read_bytes()
    assert edge.accept(path.read_bytes(), received_at=RECEIVED_AT).value == wire
    assert edge.accept(wire, received_at=0).value == wire
    assert codec.decode(wire, Event).tenant == "acme"


def test_there_is_a_golden_message_of_every_public_kind() -> None:
    assert {path.name.partition(".")[0] for path in GOLDEN.iterdir()} == {entry.name for entry in PUBLISHED}
