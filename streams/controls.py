"""Control records: what stands on the profile log beside events, and which of it a log of either clock may have."""

from __future__ import annotations

from collections.abc import Iterator

from schemas import codec, control
from schemas.activation import Activation, Backfill, Migration
from schemas.command import Clock
from schemas.control import Resolution, Tick, Watermark
from schemas.instants import from_wire
from schemas.refusals import Refused
from streams.unit import Record

Operator = Resolution | Migration | Backfill  # about one profile, written by somebody who may
Said = Tick | Watermark | Activation | Operator

KEYS: dict[Clock, tuple[bytes, ...]] = {
    "live": (
        control.TICK_KEY,
        control.ACTIVATION_KEY,
        control.RESOLUTION_KEY,
        control.MIGRATION_KEY,
        control.BACKFILL_KEY,
    ),
    "carried": (control.WATERMARK_KEY, control.END_KEY, control.RESOLUTION_KEY),
}
KINDS: dict[bytes, type[Said]] = {
    control.TICK_KEY: Tick,
    control.WATERMARK_KEY: Watermark,
    control.ACTIVATION_KEY: Activation,
    control.RESOLUTION_KEY: Resolution,
    control.MIGRATION_KEY: Migration,
    control.BACKFILL_KEY: Backfill,
}

OTHER_CLOCK: dict[Clock, str] = {"live": "carried_time_on_live_log", "carried": "missing_carried_time"}


def read_control(record: Record, *, clock: Clock) -> Said | None:
    """What it says; None is the end mark. Raises Refused."""
    if record.key not in KEYS[clock]:
        detail = f"the key {record.key!r} is none of {KEYS[clock]}, which a log with a {clock} clock has"
        raise Refused("unknown_control_record", detail)
    if record.key == control.END_KEY:
        return None
    try:
        said = codec.decode(record.value, KINDS[record.key])
        for instant in _instants(said):
            from_wire(instant)
    except ValueError as error:
        raise Refused("invalid_field", str(error)) from error
    return said


def _instants(said: Said) -> Iterator[str]:
    if isinstance(said, Watermark):
        yield said.complete_through
    elif isinstance(said, Tick):
        yield said.through
        yield from () if said.gates_through is None else (said.gates_through,)
        yield from (watermark.complete_through for watermark in said.watermarks)
    elif isinstance(said, Activation):
        yield from (active.over_before for active in said.flows.values() if active.over_before is not None)
