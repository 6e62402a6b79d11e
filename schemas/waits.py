"""Who waits in which flow until when, read from packed profiles without unpacking the rest of them."""

from __future__ import annotations

import msgspec

from schemas.codec import HEADER, Undecodable, peek
from schemas.profile import HELD, NEVER

_WAKEUP = slice(10, 18)  # in the header
_NEVER = NEVER.to_bytes(8, "big")


class _Enrollment(msgspec.Struct, array_like=True, gc=False):
    """The first fields of `schemas.profile.Enrollment`."""

    enrollment_id: str
    flow: str
    key: str
    visit: int
    anchor_at: int
    triggered_at: int
    trigger_offset: int
    entered_at: int
    context: msgspec.Raw
    step: str
    due_at: int
    wakeup_at: int


class _Rest(msgspec.Struct, array_like=True, gc=False):
    """The first field of `schemas.profile.RestBody`."""

    enrollments: list[_Enrollment]


class _Body(msgspec.Struct, array_like=True, gc=False):
    """A packed body, state version 2: `schemas.profile.Body`."""

    identifiers: msgspec.Raw
    dedupe: msgspec.Raw
    conflicts: int
    weight: int
    rest: _Rest


class _Enrolled(msgspec.Struct, array_like=True, gc=False):
    enrollment_id: msgspec.Raw
    flow: str


class _Flows(msgspec.Struct, array_like=True, gc=False):
    enrollments: list[_Enrolled]


class _FlowsBody(msgspec.Struct, array_like=True, gc=False):
    """Of a body of version 2 as little as possible."""

    identifiers: msgspec.Raw
    dedupe: msgspec.Raw
    conflicts: int
    weight: int
    rest: _Flows


class _Profile(msgspec.Struct, array_like=True, gc=False):
    """The same of version 1."""

    tenant: str
    profile_id: str
    applied_offset: int
    identifiers: msgspec.Raw
    enrollments: list[_Enrollment]


_flows = msgspec.msgpack.Decoder(_FlowsBody)
_body = msgspec.msgpack.Decoder(_Body)
_profile = msgspec.msgpack.Decoder(_Profile)


def flows_of(state: bytes) -> list[str]:
    """The flow of each enrollment, in half the time of `waits_of`: a rebuild asks it of everybody."""
    if state[0] != 2:
        return [flow for flow, _ in waits_of(state)]
    if state[_WAKEUP] == _NEVER and not state[1] & HELD:
        return []
    try:
        return [one.flow for one in _flows.decode(state[HEADER.size :]).rest.enrollments]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"profile state: {error}") from error


def waits_of(state: bytes) -> list[tuple[str, int]]:
    """Flow and wakeup of each enrollment. Raises Undecodable for a version this program does not know."""
    _, wakeup_at, held = peek(state)
    if wakeup_at == NEVER and not held:
        return []
    packed = memoryview(state)[HEADER.size :]
    try:
        enrollments = (_profile.decode(packed) if state[0] == 1 else _body.decode(packed).rest).enrollments
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"profile state: {error}") from error
    return [(one.flow, one.wakeup_at) for one in enrollments]
