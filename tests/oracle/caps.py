"""Frequency caps told naively: every message that was ever sent, and for each new one a look at all of them.

Nothing here knows the code that it judges. A message takes room from the instant it is ordered, for exactly `per`,
unless a receipt gives its room back. What may wait is tried again at every step of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Rule(NamedTuple):
    """At most `most` in `per`, of the messages whose fields are all those that are named; None names nothing."""

    group: str | None
    channel: str | None
    storefront: str | None
    most: int
    per: int
    waits: int | None  # how long a message may wait for room; None: not at all


class Wish(NamedTuple):
    """A message that should go at an instant. `returned_at`: when a receipt says that it did not go after all."""

    at: int
    group: str
    channel: str
    storefront: str
    returned_after: int | None = None


class Gone(NamedTuple):
    """It went then."""

    at: int
    wish: Wish


class Not(NamedTuple):
    """It was given up then."""

    at: int
    wish: Wish


def settle(rules: Sequence[Rule], wish: Wish, gone: Sequence[Gone]) -> Gone | Not:
    """What becomes of a wish, when all before it are settled. Time is counted in steps of one."""
    concerned = [rule for rule in rules if _about(rule, wish)]
    patience: int | None = None
    now = wish.at
    while True:
        full = [rule for rule in concerned if _taken(rule, gone, now) >= rule.most]
        if not full:
            return Gone(now, wish)
        if any(rule.waits is None for rule in full):
            return Not(now, wish)
        if patience is None:
            patience = wish.at + min(rule.waits for rule in full if rule.waits is not None)
        if now >= patience:
            return Not(now, wish)
        now += 1


def _taken(rule: Rule, gone: Sequence[Gone], now: int) -> int:
    return sum(_about(rule, one.wish) and one.at <= now < one.at + rule.per and not _is_back(one, now) for one in gone)


def _is_back(one: Gone, now: int) -> bool:
    return one.wish.returned_after is not None and now >= one.at + one.wish.returned_after


def _about(rule: Rule, wish: Wish) -> bool:
    pairs = ((rule.group, wish.group), (rule.channel, wish.channel), (rule.storefront, wish.storefront))
    return all(named is None or named == is_ for named, is_ in pairs)
