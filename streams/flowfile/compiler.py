"""The compiler: the text of a flow file to a `Flow`, or to everything that is wrong with it.

Pure: it touches no file. The same text gives the same flow and the same version on every machine.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal, NamedTuple

from msgspec.structs import replace

from schemas.codec import encode
from schemas.facts import kinds
from schemas.flow import Flow, Status
from schemas.limits import SKEW_MS_DEFAULT
from streams.flowfile.calendar import timezone
from streams.flowfile.entry import entry, exits
from streams.flowfile.findings import Finding, FlowFileError, Unreadable
from streams.flowfile.lint import Subject, lint
from streams.flowfile.nodes import Node
from streams.flowfile.places import Places
from streams.flowfile.reader import Reader
from streams.flowfile.step_kinds import KINDS
from streams.flowfile.steps import Steps
from streams.flowfile.strict_yaml import parse
from streams.flowfile.surroundings import NOWHERE, Surroundings
from streams.flowfile.values import storefront

_STATUSES: tuple[Status, ...] = ("live", "draft", "shadow", "draining", "held", "stopped")
_EXIT_CHECKS: tuple[Literal["continuous", "at_send"], ...] = ("continuous", "at_send")
_LATER = frozenset({
    "filter", "profile", "holdout", "experiment", "experiments", "recall", "regret", "conversion",
})  # fmt: skip


class Checked(NamedTuple):
    """What a look at one file says. `flow` is None when a finding is an error."""

    flow: Flow | None
    findings: tuple[Finding, ...]


def check(text: str | bytes, *, name: str, around: Surroundings = NOWHERE) -> Checked:
    """Compile a flow file; `name` is the file in the findings. Never raises, whatever the text.

    Findings come in the order of the file, warnings among them; at most `FINDINGS_MAX` of each.
    """
    reader = Reader(name)
    try:
        flow = read(reader, parse(text, reader.findings), around)
    except Unreadable:
        flow = None
    findings = tuple(reader.findings.in_order())
    wrong = any(finding.severity == "error" for finding in findings)
    return Checked(None if wrong else flow, findings)


def load(text: str | bytes, *, name: str) -> Flow:
    """Compile a flow file. Raises FlowFileError with every error in it; warnings are passed over."""
    flow, findings = check(text, name=name)
    if flow is None:
        raise FlowFileError([finding for finding in findings if finding.severity == "error"])
    return flow


def locate(text: str | bytes, *, name: str) -> Places:
    """Where things stand in a flow file that compiles. Raises FlowFileError for one that does not."""
    reader = Reader(name)
    try:
        root = parse(text, reader.findings)
        read(reader, root)
    except Unreadable:
        raise FlowFileError(reader.findings.in_order()) from None
    return Places(root, reader.places)


def read(reader: Reader, root: Node, around: Surroundings = NOWHERE) -> Flow:
    """What a reader makes of a file; worth nothing if it noted an error."""
    optional = ("status", "timezone", "storefront", "exit", "exit_check", "skew")
    found = reader.fields(root, "a flow file", required=("flow", "entry", "steps"), optional=optional, later=_LATER)
    head = entry(reader, found.get("entry"), facts=kinds(around.declared_facts))
    name = reader.name(found.get("flow"), "`flow`")
    steps = Steps(reader, head.scope, KINDS, flow=name, has_key=head.key is not None)
    nodes = reader.items(found.get("steps"), "`steps`")
    if nodes:
        steps.begin(nodes, head.start.first_wait)
    flow = Flow(
        name=name,
        status=reader.choice(found.get("status"), "`status`", _STATUSES),
        timezone=timezone(reader, found.get("timezone")),
        trigger=head.start.match,
        appointment=head.start.appointment,
        filter=head.filter,
        key=head.key,
        retrigger=head.retrigger,
        reentry=head.reentry,
        max_trigger_age_ms=head.max_trigger_age_ms,
        exits=exits(reader, found.get("exit"), head.scope),
        exit_check=reader.choice(found.get("exit_check"), "`exit_check`", _EXIT_CHECKS),
        skew_ms=reader.duration(found.get("skew"), "`skew`", default_ms=SKEW_MS_DEFAULT, least_ms=0),
        storefront=storefront(reader, found.get("storefront"), head.scope),
        steps=steps.link() if nodes else (),
    )
    if not any(finding.severity == "error" for finding in reader.findings):
        subject = Subject(
            flow=flow, root=root, nodes=steps.nodes, joined=reader.joined, around=around, plugins=reader.plugins,
            events=reader.events,
        )  # fmt: skip
        lint(subject, reader.findings)
    return replace(flow, version=version_of(flow))


def version_of(flow: Flow) -> str:
    """The hash of everything in a flow but for its status, which is an operator's business."""
    return blake2b(encode(replace(flow, status="live", version="")), digest_size=16).hexdigest()
