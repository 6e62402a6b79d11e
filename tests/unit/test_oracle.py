"""The oracle on timelines small enough to be judged by eye; where it is wrong, everything it judges is."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.catalog import words_of as declared
from tests.oracle.flowfile import milliseconds
from tests.oracle.records import instant, short_name, wire
from tests.oracle.replay import run_carried
from tests.oracle.timeline import (
    BOUGHT,
    BOUGHT_THIS,
    GATE,
    REMIND,
    SEND,
    Raw,
    checkout,
    complete,
    counts,
    decided,
    ended,
    flow,
    order,
    sent,
)
from tests.oracle.words import words_of

# -- when an order counts


@pytest.mark.parametrize("exit_check", ["continuous", "at_send"])
@pytest.mark.parametrize(
    ("bought_at", "expected"),
    [
        ("10:00", sent()),
        ("10:00:00.001", ended("bought")),
        ("11:00", ended("bought")),
        ("11:00:00.001", sent()),
    ],
)
def test_an_order_counts_after_the_entry_and_up_to_the_due_time(exit_check: str, bought_at: str, expected: Raw) -> None:
    assert counts(run_carried([flow(exit_check=exit_check)], [checkout("10:00"), order(bought_at)])) == expected


@pytest.mark.parametrize(
    ("bought_at", "expected"),
    [("09:55", sent()), ("09:55:00.001", ended("bought")), ("10:00", ended("bought"))],
)
def test_within_the_skew_an_order_counts_that_came_after_the_trigger(bought_at: str, expected: Raw) -> None:
    late = order(bought_at, arrives="10:01")
    assert counts(run_carried([flow(skew="5m")], [checkout("10:00"), late])) == expected
    assert counts(run_carried([flow(skew="5m")], [order(bought_at), checkout("10:00")])) == sent()


def test_an_order_that_overtook_its_checkout_ends_the_enrollment_where_it_begins() -> None:
    lines = [order("10:05", arrives="10:05"), checkout("10:00", arrives="10:06"), checkout("10:07")]
    result = run_carried([flow(entry={"reentry": "never"})], lines)
    assert counts(result) == ended("bought", ignored=1)


def test_judged_at_send_the_same_enrollment_lives_until_then() -> None:
    lines = [order("10:05"), checkout("10:00", arrives="10:06"), checkout("10:07")]
    result = run_carried([flow(exit_check="at_send")], lines)
    assert (counts(result), result.refused["reminder"]) == (ended("bought", ignored=1), {"live": 1})


def test_a_correlated_order_counts_whatever_its_time_and_another_does_not() -> None:
    rules = [BOUGHT_THIS]
    assert counts(run_carried([flow(exit=rules)], [order("09:00", "C1"), checkout("10:00")])) == ended("bought_this")
    assert counts(run_carried([flow(exit=rules)], [checkout("10:00"), order("10:30", "C2")])) == sent()
    assert counts(run_carried([flow(exit=rules)], [checkout("10:00"), order("10:30")])) == sent()


def test_the_first_rule_of_the_file_names_the_reason() -> None:
    lines = [checkout("10:00"), order("10:30", "C1")]
    assert counts(run_carried([flow(exit=[BOUGHT, BOUGHT_THIS])], lines)) == ended("bought")
    assert counts(run_carried([flow(exit=[BOUGHT_THIS, BOUGHT])], lines)) == ended("bought_this")


def test_on_one_record_exits_come_before_entries() -> None:
    again = {"when": {"event": "checkout_started"}, "reason": "again"}
    result = run_carried([flow(exit=[again])], [checkout("10:00"), checkout("10:30")])
    assert counts(result) == {"entered": 2, "ended": {"again": 1, "done": 1}, "sent": 1}


def test_after_an_order_ended_it_a_later_checkout_enters_again() -> None:
    result = run_carried([flow()], [checkout("10:00"), order("10:30"), checkout("10:31")])
    assert counts(result) == {"entered": 2, "ended": {"bought": 1, "done": 1}, "sent": 1}
    assert decided(result) == [("remind", "11:31:00.000")]


# -- duplicates, late and early events


def test_of_two_copies_the_first_wins_and_the_other_is_not_even_ignored() -> None:
    first = checkout("10:00", dedupe_key="hit:1")
    other_body = checkout("10:01", "C2", dedupe_key="hit:1", key="another id")
    other_type = order("10:02", dedupe_key="hit:1")
    result = run_carried([flow()], [first, other_body])
    assert (counts(result), result.duplicates) == (sent(), 1)
    assert counts(run_carried([flow()], [first, other_type])) == ended("bought")


def test_a_copy_still_moves_time() -> None:
    lines = [checkout("10:00"), checkout("10:00", arrives="11:00:00.001"), order("10:30", arrives="10:40")]
    assert counts(run_carried([flow()], lines)) == sent()


def test_dedupe_forgets_after_fourteen_days_and_then_takes_only_history() -> None:
    first, copy = checkout("10:00", key="a"), checkout("10:00", key="a") | {"arrived_at": "2025-06-16T10:00:00.001Z"}
    reused = checkout("10:00", key="a") | {"time": "2025-06-16T10:00:00.001Z"}
    assert counts(run_carried([flow()], [first, copy])) == sent()
    assert counts(run_carried([flow()], [first, reused])) == sent(2)
    assert counts(run_carried([flow()], [first, copy | {"backfill": True}])) == sent()


def test_history_may_end_an_enrollment_but_never_begins_one() -> None:
    assert counts(run_carried([flow()], [checkout("10:00", backfill=True)])) == {}
    assert counts(run_carried([flow()], [checkout("10:00"), order("10:30", backfill=True)])) == ended("bought")


def test_a_late_trigger_waits_from_when_it_happened_but_wakes_no_earlier_than_it_came() -> None:
    assert decided(run_carried([flow()], [checkout("10:00", arrives="10:30")])) == [("remind", "11:00:00.000")]
    assert decided(run_carried([flow()], [checkout("10:00", arrives="12:00")])) == [("remind", "12:00:00.000")]


def test_a_record_of_the_same_instant_is_seen_before_an_overdue_timer() -> None:
    lines = [checkout("10:00", arrives="12:00"), order("11:30", arrives="12:00")]
    assert counts(run_carried([flow()], lines)) == ended("bought")


def test_a_trigger_may_be_as_old_as_the_flow_says_and_no_older() -> None:
    young = flow(entry={"max_trigger_age": "1h"})
    assert counts(run_carried([young], [checkout("10:00", arrives="11:00")])) == sent()
    result = run_carried([young], [checkout("10:00", arrives="11:00:00.001")])
    assert (counts(result), result.refused["reminder"]) == ({}, {"trigger_too_old": 1})


def test_time_never_runs_backward() -> None:
    result = run_carried([flow()], [order("12:00", identity={"external_id": "p2"}), checkout("10:30")])
    assert decided(result) == [("remind", "12:00:00.000")]


def test_a_time_too_far_ahead_is_taken_for_the_time_of_the_log() -> None:
    ahead, too_far = checkout("10:05", arrives="10:00"), checkout("10:05:00.001", arrives="10:00")
    assert decided(run_carried([flow()], [ahead])) == [("remind", "11:05:00.000")]
    assert decided(run_carried([flow()], [too_far])) == [("remind", "11:00:00.000")]


# -- waits and branches


def test_the_first_wait_counts_from_the_anchor_and_the_next_from_its_completion() -> None:
    two = flow(
        {"wait": {"for": "1h"}}, {"label": "a", "send": SEND}, {"wait": {"for": "1h"}}, {"label": "b", "send": SEND}
    )
    assert decided(run_carried([two], [checkout("10:00")])) == [("a", "11:00:00.000"), ("b", "12:00:00.000")]
    late = run_carried([two], [checkout("10:00", arrives="11:30")])
    assert decided(late) == [("a", "11:30:00.000"), ("b", "12:30:00.000")]


def test_without_a_wait_the_message_leaves_with_the_trigger() -> None:
    result = run_carried([flow(REMIND)], [checkout("10:00", arrives="10:20")])
    assert decided(result) == [("remind", "10:20:00.000")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"amount": "20.0", "currency": "USD"}, ["big"]),
        ({"amount": "19.99", "currency": "USD"}, ["small"]),
        ({"amount": "90.00", "currency": "EUR"}, ["small"]),
        (None, ["small"]),
    ],
)
def test_a_condition_that_is_not_true_leads_elsewhere(value: Raw | None, expected: list[str]) -> None:
    condition = {"trigger.total": {"gte": {"money": "20.00", "currency": "USD"}}}
    branching = flow(
        {"if": {"condition": condition, "then": "big", "otherwise": "small"}},
        {"label": "big", "send": SEND},
        {"stop": "done"},
        {"label": "small", "send": SEND},
    )
    result = run_carried([branching], [checkout("10:00", value=value)])
    assert [step for step, _ in decided(result)] == expected


def test_unknown_stays_unknown_under_not() -> None:
    is_small = {"total": {"lt": {"money": "20.00", "currency": "USD"}}}
    assert counts(run_carried([flow(entry={"where": {"not": is_small}})], [checkout("10:00")])) == {}
    assert counts(run_carried([flow(entry={"where": {"total": {"is_not_set": True}}})], [checkout("10:00")])) == sent()


@pytest.mark.parametrize(("channel", "expected"), [("2", ["two"]), ("3", ["three"]), ("4", []), (None, [])])
def test_a_route_goes_by_one_word(channel: str | None, expected: list[str]) -> None:
    cases = {"2": "two", "3": "three"}
    routed = flow(
        {"route": {"by": "trigger.channel_id", "cases": cases, "otherwise": {"stop": "no_branch"}}},
        {"label": "two", "send": SEND},
        {"stop": "done"},
        {"label": "three", "send": SEND},
    )
    result = run_carried([routed], [checkout("10:00", context={"channel_id": channel})])
    assert [step for step, _ in decided(result)] == expected
    assert counts(result)["ended"] == ({"done": 1} if expected else {"no_branch": 1})


# -- again: re-triggers and re-entry


def test_restart_begins_anew_under_the_same_enrollment() -> None:
    result = run_carried([flow(entry={"retrigger": "restart"})], [checkout("10:00"), checkout("10:30")])
    assert (counts(result), decided(result)) == (sent(), [("remind", "11:30:00.000")])
    assert [command.visit for command in result.commands] == [2]


def test_replaced_context_moves_the_wait_and_keeps_the_anchor() -> None:
    rules: Raw = {"retrigger": "replace_context"}
    lines = [checkout("10:00"), checkout("10:30", "C2")]
    result = run_carried([flow(entry=rules)], lines)
    assert (decided(result), result.commands[0].visit) == ([("remind", "11:30:00.000")], 2)
    between = [*lines, order("10:20", arrives="10:40")]
    assert counts(run_carried([flow(entry=rules)], between)) == ended("bought")
    assert counts(run_carried([flow(entry={"retrigger": "restart"})], between)) == sent()


def test_new_context_may_be_of_a_checkout_that_was_already_paid() -> None:
    replacing = flow(entry={"retrigger": "replace_context"}, exit=[BOUGHT_THIS])
    lines = [order("09:00", "C2"), checkout("10:00", "C1"), checkout("10:30", "C2")]
    assert counts(run_carried([replacing], lines)) == ended("bought_this")


def test_a_trigger_too_old_restarts_nothing() -> None:
    restarting = flow(entry={"retrigger": "restart", "max_trigger_age": "10m"})
    result = run_carried([restarting], [checkout("10:00"), checkout("10:05", arrives="10:30")])
    assert (decided(result), result.commands[0].visit) == ([("remind", "11:00:00.000")], 1)


def test_each_key_has_its_own_enrollment() -> None:
    keyed = flow(entry={"key": "trigger.checkout_id"}, exit=[BOUGHT_THIS])
    lines = [checkout("10:00", "C1"), checkout("10:10", "C2"), checkout("10:20", "C1"), order("10:30", "C1")]
    result = run_carried([keyed], lines)
    assert counts(result) == {"entered": 2, "ended": {"bought_this": 1, "done": 1}, "sent": 1, "ignored": 1}
    assert decided(result) == [("remind", "11:10:00.000")]


@pytest.mark.parametrize(
    ("rule", "second", "allowed"),
    [
        ("always", "11:00:00.001", True),
        ("never", "20:00", False),
        ({"min_gap": "2h", "from": "start"}, "11:59:59.999", False),
        ({"min_gap": "2h", "from": "start"}, "12:00", True),
        ({"min_gap": "2h", "from": "end"}, "12:59:59.999", False),
        ({"min_gap": "2h", "from": "end"}, "13:00", True),
    ],
)
def test_who_has_been_here_may_come_again_when_the_flow_says(rule: Any, second: str, allowed: bool) -> None:
    result = run_carried([flow(entry={"reentry": rule})], [checkout("10:00"), checkout(second)])
    assert counts(result) == (sent(2) if allowed else sent(ignored=1))


@pytest.mark.parametrize(("scope", "entered"), [("profile", 1), ("key", 2)])
def test_the_gap_is_kept_by_profile_or_by_key(scope: str, entered: int) -> None:
    rules = {"key": "trigger.checkout_id", "reentry": {"min_gap": "1d", "from": "start", "scope": scope}}
    lines = [checkout("10:00", "C1"), checkout("10:10", "C2"), checkout("12:00", "C1")]
    assert counts(run_carried([flow(entry=rules)], lines))["entered"] == entered


def test_a_browser_is_refused_where_a_message_needs_an_address() -> None:
    browser = checkout("10:00", identity={"anonymous_id": "b1"})
    addressed = flow({"label": "remind", "send": SEND | {"channel": "email"}})
    known = checkout("10:00", identity={"external_id": "p1", "email": "p1@example.com"})
    result = run_carried([addressed], [browser, known])
    assert (counts(result), result.refused["reminder"]) == (sent(), {"anonymous": 1})
    assert counts(run_carried([flow()], [browser])) == sent()


@pytest.mark.parametrize(
    ("email", "end"),
    [("p1@example.com", {"sent": 1}), ("Guest", {"skipped": {"no_address": 1}}), ("", {"skipped": {"no_address": 1}})],
)
def test_an_address_may_become_known_until_the_message_goes_and_nobody_has_none(email: str, end: Raw) -> None:
    addressed = flow({"wait": {"for": "1h"}}, {"label": "remind", "send": SEND | {"channel": "email"}})
    told = checkout("11:00", identity={"external_id": "p1", "email": email})
    result = run_carried([addressed], [checkout("10:00"), told])
    assert counts(result) == {"entered": 1, "ignored": 1, "ended": {"done": 1}} | end


# -- the settle gate

SETTLED: list[Raw] = [{"wait": {"for": "15m"}}, {"settle": GATE}, REMIND]


def test_the_gate_holds_until_the_source_is_complete_through_the_due_time() -> None:
    lines = [complete("10:00"), checkout("10:05"), complete("10:19:59.999", arrives="10:25"), complete("10:30")]
    result = run_carried([flow(*SETTLED)], lines)
    assert (counts(result), decided(result)) == (sent(), [("remind", "10:30:00.000")])
    exact = run_carried([flow(*SETTLED)], [checkout("10:05"), complete("10:20", arrives="10:22")])
    assert decided(exact) == [("remind", "10:22:00.000")]


def test_an_open_gate_holds_nobody_up() -> None:
    lines = [checkout("10:05"), complete("10:20")]
    assert decided(run_carried([flow(*SETTLED)], lines)) == [("remind", "10:20:00.000")]


@pytest.mark.parametrize("exit_check", ["continuous", "at_send"])
def test_an_order_of_the_sync_that_opens_the_gate_is_seen_first(exit_check: str) -> None:
    lines = [checkout("10:05"), complete("10:30"), order("10:28", arrives="10:30"), checkout("10:25")]
    assert counts(run_carried([flow(*SETTLED, exit_check=exit_check)], lines[:3])) == ended("bought")
    assert counts(run_carried([flow(*SETTLED)], [lines[0], lines[3], lines[1]])) == sent(ignored=1)


@pytest.mark.parametrize("as_step", [True, False])
@pytest.mark.parametrize(("on_timeout", "expected"), [("skip", ["after"]), ("send", ["remind", "after"])])
def test_a_gate_that_stays_shut_gives_up(as_step: bool, on_timeout: str, expected: list[str]) -> None:
    gate = GATE | {"on_timeout": on_timeout}
    guarded: list[Raw] = (
        [{"settle": gate}, REMIND] if as_step else [{"label": "remind", "send": SEND | {"settle": gate}}]
    )
    steps: list[Raw] = [{"wait": {"for": "15m"}}, *guarded, {"wait": {"for": "1h"}}, {"label": "after", "send": SEND}]
    result = run_carried([flow(*steps)], [checkout("10:00"), complete("10:14", arrives="10:20")])
    assert [step for step, _ in decided(result)] == expected
    assert decided(result)[-1] == ("after", "13:15:00.000")
    assert counts(result).get("skipped") == ({"settle_timeout": 1} if on_timeout == "skip" else None)


def test_what_was_given_up_is_every_message_behind_a_step_and_one_message_with_a_key() -> None:
    more = {"label": "more", "send": SEND}
    behind = run_carried([flow({"wait": {"for": "15m"}}, {"settle": GATE}, REMIND, more)], [checkout("10:00")])
    assert (decided(behind), counts(behind)["skipped"]) == ([], {"settle_timeout": 2})
    keyed = flow({"wait": {"for": "15m"}}, {"label": "remind", "send": SEND | {"settle": GATE}}, more)
    assert decided(run_carried([keyed], [checkout("10:00")])) == [("more", "12:15:00.000")]


def test_at_the_last_instant_the_gate_still_opens() -> None:
    assert counts(run_carried([flow(*SETTLED)], [checkout("10:00"), complete("12:15")])) == sent()
    late = run_carried([flow(*SETTLED)], [checkout("10:00"), complete("12:15", arrives="12:15:00.001")])
    assert counts(late) == ended("done", skipped={"settle_timeout": 1})


def test_every_shop_that_reports_a_source_must_be_complete_and_no_promise_is_taken_back() -> None:
    one, two = complete("10:30", shop="one"), complete("10:00", shop="two")
    lines = [two, checkout("10:00"), one, complete("09:00", arrives="10:40", shop="one"), complete("11:00", shop="two")]
    assert decided(run_carried([flow(*SETTLED)], lines)) == [("remind", "11:00:00.000")]


@pytest.mark.parametrize("on_timeout", ["skip", "send"])
def test_a_gate_that_one_of_the_instant_opens_and_another_shuts_has_not_been_open(on_timeout: str) -> None:
    one, two = complete("10:30", shop="one"), complete("10:00", arrives="10:30", shop="two")
    steps: list[Raw] = [{"wait": {"for": "15m"}}, {"settle": GATE | {"on_timeout": on_timeout}}, REMIND]
    lines = [checkout("10:00"), one, two, complete("10:40", shop="two")]
    assert decided(run_carried([flow(*steps)], lines)) == [("remind", "10:40:00.000")]


@pytest.mark.parametrize(("tenant", "opens"), [("shop", True), ("other", False), (None, True)])
def test_a_promise_is_made_to_one_tenant_or_without_a_name_to_all(tenant: str | None, opens: bool) -> None:
    promise = complete("10:30") if tenant is None else complete("10:30", tenant=tenant)
    assert bool(decided(run_carried([flow(*SETTLED)], [checkout("10:00"), promise]))) is opens


def test_both_named_sources_must_be_complete() -> None:
    both = GATE | {"sources": ["shop.orders", "shop.site"]}
    lines = [checkout("10:00"), complete("10:30"), complete("10:45", source="shop.site")]
    steps: list[Raw] = [{"wait": {"for": "15m"}}, {"settle": both}, REMIND]
    assert decided(run_carried([flow(*steps)], lines)) == [("remind", "10:45:00.000")]


# -- ids


def test_ids_are_what_the_issue_says() -> None:
    (command,) = run_carried([flow()], [checkout("10:00", dedupe_key="hit:1")]).commands
    assert command.profile_id == "891124f0-0d40-5d6d-8d20-8393e118d063"
    assert command.enrollment_id == "bfef08568da68e4d94cf35311d707310"
    assert command.command_id == "f96d494fd57dc0a61580f0191f5f9320"


# -- reading


def test_durations_and_instants() -> None:
    durations = {"500ms": 500, "1s": 1_000, "15m": 900_000, "16h": 57_600_000, "7d": 604_800_000}
    assert {text: milliseconds(text) for text in durations} == durations
    assert instant("1970-01-01T01:00:00.123+01:00") == 123
    assert wire(123) == "1970-01-01T00:00:00.123Z"


@pytest.mark.parametrize(("type_", "has"), [("commerce.cart.updated.v1", True), ("api.call.v1", False)])
def test_a_value_is_a_total_where_the_type_declares_the_word(type_: str, has: bool) -> None:
    """Semantics 10.4, as the catalog of the core has it."""
    assert ("total" in declared(short_name(type_))) is has
    words = words_of({"type": type_, "value": {"amount": "1.00", "currency": "USD"}})
    assert (words["total"] is not None) is has
