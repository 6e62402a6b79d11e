"""Definitions and activations: which flows there are, and which of them decide.

On `definitions` a version of a flow stands under `flow/<name>/<version>` and never changes. An activation stands under
a key of its own, so that it is never compacted away; its offset is its number. The owner of a partition repeats it on
the profile log, where the switch has one place.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from schemas.control import WireInstant
from schemas.flow import Status
from schemas.policy import NO_POLICY, Policy


class ActiveFlow(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """A flow that people may be in. Its status is never pinned: it holds for all versions at once."""

    status: Status
    versions: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="newest first: it admits people; in the others there may be some"),
    ]
    over_before: Annotated[
        WireInstant | None,
        Meta(
            description="when it was last resumed after a stop; who is in it where an activation first says so is over"
        ),
    ] = None


class Activation(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """On the profile log, in every partition: from this record on, these flows decide. The highest number counts."""

    number: Annotated[int, Meta(ge=0, description="offset on `definitions`")]
    flows: Annotated[dict[str, ActiveFlow], Meta(description="by name; a flow that is not here is not run")]


class Order(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """On `definitions`: an activation as it was ordered. One that does not follow the last valid one is void."""

    follows: Annotated[int, Meta(ge=-1, description="number of the activation that it was made from; -1: none")]
    flows: dict[str, ActiveFlow]
    said: Annotated[dict[str, Status], Meta(description="by flow: the status in its file when it was last published")]
    held_from: Annotated[dict[str, Status], Meta(description="by flow that is held: its status before")] = {}
    at: WireInstant
    by: Annotated[str, Meta(max_length=128)]
    policy: Annotated[Policy, Meta(description="what holds for all flows at once")] = NO_POLICY


class Beginning(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """On `definitions`: with which activation a partition of a log begins. Of several the first one counts."""

    incarnation: Annotated[str, Meta(description="of the log")]
    partition: Annotated[int, Meta(ge=0)]
    activation: Annotated[int, Meta(ge=-1, description="its number; -1: there was none")]


class Definition(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """On `definitions`: one version of a flow, as it was compiled and as it was written."""

    flow: Annotated[Raw, Meta(extra_json_schema={"type": "object"}, description="canonical JSON of the compiled flow")]
    source: Annotated[str, Meta(description="the YAML it was compiled from")]
    plugins: Annotated[
        dict[str, str], Meta(description="by name/version of each plug-in that it asks: the hash of that one's source")
    ] = {}
    at: WireInstant
    by: Annotated[str, Meta(max_length=128)]


class Migration(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """Written by an operator into the partition of a profile: its enrollments in a flow go on in another version."""

    profile: Annotated[str, Meta(description="tenant/profile id")]
    flow: str
    version: Annotated[str, Meta(description="to go on in; people who are in it already stay as they are")]
    labels: Annotated[dict[str, str], Meta(description="of steps: old to new; what is not here keeps its label")]
    by: Annotated[str, Meta(max_length=128)]
    at: WireInstant


class Backfill(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """Written by an operator into the partition of a profile: it enters a flow by an event of long ago."""

    profile: Annotated[str, Meta(description="tenant/profile id")]
    flow: str
    event: Annotated[Raw, Meta(extra_json_schema={"type": "object"}, description="the trigger, in canonical form")]
    anchor: Annotated[Literal["occurred_at", "now"], Meta(description="from when the first wait counts")]
    by: Annotated[str, Meta(max_length=128)]
    at: WireInstant


def definition_key(*, flow: str, version: str) -> bytes:
    """The key of a version on `definitions`."""
    return f"flow/{flow}/{version}".encode()
