"""The JSON Schema of timeline files for editors, made from the tables that their reader uses."""

from __future__ import annotations

from typing import Any, get_args

from agents.reference.editor_schemas import CUSTOM, comparisons
from schemas.catalog import BY_SHORT, Kind, words_of
from schemas.facts import STATING
from schemas.money import AMOUNT_PATTERN
from schemas.publish import DIALECT
from streams.flowfile.reader import NAME_LENGTH_MAX, NAME_PATTERN, SOURCE_PATTERN
from streams.flowfile.timeline_event import WHO
from streams.flowfile.timeline_file import ENVELOPE, OF_FLOW, OF_PERSON
from streams.timeline import Happening, Total

_TIME = {"type": "string", "description": '`"10:40"`, `"10:40:05"`, or a full RFC 3339 time'}
_SOURCE = {"type": "string", "pattern": f"^{SOURCE_PATTERN}$", "description": "where it comes from"}
_NAME = {"type": "string", "pattern": f"^{NAME_PATTERN}$", "maxLength": NAME_LENGTH_MAX}
_TEXT = {"type": "string"}


def timeline_file() -> dict[str, Any]:
    """A list of scripted days."""
    day = _object(
        {
            "name": {**_TEXT, "description": "what this day shows"},
            "with": {**_list(_NAME), "description": "other flows in play, from files beside this one"},
            "timeline": {**_list(_line()), "description": "what happens, in the order in which it arrives"},
            "expect": {**_list(_expectation()), "description": "what must have been decided in the end"},
        },
        required=("name", "timeline", "expect"),
    )
    return {
        "$schema": DIALECT,
        "$id": "urn:cartwheel:schema:timeline-file:1",
        "title": "Cartwheel timeline file",
        "description": "Scripted days beside a flow file, and what is expected of the flow on each of them.",
        **_list(day),
        "$defs": {"money": comparisons()["money"]},
    }


def _line() -> dict[str, Any]:
    boolean = {"type": "boolean"}
    watermark = {"source": _SOURCE, "complete_through": _TIME, "shop": _TEXT, "estimated": boolean}
    shown = {"at": _TIME, "watermark": _object(watermark, required=("source", "complete_through"))}
    around = {"at": _TIME, "arrives": _TIME, "source": _SOURCE, "id": _TEXT, "dedupe_key": _TEXT, "backfill": boolean}
    assert around.keys() == set(ENVELOPE)
    event = _object({**around, **{short: _event(short) for short in BY_SHORT}}, required=("at",))
    event |= {"minProperties": 2, "patternProperties": {CUSTOM: {"type": "object"}}}
    moments = [_object({word: _TIME}, required=(word,)) for word in ("advance", "end")]
    return {"anyOf": [event, _object(shown, required=tuple(shown)), *moments]}


def _event(short: str) -> dict[str, Any]:
    """A fact may be unset by null, and one that a policy declares is of a kind that is not known here."""
    who = dict.fromkeys(WHO, _NAME)
    states = short in STATING
    values = {name: _value(word.kind) for name, word in words_of(short).items()}
    for name in [name for name, word in words_of(short).items() if states and word.path[0] == "properties"]:
        values[name] = {"anyOf": [values[name], {"type": "null"}]}
    made = _object({**who, **values}) | {"additionalProperties": states}
    return {**made, "anyOf": [{"required": [name]} for name in who]}


def _value(kind: Kind) -> dict[str, Any]:
    values: dict[Kind, dict[str, Any]] = {
        "money": {"anyOf": [{"type": "string", "pattern": AMOUNT_PATTERN}, {"$ref": "#/$defs/money"}]},
        "number": {"type": "number"},
        "boolean": {"type": "boolean"},
        "instant": {"type": "string", "format": "date-time"},
        "list": {"type": "array", "minItems": 1},
    }
    return {**values.get(kind, {"type": ["string", "integer"]}), "description": kind}


def _expectation() -> dict[str, Any]:
    profile = {"profile": {**_TEXT, "description": "a name from the timeline"}}
    flow = {"flow": {**_NAME, "description": "one of `with`; without it the flow itself"}}
    happened = [
        _object({word: _TEXT, "at": _TIME, **profile, **flow}, required=(word,)) for word in get_args(Happening)
    ]
    count = {"type": "integer", "minimum": 0}
    totals = [
        _object(
            {
                total: count,
                **(profile if total in OF_PERSON else {}),
                **(flow if total in OF_FLOW else {}),
            },
            required=(total,),
        )
        for total in get_args(Total)
    ]
    return {"anyOf": [*happened, *totals]}


def _object(members: dict[str, Any], *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": members, "additionalProperties": False, "required": list(required)}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": item}
