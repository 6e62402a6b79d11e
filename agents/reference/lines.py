"""One line about every key of a flow file, by what it is a key of. The compiler knows the keys; this says what for."""

from __future__ import annotations

LINES: dict[str, dict[str, str]] = {
    "a flow file": {
        "flow": "its name",
        "status": "`live`, or `draft`: it compiles and does nothing",
        "storefront": "whose messages these are, unless a message says otherwise",
        "entry": "whom it admits",
        "exit": "rules that end an enrollment; of several that hold, the first gives the reason",
        "exit_check": "`continuous`: a rule ends the enrollment at once; `at_send`: judged right before a message",
        "skew": "how far before the trigger an event may lie and still count as after it, if it arrives after it",
        "steps": "what happens to an enrollment",
    },
    "`entry`": {
        "trigger": "what admits somebody",
        "where": "a condition on the words of the event, written bare",
        "key": "a text word of the trigger: one enrollment per value of it, else one per profile",
        "retrigger": "what becomes of a live enrollment when the trigger comes again with its key",
        "reentry": "whether somebody may enter again after the end",
        "max_trigger_age": "an event that reaches us later than this after it happened admits nobody",
    },
    "`trigger`": {
        "event": "the event by its short name",
        "source": "where it must come from; a source covers what stands below it",
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
        "where": "a condition on the words of that event, written bare",
        "match": "words of the event, each with the word of the trigger that it must equal",
    },
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
        "storefront": "whose message it is",
        "window": "when it may go, on the recipient's clock; until then it waits",
        "cap": "how many messages of a group may go in a time, over all flows",
        "fresh": "facts that must have been stated at most so long ago",
        "valid": "how long after the decision it may be carried out",
        "variables": "what the template gets beside the words of the trigger",
    },
    "`window`": {
        "local": "the hours, such as `08:00-21:00`; they may cross midnight",
        "on": "the weekdays on which it opens",
        "except": "the days on which it does not; `holidays` are those of the policy",
    },
    "`cap`": {
        "group": "the messages that are counted together",
        "max": "so many of them",
        "per": "in so long, counted back from now",
        "when_capped": "what becomes of one more: it is skipped, or waits for room",
        "expires": "how long it waits",
    },
    "an amount of money": {"money": "a decimal in quotes", "currency": "an ISO 4217 code"},
}
