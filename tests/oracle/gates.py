"""What may hold a message back once its run lets it go: semantics 8.4 to 8.12, asked one after the other.

Hours are looked for in steps of half an hour: all windows of these scenarios, and all changes of clocks, lie on them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from tests.oracle import clock, waits
from tests.oracle.agreement import ADDRESSES, WHENEVER, acts, agreed, suppressed_since
from tests.oracle.clock import DAY_MS, Hours
from tests.oracle.people import Message, Profile
from tests.oracle.policy import Cap, Policy, cap, hours

AGREE_MS = 400 * DAY_MS
STEP_MS = 30 * 60_000


class Wish(NamedTuple):
    """A message that should go now. `is_late`: after its time, and to be sent all the same."""

    body: dict[str, Any]
    storefront: str | None
    zone: str
    is_late: bool

    @property
    def channel(self) -> str:
        """Where it goes."""
        return str(self.body["channel"])

    @property
    def message_class(self) -> str:
        """What it is."""
        return str(self.body.get("class", "marketing"))

    @property
    def group(self) -> str | None:
        """Of its own cap."""
        group: str | None = self.body.get("cap", {}).get("group")
        return group


class Skip(NamedTuple):
    """It does not go."""

    reason: str


class Hold(NamedTuple):
    """It waits until then; `patience` is set once it has found no room."""

    reason: str
    until: int
    patience: int | None = None


def no_say(wish: Wish, profile: Profile, policy: Policy, *, said_by: int = WHENEVER) -> str | None:
    """Consent and suppression: why this person must not get it, unless that was said after `said_by`. Who only writes
    to a log writes to nobody.
    """
    said = acts(profile.history)
    if wish.channel not in ADDRESSES:
        return None
    if wish.message_class == "marketing":
        answer = agreed(said, wish.channel, wish.storefront, said_by=said_by)
        if answer is False or (answer is None and policy.consent == "required"):
            return f"no_consent:{wish.channel}"
    since = suppressed_since(said, profile.bounced(wish.channel), wish.channel, wish.storefront)
    return f"suppressed:{wish.channel}" if since is not None and since <= said_by else None


def ask(wish: Wish, profile: Profile, policy: Policy, *, now: int, patience: int | None) -> Skip | Hold | None:
    """From consent to the address; the first no."""
    if (reason := no_say(wish, profile, policy)) is not None:
        return Skip(reason)
    for fact, most in wish.body.get("fresh", {}).items():
        stated_at = profile.stated_at(fact)
        if stated_at is None or now - stated_at > waits.span_ms(most):
            return Skip(f"stale_fact:{fact}")
    if wish.message_class != "transactional":
        held = _hours(wish, policy, now=now) or _room(wish, profile, policy, now=now, patience=patience)
        if held is not None:
            return held
    needed = ADDRESSES.get(wish.channel)
    return Skip("no_address") if needed and not profile.address(needed) else None


# -- hours


def _hours(wish: Wish, policy: Policy, *, now: int) -> Skip | Hold | None:
    window, quiet = _of(wish, policy)
    if window is not None and not clock.is_open(window, now, wish.zone):
        reason = "window"
    elif any(clock.is_open(one, now, wish.zone) for one in quiet):
        reason = "quiet_hours"
    else:
        return None
    agree = _agree_at(window, quiet, now, wish.zone)
    return Skip(f"{reason}_never_opens") if agree is None else Hold(reason, agree)


def _of(wish: Wish, policy: Policy) -> tuple[Hours | None, tuple[Hours, ...]]:
    has = "window" in wish.body and not wish.is_late
    window = hours(wish.body["window"], policy.holidays) if has else None
    return window, tuple(one for channels, one in policy.quiet if wish.channel in channels)


@lru_cache(maxsize=4096)
def _agree_at(window: Hours | None, quiet: tuple[Hours, ...], now: int, zone: str) -> int | None:
    """The first instant at which all of them let it go."""
    return _first(
        now, now + AGREE_MS,
        lambda at: (window is None or clock.is_open(window, at, zone))
        and not any(clock.is_open(one, at, zone) for one in quiet),
    )  # fmt: skip


def not_after(wish: Wish, policy: Policy, *, now: int) -> int:
    """Semantics 9.2: not later than so long after now, nor when its window closes or quiet hours begin."""
    last = now + waits.span_ms(wish.body.get("valid", "15m"))
    if wish.message_class == "transactional":
        return last
    window, quiet = _of(wish, policy)
    shut = _first(
        now, last,
        lambda at: (window is not None and not clock.is_open(window, at, wish.zone))
        or any(clock.is_open(one, at, wish.zone) for one in quiet),
    )  # fmt: skip
    return last if shut is None else shut


def _first(begin: int, end: int, has_come: Callable[[int], bool]) -> int | None:
    grid = range(begin // STEP_MS * STEP_MS + STEP_MS, end, STEP_MS)
    return next((at for at in (begin, *grid) if has_come(at)), None)


# -- caps


def _room(wish: Wish, profile: Profile, policy: Policy, *, now: int, patience: int | None) -> Skip | Hold | None:
    own = (cap(wish.body["cap"]),) if "cap" in wish.body else ()
    concerned = [rule for rule in (*policy.caps, *own) if _is_about(rule, wish)]
    full = [rule for rule in concerned if len(_taken(rule, profile, now)) >= rule.most]
    if not full:
        return None
    for rule in full:
        if rule.waits_ms is None:
            return Skip(f"capped:{rule.name}")
    if patience is None:
        patience = now + min(rule.waits_ms for rule in full if rule.waits_ms is not None)
    if now >= patience:
        return Skip(f"cap_expired:{max(full, key=lambda rule: _room_at(rule, profile, now)).name}")
    return Hold("cap", min(patience, max(_room_at(rule, profile, now) for rule in full)), patience)


def _is_about(rule: Cap, one: Wish | Message) -> bool:
    pairs = (
        (rule.group, one.group), (rule.channel, one.channel), (rule.storefront, one.storefront),
        (rule.message_class, one.message_class),
    )  # fmt: skip
    return all(named is None or named == is_ for named, is_ in pairs)


def _taken(rule: Cap, profile: Profile, now: int) -> list[int]:
    """When each message went that takes room now."""
    return sorted(
        one.decided_at
        for one in profile.messages
        if one.takes_room and _is_about(rule, one) and now < one.decided_at + rule.per_ms
    )


def _room_at(rule: Cap, profile: Profile, now: int) -> int:
    """If nothing comes between."""
    taken = _taken(rule, profile, now)
    return taken[len(taken) - rule.most] + rule.per_ms if len(taken) >= rule.most else now
