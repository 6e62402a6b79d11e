"""Examples: one good message of each public kind and more where kinds have faces. Published with the schemas."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from schemas.activation import Activation, ActiveFlow, Backfill, Migration
from schemas.command import Command, ConsentProof, Recall, Receipt
from schemas.control import Progress, Resolution, Tick, Watermark
from schemas.dead_letter import DeadLetter, DeadLetterAction
from schemas.decision import Cause, Decision

EVENTS: list[dict[str, Any]] = [
    {
        "specversion": "1.0",
        "id": "01JD7Z4WQ8M3T5V6X7Y8Z9ABCD",
        "source": "magento1/default",
        "type": "commerce.checkout.started.v1",
        "time": "2026-11-21T13:45:10.250+01:00",
        "tenant": "acme",
        "identity": {"email": "Ada@Example.com", "anonymous_id": "b7c1"},
        "dedupe_key": "checkout:C-1041:1",
        "value": {"amount": "80.00", "currency": "EUR"},
        "properties": {"checkout_id": "C-1041", "checkout_url": "https://shop.example/checkout/C-1041"},
        "items": [{"product_id": "P-7", "sku": "MUG-BLUE", "name": "Blue mug", "quantity": "2", "unit_price": "40.00"}],
        "context": {"channel_id": "2", "locale": "de-DE"},
    },
    {
        "id": "order-000000123-placed",
        "source": "magento1.orders",
        "type": "commerce.order.placed.v1",
        "time": "2026-11-21T12:58:00.000Z",
        "tenant": "acme",
        "identity": {"external_id": "8812", "email": "ada@example.com"},
        "dedupe_key": "order:000000123",
        "value": {"amount": "80.00", "currency": "EUR"},
        "properties": {"order_id": "000000123", "checkout_id": "C-1041"},
        "received_at": "2026-11-21T13:30:02.117Z",
    },
    {
        "id": "f2b6",
        "source": "quiz/site",
        "type": "custom.quiz.finished.v1",
        "time": "2026-11-21T12:00:00Z",
        "tenant": "acme",
        "identity": {"anonymous_id": "b7c1"},
        "properties": {"answers": 12, "style": "bold"},
    },
]

_TENANT = "acme"
_PROFILE_ID = "0f6e2c1e-55a4-5d3b-9d53-6a0f4c1a8b11"
_ORDERS_COMPLETE = Watermark(source="magento1.orders", complete_through="2026-11-21T13:30:00.000Z", tenant="acme")

WATERMARKS = [
    _ORDERS_COMPLETE,
    Watermark(
        source="webhooks/shopify",
        complete_through="2026-11-21T13:29:05.000Z",
        tenant="acme",
        shop="shopify/emea",
        estimated=True,
    ),
]

TICKS = [
    Tick(through="2026-11-21T13:30:04.000Z", watermarks=(_ORDERS_COMPLETE,)),
    Tick(through="2026-11-21T13:30:04.000Z", through_key=f"{_TENANT}/{_PROFILE_ID}"),
    Tick(
        through="2026-11-21T13:30:04.000Z",
        gates_through="2026-11-21T13:15:00.000Z",
        gates_key=f"{_TENANT}/{_PROFILE_ID}",
    ),
]

PROGRESS = [
    Progress(
        raw_partition=3,
        forwarded_through="2026-11-21T13:30:03.849Z",
        next_offset=120_443,
        watermarks=(_ORDERS_COMPLETE,),
    ),
]

DEAD_LETTERS = [
    DeadLetter(
        reason="time_without_offset",
        detail='/time is "2026-11-21T13:45:10"; end it with Z, or with an offset such as +01:00',
        stage="intake",
        topic="cartwheel.raw.v1",
        partition=3,
        offset=120_440,
        key=b"ada@example.com",
        value=b'{"time":"2026-11-21T13:45:10"}',
        refused_at="2026-11-21T13:30:03.000Z",
        appended_at="2026-11-21T13:30:03.000Z",
        version="0.1.0",
    ),
    DeadLetter(
        reason="evaluate",
        detail="ZeroDivisionError: division by zero; the flows or the program have a defect: correct it, then replay",
        stage="worker",
        topic="cartwheel.profile-log.v1",
        partition=11,
        offset=88_120,
        key=b"\x00tick",
        value=b'{"through":"2026-11-21T13:30:04.000Z"}',
        refused_at="2026-11-21T13:30:04.051Z",
        appended_at="2026-11-21T13:30:04.051Z",
        profile=f"{_TENANT}/{_PROFILE_ID}",
        version="0.1.0",
        attempt=2,
    ),
]

DEAD_LETTER_ACTIONS = [
    DeadLetterAction(
        action="dismissed",
        topic="cartwheel.profile-log.v1",
        partition=11,
        offset=88_120,
        profile=f"{_TENANT}/{_PROFILE_ID}",
        attempt=2,
        by="ops",
        note="the shop has canceled this cart",
        at="2026-11-21T14:02:00.000Z",
    ),
]

RESOLUTIONS = [
    Resolution(
        profile=f"{_TENANT}/{_PROFILE_ID}",
        offsets=(88_120,),
        how="dismissed",
        by="ops",
        at="2026-11-21T14:02:00.000Z",
    ),
]

ACTIVATIONS = [
    Activation(
        number=17,
        flows={
            "abandoned_checkout": ActiveFlow(status="live", versions=("c4b98a8a71b0fc9c6f3a1f0e0e6b3e1d",)),
            "winback": ActiveFlow(
                status="held",
                versions=("1d7c1f0f9a3340b7a3d2c5a5f65b4f5e", "8e2a4c16b0d94a2f8f6f7a3c9d1b2e40"),
                over_before="2026-11-20T09:00:00.000Z",
            ),
        },
    ),
]

MIGRATIONS = [
    Migration(
        profile=f"{_TENANT}/{_PROFILE_ID}",
        flow="winback",
        version="1d7c1f0f9a3340b7a3d2c5a5f65b4f5e",
        labels={"remind": "first_reminder"},
        by="ops",
        at="2026-11-21T14:02:00.000Z",
    ),
]

BACKFILLS = [
    Backfill(
        profile=f"{_TENANT}/{_PROFILE_ID}",
        flow="winback",
        event=Raw(
            b'{"id":"o-1","source":"magento1.orders","type":"commerce.order.placed.v1",'
            b'"time":"2026-05-20T10:00:00Z","tenant":"acme","identity":{"external_id":"4711"}}'
        ),
        anchor="occurred_at",
        by="ops",
        at="2026-11-21T14:02:00.000Z",
    ),
]

_FLOW = "abandoned_checkout"
_ENROLLMENT_ID = "5d0c7c2b6f0e4b1a9d3e8f7a6b5c4d3e"
_COMMAND_ID = "9a1b2c3d4e5f60718293a4b5c6d7e8f9"
_DECISION_ID = "00112233445566778899aabbccddeeff"
_FLOW_VERSION = "c0ffee0123456789"

COMMANDS = [
    Command(
        tenant=_TENANT,
        profile_id=_PROFILE_ID,
        flow=_FLOW,
        command_id=_COMMAND_ID,
        decision_id=_DECISION_ID,
        enrollment_id=_ENROLLMENT_ID,
        flow_version=_FLOW_VERSION,
        step="reminder",
        visit=1,
        channel="email",
        addresses={"email": "ada@example.com"},
        message_class="marketing",
        template="cart_reminder",
        variables={"trigger": {"checkout_id": "C-1041"}},
        decided_at="2026-11-21T13:30:04.000Z",
        not_after="2026-11-21T13:45:04.000Z",
        clock="live",
    ),
    Command(
        tenant=_TENANT,
        profile_id=_PROFILE_ID,
        flow=_FLOW,
        command_id="13572468135724681357246813572468",
        decision_id="24681357246813572468135724681357",
        enrollment_id=_ENROLLMENT_ID,
        flow_version=_FLOW_VERSION,
        step="reminder_by_sms",
        visit=1,
        channel="sms",
        addresses={"phone": "+4930123456"},
        message_class="marketing",
        template="cart_reminder_sms",
        variables={"trigger": {"checkout_id": "C-1041"}, "code": "SAVE-5"},
        decided_at="2026-11-21T13:30:04.000Z",
        not_after="2026-11-21T13:45:04.000Z",
        clock="live",
        storefront="2",
        arms={"which_discount": "five"},
        sender="Shop Two <hello@two.example>",
        locale="de-DE",
        decision_group="77665544332211000011223344556677",
        consent=ConsentProof(event_id="signup-8812", source="shop.forms", at="2026-05-02T08:11:00.000Z"),
    ),
]

RECALLS = [
    Recall(
        recall_id="99aabbccddeeff001122334455667788",
        command_id=_COMMAND_ID,
        decision_id="0123456789abcdef0123456789abcdef",
        tenant=_TENANT,
        profile_id=_PROFILE_ID,
        flow=_FLOW,
        channel="email",
        reason="bought_something",
        at="2026-11-21T13:31:12.400Z",
        clock="live",
    ),
]

_AT_A_TICK = Cause(topic="cartwheel.profile-log.v1", partition=11, offset=88_120)

DECISIONS = [
    Decision(
        tenant=_TENANT,
        profile_id=_PROFILE_ID,
        flow=_FLOW,
        decision_id=_DECISION_ID,
        flow_version=_FLOW_VERSION,
        enrollment_id=_ENROLLMENT_ID,
        step="reminder",
        outcome="sent",
        reason="due",
        values={"due_at": "2026-11-21T13:00:10.250Z"},
        cause=_AT_A_TICK,
        decided_at="2026-11-21T13:30:04.000Z",
        clock="live",
        command_id=_COMMAND_ID,
    ),
    Decision(
        tenant=_TENANT,
        profile_id=_PROFILE_ID,
        flow=_FLOW,
        decision_id="ffeeddccbbaa99887766554433221100",
        flow_version=_FLOW_VERSION,
        enrollment_id=_ENROLLMENT_ID,
        outcome="ended",
        reason="bought_something",
        values={"order_id": "000000123"},
        cause=Cause(topic="cartwheel.profile-log.v1", partition=11, offset=88_102, event_id="order-000000123-placed"),
        decided_at="2026-11-21T13:30:02.117Z",
        clock="live",
        ignored=2,
    ),
]

RECEIPTS = [
    Receipt(
        receipt_id="aa00bb11cc22dd33ee44ff5566778899",
        command_id=_COMMAND_ID,
        tenant=_TENANT,
        profile_id=_PROFILE_ID,
        flow=_FLOW,
        channel="email",
        sender="smtp",
        outcome="accepted",
        provider_id="<9a1b2c3d@shop.example>",
        at="2026-11-21T13:30:05.031Z",
    ),
]
