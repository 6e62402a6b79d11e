"""The forecast of timers: of each person the newest state counts, in the window in which its timers are due."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from agents.forecast import HOUR_MS, WINDOWS, PartitionForecast, windows
from schemas import codec
from schemas.codec import CLAIM_KEY, PARTITION_KEY
from schemas.profile import NEVER, Enrollment, Fact, Profile
from schemas.waits import flows_of, waits_of

NOW = 1_800_000_000_000
DAY_MS = 24 * HOUR_MS


def state(*waits: tuple[str, int], applied: int = 0, held: bool = False) -> bytes:
    """The packed profile of somebody who waits in these flows until these instants."""
    enrollments = [
        Enrollment(
            enrollment_id=f"e{number}", flow=flow, key="", visit=1, anchor_at=NOW, triggered_at=NOW, trigger_offset=1,
            entered_at=NOW, context=codec.pack_words({"total": "12.00", "items": [{"name": "shirt"}]}),
            wakeup_at=wakeup_at, held=held,
        )
        for number, (flow, wakeup_at) in enumerate(waits)
    ]  # fmt: skip
    return codec.pack_profile(Profile(tenant="t", profile_id="p", applied_offset=applied, enrollments=enrollments))


def forecast(*records: tuple[bytes, bytes | None]) -> PartitionForecast:
    made = PartitionForecast(now_at=NOW)
    for key, value in records:
        made.take(key, value)
    return made


@pytest.mark.parametrize("version", codec.STATE_VERSIONS)
def test_flows_and_waits_are_read_without_the_rest(version: int) -> None:
    made = Profile(tenant="t", profile_id="p", identifiers={"email": Fact("a@b.example", 1)})
    assert waits_of(codec.pack_profile(made, version=version)) == []
    assert flows_of(codec.pack_profile(made, version=version)) == []
    made.enrollments = codec.unpack_profile(state(("cart", 5), ("look", 7)), key=b"t/p").enrollments
    assert waits_of(codec.pack_profile(made, version=version)) == [("cart", 5), ("look", 7)]
    assert flows_of(codec.pack_profile(made, version=version)) == ["cart", "look"]
    made.enrollments[0].wakeup_at = made.enrollments[1].wakeup_at = NEVER
    made.enrollments[1].held = True
    assert flows_of(codec.pack_profile(made, version=version)) == ["cart", "look"]


def test_waits_are_read_without_the_rest() -> None:
    assert waits_of(state(("cart", 5), ("look", 7))) == [("cart", 5), ("look", 7)]
    assert waits_of(state()) == []
    assert waits_of(state(("cart", NEVER))) == []
    assert waits_of(state(("cart", NEVER), held=True)) == [("cart", NEVER)], "until an operator says so"
    assert forecast((b"a", state(("cart", NEVER), held=True))).result().waits == {}


def test_each_timer_falls_into_the_window_in_which_it_is_due() -> None:
    dues = (-1, 0, HOUR_MS - 1, HOUR_MS, DAY_MS - 1, DAY_MS, 30 * DAY_MS - 1, 30 * DAY_MS)
    result = forecast(*((b"k%d" % due, state(("cart", NOW + due))) for due in dues)).result()
    assert {WINDOWS[window]: count for (_, window), count in result.waits.items()} == {
        "overdue": 1, "hour": 2, "day": 2, "month": 2, "later": 1,
    }  # fmt: skip
    assert windows(result.waits.items()) == {"overdue": 1, "hour": 2, "day": 4, "month": 6, "later": 1, "all": 8}


def test_of_each_person_the_highest_applied_offset_counts_wherever_it_stands() -> None:
    soon, late = ("cart", NOW + 1), ("cart", NOW + 40 * DAY_MS)
    result = forecast(
        (b"a", state(soon, applied=5)),
        (b"a", state(late, applied=9)),
        (b"a", state(soon, applied=7)),  # of a worker that had lost the partition without noticing
        (b"b", state(soon, applied=1)),
        (b"b", state(applied=2)),
        (b"c", state(soon, soon, ("look", NOW + 1), applied=3)),
        (b"d", state(soon)),
        (b"d", None),
        (PARTITION_KEY, b"not a profile"),
        (CLAIM_KEY, b"neither"),
    ).result()
    assert result.profiles == 3
    assert result.waits == Counter({("cart", 4): 1, ("cart", 1): 2, ("look", 1): 1})


def test_a_long_changelog_is_counted_as_its_last_states_are() -> None:
    dice, last = random.Random(5), dict[bytes, list[tuple[str, int]]]()
    records = []
    for applied in range(5000):
        key = b"t/%d" % dice.randrange(300)
        last[key] = [
            (dice.choice(["cart", "look", "win"]), NOW + dice.randrange(-HOUR_MS, 60 * DAY_MS))
            for _ in range(dice.randrange(4))
        ]
        records.append((key, state(*last[key], applied=applied)))
    result = forecast(*records).result()
    for flow in ("cart", "look", "win"):
        ours = windows(item for item in result.waits.items() if item[0][0] == flow)
        dues = [due - NOW for waits in last.values() for name, due in waits if name == flow]
        assert ours["overdue"] == sum(due < 0 for due in dues)
        assert ours["day"] == sum(0 <= due < DAY_MS for due in dues)
        assert ours["all"] == len(dues)
