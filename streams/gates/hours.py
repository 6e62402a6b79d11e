"""Hours: the window of a message and the quiet hours of the shop, on the recipient's clock (semantics 5.4, 8).

For example, `window: { local: "08:00-21:00" }`, somebody in New York:

    02:30 UTC  it is 21:30 there                 -> held `window` until 08:00 there, 13:00 UTC in winter
    08:00      quiet hours for SMS until 09:00   -> an SMS waits until 09:00 at once, not twice
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from schemas.instants import to_wire
from schemas.policy import HOLIDAYS, Policy
from schemas.steps import Send
from schemas.window import Window
from streams.clock import window as windows
from streams.clock.wall import DAY_MS
from streams.clock.window import DAYS_MAX
from streams.gates.answer import Answer, Skip, Wait
from streams.gates.lateness import goes_anyway
from streams.passage import Passage

REASONS = ("window", "quiet_hours")  # for which a message waits
AGREE_MS = DAYS_MAX * DAY_MS  # so far ahead somebody looks for an instant at which all agree


def judge(step: Send, passage: Passage) -> Answer | None:
    """Waits for the first instant at which the message may go; skips if there is none within 400 days."""
    window, quiet = _of(step, passage)
    if window is None and not quiet:
        return None
    zone = passage.zone(step)
    opens_at = _opening(window, quiet, passage.now, zone.name)
    if opens_at == passage.now:
        return None
    shut = window is not None and not windows.is_open(window, passage.now, zone.name)
    reason = REASONS[0] if shut else REASONS[1]
    values = {"zone": zone.name, "zone_from": zone.source}
    if opens_at is None:
        return Skip(f"{reason}_never_opens", values)
    values["opens_at"] = to_wire(opens_at)
    return Wait(reason=reason, until_at=opens_at, values=values, moves=True, zone=zone)


def closes_at(step: Send, passage: Passage) -> int | None:
    """When a message that may go now may not any more; None: hours do not matter to it."""
    window, quiet = _of(step, passage)
    if step.message_class == "transactional" or (window is None and not quiet):
        return None
    now, zone = passage.now, passage.zone(step).name
    ends = [] if window is None else [windows.closes_at(window, now, zone)]
    return min((*ends, *(at for one in quiet if (at := windows.opens_at(one, now, zone)) is not None)), default=None)


def _of(step: Send, passage: Passage) -> tuple[Window | None, Sequence[Window]]:
    if step.window is None and not passage.policy.quiet_hours:
        return None, ()
    window = None if goes_anyway(step, passage) else step.window
    return None if window is None else _with_holidays(window, passage.policy), [
        one.window for one in passage.policy.quiet_hours if step.channel in one.channels
    ]


def _with_holidays(window: Window, policy: Policy) -> Window:
    if HOLIDAYS not in window.except_days:
        return window
    return replace(window, except_days=(*window.except_days, *policy.holidays))


def _opening(window: Window | None, quiet: Sequence[Window], at: int, zone: str) -> int | None:
    last_at = at + AGREE_MS
    while at <= last_at:  # each round takes it on to an opening or an end, of which a rule has one a day
        before: int = at
        found = [at if window is None else windows.opens_at(window, at, zone)]
        found += [windows.quiet_until(one, at, zone) for one in quiet]
        if None in found:
            return None
        at = max(one for one in found if one is not None)
        if at == before:
            return at
    return None
