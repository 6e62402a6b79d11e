"""Policy files: what they say, every mistake in them, and that they hold for the flows of their folder.

Semantics 12.3.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.errors import InputRefused
from agents.flow_files import check_policy_of, load_flows, load_policy
from schemas.connectors import Lag
from schemas.policy import NO_POLICY, CapRule, Policy, QuietHours, Storefront
from schemas.steps import Cap, Send, Value
from schemas.window import Window
from streams.flowfile import check_policy, load
from streams.flowfile.policy import version_of
from tests.unit.stage import HOUR, MINUTE

SHOP = """
policy: shop
consent: required
quiet_hours: [{ channels: [sms], local: "21:00-08:00", on: [mon-fri] }]
caps:
  - { channel: email, class: marketing, max: 2, per: 24h, when_capped: defer, expires: 12h }
  - { storefront: 2, max: 5, per: 7d }
facts: { loyalty_points: number }
storefronts:
  2: { name: Shop Two, timezone: Europe/Berlin, locale: de-DE, sender: "Two <hello@two.example>" }
sources: { magento1.orders: { lag: 30m, margin: 15m } }
holidays: [2026-12-25, 2026-12-26]
"""


def test_everything_that_it_may_say() -> None:
    policy, findings = check_policy(SHOP, name="policy.yaml")
    assert findings == ()
    assert policy is not None
    assert policy == Policy(
        name="shop",
        version=policy.version,
        consent="required",
        quiet_hours=(QuietHours(channels=("sms",), window=Window(21 * HOUR, 8 * HOUR, (0, 1, 2, 3, 4))),),
        caps=(
            CapRule(
                channel="email", message_class="marketing", max=2, per_ms=24 * HOUR, when_capped="defer",
                expires_ms=12 * HOUR,
            ),
            CapRule(storefront="2", max=5, per_ms=7 * 24 * HOUR),
        ),
        facts={"loyalty_points": "number"},
        storefronts={
            "2": Storefront(
                name="Shop Two", timezone="Europe/Berlin", locale="de-DE", sender="Two <hello@two.example>"
            )
        },
        sources={"magento1.orders": Lag(lag_ms=30 * MINUTE, margin_ms=15 * MINUTE)},
        holidays=("2026-12-25", "2026-12-26"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1 empty_file"]),
        ("policy: shop\npolicy: shop", ["2:1 duplicate_key"]),
        ("consent: required", ["1:1 missing_key"]),
        ("policy: a shop", ["1:9 bad_name"]),
        ("policy: shop\nconsent: never", ["2:10 bad_choice"]),
        ("policy: shop\nquiet: []", ["2:1 unknown_key"]),
        ("policy: shop\nquiet_hours: []", ["2:14 empty"]),
        ("policy: shop\nquiet_hours: [{ local: '21:00-08:00' }]", ["2:15 missing_key"]),
        ("policy: shop\nquiet_hours: [{ channels: [fax], local: '21:00-08:00' }]", ["2:28 bad_choice"]),
        ("policy: shop\nquiet_hours: [{ channels: [sms], local: night }]", ["2:41 bad_time"]),
        ("policy: shop\nquiet_hours: [{ channels: [sms], local: '00:00-24:00' }]", ["2:41 bad_time"]),
        ("policy: shop\nquiet_hours: [{ channels: [sms], local: '00:00-24:00', on: [mon-sun] }]", ["2:41 bad_time"]),
        ("policy: shop\ncaps: [{ per: 7d }]", ["2:8 missing_key"]),
        ("policy: shop\ncaps: [{ max: 0, per: 7d }]", ["2:15 out_of_range"]),
        ("policy: shop\ncaps: [{ max: 1, per: 7d, class: transactional }]", ["2:34 bad_choice"]),
        ("policy: shop\ncaps: [{ max: 1, per: 7d, when_capped: defer }]", ["2:8 missing_key"]),
        ("policy: shop\ncaps: [{ max: 1, per: 7d, expires: 1h }]", ["2:36 bad_choice"]),
        ("policy: shop\nfacts: { points: int }", ["2:18 bad_choice"]),
        ("policy: shop\nfacts: { loyalty points: number }", ["2:10 bad_name"]),
        ("policy: shop\nsources: { my shop: { lag: 5m } }", ["2:12 bad_name"]),
        ("policy: shop\nfacts: [points]", ["2:8 wrong_shape"]),
        ("policy: shop\nstorefronts: { 2: { timezone: Berlin } }", ["2:31 bad_choice"]),
        ("policy: shop\nstorefronts: { 2: Shop }", ["2:19 wrong_shape"]),
        ("policy: shop\nstorefronts: { 2: { name: 7 } }", ["2:27 quotes_needed"]),
        ("policy: shop\nstorefronts: { 2: { sender: Shop Two } }", ["2:29 bad_choice"]),
        ('policy: shop\nstorefronts: { 2: { sender: "Two <two@>" } }', ["2:29 bad_choice"]),
        ('policy: shop\nstorefronts: { 2: { sender: "Shop, Inc. <two@shop.example>" } }', ["2:29 bad_choice"]),
        ("policy: shop\nstorefronts: { 2.5: { name: Shop } }", ["2:16 quotes_needed"]),
        ("policy: shop\nsources: { orders: { margin: 1m } }", ["2:20 missing_key"]),
        ("policy: shop\nholidays: [2026-02-30, christmas]", ["2:12 bad_time", "2:24 bad_time"]),
        ("policy: shop\nholidays: [holidays]", ["2:12 bad_time"]),
    ],
)
def test_a_mistake_is_found_where_it_is(text: str, expected: list[str]) -> None:
    policy, findings = check_policy(text, name="policy.yaml")
    assert policy is None
    assert [f"{one.line}:{one.column} {one.code}" for one in findings] == expected


def test_its_content_is_its_version_and_part_of_what_a_worker_runs() -> None:
    one, other = (check_policy(text, name="p").policy for text in (SHOP, SHOP.replace("max: 2", "max: 3")))
    assert one is not None
    assert other is not None
    assert one.version != other.version
    assert check_policy(SHOP + "\n# a word\n", name="p").policy == one
    assert version_of(one) == one.version


def test_it_holds_for_the_flows_of_its_folder_and_is_none_of_them(tmp_path: Path) -> None:
    text = "flow: f\nentry: { trigger: { event: checkout_started }, reentry: always }\nsteps: [{ stop: done }]\n"
    (tmp_path / "f.yaml").write_text(text)
    assert load_policy(tmp_path) == NO_POLICY
    (tmp_path / "policy.yaml").write_text(SHOP)
    assert [one.name for one in load_flows(tmp_path)] == ["f"]
    assert load_policy(tmp_path) == load_policy(tmp_path / "f.yaml") == check_policy(SHOP, name="p").policy
    (tmp_path / "policy.yaml").write_text("policy: shop\nconsent: never\n")
    with pytest.raises(InputRefused, match="bad_choice"):
        load_policy(tmp_path)
    found = check_policy_of(tmp_path)
    assert found is not None
    assert (found.policy, len(found.findings)) == (None, 1)


def test_a_flow_says_what_may_hold_its_messages_back() -> None:
    text = """
flow: f
storefront: trigger.channel_id
entry: { trigger: { event: checkout_started }, reentry: always }
steps:
  - label: remind
    send:
      template: t
      channel: sms
      storefront: 2
      window: { local: "08:00-21:00", on: [mon-fri], except: [holidays, 2026-12-31] }
      cap: { group: reminders, max: 2, per: 7d, when_capped: defer, expires: 12h }
      fresh: { coupons: 24h }
      when_late: send
      valid: 5m
      variables: { code: trigger.coupon, name: fact.first_name, percent: 10, big: true, word: hello }
"""
    compiled = load(text, name="f.yaml")
    step = compiled.steps[0]
    assert isinstance(step, Send)
    assert compiled.storefront == Value("trigger", "channel_id")
    assert step.storefront == Value("literal", "2")
    assert step.window == Window(8 * HOUR, 21 * HOUR, (0, 1, 2, 3, 4), ("2026-12-31", "holidays"))
    assert step.cap == Cap(group="reminders", max=2, per_ms=7 * 24 * HOUR, when_capped="defer", expires_ms=12 * HOUR)
    assert step.fresh == (("coupons", 24 * HOUR),)
    assert (step.when_late, step.valid_ms) == ("send", 5 * MINUTE)
    found = {name: (one.origin, one.of) for name, one in step.variables.items()}
    assert found == {
        "code": ("trigger", "coupon"), "name": ("fact", "first_name"), "percent": ("literal", 10),
        "big": ("literal", True), "word": ("literal", "hello"),
    }  # fmt: skip
