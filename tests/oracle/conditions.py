"""Conditions on the words of an event, in three-valued logic: ``True``, ``False`` and ``None`` for unknown.

A word that is absent, or that holds another type than the comparison asks for, makes the comparison unknown;
so does money in another currency. Only ``is_set`` and ``is_not_set`` always know their answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tests.oracle import clock
from tests.oracle.agreement import acts, agreed
from tests.oracle.policy import NOTHING, hours
from tests.oracle.words import Words

MONEY_WORDS = ("total", "price")
NUMBER_WORDS = ("quantity",)


def judge(condition: Words, words: Words) -> bool | None:
    """Judge a condition; several entries of one mapping must all hold."""
    return _all_of(_judge_entry(name, body, words) for name, body in condition.items())


def _judge_entry(name: str, body: Any, words: Words) -> bool | None:
    if name == "all":
        return _all_of(judge(part, words) for part in body)
    if name == "any":
        return _negated(_all_of(_negated(judge(part, words)) for part in body))
    if name == "not":
        return _negated(judge(body, words))
    if name == "items":
        return judge_items(body, words)
    word = name.removeprefix("trigger.")
    return _all_of(_compare(word, words.get(word), comparator, wanted) for comparator, wanted in body.items())


def _all_of(answers: Iterable[bool | None]) -> bool | None:
    found = list(answers)
    if False in found:
        return False
    return None if None in found else True


def _negated(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _compare(word: str, value: Any, comparator: str, wanted: Any) -> bool | None:
    if comparator in ("is_set", "is_not_set"):
        return ((value is not None) == (comparator == "is_set")) is wanted
    if word in MONEY_WORDS:
        if not isinstance(value, dict) or value["currency"] != wanted["currency"]:
            return None
        return _ordered(comparator, Decimal(value["amount"]), Decimal(wanted["money"]))
    if word in NUMBER_WORDS:
        known = isinstance(value, int | float) and not isinstance(value, bool)
        return _ordered(comparator, Decimal(str(value)), Decimal(str(wanted))) if known else None
    return _text(comparator, value, wanted) if isinstance(value, str) else None


def _ordered(comparator: str, left: Decimal, right: Decimal) -> bool:
    answers = {
        "eq": left == right,
        "ne": left != right,
        "gt": left > right,
        "gte": left >= right,
        "lt": left < right,
        "lte": left <= right,
    }
    return answers[comparator]


def _text(comparator: str, value: str, wanted: Any) -> bool:
    if comparator in ("in", "not_in"):
        return (value in [str(one) for one in wanted]) == (comparator == "in")
    answers = {
        "eq": value == str(wanted),
        "ne": value != str(wanted),
        "contains": str(wanted) in value,
        "not_contains": str(wanted) not in value,
        "starts_with": value.startswith(str(wanted)),
    }
    return answers[comparator]


# -- the person


class Past(NamedTuple):
    """One event that was ever taken, as conditions see it. ``position`` is its place in the log."""

    name: str
    source: str
    occurred_at: int
    position: float
    id: str
    words: Words


class Stated(NamedTuple):
    """A fact that a flow has set. `shown_by`: the flow, if it was in shadow; nobody else sees it."""

    at: int
    name: str
    value: Any
    shown_by: str | None = None


class Began(NamedTuple):
    """What began the enrollment in which a condition is asked."""

    occurred_at: int
    position: float
    words: Words
    skew_ms: int
    newest: float = -1  # position of the trigger whose words these are


class Person(NamedTuple):
    """Everything that was ever heard of a person, in the order of the log; and when it is asked."""

    past: list[Past]
    now: int
    began: Began | None = None
    flows: frozenset[str] = frozenset()
    flows_ever: frozenset[str] = frozenset()
    stated: tuple[Stated, ...] = ()
    zone: str = "UTC"
    kinds: Mapping[str, str] = NOTHING


FACTS = {
    "country": "text", "first_name": "text", "birthday": "date", "accepts_marketing": "boolean", "channels": "list",
    "original_channel_id": "text", "timezone": "text",
}  # fmt: skip
ITEM_NUMBERS = ("quantity", "unit_price", "price")
UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
ORDERS = ("eq", "ne", "gt", "gte", "lt", "lte")


def judge_person(condition: Words, person: Person) -> bool | None:
    """Judge a condition in which the person may be asked about, and words of the trigger as ``trigger.word``."""
    return _all_of(_about(name, body, person) for name, body in condition.items())


def _about(name: str, body: Any, person: Person) -> bool | None:
    if name == "all":
        return _all_of(judge_person(part, person) for part in body)
    if name == "any":
        return _negated(_all_of(_negated(judge_person(part, person)) for part in body))
    if name == "not":
        return _negated(judge_person(body, person))
    if name == "event_count":
        number = sum(_counts(one, body, person) for one in person.past)
        return all(_ordered(test, Decimal(number), Decimal(body[test])) for test in ORDERS if test in body)
    if name == "last_event":
        return _last(body, person)
    if name == "fact":
        return _all_of(
            _fact(fact, comparator, wanted, person)
            for fact, tests in body.items()
            for comparator, wanted in tests.items()
        )
    if name == "in_flow":
        ever = isinstance(body, dict) and body.get("ever", False)
        return (body["flow"] if isinstance(body, dict) else body) in (person.flows_ever if ever else person.flows)
    if name == "consent":
        wanted = {"channel": body} if isinstance(body, str) else body
        return agreed(acts(person.past), wanted["channel"], wanted.get("storefront"))
    if name == "now_between":
        return clock.is_open(hours(body), person.now, person.zone)
    words = person.began.words if person.began else {}
    return _judge_entry(name, body, words)


def judge_items(body: Words, words: Words) -> bool | None:
    """``any`` of the items, ``all`` of them, or both."""
    found = words.get("items")
    if not isinstance(found, list):
        return None
    answers: list[bool | None] = []
    if "any" in body:
        answers.append(_negated(_all_of(_negated(_judge_item(body["any"], one)) for one in found)))
    if "all" in body:
        answers.append(_all_of(_judge_item(body["all"], one) for one in found) if found else None)
    return _all_of(answers)


def _judge_item(condition: Words, item: Words) -> bool | None:
    return _all_of(
        _compare_kind(item.get(word), "number" if word in ITEM_NUMBERS else "list" if word == "categories" else "text",
                      comparator, wanted)
        for word, tests in condition.items()
        for comparator, wanted in tests.items()
    )  # fmt: skip


def _compare_kind(value: Any, kind: str, comparator: str, wanted: Any) -> bool | None:
    """By its kind; a value of another one is unknown."""
    if comparator in ("is_set", "is_not_set"):
        return bool(((value is not None) == (comparator == "is_set")) is wanted)
    if kind == "list" and isinstance(value, list):
        texts = [str(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
        return any(text in value for text in texts) == (comparator in ("contains", "in"))
    if kind == "number" and isinstance(value, int | float | str) and not isinstance(value, bool):
        return _ordered(comparator, Decimal(str(value)), Decimal(str(wanted)))
    if kind == "boolean" and isinstance(value, bool):
        return bool((value == (comparator == "is_true")) == wanted)
    if kind == "date" and isinstance(value, str):
        return _ordered(comparator, Decimal(value.replace("-", "")), Decimal(wanted.replace("-", "")))
    return _text(comparator, value, wanted) if kind == "text" and isinstance(value, str) else None


def _milliseconds(duration: str) -> int:
    return int(duration[:-1]) * UNIT_MS[duration[-1]]


def _is_meant(one: Past, body: Words) -> bool:
    named = body.get("source", [])
    sources = [named] if isinstance(named, str) else named
    covered = not sources or any(
        one.source == name or one.source.startswith((name + "/", name + ".")) for name in sources
    )
    return one.name == body["event"] and covered


def _counts(one: Past, body: Words, person: Person) -> bool:
    if not _is_meant(one, body) or judge(body.get("where", {}), one.words) is not True:
        return False
    if "in_last" in body and one.occurred_at < person.now - _milliseconds(body["in_last"]):
        return False
    if "since" not in body and "match" not in body:
        return True
    began = person.began
    assert began is not None
    if one.position in (began.position, began.newest):
        return False
    if "match" in body:
        pairs = [
            (one.words.get(ours), began.words.get(theirs.removeprefix("trigger.")))
            for ours, theirs in body["match"].items()
        ]
        return all(ours is not None and ours == theirs for ours, theirs in pairs)
    if one.occurred_at > began.occurred_at:
        return True
    return one.occurred_at > began.occurred_at - began.skew_ms and one.position > began.position


def _last(body: Words, person: Person) -> bool | None:
    meant = [one for one in person.past if _is_meant(one, body)]
    if not meant:
        return None
    newest = max(meant, key=lambda one: (one.occurred_at, one.position))
    age = Decimal(person.now - newest.occurred_at)
    aged = (_ordered(test, age, Decimal(_milliseconds(wanted))) for test, wanted in body.get("ago", {}).items())
    return _all_of([judge(body.get("where", {}), newest.words), *aged])


def _fact(name: str, comparator: str, wanted: Any, person: Person) -> bool | None:
    return _compare_kind(known(name, person.past, person.stated), {**FACTS, **person.kinds}[name], comparator, wanted)


def known(name: str, past: list[Past], stated: Iterable[Stated] = ()) -> Any:
    """What a fact is by now, from everything that was ever said."""
    channels = [(one.occurred_at, one.id, one.words["channel_id"]) for one in past if one.words.get("channel_id")]
    if name == "channels":
        return sorted({channel for _, _, channel in channels}) if channels else None
    if name == "original_channel_id":
        return min(channels)[2] if channels else None
    said = [
        (one.occurred_at, one.id, one.words[name])
        for one in past
        if one.name in ("profile_updated", "profile_identified") and name in one.words
    ]
    said += [(one.at, "", one.value) for one in stated if one.name == name]
    return sorted(said, key=lambda one: one[:2])[-1][2] if said else None
