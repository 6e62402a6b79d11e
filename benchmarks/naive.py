"""A naive interpreter of flow files, as one writes it in an afternoon: YAML to dicts once, and dicts walked per event.

It knows what abandoned-cart flows are made of (`where`, `key`, exits with `match`, re-entry, `wait`, `if`, `send`,
`stop`), first copies, and a carried clock. It keeps people in plain dicts and forgets nothing; it packs no state,
writes no decisions and survives no crash. Whatever else a flow asks for it refuses.
"""

from __future__ import annotations

import heapq
import operator
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import orjson
from ruamel.yaml import YAML

from schemas.catalog import BY_SHORT
from streams.flowfile.durations import parse as milliseconds
from streams.unit import Record

OPERATORS = {
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip
UNKNOWN = {
    "flow": {"flow", "status", "entry", "exit", "skew", "steps"},
    "entry": {"trigger", "where", "key", "reentry"},
    "step": {"label", "wait", "if", "send", "stop"},
}


class Sent(NamedTuple):
    """A message: to whom, by which step, and when it was decided."""

    profile: bytes
    step: str
    at: int


class Naive:
    """One flow and everybody in it."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for a flow that asks for more than this knows."""
        self._flow = flow = YAML(typ="safe", pure=True).load(text)
        _refuse(flow.keys() - UNKNOWN["flow"])
        _refuse(flow["entry"].keys() - UNKNOWN["entry"])
        for step in flow["steps"]:
            _refuse(step.keys() - UNKNOWN["step"])
        self._shorts = {declared.name: short for short, declared in BY_SHORT.items()}
        self._skew_ms = milliseconds(str(flow.get("skew", "5m"))) or 0
        self._people: dict[bytes, dict[str, Any]] = {}
        self._timers: list[tuple[int, bytes, int, dict[str, Any]]] = []
        self._armed = 0
        self.sent: list[Sent] = []

    def take(self, records: Iterable[Record]) -> None:
        """Events in order of arrival."""
        for record in records:
            while self._timers and self._timers[0][0] < record.appended_at:
                self._fire()
            self._event(record, orjson.loads(record.value))

    def finish(self) -> None:
        """Let time run until nobody waits."""
        while self._timers:
            self._fire()

    def _event(self, record: Record, event: dict[str, Any]) -> None:
        person = self._people.get(record.key)
        if person is None:
            person = self._people[record.key] = {"seen": set(), "events": [], "live": {}, "past": {}}
        identity = (event["type"], event["source"], event.get("dedupe_key") or event["id"])
        if identity in person["seen"]:
            return
        person["seen"].add(identity)
        short = self._shorts.get(event["type"], event["type"])
        happened = {"short": short, "at": _instant(event["time"]), "offset": record.offset, "event": event}
        for rule in self._flow["exit"]:
            if rule["when"]["event"] == short:
                person["events"].append(happened)
                for enrollment in list(person["live"].values()):
                    if self._ends(rule, happened, enrollment):
                        self._end(person, enrollment)
                break
        entry = self._flow["entry"]
        if entry["trigger"]["event"] == short and _holds(entry.get("where"), short, event):
            self._enter(record, person, happened)

    def _enter(self, record: Record, person: dict[str, Any], happened: dict[str, Any]) -> None:
        word = self._flow["entry"].get("key")
        key = "" if word is None else _word(happened["short"], happened["event"], word.removeprefix("trigger."))
        if key is None or key in person["live"] or not self._may_enter(person, happened):
            return
        enrollment = {"key": key, "anchor": happened["at"], "trigger": happened, "profile": record.key}
        person["past"]["started"] = happened["at"]
        if any(self._ends(rule, one, enrollment) for rule in self._flow["exit"] for one in person["events"]):
            return
        person["live"][key] = enrollment
        self._run(person, enrollment, step=0, since=happened["at"], now=record.appended_at)

    def _may_enter(self, person: dict[str, Any], happened: dict[str, Any]) -> bool:
        reentry, started = self._flow["entry"].get("reentry", "always"), person["past"].get("started")
        if reentry == "always" or started is None:
            return True
        return reentry != "never" and bool(happened["at"] - started >= milliseconds(reentry["min_gap"]))

    def _ends(self, rule: dict[str, Any], happened: dict[str, Any], enrollment: dict[str, Any]) -> bool:
        when, trigger = rule["when"], enrollment["trigger"]
        if when["event"] != happened["short"] or not _holds(when.get("where"), happened["short"], happened["event"]):
            return False
        if "match" in when:
            return all(
                _word(happened["short"], happened["event"], ours)
                == _word(trigger["short"], trigger["event"], theirs.removeprefix("trigger."))
                for ours, theirs in when["match"].items()
            )
        if happened["at"] > enrollment["anchor"]:
            return True
        within_skew = happened["at"] > enrollment["anchor"] - self._skew_ms
        return within_skew and bool(happened["offset"] > trigger["offset"])

    def _run(self, person: dict[str, Any], enrollment: dict[str, Any], *, step: int, since: int, now: int) -> None:
        steps, trigger = self._flow["steps"], enrollment["trigger"]
        while step < len(steps):
            body = steps[step]
            if "wait" in body:
                self._armed += 1
                enrollment["step"], enrollment["armed"] = step, self._armed
                moment = max(since + (milliseconds(body["wait"]["for"]) or 0), now)
                heapq.heappush(self._timers, (moment, enrollment["profile"], self._armed, enrollment))
                return
            if "send" in body:
                self.sent.append(Sent(enrollment["profile"], body.get("label", ""), now))
            if "stop" in body:
                break
            if "if" in body:
                judged = {word.removeprefix("trigger."): test for word, test in body["if"]["condition"].items()}
                holds = _holds(judged, trigger["short"], trigger["event"])
                target = body["if"]["then" if holds else "otherwise"]
                step = next(i for i, one in enumerate(steps) if one.get("label") == target)
                continue
            step += 1
        self._end(person, enrollment)

    def _fire(self) -> None:
        moment, profile, armed, enrollment = heapq.heappop(self._timers)
        if enrollment.get("armed") == armed:
            person = self._people[profile]
            self._run(person, enrollment, step=enrollment["step"] + 1, since=moment, now=moment)

    def _end(self, person: dict[str, Any], enrollment: dict[str, Any]) -> None:
        enrollment["armed"] = None
        person["live"].pop(enrollment["key"], None)


def _holds(condition: dict[str, Any] | None, short: str, event: dict[str, Any]) -> bool:
    for word, tests in (condition or {}).items():
        value = _word(short, event, word)
        for test, operand in tests.items():
            if isinstance(operand, dict):
                if not isinstance(value, dict) or value["currency"] != operand["currency"]:
                    return False
                value, operand = Decimal(value["amount"]), Decimal(operand["money"])
            if value is None or not OPERATORS[test](value, operand):
                return False
    return True


def _word(short: str, event: dict[str, Any], word: str) -> Any:
    value: Any = event
    for part in BY_SHORT[short].words[word].path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _refuse(unknown: set[str]) -> None:
    if unknown:
        raise ValueError(f"the naive interpreter does not know {', '.join(sorted(unknown))}")
