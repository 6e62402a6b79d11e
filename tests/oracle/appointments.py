"""When a flow that begins by the clock looks at a person next: semantics 3.8."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from tests.oracle import clock, waits
from tests.oracle.conditions import judge
from tests.oracle.flowfile import Flow
from tests.oracle.interpreter import Run
from tests.oracle.people import NEVER
from tests.oracle.records import wire


def moments(flow: Flow, said: Any, zone: str, *, around: int) -> Iterator[int]:
    """All moments from a year before an instant until three years after, in order."""
    assert flow.calendar is not None
    day = clock.local(around, zone)[0]
    if "schedule" in flow.calendar:
        yield from _scheduled(flow.calendar["schedule"], day, zone)
    else:
        found = (waits.moment_of(one, flow.calendar["date"], zone) for one in _said(flow.calendar["date"], said, day))
        yield from sorted(one for one in found if one is not None)


def _said(body: dict[str, Any], said: Any, today: date) -> list[Any]:
    """What the fact says, or the same in other years; 29 February is the 28th in years that have none."""
    if not body.get("yearly") or not isinstance(said, str) or not re.match(r"\d{4}-\d\d-\d\d", said):
        return [said]
    found = []
    for year in range(today.year - 1, today.year + 4):
        month_and_day = said[4:10]
        if month_and_day == "-02-29" and year % 4:
            month_and_day = "-02-28"
        found.append(f"{year}{month_and_day}{said[10:]}")
    return found


def _scheduled(body: dict[str, Any], today: date, zone: str) -> Iterator[int]:
    days = [today + timedelta(days=number) for number in range(-40, 800)]
    named = {number for word in body.get("on", waits.DAYS) for number in waits.weekdays_of(word)}
    for one in days:
        last = ((one.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
        if one.weekday() in named and ("day" not in body or one.day == min(body["day"], last)):
            yield clock.instant_of(one, waits.ms_of_day(body["at"]), zone)


class Calendar:
    """The appointment of one flow with this profile."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.at, self.met = NEVER, 0
        self._made_for: Any = None

    def _now(self) -> tuple[Any, str]:
        flow, profile = self.run.flow, self.run.seen
        body = (flow.calendar or {}).get("date", {})
        storefront = flow.storefront
        if storefront is not None and storefront.startswith("fact."):
            storefront = profile.fact(storefront.removeprefix("fact."))
        said = profile.fact(body["fact"]) if "fact" in body else None
        return said, profile.zone(flow, storefront, self.run.policy.zones)

    def keep(self, *, now: int) -> None:
        """It is made anew when what it was made from has changed."""
        if self._now() != self._made_for:
            self._make(after=max(now - 1, self.met))

    def _make(self, *, after: int) -> None:
        self._made_for = self._now()
        said, zone = self._made_for
        found = moments(self.run.flow, said, zone, around=after)
        self.at = next((one for one in found if one > after), NEVER)

    def meet(self, *, now: int) -> None:
        """The moment has come: it is a trigger that occurred then."""
        flow, profile, at = self.run.flow, self.run.profile, self.at
        self.met = at
        said, _ = self._made_for
        words = {"moment": wire(at)} | ({} if "schedule" in (flow.calendar or {}) else {"date": said})
        begins = profile.history[-1]._replace(
            name=flow.event, dedupe=f"cartwheel\x1f{flow.event} {wire(at)}", occurred_at=at, appended_at=now,
            position=profile.position, words=words, backfill=False,
        )  # fmt: skip
        self._make(after=max(at, now - flow.max_trigger_age_ms - 1))
        if judge(flow.where, words) is True:
            self.run.on_trigger(begins, now=now)
