"""The steps of a flow file: lists, labels and targets, compiled to one flat tuple of steps.

A step leads to the step below it; the last one of a list to whatever comes after that list; the very end is an implicit
`stop: done`. A *target* (the ways of `if` and `route`) is a label, `{ stop: reason }`, or a list of steps of its own.
How each kind is read stands in `streams.flowfile.step_kinds`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from schemas.limits import STEPS_MAX
from schemas.steps import Step, Stop, WaitUntilDate
from streams.flowfile.comparisons import Scope
from streams.flowfile.graph import check_ways
from streams.flowfile.later import LATER
from streams.flowfile.nodes import Listing, Mapping, Node, cut, shown
from streams.flowfile.reader import Reader, listed

#: A place in the list that a step can lead to, known before the step that will stand there.
Slot = int
END: Slot = 0


class Label(NamedTuple):
    """A way to a label that may stand further down."""

    name: str
    node: Node


Target = Slot | Label


class Place(NamedTuple):
    """Where a step stands: its node and label, the slot it fills, and the way to the step below."""

    node: Node
    label: str
    slot: Slot
    after: Target


class Draft(NamedTuple):
    """A step before its ways are numbers. `build` takes the indexes of `ways`, in their order."""

    node: Node
    ways: Sequence[Target]
    build: Callable[..., Step]


class Kind(Protocol):
    """Reads one kind of step from what stands under its name, and adds it in its place."""

    def __call__(self, steps: Steps, body: Node, place: Place) -> None: ...


class Steps:
    """Collects drafts in the order of the file."""

    def __init__(
        self, reader: Reader, scope: Scope, kinds: dict[str, Kind], *, flow: str = "", has_key: bool = False
    ) -> None:
        """`flow` is its name; `has_key`: it has one enrollment per key."""
        self.reader = reader
        self.scope = scope
        self.flow, self.has_key = flow, has_key
        self.drafts: list[Draft] = []
        self._kinds = kinds
        self._slots = 0
        self._index_of: dict[Slot, int] = {}
        self._labels: dict[str, tuple[Slot, Node]] = {}
        self._numbers: Counter[str] = Counter()
        self._unknown_labels = False

    def begin(self, nodes: tuple[Node, ...], first: WaitUntilDate | None) -> None:
        """Compile the steps of a flow, behind the wait that its trigger may bring."""
        if first is None:
            self.block(nodes, after=END)
            return
        ways: list[Target] = []
        place = Place(nodes[0], first.label, self.slot(), END)
        self.add(place, ways, lambda after: msgspec.structs.replace(first, next=after))
        ways.append(self.block(nodes, after=END))

    def block(self, nodes: tuple[Node, ...], *, after: Target) -> Slot:
        """Compile a list of steps; returns where it begins. Its last step leads to `after`."""
        slots = [self.slot() for _ in nodes]
        followers: list[Target] = [*slots[1:], after]
        for node, slot, follower in zip(nodes, slots, followers, strict=True):
            self._step(node, slot, follower)
        return slots[0]

    def target(self, node: Node | None, what: str, *, after: Target) -> Target:
        """Compile a way. An absent one leads to the step below."""
        if node is None:
            return after
        self.reader.asks(node, "way")
        if isinstance(node, Listing):
            nodes = self.reader.items(node, what)
            return self.block(nodes, after=after) if nodes else after
        if isinstance(node, Mapping):
            if "stop" in node.entries:
                return self.block((node,), after=after)
            self.reader.note("wrong_shape", node, f"{what} must be a label, {{ stop: reason }} or a list of steps")
            return after
        return Label(self.reader.name(node, what), node)

    def slot(self) -> Slot:
        """A new place that a step can lead to."""
        self._slots += 1
        return self._slots

    def add(self, place: Place, ways: Sequence[Target], build: Callable[..., Step]) -> None:
        """Put a step into its place. `build` takes the indexes of `ways`, which may still grow."""
        self._index_of[place.slot] = len(self.drafts)
        self.drafts.append(Draft(place.node, ways, build))

    def _step(self, node: Node, slot: Slot, after: Target) -> None:
        found = self._fields(node)
        kinds = [name for name in self._kinds if name in found]
        label = self._label(node, found.get("label"), kinds[0] if kinds else "step", slot)
        if len(kinds) > 1 and isinstance(node, Mapping):
            message = f"one step does one thing, and this one says {listed(kinds)}"
            advice = f"Begin a new step, `- {kinds[1]}: ...`, here."
            self.reader.note("two_steps_in_one", node.entries[kinds[1]][0], message, advice=advice)
        place = Place(node, label, slot, after)
        if kinds:
            self._kinds[kinds[0]](self, found[kinds[0]], place)
        else:
            # Something must stand here, so that the ways of the other steps can still be judged.
            self.add(place, (after,), lambda _: Stop(label=label, reason=""))

    def _fields(self, node: Node) -> dict[str, Node]:
        if not isinstance(node, Mapping):
            kinds = listed(self._kinds, "or")
            self.reader.note("wrong_shape", node, f"a step must be a mapping with {kinds}, not {shown(node)}")
            return {}
        known = ("label", *self._kinds)
        found = self.reader.fields(node, "a step", optional=known, later=LATER)
        for name in LATER.keys() & node.entries.keys():
            LATER[name](self.reader, node.entries[name][1])
        if node.entries.keys() <= {"label"}:
            self.reader.note("no_step", node, f"a step needs one of {listed(self._kinds, 'or')}")
        return found

    def _label(self, node: Node, label: Node | None, kind: str, slot: Slot) -> str:
        """The label of a step: its own, or its kind with a running number."""
        self._numbers[kind] += 1
        name = self.reader.name(label, "`label`") if label is not None else f"{kind}_{self._numbers[kind]}"
        if name in self._labels:
            message = f"the label `{cut(name)}` is taken by the step on line {self._labels[name][1].line}"
            self.reader.note("label_twice", label or node, message)
        else:
            self._labels[name] = (slot, node)
        return name

    def link(self) -> tuple[Step, ...]:
        """Turn ways into indexes, check them, and build the steps. The last one is always a Stop."""
        ways = [tuple(self._resolve(way) for way in draft.ways) for draft in self.drafts]
        end = len(self.drafts)
        if end > STEPS_MAX:
            message = f"the flow has {end} steps, and {STEPS_MAX} are allowed"
            self.reader.note("too_many_steps", self.drafts[STEPS_MAX].node, message)
            return ()
        steps = [draft.build(*indexes) for draft, indexes in zip(self.drafts, ways, strict=True)]
        self.reader.places = {step.label: draft.node for step, draft in zip(steps, self.drafts, strict=True)}
        if not self._unknown_labels:
            check_ways(self.reader, steps, ways, [draft.node for draft in self.drafts])
        if any(end in indexes for indexes in ways) or not isinstance(steps[-1], Stop):
            steps.append(Stop(label="stop:end", reason="done"))
        return tuple(steps)

    def _resolve(self, way: Target) -> int:
        if isinstance(way, Label) and way.name not in self._labels:
            self._unknown_labels = True
            if way.name:
                message = f"there is no step with the label `{cut(way.name)}`"
                self.reader.unknown("unknown_label", way.node, message, way.name, self._labels)
            return len(self.drafts)
        slot = self._labels[way.name][0] if isinstance(way, Label) else way
        return self._index_of.get(slot, len(self.drafts))

    @property
    def nodes(self) -> list[Node]:
        """Where each step stands, by its index; the implicit stop at the end stands nowhere."""
        return [draft.node for draft in self.drafts]
