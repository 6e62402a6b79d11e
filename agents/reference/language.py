"""`docs/reference/language.md`: every key, operator, event and word, as tables made from the compiler's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from agents.reference.grammar import STEP, Grammar, Slot
from agents.reference.lines import LINES
from agents.reference.listening import Items, Keys, Part, Value
from schemas.catalog import BY_SHORT, Word, words_of
from streams.flowfile.comparisons import OPERATORS

PATH = "docs/reference/language.md"
_HEAD = """# The language, in tables

Every key of a flow file, every operator, every event and its words. This page is made from what the compiler asks for
(`make docs`); what the parts mean and how they go together is told in [flow files](flow-files.md). The same in a form
for editors: [flow-file.json](../../schemas/published/flow-file.json). Flows that use every key once stand in
[every-key/](every-key).
"""
_PARTS = {
    "condition": "a condition",
    "event": "the short name of an event",
    "way": "a way",
    "match": "`{ word: trigger.word }`",
    "cases": "`{ text: way }`",
    "facts": "`{ name: comparison }`",
    "words": "`{ word: kind }`",
    "span": "a span",
    "time": "a time of the day",
    "zone": "a time zone",
    "weekdays": "weekdays",
    "sources": "a source or a list of them",
    "storefront": "`trigger.word`, `fact.name` or text",
    "reference": "`trigger.word` or `fact.name`",
    "value": "a value",
    "values": "`{ name: value }`",
    "names": "a mapping of names",
    "ages": "`{ fact: a duration }`",
    "arms": "`{ name: arm }`",
}


def page(grammar: Grammar, policy: Grammar) -> str:
    """The whole page."""
    sections = [_HEAD, "## Keys\n", *tables(grammar.mappings())]
    sections += ["## Keys of a policy file\n", *tables(policy.mappings())]
    sections += [*_operators(), *_events()]
    return "\n".join(sections).rstrip("\n") + "\n"


def tables(mappings: Iterable[tuple[Keys, Slot]]) -> Iterator[str]:
    """A table of keys for each kind of mapping among these."""
    rows: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for keys, slot in mappings:
        needed = rows.setdefault((keys.what, keys.required), [])
        for name in (*keys.required, *keys.optional):
            row = _row(keys, name, slot.below.get(name))
            if row not in needed:
                needed.append(row)
    for (what, required), lines in rows.items():
        names = sum(other == what for other, _ in rows)
        yield f"### {what}{' with ' + ' and '.join(f'`{name}`' for name in required) if names > 1 else ''}\n"
        yield "| Key | Takes | Default | Meaning |\n|---|---|---|---|"
        yield "\n".join(lines) + "\n"


def _row(keys: Keys, name: str, slot: Slot | None) -> str:
    defaults = [answer.default for answer in (slot.answers if slot else ()) if isinstance(answer, Value)]
    default = next((f"`{each}`" for each in defaults if each), "")
    if name in keys.required:
        default = "required"
    elif keys.what == STEP or not default:
        default = "none"
    return f"| `{name}` | {takes(slot)} | {default} | {LINES[keys.what][name]} |"


def takes(slot: Slot | None) -> str:
    """What may stand in a place, in words."""
    return " or ".join(dict.fromkeys(_takes(slot.told if slot else ())))


def _takes(answers: Iterable[object]) -> Iterator[str]:
    for answer in answers:
        if isinstance(answer, Part):
            yield _PARTS.get(answer.name) or (f"`{answer.prefix}` and a word" if answer.prefix else "a word")
        elif isinstance(answer, Value):
            yield answer.says
        elif isinstance(answer, Items):
            yield "a list"
        elif isinstance(answer, Keys):
            yield f"a mapping, see {answer.what}"


def _operators() -> Iterator[str]:
    yield "## Operators\n"
    yield "| Kind | Operators |\n|---|---|"
    yield "\n".join(f"| {kind} | {_quoted(operators)} |" for kind, operators in OPERATORS.items()) + "\n"


def _events() -> Iterator[str]:
    yield "## Events and their words\n"
    shared = words_of("custom_")
    yield f"Every event, also one of your own, has {words(shared)}.\n"
    yield "| Event | More words |\n|---|---|"
    for short, declared in BY_SHORT.items():
        more = {name: word for name, word in declared.words.items() if name not in shared}
        yield f"| `{short}` | {words(more)} |"


def words(declared: Mapping[str, Word]) -> str:
    """Names, by kind."""
    kinds = dict.fromkeys(word.kind for word in declared.values())
    by_kind = {kind: [name for name, word in declared.items() if word.kind == kind] for kind in kinds}
    return ", ".join(f"{_quoted(names)} ({kind})" for kind, names in by_kind.items())


def _quoted(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)
