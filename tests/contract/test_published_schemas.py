"""The published schemas: up to date, sound, and true of their own examples."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from schemas import publish
from schemas.catalog import TYPES
from schemas.refusals import REASONS
from schemas.validation import validator_of

SCHEMAS = [pytest.param(json.loads(text), id=name) for name, text in publish.files().items()]


def test_generating_them_again_gives_no_difference() -> None:
    assert publish.outdated() == []
    assert publish.main(["--check"]) == 0


@pytest.mark.parametrize("schema", SCHEMAS)
def test_each_is_a_described_schema_of_2020_12(schema: dict[str, Any]) -> None:
    meta.validate(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].startswith("urn:cartwheel:schema:")
    assert schema["title"]
    assert schema["description"]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_example_is_valid(schema: dict[str, Any]) -> None:
    assert schema["examples"]
    validator = Draft202012Validator(schema, validate_formats=True)
    for example in schema["examples"]:
        validator.validate(example)


def test_the_event_schema_knows_every_type_and_keeps_declared_texts_text() -> None:
    validator = validator_of("event")
    event = publish.PUBLISHED[0].examples[1]
    for type_ in TYPES:
        assert validator.is_valid(event | {"type": type_})
    assert not validator.is_valid(event | {"type": "commerce.order.placed"})
    assert not validator.is_valid(event | {"properties": {"order_id": 123}})
    assert validator.is_valid(event | {"type": "custom.order", "properties": {"order_id": 123}})


def test_a_dead_letter_gives_a_reason_of_the_list() -> None:
    validator = validator_of("dead_letter")
    letter = json.loads(publish.files()["dead_letter.json"])["examples"][0]
    assert all(validator.is_valid(letter | {"reason": reason}) for reason in REASONS)
    assert not validator.is_valid(letter | {"reason": "because"})
