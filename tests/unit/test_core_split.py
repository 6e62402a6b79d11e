"""`split`: arms by a keyed hash, stable for ever, moved as little as can be (semantics 13.1 to 13.4)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.steps import Arm, Split
from streams.rehearsal import event_record
from streams.steps.split import HOLDOUT, SPACE, choose, draw
from tests.unit.stage import Stage, at, checkout, order
from tests.unit.written import say, written

PEOPLE = [f"acme/p{number}" for number in range(2_000)]


def arms(**weights: int) -> Split:
    listed = tuple(Arm(name=name, weight=weight, next=0) for name, weight in weights.items())
    return Split(label="s", salt="flow/s", arms=listed)


def of(split: Split) -> list[str]:
    return [choose(split, who).name for who in PEOPLE]


def moved(before: Split, after: Split) -> Counter[tuple[str, str]]:
    return Counter((one, other) for one, other in zip(of(before), of(after), strict=True) if one != other)


def split_flow(**more: Any) -> Any:
    body = {"arms": {"short": {"weight": 50, "then": "brief"}, "long": {"weight": 50, "then": "story"}}} | more
    return {"label": "ab", "split": body}, say("brief"), {"stop": "done"}, say("story")


def test_s1_04_ten_thousand_people_fall_half_and_half() -> None:
    """S1-04: each arm within 50 ± 1.5 %, an exposure for each assignment, and the arm in each command."""
    stage = Stage(written(*split_flow()))
    stage.append(*(event_record(checkout("10:00", who=f"p{number}"), at=at("10:00")) for number in range(10_000)))
    stage.finish()
    exposed = [one for one in stage.decisions if one.outcome == "exposed"]
    shares = Counter(one.reason for one in exposed)
    assert len(exposed) == 10_000
    assert set(shares) == {"short", "long"}
    assert all(4_850 <= share <= 5_150 for share in shares.values())
    assert {(one.step, one.arms["ab"]) for one in stage.commands} == {("brief", "short"), ("story", "long")}
    assert exposed[0].values == {"salt": "f/ab", "by": "profile", "weights": {"short": 50, "long": 50}}
    assert exposed[0].arms == {"ab": exposed[0].reason}


def test_s1_04_the_same_person_is_always_in_the_same_arm() -> None:
    """Whatever the entry, the replay or the machine: the arm is a function of salt, tenant and profile."""
    stage = Stage(written(*split_flow()))
    for hour in range(10, 20):
        for who in ("ann", "bob", "cid"):
            stage.event(checkout(f"{hour}:00", who=who))
    stage.finish()
    found = {(one.profile_id, one.arms["ab"]) for one in stage.commands}
    assert len(stage.commands) == 30
    assert len(found) == 3
    exposed = [(one.profile_id, one.reason) for one in stage.decisions if one.outcome == "exposed"]
    assert (len(exposed), set(exposed)) == (30, found)


def test_the_arms_of_today_are_those_of_all_days() -> None:
    """A change of the construction would move everybody: it is a change of what flows mean."""
    assert [choose(arms(a=50, b=50), who).name for who in PEOPLE[:16]] == list(FIRST)
    assert draw("flow/s", "acme/p0", "arm a") == 5291088901008515225


FIRST = "aaaaabbababababb"


def test_by_key_each_key_has_its_arm() -> None:
    flow = written(*split_flow(by="key"), entry={"key": "trigger.checkout_id"})
    stage = Stage(flow)
    for who in ("ann", "bob"):
        for number in range(20):
            stage.event(checkout("10:00", who=who, checkout_id=f"C{number}"))
    by_key: dict[str, set[str]] = {}
    for command in stage.finish().commands:
        by_key.setdefault(command.variables["trigger"]["checkout_id"], set()).add(command.arms["ab"])
    assert all(len(found) == 1 for found in by_key.values())
    assert len({arm for found in by_key.values() for arm in found}) == 2


def test_another_salt_is_another_draw() -> None:
    here = arms(a=50, b=50)
    one, other = of(here), of(replace(here, salt="x"))
    assert 900 < sum(mine == theirs for mine, theirs in zip(one, other, strict=True)) < 1_100


class TestWeights:
    """Changing them moves the fewest people."""

    @pytest.mark.parametrize("weights", [(1, 1, 2), (70, 20, 10), (1, 0, 3)])
    def test_shares_are_those_of_the_weights(self, weights: tuple[int, int, int]) -> None:
        shares = Counter(of(arms(a=weights[0], b=weights[1], c=weights[2])))
        for name, weight in zip("abc", weights, strict=True):
            assert abs(shares[name] - len(PEOPLE) * weight / sum(weights)) < 65

    def test_of_two_arms_only_the_difference_moves(self) -> None:
        found = moved(arms(a=50, b=50), arms(a=60, b=40))
        assert set(found) == {("b", "a")}
        assert 160 < found["b", "a"] < 240  # a tenth of all, which is the least that can

    def test_an_arm_that_grows_takes_from_the_others_which_exchange_nobody(self) -> None:
        found = moved(arms(a=50, b=30, c=20), arms(a=50, b=30, c=40))
        assert set(found) == {("a", "c"), ("b", "c")}
        assert abs(sum(found.values()) - len(PEOPLE) * (40 / 120 - 20 / 100)) < 65

    def test_an_arm_that_is_added_or_removed_moves_nobody_else(self) -> None:
        assert {after for _, after in moved(arms(a=1, b=1), arms(a=1, b=1, c=1))} == {"c"}
        assert {before for before, _ in moved(arms(a=1, b=1, c=1), arms(a=1, b=1))} == {"c"}

    def test_the_order_and_the_unit_of_weights_do_not_matter(self) -> None:
        assert of(arms(a=1, b=3)) == of(arms(b=75, a=25))


class TestHoldout:
    """Who is held out gets a decision and nothing else."""

    def test_it_ends_with_a_decision_and_is_no_exposure(self) -> None:
        stage = Stage(written(*split_flow(holdout=20)))
        for number in range(1_000):
            stage.event(checkout("10:00", who=f"p{number}"))
        stage.finish()
        held_out = [one for one in stage.decisions if (one.outcome, one.reason) == ("ended", "holdout")]
        assert 150 < len(held_out) < 250
        assert len(stage.commands) == 1_000 - len(held_out)
        assert not {one.profile_id for one in held_out} & {one.profile_id for one in stage.commands}

    def test_a_larger_one_keeps_whom_a_smaller_one_held_and_moves_nobody_else(self) -> None:
        drawn = [draw("flow/s", who, HOLDOUT) * 1000 for who in PEOPLE]
        small, large = ({at for at, one in enumerate(drawn) if one < share * SPACE} for share in (5, 50))
        assert small < large
        assert 3 < len(small) < 20
        assert 70 < len(large) < 130

    def test_a_tenth_of_a_percent_can_be_said(self) -> None:
        (split, *_) = written(*split_flow(holdout=0.5)).steps
        assert isinstance(split, Split)
        assert split.holdout_per_thousand == 5


def test_a_second_round_through_the_same_arm_is_no_second_exposure() -> None:
    again = {"if": {"condition": {"trigger.coupon": {"is_not_set": True}}, "then": "first"}}
    arm = {"arms": {"only": {"weight": 1}}}
    flow = written({"label": "first", "wait": {"for": "1h"}}, {"label": "ab", "split": arm}, say("remind"), again,
                   exits=[{"when": {"event": "order_placed"}}])  # fmt: skip
    stage = Stage(flow).event(checkout("10:00")).event(order("13:30")).finish()
    assert len(stage.sent) == 3
    assert stage.tallies["decision", "f", "exposed", "only"] == 1
