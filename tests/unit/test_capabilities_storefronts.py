"""Rows of the capability tables about shops with several storefronts, under their ids."""

from __future__ import annotations

import pytest

from streams.flowfile import check
from tests.unit.test_capabilities_conditions import SEND, plays
from tests.unit.test_capabilities_sends import play


def test_S4_06_an_abandoned_cart_by_storefront_never_ends_silently() -> None:  # noqa: N802
    plays(
        f"""
flow: by_storefront
entry: {{ trigger: {{ event: checkout_started }}, key: trigger.checkout_id, reentry: always }}
steps:
  - wait: {{ for: 4h }}
  - if: {{ condition: {{ trigger.channel_id: {{ eq: "2" }} }}, then: store_two, otherwise: not_two }}
  - label: not_two
    if:
      condition: {{ trigger.channel_id: {{ eq: "3" }} }}
      then: store_three
      otherwise: {{ stop: no_branch_matched }}
  - {{ label: store_two, {SEND} }}
  - stop: done
  - {{ label: store_three, {SEND} }}
""",
        """
- name: three storefronts
  timeline:
    - { at: "10:00", checkout_started: { profile: p2, checkout_id: C2, channel_id: 2 } }
    - { at: "10:00", checkout_started: { profile: p3, checkout_id: C3, channel_id: 3 } }
    - { at: "10:00", checkout_started: { profile: p9, checkout_id: C9, channel_id: 9 } }
  expect:
    - { sent: store_two, profile: p2, at: "14:00" }
    - { sent: store_three, profile: p3, at: "14:00" }
    - { ended: no_branch_matched, profile: p9, at: "14:00" }
    - { sends: 2 }
""",
    )


@pytest.mark.parametrize(
    "condition",
    [
        "trigger.channel_id: { eq: 2 }",
        'trigger.channel_id: { gt: "2" }',
        "trigger.total: { gte: 20 }",
        "trigger.items: { eq: A }",
        "fact: { country: { eq: 49 } }",
        'fact: { accepts_marketing: { eq: "true" } }',
        'fact: { birthday: { contains: "05" } }',
        "items: { any: { quantity: { gt: two } } }",
        "event_count: { event: order_placed, match: { order_id: trigger.total }, eq: 0 }",
    ],
)
def test_S4_07_a_comparison_across_types_does_not_compile(condition: str) -> None:  # noqa: N802
    """Semantics 10.3: comparing different types does not compile; it is not false."""
    checked = check(
        f"""
flow: f
entry: {{ trigger: {{ event: checkout_started }}, reentry: always }}
steps: [{{ if: {{ condition: {{ {condition} }}, then: {{ stop: yes }}, otherwise: {{ stop: no }} }} }}]
""",
        name="f.yaml",
    )
    assert checked.flow is None
    assert {finding.code for finding in checked.findings} <= {"wrong_kind", "quotes_needed"}


@pytest.mark.parametrize("says", ["the flow", "the message"])
def test_s4_08_a_storefront_says_who_sends_and_an_unknown_one_is_counted(says: str) -> None:
    """Semantics 9.5. The file maps ids to names, senders and locales; `unknown_storefront_total` counts the others."""
    policy = """
policy: shop
storefronts:
  2: { name: Shop Two, timezone: Europe/Berlin, locale: de-DE, sender: "Two <hello@two.example>" }
"""
    flow = """
flow: stores
storefront: trigger.channel_id
entry: { trigger: { event: checkout_started }, key: trigger.checkout_id, reentry: always }
steps:
  - wait: { for: 1h }
  - { label: remind, send: { template: cart, channel: email } }
"""
    day = """
- name: two stores
  timeline:
    - { at: "10:00", checkout_started: { profile: p1, checkout_id: C1, channel_id: 2 } }
    - { at: "10:00", checkout_started: { profile: p2, checkout_id: C2, channel_id: 9 } }
  expect: [{ sends: 2 }]
"""
    if says == "the message":
        flow = flow.replace("storefront: trigger.channel_id\n", "")
        flow = flow.replace("channel: email", "channel: email, storefront: trigger.channel_id")
    played = play(flow, day, policy=policy)
    assert played.failures == []
    said = {one.storefront: (one.storefront_name, one.sender, one.locale) for one in played.rehearsal.commands}
    assert said == {"2": ("Shop Two", "Two <hello@two.example>", "de-DE"), "9": (None, None, None)}
    assert played.rehearsal.tallies["unknown_storefront",] == 1
