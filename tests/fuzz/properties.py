"""What must hold of any input: an answer, in bounded work, at places that are in the file; and what compiles runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from hashlib import blake2b
from types import FrameType
from typing import Any, Literal, get_args

import msgspec

from schemas import codec
from schemas.catalog import BY_SHORT, words_of
from schemas.control import Watermark
from schemas.event import Event
from schemas.flow import Flow
from schemas.instants import from_wire, to_wire
from schemas.policy import Policy
from schemas.steps import Settle
from streams import timeline
from streams.binding import UnknownPlugin
from streams.flowfile import FlowFileError, check, check_policy, compiler, load, load_timelines, policy
from streams.flowfile.findings import Finding, Unreadable
from streams.flowfile.nodes import Node
from streams.flowfile.reader import Reader
from streams.flowfile.timeline_file import TimelineReader
from streams.rehearsal import Rehearsal
from tests.fuzz.inputs import Input, Kind, corpus
from tests.fuzz.writing import written

Answer = Flow | Policy | tuple[timeline.Timeline, ...] | None

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


#: How far an input came: refused by the reader of YAML, for the shape of something, by the compiler; or not at all.
Stage = Literal["yaml", "shape", "compiler", "compiled"]
STAGES: tuple[Stage, ...] = get_args(Stage)
_YAML = frozenset({
    "too_large", "not_utf8", "syntax", "too_deep", "directive", "second_document", "anchor", "tag", "duplicate_key",
    "key_not_text", "empty_file",
})  # fmt: skip
_SHAPE = frozenset({
    "wrong_shape", "unknown_key", "missing_key", "quotes_needed", "not_a_number", "bad_name", "bad_duration",
    "bad_choice", "out_of_range", "empty",
})  # fmt: skip


class TooMuchWork(AssertionError):
    """The compiler does more than the size of its input allows."""


def hold(made: Input, *, bounded: bool = True) -> Stage:
    """Assert everything about one input; how far it came. `bounded`: count the work too, which takes longer."""
    with in_proportion(made.text) if bounded else nullcontext():
        answer, findings = _read(made) if made.root is None else _compiled(made.kind, made.root)
    errors = {finding.code for finding in findings if finding.severity == "error"}
    assert (answer is None) == bool(errors), findings
    _are_inside(findings, made.text)
    if isinstance(answer, Flow):
        runs(answer)
    elif isinstance(answer, tuple):
        for one in answer:
            timeline.run(host(), one)
    return "yaml" if errors & _YAML else "shape" if errors & _SHAPE else "compiler" if errors else "compiled"


def _read(made: Input) -> tuple[Answer, Sequence[Finding]]:
    """From the text, as everybody reads it."""
    if made.kind == "policy":
        return check_policy(made.text, name="policy.yaml")
    if made.kind == "flow":
        return check(made.text, name="f.yaml")
    try:
        return load_timelines(made.text, name="f.test.yaml", flow=host()), ()
    except FlowFileError as refused:
        return None, refused.findings


def _compiled(kind: Kind, root: Node) -> tuple[Answer, Sequence[Finding]]:
    """The same from the tree, as soon as it is there."""
    reader = Reader("f.yaml")
    answer: Answer = None
    with suppress(Unreadable):
        answer = _READ[kind](reader, root)
    findings = reader.findings.in_order()
    return None if any(finding.severity == "error" for finding in findings) else answer, findings


def _timelines(reader: Reader, root: Node) -> tuple[timeline.Timeline, ...]:
    return tuple(TimelineReader(reader, host()).read(node) for node in reader.items(root, "a timeline file"))


_READ: dict[Kind, Callable[[Reader, Node], Answer]] = {
    "flow": compiler.read,
    "policy": policy.read,
    "timeline": _timelines,
}


def _are_inside(findings: Sequence[Finding], text: str | bytes) -> None:
    shown = text if isinstance(text, str) else text.decode(errors="replace")
    for finding in findings:
        assert "\n" not in str(finding), finding
        assert any(_is_inside(finding, lines) for lines in (_BREAKS.split(shown), shown.split("\n"))), finding


def _is_inside(finding: Finding, lines: list[str]) -> bool:
    return 1 <= finding.line <= len(lines) and 1 <= finding.column <= len(lines[finding.line - 1]) + 1


def in_proportion(text: str | bytes) -> AbstractContextManager[object]:
    """Bound the work within by the size of a text."""
    return at_most(CALLS_MAX + CALLS_PER_CHARACTER_MAX * len(text))


@contextmanager
def at_most(calls_max: int) -> Iterator[Callable[[], int]]:
    """Raise TooMuchWork from within as soon as more functions are called than that. Work is counted, not time; what it
    gives says how many there were so far.
    """
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
        yield lambda: calls
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
