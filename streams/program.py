"""The program: all flows of a process, indexed by what sets them going. Immutable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from schemas.flow import Flow
from schemas.limits import REGRET_MS
from schemas.policy import NO_POLICY, Policy
from schemas.profile import Enrollment
from schemas.steps import Send
from streams.interest import Interest, interests


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
    interests: dict[str, Interest]  # by short event name; nobody looks at an event that is not here
    hash: str  # over names and versions; the partition record keeps it
    versions: dict[tuple[str, str], Flow]  # by name and version, those too that only admit nobody any more
    policy: Policy = NO_POLICY
    remembers_ms: int = REGRET_MS  # how long messages are

    def flow_of(self, enrollment: Enrollment) -> Flow | None:
        """The version that an enrollment is pinned to; the newest, if that one is not here; None without any."""
        pinned = self.versions.get((enrollment.flow, enrollment.version))
        return pinned or self.flows.get(enrollment.flow)


def build(flows: Iterable[Flow], *, policy: Policy = NO_POLICY) -> Program:
    """Index the live flows. Raises DuplicateFlow. The policy is part of the hash, if there is one."""
    by_name: dict[str, Flow] = {}
    for flow in flows:
        if flow.name in by_name:
            raise DuplicateFlow(f"two flows are called {flow.name!r}")
        by_name[flow.name] = flow
    live = {name: flow for name, flow in sorted(by_name.items()) if flow.status == "live"}
    hashed = [f"{flow.name} {flow.version}" for flow in live.values()]
    hashed += [f"policy {policy.version}"] if policy.version else []
    return Program(
        versions={(flow.name, flow.version): flow for flow in live.values()},
        flows=live,
        interests=interests(live.values()),
        hash=blake2b("\n".join(hashed).encode(), digest_size=16).hexdigest(),
        policy=policy,
        remembers_ms=horizon_ms(live.values(), policy),
    )
