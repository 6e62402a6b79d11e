"""Flow files as the oracle reads them: YAML in, a plain value out.

It trusts its input. Refusing a wrong file with line and column is the product's work and has tests of its own;
here an unexpected word is an ordinary ``KeyError`` or ``ValueError``.
"""

from __future__ import annotations

import io
import json
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from tests.oracle.waits import Timezone, timezone

UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
STEP_KINDS = ("wait", "wait_event", "settle", "if", "route", "split", "send", "set", "emit", "enter_flow", "stop")


class Exit(NamedTuple):
    """One exit rule. ``match`` maps a word of the event to the word of the trigger that it must equal.

    A rule with a ``person`` has no event.
    """

    event: str
    sources: list[str]
    where: dict[str, Any]
    match: dict[str, str]
    reason: str
    person: dict[str, Any] | None = None


class Gate(NamedTuple):
    """A settle gate. ``on_timeout`` is ``skip`` or ``send``."""

    sources: list[str]
    max_hold_ms: int
    on_timeout: str


class Reentry(NamedTuple):
    """``policy`` is ``always``, ``never``, ``min_gap`` or ``max``; the others matter as far as the policy asks."""

    policy: str = "always"
    gap_ms: int = 0
    since: str = "start"
    scope: str = "profile"
    most: int = 0
    per_ms: int = 0
    only_if_sent: bool = False


class Step(NamedTuple):
    """One step: its label if it has one, its kind, what the file says under that kind, and what that comes to.

    A gate stands at a ``settle`` step, and at a ``send`` with a ``settle`` key.
    """

    label: str | None
    kind: str
    body: Any
    gate: Gate | None

    @property
    def wait_ms(self) -> int:
        """Of a wait that is exact."""
        return milliseconds(self.body["for"]) if self.kind == "wait" else 0


class Flow(NamedTuple):
    """One flow, durations in milliseconds. ``calendar``: by a date that a fact names, or by a schedule; else None."""

    name: str
    event: str
    sources: list[str]
    where: dict[str, Any]
    filter: dict[str, Any]
    calendar: dict[str, Any] | None
    key_words: list[str]
    retrigger: str
    reentry: Reentry
    max_trigger_age_ms: int
    exits: list[Exit]
    exit_check: str
    skew_ms: int
    timezone: Timezone
    storefront: str | None
    steps: list[Step]
    status: str = "live"

    def step_at(self, label: str) -> int:
        """The index of the step that carries this label."""
        return next(index for index, step in enumerate(self.steps) if step.label == label)


def load_flow(text: str) -> Flow:
    """Read one flow file."""
    raw = json.loads(text) if text.startswith("{") else YAML(typ="safe", pure=True).load(io.StringIO(text))
    entry = raw["entry"]
    event, where, calendar, first = _trigger(entry["trigger"])
    return Flow(
        name=raw["flow"],
        event=event,
        sources=_sources(entry["trigger"].get("date", entry["trigger"])),
        where={"all": [where, entry.get("where", {})]},
        filter=entry.get("filter", {}),
        calendar=calendar,
        key_words=[_trigger_word(one) for one in _listed(entry.get("key", []))],
        retrigger=entry.get("retrigger", "ignore"),
        reentry=_reentry(entry.get("reentry", "always")),
        max_trigger_age_ms=milliseconds(entry.get("max_trigger_age", "24h")),
        exits=[_exit(rule) for rule in raw.get("exit", [])],
        exit_check=raw.get("exit_check", "continuous"),
        skew_ms=milliseconds(raw.get("skew", "5m")),
        timezone=timezone(raw.get("timezone")),
        storefront=raw.get("storefront"),
        steps=[_step(step, None) for step in first] + _labeled(raw["steps"]),
        status=raw.get("status", "live"),
    )


def _trigger(raw: Any) -> tuple[str, dict[str, Any], dict[str, Any] | None, list[Any]]:
    """Semantics 3.7 and 3.8: the event, what it must say, the calendar if it begins by that, and a wait before all."""
    if "list.join" in raw:
        return "list_subscribed", {"list_id": {"eq": raw["list.join"]}}, None, []
    if "api" in raw:
        return "api_call", {"name": {"eq": raw["api"]}}, None, []
    if "schedule" in raw or "fact" in raw.get("date", {}):
        return ("schedule_reached" if "schedule" in raw else "date_reached"), {}, raw, []
    if "date" in raw:
        sides = {name: raw["date"][name] for name in ("before", "after", "at") if name in raw["date"]}
        wait = {"until_date": raw["date"]["word"], "when_past": "stop"} | sides
        return raw["date"]["event"], {}, None, [{"wait": wait}]
    return raw["event"], {}, None, []


def milliseconds(duration: str) -> int:
    """``90s``, ``15m``, ``4h`` or ``7d`` as milliseconds. A day is 24 hours: the flows here live in UTC."""
    digits = duration.rstrip("dhms")
    return int(digits) * UNIT_MS[duration[len(digits) :]]


def _trigger_word(reference: str) -> str:
    return reference.removeprefix("trigger.")


def _sources(raw: Any) -> list[str]:
    return _listed(raw.get("source", []))


def _listed(named: Any) -> list[str]:
    return [named] if isinstance(named, str) else list(named)


def _reentry(raw: Any) -> Reentry:
    if isinstance(raw, str):
        return Reentry(policy=raw)
    policy = next(policy for policy in ("min_gap", "max", "never") if policy in raw)
    return Reentry(
        policy=policy,
        gap_ms=milliseconds(raw.get("min_gap", "0s")),
        since=raw.get("from", "start"),
        scope=raw.get("scope", "profile"),
        most=raw.get("max", 0),
        per_ms=milliseconds(raw.get("per", "0s")),
        only_if_sent=raw.get("count_only_if_sent", False),
    )


def _exit(raw: Any) -> Exit:
    when = raw["when"]
    if "person" in when:
        return Exit("", [], {}, {}, raw["reason"], when["person"])
    match = {word: _trigger_word(reference) for word, reference in when.get("match", {}).items()}
    return Exit(when["event"], _sources(when), when.get("where", {}), match, raw["reason"])


def _labeled(raw: list[Any]) -> list[Step]:
    """Without a label a step is called by its kind and its number among those of its kind."""
    kinds = [next(kind for kind in STEP_KINDS if kind in step) for step in raw]
    names = [f"{kind}_{kinds[: at + 1].count(kind)}" for at, kind in enumerate(kinds)]
    return [_step(step, name) for step, name in zip(raw, names, strict=True)]


def _step(raw: Any, name: str | None) -> Step:
    kind = next(kind for kind in STEP_KINDS if kind in raw)
    body = raw[kind]
    settle = body if kind == "settle" else body.get("settle") if kind == "send" else None
    return Step(raw.get("label", name), kind, body, None if settle is None else _gate(settle))


def _gate(raw: Any) -> Gate:
    return Gate(list(raw["sources"]), milliseconds(raw.get("max_hold", "2h")), raw.get("on_timeout", "skip"))
