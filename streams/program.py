"""The program: all flows of a process, indexed by what sets them going. Immutable; an activation makes another one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from schemas.activation import Activation
from schemas.flow import Flow
from schemas.instants import from_wire
from schemas.profile import NEVER, Enrollment
from streams.interest import Interest, interests

#: Whoever meets a trigger of a flow in one of these is judged: taken in, or told why not.
ADMITTING = frozenset({"shadow", "live", "draining", "held"})


class DuplicateFlow(ValueError):
    """Two flows have one name; rename one of them."""


@dataclass(frozen=True)
class Program:
    """What the core runs. Every version of a flow has the status of the flow, whatever its file said."""

    flows: dict[str, Flow]  # by name, the newest version of each
    interests: dict[str, Interest]  # by short event name; nobody looks at an event that is not here
    versions: dict[tuple[str, str], Flow]  # by name and version, those too that only admit nobody any more
    over_before: dict[str, int] = field(default_factory=dict)  # by name: enrollments from before are over
    held: frozenset[str] = frozenset()  # names of flows whose timers are kept and do not fire
    number: int = -1  # of the activation; -1: none, these flows were given

    def flow_of(self, enrollment: Enrollment) -> Flow | None:
        """The version that an enrollment is pinned to; the newest, if that one is not here; None without any."""
        pinned = self.versions.get((enrollment.flow, enrollment.version))
        return pinned or self.flows.get(enrollment.flow)

    def is_over(self, enrollment: Enrollment) -> bool:
        """Whether its flow has been stopped since it was entered."""
        return bool(self.over_before) and enrollment.entered_at < self.over_before.get(enrollment.flow, 0)


def build(flows: Iterable[Flow]) -> Program:
    """The program of these flows, drafts left out. Raises DuplicateFlow."""
    by_name: dict[str, Flow] = {}
    for flow in flows:
        if flow.name in by_name:
            raise DuplicateFlow(f"two flows are called {flow.name!r}")
        by_name[flow.name] = flow
    newest = {name: flow for name, flow in sorted(by_name.items()) if flow.status != "draft"}
    return _program(newest, newest.values(), {name: NEVER for name, flow in newest.items() if flow.status == "stopped"})


def activate(activation: Activation, definition: Callable[[str, str], Flow]) -> Program:
    """The program of an activation; `definition` gives a flow by name and version, and raises what it raises."""
    versions: list[Flow] = []
    over_before: dict[str, int] = {}
    for name, active in sorted(activation.flows.items()):
        versions += [replace(definition(name, version), status=active.status) for version in active.versions]
        if active.status == "stopped":
            over_before[name] = NEVER
        elif active.over_before is not None:
            over_before[name] = from_wire(active.over_before)
    newest = {flow.name: flow for flow in reversed(versions)}
    return _program(dict(sorted(newest.items())), versions, over_before, number=activation.number)


def none_activated(activation: Activation) -> Program:
    """For a log on which no activation is expected."""
    raise LookupError(f"activation {activation.number} cannot be followed: no definitions were given")


def _program(
    newest: dict[str, Flow], versions: Collection[Flow], over_before: dict[str, int], *, number: int = -1
) -> Program:
    running = [flow for flow in versions if flow.status in ADMITTING]
    beginning = [flow for flow in newest.values() if flow.status in ADMITTING]
    return Program(
        flows=newest,
        interests=interests(beginning, ending=running),
        versions={(flow.name, flow.version): flow for flow in versions},
        over_before=over_before,
        held=frozenset(name for name, flow in newest.items() if flow.status == "held"),
        number=number,
    )
