"""Timelines: scripted days in the words of a flow, played on the real core and compared."""

from __future__ import annotations

import pytest

from schemas.event import Event
from schemas.flow import Flow
from schemas.instants import from_wire
from streams import timeline
from streams.flowfile import FlowFileError, load, load_timelines
from streams.timeline import Result
from tests.unit.test_flowfile import ABANDONED_CHECKOUT

FLOW = load(ABANDONED_CHECKOUT, name="abandoned_checkout.yaml")

START = '{ at: "10:00", checkout_started: { profile: p1, checkout_id: C1, total: "80.00", channel_id: 2 } }'
REPORT = '{ at: "10:16", watermark: { source: magento1.orders, complete_through: "10:15" } }'


def play(*lines: str, expect: str, flow: Flow = FLOW) -> Result:
    text = "".join(["- name: a day\n  timeline:\n", *(f"    - {line}\n" for line in lines), f"  expect: [{expect}]\n"])
    [one] = load_timelines(text, name="f.test.yaml", flow=flow)
    return timeline.run(flow, one)


def failures(*lines: str, expect: str) -> list[str]:
    return [f"{failure.expected} | {failure.got}" for failure in play(*lines, expect=expect).failures]


def mistakes(text: str) -> list[str]:
    with pytest.raises(FlowFileError) as raised:
        load_timelines(text, name="f.test.yaml", flow=FLOW)
    return [
        f"{one.line}:{one.column} {one.code} {one.suggestion if one.instead else ''}".rstrip()
        for one in raised.value.findings
    ]


def test_the_worked_example() -> None:
    assert not play(
        START,
        '{ at: "10:10", arrives: "10:40", order_placed: { profile: p1, checkout_id: C1 } }',
        '{ at: "10:41", watermark: { source: magento1.orders, complete_through: "10:40" } }',
        expect='{ ended: bought_this_cart, at: "10:40" }, { sends: 0 }',
    ).failures


def test_words_go_where_the_catalog_says() -> None:
    text = """
- name: a day
  timeline:
    - at: "10:00"
      checkout_started:
        { profile: p1, channel_id: 2, total: { money: "9.50", currency: EUR }, items: [{ sku: A, n: 2 }] }
    - { at: "10:01", arrives: "10:02:30.250", source: pos, id: x1, dedupe_key: k, backfill: true,
        cart_item_added: { anonymous: b1, quantity: 2.50, price: "3.00", categories: [mugs] } }
  expect: [{ sends: 0 }]
"""
    [one] = load_timelines(text, name="f.test.yaml", flow=FLOW)
    first, second = (happening.what for happening in one.happenings)
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert first.value is not None
    assert one.happenings[1].at == from_wire("2026-01-01T10:02:30.250Z")
    assert (first.type, first.source, first.id) == ("commerce.checkout.started.v1", "magento1", "line-1")
    assert (first.identity.external_id, first.identity.email) == ("p1", "p1@example.test")
    assert (first.value.amount, first.value.currency) == ("9.50", "EUR")
    assert (bytes(first.context), bytes(first.items)) == (b'{"channel_id":"2"}', b'[{"n":2,"sku":"A"}]')
    assert (second.source, second.id, second.dedupe_key, second.backfill) == ("pos", "x1", "k", True)
    assert second.identity.anonymous_id == "b1"
    assert second.identity.external_id is None
    assert (
        bytes(second.properties)
        == b'{"categories":["mugs"],"price":{"amount":"3.00","currency":"USD"},"quantity":"2.50"}'
    )


def test_time_runs_at_the_end_unless_it_is_told_to_stop() -> None:
    assert not failures(START, expect='{ skipped: settle_timeout, at: "12:15" }, { ended: done }')
    assert not failures(START, '{ end: "12:14" }', expect="{ held: settle }, { sends: 0 }")
    assert failures(START, '{ end: "12:14" }', expect="{ ended: done }") == ["ended: done | nothing was ended"]
    assert not failures(START, '{ end: "12:15" }', expect='{ ended: done, at: "12:15" }')


def test_time_can_be_moved() -> None:
    lines = [START, '{ advance: "10:20" }', REPORT.replace("10:16", "10:21")]
    assert not failures(*lines, expect='{ held: settle, at: "10:15" }, { sent: store_two, at: "10:21" }')


def test_a_failure_says_what_was_expected_and_what_came() -> None:
    result = play(START, REPORT, expect='{ ended: bought_this_cart, at: "10:20", profile: p1 }, { sends: 2 }')
    assert [tuple(failure) for failure in result.failures] == [
        (5, "ended: bought_this_cart at 10:20 for p1", "ended: done at 10:16 for p1"),
        (5, "sends: 2", "sends: 1"),
    ]
    assert [line.split(" (")[0] for line in result.story] == [
        "entered: triggered at 10:00 for p1",
        "held: settle at 10:15 for p1",
        "sent: store_two at 10:16 for p1",
        "ended: done at 10:16 for p1",
    ]
    assert result.story[1].endswith("(step settle_1, magento1.orders has not reported yet, due 10:15)")


def test_a_word_that_looks_like_an_instant_is_shown_as_it_is() -> None:
    flow = load(ABANDONED_CHECKOUT.replace("checkout_id: trigger.checkout_id }", "coupon: trigger.coupon }"), name="f")
    odd = "2026-01-45T10:00:00.000Z"
    result = play(
        START.replace("channel_id: 2", f'coupon: "{odd}"'),
        f'{{ at: "10:05", order_placed: {{ profile: p1, coupon: "{odd}" }} }}',
        expect="{ sends: 0 }",
        flow=flow,
    )
    assert odd in result.story[1]


def test_totals_can_be_of_one_person() -> None:
    lines = [START, START.replace("p1", "p2").replace("C1", "C2"), REPORT]
    assert not failures(*lines, expect="{ sends: 2 }, { sends: 1, profile: p2 }, { entered: 1, profile: p1 }")
    assert failures(*lines, expect="{ sends: 0, profile: p2 }") == ["sends: 0 for p2 | sends: 1"]


def test_an_event_that_is_not_taken_is_in_the_story() -> None:
    late = '{ at: "10:00", arrives: "2026-02-01T00:00:00Z", checkout_started: { profile: p1, checkout_id: C1 } }'
    assert [line[:32] for line in play(late, expect="{ entered: 0 }").story] == ["not taken: before_dedupe_horizon"]


def test_a_draft_is_played_as_if_it_were_live() -> None:
    draft = load(ABANDONED_CHECKOUT.replace("live", "draft"), name="f.yaml")
    assert not play(START, REPORT, expect="{ sent: store_two }", flow=draft).failures


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{ at: ten, site_active: { profile: p1 } }", "3:13 bad_time"),
        ('{ at: "25:00", site_active: { profile: p1 } }', "3:13 bad_time"),
        ('{ at: "2026-01-01T10:00:00", site_active: { profile: p1 } }', "3:13 bad_time"),
        ('{ at: "9999-01-01T10:00:00Z", site_active: { profile: p1 } }', "3:13 bad_time"),
        ("{ site_active: { profile: p1 } }", "3:7 missing_key"),
        ('{ at: "10:00" }', "3:7 missing_key"),
        ('{ at: "10:00", site_aktive: { profile: p1 } }', "3:22 unknown_key site_active"),
        ('{ at: "10:00", site_active: { profile: p1, page: home, pge: home } }', "3:62 unknown_key page"),
        ('{ at: "10:00", site_active: { page: home } }', "3:35 missing_key"),
        ('{ at: "10:00", site_active: { anonymous: guest } }', "3:35 missing_key"),
        ('{ at: "10:00", site_active: home }', "3:35 wrong_shape"),
        ('{ at: "10:00", site_active: { profile: p1 }, cart_updated: { profile: p1 } }', "3:52 two_steps_in_one"),
        ('{ at: "10:00", cart_updated: { profile: p1, total: 80.00 } }', "3:58 wrong_kind"),
        ('{ at: "10:00", cart_updated: { profile: p1, cart_id: 1.5 } }', '3:60 quotes_needed "1.5"'),
        ('{ at: "10:00", id: ' + "x" * 200 + ", site_active: { profile: p1 } }", "3:241 wrong_shape"),
        ('{ at: "10:00", watermark: { source: a, complete_through: later } }', "3:64 bad_time"),
        ('{ at: "10:00", advance: "11:00" }', "3:9 unknown_key"),
        ("site_active", "3:7 wrong_shape"),
    ],
)
def test_mistakes_in_a_line(line: str, expected: str) -> None:
    assert mistakes(f"- name: a day\n  timeline:\n    - {line}\n  expect: [{{ sends: 0 }}]\n") == [expected]


@pytest.mark.parametrize(
    ("expectation", "expected"),
    [
        ("{ endet: done }", "4:14 unknown_key ended"),
        ("{ at: '10:00' }", "4:12 missing_key"),
        ("{ ended: done, sends: 0 }", "4:27 two_steps_in_one"),
        ("{ sends: none }", "4:21 not_a_number"),
        ("{ sends: 0, at: '10:00' }", "4:24 unknown_key"),
        ("{ ended: done, profile: p2 }", "4:36 bad_choice"),
        ("{ ended: done, at: noon }", "4:31 bad_time"),
    ],
)
def test_mistakes_in_an_expectation(expectation: str, expected: str) -> None:
    assert mistakes(f"- name: a day\n  timeline:\n    - {START}\n  expect: [{expectation}]\n") == [expected]


def test_lines_come_in_order_and_nothing_after_the_end() -> None:
    later, end = START.replace("10:00", "10:05"), '{ end: "10:05" }'
    for lines in ([later, START], [end, later]):
        text = (
            "- name: a day\n  timeline:\n" + "".join(f"    - {line}\n" for line in lines) + "  expect: [{ sends: 0 }]\n"
        )
        assert mistakes(text) == ["4:7 not_in_order"]


def test_a_file_without_timelines() -> None:
    assert mistakes("") == ["1:1 empty_file"]
    assert mistakes("[]") == ["1:1 empty"]
    assert mistakes("- name: a day") == ["1:3 missing_key", "1:3 missing_key"]
