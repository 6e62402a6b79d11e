"""The one codec: bytes on topics and in stores to typed structs and back.

JSON on every public topic; packed state on `profile-state`. Raises `Undecodable`, whose text says what is wrong where.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
import orjson

from schemas.command import Command, Recall
from schemas.event import LoggedEvent
from schemas.identity import Identity
from schemas.profile import HELD, Body, PartitionRecord, Presence, Profile, RestBody, Version1

T = TypeVar("T")

#: Of packed state, the one that is written. Any of `STATE_VERSIONS` is read; a program before it knows fewer.
STATE_VERSION = 2
STATE_VERSIONS = (1, 2)
#: version, flags, applied offset, wakeup, last activity
HEADER = struct.Struct(">BBqqq")
PARTITION_KEY = b"\x00partition"
CLAIM_KEY = b"\x00claim"


class Undecodable(ValueError):
    """These bytes are not what they should be. Dead letter, or a refusal to start: the caller knows which."""


_event = msgspec.json.Decoder(LoggedEvent)
_identity = msgspec.json.Decoder(Identity)
_order: msgspec.json.Decoder[Command | Recall] = msgspec.json.Decoder(Command | Recall)
_version_1 = msgspec.msgpack.Decoder(Version1)
_body = msgspec.msgpack.Decoder(Body)
_rest = msgspec.msgpack.Decoder(RestBody)
_partition = msgspec.msgpack.Decoder(PartitionRecord)
_json = msgspec.json.Encoder(order="deterministic")
_pack = msgspec.msgpack.Encoder(order="deterministic")

#: Of everybody who is in no flow, has been in none, and of whom nothing else is known.
NO_REST = msgspec.Raw(_pack.encode(RestBody([], {}, {}, [], [], None)))


def decode_event(value: bytes) -> LoggedEvent:
    """An event of the profile log from its JSON."""
    try:
        return _event.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(str(error)) from error


def decode_identity(value: msgspec.Raw) -> Identity:
    """The identifiers of an event of the profile log."""
    try:
        return _identity.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(f"identity: {error}") from error


def decode_order(value: bytes) -> Command | Recall:
    """What stands on the commands topic, from its JSON."""
    try:
        return _order.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(f"Command: {error}") from error


def commands_of(values: Iterable[bytes]) -> list[Command]:
    """The commands among these values of the commands topic; recalls stand there, too. Raises Undecodable."""
    return [one for one in map(decode_order, values) if isinstance(one, Command)]


def decode(value: bytes, type_: type[T]) -> T:
    """Any other struct of a public topic from its JSON."""
    try:
        return msgspec.json.decode(value, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(f"{type_.__name__}: {error}") from error


def encode(record: Any) -> bytes:
    """The canonical JSON of a struct: the same struct gives the same bytes everywhere."""
    return _json.encode(record)


def parse(value: bytes) -> Any:
    """Any JSON, for the edge where nothing is known yet."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Undecodable(str(error)) from error


def pack_words(words: dict[str, Any]) -> msgspec.Raw:
    """Words of an event as they stand in a packed profile. Raises Undecodable for what no state can hold."""
    try:
        return msgspec.Raw(_pack.encode(words))
    except (OverflowError, UnicodeEncodeError, RecursionError) as error:
        raise Undecodable(f"a value that cannot be kept: {error}") from error


def packed_size(words: dict[str, Any]) -> int:
    """Bytes that these words take in a packed profile. Raises Undecodable for what no state can hold."""
    return len(pack_words(words))


def pack_profile(profile: Profile, *, version: int = STATE_VERSION) -> bytes:
    """Header and body of a profile's state, all of it packed anew.

    Version 1 repeats in its body what stands in the header and in the key; version 2 leaves it out.
    """
    if version == 1:
        return _pack_version_1(profile)
    header = HEADER.pack(2, profile.marks(), profile.applied_offset, profile.earliest(), profile.last_active_at)
    return header + _pack.encode(
        (profile.identifiers, profile.dedupe, profile.conflicts, profile.weight, _rest_of(profile))
    )


def pack_presence(profile: Presence) -> bytes:
    """The same bytes. What is still packed, or has been packed by this before and not changed, is taken as it is."""
    rest = profile.rest
    if rest is None:
        assert isinstance(profile, Profile), "only what is unpacked can have changed"
        rest = profile.rest = msgspec.Raw(_pack.encode(_rest_of(profile)))
        profile.flags, profile.wakeup_at = profile.marks(), profile.earliest()
    header = HEADER.pack(2, profile.flags, profile.applied_offset, profile.wakeup_at, profile.last_active_at)
    return header + _pack.encode((profile.identifiers, profile.dedupe, profile.conflicts, profile.weight, rest))


def _rest_of(profile: Profile) -> tuple[Any, ...]:
    return profile.enrollments, profile.past, profile.refusals, profile.history, profile.poison, profile.dossier


def _pack_version_1(profile: Profile) -> bytes:
    flags = profile.marks() & HELD
    header = HEADER.pack(1, flags, profile.applied_offset, profile.earliest(), profile.last_active_at)
    return header + _pack.encode((
        profile.tenant, profile.profile_id, profile.applied_offset, profile.identifiers, profile.enrollments,
        profile.past, profile.refusals, profile.history, profile.dedupe, profile.conflicts, profile.last_active_at,
        profile.poison, profile.weight, profile.dossier,
    ))  # fmt: skip


def unpack_presence(value: bytes, *, key: bytes) -> Presence:
    """A profile from its packed state and its key, its rest still packed.

    Of state version 1, all of it. Raises Undecodable for a version this program does not know.
    """
    applied_offset, wakeup_at, _ = peek(value)
    try:
        if value[0] == 1:
            return _of_version_1(value)
        body = _body.decode(memoryview(value)[HEADER.size :])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"profile state: {error}") from error
    tenant, _, profile_id = key.decode().partition("/")
    return Presence(
        tenant=tenant, profile_id=profile_id, applied_offset=applied_offset, identifiers=body.identifiers,
        dedupe=body.dedupe, conflicts=body.conflicts, last_active_at=HEADER.unpack_from(value)[4], weight=body.weight,
        rest=NO_REST if body.rest == NO_REST else body.rest.copy(), flags=value[1], wakeup_at=wakeup_at,
    )  # fmt: skip


def unpack_rest(profile: Presence) -> Profile:
    """All of a profile. Raises Undecodable."""
    if isinstance(profile, Profile):
        return profile
    assert profile.rest is not None, "whatever is not unpacked has not changed"
    whole = Profile(
        tenant=profile.tenant, profile_id=profile.profile_id, applied_offset=profile.applied_offset,
        identifiers=profile.identifiers, dedupe=profile.dedupe, conflicts=profile.conflicts,
        last_active_at=profile.last_active_at, weight=profile.weight, stated=profile.stated, facts=profile.facts,
    )  # fmt: skip
    if profile.rest is NO_REST:
        return whole
    try:
        rest = _rest.decode(profile.rest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"profile state: {error}") from error
    _keep_apart(rest)
    whole.enrollments, whole.past, whole.refusals = rest.enrollments, rest.past, rest.refusals
    whole.history, whole.poison, whole.dossier = rest.history, rest.poison, rest.dossier
    return whole


def unpack_profile(value: bytes, *, key: bytes) -> Profile:
    """A profile from its packed state and its key. Raises Undecodable for a version this program does not know."""
    return unpack_rest(unpack_presence(value, key=key))


def _of_version_1(value: bytes) -> Profile:
    old = _version_1.decode(memoryview(value)[HEADER.size :])
    _keep_apart(old)
    return Profile(
        tenant=old.tenant, profile_id=old.profile_id, applied_offset=old.applied_offset, identifiers=old.identifiers,
        dedupe=old.dedupe, conflicts=old.conflicts, last_active_at=old.last_active_at, weight=old.weight,
        enrollments=old.enrollments, past=old.past, refusals=old.refusals, history=old.history, poison=old.poison,
        dossier=old.dossier,
    )  # fmt: skip


def _keep_apart(rest: RestBody | Version1) -> None:
    """The words of triggers from the bytes they stood in: nobody needs all of those for them."""
    for enrollment in rest.enrollments:
        enrollment.context = enrollment.context.copy()
    for message in () if rest.dossier is None else rest.dossier.messages:
        message.context = message.context.copy()


def peek(value: bytes) -> tuple[int, int, bool]:
    """(applied offset, wakeup, held) of a packed profile, without decoding it."""
    _check_version(value)
    _, flags, applied_offset, wakeup_at, _ = HEADER.unpack_from(value)
    return applied_offset, wakeup_at, bool(flags & HELD)


def pack_partition(record: PartitionRecord, *, epoch: int = 0, version: int = STATE_VERSION) -> bytes:
    """Header and body of a partition record; its applied offset is its position, its wakeup the epoch of its owner."""
    return HEADER.pack(version, 0, record.position, epoch, record.now_at) + _pack.encode(record)


def rank(key: bytes, value: bytes) -> tuple[int, int]:
    """Of two values of a key in a changelog, the one with the higher rank is to be believed, wherever it stands.

    A profile's state by its applied offset. A partition record by its epoch first: what an older owner has written
    later tells of states that the owner after it need not have.
    """
    applied_offset, wakeup_at, _ = peek(value)
    return (wakeup_at, applied_offset) if key == PARTITION_KEY else (0, applied_offset)


def epoch_of(partition_record: bytes) -> int:
    """The epoch of the owner that wrote a partition record."""
    return peek(partition_record)[1]


def unpack_partition(value: bytes) -> PartitionRecord:
    """A partition record from its packed form."""
    _check_version(value)
    try:
        return _partition.decode(memoryview(value)[HEADER.size :])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"partition record: {error}") from error


def _check_version(value: bytes) -> None:
    if len(value) < HEADER.size or value[0] not in STATE_VERSIONS:
        found = value[0] if value else "nothing"
        raise Undecodable(f"state of schema version {found}; this program knows versions 1 to {STATE_VERSION}")
