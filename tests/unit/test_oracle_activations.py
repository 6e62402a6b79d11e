"""The oracle on a log in which flows change: which version takes a message back, and what is regretted."""

from __future__ import annotations

import json

from tests.oracle.activations import NOTHING, Definitions, Said, run_active
from tests.oracle.records import instant, wire
from tests.oracle.replay import LogRecord
from tests.oracle.timeline import BOUGHT, REMIND, Raw, at, checkout, event, order, tick

BROWSED = {"when": {"event": "product_viewed"}, "reason": "browsed"}
REMINDED = [("10:00", checkout("10:00")), ("11:00", tick("11:00"))]


def version(*exits: Raw) -> str:
    """A flow that reminds after an hour."""
    steps = [{"wait": {"for": "1h"}}, REMIND, {"stop": "done"}]
    entry = {"trigger": {"event": "checkout_started"}, "retrigger": "ignore"}
    return json.dumps({"flow": "reminder", "entry": entry, "exit": list(exits), "skew": "0s", "steps": steps})


#: Version 1 ends with an order, version 2 with a look at a product.
SOURCES = {"1": version(BOUGHT), "2": version(BROWSED)}


def active(*versions: str, status: str = "live") -> Raw:
    return {"reminder": {"status": status, "versions": list(versions)}}


def said(*records: tuple[str, Raw], flows: tuple[Raw, ...] = (active("1"),)) -> Said:
    """What comes of a log. It begins with the first of these flows; `switch(n)` is the activation of the n-th, whose
    number is its offset behind the two versions.
    """
    topic: list[tuple[int, bytes | None, bytes]] = [
        (number, f"flow/reminder/{name}".encode(), json.dumps({"source": source}).encode())
        for number, (name, source) in enumerate(SOURCES.items())
    ]
    for number, one in enumerate(flows):
        follows = NOTHING if number == 0 else number + 1
        topic.append((number + 2, b"activation/x", json.dumps({"follows": follows, "flows": one}).encode()))
    kinds: list[LogRecord] = []
    for offset, (clock, record) in enumerate(records):
        kind = "tick" if "through" in record else "activation" if "number" in record else "event"
        kinds.append((offset, instant(at(clock)), kind, record))
    return run_active(Definitions(topic), kinds, begins=2)


def switch(number: int) -> Raw:
    return {"number": number + 1}


def receipt(clock: str, outcome: str, of: Said) -> tuple[str, Raw]:
    told = {"command_id": of.commands[0].command_id, "outcome": outcome}
    return clock, event("message.reported.v1", clock, properties=told)


def judged(found: Said) -> dict[str, list[tuple[str, str]]]:
    """By kind, why and when."""
    kinds = {"recalled": found.recalled, "regretted": found.regretted}
    return {
        name: [(why, wire(moment)[11:16]) for why, moment in one.values()] for name, one in kinds.items() if one
    }  # fmt: skip


def test_an_order_before_the_receipt_takes_the_message_back() -> None:
    """Semantics 7.3, 7.5: once."""
    found = said(*REMINDED, ("11:04", order("11:04")), ("11:05", order("11:05")))
    assert judged(found) == {"recalled": [("bought", "11:04")]}


def test_after_the_receipt_or_the_command_only_a_late_order_is_a_reason_to_regret_it() -> None:
    """Semantics 7.4."""
    first = said(*REMINDED)
    gone = [*REMINDED, receipt("11:01", "accepted", first)]
    assert judged(said(*gone, ("11:04", order("11:04")))) == {}
    assert judged(said(*gone, ("11:04", order("10:55")))) == {"regretted": [("bought", "11:04")]}
    assert judged(said(*REMINDED, ("11:20", order("10:55")))) == {"regretted": [("bought", "11:20")]}
    back = [*REMINDED, receipt("11:01", "rejected", first)]
    assert judged(said(*back, ("11:04", order("10:55")))) == {}


def test_a_message_is_judged_by_the_version_that_has_ordered_it() -> None:
    """Semantics 12.3: whatever is the newest meanwhile."""
    flows = (active("1"), active("2", "1"))
    anew = [*REMINDED, ("11:01", switch(2))]
    assert judged(said(*anew, ("11:04", order("11:04")), flows=flows)) == {"recalled": [("bought", "11:04")]}
    looked = event("commerce.product.viewed.v1", "11:04")
    assert judged(said(*anew, ("11:04", looked), flows=flows)) == {}
    before = [("09:00", switch(2)), *REMINDED]
    assert judged(said(*before, ("11:04", looked), flows=flows)) == {"recalled": [("browsed", "11:04")]}


def test_a_flow_that_is_stopped_takes_its_messages_back() -> None:
    """Semantics 7.3, 12.4: of a shadow there is none."""
    stopped = (active("1"), active("1", status="stopped"))
    found = said(*REMINDED, ("11:01", switch(2)), ("11:04", order("11:04")), flows=stopped)
    assert judged(found) == {"recalled": [("bought", "11:04")]}
    shown = said(*REMINDED, ("11:04", order("11:04")), flows=(active("1", status="shadow"),))
    assert (shown.commands, judged(shown)) == ([], {})
