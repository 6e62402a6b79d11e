"""What a person has agreed to, from everything that was ever said: semantics 8.4 and 8.5."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

ADDRESSES = {"email": "email", "sms": "phone"}
WHENEVER = 1 << 62  # after everything
SUPPRESSING = ("hard_bounce", "complaint", "invalid_address")


class Act(NamedTuple):
    """Somebody agreed, or did not any more. Without a channel it is about all, without a storefront in general."""

    at: int
    status: str
    channel: str | None
    storefront: str | None

    def concerns(self, channel: str, storefront: str | None) -> bool:
        """A withdrawal without a channel is about all of them; nobody agrees to no channel in particular."""
        named = self.channel == channel or (self.channel is None and self.status != "granted")
        return named and (self.storefront is None or self.storefront == storefront)


def acts(past: Iterable[Any]) -> list[Act]:
    """In `past` everything has `name`, `occurred_at` and `words`."""
    found = []
    for one in past:
        said = one.words.get
        if one.name == "consent_changed" and said("status") in ("granted", "withdrawn", "suppressed"):
            found.append(Act(one.occurred_at, said("status"), said("channel"), said("storefront")))
        if one.name == "list_unsubscribed" and not said("list_id"):
            found.append(Act(one.occurred_at, "withdrawn", "email", None))
    return found


def agreed(known: list[Act], channel: str, storefront: str | None, *, said_by: int = WHENEVER) -> bool | None:
    """None: never asked. A no that was said after `said_by` counts as a yes."""
    act = _counts(known, channel, storefront)
    return None if act is None else act.status == "granted" or act.at > said_by


def suppressed_since(known: list[Act], bounced: list[int], channel: str, storefront: str | None) -> int | None:
    """Until the person agrees to it later. `bounced`: when receipts have said that it leads nowhere."""
    shut = [act.at for act in known if act.status == "suppressed" and act.channel in (None, channel)] + bounced
    act = _counts(known, channel, storefront)
    if not shut or (act is not None and act.status == "granted" and act.at > max(shut)):
        return None
    return max(shut)


def _counts(known: list[Act], channel: str, storefront: str | None) -> Act | None:
    """The latest act; of two of one instant the withdrawal."""
    about = [act for act in known if act.status != "suppressed" and act.concerns(channel, storefront)]
    return min(about, key=lambda act: (-act.at, act.status == "granted"), default=None)
