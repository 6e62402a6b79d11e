"""The clock table: questions of local time that other tools answer wrong, asked as a flow asks them.

The same questions stand in `clock_cases.yaml` for the functions below; here a flow file is read, somebody does
something, and what counts is when the message leaves.
"""

from __future__ import annotations

import pytest

from schemas.instants import from_wire, to_wire
from schemas.policy import NO_POLICY
from streams import timeline
from streams.flowfile import check_policy, load, load_timelines

QUIET = 'policy: shop\nquiet_hours: [{ channels: [log], local: "21:00-08:00" }]\n'


def leaves(zone: str, asked: str, *, wait: str = "", window: str = "", policy: str = "") -> str:
    """When somebody in this zone gets the message, who does at `asked` what the flow begins with."""
    steps = [f"  - wait: {{ {wait} }}\n"] if wait else []
    hours = f", window: {{ {window} }}" if window else ""
    steps += [f"  - {{ label: remind, send: {{ template: t, channel: log{hours} }} }}\n"]
    flow = load(
        "flow: f\nentry: { trigger: { event: checkout_started }, reentry: always }\nsteps:\n" + "".join(steps),
        name="f.yaml",
    )
    [day] = load_timelines(
        f"""
- name: asked
  timeline:
    - {{ at: "2025-12-01T10:00:00Z", profile_identified: {{ profile: p1, timezone: {zone} }} }}
    - {{ at: "{asked}", checkout_started: {{ profile: p1 }} }}
  expect: [{{ sends: 1 }}]
""",
        name="f.test.yaml",
        flow=flow,
    )
    shop = check_policy(policy, name="policy.yaml").policy if policy else NO_POLICY
    assert shop is not None
    [command] = timeline.play(flow, day, policy=shop).commands
    return command.decided_at.removesuffix(":00.000Z")


def test_clock_1_nine_in_new_york_on_the_day_that_summer_time_begins() -> None:
    """Asked on Saturday 7 March 2026, 10:00: Sunday 09:00, not 10:00."""
    assert leaves("America/New_York", "2026-03-07T10:00:00-05:00", wait='until: "09:00"') == "2026-03-08T13:00"


def test_clock_2_mondays_at_eight_in_seoul() -> None:
    """Asked on Saturday noon: Monday 08:00, when it is still Sunday in UTC; not Tuesday."""
    wait = 'until: "08:00", on: [mon]'
    assert leaves("Asia/Seoul", "2026-03-07T12:00:00+09:00", wait=wait) == "2026-03-08T23:00"


@pytest.mark.parametrize(("zone", "offset"), [("America/New_York", "-04:00"), ("Asia/Seoul", "+09:00"), ("UTC", "Z")])
class TestAcrossMidnight:
    """A window of 22:00-07:00: its ends are not swapped, and who is within it does not wait."""

    WINDOW = 'local: "22:00-07:00"'

    def test_clock_3_within_it_is_now(self, zone: str, offset: str) -> None:
        at = f"2026-06-10T23:00:00{offset}"
        assert leaves(zone, at, window=self.WINDOW) == _utc(at)

    def test_clock_4_at_noon_it_is_this_evening(self, zone: str, offset: str) -> None:
        noon, evening = f"2026-06-10T12:00:00{offset}", f"2026-06-10T22:00:00{offset}"
        assert leaves(zone, noon, window=self.WINDOW) == _utc(evening)


def test_clock_5_until_nine_asked_at_twenty_past_is_tomorrow() -> None:
    """There is no grace; a minute, even a second, is too late, and nine sharp is now."""
    for asked, expected in (
        ("09:20:00", "2026-06-11T09:00"),
        ("09:00:01", "2026-06-11T09:00"),
        ("09:00:00", "2026-06-10T09:00"),
        ("08:59:59", "2026-06-10T09:00"),
    ):
        assert leaves("UTC", f"2026-06-10T{asked}Z", wait='until: "09:00"') == expected, asked


@pytest.mark.parametrize(
    ("zone", "asked", "expected"),
    [
        ("America/New_York", "2026-01-15T23:00:00-05:00", "2026-01-16T13:00"),
        ("America/New_York", "2026-07-15T23:00:00-04:00", "2026-07-16T12:00"),
        ("America/Los_Angeles", "2026-07-15T23:00:00-07:00", "2026-07-16T15:00"),
        ("Asia/Seoul", "2026-01-15T23:00:00+09:00", "2026-01-15T23:00"),
    ],
)
def test_clock_6_quiet_hours_are_those_of_the_recipient_in_summer_and_in_winter(
    zone: str, asked: str, expected: str
) -> None:
    """Neither one offset for everybody, nor one for the whole year, nor the eastern zone of the country."""
    assert leaves(zone, asked, policy=QUIET) == expected


def _utc(at: str) -> str:
    """The same instant as a command writes it, without its seconds."""
    return to_wire(from_wire(at)).removesuffix(":00.000Z")
