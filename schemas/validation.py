"""Validation by the published schemas, with each finding under the reason that fits it best."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind

from schemas.limits import PROPERTIES_MAX
from schemas.refusals import Refused, missing, not_text, pointer

_MESSAGE_LENGTH_MAX = 300


def validate(document: dict[str, Any], name: str, *, within: str | None = None) -> None:
    """Raise `Refused` if a document is not as `schemas/published/NAME.json` says; `within` is where it stands."""
    if not validator_of(name).is_valid(document):
        raise _refusal(next(iter(validator_of(name).iter_errors(document))), (within,) if within else ())


def validate_event(event: dict[str, Any]) -> None:
    """The same for an event. Of most types there is a shorter schema that comes to the same."""
    validator = _of_type().get(event["type"])
    if validator is None or not validator.is_valid(event):
        validate(event, "event")


@cache
def validator_of(name: str) -> Draft202012Validator:
    """The validator of a published schema, compiled once."""
    return Draft202012Validator(_published(name), validate_formats=True)


@cache
def _of_type() -> dict[str, Draft202012Validator]:
    """By type, the schema of events with the one rule that is about this type: asking all of them takes time."""
    schema = _published("event")
    rules = {rule["if"]["properties"]["type"]["const"]: rule["then"] for rule in schema["allOf"]}
    known = schema["properties"] | {"type": True}
    return {
        type_: Draft202012Validator(schema | {"properties": known, "allOf": [rule]}, validate_formats=True)
        for type_, rule in rules.items()
    }


def _published(name: str) -> dict[str, Any]:
    text = resources.files("schemas").joinpath(f"published/{name}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _refusal(error: ValidationError, within: tuple[str, ...]) -> Refused:
    if isinstance(error.kind, ValidationErrorKind.AnyOf):
        error = _telling(error.kind.context) or error
    path = (*within, *error.instance_path)
    match error.kind:
        case ValidationErrorKind.Required(property=name):
            return missing(*path, name)
        case ValidationErrorKind.MaxProperties(limit=limit) if limit == PROPERTIES_MAX:
            return Refused("too_many_properties", f"{pointer(path)} has more than {limit} members; leave some out")
        case ValidationErrorKind.Type(types=types) if "string" in types:
            return not_text(path, error.instance)
    message = error.message
    message = message if len(message) <= _MESSAGE_LENGTH_MAX else f"{message[:_MESSAGE_LENGTH_MAX]}…"
    return Refused("invalid_field", f"{pointer(path)}: {message}; see the published schema")


def _telling(branches: list[list[ValidationError]]) -> ValidationError | None:
    """Of "this or null" the finding about this: that it is not null either tells nothing."""
    for branch in branches:
        if branch and not (isinstance(branch[0].kind, ValidationErrorKind.Type) and branch[0].kind.types == ["null"]):
            return branch[0]
    return None
