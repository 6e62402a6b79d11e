"""The codec: packed state with a header that is read without decoding, and versions that are refused."""

from __future__ import annotations

import pytest

from schemas import codec
from schemas.event import Event, LoggedMoney
from schemas.flow import Reentry
from schemas.profile import NEVER, PartitionRecord, Profile
from streams.rehearsal import event_record
from tests.unit.stage import Stage, at, checkout, event, flow, order, send, settle, wait

KEY = event_record(checkout("10:00"), at=0).key


def everything() -> Profile:
    """A profile with something in every field."""
    stage = Stage(
        flow(wait(15), settle(), send(), reentry=Reentry(policy="never")), flow(name="b", key="checkout_id", exits=[])
    )
    stage.event(order("09:00", total="1.00")).event(checkout("10:00", checkout_id="C1", total="5.00", channel_id="2"))
    stage.event(event("product_viewed", "10:01")).event(checkout("10:02")).pass_time("10:20")
    return stage.profile()


def test_a_profile_comes_back_as_it_was() -> None:
    profile = everything()
    assert profile.enrollments
    assert profile.history
    assert profile.refusals
    assert profile.past
    for version in codec.STATE_VERSIONS:
        assert codec.unpack_profile(codec.pack_profile(profile, version=version), key=KEY) == profile


def test_version_2_leaves_out_what_the_key_and_the_header_say() -> None:
    profile = everything()
    assert len(codec.pack_profile(profile)) < len(codec.pack_profile(profile, version=1)) - len(KEY)
    assert profile.profile_id.encode() not in codec.pack_profile(profile)


def test_a_profile_weighs_the_same_in_every_version() -> None:
    """What is evicted must not depend on which version is written."""
    profile = everything()
    read = [codec.unpack_profile(codec.pack_profile(profile, version=one), key=KEY) for one in codec.STATE_VERSIONS]
    assert {len(codec.pack_profile(one)) for one in read} == {len(codec.pack_profile(profile))}


def test_the_same_profile_gives_the_same_bytes() -> None:
    """Semantics 1.3: replays are byte-identical."""
    packed = codec.pack_profile(everything())
    assert codec.pack_profile(codec.unpack_profile(packed, key=KEY)) == packed
    assert codec.pack_profile(everything()) == packed


def test_the_header_says_how_far_when_and_whether_held() -> None:
    profile = everything()
    assert codec.peek(codec.pack_profile(profile)) == (profile.applied_offset, at("12:15"), True)
    nobody = Profile(tenant="acme", profile_id="p")
    assert codec.peek(codec.pack_profile(nobody)) == (-1, NEVER, False)


def test_a_partition_record_comes_back_as_it_was() -> None:
    record = PartitionRecord(
        position=7,
        now_at=at("10:00"),
        watermarks=[("a", "b", "", 5)],
        through_at=at("09:59"),
        through_key="acme/x",
        clock="live",
        incarnation="i",
    )
    packed = codec.pack_partition(record)
    assert codec.unpack_partition(packed) == record
    assert codec.peek(packed)[0] == 7


@pytest.mark.parametrize("version", [0, 3, 255])
def test_a_state_of_another_version_is_refused_by_name(version: int) -> None:
    packed = bytes([version]) + codec.pack_profile(everything())[1:]
    for read in (lambda value: codec.unpack_profile(value, key=KEY), codec.unpack_partition, codec.peek):
        with pytest.raises(codec.Undecodable, match=f"version {version}; this program knows versions 1 to 2"):
            read(packed)


@pytest.mark.parametrize("cut", [0, 1, 10, codec.HEADER.size, codec.HEADER.size + 5])
def test_a_state_that_was_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(codec.Undecodable):
        codec.unpack_profile(codec.pack_profile(everything())[:cut], key=KEY)


def test_json_is_canonical() -> None:
    assert codec.encode({"b": 1, "a": [1.5, None]}) == b'{"a":[1.5,null],"b":1}'


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b'{"through":"2026-11-20T10:00:00.000Z","watermarks":5}'])
def test_json_that_is_not_what_it_should_be_says_so(value: bytes) -> None:
    with pytest.raises(codec.Undecodable):
        codec.decode(value, PartitionRecord)


def test_an_event_keeps_its_parts_undecoded_and_comes_back_byte_for_byte() -> None:
    value = codec.encode(checkout("10:00", checkout_id="C1", total="5.00"))
    decoded = codec.decode(value, Event)
    assert bytes(decoded.properties) == b'{"checkout_id": "C1"}'
    assert codec.encode(decoded) == value


def test_the_core_reads_the_same_event_back_without_what_nobody_asks_for() -> None:
    whole = checkout("10:00", checkout_id="C1", total="5.00")
    read = codec.decode_event(codec.encode(whole))
    assert codec.decode_identity(read.identity) == whole.identity
    for name in set(read.__struct_fields__) - {"identity", "value"}:
        assert getattr(read, name) == getattr(whole, name)
    assert read.value == LoggedMoney("5.00", "USD")
