"""Rows of the capability tables that are about sending, under their ids, written as a shop would write them."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from schemas.identity import Identity
from schemas.policy import NO_POLICY, Policy
from streams import timeline
from streams.flowfile import check_policy, load, load_timelines
from streams.rehearsal import Rehearsal
from tests.unit.stage import Stage, checkout, mark, order


class Played(NamedTuple):
    """What came of a timeline."""

    failures: list[str]
    rehearsal: Rehearsal


def play(flow: str, day: str, *, policy: str = "") -> Played:
    compiled = load(flow, name="flow.yaml")
    shop: Policy = check_policy(policy, name="policy.yaml").policy or NO_POLICY if policy else NO_POLICY
    [written] = load_timelines(day, name="flow.test.yaml", flow=compiled)
    failures = timeline.run(compiled, written, policy=shop).failures
    rehearsal = timeline.play(compiled, written, policy=shop)
    return Played([f"{one.expected}, got {one.got}" for one in failures], rehearsal)


REMINDER = """
flow: reminder
entry: { trigger: { event: checkout_started, source: magento1 }, key: trigger.checkout_id, reentry: always }
exit: [{ when: { event: order_placed }, reason: bought }]
steps:
  - wait: { for: 15m }
  - label: remind
    send:
      template: cart
      channel: email
      settle: { sources: [magento1.orders], max_hold: 2h, on_timeout: skip }
"""

ORDER_LATE = """
- name: bought before the sync
  timeline:
    - { at: "10:00", arrives: "10:30", checkout_started: { profile: p1, checkout_id: C1 } }
    - { at: "10:10", arrives: "ORDER", order_placed: { profile: p1, order_id: O1 } }
    - { at: "11:05", watermark: { source: magento1.orders, complete_through: "11:00" } }
  expect:
    - { ended: bought, at: "ORDER" }
    - { sends: 0 }
"""


@pytest.mark.parametrize("arrives", ["10:30", "11:00"])
def test_s0_03_who_bought_before_the_sync_gets_no_reminder(arrives: str) -> None:
    """Semantics 6.2: whether the order comes with the checkout or half an hour after it."""
    assert play(REMINDER, ORDER_LATE.replace("ORDER", arrives)).failures == []


def test_s0_03_without_the_order_the_reminder_goes_when_the_sync_is_known_complete() -> None:
    day = "".join(line for line in ORDER_LATE.splitlines(keepends=True) if "ORDER" not in line and "sends" not in line)
    assert play(REMINDER, day + '    - { sent: remind, at: "11:05" }\n').failures == []


@pytest.mark.parametrize("arrives", ["10:30", "11:00"])
def test_s0_03_on_a_live_clock_one_decision_says_why_and_there_is_no_command(arrives: str) -> None:
    """A tick passes between the checkout, which is overdue when it comes, and the order."""
    ann = Identity(external_id="ann", email="ann@example.org")
    stage = Stage(load(REMINDER.replace(", reason: bought", ""), name="flow.yaml"), clock="live")
    stage.event(checkout("10:00", source="magento1", identity=ann, checkout_id="C1"), "10:30").tick("10:30")
    stage.event(order("10:10", source="magento1", identity=ann, order_id="O1"), arrives)
    stage.tick("11:05", marks=[mark("11:00", source="magento1.orders")]).tick("13:00")
    assert stage.commands == []
    assert stage.story == ["10:30 entered triggered", "10:30 held settle", f"{arrives} ended order_placed"]


def test_s0_04_the_message_has_everything_in_the_cart() -> None:
    """Semantics 9.5: four hours later, once, both items with their quantities and prices."""
    items = '[{ sku: A, quantity: "2", unit_price: "10.00" }, { sku: B, quantity: "1", unit_price: "60.00" }]'
    day = f"""
- name: two things in the cart
  timeline:
    - {{ at: "10:00", checkout_started: {{ profile: p1, checkout_id: C1, total: "80.00", items: {items} }} }}
    - {{ at: "14:00", watermark: {{ source: magento1.orders, complete_through: "14:00" }} }}
  expect: [{{ sends: 1 }}, {{ sent: remind, at: "14:00" }}]
"""
    played = play(REMINDER.replace("15m", "4h"), day)
    assert played.failures == []
    [command] = played.rehearsal.commands
    assert command.variables["trigger"]["items"] == [
        {"sku": "A", "quantity": "2", "unit_price": "10.00"},
        {"sku": "B", "quantity": "1", "unit_price": "60.00"},
    ]
    assert command.variables["trigger"]["total"] == {"amount": "80.00", "currency": "USD"}


BOTH = """
flow: both
entry: { trigger: { event: checkout_started }, reentry: always }
steps:
  - wait: { for: 1h }
  - { label: by_email, send: { template: cart, channel: email } }
  - { label: by_sms, send: { template: cart_sms, channel: sms } }
"""
CONSENTED = """
- name: both
  timeline:
    - { at: "09:00", consent_changed: { profile: p1, channel: email, status: granted } }
    - { at: "09:00", id: two, consent_changed: { profile: p1, channel: sms, status: granted } }
WITHDRAWN    - { at: "10:00", checkout_started: { profile: p1, checkout_id: C1 } }
  expect: [EXPECTED]
"""


def test_s1_05_both_consents_make_two_commands_of_one_decision_group() -> None:
    """Semantics 8.4, 9.5."""
    day = CONSENTED.replace("WITHDRAWN", "").replace("EXPECTED", "{ sends: 2 }")
    played = play(BOTH, day, policy="policy: shop\nconsent: required\n")
    assert played.failures == []
    one, two = played.rehearsal.commands
    assert (one.channel, two.channel) == ("email", "sms")
    assert one.decision_group == two.decision_group is not None
    assert two.addresses == {"phone": "+12025550100"}


@pytest.mark.parametrize("policy", ["policy: shop\nconsent: required\n", ""])
def test_s1_05_without_consent_to_sms_there_is_one_command_and_one_skip(policy: str) -> None:
    withdrawn = '    - { at: "09:30", consent_changed: { profile: p1, channel: sms, status: withdrawn } }\n'
    expected = '{ sends: 1 }, { sent: by_email }, { skipped: "no_consent:sms", at: "11:00" }'
    day = CONSENTED.replace("WITHDRAWN", withdrawn).replace("EXPECTED", expected)
    played = play(BOTH, day, policy=policy)
    assert played.failures == []
    assert [one.reason for one in played.rehearsal.decisions if one.outcome == "skipped"] == ["no_consent:sms"]


def test_a_timeline_tells_of_receipts_and_expects_recalls_and_regrets() -> None:
    """Semantics 7.3, 7.4, 9.6: a receipt names its command by the label of the step."""
    flow = BOTH.replace("steps:", "exit: [{ when: { event: order_placed }, reason: bought }]\nsteps:")
    day = """
- name: taken back, regretted, and once more
  timeline:
    - { at: "10:00", checkout_started: { profile: p1, checkout_id: C1 } }
    - { at: "10:00", checkout_started: { profile: p2, checkout_id: C2 } }
    - { at: "11:01", message_reported: { profile: p1, command_id: by_email, outcome: accepted } }
    - { at: "10:59", arrives: "11:05", order_placed: { profile: p1, order_id: O1 } }
    - { at: "11:16", message_reported: { profile: p2, command_id: by_sms, outcome: expired } }
  expect:
    - { recalled: by_sms, at: "11:05", profile: p1 }
    - { regretted: by_email, at: "11:05", profile: p1 }
    - { sent: by_sms, at: "11:16", profile: p2 }
    - { sends: 5 }
"""
    assert play(flow, day).failures == []
