"""The pages of triggers, steps and predicates, one for each kind. What it is for and its examples are written by hand.

What the compiler knows is put in here: everything from the heading `Keys` on, and what it says of each row under
`Mistakes`. A number in brackets, as in [3.8], becomes a link to that part of the semantics.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from agents.reference import language
from agents.reference.grammar import BY_NAME, SINGLE, STEP, Grammar, Slot
from agents.reference.listening import Keys
from streams.flowfile import Finding, check
from streams.flowfile import nodes as tree
from streams.flowfile.later import LATER as STEPS_LATER
from streams.flowfile.meanings import PAGES as FINDINGS
from streams.flowfile.predicates import PREDICATES
from streams.flowfile.reader import TRIGGER, Reader
from streams.flowfile.step_kinds import KINDS
from streams.flowfile.strict_yaml import parse
from streams.flowfile.triggers import TRIGGERS, trigger
from streams.flowfile.triggers.start import LATER as TRIGGERS_LATER

MADE_FROM = "\n## Keys\n"
SEMANTICS = "docs/semantics.md"
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MISTAKE = re.compile(r"^\| `(.+?)` \|.*$", re.MULTILINE)
_MISTAKES = "\n## Mistakes\n"
_NUMBER = re.compile(r"\[(\d+\.\d+)\]")
_WRITTEN = "WRITTEN"


class Family(NamedTuple):
    """What has a page for each of its kinds. `frame` is a flow with a place for something wrong."""

    name: str
    title: str
    kinds: tuple[str, ...]
    later: tuple[str, ...]
    frame: str

    def path(self, kind: str) -> str:
        """The page of a kind."""
        return f"{self.folder}/{kind.replace('.', '_')}.md"

    @property
    def folder(self) -> str:
        """Where its pages lie."""
        return f"docs/reference/{self.name}"


def _frame(*, entry: str, step: str) -> str:
    return f"flow: tried\nentry: {{ reentry: always, {entry} }}\nsteps:\n  - {{ {step} }}\n  - stop: done\n"


_CHECKOUT, _TOLD = "trigger: { event: checkout_started }", "emit: { event: custom_told }"
FAMILIES = (
    Family("triggers", "Triggers", tuple(TRIGGERS), tuple(sorted(TRIGGERS_LATER)), _frame(entry=_WRITTEN, step=_TOLD)),
    Family("steps", "Steps", tuple(KINDS), tuple(STEPS_LATER), _frame(entry=_CHECKOUT, step=_WRITTEN)),
    Family(
        "predicates", "Predicates", (*PREDICATES, "items"), (),
        _frame(entry=f"{_CHECKOUT}, filter: {{ {_WRITTEN} }}", step=_TOLD),
    ),
)  # fmt: skip


def files(root: Path, grammar: Grammar) -> dict[str, str]:
    """Every page and the index of each family, by path. Raises FileNotFoundError for a kind without a page."""
    anchors = _anchors((root / SEMANTICS).read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for family in FAMILIES:
        texts = {kind: (root / family.path(kind)).read_text(encoding="utf-8") for kind in family.kinds}
        found |= {family.path(kind): made(family, kind, text, grammar, anchors) for kind, text in texts.items()}
        found[f"{family.folder}/README.md"] = _index(family, texts)
    return found


def examples(text: str) -> list[str]:
    """The YAML blocks of a page: flows, and behind one its timelines."""
    return _BLOCK.findall(text)


def mistakes(text: str) -> list[str]:
    """What stands under `Mistakes`, row by row."""
    return [found.group(1) for found in _MISTAKE.finditer(text.partition(_MISTAKES)[2].partition(MADE_FROM)[0])]


def said_of(family: Family, written: str) -> list[Finding]:
    """What the compiler says when this is written in a flow where nothing else is wrong."""
    return list(check(family.frame.replace(_WRITTEN, written), name=family.name).findings)


def made(family: Family, kind: str, text: str, grammar: Grammar, anchors: Mapping[str, str]) -> str:
    """The page with what the compiler says today.

    Raises ValueError for a number that the semantics do not have, and for a mistake that is none.
    """
    head, heading, rows = text.partition(MADE_FROM)[0].partition(_MISTAKES)
    rows = _MISTAKE.sub(lambda row: _told(family, row.group(1)), rows)
    written = f"{head}{heading}{rows}".rstrip()
    sections = [written, MADE_FROM, *_keys(family, kind, grammar)]
    if family.name == "triggers":
        sections += ["## Words\n", *_words(examples(text))]
    numbers = sorted(set(_NUMBER.findall(written)), key=lambda number: [*map(int, number.split("."))])
    if unknown := [number for number in numbers if number not in anchors]:
        raise ValueError(f"{family.path(kind)} names sentences that are not there: {', '.join(unknown)}")
    links = [f"[{number}]: ../../semantics.md#{anchors[number]}" for number in numbers]
    return "\n".join([*sections, *links]).rstrip("\n") + "\n"


def _told(family: Family, written: str) -> str:
    finding = next(iter(said_of(family, written)), None)
    if finding is None:
        raise ValueError(f"{family.name}: `{written}` stands under `Mistakes`, and is none")
    page = f"../{FINDINGS.rpartition('/')[2]}/{finding.code}.md"
    return f"| `{written}` | [`{finding.code}`]({page}) | {finding.message}. {finding.hint} |"


def _keys(family: Family, kind: str, grammar: Grammar) -> Iterator[str]:
    if family.name == "triggers":
        place = grammar.file.below["entry"].below["trigger"]
        own = [(keys, place) for keys in place.keys if kind in keys.required]
        yield from language.tables([*own, *_inside(place.below[kind])])
        yield "Beside `trigger` stand the keys of [`entry`](../language.md#entry), with their defaults.\n"
    elif family.name == "steps":
        [keys] = (keys for keys in grammar.step.keys if keys.what == STEP)
        own = [(keys._replace(optional=("label", kind)), grammar.step)]
        yield from language.tables([*own, *_inside(grammar.step.below[kind])])
    else:
        place = grammar.predicates(TRIGGER)[kind]
        yield f"`{kind}` takes {language.takes(place)}.\n"
        yield from language.tables(_inside(place))


def _inside(slot: Slot) -> Iterator[tuple[Keys, Slot]]:
    """The mappings of a place and below it, but for parts that have a grammar of their own."""
    if slot.part is not None and slot.part.name not in SINGLE | BY_NAME:
        return
    yield from ((keys, slot) for keys in slot.keys if keys.what != STEP)
    for below in (*slot.below.values(), *([slot.item] if slot.item else [])):
        yield from _inside(below)


def _words(texts: Iterable[str]) -> Iterator[str]:
    """What `trigger.` may be followed by, in each example."""
    for text in texts:
        reader = Reader("example")
        match parse(text, reader.findings):
            case tree.Mapping(entries={"flow": (_, tree.Scalar(text=name)), "entry": (_, tree.Mapping() as entry)}):
                words = trigger(reader, entry.entries["trigger"][1]).words or {}
                yield f"In `{name}`, `{TRIGGER}` may be followed by {language.words(words)}.\n"


def _anchors(semantics: str) -> dict[str, str]:
    """By number of a sentence, the anchor of its section."""
    anchor, found = "", {}
    for title, number in re.findall(r"^(?:## (.+)|\*\*(\d+\.\d+)\*\*.*)$", semantics, re.MULTILINE):
        if title:
            anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        else:
            found[number] = anchor
    return found


def _index(family: Family, texts: Mapping[str, str]) -> str:
    rows = [f"| [`{kind}`]({Path(family.path(kind)).name}) | {_first_sentence(text)} |" for kind, text in texts.items()]
    head = [f"# {family.title}", "", "| Kind | What it does |", "|---|---|"]
    later = ", ".join(f"`{kind}`" for kind in family.later)
    tail = ["", f"Refused as [`not_available_yet`](../findings/not_available_yet.md): {later}."] if later else []
    return "\n".join([*head, *rows, *tail]) + "\n"


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.split("\n\n")[1].split())
    return re.sub(rf" {_NUMBER.pattern}", "", re.split(r"(?<=\.) (?=[A-Z`])", paragraph)[0])
