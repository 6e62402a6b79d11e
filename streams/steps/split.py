"""`split`: the same person is always in the same arm, whatever happens before, after or beside (semantics 13).

Each arm draws a number from a keyed hash of (salt, person, arm), and the arm whose number is smallest for its weight
has the person: weighted rendezvous hashing. When the weight of one arm changes, people move only from it or only to it,
which are the fewest that can; an arm that is added takes from all, one that is removed gives to all. The holdout is
drawn beside the arms: whoever it lets go is where they would have been without it.

For example, 10,000 people and arms a and b of 50 each: about 5,000 in a; with 60 and 40 these and about 1,000 from b.
"""

from __future__ import annotations

from decimal import Context, Decimal
from hashlib import blake2b

from schemas.profile import Enrollment
from schemas.steps import Arm, Split
from streams.passage import End, Go, Move, Passage
from streams.verdict import Note

HOLDOUT = "holdout"
SPACE = 1 << 64
_EXACT = Context(prec=28)  # its logarithm is the same on every machine, which that of a float need not be


def run(step: Split, passage: Passage) -> Move:
    """To the arm of the person; noted once an enrollment and arm."""
    enrollment = passage.enrollment
    who = _subject(step, passage)
    if draw(step.salt, who, HOLDOUT) * 1000 < step.holdout_per_thousand * SPACE:
        return End(HOLDOUT)
    arm = choose(step, who)
    if enrollment.arms.get(step.label) != arm.name:
        enrollment.arms = enrollment.arms | {step.label: arm.name}
        values = {"salt": step.salt, "by": step.by, "weights": {one.name: one.weight for one in step.arms}}
        passage.notes.append(Note(outcome="exposed", reason=arm.name, step=step.label, values=values))
    return Go(arm.next)


def choose(step: Split, who: str) -> Arm:
    """The arm with the smallest -ln(draw) / weight; of two alike, which never happens, the first."""
    return min(step.arms, key=lambda arm: _score(draw(step.salt, who, f"arm {arm.name}"), arm.weight))


def draw(salt: str, who: str, what: str) -> int:
    """A number from 0 to 2^64 - 1 that only these three determine."""
    key = blake2b(salt.encode(), digest_size=32).digest()
    return int.from_bytes(blake2b(f"{who}\x1f{what}".encode(), key=key, digest_size=8).digest())


def _score(drawn: int, weight: int) -> Decimal:
    if not weight:
        return Decimal("Infinity")
    share = _EXACT.divide(Decimal(drawn + 1), Decimal(SPACE))
    return _EXACT.divide(-_EXACT.ln(share), Decimal(weight))


def _subject(step: Split, passage: Passage) -> str:
    enrollment: Enrollment = passage.enrollment
    who = passage.profile.profile_id if step.by == "profile" else enrollment.key
    return f"{passage.profile.tenant}/{who}"
