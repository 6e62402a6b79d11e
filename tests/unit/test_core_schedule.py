"""What one tick releases is bounded, at gates as for timers, and a replay releases the same (semantics 1.5)."""

from __future__ import annotations

import msgspec
import pytest

from schemas import codec
from schemas.control import TICK_KEY, Tick, Watermark
from schemas.instants import to_wire
from schemas.limits import RELEASED_PER_TICK_MAX
from schemas.profile import NEVER, Profile
from streams.partition import Record
from tests.unit.stage import MINUTE, Stage, at, checkout, clock_of, flow, mark, order, send, settle, wait

SETTLED = flow(wait(15), settle(), send())
MANY = RELEASED_PER_TICK_MAX + 60


def held(count: int = MANY) -> Stage:
    """So many people at the gate, due at 10:15 and a few milliseconds."""
    stage = Stage(SETTLED, clock="live")
    for number in range(count):
        stage.event(checkout(clock_of(at("10:00") + number % 7), who=f"p{number}"), "10:01")
    return tick(tick(stage, "10:16"), "10:17")


def tick(stage: Stage, at_: str, *marks: Watermark, force: bool = True, ceiling: str | None = None) -> Stage:
    """What the owner plans, appended."""
    planned = stage.partition.plan_tick(ceiling_at=at(ceiling or at_), watermarks=marks, force=force)
    assert planned is not None
    return stage.append(Record(0, at(at_), TICK_KEY, codec.encode(planned)))


def profile(stage: Stage, key: bytes) -> Profile:
    return codec.unpack_profile(stage.store[key], key=key)


def due_of(stage: Stage, key: bytes) -> tuple[int, bytes]:
    return profile(stage, key).enrollments[0].due_at, key


def released(stage: Stage) -> list[int]:
    """By each unit of work that sent anything."""
    return [len(one.commands) for one in stage.outputs if one.commands]


def test_a_watermark_lets_go_no_more_than_one_tick_may_release() -> None:
    stage = tick(held(), "10:30", mark("10:30"))
    assert released(stage) == [RELEASED_PER_TICK_MAX]
    assert tick(stage, "10:31").sent[-1] == "10:31 remind"
    assert released(stage) == [RELEASED_PER_TICK_MAX, 60]
    assert len({one.profile_id for one in stage.commands}) == MANY


def test_they_go_in_the_order_in_which_they_were_due() -> None:
    stage = held()
    due = {profile(stage, key).profile_id: due_of(stage, key) for key in stage.store}
    tick(tick(stage, "10:30", mark("10:30")), "10:31")
    went = [due[one.profile_id] for one in stage.commands]
    assert (len(went), went) == (MANY, sorted(went))


def test_timers_share_what_gates_leave() -> None:
    stage = held(RELEASED_PER_TICK_MAX - 10)
    for number in range(30):
        stage.event(checkout("10:10", who=f"late{number}"))
    planned = stage.partition.plan_tick(ceiling_at=at("10:30"), watermarks=(mark("10:30"),), force=False)
    assert planned is not None
    assert planned.gates_through is None
    stage.append(Record(0, at("10:30"), TICK_KEY, codec.encode(planned)))
    assert released(stage) == [RELEASED_PER_TICK_MAX]


def test_while_gates_take_it_all_no_timer_is_released() -> None:
    stage = held().event(checkout("10:10", who="late"))
    before = stage.partition.through_at
    tick(stage, "10:30", mark("10:30"))
    assert (stage.partition.through_at, released(stage)) == (before, [RELEASED_PER_TICK_MAX])


@pytest.mark.parametrize("restarted", [False, True])
def test_a_restart_in_between_releases_the_same(restarted: bool) -> None:
    stage = tick(held(), "10:30", mark("10:30"))
    if restarted:
        stage.restart()
    assert stage.partition.next_wakeup_at == stage.partition.through_at + 1
    tick(stage, "10:31")
    assert released(stage) == [RELEASED_PER_TICK_MAX, 60]
    assert stage.partition.next_wakeup_at == NEVER


def test_an_order_ends_who_still_waits_at_an_open_gate() -> None:
    stage = tick(held(), "10:30", mark("10:30"))
    waiting = {f"p{number}" for number in range(MANY)} - {
        who for who in (f"p{number}" for number in range(MANY)) if not stage.profile(who).enrollments
    }
    assert len(waiting) == 60
    for who in waiting:
        stage.event(order("10:20", who=who), "10:31")
    tick(stage, "10:32")
    assert released(stage) == [RELEASED_PER_TICK_MAX]


def test_while_intake_is_not_heard_no_open_gate_lets_anybody_go() -> None:
    """Whoever bought since the promise may lie in the raw topic."""
    stage = tick(held(), "10:30", mark("10:30"))
    through = clock_of(stage.partition.through_at)
    tick(stage, "10:31", ceiling=through)
    assert released(stage) == [RELEASED_PER_TICK_MAX]
    tick(stage, "10:32")
    assert released(stage) == [RELEASED_PER_TICK_MAX, 60]


def test_a_tick_without_a_bound_for_gates_opens_them_all() -> None:
    """Such ticks stand in logs that were written before there was one."""
    stage = held().append(
        Record(0, at("10:30"), TICK_KEY, codec.encode(Tick(through=to_wire(at("10:30")), watermarks=(mark("10:30"),))))
    )
    assert released(stage) == [MANY]


def test_a_bound_names_the_last_one_who_goes() -> None:
    stage = held(9)
    keys = sorted(due_of(stage, key) for key in stage.store)
    due_at, key = keys[3]
    bound = Tick(
        through=to_wire(at("10:30")), watermarks=(mark("10:30"),), gates_through=to_wire(due_at), gates_key=key.decode()
    )
    stage.append(Record(0, at("10:30"), TICK_KEY, codec.encode(bound)))
    assert sorted(one.profile_id for one in stage.commands) == sorted(
        key.decode().partition("/")[2] for _, key in keys[:4]
    )


def test_a_gate_that_shuts_again_before_its_tick_lets_go_keeps_everybody() -> None:
    """Semantics 6.5: open at 10:30 for more than one tick may release, shut at 10:31 by a second shop's first word."""
    stage = tick(tick(held(), "10:30", mark("10:30")), "10:31", mark("10:05", shop="two"))
    assert released(stage) == [RELEASED_PER_TICK_MAX]
    assert released(tick(stage, "10:32", mark("10:32", shop="two"))) == [RELEASED_PER_TICK_MAX, 60]


def test_who_is_woken_by_the_end_of_holding_goes_through_an_open_gate_now() -> None:
    """Semantics 6.6: not named by the tick, and held for longer than max_lateness; yet time at a gate is not late."""
    strict = msgspec.structs.replace(send(), max_lateness_ms=5 * MINUTE, when_late="skip")
    stage = Stage(flow(wait(15), settle(hold=10), strict, wait(20, label="w"), send("next")), clock="live")
    stage.event(checkout("10:00")).tick("10:15")
    unnamed = Tick(through=to_wire(at("11:00")), watermarks=(mark("10:30"),), gates_through=to_wire(at("10:10")))
    stage.append(Record(0, at("11:00"), TICK_KEY, codec.encode(unnamed))).tick("11:19:59.999").tick("11:20")
    assert stage.story[1:] == ["10:15 held settle", "11:00 sent due", "11:20 sent due", "11:20 ended done"]


@pytest.mark.parametrize("gates_through", ["soon", "2026-13-45T00:00:00.000Z"])
def test_a_tick_whose_bound_is_malformed_moves_nothing(gates_through: str) -> None:
    stage = held(2)
    broken = b'{"through":"2026-11-20T10:30:00.000Z","gates_through":"%s"}' % gates_through.encode()
    stage.append(Record(0, at("10:30"), TICK_KEY, broken))
    assert [letter.reason for letter in stage.dead_letters] == ["invalid_field"]
    assert stage.partition.through_at < at("10:30")


@pytest.mark.parametrize("due_too", [False, True], ids=["gate", "gate and timer"])
def test_a_bound_lets_only_those_enrollments_go_that_were_due_by_then(due_too: bool) -> None:
    """Also when the same person is woken for something else."""
    other = flow(wait(20), settle(), send("other"), name="other")
    third = flow(wait(30 if due_too else 300), send("third"), name="third")
    stage = Stage(SETTLED, other, third, clock="live").event(checkout("10:00")).tick("10:21")
    bound = Tick(through=to_wire(at("10:30")), watermarks=(mark("10:30"),), gates_through=to_wire(at("10:15")))
    stage.append(Record(0, at("10:30"), TICK_KEY, codec.encode(bound)))
    assert sorted(stage.sent) == ["10:30 remind", *(["10:30 third"] if due_too else [])]
    assert "10:31 other" in stage.tick("10:31").sent
