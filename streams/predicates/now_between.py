"""`now_between`: whether it is now, where the person is, within a window.

now_between: { local: "09:00-17:00", on: [mon-fri] }     Tuesday 08:00 UTC, person in Berlin  -> true: 09:00 there
                                                         Tuesday 08:00 UTC, person in London  -> false
now_between: { local: "22:00-07:00", on: [fri] }         Saturday 06:00 there                 -> true: of Friday
"""

from __future__ import annotations

from schemas.conditions import NowBetween
from streams import zone
from streams.clock.wall import local
from streams.clock.window import is_open
from streams.clock.zones import Zone
from streams.view import View


def look(condition: NowBetween, view: View) -> str:
    """The time on the wall, of which zone, and who said so."""
    place = _place(view)
    day, ms = local(view.now, place.name)
    return f"{day} {ms // 3_600_000:02}:{ms // 60_000 % 60:02} {place.name} ({place.source})"


def judge(condition: NowBetween, view: View) -> bool | None:
    """The answer."""
    return is_open(condition.window, view.now, _place(view).name)


def name(condition: NowBetween) -> str:
    """What is compared."""
    return "now_between"


def _place(view: View) -> Zone:
    assert view.profile is not None
    assert view.flow is not None
    return zone.of(view.profile, view.flow, context=view.words)
