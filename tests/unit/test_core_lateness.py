"""A message that is reached long after its moment: judged once more and sent, or skipped."""

from __future__ import annotations

import msgspec
import pytest

from schemas.flow import Flow
from tests.unit.stage import (
    MINUTE,
    Stage,
    at,
    checkout,
    clock_of,
    flow,
    mark,
    poison,
    resolution,
    send,
    settle,
    wait,
)


def live(one: Flow) -> Stage:
    return Stage(one, clock="live")


class TestAMessageThatIsLate:
    """Semantics 5.8."""

    LATE = msgspec.structs.replace(send(), max_lateness_ms=60 * MINUTE, when_late="skip")

    @pytest.mark.parametrize(("tick", "story"), [("11:15", "sent due"), ("11:15:00.001", "skipped too_late")])
    def test_an_outage_makes_it_late(self, tick: str, story: str) -> None:
        stage = live(flow(wait(15), self.LATE)).event(checkout("10:00")).tick(tick)
        assert stage.story[1:] == [f"{clock_of(at(tick))} {story}", f"{clock_of(at(tick))} ended done"]

    def test_so_does_an_unreadable_record(self) -> None:
        stage = live(flow(wait(15), self.LATE, wait(5, label="w"), send("next"))).event(checkout("10:00"))
        stage.append(poison("10:05")).tick("10:16").append(resolution("11:30", 1)).tick("11:31").tick("11:40")
        assert stage.story[2:4] == ["11:31 skipped too_late", "11:40 sent due"]

    def test_unless_told_it_is_sent_all_the_same(self) -> None:
        assert live(flow(wait(15), send())).event(checkout("10:00")).tick("+3 10:00").sent == ["+3 10:00 remind"]

    def test_time_at_a_gate_is_not_late(self) -> None:
        stage = live(flow(wait(15), settle(hold=300), self.LATE)).event(checkout("10:00")).tick("10:16")
        assert stage.tick("12:00", marks=[mark("10:15")]).story[-2] == "12:00 sent due"
