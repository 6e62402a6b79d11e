"""The program: all flows of a process, indexed by what sets them going. Immutable."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from schemas.catalog import Kind
from schemas.facts import FactKind, kinds
from schemas.flow import Flow
from schemas.profile import Enrollment
from streams import asks
from streams.interest import Interest, interests
from streams.plugins import Name, Plugin
from streams.predicates.plugin import Bound, bind

NO_FACTS: Mapping[str, Kind] = {}
NO_PLUGINS: Mapping[Name, Plugin] = {}


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

    def flow_of(self, enrollment: Enrollment) -> Flow | None:
        """The version that an enrollment is pinned to; the newest, if that one is not here; None without any."""
        pinned = self.versions.get((enrollment.flow, enrollment.version))
        return pinned or self.flows.get(enrollment.flow)


def build(
    flows: Iterable[Flow], *, declared: Mapping[str, Kind] = NO_FACTS, plugins: Mapping[Name, Plugin] = NO_PLUGINS
) -> Program:
    """Index the live flows. `declared` are the facts of the policy file. Raises DuplicateFlow and UnknownPlugin."""
    by_name: dict[str, Flow] = {}
    for flow in flows:
        if flow.name in by_name:
            raise DuplicateFlow(f"two flows are called {flow.name!r}")
        by_name[flow.name] = flow
    live = {name: bind(flow, plugins) for name, flow in sorted(by_name.items()) if flow.status == "live"}
    read_off = frozenset[str]().union(*map(asks.read_off, live.values()))
    found = interests(live.values(), read_off=bool(read_off))
    return Program(
        versions={(flow.name, flow.version): flow for flow in live.values()},
        flows=live,
        otherwise=found.pop("", None),
        interests=found,
        facts=kinds(declared),
        read_off=read_off,
        counters=frozenset(counter.name for interest in found.values() for counter in interest.counters),
        watch_facts=frozenset(flow.name for flow in live.values() if asks.depends_on_facts(flow)),
        watch_flows=frozenset(flow.name for flow in live.values() if asks.depends_on_flows(flow)),
        hash=blake2b("\n".join(_deciding(live.values())).encode(), digest_size=16).hexdigest(),
    )


def _deciding(flows: Collection[Flow]) -> list[str]:
    """Everything that decides, by name and version; a plug-in by its source as well."""
    asked = {part.plugin for flow in flows for part in asks.parts_of(flow) if isinstance(part, Bound)}
    plugins = sorted(f"plugin {one.name} {one.version} {one.fingerprint}" for one in asked)
    return [*(f"{flow.name} {flow.version}" for flow in flows), *plugins]
