"""The head of a flow file: what admits a profile (`entry`) and what makes the message pointless (`exit`)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from schemas.catalog import BY_SHORT, TYPES, Word, words_of
from schemas.conditions import EventMatch
from schemas.flow import ExitRule, Reentry
from schemas.limits import TRIGGER_AGE_MS_DEFAULT
from streams.flowfile.conditions import Scope, condition, trigger_word
from streams.flowfile.nodes import Listing, Mapping, Node, cut, shown
from streams.flowfile.reader import TRIGGER, Reader

_Retrigger = Literal["ignore", "restart", "replace_context"]
_RETRIGGERS: tuple[_Retrigger, ...] = ("ignore", "restart", "replace_context")
_EDGES: tuple[Literal["start", "end"], ...] = ("start", "end")
_SCOPES: tuple[Literal["profile", "key"], ...] = ("profile", "key")

_LATER_TRIGGERS = frozenset({
    "segment", "segment.enter", "segment.leave", "list.join", "date", "schedule", "price_drop", "back_in_stock", "api",
})  # fmt: skip
_LATER_ENTRY = frozenset({"filter", "profile", "holdout", "experiment", "backfill"})
_LATER_RETRIGGERS = frozenset({"extend", "parallel", "end_and_restart"})
_LATER_REENTRY = frozenset({"max", "per", "count_only_if_sent"})


class Entry(NamedTuple):
    """What `entry` compiles to, and the words that the rest of the file may use as `trigger.<word>`."""

    trigger: EventMatch
    key: str | None
    retrigger: _Retrigger
    reentry: Reentry
    max_trigger_age_ms: int
    scope: Scope


def entry(reader: Reader, node: Node | None) -> Entry:
    """Compile `entry`."""
    optional = ("where", "key", "retrigger", "reentry", "max_trigger_age")
    found = reader.fields(node, "`entry`", required=("trigger",), optional=optional, later=_LATER_ENTRY)
    trigger = reader.fields(
        found.get("trigger"), "`trigger`", required=("event",), optional=("source",), later=_LATER_TRIGGERS
    )
    event, words = _event(reader, trigger.get("event"))
    where = condition(reader, found["where"], "`where`", Scope(words)) if "where" in found else None
    scope = Scope(words, TRIGGER)
    if node is not None and "reentry" not in found:
        message = "no `reentry` is chosen, so anybody may enter again right after the end; say `reentry: always` if so"
        reader.note("no_reentry_chosen", node, message)
    return Entry(
        trigger=EventMatch(event=event, sources=_sources(reader, trigger.get("source")), where=where),
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
    when = reader.fields(
        rule.get("when"), "`when`", required=("event",), optional=("source", "where", "match"),
        later=("segment", "filter", "profile"),
    )  # fmt: skip
    event, words = _event(reader, when.get("event"))
    where = condition(reader, when["where"], "`where`", Scope(words)) if "where" in when else None
    return ExitRule(
        when=EventMatch(event=event, sources=_sources(reader, when.get("source")), where=where),
        match=_match(reader, when.get("match"), Scope(words), scope),
        reason=reader.name(rule["reason"], "`reason`") if "reason" in rule else event,
    )


def _match(reader: Reader, node: Node | None, event: Scope, trigger: Scope) -> tuple[tuple[str, str], ...]:
    if node is None:
        return ()
    reader.asks(node, "match")
    if not isinstance(node, Mapping) or not node.entries:
        expected = f"`match` must be a mapping such as {{ order_id: {TRIGGER}order_id }}, not {shown(node)}"
        reader.note("wrong_shape", node, expected)
        return ()
    pairs: list[tuple[str, str]] = []
    for word, (place, value) in node.entries.items():
        ours = trigger_word(reader, place, "a key of `match`", event)
        theirs = trigger_word(reader, value, f"`{cut(word)}`", trigger)
        pairs.append((ours, theirs))
        if event.words and trigger.words and ours in event.words and theirs in trigger.words:
            _same_kind(reader, value, (ours, event.words[ours]), (theirs, trigger.words[theirs]))
    return tuple(pairs)


def _same_kind(reader: Reader, place: Node, event: tuple[str, Word], trigger: tuple[str, Word]) -> None:
    if event[1].kind != trigger[1].kind:
        message = f"`{event[0]}` is {event[1].kind} and `{TRIGGER}{trigger[0]}` is {trigger[1].kind}; they never match"
        reader.note("wrong_kind", place, message)


def _event(reader: Reader, node: Node | None) -> tuple[str, dict[str, Word] | None]:
    """The short name of an event type and its words; no words when it is not known."""
    reader.asks(node, "event")
    name = reader.text(node, "`event`")
    if node is None or name is None:
        return "", None
    if name in BY_SHORT or (name.startswith("custom_") and name.isidentifier()):
        return name, words_of(name)
    if name in TYPES:
        message = f"events go by their short names here, not `{name}`"
        reader.note("unknown_event", node, message, suggestion=TYPES[name].short)
    elif name.startswith("custom.") and (meant := name.replace(".", "_")).isidentifier():
        reader.note("unknown_event", node, f"events go by their short names here, not `{cut(name)}`", suggestion=meant)
    else:
        reader.unknown("unknown_event", node, f"there is no event `{cut(name)}`", name, BY_SHORT)
    return name, None


def _sources(reader: Reader, node: Node | None) -> tuple[str, ...]:
    nodes = reader.items(node, "`source`") if isinstance(node, Listing) else () if node is None else (node,)
    return tuple(reader.source(part, "a source") for part in nodes)


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
