"""What the linter finds in flows that compile: where, and where not."""

from __future__ import annotations

import pytest

from schemas.connectors import Lag
from streams.flowfile import check
from streams.flowfile.findings import Finding
from streams.flowfile.surroundings import NOWHERE, Place, Surroundings, Template

MINUTE = 60_000
HEAD = "flow: f\nentry: { trigger: { event: checkout_started }, reentry: always }\n"
ORDER_EXIT = "exit: [{ when: { event: order_placed } }]"


def flow(steps: str, *, entry: str = "trigger: { event: checkout_started, source: magento1 }", more: str = "") -> str:
    lines = [f"flow: f\nentry: {{ {entry}, reentry: always }}", *([more] if more else []), f"steps: [{steps}]"]
    return "\n".join(lines)


def waits(delay: str, *, settle: str = "", more: str = ORDER_EXIT) -> str:
    gate = f", settle: {{ sources: [{settle}] }}" if settle else ""
    return flow(f"{{ wait: {{ for: {delay} }} }}, {{ send: {{ template: t, channel: log{gate} }} }}", more=more)


def found(text: str, around: Surroundings = NOWHERE) -> list[Finding]:
    return list(check(text, name="f.yaml", around=around).findings)


def places(text: str, around: Surroundings = NOWHERE) -> list[str]:
    return [
        f"{one.line}:{one.column} {one.severity} {one.code} {one.suggestion if one.instead else ''}".rstrip()
        for one in found(text, around)
    ]


class TestDelayBelowSourceLag:
    """S0-02, semantics 6.3: Magento 1 reports up to 30 minutes late, with a margin of 15."""

    @pytest.mark.parametrize("delay", ["15m", "30m", "44m"])
    def test_s0_02_a_message_that_is_too_early_is_a_warning(self, delay: str) -> None:
        [finding] = found(waits(delay))
        assert (finding.code, finding.severity, finding.line) == ("delay_below_source_lag", "warning", 4)
        assert finding.suggestion == "45m"
        assert "wait 45m or more, or add `settle: { sources: [magento1] }`" in finding.message

    @pytest.mark.parametrize("delay", ["45m", "1h", "1d"])
    def test_s0_02_a_message_that_waits_long_enough_is_none(self, delay: str) -> None:
        assert found(waits(delay)) == []

    @pytest.mark.parametrize("source", ["magento1", "magento1.orders", "{ source: magento1.orders, shop: s }"])
    def test_s0_02_a_gate_at_the_source_is_enough(self, source: str) -> None:
        assert found(waits("15m", settle=source)) == []

    ORDER_FILTER = "trigger: { event: checkout_started, source: magento1 }, filter: { event_count: FILTER }"

    @pytest.mark.parametrize(
        "counted", ["{ event: order_placed, since: start, eq: 0 }", "{ event: order_placed, in_last: 7d, lt: 1 }"]
    )
    @pytest.mark.parametrize(("delay", "safe"), [("15m", False), ("30m", False), ("44m", False), ("45m", True)])
    def test_s0_02_a_filter_on_orders_is_as_good_as_an_exit(self, counted: str, delay: str, safe: bool) -> None:
        """At 15, 30 and 44 minutes it warns and suggests 45 or a gate; at 45, or with a gate, it does not."""
        entry = self.ORDER_FILTER.replace("FILTER", counted)
        told = "{ send: { template: t, channel: log } }"
        wait, gate = f"{{ wait: {{ for: {delay} }} }}", "{ settle: { sources: [magento1.orders] } }"
        late = [one for one in found(flow(f"{wait}, {told}", entry=entry)) if one.code == "delay_below_source_lag"]
        assert [(one.severity, one.suggestion) for one in late] == ([] if safe else [("warning", "45m")])
        codes = {one.code for one in found(flow(f"{wait}, {gate}, {told}", entry=entry))}
        assert "delay_below_source_lag" not in codes

    def test_a_gate_at_another_source_is_not(self) -> None:
        assert places(waits("15m", settle="bigcommerce.orders")) == ["4:24 warning delay_below_source_lag 45m"]

    def test_without_anything_that_could_stop_it_there_is_no_reason_to_wait(self) -> None:
        assert [one.code for one in found(waits("15m", more="exit: []"))] == ["empty"]
        text = flow("{ wait: { for: 15m } }, { send: { template: t, channel: log, class: transactional } }")
        assert found(text) == []

    def test_what_happens_on_the_site_is_known_at_once(self) -> None:
        assert found(waits("15m", more="exit: [{ when: { event: site_active } }]")) == []

    def test_the_source_of_what_stops_it_counts_and_not_that_of_the_trigger(self) -> None:
        text = waits("15m", more="exit: [{ when: { event: order_placed, source: bigcommerce } }]")
        assert found(text) == []
        entry = "trigger: { event: checkout_started, source: bigcommerce }"
        steps = "{ wait: { for: 15m } }, { send: { template: t, channel: log } }"
        late = "exit: [{ when: { event: order_placed, source: magento1/default } }]"
        assert places(flow(steps, entry=entry, more=late)) == ["4:24 warning delay_below_source_lag 45m"]

    def test_waits_add_up_along_the_shortest_way(self) -> None:
        steps = (
            "{ wait: { for: 20m } }, "
            "{ if: { condition: { trigger.total: { is_set: true } }, then: remind, "
            "otherwise: [{ wait: { for: 1h } }] } }, "
            "{ label: remind, wait: { for: 5m } }, { send: { template: t, channel: log } }"
        )
        [finding] = found(flow(steps, more=ORDER_EXIT))
        assert finding.suggestion == "25m"
        assert "`send_1` may go out 25m after the trigger" in finding.message

    def test_without_any_wait_the_message_itself_is_the_place(self) -> None:
        assert places(flow("{ send: { template: t, channel: log } }", more=ORDER_EXIT)) == [
            "4:9 warning delay_below_source_lag"
        ]

    def test_a_declared_source_counts_before_ours_and_for_flows_that_name_none(self) -> None:
        quick = Surroundings(declared_lags={"magento1": Lag(lag_ms=5 * MINUTE)})
        assert found(waits("15m"), quick) == []
        assert places(waits("4m"), quick) == ["4:24 warning delay_below_source_lag 5m"]
        slow = Surroundings(declared_lags={"erp": Lag(lag_ms=120 * MINUTE, margin_ms=30 * MINUTE)})
        text = waits("1h").replace(", source: magento1", "")
        assert places(text, slow) == ["4:24 warning delay_below_source_lag 2h30m"]
        assert found(text) == []


class TestMissingExit:
    """A reminder that nothing stops."""

    SEND = "{ wait: { for: 1h } }, { send: { template: t, channel: log } }"

    def test_a_reminder_without_an_exit_is_a_warning_at_its_trigger(self) -> None:
        assert places(flow(self.SEND)) == ["2:28 warning missing_exit"]

    def test_with_an_exit_it_is_none(self) -> None:
        assert found(flow(self.SEND, more=ORDER_EXIT)) == []

    def test_what_is_finished_and_what_sends_nothing_needs_none(self) -> None:
        assert found(flow(self.SEND, entry="trigger: { event: order_placed }")) == []
        assert found(flow("{ stop: done }")) == []
        assert found(flow("{ send: { template: t, channel: log, class: transactional } }")) == []


class TestUnknownTemplate:
    """A message needs a template, where the templates are known."""

    TEXT = flow(
        "{ send: { template: abandond, channel: email } }, { send: { template: t, channel: log } }",
        entry="trigger: { event: order_placed }",
    )

    def test_a_template_that_is_not_there(self) -> None:
        around = Surroundings(templates={"abandoned": Template(), "winback": Template()})
        assert places(self.TEXT, around) == ["3:29 error unknown_template abandoned"]

    def test_one_that_is_there_or_nobody_knows(self) -> None:
        assert found(self.TEXT, Surroundings(templates={"abandond": Template()})) == []
        assert found(self.TEXT) == []

    def test_without_a_folder_one_finding_says_it(self) -> None:
        around = Surroundings(templates="no folder")
        assert places(self.TEXT, around) == ["3:29 warning no_templates"]
        assert found(self.TEXT.replace("channel: email", "channel: log"), around) == []


class TestTemplates:
    """What a template asks for is compared with what its message brings."""

    TEXT = """flow: f
entry: { trigger: { event: checkout_started }, reentry: never }
exit: [{ when: { event: order_placed } }]
steps:
  - label: remind
    send: { template: cart, channel: email, variables: { code: trigger.coupon } }
"""

    @staticmethod
    def around(*asks: tuple[str, str], broken: str = "") -> Surroundings:
        place = Place("templates/cart.text.liquid", 3, 7)
        return Surroundings(
            templates={"cart": Template(dict.fromkeys(asks, place), (broken, place) if broken else None)}
        )

    @pytest.mark.parametrize(
        ("asks", "suggestion"),
        [
            (("trigger", "chekout_url"), "trigger.checkout_url"),
            (("coed", ""), "code"),
            (("checkout_url", ""), "trigger.checkout_url"),
        ],
    )
    def test_what_it_asks_for_in_vain(self, asks: tuple[str, str], suggestion: str) -> None:
        [finding] = found(self.TEXT, self.around(asks))
        assert (finding.code, finding.file) == ("not_in_message", "templates/cart.text.liquid")
        assert (finding.line, finding.column) == (3, 7)
        assert finding.suggestion == suggestion

    def test_what_the_message_brings(self) -> None:
        brought = [("trigger", "checkout_url"), ("trigger", ""), ("code", ""), ("addresses", "email")]
        assert found(self.TEXT, self.around(*brought)) == []

    def test_one_that_cannot_be_read(self) -> None:
        [finding] = found(self.TEXT, self.around(broken="expected endif"))
        assert (finding.code, finding.severity) == ("bad_template", "error")
        assert (finding.file, finding.line, finding.column) == ("templates/cart.text.liquid", 3, 7)
        assert "expected endif" in finding.message

    @pytest.mark.parametrize(
        ("trigger", "word"),
        [
            ('{ date: { fact: birthday, at: "09:00", yearly: true } }', "date"),
            ('{ schedule: { at: "09:00" } }', "moment"),
            ("{ api: mug, words: { plan: text } }", "plan"),
            ("{ event: custom_quiz, words: { plan: text } }", "plan"),
        ],
    )
    def test_words_of_other_triggers(self, trigger: str, word: str) -> None:
        text = self.TEXT.replace("{ event: checkout_started }", trigger).replace(
            ", variables: { code: trigger.coupon }", ""
        )
        assert found(text, self.around(("trigger", word))) == []
        assert [one.code for one in found(text, self.around(("trigger", "total")))] == ["not_in_message"]


class TestNoEffect:
    """Something that never makes a difference."""

    @pytest.mark.parametrize(
        "rules",
        [
            "[{ event: order_placed }, { event: order_placed, match: { checkout_id: trigger.checkout_id } }]",
            "[{ event: order_placed }, { event: order_placed, where: { coupon: { is_set: true } } }]",
            "[{ event: order_placed, source: shop }, { event: order_placed, source: [shop.a, shop/b] }]",
            "[{ event: order_placed }, { event: order_fulfilled }, { event: order_placed }]",
        ],
    )
    def test_a_branch_behind_one_that_takes_all_its_events(self, rules: str) -> None:
        line = f"steps: [{{ wait_event: {{ branches: {rules}, timeout: 1d }} }}]\n"
        assert places(HEAD + line) == [f"3:{line.rindex('{ event') + 1} warning no_effect"]

    def test_an_exit_rule_behind_one_that_takes_all_its_events(self) -> None:
        general, own = "{ when: { event: order_placed } }", "{ when: { event: order_placed, source: shop } }"
        line = f"exit: [{general}, {own}]\n"
        assert places(HEAD + line + "steps: [stop: a]\n") == [f"3:{line.index(own) + 1} warning no_effect"]
        assert places(HEAD + f"exit: [{own}, {general}]\nsteps: [stop: a]\n") == []

    @pytest.mark.parametrize(
        "rules",
        [
            "[{ event: order_placed, match: { checkout_id: trigger.checkout_id } }, { event: order_placed }]",
            "[{ event: order_placed, source: shop.a }, { event: order_placed }]",
            "[{ event: order_placed, source: shop.a }, { event: order_placed, source: shop }]",
            "[{ event: order_placed, where: { coupon: { is_set: true } } }, { event: order_placed }]",
        ],
    )
    def test_a_branch_behind_a_narrower_one(self, rules: str) -> None:
        assert found(f"{HEAD}steps: [{{ wait_event: {{ branches: {rules}, timeout: 1d }} }}]\n") == []

    def test_hours_and_a_cap_of_what_passes_both(self) -> None:
        more = 'window: { local: "08:00-21:00" }, cap: { group: g, max: 1, per: 1d }'
        send = f"send: {{ template: t, channel: log, class: transactional, {more} }}"
        text = f"{HEAD}{ORDER_EXIT}\nsteps: [{{ label: m, {send} }}]\n"
        assert [one.code for one in found(text)] == ["no_effect", "no_effect"]
        assert found(text.replace("transactional", "marketing")) == []


@pytest.mark.parametrize(
    ("never", "able"),
    [
        ("gte: 3, lte: 2", "gte: 3, lte: 3"),
        ("lt: 0", "lte: 0"),
        ("gt: 1, lt: 2", "gt: 1, lt: 3"),
        ("eq: 2, ne: 2", "eq: 2, ne: 3"),
        ("ago: { gt: 2d, lt: 1d }", "ago: { gt: 1d, lt: 2d }"),
    ],
)
def test_a_number_that_there_is_not(never: str, able: str) -> None:
    for said, codes in ((never, ["never_true"]), (able, [])):
        predicate = "last_event" if "ago" in said else "event_count"
        condition = f"filter: {{ {predicate}: {{ event: order_placed, {said} }} }}"
        assert [
            one.code for one in found(HEAD.replace("reentry", f"{condition}, reentry") + "steps: [stop: a]\n")
        ] == codes


@pytest.mark.parametrize(
    ("condition", "asked"),
    [
        ("in_flow: f", "f }"),
        ("not: { in_flow: f }", "f }"),
        ("any: [{ in_flow: { flow: f, ever: true } }, { in_flow: g }]", "f, ever"),
    ],
)
def test_a_flow_that_asks_for_itself(condition: str, asked: str) -> None:
    """It would skip each of its messages, or let nobody in: the filter is judged again before each message."""
    line = f"entry: {{ trigger: {{ event: site_active }}, reentry: always, filter: {{ {condition} }} }}"
    assert places(f"flow: f\n{line}\nsteps: [stop: a]\n") == [f"2:{line.index(asked) + 1} warning asks_itself"]
    assert places(f"flow: h\n{line}\nsteps: [stop: a]\n") == []
