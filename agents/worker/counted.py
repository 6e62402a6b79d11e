"""What of the core's tallies the worker counts by name: the words that are labels. Anything else is `_other`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from agents.worker.series import OTHER, Labels
from schemas.decision import Outcome
from schemas.flow import ZoneSource
from streams.plugins import FAILURES, Name

EVENTS = ("new", "duplicate", "conflict", "skipped", "refused")
BENT = ("clamped", "from_the_future")
UNCLEAR = ("consent_unclear",)
OWN_COUNTERS = ("recalled", "regretted")  # decisions that have a metric of their own
CAUSES = ("exits", "person", "consent", "suppression")
REGRETS_MAX = 200  # combinations of flow, source and cause; what is beyond counts as `_other`
#: The others are counted together: each of these is a series of every flow.
OUTCOMES: tuple[Outcome, ...] = ("entered", "refused", "restarted", "sent", "skipped", "held", "ended")
DECISIONS = (*OUTCOMES, OTHER)
PASSED = ("ignored", "where_false")
TIMERS = ("fired", "canceled", "stale")
REFUSALS = (
    "anonymous",
    "draining",
    "filter_false",
    "key_missing",
    "key_too_long",
    "reentry_never",
    "reentry_min_gap",
    "reentry_max",
    "no_such_flow",
    "where_false",
    "enter_flow_depth",
    "trigger_too_old",
    "too_many_enrollments",
    "state_full",
)
ZONE_SOURCES = get_args(ZoneSource)
EVICTED = (
    "dedupe",
    "past",
    "history",
    "history_words",
    "poison",
    "facts",
    "fact_members",
    "fact_too_long",
    "counters",
    "count_days",
    "messages",
    "consents",
    "earnings",
)
RECEIPTS = ("not_matched",)
HELD = ("messages", "moments")
PLUGINS_MAX = 50  # that are counted by themselves, the first by name and version; the others as `_other`


def plugin_labels(plugins: Iterable[Name]) -> list[Labels]:
    """What may be counted of these."""
    return [(name, str(version), why) for name, version in sorted(plugins)[:PLUGINS_MAX] for why in FAILURES]
