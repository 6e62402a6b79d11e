"""Where topics begin and end, beside what the state was made of: what cannot be made good is refused at once."""

from __future__ import annotations

from agents.errors import Halted


def log_trouble(partition: str, *, begins: int, ends: int, position: int) -> Halted | None:
    """Of the profile log, which is to be read from `position` on."""
    if begins > position:
        return Halted(
            f"{partition} begins at offset {begins}, and its state was made of records below {position}:"
            f" {begins - position} records are gone unread",
            next_step="decide what they were worth, then follow docs/faust-engine.md, section 'The log begins above the"
            " position' (deploy/runbooks/log-truncated.md)",
        )
    if ends < position:
        return Halted(
            f"{partition} ends at offset {ends}, and its state was made of records below {position}: records that"
            " decisions depend on are gone",
            next_step="bring them back, or use another namespace (deploy/runbooks/log-truncated.md)",
        )
    return None


def changelog_trouble(partition: str, *, begins: int, held: int) -> Halted | None:
    """Of the changelog, of which the local store holds everything up to the offset `held`, -1 for nothing."""
    if begins <= held + 1:
        return None
    return Halted(
        f"{partition} begins at offset {begins}, and the local store holds it up to {held}: states in between are gone",
        next_step="start a worker whose local store is younger, or make the state anew from the log"
        " (deploy/runbooks/changelog-truncated.md)",
    )


def store_trouble(partition: str, *, ends: int, held: int) -> Halted | None:
    """Of a local store that holds more of the changelog than there is; the caller has seen to it that it goes."""
    if held < ends:
        return None
    return Halted(
        f"{partition} ends at offset {ends}, and the local store holds it up to {held}: the brokers have lost the rest",
        next_step="start the worker again: it throws the local store away and goes on from the older state that the"
        " changelog has; nothing is lost as long as the profile log is whole (deploy/runbooks/changelog-behind.md)",
    )
