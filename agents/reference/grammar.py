"""The grammar of flow files, heard from the compiler: what may stand where. See `listening`.

The files that are listened to are flows of `docs/reference/every-key/`, which use every key once, and the recipes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from agents.reference.listening import Answer, Items, Keys, Listener, Part
from streams.flowfile.compiler import read
from streams.flowfile.nodes import Listing, Mapping, Node
from streams.flowfile.strict_yaml import parse

STEP = "a step"
EXAMPLES = "docs/reference/every-key"
#: Mappings whose keys are names that the author chooses, and what stands for all of them.
BY_NAME, ANY = frozenset({"arms", "values", "names", "ages"}), "*"
#: Parts beside which a mapping or a list may stand.
SINGLE = frozenset({"event", "word", "span", "time", "zone", "reference", "storefront", "value"})
JOINTS = ("all", "any", "not")


@dataclass
class Slot:
    """A place in a file: everything that was asked there in any file, and the places below it."""

    answers: list[Answer] = field(default_factory=list)
    below: dict[str, Slot] = field(default_factory=dict)
    item: Slot | None = None

    @property
    def part(self) -> Part | None:
        """The part of the language that stands here."""
        return next((answer for answer in self.answers if isinstance(answer, Part)), None)

    @property
    def told(self) -> list[Answer]:
        """The answers that count. A part says it all, but for a single value beside which other shapes may stand."""
        if self.part is None:
            return self.answers
        beside = [answer for answer in self.answers if isinstance(answer, Keys | Items)]
        return [self.part, *(beside if self.part.name in SINGLE else [])]

    @property
    def keys(self) -> list[Keys]:
        """The mappings that may stand here."""
        return [answer for answer in self.answers if isinstance(answer, Keys)]


class Grammar:
    """A flow file; and a step and a condition, which may stand in many places."""

    def __init__(self, texts: Iterable[str], *, read: Callable[[Listener, Node], object] = read) -> None:
        """`read` compiles. Raises ValueError for a text that is wrong: it would tell only half."""
        self.file = Slot()
        self.step = Slot()
        self.conditions: dict[str, Slot] = {}  # by what stands before the words in them
        for text in texts:
            listener = Listener()
            root = parse(text, listener.findings)
            read(listener, root)
            if wrong := [finding for finding in listener.findings if finding.severity == "error"]:
                raise ValueError(f"an example of the grammar is wrong: {wrong[0]}\n{text}")
            self._learn(self.file, root, listener)

    def _learn(self, slot: Slot, node: Node, listener: Listener) -> None:
        answers = listener.at(node)
        _add(slot, answers)
        for answer in answers:
            if isinstance(answer, Keys) and answer.what == STEP:
                slot = self.step
                _add(slot, answers)
            elif isinstance(answer, Part) and answer.name == "condition":
                slot = self.conditions.setdefault(answer.prefix, Slot())
        named = not any(isinstance(answer, Part) and answer.name in BY_NAME for answer in answers)
        if isinstance(node, Listing):
            slot.item = slot.item or Slot()
            for item in node.items:
                self._learn(slot.item, item, listener)
        elif isinstance(node, Mapping):
            for key, (_, value) in node.entries.items():
                self._learn(slot.below.setdefault(key if named else ANY, Slot()), value, listener)

    def unused(self) -> list[str]:
        """Keys that the compiler would take and that no example has."""
        return sorted({f"{what}: {key}" for what, key, below in self.all_keys() if below is None})

    def all_keys(self) -> Iterator[tuple[str, str, Slot | None]]:
        """Every key: of what, its name, and the place below it."""
        for keys, slot in self.mappings():
            for key in (*keys.required, *keys.optional):
                yield keys.what, key, slot.below.get(key)

    def mappings(self) -> Iterator[tuple[Keys, Slot]]:
        """Every mapping and its place, from the outside in."""
        front, seen = [self.file], set[int]()
        while front:
            slot = front.pop(0)
            if id(slot) in seen:
                continue
            seen.add(id(slot))
            yield from ((keys, slot) for keys in slot.keys if keys.what != STEP or slot is self.step)
            front += [*slot.below.values(), *([slot.item] if slot.item else [])]
            front += [self.step, *self.conditions.values()] if not front else []

    def predicates(self, prefix: str) -> dict[str, Slot]:
        """What a condition may ask beside words, by name."""
        below = self.conditions.get(prefix, Slot()).below
        return {name: slot for name, slot in below.items() if slot.answers and name not in JOINTS}


def _add(slot: Slot, answers: Iterable[Answer]) -> None:
    slot.answers += [answer for answer in answers if answer not in slot.answers]
