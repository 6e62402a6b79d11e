"""A message that waits for hours behind a gate: by each new moment it may be held again, and yet not for ever."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from schemas.steps import Send
from schemas.window import Window
from tests.unit.stage import HOUR, Stage, checkout, flow, mark, send, settle, wait


class TestHeldDayAfterDay:
    """Semantics 8.8: hours that are shorter than the source is behind make a new moment, and a new hold, each day."""

    @staticmethod
    def morning(label: str = "remind") -> Send:
        return replace(send(label), window=Window(8 * HOUR, 10 * HOUR))

    def days(self, on_timeout: Literal["skip", "send"], *, complete_at: str) -> list[str]:
        gate = settle(hold=180, on_timeout=on_timeout)
        stage = Stage(flow(wait(15), gate, self.morning())).event(checkout("10:30"))
        stage.watermark(mark("10:45"), "10:45")
        for day in range(1, 7):
            stage.pass_time(f"+{day} {complete_at}").watermark(mark(f"+{day} 08:00"), f"+{day} {complete_at}")
        return stage.story[2:]

    def test_it_is_held_for_no_longer_than_once(self) -> None:
        held = ["+1 08:00 held settle", "+1 10:30 held window", "+2 08:00 held settle"]
        skipped, sent = (self.days(on_timeout, complete_at="10:30") for on_timeout in ("skip", "send"))
        assert skipped == [*held, "+2 08:30 skipped settle_timeout", "+2 08:30 ended done"]
        assert sent == [*held, "+2 08:30 sent degraded", "+2 08:30 ended done"]

    def test_of_a_source_that_is_silent_it_goes_when_the_hours_allow_it(self) -> None:
        assert self.days("send", complete_at="23:00") == [
            "+1 08:00 held settle", "+1 11:00 held window", "+2 08:00 sent degraded", "+2 08:00 ended done",
        ]  # fmt: skip

    def test_the_next_message_may_be_held_for_as_long_again(self) -> None:
        gates = [settle(hold=60, label=label) for label in ("one", "two")]
        steps = (gates[0], self.morning("first"), wait(90, label="more"), gates[1], self.morning())
        stage = Stage(flow(wait(15), *steps)).event(checkout("10:30")).watermark(mark("10:45"), "10:45")
        stage.watermark(mark("+1 08:30"), "+1 08:50").watermark(mark("+1 10:20"), "+1 10:21")
        stage.watermark(mark("+2 08:30"), "+2 08:50").pass_time("+2 10:30")
        assert stage.story[2:] == [
            "+1 08:00 held settle", "+1 08:50 sent due", "+1 10:20 held settle", "+1 10:21 held window",
            "+2 08:00 held settle", "+2 08:50 sent due", "+2 08:50 ended done",
        ]  # fmt: skip
