"""The head of a flow file: what admits a profile (`entry`) and what makes the message pointless (`exit`)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from schemas.conditions import Condition, EventMatch
from schemas.flow import ExitRule, Reentry
from schemas.limits import TRIGGER_AGE_MS_DEFAULT
from streams.flowfile.comparisons import Scope, trigger_word
from streams.flowfile.conditions import condition
from streams.flowfile.events import matched, named_event
from streams.flowfile.nodes import Mapping, Node
from streams.flowfile.reader import TRIGGER, Reader

_Retrigger = Literal["ignore", "restart", "replace_context"]
_RETRIGGERS: tuple[_Retrigger, ...] = ("ignore", "restart", "replace_context")
_EDGES: tuple[Literal["start", "end"], ...] = ("start", "end")
_SCOPES: tuple[Literal["profile", "key"], ...] = ("profile", "key")

_LATER_TRIGGERS = frozenset({
    "segment", "segment.enter", "segment.leave", "list.join", "date", "schedule", "price_drop", "back_in_stock", "api",
})  # fmt: skip
_LATER_ENTRY = frozenset({"profile", "holdout", "experiment", "backfill"})
_LATER_RETRIGGERS = frozenset({"extend", "parallel", "end_and_restart"})
_LATER_REENTRY = frozenset({"max", "per", "count_only_if_sent"})


class Entry(NamedTuple):
    """What `entry` compiles to, and the words that the rest of the file may use as `trigger.<word>`."""

    trigger: EventMatch
    filter: Condition | None
    key: str | None
    retrigger: _Retrigger
    reentry: Reentry
    max_trigger_age_ms: int
    scope: Scope


def entry(reader: Reader, node: Node | None) -> Entry:
    """Compile `entry`."""
    optional = ("where", "filter", "key", "retrigger", "reentry", "max_trigger_age")
    found = reader.fields(node, "`entry`", required=("trigger",), optional=optional, later=_LATER_ENTRY)
    trigger = reader.fields(
        found.get("trigger"), "`trigger`", required=("event",), optional=("source", "words"), later=_LATER_TRIGGERS
    )
    where = {"where": found["where"]} if "where" in found else {}
    named = named_event(reader, trigger | where, condition)
    scope = Scope(named.words, TRIGGER, person=True)
    if node is not None and "reentry" not in found:
        message = "no `reentry` is chosen, so anybody may enter again right after the end; say `reentry: always` if so"
        reader.note("no_reentry_chosen", node, message)
    return Entry(
        trigger=named.match,
        filter=condition(reader, found["filter"], "`filter`", scope) if "filter" in found else None,
        key=trigger_word(reader, found["key"], "`key`", scope, kind="text") if "key" in found else None,
        retrigger=reader.choice(found.get("retrigger"), "`retrigger`", _RETRIGGERS, later=_LATER_RETRIGGERS),
        reentry=_reentry(reader, found.get("reentry"), has_key="key" in found),
        max_trigger_age_ms=reader.duration(
            found.get("max_trigger_age"), "`max_trigger_age`", default_ms=TRIGGER_AGE_MS_DEFAULT
        ),
        scope=scope,
    )


def exits(reader: Reader, node: Node | None, scope: Scope) -> tuple[ExitRule, ...]:
    """Compile `exit`. The order is kept: of several rules that hold, the first gives the reason."""
    return tuple(_exit(reader, rule, scope) for rule in reader.items(node, "`exit`"))


def _exit(reader: Reader, node: Node, scope: Scope) -> ExitRule:
    rule = reader.fields(node, "an exit rule", required=("when",), optional=("reason",))
    when = rule.get("when")
    if isinstance(when, Mapping) and "person" in when.entries:
        return _exit_of_person(reader, node, rule, scope)
    keys = ("source", "words", "where", "match")
    found = reader.fields(when, "`when`", required=("event",), optional=keys, later=("segment", "filter", "profile"))
    named = named_event(reader, found, condition)
    return ExitRule(
        when=named.match,
        match=matched(reader, found.get("match"), named.words, scope),
        reason=reader.name(rule["reason"], "`reason`") if "reason" in rule else named.match.event,
    )


def _exit_of_person(reader: Reader, node: Node, rule: dict[str, Node], scope: Scope) -> ExitRule:
    """Nothing names such a rule, so it must say its reason."""
    found = reader.fields(rule["when"], "`when` with `person`", required=("person",))
    if "reason" not in rule:
        reader.note("missing_key", node, "an exit rule on the person needs the key `reason`")
    reason = reader.name(rule.get("reason"), "`reason`")
    return ExitRule(person=condition(reader, found.get("person"), "`person`", scope), reason=reason)


def _reentry(reader: Reader, node: Node | None, *, has_key: bool) -> Reentry:
    if not isinstance(node, Mapping):
        policies: tuple[Literal["always", "never"], ...] = ("always", "never")
        return Reentry(policy=reader.choice(node, "`reentry` without a mapping", policies))
    never = "never" in node.entries
    needed = ("never",) if never else ("min_gap", "from")
    found = reader.fields(node, "`reentry`", required=needed, optional=("scope",), later=_LATER_REENTRY)
    scope = reader.choice(found.get("scope"), "`scope`", _SCOPES)
    if scope == "key" and not has_key:
        message = "`scope: key` needs a `key` in `entry`; without one there is one enrollment per profile"
        reader.note("scope_without_key", found["scope"], message)
    if never:
        if not reader.boolean(found["never"], "`never`", default=True):
            reader.note("bad_choice", found["never"], "`never` can only be true; the opposite is `reentry: always`")
        return Reentry(policy="never", scope=scope)
    gap_ms = reader.duration(found.get("min_gap"), "`min_gap`")
    edge = reader.choice(found.get("from"), "`from`", _EDGES)
    return Reentry(policy="min_gap", min_gap_ms=gap_ms, counted_from=edge, scope=scope)
