"""A whole profile stays within 64 KiB, and what is forgotten for it is the least that can be (semantics 8.3)."""

from __future__ import annotations

import pytest
from msgspec import Raw

from schemas.codec import pack_profile
from schemas.conditions import Compare
from schemas.dossier import Count, Stated
from schemas.event import Event
from schemas.limits import PROFILE_BYTES_MAX
from schemas.profile import Profile
from streams import dedupe, weight
from streams.recorder import Recorder
from tests.unit.stage import Stage, checkout, event, exit_on, flow, order, work

#: An exit that asks for a large word, so that it is kept of every order.
BY_ITEM = exit_on(
    "order_placed", reason="item", where=Compare(word="items", kind="list", operator="contains", operand="sku-1")
)


def orders(count: int) -> list[Event]:
    """So many orders, each with a word of almost 4 KiB."""
    found = []
    for number in range(count):
        one = order("10:00", id=f"o{number}", dedupe_key=f"order:{number}", checkout_id=str(number))
        one.items = Raw(b'[{"name":"' + b"x" * 3_900 + b'"}]')
        found.append(one)
    return found


def views(stage: Stage, count: int) -> Stage:
    for number in range(count):
        stage.event(event("product_viewed", "09:00", id=f"v{number}"))
    return stage


def test_many_large_orders_stay_within_it() -> None:
    stage = Stage(flow(exits=[BY_ITEM]))
    for one in orders(40):
        stage.event(one)
        assert max(len(state) for state in stage.store.values()) <= PROFILE_BYTES_MAX
    assert stage.tallies["evicted", "history"] > 0
    assert dedupe.count(stage.profile().dedupe) == 40
    assert stage.tallies["event", "new"] == 40


def test_keys_of_events_on_site_are_forgotten_first() -> None:
    stage = views(Stage(flow(exits=[BY_ITEM])), 1_500)
    for one in orders(12):
        stage.event(one)
    profile = stage.profile()
    assert stage.tallies["evicted", "dedupe"] > 0
    assert (len(profile.history), stage.tallies["evicted", "history"]) == (12, 0)
    assert dedupe.lasting_bytes(profile.dedupe) == 12 * dedupe.ENTRY.size
    assert len(pack_profile(profile)) <= PROFILE_BYTES_MAX


def test_on_site_events_of_a_full_profile_only_push_out_their_like() -> None:
    stage = Stage(flow(exits=[BY_ITEM]))
    for one in orders(15):
        stage.event(one)
    views(stage, 1_000)
    profile = stage.profile()
    assert dedupe.lasting_bytes(profile.dedupe) == 15 * dedupe.ENTRY.size
    assert len(pack_profile(profile)) <= PROFILE_BYTES_MAX
    assert len(profile.history) == 15


@pytest.mark.parametrize("unit", [7, 2_000])
def test_what_is_forgotten_does_not_depend_on_when_state_is_written(unit: int) -> None:
    """Semantics 1.3."""
    single = views(Stage(flow(exits=[BY_ITEM])), 1_500)
    for one in orders(30):
        single.event(one)
    other = Stage(flow(exits=[BY_ITEM]))
    for start in range(0, len(single.log), unit):
        other.store.update(work(other.partition, single.log[start : start + unit]).states)
    assert other.store == single.store


def test_a_trigger_that_would_push_out_the_keys_of_orders_is_refused() -> None:
    stage = Stage(flow())
    for number in range(1_990):
        stage.event(order("10:00", id=f"o{number}"))
    cart = checkout("10:01")
    cart.items = Raw(b'[{"name":"' + b"x" * 28_000 + b'"}]')
    stage.event(cart)
    assert stage.story == ["10:01 refused state_full"]
    assert dedupe.lasting_bytes(stage.profile().dedupe) == 1_990 * dedupe.ENTRY.size


def test_a_trigger_that_would_push_out_orders_is_refused() -> None:
    stage = Stage(flow(exits=[BY_ITEM]))
    for one in orders(14):
        stage.event(one)
    cart = checkout("10:01")
    cart.items = Raw(b'[{"name":"' + b"x" * 20_000 + b'"}]')
    stage.event(cart)
    assert stage.story == ["10:01 refused state_full"]
    assert len(stage.profile().history) == 14


def test_counters_are_forgotten_last_those_that_know_least_first() -> None:
    """Semantics 8.3: facts stay, and what is left fits."""
    profile = Profile(tenant="acme", profile_id="ann")
    out = Recorder(topic="log", partition=0, clock="live", version="")
    known = profile.known()
    known.facts["city"] = Stated("Paris", 1)
    known.counts |= {f"{n:02}": Count(total=n, newest=[n, n, {"note": "x" * 4_000}]) for n in range(20)}
    weight.add(profile, PROFILE_BYTES_MAX, out)
    evicted = out.tallies["evicted", "counters"]
    assert evicted > 0
    assert sorted(known.counts) == [f"{n:02}" for n in range(evicted, 20)]
    assert set(known.facts) == {"city"}
    assert len(pack_profile(profile)) <= weight.ROOM < len(pack_profile(profile)) + 4_100
