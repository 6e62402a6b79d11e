"""What must hold of any input: an answer, in bounded work, at places that are in the file; and what compiles runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from hashlib import blake2b
from types import FrameType
from typing import Any

import msgspec

from schemas import codec
from schemas.catalog import BY_SHORT, words_of
from schemas.control import Watermark
from schemas.event import Event
from schemas.flow import Flow
from schemas.instants import from_wire, to_wire
from schemas.steps import Settle
from streams import timeline
from streams.binding import UnknownPlugin
from streams.flowfile import FlowFileError, check, check_policy, load, load_timelines
from streams.flowfile.findings import Finding
from streams.rehearsal import Rehearsal
from tests.fuzz.inputs import Input, corpus, written

#: Calls of functions while one file is compiled: so many at most, and so many more for each of its characters.
CALLS_MAX, CALLS_PER_CHARACTER_MAX = 30_000, 100
DECISIONS_MAX = 2_000  # a flow that goes round in circles is left then
HOUR = 3_600_000
START = from_wire("2026-01-01T10:00:00Z")
_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_VALUES: dict[str, Any] = {
    "text": "2", "number": "3", "money": {"amount": "50.00", "currency": "USD"}, "boolean": True,
    "date": "2026-01-20", "instant": "2026-01-20T10:00:00Z", "list": [{"sku": "A", "categories": ["mugs"]}],
}  # fmt: skip


@cache
def host() -> Flow:
    """The flow that timelines are played with."""
    return load(written(corpus().flows[0]), name="host.yaml")


class TooMuchWork(AssertionError):
    """The compiler does more than the size of its input allows."""


def hold(made: Input, *, bounded: bool = True) -> bool:
    """Assert everything about one input; True if it compiled. `bounded`: count the work too, which takes longer."""
    with in_proportion(made.text) if bounded else nullcontext():
        answer = _answer(made)
    if isinstance(answer, Flow):
        runs(answer)
        return True
    if isinstance(answer, list):
        for one in answer:
            timeline.run(host(), one)
        return True
    return False


def _answer(made: Input) -> Flow | list[timeline.Timeline] | None:
    if made.kind == "policy":
        policy, said = check_policy(made.text, name="policy.yaml")
        assert (policy is None) == any(finding.severity == "error" for finding in said)
        _are_inside(said, made.text)
        return None
    if made.kind == "timeline":
        try:
            return list(load_timelines(made.text, name="f.test.yaml", flow=host()))
        except FlowFileError as refused:
            _are_inside(refused.findings, made.text)
            return None
    flow, findings = check(made.text, name="f.yaml")
    assert (flow is None) == any(finding.severity == "error" for finding in findings)
    _are_inside(findings, made.text)
    return flow


def _are_inside(findings: tuple[Finding, ...], text: str | bytes) -> None:
    shown = text if isinstance(text, str) else text.decode(errors="replace")
    for finding in findings:
        assert "\n" not in str(finding), finding
        assert any(_is_inside(finding, lines) for lines in (_BREAKS.split(shown), shown.split("\n"))), finding


def _is_inside(finding: Finding, lines: list[str]) -> bool:
    return 1 <= finding.line <= len(lines) and 1 <= finding.column <= len(lines[finding.line - 1]) + 1


def in_proportion(text: str | bytes) -> AbstractContextManager[None]:
    """Bound the work within by the size of a text."""
    return at_most(CALLS_MAX + CALLS_PER_CHARACTER_MAX * len(text))


@contextmanager
def at_most(calls_max: int) -> Iterator[None]:
    """Raise TooMuchWork from within as soon as more functions are called than that. Work is counted, not time."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")
        if calls > calls_max:
            sys.setprofile(None)
            raise TooMuchWork(f"more than {calls_max} calls")

    before: Callable[..., Any] | None = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


def runs(flow: Flow) -> None:
    """It is the same flow after a journey through the log, with the same version, and plays without an exception."""
    packed = codec.encode(flow)
    assert codec.decode(packed, Flow) == flow
    bare = msgspec.structs.replace(flow, version="", status="live")
    assert blake2b(codec.encode(bare), digest_size=16).hexdigest() == flow.version
    try:
        stage = Rehearsal([msgspec.structs.replace(flow, status="live")])
    except UnknownPlugin:
        return  # It compiles, and is refused where flows are loaded.
    wanted = [rule.when for rule in flow.exits if rule.when is not None]
    stage.event(_event(flow.trigger.event, flow.trigger.sources, START, 0), at=START)
    stage.advance(START + HOUR)
    stage.event(_event(flow.trigger.event, flow.trigger.sources, START + HOUR, 1), at=START + HOUR)
    for at in (2 * HOUR, 5 * HOUR, 24 * HOUR, 72 * HOUR, 24 * 40 * HOUR):
        if len(stage.decisions) > DECISIONS_MAX:
            return
        _report(stage, flow)
        stage.advance(START + at)
    for number, when in enumerate(wanted, 2):
        stage.event(_event(when.event, when.sources, stage.now_at, number), at=stage.now_at)


def _report(stage: Rehearsal, flow: Flow) -> None:
    for step in flow.steps:
        for gate in step.gates if isinstance(step, Settle) else ():
            shop, through = gate.shop or "", to_wire(stage.now_at)
            stage.watermark(
                Watermark(source=gate.source, complete_through=through, tenant="t", shop=shop), at=stage.now_at
            )


def _event(short: str, sources: tuple[str, ...], at: int, number: int) -> Event:
    known = BY_SHORT.get(short)
    wire: dict[str, Any] = {
        "type": known.name if known else "custom." + short.removeprefix("custom_"), "tenant": "t", "id": f"e{number}",
        "source": sources[0] if sources else "test", "time": to_wire(at),
        "identity": {"external_id": "p1", "email": "p1@example.test"},
    }  # fmt: skip
    for word in words_of(short).values():
        place = wire
        for name in word.path[:-1]:
            place = place.setdefault(name, {})
        place[word.path[-1]] = _VALUES[word.kind]
    return codec.decode(codec.encode(wire), Event)
