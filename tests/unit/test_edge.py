"""The edge: what is accepted and how it is changed, and the reason of each refusal."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import edge, identity
from schemas.catalog import TYPES
from schemas.codec import decode_event, decode_identity
from schemas.examples import EVENTS
from schemas.instants import from_wire
from schemas.limits import (
    ARRAY_ITEMS_MAX,
    DEPTH_MAX,
    ID_LENGTH_MAX,
    PROPERTIES_MAX,
    RECORD_BYTES_MAX,
    STRING_BYTES_MAX,
)
from schemas.refusals import DETAIL_LENGTH_MAX, Refused
from schemas.validation import validate_event, validator_of

RECEIVED_AT = from_wire("2026-11-21T13:00:00.000Z")


def event(**changes: Any) -> dict[str, Any]:
    """A small good event with some fields changed; None takes a field away."""
    fields = {
        "id": "e1",
        "source": "shop.site",
        "type": "commerce.checkout.started.v1",
        "time": "2026-11-21T12:00:00.000Z",
        "tenant": "acme",
        "identity": {"email": "ada@example.com"},
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def nested(depth: int) -> Any:
    """Lists in lists."""
    return [nested(depth - 1)] if depth else []


def canonical(**changes: Any) -> dict[str, Any]:
    """The canonical form of that event."""
    accepted = edge.accept(json.dumps(event(**changes)).encode(), received_at=RECEIVED_AT)
    form: dict[str, Any] = json.loads(accepted.value)
    return form


def refusal_of(value: bytes | None) -> Refused:
    with pytest.raises(Refused) as caught:
        edge.accept(value, received_at=RECEIVED_AT)
    assert 0 < len(caught.value.detail) <= DETAIL_LENGTH_MAX
    return caught.value


@pytest.mark.parametrize(
    ("value", "reason", "said"),
    [
        (None, "empty_record", "no value"),
        (b"", "empty_record", "no value"),
        (b'{"id": ', "broken_json", "truncated"),
        (b'{"id": 1e999}', "broken_json", "out of range"),
        (b'{"id": "\\ud800"}', "broken_json", "one JSON object"),
        (b'{"id": NaN}', "broken_json", "byte 7"),
        (b'{"id": "\xff"}', "invalid_utf8", "byte 8"),
        (b'{"id": \xff', "invalid_utf8", "byte 7"),
        (b"[1, 2]", "not_an_object", "a list"),
        (b'"text"', "not_an_object", '"text"'),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep", "flatten"),
        (b'{"id": "' + b"x" * RECORD_BYTES_MAX + b'"}', "too_large", str(RECORD_BYTES_MAX)),
    ],
)
def test_bytes_that_are_no_record(value: bytes | None, reason: str, said: str) -> None:
    refused = refusal_of(value)
    assert refused.reason == reason
    assert said in refused.detail


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"type": None}, "missing_field", "/type"),
        ({"type": 7}, "invalid_field", "/type"),
        ({"type": "commerce.order.place.v1"}, "unknown_type", "did you mean commerce.order.placed.v1?"),
        ({"type": "custom."}, "unknown_type", "custom.*"),
        ({"type": "custom." + "x" * 127}, "invalid_field", "/type"),
        ({"id": None}, "missing_field", "/id"),
        ({"id": ""}, "invalid_field", "/id"),
        ({"id": 6072300020800000086}, "number_for_text", 'write "6072300020800000086"'),
        ({"id": True}, "invalid_field", "/id"),
        ({"source": None}, "missing_field", "/source"),
        ({"tenant": None}, "missing_field", "/tenant"),
        ({"tenant": "a/b"}, "invalid_field", "/tenant"),
        ({"specversion": "2.0"}, "invalid_field", "/specversion"),
        ({"identity": None}, "no_identity", "absent"),
        ({"identity": {}}, "no_identity", "email"),
        ({"identity": {"email": " ", "external_id": "0", "anonymous_id": "Guest"}}, "no_identity", "names nobody"),
        ({"identity": {"cookie": "c1"}}, "no_identity", "(cookie)"),
        ({"identity": "ada@example.com"}, "invalid_field", "/identity"),
        ({"identity": {"external_id": 12}}, "number_for_text", "/identity/external_id"),
        ({"identity": {"email": "a" * 321}}, "invalid_field", "/identity/email"),
        ({"time": None}, "missing_field", "/time"),
        ({"time": "2026-11-21T12:00:00"}, "time_without_offset", "/time"),
        ({"time": "2026-11-21T12:00:00.123"}, "time_without_offset", "+01:00"),
        ({"time": "2026-11-21 12:00:00Z"}, "invalid_field", "/time"),
        ({"time": "2026-02-30T12:00:00Z"}, "invalid_field", "/time"),
        ({"time": "2026-11-21T12:00:00+99:00"}, "invalid_field", "/time"),
        ({"time": "1970-01-01T00:00:00Z"}, "invalid_field", "1990"),
        ({"time": "٢٠٢٦-11-21T12:00:00Z"}, "invalid_field", "/time"),
        ({"time": 1_763_732_710}, "invalid_field", "the number 1763732710"),
        # As long as what we write ourselves, and not that.
        ({"time": "2026-02-30T12:00:00.000Z"}, "invalid_field", "/time"),
        ({"time": "1989-12-31T23:59:59.999Z"}, "invalid_field", "1990"),
        ({"time": "2026-11-21 12:00:00.000Z"}, "invalid_field", "/time"),
        ({"time": "2026-11-21T12:00:00.1٢3Z"}, "invalid_field", "/time"),
        ({"time": "2026-11-21T12:00:00.1 3Z"}, "invalid_field", "/time"),
        ({"time": "20261121T120000.000.123Z"}, "invalid_field", "/time"),
        ({"received_at": "2026-11-21T12:00:00"}, "time_without_offset", "/received_at"),
        ({"arrived_at": "2026-11-21T12:00:00Z"}, "invalid_field", "replay files"),
        ({"value": {"amount": 19.9, "currency": "USD"}}, "number_for_text", "/value/amount"),
        ({"value": {"amount": "19,90", "currency": "USD"}}, "invalid_field", "/value/amount"),
        ({"value": {"amount": "19.90", "currency": "usd"}}, "invalid_field", "/value/currency"),
        ({"value": {"amount": "19.90"}}, "missing_field", "/value/currency"),
        ({"value": 19.9}, "invalid_field", "/value"),
        ({"properties": []}, "invalid_field", "/properties"),
        ({"properties": {f"p{n}": n for n in range(PROPERTIES_MAX + 1)}}, "too_many_properties", "400"),
        ({"properties": {"checkout_id": 41}}, "number_for_text", "/properties/checkout_id"),
        ({"context": {"channel_id": 2}}, "number_for_text", "/context/channel_id"),
        ({"items": [7]}, "invalid_field", "/items/0"),
        ({"items": [{}] * (ARRAY_ITEMS_MAX + 1)}, "too_many_items", "/items"),
        ({"properties": {"a/b": [1] * (ARRAY_ITEMS_MAX + 1)}}, "too_many_items", "/properties/a~1b"),
        ({"properties": {"deep": nested(DEPTH_MAX - 2)}}, "too_deep", "/properties/deep/0"),
        ({"properties": {"note": "x" * (STRING_BYTES_MAX + 1)}}, "string_too_long", "/properties/note"),
        ({"properties": {"note": "é" * (STRING_BYTES_MAX // 2 + 1)}}, "string_too_long", "/properties/note"),
        ({"properties": {"x" * (STRING_BYTES_MAX + 1): 1}}, "string_too_long", "member of /properties"),
        ({"properties": {"note": "a\0b"}}, "nul_character", "/properties/note"),
        ({"properties": {"a\0b": 1}}, "nul_character", "member of /properties"),
        ({"properties": {"n": [1e15] * 4_000, "m": [[1e15] * 4_000] * 20}}, "too_large", "canonical"),
        ({"backfill": "yes"}, "invalid_field", "/backfill"),
        ({"time_basis": "guess"}, "invalid_field", "/time_basis"),
        ({"dedupe_key": 5}, "number_for_text", "/dedupe_key"),
        ({"extra": "text", "loyalty": 1}, "invalid_field", "/extra"),
    ],
)
def test_events_that_are_not_as_the_schema_says(changes: dict[str, Any], reason: str, said: str) -> None:
    """Semantics 2.4 for the rows with a number in place of a text."""
    refused = refusal_of(json.dumps(event(**changes)).replace("1000000000000000.0", "1e15").encode())
    assert (refused.reason, said in refused.detail) == (reason, True), refused.detail


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-11-21T12:45:10.007Z", "2026-11-21T12:45:10.007Z"),
        ("2026-11-21t12:45:10.007Z", "2026-11-21T12:45:10.007Z"),
        ("2026-11-21T13:45:10+01:00", "2026-11-21T12:45:10.000Z"),
        ("2026-11-21t12:45:10.25z", "2026-11-21T12:45:10.250Z"),
        ("2026-11-21T12:45:10.123999999Z", "2026-11-21T12:45:10.123Z"),
        ("1990-01-01T00:00:00-23:59", "1990-01-01T23:59:00.000Z"),
    ],
)
def test_times_become_utc_with_milliseconds(time: str, expected: str) -> None:
    assert canonical(time=time)["time"] == expected


def test_the_time_of_receipt_is_noted_unless_the_event_says_it() -> None:
    assert canonical()["received_at"] == "2026-11-21T13:00:00.000Z"
    assert canonical(received_at="2026-11-21T12:30:00+00:00")["received_at"] == "2026-11-21T12:30:00.000Z"
    unsaid = edge.accept_event(event(), received_at=None)
    assert "received_at" not in json.loads(unsaid.value)


def test_identifiers_are_trimmed_and_those_of_nobody_left_out() -> None:
    said = {"email": " Ada@Example.COM ", "external_id": "null", "phone": "", "anonymous_id": "b7", "loyalty": "L1"}
    assert canonical(identity=said)["identity"] == {"email": "ada@example.com", "anonymous_id": "b7", "loyalty": "L1"}


def test_the_key_is_that_of_the_strongest_identifier() -> None:
    accepted = edge.accept_event(event(identity={"anonymous_id": "b7", "external_id": "x"}), received_at=None)
    expected = identity.profile_id(tenant="acme", kind="external_id", value="x")
    assert accepted.key == f"acme/{expected}".encode()
    assert identity.strongest(decode_identity(decode_event(accepted.value).identity)) == ("external_id", "x")


def test_unknown_fields_move_under_extra_which_keeps_its_own() -> None:
    form = canonical(loyalty={"tier": 2}, traceparent="t", extra={"traceparent": "mine"}, subject=None)
    assert form["extra"] == {"loyalty": {"tier": 2}, "traceparent": "mine"}
    assert "loyalty" not in form


def test_defaults_and_nulls_are_left_out() -> None:
    form = canonical(specversion="1.0", backfill=False)
    value = json.dumps(event() | {"properties": None, "value": None, "loyalty": None}).encode()
    assert set(form) == {"id", "source", "type", "time", "tenant", "identity", "received_at"}
    assert set(json.loads(edge.accept(value, received_at=RECEIVED_AT).value)) == {*form, "extra"}
    assert canonical(backfill=True)["backfill"] is True


def test_the_same_event_gives_the_same_bytes_whatever_the_order_of_its_members() -> None:
    one = json.dumps(event(properties={"b": 1, "a": {"d": 2, "c": 3}}), indent=1)
    other = json.dumps(dict(reversed(event(properties={"a": {"c": 3, "d": 2}, "b": 1}).items())))
    assert edge.accept(one.encode(), received_at=RECEIVED_AT) == edge.accept(other.encode(), received_at=RECEIVED_AT)


def test_what_is_nested_as_deeply_as_may_be_is_taken() -> None:
    deepest = {"deep": nested(DEPTH_MAX - 3)}
    assert canonical(properties=deepest)["properties"] == deepest


def test_numbers_of_any_size_keep_their_digits() -> None:
    accepted = edge.accept(
        json.dumps(event(properties={"n": 2**80 + 1, "m": 6072300020800000086})).encode(), received_at=RECEIVED_AT
    )
    assert json.loads(accepted.value)["properties"] == {"n": 2**80 + 1, "m": 6072300020800000086}


def test_lengths_are_counted_in_characters_by_edge_and_worker_alike() -> None:
    accepted = edge.accept_event(event(id="😀" * ID_LENGTH_MAX), received_at=None)
    assert len(decode_event(accepted.value).id) == ID_LENGTH_MAX
    assert refusal_of(json.dumps(event(id="😀" * (ID_LENGTH_MAX + 1))).encode()).reason == "invalid_field"


@pytest.mark.parametrize("type_", [*TYPES, "custom.quiz.finished.v1"])
def test_every_declared_type_is_taken(type_: str) -> None:
    assert edge.accept_event(event(type=type_), received_at=None).type == type_


def test_a_record_says_whether_it_is_an_event_a_watermark_or_the_end() -> None:
    assert edge.kind({"watermark": {}}) == "watermark"
    assert edge.kind({"end": {}}) == "end"
    assert edge.kind({}) == edge.kind({"type": "x", "watermark": {}}) == "event"


def test_a_watermark_is_normalized() -> None:
    said = {"source": "shop.orders", "tenant": "acme", "complete_through": "2026-11-21T13:30:00+01:00", "shop": None}
    mark = edge.accept_watermark({"watermark": said})
    assert (mark.complete_through, mark.shop) == ("2026-11-21T12:30:00.000Z", "")


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"complete_through": "2026-11-21T13:30:00"}, "time_without_offset", "/watermark/complete_through"),
        ({"complete_through": None}, "missing_field", "/watermark/complete_through"),
        ({"source": None}, "missing_field", "/watermark/source"),
        ({"source": ""}, "invalid_field", "/watermark/source"),
        ({"tenant": None}, "missing_field", "/watermark/tenant"),
        ({"shop": 2}, "number_for_text", "/watermark/shop"),
    ],
)
def test_watermarks_that_cannot_be_taken(changes: dict[str, Any], reason: str, said: str) -> None:
    good = {"source": "shop.orders", "tenant": "acme", "complete_through": "2026-11-21T13:30:00Z"}
    with pytest.raises(Refused) as caught:
        edge.accept_watermark({"watermark": good | changes})
    assert (caught.value.reason, said in caught.value.detail) == (reason, True), caught.value.detail


_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=130)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=8,
)
_mutated = st.builds(
    lambda base, changes: base | changes,
    st.sampled_from(EVENTS),
    st.dictionaries(st.sampled_from([*sorted(set().union(*EVENTS)), "subject", "extra", "new"]), _json, max_size=2),
)


@given(_mutated)
def test_what_is_accepted_can_be_decoded_and_passes_again_unchanged(document: dict[str, Any]) -> None:
    try:
        accepted = edge.accept(json.dumps(document).encode(), received_at=RECEIVED_AT)
    except Refused:
        return
    assert decode_event(accepted.value).type == accepted.type
    assert edge.accept(accepted.value, received_at=RECEIVED_AT) == accepted


@given(_mutated)
def test_the_rule_of_its_type_judges_an_event_as_the_whole_published_schema_does(document: dict[str, Any]) -> None:
    document |= {} if isinstance(document.get("type"), str) else {"type": "commerce.order.placed.v1"}
    whole = validator_of("event").is_valid(document)
    with nullcontext() if whole else pytest.raises(Refused):
        validate_event(document)


@given(st.binary(max_size=200) | _json.map(lambda value: json.dumps(value).encode()))
def test_whatever_the_bytes_the_edge_only_ever_refuses(value: bytes) -> None:
    with pytest.raises(Refused):
        edge.accept(value, received_at=RECEIVED_AT)
