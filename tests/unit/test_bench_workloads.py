"""The workloads' own parts: who is spoken of, what is made beforehand, and what makes a number not count."""

from __future__ import annotations

from itertools import islice

import pytest

from benchmarks.results import Spread
from benchmarks.stage import Wrong
from benchmarks.traffic import drafts
from benchmarks.workloads import timers
from benchmarks.workloads.answers import Latency
from benchmarks.workloads.cost import gc_p99_ms
from benchmarks.workloads.gates import GATES, Gate, markdown
from benchmarks.workloads.people import HOT_SHARE, anybody_of, hot_person, person, with_one_hot
from benchmarks.workloads.results import Measured
from benchmarks.workloads.seeding import HOUR_MS, Maker, Seeded, due_of, due_word, evenly
from schemas import codec
from schemas.event import Event

NOW = 1_790_000_000_000
EVENTS = 5_000


def gate(*, at_least: bool = False) -> Gate:
    return Gate(what="it", workload="w", value="v", unit="ms", must=100, aim=40, at_least=at_least)


class TestPeople:
    def test_a_second_copy_stays_with_the_person_of_the_first(self) -> None:
        told = list(islice(anybody_of(1_000, drafts(seed=1, kind="uniform")), EVENTS))
        whose: dict[str, bytes] = {}
        assert all(whose.setdefault(draft.head, draft.key) == draft.key for draft in told)
        assert len(whose) < len(told)

    def test_events_say_whom_they_are_about(self) -> None:
        draft = next(anybody_of(1, drafts(seed=1, kind="uniform")))
        event = codec.decode(draft.at(NOW), Event)
        assert draft.key == person(0).key
        assert (event.tenant, event.identity.external_id) == ("shop1", "shopper-0")

    def test_a_twentieth_is_of_the_hot_one(self) -> None:
        told = list(islice(with_one_hot(drafts(seed=1, kind="session")), EVENTS))
        share = sum(draft.key == hot_person().key for draft in told) / EVENTS
        assert share == pytest.approx(HOT_SHARE, abs=0.01)


class TestSeeding:
    def test_a_profile_has_850_bytes_and_its_moment_in_the_header(self) -> None:
        make = Maker(now=NOW)
        states = [make(one, applied_offset=-1) for one in evenly(range(1_000), begin_at=NOW, over_ms=HOUR_MS)]
        assert sum(len(state) for _, state in states) / len(states) == pytest.approx(850, abs=30)
        key, state = make(Seeded(7, NOW + 5), applied_offset=-1)
        assert codec.peek(state) == (-1, NOW + 5, False)
        profile = codec.unpack_profile(state, key=key)
        assert due_of(profile.enrollments[0].words()["list_id"]) == NOW + 5

    def test_moments_lie_evenly(self) -> None:
        moments = sorted(one.due_at - NOW for one in evenly(range(1_000), begin_at=NOW, over_ms=1_000))
        assert all(abs(moment - number) < 10 for number, moment in enumerate(moments))


class TestTimersAreJudged:
    PEOPLE = (Seeded(1, NOW), Seeded(2, NOW + 60_000))
    KEYS = tuple(person(number).key for number in (1, 2))

    def judge(self, fired: dict[tuple[bytes, int], int], *again: timers.Rearming) -> None:
        timers.check(fired, list(self.PEOPLE), list(again), ended_at=NOW + 30_000)

    def test_each_once_and_in_time_is_right(self) -> None:
        self.judge({(self.KEYS[0], NOW): NOW})

    def test_early_is_wrong(self) -> None:
        with pytest.raises(Wrong, match="early"):
            self.judge({(self.KEYS[0], NOW): NOW - 1})

    def test_missing_is_wrong(self) -> None:
        with pytest.raises(Wrong, match="missing"):
            self.judge({})

    def test_one_that_was_replaced_is_wrong_and_the_new_one_must_come(self) -> None:
        again = timers.Rearming(1, 10_000, happened_at=NOW - 5_000)
        self.judge({(self.KEYS[0], again.due_at): again.due_at + 1}, again)
        with pytest.raises(Wrong, match="not wanted"):
            self.judge({(self.KEYS[0], again.due_at): again.due_at + 1, (self.KEYS[0], NOW): NOW}, again)

    def test_who_was_armed_anew_before_a_tick_reached_them_must_not_come_any_more(self) -> None:
        again = timers.Rearming(1, 10_000, happened_at=NOW + 5_000)
        came = {(self.KEYS[0], again.due_at): again.due_at + 1}
        with pytest.raises(Wrong, match="missing"):
            self.judge(came, again)
        late = timers.missing(came, list(self.PEOPLE), [again], ended_at=NOW + 30_000)
        assert late == {(self.KEYS[0], NOW)}
        timers.check(came, list(self.PEOPLE), [again], ended_at=NOW + 30_000, too_late=late)
        with pytest.raises(Wrong, match="not wanted"):
            timers.check(
                came | {(self.KEYS[0], NOW): NOW}, list(self.PEOPLE), [again], ended_at=NOW + 30_000, too_late=late
            )

    @pytest.mark.parametrize(
        ("tick", "is_overtaken"),
        [
            ((6, NOW, None), True),
            ((4, NOW, None), False),
            ((4, NOW - 1, None), True),
            ((4, NOW, "a"), True),
            ((4, NOW, "~"), False),
            ((4, NOW + 1, "a"), False),
        ],
    )
    def test_the_log_says_who_was_overtaken(self, tick: tuple[int, int, str | None], *, is_overtaken: bool) -> None:
        late = {(self.KEYS[0], NOW)}
        found = timers.overtaken(late, {self.KEYS[0]: (3, 5)}, {3: [tick], 2: [(1, NOW + 9, None)]})
        assert (found == late) is is_overtaken
        assert timers.overtaken(late, {}, {3: [tick]}) == set(), "nobody armed it anew"

    def test_the_event_that_arms_anew_asks_for_its_moment(self) -> None:
        again = timers.Rearming(1, 10_000)
        event = codec.decode_event(again.at(NOW))
        assert codec.parse(bytes(event.properties)) == {"list_id": due_word(again.due_at)}
        assert again.due_at == NOW + 10_000


class TestNumbers:
    def test_percentiles_are_values_that_occurred(self) -> None:
        latency = Latency.of([*range(1, 1_000), 5_000])
        assert (latency["p50"], latency["p99"], latency["max"]) == (501, 990, 5_000)

    def test_a_pause_lies_below_the_bound_of_its_bucket(self) -> None:
        name = "cartwheel_gc_pause_seconds_bucket[('generation', '0'), ('le', '{}')]"
        first = {name.format("0.001"): 50.0, name.format("0.01"): 50.0, name.format("+Inf"): 50.0}
        last = {name.format("0.001"): 100.0, name.format("0.01"): 150.0, name.format("+Inf"): 150.0}
        assert gc_p99_ms([first, last]) == 10.0
        assert gc_p99_ms([]) == -1.0

    @pytest.mark.parametrize(
        ("median", "at_least", "verdict"),
        [(40, False, "aim"), (99, False, "must"), (101, False, "MISSED"), (39, True, "MISSED"), (100, True, "aim")],
    )
    def test_a_gate_is_judged_by_the_median(self, median: float, at_least: bool, verdict: str) -> None:
        assert gate(at_least=at_least).judge(Spread(median=median, low=0, high=1_000)) == verdict

    def test_what_was_not_measured_is_in_the_table_and_says_so(self) -> None:
        assert markdown(Measured(machine={})).count("not measured") == len(GATES)
