"""What no named source ever sends: words (`field_not_sent`) and whole events (`event_not_sent`), wherever asked for."""

from __future__ import annotations

import pytest

from streams.flowfile import check
from tests.unit.test_flowfile_lint import HEAD, flow, found, places


class TestFieldNotSent:
    """S4-09: BigCommerce's on-site tracking knows no storefront."""

    def test_s4_09_a_route_by_a_word_that_never_comes_does_not_compile(self) -> None:
        entry = "trigger: { event: product_viewed, source: bigcommerce/abc }"
        steps = '{ route: { by: trigger.channel_id, cases: { "2": { stop: a } }, otherwise: { stop: b } } }'
        checked = check(flow(steps, entry=entry), name="f.yaml")
        assert checked.flow is None
        assert places(flow(steps, entry=entry)) == ["3:24 error field_not_sent"]
        assert "`bigcommerce/abc` never sends `channel_id` with `product_viewed`" in checked.findings[0].message

    def test_s4_09_every_place_is_named(self) -> None:
        entry = (
            "trigger: { event: site_active, source: [bigcommerce] }, where: { not: { channel_id: { eq: '1' } } }, "
            "key: trigger.channel_id"
        )
        match = "match: { channel_id: trigger.channel_id }"
        rule = f"exit: [{{ when: {{ event: product_viewed, source: bigcommerce, {match} }} }}]"
        assert places(flow("{ stop: done }", entry=entry, more=rule)) == [
            "2:82 error field_not_sent",
            "2:116 error field_not_sent",
            "3:71 error field_not_sent",
            "3:83 error field_not_sent",
        ]

    @pytest.mark.parametrize(
        "trigger",
        ["checkout_started, source: bigcommerce", "product_viewed", "product_viewed, source: [bigcommerce, mine]"],
    )
    def test_s4_09_what_some_source_sends_may_be_asked_for(self, trigger: str) -> None:
        entry = f"trigger: {{ event: {trigger} }}, key: trigger.channel_id"
        assert found(flow("{ stop: done }", entry=entry)) == []

    VIEW = "event: product_viewed, source: bigcommerce"
    WHERE = "where: { channel_id: { eq: '1' } }"
    MATCH = "match: { channel_id: trigger.store }"

    @pytest.mark.parametrize("asks", [WHERE, MATCH, "where: { any: [{ not: { channel_id: { in: ['1'] } } }] }"])
    @pytest.mark.parametrize(
        "place",
        [
            "exit: [{ when: { EVENT } }]\nsteps: [{ stop: a }]",
            "exit: [{ when: { person: { event_count: { EVENT, gte: 1 } } }, reason: a }]\nsteps: [{ stop: a }]",
            "steps: [{ if: { condition: { not: { event_count: { EVENT, gte: 1 } } }, then: { stop: a } } }]",
            "steps: [{ wait_event: { EVENT, timeout: 1d } }]",
            "steps: [{ wait_event: { timeout: 1d, branches: [{ event: order_placed }, { EVENT }] } }]",
        ],
    )
    def test_s4_09_of_whatever_event_that_is_named(self, place: str, asks: str) -> None:
        text = HEAD + place.replace("EVENT", f"{self.VIEW}, {asks}")
        line = text.split("\n").index(next(line for line in text.split("\n") if "channel_id" in line))
        column = text.split("\n")[line].index("channel_id") + 1
        assert places(text) == [f"{line + 1}:{column} error field_not_sent"]
        assert places(text.replace("product_viewed", "order_canceled")) == []
        assert places(text.replace(", source: bigcommerce", "")) == []
        assert places(text.replace("channel_id", "store")) == []

    @pytest.mark.parametrize(
        "asked", [f"last_event: {{ {VIEW}, {WHERE} }}", f"event_count: {{ {VIEW}, {MATCH}, lt: 1 }}"]
    )
    def test_s4_09_in_a_filter(self, asked: str) -> None:
        text = flow("{ stop: a }", entry=f"trigger: {{ event: order_placed }}, filter: {{ {asked} }}")
        assert places(text) == [f"2:{text.split(chr(10))[1].index('channel_id') + 1} error field_not_sent"]

    @pytest.mark.parametrize(
        ("steps", "times"),
        [
            ("{ if: { condition: { trigger.channel_id: { eq: '1' } }, then: { stop: a } } }", 1),
            ("{ if: { condition: { event_count: { event: order_placed, gte: 1, "
             "match: { channel_id: trigger.channel_id } } }, then: { stop: a } } }", 1),
            ("{ wait_event: { event: order_placed, match: { store: trigger.channel_id }, timeout: 1d } }", 1),
            ("{ set: { shop: trigger.channel_id } }, { emit: { event: custom_a, properties: "
             "{ a: trigger.channel_id } } }", 2),
            ("{ send: { template: t, channel: log, class: transactional, storefront: trigger.channel_id, "
             "variables: { shop: trigger.channel_id } } }", 2),
        ],
    )  # fmt: skip
    def test_s4_09_a_word_of_the_trigger_in_every_step(self, steps: str, times: int) -> None:
        text = flow(steps, entry=f"trigger: {{ {self.VIEW} }}")
        assert [one.code for one in found(text)] == ["field_not_sent"] * times
        column = text.split("\n")[2].index("trigger.channel_id") + 1
        assert places(text)[0] == f"3:{column} error field_not_sent"

    @pytest.mark.parametrize(
        "condition",
        [
            "{ campaign: { eq: channel_id } }",
            "{ campaign: { in: [channel_id, b] } }",
            "{ items: { any: { sku: { eq: channel_id } } } }",
        ],
    )
    def test_what_is_compared_with_is_no_word(self, condition: str) -> None:
        event = "order_placed" if "items" in condition else "product_viewed"
        exit_ = f"exit: [{{ when: {{ event: {event}, source: bigcommerce, where: {condition} }} }}]"
        assert found(flow("{ stop: a }", entry=f"trigger: {{ {self.VIEW} }}", more=exit_)) == []
        begins = f"trigger: {{ event: {event}, source: bigcommerce }}, where: {condition}"
        assert found(flow("{ set: { shop: channel_id } }", entry=begins)) == []


class TestEventNotSent:
    """S4-09: of carts, BigCommerce and Magento 1 tell nothing before the checkout."""

    @pytest.mark.parametrize(
        "place",
        [
            "exit: [{ when: { EVENT } }]\nsteps: [{ stop: a }]",
            "exit: [{ when: { person: { event_count: { EVENT, gte: 1 } } }, reason: a }]\nsteps: [{ stop: a }]",
            "steps: [{ if: { condition: { last_event: { EVENT, ago: { lt: 1d } } }, then: { stop: a } } }]",
            "steps: [{ wait_event: { EVENT, timeout: 1d } }]",
            "steps: [{ wait_event: { timeout: 1d, branches: [{ event: order_placed }, { EVENT }] } }]",
        ],
    )
    @pytest.mark.parametrize("source", ["bigcommerce", "magento1/default", "[bigcommerce, magento1.carts]"])
    def test_wherever_it_is_named(self, place: str, source: str) -> None:
        text = HEAD + place.replace("EVENT", f"event: cart_updated, source: {source}")
        line, said = next((n, line) for n, line in enumerate(text.split("\n"), 1) if "cart_updated" in line)
        assert places(text) == [f"{line}:{said.index('cart_updated') + 1} error event_not_sent"]
        assert places(text.replace("cart_updated", "checkout_started")) == []
        assert places(text.replace(source, "[bigcommerce, mine]")) == []
        assert places(text.replace(f", source: {source}", "")) == []

    def test_as_the_trigger_it_does_not_compile(self) -> None:
        text = flow("{ stop: a }", entry="trigger: { event: cart_updated, source: bigcommerce }")
        checked = check(text, name="f.yaml")
        assert checked.flow is None
        assert places(text) == ["2:28 error event_not_sent"]
        assert "`bigcommerce` never reports `cart_updated`" in checked.findings[0].message
