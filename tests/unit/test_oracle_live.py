"""The oracle on a live log, where only ticks let timers go, and on random scenarios."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.oracle.records import as_mapping, instant
from tests.oracle.replay import run_carried, run_live
from tests.oracle.scenario import live_log, naive, scenario
from tests.oracle.timeline import (
    GATE,
    REMIND,
    SEND,
    Raw,
    at,
    checkout,
    complete,
    counts,
    decided,
    ended,
    event,
    flow,
    live,
    order,
    tick,
)

SETTLED: list[Raw] = [{"wait": {"for": "15m"}}, {"settle": GATE}, REMIND]


def test_on_a_live_log_only_a_tick_releases_and_its_append_time_is_now() -> None:
    records = [("10:00", checkout("10:00")), ("11:00:05", tick("10:59:59.999")), ("11:00:07", tick("11:00"))]
    assert decided(run_live([flow()], live(*records))) == [("remind", "11:00:07.000")]
    assert counts(run_live([flow()], live(*records[:2]))) == {"entered": 1}


def test_on_a_live_log_an_order_before_the_tick_counts() -> None:
    records = [("10:00", checkout("10:00")), ("11:00:06", order("11:00:05")), ("11:00:07", tick("11:00"))]
    assert counts(run_live([flow()], live(*records))) == ended("bought")


def test_a_tick_bound_by_a_key_releases_that_instant_up_to_the_key() -> None:
    (command,) = run_carried([flow()], [checkout("10:00")]).commands
    mine = f"shop/{command.profile_id}"
    for key, released in ((mine, 1), (mine[:-1], 0), (mine + "0", 1)):
        records = live(("10:00", checkout("10:00")), ("11:00:07", tick("11:00", through_key=key)))
        assert len(run_live([flow()], records).commands) == released


def test_a_late_trigger_wakes_when_the_bound_passes_its_append_time() -> None:
    records = [("12:00", checkout("10:00")), ("12:00:01", tick("11:59:59")), ("12:00:02", tick("12:00"))]
    assert decided(run_live([flow()], live(*records))) == [("remind", "12:00:02.000")]


def test_a_tick_arms_what_follows_so_a_chain_takes_a_tick_for_each_wait() -> None:
    steps: list[Raw] = [
        {"wait": {"for": "1h"}},
        {"label": "a", "send": SEND},
        {"wait": {"for": "1h"}},
        {"label": "b", "send": SEND},
    ]
    both = live(("10:00", checkout("10:00")), ("15:00", tick("12:00")), ("15:01", tick("14:59:59.999")))
    assert decided(run_live([flow(*steps)], both)) == [("a", "15:00:00.000")]
    then = live(("10:00", checkout("10:00")), ("15:00", tick("12:00")), ("15:01", tick("15:00")))
    assert decided(run_live([flow(*steps)], then)) == [("a", "15:00:00.000"), ("b", "15:01:00.000")]


def test_on_a_live_log_a_gate_opens_at_the_tick_that_brings_the_watermark() -> None:
    held = [("10:00", checkout("10:00")), ("10:15:01", tick("10:15"))]
    opened = live(*held, ("10:20:01", tick("10:16", complete("10:14"))), ("10:30:01", tick("10:17", complete("10:15"))))
    assert decided(run_live([flow(*SETTLED)], opened)) == [("remind", "10:30:01.000")]
    gave_up = live(*held, ("12:15:09", tick("12:14:59.999")), ("12:16", tick("12:15")))
    assert counts(run_live([flow(*SETTLED)], gave_up)) == ended("done", skipped={"settle_timeout": 1})


def test_after_a_gate_the_next_wait_counts_from_the_tick_that_opened_it() -> None:
    follow_up: list[Raw] = [*SETTLED, {"wait": {"for": "1h"}}, {"label": "again", "send": SEND}]
    held = [("10:00", checkout("10:00")), ("10:15:01", tick("10:15")), ("10:30", tick("10:29", complete("10:15")))]
    log = live(*held, ("11:31", tick("11:29:59.999")), ("11:32", tick("11:30")))
    assert decided(run_live([flow(*follow_up)], log)) == [("remind", "10:30:00.000"), ("again", "11:32:00.000")]


def test_who_is_woken_by_the_end_of_holding_goes_through_an_open_gate_at_the_tick() -> None:
    strict: Raw = {"label": "remind", "send": SEND | {"max_lateness": "5m", "when_late": "skip"}}
    steps: list[Raw] = [{"wait": {"for": "15m"}}, {"settle": GATE}, strict]
    unnamed = tick("13:00", complete("12:00")) | {"gates_through": at("10:10")}
    log = live(("10:00", checkout("10:00")), ("10:15", tick("10:15")), ("13:00", unnamed))
    assert decided(run_live([flow(*steps)], log)) == [("remind", "13:00:00.000")]


# -- random scenarios


def test_a_message_that_has_expired_waits_for_an_operator_as_any_other_does() -> None:
    log = live(("10:00", checkout("10:00")), ("11:00", tick("11:00")))
    [command] = run_live([flow()], log).commands
    said = event("message.reported.v1", "11:20", properties={"command_id": command.command_id, "outcome": "expired"})
    poison = {"profile": f"shop/{command.profile_id}"}
    log += [
        (2, instant(at("11:10")), "poison", poison), (3, instant(at("11:20")), "event", said),
        (4, instant(at("11:30")), "tick", tick("11:30")),
        (5, instant(at("12:00")), "resolution", poison | {"offsets": [2]}),
        (6, instant(at("12:01")), "tick", tick("12:01")),
    ]  # fmt: skip
    assert decided(run_live([flow()], log[:-1])) == [("remind", "11:00:00.000")]
    assert decided(run_live([flow()], log)) == [("remind", "11:00:00.000"), ("remind", "12:01:00.000")]


def test_a_late_message_that_went_without_asking_the_filter_is_not_taken_back_by_it() -> None:
    step = {"label": "remind", "send": SEND | {"max_lateness": "1m", "when_late": "send"}}
    steps: list[Raw] = [{"wait": {"for": "1h"}}, step, {"stop": "done"}]
    shy = flow(*steps, entry={"filter": {"event_count": {"event": "product_viewed", "eq": 0}}})
    viewed = event("commerce.product.viewed.v1", "10:30")
    log = live(("10:00", checkout("10:00")), ("10:30", viewed), ("11:02", tick("11:02")), ("11:03", tick("11:03")))
    assert [one.outcome for one in run_live([shy], log).decisions] == ["entered", "sent", "ended"]


@pytest.mark.parametrize("seed", range(20))
def test_random_scenarios_drain_on_both_clocks_and_come_out_alike_each_time(seed: int) -> None:
    made, again = scenario(seed), scenario(seed)
    assert made == again
    flows, policy = naive(made)
    carried = run_carried(flows, made.lines, policy)
    live_result = run_live(flows, live_log(seed, made.lines), policy)
    for result in (carried, live_result):
        ids = [command.command_id for command in result.commands]
        assert len(ids) == len(set(ids))
        for one in result.summary()["flows"].values():
            assert made.policy is not None or one["entered"] == sum(one["ended"].values())


def test_scenario_lines_stand_in_order_of_arrival_but_for_a_few() -> None:
    arrivals = [
        instant(record.get("arrived_at") or record["time"])
        for record in map(as_mapping, scenario(1).lines)
    ]  # fmt: skip
    assert sum(later < earlier for earlier, later in pairwise(arrivals)) <= 3
