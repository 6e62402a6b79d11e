"""One line about every key of a flow file, by what it is a key of. The compiler knows the keys; this says what for."""

from __future__ import annotations

_TESTS = {
    "eq": "exactly", "ne": "not", "gt": "more than", "gte": "at least", "lt": "less than", "lte": "at most",
}  # fmt: skip

LINES: dict[str, dict[str, str]] = {
    "a flow file": {
        "flow": "its name",
        "status": (
            "`draft` compiles only, `shadow` decides and sends nothing, `draining` admits nobody, `held` waits, "
            "`stopped` ends everybody"
        ),
        "entry": "whom it admits",
        "exit": "rules that end an enrollment; of several that hold, the first gives the reason",
        "exit_check": "`continuous`: a rule ends the enrollment at once; `at_send`: judged right before a message",
        "skew": "how far before the trigger an event may lie and still count as after it, if it arrives after it",
        "steps": "what happens to an enrollment",
    },
    "`entry`": {
        "trigger": "what admits somebody",
        "where": "a condition on the words of the event, written bare",
        "filter": "a condition on the person, judged at entry and again before each message",
        "key": "a text word of the trigger: one enrollment per value of it, else one per profile",
        "retrigger": "what becomes of a live enrollment when the trigger comes again with its key",
        "reentry": "whether somebody may enter again after the end",
        "max_trigger_age": "an event that reaches us later than this after it happened admits nobody",
    },
    "`trigger`": {
        "event": "the event by its short name",
        "source": "where it must come from; a source covers what stands below it",
        "words": "of an event of your own: its words, each with its kind",
    },
    "`reentry`": {
        "min_gap": "so long must have passed",
        "from": "since the start or since the end of the last enrollment",
        "scope": "among all enrollments of the profile, or those with the same key",
        "never": "`true`: nobody enters twice",
    },
    "an exit rule": {
        "when": "the event that makes the message pointless",
        "reason": "the word that says why; the name of the event if absent",
    },
    "`when`": {
        "event": "the event by its short name",
        "source": "where it must come from",
        "words": "of an event of your own: its words, each with its kind",
        "where": "a condition on the words of that event, written bare",
        "match": "words of the event, each with the word of the trigger that it must equal",
    },
    "`when` with `person`": {"person": "a condition on the person"},
    "`event_count`": {
        "event": "the event by its short name",
        "source": "where it must come from",
        "words": "of an event of your own: its words, each with its kind",
        "where": "a condition on the words of that event, written bare",
        "match": "words of the event, each with the word of the trigger that it must equal",
        "in_last": "only those that occurred so long ago or later",
        "since": "`start`: only those since this enrollment began, as exit rules count",
        **{test: f"the number is {says} this" for test, says in _TESTS.items()},
    },
    "`last_event`": {
        "event": "the event by its short name",
        "source": "where it must come from",
        "words": "of an event of your own: its words, each with its kind",
        "where": "a condition on the words of the newest one, written bare",
        "ago": "how long ago it was",
    },
    "`ago`": {test: f"{says} so long ago" for test, says in _TESTS.items()},
    "`in_flow`": {"flow": "the name of the other flow", "ever": "`true`: now or at any time before"},
    "`consent`": {"channel": "to what they have agreed", "storefront": "and for which storefront"},
    "`now_between`": {
        "local": "hours by the clock where the person is, half-open; they may cross midnight",
        "on": "weekdays on which they begin",
        "except": "days on which they do not begin",
    },
    "`plugin`": {"name": "of a registered predicate", "version": "of it; two may stand beside each other"},
    "`items`": {"any": "a condition that some item satisfies", "all": "a condition that every item satisfies"},
    "a step": {
        "label": "its name; give every message one",
        "wait": "wait; the first wait counts from the trigger, a later one from the end of the step before",
        "settle": "hold until the sources are complete through the due time",
        "if": "a condition and its two ways, judged once, when reached; unknown goes `otherwise`",
        "route": "one way for each text of a word",
        "send": "one message",
        "stop": "the end, and the reason",
    },
    "`wait`": {"for": "so long"},
    "`settle`": {
        "sources": "each of them must be complete; of one shop, or of all",
        "max_hold": "at most so long",
        "on_timeout": "then the next message is skipped, or sent and marked degraded",
    },
    "a source": {"source": "its name", "shop": "the shop of it that counts"},
    "`if`": {
        "condition": "on the words of the trigger",
        "then": "the way when it is true",
        "otherwise": "the way when it is not; without one it goes on below",
    },
    "`route`": {
        "by": "a text word of the trigger",
        "cases": "a way for each text",
        "otherwise": "the way of every other text, and of none",
    },
    "`send`": {
        "template": "the name of its template",
        "channel": "where it goes",
        "class": "`transactional` passes consent, windows and caps",
        "priority": "9 goes first",
        "settle": "a gate right before it, whose timeout concerns this message only",
        "max_lateness": "how late it may be reached after its moment, as after an outage",
        "when_late": "what becomes of it then",
    },
    "an amount of money": {"money": "a decimal in quotes", "currency": "an ISO 4217 code"},
}
