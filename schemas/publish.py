"""Publish the contracts: JSON Schema 2020-12 of every public message, generated from the structs.

    python -m schemas.publish [--check]

Writes `schemas/published/`; with `--check` it writes nothing and names what is out of date. `schemas.edge` judges by
the published files, so what is published is what holds.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import msgspec

from schemas import examples
from schemas.activation import Activation, Backfill, Migration
from schemas.catalog import TYPES, EventType
from schemas.codec import encode
from schemas.command import Command, Recall, Receipt
from schemas.control import Progress, Resolution, Tick, Watermark
from schemas.dead_letter import DeadLetter, DeadLetterAction
from schemas.decision import Decision
from schemas.event import NONE, Event
from schemas.refusals import REASONS

FOLDER = Path(__file__).parent / "published"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: For editors; made by `agents.reference`, which may ask the compiler.
EDITORS = frozenset({"flow-file.json", "policy-file.json", "timeline-file.json"})
CUSTOM_TYPE = r"^custom\..+$"


class Published(NamedTuple):
    """One public message: the name of its file, its struct, and examples as structs or documents."""

    name: str
    struct: type[msgspec.Struct]
    examples: Sequence[Any]


PUBLISHED = (
    Published("event", Event, examples.EVENTS),
    Published("watermark", Watermark, examples.WATERMARKS),
    Published("tick", Tick, examples.TICKS),
    Published("progress", Progress, examples.PROGRESS),
    Published("command", Command, examples.COMMANDS),
    Published("recall", Recall, examples.RECALLS),
    Published("decision", Decision, examples.DECISIONS),
    Published("receipt", Receipt, examples.RECEIPTS),
    Published("dead_letter", DeadLetter, examples.DEAD_LETTERS),
    Published("dead_letter_action", DeadLetterAction, examples.DEAD_LETTER_ACTIONS),
    Published("resolution", Resolution, examples.RESOLUTIONS),
    Published("activation", Activation, examples.ACTIVATIONS),
    Published("migration", Migration, examples.MIGRATIONS),
    Published("backfill", Backfill, examples.BACKFILLS),
)


def files() -> dict[str, str]:
    """Every published file: its name and what it must hold."""
    return {f"{entry.name}.json": json.dumps(_schema(entry), indent=2) + "\n" for entry in PUBLISHED}


def outdated() -> list[str]:
    """The names of published files that are missing, differ, or are of nothing that is published any more."""
    wanted = files()
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json") if path.name not in EDITORS}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def _schema(entry: Published) -> dict[str, Any]:
    (reference,), components = msgspec.json.schema_components(
        [_with_plain_defaults(entry.struct)], ref_template="#/$defs/{name}"
    )
    body = components.pop(reference["$ref"].rpartition("/")[2])
    head = {"$schema": DIALECT, "$id": f"urn:cartwheel:schema:{entry.name}:1"}
    schema: dict[str, Any] = {**head, **body, "examples": [json.loads(encode(each)) for each in entry.examples]}
    if entry.struct is Event:
        _declare_types(schema, components)
    if entry.struct is DeadLetter:
        reasons = [{"const": reason, "description": sentence} for reason, sentence in REASONS.items()]
        schema["properties"]["reason"]["oneOf"] = reasons
    return {**schema, "$defs": components} if components else schema


def _with_plain_defaults(struct: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The struct with null where a field defaults to undecoded bytes, which the generator cannot write down."""
    hints = get_type_hints(struct, include_extras=True)
    fields: list[Any] = [
        (field.name, hints[field.name]) if field.required else (field.name, hints[field.name], _plain_default(field))
        for field in msgspec.structs.fields(struct)
    ]
    return msgspec.defstruct(struct.__name__, fields, kw_only=True, namespace={"__doc__": inspect.getdoc(struct)})


def _plain_default(field: Any) -> Any:
    if field.default is msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    return None if field.default is NONE else field.default


def _declare_types(schema: dict[str, Any], components: dict[str, Any]) -> None:
    """The closed list of types, and for each its declared words: a word that is text may be nothing else."""
    kinds = [{"enum": list(TYPES)}, {"pattern": CUSTOM_TYPE, "description": "a type of your own"}]
    schema["properties"]["type"]["anyOf"] = kinds
    schema["properties"]["context"]["properties"] = _members(next(iter(TYPES.values())), "context")
    schema["allOf"] = []
    for declared in TYPES.values():
        if members := _members(declared, "properties"):
            components[declared.name] = {"description": f"words of `{declared.short}`", "properties": members}
            then = {"properties": {"properties": {"$ref": f"#/$defs/{declared.name}"}}}
            schema["allOf"].append({"if": {"properties": {"type": {"const": declared.name}}}, "then": then})


def _members(declared: EventType, part: str) -> dict[str, Any]:
    words = [word for word in declared.words.values() if word.path[0] == part and len(word.path) > 1]
    return {
        word.path[1]: {"type": ["string", "null"]} if word.kind == "text" else {"description": word.kind}
        for word in words
    }


def main(arguments: Sequence[str]) -> int:
    """Write the files, or with `--check` say which are out of date; 1 if any is."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python -m schemas.publish [--check]", file=sys.stderr)
        return 2
    stale = outdated()
    if arguments:
        for name in stale:
            print(f"schemas/published/{name} is out of date; run python -m schemas.publish", file=sys.stderr)
        return 1 if stale else 0
    wanted = files()
    FOLDER.mkdir(exist_ok=True)
    for name in stale:
        path = FOLDER / name
        path.write_text(wanted[name], encoding="utf-8") if name in wanted else path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
