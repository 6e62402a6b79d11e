"""Freshness: facts that a message repeats must have been stated lately (semantics 8).

For example, `fresh: { coupons: 24h }`: stated nine days ago, never, or unset -> skipped `stale_fact:coupons`.
"""

from __future__ import annotations

from schemas.instants import to_wire
from schemas.steps import Send
from streams.facts import stated_of
from streams.gates.answer import Answer, Skip
from streams.passage import Passage


def judge(step: Send, passage: Passage) -> Answer | None:
    """Skips at the first fact that is older than it may be. One that is exactly as old may still be repeated."""
    for name, within_ms in step.fresh:
        stated = stated_of(passage.profile, name)
        if stated is None or stated.value is None or passage.now - stated.occurred_at > within_ms:
            stated_at = None if stated is None else to_wire(stated.occurred_at)
            return Skip(f"stale_fact:{name}", {"stated_at": stated_at, "within_seconds": within_ms / 1000})
    return None
