"""JSON Schemas for editors, made from the grammar that the compiler was heard to have, and from its tables of words.

They complete and explain while somebody writes. What they let through the compiler may still refuse: labels that are
not there, words of the trigger, steps that nothing leads to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.reference.grammar import ANY, BY_NAME, STEP, Grammar, Slot
from agents.reference.lines import LINES
from agents.reference.listening import Items, Keys, Part, Value
from schemas.catalog import BY_SHORT, Kind, Word, words_of
from schemas.facts import BUILT_IN
from schemas.money import AMOUNT_PATTERN
from schemas.publish import DIALECT
from streams.clock.span import SPAN
from streams.clock.wall import TIME, WEEKDAYS
from streams.flowfile.comparisons import OPERATORS
from streams.flowfile.predicates.items import WORDS
from streams.flowfile.reader import NAME_LENGTH_MAX, NAME_PATTERN, SOURCE_PATTERN, TRIGGER

CUSTOM = "^custom_[A-Za-z0-9_]+$"
_NAME = {"type": "string", "pattern": f"^{NAME_PATTERN}$", "maxLength": NAME_LENGTH_MAX}
_WORD = {"type": "string", "pattern": f"^{TRIGGER.replace('.', chr(92) + '.')}.+$"}
_OTHER_WORD = _WORD["pattern"].replace(".+", "(?!items$).+")  # which is a predicate, too, and so declared by itself
_WHERE = "where"  # of which event is not known
_OF_ITEMS = "where.item"


def policy_file(grammar: Grammar) -> dict[str, Any]:
    """The schema of a policy file."""
    head = _head("policy-file", "What holds for all flows of a folder: quiet hours, caps, storefronts, sources.")
    return {**head, **_Maker(grammar).of(grammar.file)}


def _head(name: str, description: str) -> dict[str, Any]:
    title = f"Cartwheel {name.replace('-', ' ')}"
    return {"$schema": DIALECT, "$id": f"urn:cartwheel:schema:{name}:1", "title": title, "description": description}


def flow_file(grammar: Grammar) -> dict[str, Any]:
    """The schema of a flow file."""
    made = _Maker(grammar)
    head = _head("flow-file", "Whom a flow admits, what makes its message pointless, and which steps lead to it.")
    parts = {**made.parts(), **made.conditions(), **comparisons(), **_by_event()}
    return {**head, **made.of(grammar.file), "$defs": {name.replace(" ", "_"): part for name, part in parts.items()}}


def _named(value: dict[str, Any]) -> dict[str, Any]:
    """A mapping of names that the author chooses."""
    return {"type": "object", "minProperties": 1, "additionalProperties": value}


def _pattern(*patterns: str) -> dict[str, Any]:
    return {"type": "string", "pattern": "|".join(f"^{pattern}$" for pattern in patterns)}


_DAY = _pattern(f"({'|'.join(WEEKDAYS)})(-({'|'.join(WEEKDAYS)}))?")
_SOURCE = _pattern(SOURCE_PATTERN)
_LITERAL: dict[str, Any] = {"type": ["string", "number", "boolean"]}
#: Parts that look the same wherever they stand.
_PARTS: dict[str, dict[str, Any]] = {
    "match": _named(_WORD),
    "cases": _named({"$ref": "#/$defs/way"}),
    "words": _named({"enum": list(OPERATORS)}),
    "span": {**_pattern(SPAN.pattern), "minLength": 1},
    "time": _pattern(TIME.pattern),
    "zone": {"type": "string", "minLength": 1},
    "weekdays": {"anyOf": [_DAY, {"type": "array", "minItems": 1, "items": _DAY}]},
    "sources": {"anyOf": [_SOURCE, {"type": "array", "minItems": 1, "items": _SOURCE}]},
    "storefront": {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]},
    "reference": _pattern(r"trigger\..+", r"fact\.[A-Za-z_][A-Za-z0-9_]*"),
    "value": {"anyOf": [_LITERAL, {"type": "array", "items": {"type": "string"}}]},
}


class _Maker:
    """Slots to schemas."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar

    def of(self, slot: Slot | None) -> dict[str, Any]:
        """What may stand in a place."""
        if slot is None:
            return {}
        if any(keys.what == STEP for keys in slot.keys) and not slot.part:
            return _ref("step")
        kinds = [self._kind(slot, answer) for answer in slot.told]
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}

    def _part(self, slot: Slot, part: Part) -> dict[str, Any]:
        if part.name == "condition":
            return _ref("condition" if part.prefix else _WHERE)
        if part.name == "word":
            return _WORD if part.prefix else {"type": "string"}
        if part.name == "facts":
            return _facts()
        if part.name in BY_NAME:
            return _named(self.of(slot.below.get(ANY)))
        return _PARTS.get(part.name) or _ref(part.name)

    def _kind(self, slot: Slot, answer: Any) -> dict[str, Any]:
        if isinstance(answer, Items):
            return {"type": "array", "minItems": 1, "items": self.of(slot.item)}
        if isinstance(answer, Part):
            return self._part(slot, answer)
        return dict(answer.schema) if isinstance(answer, Value) else self._object(slot, answer)

    def _object(self, slot: Slot, keys: Keys) -> dict[str, Any]:
        names = (*keys.required, *keys.optional)
        lines = LINES.get(keys.what, {})
        members = {name: {**self.of(slot.below.get(name)), "description": lines.get(name, "")} for name in names}
        if keys.what == "`items`":
            members = {name: member | _ref(_OF_ITEMS) for name, member in members.items()}
        made: dict[str, Any] = {"type": "object", "properties": members, "additionalProperties": False}
        if keys.required:
            made["required"] = list(keys.required)
        if {"event", "where"} <= set(names):
            made["allOf"] = [_ref("words of the event")]
        elif {"trigger", "where"} <= set(names):
            made["allOf"] = [_ref("words of the trigger")]
        return made

    def parts(self) -> dict[str, Any]:
        """Steps, ways and conditions."""
        step = self._kind(self._grammar.step, self._grammar.step.keys[0])
        kinds = [name for name in step["properties"] if name != "label"]
        step["oneOf"] = [{"required": [name]} for name in kinds]
        stop = {"type": "object", "required": ["stop"], "additionalProperties": False}
        stop["properties"] = {name: step["properties"][name] for name in ("stop", "label")}
        way = {"anyOf": [_NAME, stop, {"type": "array", "minItems": 1, "items": _ref("step")}]}
        event = {"anyOf": [{"enum": list(BY_SHORT)}, {"type": "string", "pattern": CUSTOM}]}
        return {"step": step, "way": way, "event": event}

    def conditions(self) -> dict[str, Any]:
        """Conditions: on the words of each event, of an item, of an event that is not known, and of the trigger."""
        names = {short: _WHERE + "." + short for short in BY_SHORT}
        made = {name: self._condition(name, words_of(short), "") for short, name in names.items()}
        every = [words_of(short) for short in BY_SHORT]
        anything = {"anyOf": [_ref(_comparing(kind)) for kind in OPERATORS]}
        made[_OF_ITEMS] = self._condition(_OF_ITEMS, WORDS, "")
        made[_WHERE] = {**self._condition(_WHERE, {}, ""), "additionalProperties": anything}
        trigger = {word: kind for words in every for word, kind in words.items()}
        made["condition"] = self._condition("condition", trigger, TRIGGER)
        made["condition"]["patternProperties"] = {_OTHER_WORD: anything}
        return made

    def _condition(self, name: str, words: dict[str, Word], prefix: str) -> dict[str, Any]:
        parts = {"type": "array", "minItems": 1, "items": _ref(name)}
        members = {"all": parts, "any": parts, "not": _ref(name)}
        members |= {prefix + word: _ref(_comparing(declared.kind)) for word, declared in words.items()}
        anything = {prefix + word: declared for short in BY_SHORT for word, declared in words_of(short).items()}
        for key, slot in self._grammar.predicates(prefix).items():  # `items` is a word as well
            word = [_ref(_comparing(anything[key].kind))] if key in anything else []
            members[key] = {"anyOf": [*word, self.of(slot)]} if word else self.of(slot)
        return {"type": "object", "minProperties": 1, "additionalProperties": False, "properties": members}


def _facts() -> dict[str, Any]:
    """Those that are built in, and those of a policy file, of which the kind is not known here."""
    members = {name: _ref(_comparing(declared.kind)) for name, declared in BUILT_IN.items()}
    return {"type": "object", "minProperties": 1, "properties": members, "additionalProperties": {"type": "object"}}


def comparisons() -> dict[str, Any]:
    """A mapping of operators for each kind of word; and an amount of money."""
    amount, currency = {"type": "string", "pattern": AMOUNT_PATTERN}, {"type": "string", "pattern": "^[A-Z]{3}$"}
    money = {"type": "object", "required": ["money", "currency"], "additionalProperties": False}
    made: dict[str, Any] = {"money": {**money, "properties": {"money": amount, "currency": currency}}}
    operands: dict[Kind, dict[str, Any]] = {
        "number": {"type": "number"},
        "money": _ref("money"),
        "instant": {"type": "string", "format": "date-time"},
        "date": {"type": "string", "format": "date"},
    }
    for kind, operators in OPERATORS.items():
        operand = operands.get(kind, {"type": "string"})
        members = {operator: _operand(operator, operand) for operator in operators}
        made[_comparing(kind)] = {
            "description": kind, "type": "object", "minProperties": 1, "additionalProperties": False,
            "properties": members,
        }  # fmt: skip
    return made


def _operand(operator: str, operand: dict[str, Any]) -> dict[str, Any]:
    if operator.startswith("is_"):
        return {"type": "boolean"}
    return {"type": "array", "minItems": 1, "items": operand} if operator in ("in", "not_in") else operand


def _by_event() -> dict[str, Any]:
    """Which words `where` may use, by the event beside it, or by that of the trigger beside it."""

    def judged(within: Callable[[dict[str, Any]], dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"if": within({"event": {"const": short}}), "then": {"properties": {_WHERE: _ref(f"{_WHERE}.{short}")}}}
            for short in BY_SHORT
        ]

    def beside(members: dict[str, Any]) -> dict[str, Any]:
        return {"required": ["event"], "properties": members}

    def above(members: dict[str, Any]) -> dict[str, Any]:
        return {"required": ["trigger"], "properties": {"trigger": beside(members)}}

    return {"words of the event": {"allOf": judged(beside)}, "words of the trigger": {"allOf": judged(above)}}


def _comparing(kind: str) -> str:
    return f"compare {kind}"


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name.replace(' ', '_')}"}
