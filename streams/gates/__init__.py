"""The gates in front of a message: one module each, and in this table the order of the law (semantics 8).

The first that does not let a message by names the reason. Whoever waits comes before all of them again. Coupon codes
will be allocated behind the caps; the address is what the command itself needs.
"""

from __future__ import annotations

from streams.gates import (
    address,
    caps,
    consent,
    exits,
    freshness,
    hours,
    lateness,
    person,
    poison,
    settle,
    suppression,
)  # fmt: skip
from streams.gates.answer import Gate

GATES: dict[str, Gate] = {
    "settle": settle.judge,
    "exits": exits.judge,
    "poison": poison.judge,
    "person": person.judge,
    "lateness": lateness.judge,
    "consent": consent.judge,
    "suppression": suppression.judge,
    "freshness": freshness.judge,
    "hours": hours.judge,
    "caps": caps.judge,
    "address": address.judge,
}

#: What a message of class `transactional` passes; what would have held it back stands in its decision.
PASSED_BY_TRANSACTIONAL = frozenset({"consent", "hours", "caps"})
#: What takes a message back when it shuts after the message was ordered.
RECALLING = ("exits", "person", "consent", "suppression")
