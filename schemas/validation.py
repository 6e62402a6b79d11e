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
    validator = validator_of(name)
    if not validator.is_valid(document):
        raise _refusal(next(iter(validator.iter_errors(document))), (within,) if within else ())


@cache
def validator_of(name: str) -> Draft202012Validator:
    """The validator of a published schema, compiled once."""
    text = resources.files("schemas").joinpath(f"published/{name}.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text), validate_formats=True)


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
