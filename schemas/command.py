"""Commands: orders to senders, the public contract of `commands`; and the receipts that answer them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.control import WireInstant

Clock = Literal["live", "carried"]


class ConsentProof(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """The act by which the person agreed, as the engine knows it."""

    event_id: Annotated[str, Meta(description="of the record that said so")]
    source: Annotated[str, Meta(description="where it came from")]
    at: Annotated[WireInstant, Meta(description="when it was done")]


class Command(
    msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, tag_field="schema", tag="cartwheel.command.v1"
):
    """Send this message now. The same order always carries the same `command_id`: act on it at most once."""

    command_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    decision_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    enrollment_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    tenant: str
    profile_id: str
    flow: str
    flow_version: Annotated[str, Meta(description="content hash of the flow that decided")]
    step: Annotated[str, Meta(description="label of the send step")]
    visit: Annotated[int, Meta(ge=1, description="grows each time the enrollment goes through its steps anew")]
    channel: Annotated[str, Meta(description="email, or log, which has no address")]
    addresses: Annotated[dict[str, str], Meta(description="what the channel needs, such as email")]
    message_class: Literal["marketing", "transactional"]
    template: str
    variables: Annotated[dict[str, Any], Meta(description="`trigger`: the words of the event that enrolled")]
    decided_at: WireInstant
    not_after: Annotated[WireInstant, Meta(description="do not begin to send later than this")]
    priority: Annotated[int, Meta(ge=0, le=9)] = 5
    clock: Annotated[Clock, Meta(description="carried: replayed time; never deliver to real people")]
    degraded: Annotated[bool, Meta(description="sent although a source had not reported in time")] = False
    storefront: str | None = None
    arms: Annotated[dict[str, str], Meta(description="arm of each split that the enrollment has come by")] = {}
    sender: Annotated[str | None, Meta(description="who it comes from: that of the storefront")] = None
    locale: Annotated[str | None, Meta(description="that of the storefront")] = None
    decision_group: Annotated[
        str | None, Meta(description="shared by the messages of one enrollment at one moment, on whatever channels")
    ] = None
    consent: Annotated[
        ConsentProof | None, Meta(description="absent where nobody was asked, or the class needs none")
    ] = None
    storefront_name: Annotated[str | None, Meta(description="what the storefront is called")] = None


class Recall(
    msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, tag_field="schema", tag="cartwheel.recall.v1"
):
    """Do not send this message after all, if it can still be helped. It stands behind its command, under its key."""

    recall_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    command_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="the command that is taken back")]
    decision_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    tenant: str
    profile_id: str
    flow: str
    channel: str
    reason: Annotated[str, Meta(description="of the exit rule, or of the gate that is shut now")]
    at: WireInstant
    clock: Annotated[Clock, Meta(description="that of the command")]


class Receipt(
    msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, tag_field="schema", tag="cartwheel.receipt.v1"
):
    """What became of a command. `unknown` is a state of its own: it was tried, and nobody can say what happened."""

    receipt_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    command_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    tenant: str
    profile_id: str
    flow: str
    channel: str
    sender: Annotated[str, Meta(description="smtp or log")]
    outcome: Literal["accepted", "rejected", "expired", "unknown", "failed"]
    reason: str | None = None
    provider_id: Annotated[str | None, Meta(description="the provider's own name for the message")] = None
    at: WireInstant
