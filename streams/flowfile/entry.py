"""The head of a flow file: what admits a profile (`entry`) and what makes the message pointless (`exit`)."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from typing import Literal, NamedTuple

import msgspec

from schemas.conditions import All, Condition
from schemas.facts import BUILT_IN, FactKind
from schemas.flow import DateTrigger, ExitRule, Reentry, Retrigger
from schemas.limits import EXIT_RULES_MAX, REENTRY_COUNT_MAX, TRIGGER_AGE_MS_DEFAULT
from streams.flowfile.comparisons import Scope, trigger_word
from streams.flowfile.conditions import condition
from streams.flowfile.events import matched, named_event
from streams.flowfile.nodes import START, Listing, Mapping, Node, at
from streams.flowfile.reader import TRIGGER, Reader
from streams.flowfile.step_kinds.wait import DATED
from streams.flowfile.triggers import trigger
from streams.flowfile.triggers.start import Start
from streams.flowfile.values import check_fact

_RETRIGGERS: tuple[Retrigger, ...] = (
    "ignore", "restart", "replace_context", "extend", "parallel", "end_and_restart",
)  # fmt: skip
_EDGES: tuple[Literal["start", "end"], ...] = ("start", "end")
_Policy = Literal["never", "max", "min_gap"]
_POLICIES: dict[_Policy, tuple[str, ...]] = {"never": ("never",), "max": ("max", "per"), "min_gap": ("min_gap", "from")}
_SCOPES: tuple[Literal["profile", "key"], ...] = ("profile", "key")

_LATER_ENTRY = frozenset({"profile", "holdout", "experiment", "backfill"})


class Entry(NamedTuple):
    """What `entry` compiles to, and the words that the rest of the file may use as `trigger.<word>`."""

    start: Start
    filter: Condition | None
    key: str | tuple[str, ...] | None
    retrigger: Retrigger
    reentry: Reentry
    max_trigger_age_ms: int
    scope: Scope


def entry(reader: Reader, node: Node | None, *, facts: MappingOf[str, FactKind] = BUILT_IN) -> Entry:
    """Compile `entry`. `facts`: those that may be asked for, here and in what follows."""
    optional = ("where", "filter", "key", "retrigger", "reentry", "max_trigger_age")
    found = reader.fields(node, "`entry`", required=("trigger",), optional=optional, later=_LATER_ENTRY)
    start = trigger(reader, found.get("trigger"))
    words = start.words
    if "where" in found:
        where = condition(reader, found["where"], "`where`", Scope(words, event=start.match))
        own = start.match.where
        where = where if own is None else All(parts=(own, where))
        start = start._replace(match=msgspec.structs.replace(start.match, where=where))
    if isinstance(start.appointment, DateTrigger):
        check_fact(reader, at(node or START, "trigger", "date", "fact"), start.appointment.fact, facts, kinds=DATED)
    retrigger = reader.choice(found.get("retrigger"), "`retrigger`", _RETRIGGERS)
    if retrigger == "parallel" and "key" not in found:
        message = "`parallel` needs a `key`: one enrollment beside the other, each with a key of its own"
        reader.note("parallel_without_key", found["retrigger"], message)
    scope = Scope(words, TRIGGER, person=True, facts=facts, event=start.match)
    if node is not None and "reentry" not in found:
        message = "no `reentry` is chosen, so anybody may enter again right after the end"
        reader.note("no_reentry_chosen", node, message)
    return Entry(
        start=start,
        filter=condition(reader, found["filter"], "`filter`", scope) if "filter" in found else None,
        key=_key(reader, found.get("key"), scope),
        retrigger=retrigger,
        reentry=_reentry(reader, found.get("reentry"), has_key="key" in found),
        max_trigger_age_ms=reader.duration(
            found.get("max_trigger_age"), "`max_trigger_age`", default_ms=TRIGGER_AGE_MS_DEFAULT
        ),
        scope=scope,
    )


def _key(reader: Reader, node: Node | None, scope: Scope) -> str | tuple[str, ...] | None:
    """One word, or a list of them; a list of one is that word."""
    if node is None:
        return None
    parts = reader.items(node, "`key`") if isinstance(node, Listing) else (node,)
    words = tuple(trigger_word(reader, part, "`key`", scope, kind="text") for part in parts)
    return words if len(words) > 1 else "".join(words)


def exits(reader: Reader, node: Node | None, scope: Scope) -> tuple[ExitRule, ...]:
    """Compile `exit`. The order is kept: of several rules that hold, the first gives the reason."""
    rules = reader.items(node, "`exit`")
    if len(rules) > EXIT_RULES_MAX:
        message = f"a flow may have {EXIT_RULES_MAX} exit rules, and here are {len(rules)}"
        reader.note(
            "out_of_range", rules[EXIT_RULES_MAX], message, advice="Leave some out, or say several by one `where`."
        )
    return tuple(_exit(reader, rule, scope) for rule in rules)


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
        match=matched(reader, found.get("match"), named, scope),
        reason=reader.name(rule["reason"], "`reason`") if "reason" in rule else named.match.event,
    )


def _exit_of_person(reader: Reader, node: Node, rule: dict[str, Node], scope: Scope) -> ExitRule:
    """Nothing names such a rule, so it must say its reason."""
    found = reader.fields(rule["when"], "`when` with `person`", required=("person",))
    if "reason" not in rule:
        reader.note(
            "missing_key",
            node,
            "an exit rule on the person needs the key `reason`",
            advice="Add `reason: NAME` beside `when`.",
        )
    reason = reader.name(rule.get("reason"), "`reason`")
    return ExitRule(person=condition(reader, found.get("person"), "`person`", scope), reason=reason)


def _reentry(reader: Reader, node: Node | None, *, has_key: bool) -> Reentry:
    if not isinstance(node, Mapping):
        policies: tuple[Literal["always", "never"], ...] = ("always", "never")
        return Reentry(policy=reader.choice(node, "`reentry` without a mapping", policies))
    kind: _Policy = next((kind for kind in _POLICIES if kind in node.entries), "min_gap")
    found = reader.fields(node, "`reentry`", required=_POLICIES[kind], optional=("scope", "count_only_if_sent"))
    scope = reader.choice(found.get("scope"), "`scope`", _SCOPES)
    if scope == "key" and not has_key:
        message = "`scope: key` needs a `key` in `entry`; without one there is one enrollment per profile"
        reader.note("scope_without_key", found["scope"], message)
    if kind == "never" and not reader.boolean(found["never"], "`never`", default=True):
        reader.note(
            "bad_choice", found["never"], "`never` can only be true", advice="Write `reentry: always` for the opposite."
        )
    return Reentry(
        policy=kind,
        scope=scope,
        count_only_if_sent=reader.boolean(found.get("count_only_if_sent"), "`count_only_if_sent`"),
        min_gap_ms=reader.duration(found.get("min_gap"), "`min_gap`"),
        counted_from=reader.choice(found.get("from"), "`from`", _EDGES),
        max=reader.integer(found.get("max"), "`max`", least=1, most=REENTRY_COUNT_MAX),
        per_ms=reader.duration(found.get("per"), "`per`"),
    )
