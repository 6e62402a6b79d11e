"""Timeline files (`*.test.yaml`): events in the words of the flow, to typed timelines or findings.

- name: the order arrives late
  timeline:
    - { at: "10:00", checkout_started: { profile: p1, checkout_id: C1, total: "80.00" } }
    - { at: "10:10", arrives: "10:40", order_placed: { profile: p1, checkout_id: C1 } }
    - { at: "10:41", watermark: { source: shop.orders, complete_through: "10:40" } }
  expect:
    - { ended: bought_this_cart, at: "10:40" }
    - { sends: 0 }
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingOf
from typing import get_args

from schemas.catalog import BY_SHORT, Kind, Word
from schemas.control import Watermark
from schemas.facts import OBSERVED, STATING, kinds
from schemas.flow import Flow
from schemas.instants import to_wire
from streams.asks import declared_of
from streams.flowfile.findings import FlowFileError, Unreadable
from streams.flowfile.nodes import Mapping, Node, cut, shown
from streams.flowfile.reader import Reader, listed
from streams.flowfile.strict_yaml import parse
from streams.flowfile.timeline_event import NO_WORDS, TENANT, Envelope, event, time_of
from streams.timeline import Expected, ExpectedTotal, Happening, Happens, Timeline, Total

SOURCE_DEFAULT = "test"
NO_FACTS: MappingOf[str, Kind] = {}

ENVELOPE = ("at", "arrives", "source", "id", "dedupe_key", "backfill")
_OTHERS = ("watermark", "advance", "end")
_HAPPENINGS: tuple[Happening, ...] = get_args(Happening)
_TOTALS: tuple[Total, ...] = get_args(Total)
#: Totals of which it is said whose they are.
OF_FLOW, OF_PERSON = ("entered", "sends", "ignored"), ("entered", "sends")


def load_timelines(
    text: str | bytes,
    *,
    name: str,
    flow: Flow,
    facts: MappingOf[str, Kind] = NO_FACTS,
    others: Callable[[], MappingOf[str, Flow]] = dict,
) -> tuple[Timeline, ...]:
    """Read the timelines of a flow; `name` is the file in the findings, `facts` are those that the policy declares.

    `others` are the flows that `with` may name, and are asked for only then. Raises FlowFileError.
    """
    reader = Reader(name)
    timelines: tuple[Timeline, ...] = ()
    try:
        nodes = reader.items(parse(text, reader.findings), "a timeline file")
        for node in nodes:
            beside = _beside(reader, node, flow, others)
            timelines += (TimelineReader(reader, flow, *beside, facts=facts).read(node),)
    except Unreadable:
        pass  # The findings say why.
    if reader.findings:
        raise FlowFileError(reader.findings.in_order())
    return timelines


def _beside(reader: Reader, node: Node, flow: Flow, others: Callable[[], MappingOf[str, Flow]]) -> tuple[Flow, ...]:
    """The flows that a timeline names by `with`."""
    if not isinstance(node, Mapping) or "with" not in node.entries:
        return ()
    known = {name: other for name, other in others().items() if name != flow.name}
    found: dict[str, Flow] = {}
    for item in reader.items(node.entries["with"][1], "`with`"):
        name = reader.name(item, "a flow of `with`")
        if name == flow.name or name in found:
            reader.note("bad_choice", item, f"`{cut(name)}` is in play already")
        elif name in known:
            found[name] = known[name]
        elif name:
            message = f"no flow `{cut(name)}` that compiles lies beside this one"
            reader.unknown("bad_choice", item, message, name, sorted(known))
    return tuple(found.values())


class TimelineReader:
    """Reads one timeline. `people` grows with the lines: profile id to the name in the file."""

    def __init__(self, reader: Reader, flow: Flow, *beside: Flow, facts: MappingOf[str, Kind] = NO_FACTS) -> None:
        self.reader = reader
        # An event without a source comes from where the flow expects it, or one beside it.
        self._sources: dict[str, str] = {}
        for one in (*reversed(beside), flow):
            named = [(rule.when.event, rule.when.sources) for rule in reversed(one.exits) if rule.when is not None]
            named.append((one.trigger.event, one.trigger.sources))
            self._sources |= {event: sources[0] for event, sources in named if sources}
        known = {name: declared.kind for name, declared in kinds(facts).items() if name not in OBSERVED}
        stated = {name: Word(("properties", name), kind) for name, kind in known.items()}
        self.declared = dict.fromkeys(STATING, stated)  # and the words of events of one's own
        for of in (each for one in (*beside, flow) for each in declared_of(one)):
            own = {name: Word(("properties", name), kind) for name, kind in of.words}
            self.declared.setdefault(of.event, {}).update(own)
        self.people: dict[str, str] = {}
        self._flow, self._beside = flow, beside
        self._lines_are_sound = True  # else a line that could not be read may be what the others seem to lack

    def read(self, node: Node) -> Timeline:
        found = self.reader.fields(node, "a timeline", required=("name", "timeline", "expect"), optional=("with",))
        mistakes = len(self.reader.findings)
        lines = self.reader.items(found.get("timeline"), "`timeline`")
        happenings = [self.happens(line, number) for number, line in enumerate(lines, 1)]
        ends = [isinstance(line, Mapping) and "end" in line.entries for line in lines]
        self._lines_are_sound = len(self.reader.findings) == mistakes
        if self._lines_are_sound:
            self._check_order(lines, happenings, ends)
        return Timeline(
            name=self.reader.text(found.get("name"), "`name`") or "",
            line=node.line,
            happenings=tuple(happenings),
            expectations=tuple(map(self._expectation, self.reader.items(found.get("expect"), "`expect`"))),
            people=self.people,
            ends_at=happenings[-1].at if any(ends) else None,
            beside=self._beside,
        )

    def _check_order(self, lines: Sequence[Node], happenings: Sequence[Happens], ends: Sequence[bool]) -> None:
        for line, before, after, ended in zip(lines[1:], happenings, happenings[1:], ends, strict=False):
            if after.at < before.at or ended:
                message = "lines come in the order in which they arrive, and nothing after `end`"
                self.reader.note("not_in_order", line, message)

    def happens(self, node: Node, number: int) -> Happens:
        """One line; `number` makes the id of its event."""
        kind = self._one_of(node, "a line of a timeline", ENVELOPE, (*BY_SHORT, *_OTHERS), custom=True)
        if kind is None:
            return Happens(0, None)
        assert isinstance(node, Mapping)
        body = node.entries[kind][1]
        if kind in ("advance", "end"):
            self.reader.fields(node, f"`{kind}`", required=(kind,))
            return Happens(time_of(self.reader, body, f"`{kind}`"), None)
        if kind == "watermark":
            found = self.reader.fields(node, "a watermark line", required=("at", kind))
            return Happens(time_of(self.reader, found.get("at"), "`at`"), self._watermark(body))
        found = self.reader.fields(node, "an event line", required=("at", kind), optional=ENVELOPE[1:])
        at = time_of(self.reader, found.get("at"), "`at`")
        arrives_at = time_of(self.reader, found.get("arrives"), "`arrives`", default=at)
        source = self.reader.source(found["source"], "`source`") if "source" in found else None
        envelope = Envelope(
            id=self.reader.text(found.get("id"), "`id`") or f"line-{number}",
            source=source or self._sources.get(kind, SOURCE_DEFAULT),
            time=to_wire(at),
            dedupe_key=self.reader.text(found.get("dedupe_key"), "`dedupe_key`"),
            backfill=self.reader.boolean(found.get("backfill"), "`backfill`"),
        )
        declared = self.declared.get(kind, NO_WORDS)
        what = event(self.reader, body, short=kind, envelope=envelope, people=self.people, declared=declared)
        return Happens(arrives_at, what)

    def _one_of(
        self, node: Node, what: str, beside: Sequence[str], kinds: Sequence[str], *, custom: bool = False
    ) -> str | None:
        """The one key that says what kind of line this is."""
        if not isinstance(node, Mapping):
            self.reader.note("wrong_shape", node, f"{what} must be a mapping, not {shown(node)}")
            return None
        found = [key for key in node.entries if key not in beside]
        known = [key for key in found if key in kinds or (custom and key.startswith("custom_"))]
        for key in found:
            if key not in known:
                self.reader.unknown("unknown_key", node.entries[key][0], f"{what} cannot say `{cut(key)}`", key, kinds)
        if len(known) > 1:
            message = f"{what} says one thing, and this one {listed(known)}"
            advice = f"Begin a new line with `{cut(known[1])}`."
            self.reader.note("two_steps_in_one", node.entries[known[1]][0], message, advice=advice)
        if not found:
            self.reader.note(
                "missing_key",
                node,
                f"{what} does not say what happens",
                advice="Add an event such as `checkout_started: {...}`.",
            )
        return known[0] if known and len(found) == 1 else None

    def _watermark(self, node: Node) -> Watermark:
        optional = ("shop", "estimated")
        found = self.reader.fields(node, "`watermark`", required=("source", "complete_through"), optional=optional)
        return Watermark(
            source=self.reader.source(found["source"], "`source`") if "source" in found else "",
            complete_through=to_wire(time_of(self.reader, found.get("complete_through"), "`complete_through`")),
            tenant=TENANT,
            shop=self.reader.text(found.get("shop"), "`shop`") or "",
            estimated=self.reader.boolean(found.get("estimated"), "`estimated`"),
        )

    def _expectation(self, node: Node) -> Expected | ExpectedTotal:
        kind = self._one_of(node, "an expectation", ("at", "profile", "flow"), (*_HAPPENINGS, *_TOTALS))
        for total in _TOTALS:
            if kind == total:
                return self._total(node, total)
        outcome: Happening = next((happening for happening in _HAPPENINGS if happening == kind), "sent")
        found = {key: value for key, (_, value) in node.entries.items()} if isinstance(node, Mapping) else {}
        return Expected(
            line=node.line,
            outcome=outcome,
            word=self.reader.text(found.get(kind or ""), f"`{kind}`") or "",
            at=time_of(self.reader, found["at"], "`at`") if "at" in found else None,
            profile=self._profile(found.get("profile")),
            flow=self._of_flow(found.get("flow")),
        )

    def _total(self, node: Node, total: Total) -> ExpectedTotal:
        optional = (*(("profile",) if total in OF_PERSON else ()), *(("flow",) if total in OF_FLOW else ()))
        found = self.reader.fields(node, f"`{total}`", required=(total,), optional=optional)
        count = self.reader.integer(found.get(total), f"`{total}`", least=0, most=1_000_000)
        profile, flow = self._profile(found.get("profile")), self._of_flow(found.get("flow"))
        return ExpectedTotal(node.line, total, count, profile, flow)

    def _profile(self, node: Node | None) -> str | None:
        name = self.reader.text(node, "`profile`")
        if node is not None and name is not None and self._lines_are_sound and name not in self.people.values():
            message = f"nobody is called `{cut(name)}` in this timeline"
            self.reader.unknown("bad_choice", node, message, name, sorted(set(self.people.values())))
        return name

    def _of_flow(self, node: Node | None) -> str | None:
        name = self.reader.text(node, "`flow`")
        known = [one.name for one in (self._flow, *self._beside)]
        if node is not None and name is not None and name not in known:
            message = f"the flow `{cut(name)}` is not in play; name it in `with`"
            self.reader.unknown("bad_choice", node, message, name, known)
        return name
