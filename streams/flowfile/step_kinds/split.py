"""`split`: the arms of an experiment, their weights, and who is held out of it."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from schemas.limits import SPLIT_ARMS_MAX
from schemas.steps import Arm, Split, Step
from streams.flowfile.nodes import Mapping, Node, cut, shown
from streams.flowfile.reader import Reader
from streams.flowfile.steps import Place, Steps, Target

WEIGHT_MAX = 1_000_000
_BY: tuple[Literal["profile", "key"], ...] = ("profile", "key")
_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9])?")


class _Named(NamedTuple):
    name: str
    weight: int
    then: Node | None


def read(steps: Steps, body: Node, place: Place) -> None:
    """`split: { arms: { a: { weight: 50, then: short }, b: { weight: 50, then: long } }, holdout: 10 }`"""
    reader = steps.reader
    found = reader.fields(body, "`split`", required=("arms",), optional=("by", "salt", "holdout"))
    arms = _arms(reader, found.get("arms"))
    by = reader.choice(found.get("by"), "`by`", _BY)
    if by == "key" and not steps.has_key:
        reader.note(
            "scope_without_key",
            found["by"],
            "`by: key` needs a `key` in `entry`",
            advice="Add `key: trigger.WORD` to `entry`, or say `by: profile`.",
        )
    salt = reader.name(found["salt"], "`salt`") if "salt" in found else f"{steps.flow}/{place.label}"
    holdout = _per_thousand(reader, found.get("holdout"))

    def build(*ways: int) -> Step:
        read = zip(arms, ways, strict=False)
        built = tuple(Arm(name=arm.name, weight=arm.weight, next=way) for arm, way in read)
        return Split(label=place.label, salt=salt, by=by, arms=built, holdout_per_thousand=holdout)

    ways: list[Target] = []
    steps.add(place, ways, build)
    ways.extend(steps.target(arm.then, f"arm `{cut(arm.name)}`", after=place.after) for arm in arms)
    if not arms:
        ways.append(place.after)


def _arms(reader: Reader, node: Node | None) -> list[_Named]:
    if node is None:
        return []
    reader.asks(node, "arms")
    if not isinstance(node, Mapping) or not node.entries:
        reader.note(
            "wrong_shape", node, f"`arms` must be a mapping such as {{ a: {{ weight: 50 }} }}, not {shown(node)}"
        )
        return []
    if len(node.entries) > SPLIT_ARMS_MAX:
        reader.note(
            "out_of_range",
            node,
            f"a split may have {SPLIT_ARMS_MAX} arms, and here are {len(node.entries)}",
            advice="Leave some out, or split again behind an arm.",
        )
    arms, mistakes = [], len(reader.findings)
    for name, body in node.entries.values():
        found = reader.fields(body, "an arm", required=("weight",), optional=("then",))
        weight = reader.integer(found.get("weight"), "`weight`", least=0, most=WEIGHT_MAX)
        arms.append(_Named(reader.name(name, "the name of an arm"), weight, found.get("then")))
    if len(reader.findings) == mistakes and not any(arm.weight for arm in arms):
        reader.note(
            "out_of_range",
            node,
            "some arm must have a weight above 0, or nobody could go anywhere",
            advice="Give each arm its share, such as `weight: 50`.",
        )
    return arms


def _per_thousand(reader: Reader, node: Node | None) -> int:
    """`10` or `0.5`, percent."""
    scalar = reader.scalar(node, "`holdout`")
    if scalar is None:
        return 0
    if not scalar.plain or not _PERCENT.fullmatch(scalar.text):
        reader.note("not_a_number", scalar, f"`holdout` must be percent such as 10 or 0.5, not {shown(scalar)}")
        return 0
    whole, _, tenth = scalar.text.partition(".")
    found = int(whole) * 10 + int(tenth or 0)
    if found > 1000:
        reader.note(
            "out_of_range",
            scalar,
            f"`holdout` must be from 0 to 100 percent, not {scalar.text}",
            advice="Write `100` or less.",
        )
    return found
