"""The program: all flows of a process, indexed by what sets them going. Immutable; an activation makes another one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from msgspec.structs import replace

from schemas.activation import Activation
from schemas.catalog import Kind
from schemas.facts import FactKind, kinds
from schemas.flow import Flow
from schemas.limits import REGRET_MS
from schemas.policy import NO_POLICY, Policy
from schemas.profile import (
    ENROLLED,
    LOCAL,
    NEVER,
    NOT_RENEWED,
    ORDERED,
    UNKNOWN,
    CameBack,
    Enrollment,
    PartitionRecord,
    Renewed,
)
from schemas.steps import Gate, Send, Settle
from streams import asks
from streams.binding import bind
from streams.interest import Interest, interests
from streams.plugins import NO_PLUGINS, Name, Plugin

NO_FACTS: Mapping[str, Kind] = {}

#: Whoever meets a trigger of a flow in one of these is judged: taken in, or told why not.
ADMITTING = frozenset({"shadow", "live", "draining", "held"})


def horizon_ms(flows: Iterable[Flow], policy: Policy) -> int:
    """How long a message has to be remembered: for regret, and as long as the longest cap counts it."""
    caps = [step.cap for flow in flows for step in flow.steps if isinstance(step, Send) and step.cap is not None]
    return max([REGRET_MS, *(one.per_ms for one in policy.caps), *(one.per_ms for one in caps)])


class DuplicateFlow(ValueError):
    """Two flows have one name; rename one of them."""


@dataclass(frozen=True)
class Program:
    """What the core runs. Every version of a flow has the status of the flow, whatever its file said."""

    flows: dict[str, Flow]  # by name, the newest version of each
    interests: dict[str, Interest]  # by short event name; nobody looks at an event that is not here,
    otherwise: Interest | None  # unless facts are read off every event
    facts: Mapping[str, FactKind]  # that flows may ask for
    read_off: frozenset[str]  # those that are read off every event
    counters: frozenset[str]  # names of all that is counted
    watch_facts: frozenset[str]  # flows that a fact can end
    watch_sight: frozenset[str]  # flows that any event can end, by the identifier or the time that it tells
    watch_flows: frozenset[str]  # flows that the beginning or the end of another one can end
    calendar: tuple[Flow, ...]  # those that begin by the clock
    judged_anew: frozenset[str]  # flows of which anything may take a message back, and not only certain events
    versions: dict[tuple[str, str], Flow]  # by name and version, those too that only admit nobody any more
    over_before: dict[str, int] = field(default_factory=dict)  # by name: enrollments by a trigger before are over
    stopped_once: Mapping[str, str] = field(default_factory=dict)  # by name: when a flow that was stopped came back
    held: frozenset[str] = frozenset()  # names of flows whose timers are kept and do not fire
    resting: frozenset[str] = frozenset()  # those that would begin by the clock, were they not held or stopped
    number: int = -1  # of the activation; -1: none, these flows were given
    renewed: Renewed = NOT_RENEWED  # whose state is older has appointments that may be others now
    policy: Policy = NO_POLICY
    remembers_ms: int = REGRET_MS  # how long messages are

    def flow_of(self, enrollment: Enrollment) -> Flow | None:
        """The version that an enrollment is pinned to; the newest, if that one is not here; None without any."""
        pinned = self.versions.get((enrollment.flow, enrollment.version))
        return pinned or self.flows.get(enrollment.flow)

    def is_over(self, enrollment: Enrollment) -> bool:
        """Whether its flow has been stopped since it was entered."""
        return bool(self.over_before) and enrollment.trigger_offset < self.over_before.get(enrollment.flow, 0)

    def placed(self, known: Mapping[str, CameBack], *, offset: int) -> Program:
        """The same where it comes into force, at this offset: who is in a flow there that was stopped is over.

        `known` are those flows whose place was an earlier one. A clock does not say who was in before.
        """
        if not self.stopped_once:
            return self
        came_back = {name: known.get(name) for name in self.stopped_once}
        places = {
            name: one[1] if one is not None and one[0] == self.stopped_once[name] else offset
            for name, one in came_back.items()
        }
        return dataclasses.replace(self, over_before={**self.over_before, **places})

    @cached_property
    def looked_at(self) -> int:
        """Flags of whom any event may change, whoever asks for it."""
        return LOCAL | UNKNOWN | (ENROLLED if self.over_before else 0) | (ORDERED if self.judged_anew else 0)

    @cached_property
    def gates(self) -> dict[str, set[Gate]]:
        """What may be waited for at a gate, by source: of every version in which there may be somebody."""
        found: dict[str, set[Gate]] = {}
        versions = (flow for flow in self.versions.values() if flow.status != "stopped")
        steps = (step for flow in versions for step in flow.steps if isinstance(step, Settle))
        for gate in (gate for step in steps for gate in step.gates):
            found.setdefault(gate.source, set()).add(gate)
        return found

    def resumed(self, record: PartitionRecord | None) -> Program:
        """The same on a partition that has this record."""
        if record is None:
            return self.placed({}, offset=0)
        return dataclasses.replace(self.placed(record.came_back, offset=0), renewed=record.renewed)

    def after(self, before: Program, *, offset: int, at: int) -> Program:
        """The same as it takes the place of the program before, by the activation at this offset and time."""
        placed = self.placed(before.came_back, offset=offset)
        return dataclasses.replace(placed, renewed=(offset, at) if placed.begins_otherwise(before) else before.renewed)

    def begins_otherwise(self, before: Program) -> bool:
        """Whether a flow begins by the clock at other moments than it did before."""
        return any(
            (old := before.flows.get(flow.name)) is not None
            and (old.version, before.stopped_once.get(flow.name)) != (flow.version, self.stopped_once.get(flow.name))
            for flow in self.calendar
        )

    @property
    def came_back(self) -> dict[str, CameBack]:
        """For the partition record."""
        return {name: (at, self.over_before.get(name, 0)) for name, at in self.stopped_once.items()}


def build(
    flows: Iterable[Flow],
    *,
    policy: Policy = NO_POLICY,
    declared: Mapping[str, Kind] = NO_FACTS,
    plugins: Mapping[Name, Plugin] = NO_PLUGINS,
) -> Program:
    """The program of these flows, drafts left out; `declared` are facts beside those of the policy.

    Raises DuplicateFlow and UnknownPlugin.
    """
    by_name: dict[str, Flow] = {}
    for flow in flows:
        if flow.name in by_name:
            raise DuplicateFlow(f"two flows are called {flow.name!r}")
        by_name[flow.name] = flow
    newest = [flow for _, flow in sorted(by_name.items()) if flow.status != "draft"]
    over_before = {flow.name: NEVER for flow in newest if flow.status == "stopped"}
    return _program(newest, over_before, policy=policy, declared=declared, plugins=plugins)


def activate(
    activation: Activation,
    definition: Callable[[str, str], Flow],
    *,
    policy: Policy = NO_POLICY,
    declared: Mapping[str, Kind] = NO_FACTS,
    plugins: Mapping[Name, Plugin] = NO_PLUGINS,
) -> Program:
    """The program of an activation; `definition` gives a flow by name and version, and raises what it raises."""
    versions: list[Flow] = []
    over_before: dict[str, int] = {}
    stopped_once: dict[str, str] = {}
    for name, active in sorted(activation.flows.items()):
        versions += [replace(definition(name, version), status=active.status) for version in active.versions]
        if active.status == "stopped":
            over_before[name] = NEVER
        elif active.over_before is not None:
            stopped_once[name] = active.over_before
    program = _program(
        versions, over_before, policy=policy, declared=declared, plugins=plugins, number=activation.number
    )
    return dataclasses.replace(program, stopped_once=stopped_once)


def none_activated(activation: Activation) -> Program:
    """For a log on which no activation is expected."""
    raise LookupError(f"activation {activation.number} cannot be followed: no definitions were given")


def _placed(flow: Flow, zones: dict[str, str], shown: frozenset[str]) -> Flow:
    """With the zones of the storefronts, as the policy has them now, and the flows that are only shown."""
    unseen = frozenset[str]() if flow.name in shown else shown
    if unseen != flow.unseen:
        flow = replace(flow, unseen=unseen)
    return replace(flow, timezone=replace(flow.timezone, storefronts=zones)) if zones else flow


def _program(
    flows: Iterable[Flow],
    over_before: dict[str, int],
    *,
    policy: Policy,
    declared: Mapping[str, Kind],
    plugins: Mapping[Name, Plugin],
    number: int = -1,
) -> Program:
    """Of versions by name; of each name the newest comes first."""
    zones = {name: one.timezone for name, one in policy.storefronts.items() if one.timezone}
    found = list(flows)
    shown = frozenset(flow.name for flow in found if flow.status == "shadow")
    versions = [_placed(bind(flow, plugins), zones, shown) for flow in found]
    newest = {flow.name: flow for flow in reversed(versions)}
    newest = dict(sorted(newest.items()))
    beginning = [flow for flow in newest.values() if flow.status in ADMITTING]
    read_off = asks.read_off_by(policy).union(*map(asks.read_off, versions))
    watch_sight = frozenset(flow.name for flow in versions if asks.depends_on_sight(flow))
    interested = interests(beginning, running=versions, read_off=bool(read_off or watch_sight))
    return Program(
        flows=newest,
        otherwise=interested.pop("", None),
        interests=interested,
        facts=kinds({**policy.facts, **declared}),
        read_off=read_off,
        counters=frozenset(counter.name for interest in interested.values() for counter in interest.counters),
        watch_facts=frozenset(flow.name for flow in versions if asks.depends_on_facts(flow)),
        watch_sight=watch_sight,
        watch_flows=frozenset(flow.name for flow in versions if asks.depends_on_flows(flow)),
        versions={(flow.name, flow.version): flow for flow in versions},
        over_before=over_before,
        held=frozenset(name for name, flow in newest.items() if flow.status == "held"),
        resting=frozenset(
            name for name, flow in newest.items() if flow.appointment is not None and flow.status in ("held", "stopped")
        ),
        number=number,
        policy=policy,
        remembers_ms=horizon_ms(versions, policy),
        calendar=tuple(flow for flow in beginning if flow.appointment is not None),
        judged_anew=frozenset(one.name for one in versions if policy.consent == "required" or asks.about_person(one)),
    )
