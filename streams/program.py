"""The program: all flows of a process, indexed by what sets them going. Immutable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from schemas.flow import Flow
from schemas.profile import Enrollment
from streams.interest import Interest, interests


class DuplicateFlow(ValueError):
    """Two flows have one name; rename one of them."""


@dataclass(frozen=True)
class Program:
    """What the core runs."""

    flows: dict[str, Flow]
    interests: dict[str, Interest]  # by short event name; nobody looks at an event that is not here
    hash: str  # over names and versions; the partition record keeps it
    versions: dict[tuple[str, str], Flow]  # by name and version, those too that only admit nobody any more

    def flow_of(self, enrollment: Enrollment) -> Flow | None:
        """The version that an enrollment is pinned to; the newest, if that one is not here; None without any."""
        pinned = self.versions.get((enrollment.flow, enrollment.version))
        return pinned or self.flows.get(enrollment.flow)


def build(flows: Iterable[Flow]) -> Program:
    """Index the live flows. Raises DuplicateFlow."""
    by_name: dict[str, Flow] = {}
    for flow in flows:
        if flow.name in by_name:
            raise DuplicateFlow(f"two flows are called {flow.name!r}")
        by_name[flow.name] = flow
    live = {name: flow for name, flow in sorted(by_name.items()) if flow.status == "live"}
    return Program(
        versions={(flow.name, flow.version): flow for flow in live.values()},
        flows=live,
        interests=interests(live.values()),
        hash=blake2b("\n".join(f"{f.name} {f.version}" for f in live.values()).encode(), digest_size=16).hexdigest(),
    )
