"""The program: all flows of a process, indexed by what sets them going. Immutable."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from schemas.catalog import Kind
from schemas.facts import FactKind, kinds
from schemas.flow import Flow
from schemas.limits import REGRET_MS
from schemas.policy import NO_POLICY, Policy
from schemas.profile import Enrollment
from schemas.steps import Send
from streams import asks
from streams.interest import Interest, interests
from streams.plugins import Name, Plugin
from streams.predicates.plugin import Bound, bind

NO_FACTS: Mapping[str, Kind] = {}
NO_PLUGINS: Mapping[Name, Plugin] = {}


def horizon_ms(flows: Iterable[Flow], policy: Policy) -> int:
    """How long a message has to be remembered: for regret, and as long as the longest cap counts it."""
    caps = [step.cap for flow in flows for step in flow.steps if isinstance(step, Send) and step.cap is not None]
    return max([REGRET_MS, *(one.per_ms for one in policy.caps), *(one.per_ms for one in caps)])


class DuplicateFlow(ValueError):
    """Two flows have one name; rename one of them."""


@dataclass(frozen=True)
class Program:
    """What the core runs."""

    flows: dict[str, Flow]
    interests: dict[str, Interest]  # by short event name; nobody looks at an event that is not here,
    otherwise: Interest | None  # unless facts are read off every event
    facts: Mapping[str, FactKind]  # that flows may ask for
    read_off: frozenset[str]  # those that are read off every event
    counters: frozenset[str]  # names of all that is counted
    watch_facts: frozenset[str]  # flows that a fact can end
    watch_flows: frozenset[str]  # flows that the beginning or the end of another one can end
    hash: str  # over names and versions, and the plug-ins they ask; the partition record keeps it
    versions: dict[tuple[str, str], Flow]  # by name and version, those too that only admit nobody any more
    policy: Policy = NO_POLICY
    remembers_ms: int = REGRET_MS  # how long messages are

    def flow_of(self, enrollment: Enrollment) -> Flow | None:
        """The version that an enrollment is pinned to; the newest, if that one is not here; None without any."""
        pinned = self.versions.get((enrollment.flow, enrollment.version))
        return pinned or self.flows.get(enrollment.flow)


def build(
    flows: Iterable[Flow],
    *,
    policy: Policy = NO_POLICY,
    declared: Mapping[str, Kind] = NO_FACTS,
    plugins: Mapping[Name, Plugin] = NO_PLUGINS,
) -> Program:
    """Index the live flows. `declared` are facts beside those of the policy. Raises DuplicateFlow and UnknownPlugin."""
    by_name: dict[str, Flow] = {}
    for flow in flows:
        if flow.name in by_name:
            raise DuplicateFlow(f"two flows are called {flow.name!r}")
        by_name[flow.name] = flow
    live = {name: bind(flow, plugins) for name, flow in sorted(by_name.items()) if flow.status == "live"}
    read_off = frozenset[str]().union(*map(asks.read_off, live.values()))
    found = interests(live.values(), read_off=bool(read_off))
    decisive = [*_deciding(live.values()), *([f"policy {policy.version}"] if policy.version else [])]
    return Program(
        versions={(flow.name, flow.version): flow for flow in live.values()},
        flows=live,
        otherwise=found.pop("", None),
        interests=found,
        facts=kinds({**policy.facts, **declared}),
        read_off=read_off,
        counters=frozenset(counter.name for interest in found.values() for counter in interest.counters),
        watch_facts=frozenset(flow.name for flow in live.values() if asks.depends_on_facts(flow)),
        watch_flows=frozenset(flow.name for flow in live.values() if asks.depends_on_flows(flow)),
        hash=blake2b("\n".join(decisive).encode(), digest_size=16).hexdigest(),
        policy=policy,
        remembers_ms=horizon_ms(live.values(), policy),
    )


def _deciding(flows: Collection[Flow]) -> list[str]:
    """Everything that decides, by name and version; a plug-in by its source as well."""
    asked = {part.plugin for flow in flows for part in asks.parts_of(flow) if isinstance(part, Bound)}
    plugins = sorted(f"plugin {one.name} {one.version} {one.fingerprint}" for one in asked)
    return [*(f"{flow.name} {flow.version}" for flow in flows), *plugins]
