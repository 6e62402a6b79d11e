"""A policy on trial: a flow that does nothing but send, so that timelines can try a policy by itself.

`policy.test.yaml` beside `policy.yaml` is a timeline file whose `custom_message` is a message that is due:

    - { at: "21:30", custom_message: { profile: p1, channel: sms, storefront: "2" } }   -> held `quiet_hours`

Its words are `channel`, `class` (marketing unless said otherwise), `group` (of a cap) and `storefront`. The label of
its step is the channel, with `_transactional` or `_GROUP` behind it. What the trial covers are the rules of the policy:
each quiet hour and each cap that has held a message back, room that did not come in time, consent that was missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from schemas.catalog import Kind
from schemas.channels import CHANNELS
from schemas.conditions import EventMatch
from schemas.decision import Decision
from schemas.event import Event
from schemas.flow import Flow
from schemas.instants import from_wire
from schemas.policy import CapRule, Policy
from schemas.steps import Cap, Route, Send, Step, Stop, Value
from streams.clock import window as windows
from streams.coverage import Coverage, Way
from streams.gates.caps import name_of, rules_of
from streams.timeline import Happens, Timeline, play

EVENT = "custom_message"
QUIET, CAPS, CONSENT = "quiet_hours", "caps", "consent"  # the keys of a policy file that are rules
_NAME = "name"  # a word that tells one message from the others
_WORDS: tuple[tuple[str, Kind], ...] = tuple(
    (word, "text") for word in (_NAME, "channel", "class", "group", "storefront")
)
_DAY_MS = 86_400_000
_NO_LIMIT = 1_000_000_000


def trial(policy: Policy) -> Flow:
    """The flow: by channel, class and group to a message of just that kind. It bears the name of the policy."""
    groups = sorted({rule.group for rule in policy.caps if rule.group})
    steps: list[Step] = [Stop(label="unknown", reason="unknown_channel")]
    channels: dict[str, int] = {}
    for channel in CHANNELS:
        plain, transactional = _add(steps, channel), _add(steps, channel, transactional=True)
        cases = {group: _add(steps, channel, group=group) for group in groups}
        steps.append(Route(label=f"{channel}?group", by=_word("group"), cases=cases, otherwise=plain))
        of_class = {"transactional": transactional}
        steps.append(Route(label=f"{channel}?", by=_word("class"), cases=of_class, otherwise=len(steps) - 1))
        channels[channel] = len(steps) - 1
    first = Route(label="?", by=_word("channel"), cases={name: at + 1 for name, at in channels.items()}, otherwise=1)
    return Flow(
        name=policy.name, trigger=EventMatch(event=EVENT, words=_WORDS), key=_NAME, retrigger="parallel",
        max_trigger_age_ms=_DAY_MS, skew_ms=0, storefront=_word("storefront"),
        steps=(first, *(_placed(step, end=len(steps) + 1) for step in steps), Stop(label="end", reason="done")),
    )  # fmt: skip


def told_apart(timeline: Timeline) -> Timeline:
    """With a name for each message: the id of its event. So each is judged, whatever becomes of the others."""
    return timeline._replace(happenings=tuple(map(_named, timeline.happenings)))


def measure(policy: Policy, timelines: Iterable[Timeline]) -> Coverage:
    """Play the timelines of a policy and count which of its rules have held a message back."""
    flow = trial(policy)
    found = Counter(way for one in timelines for way in _held_back(policy, flow, one))
    return Coverage(flow, {way: found[way] for way in ways(policy)})


def ways(policy: Policy) -> list[Way]:
    """Every rule, in the order of the reference."""
    required = [Way(CONSENT, "required", ())] if policy.consent == "required" else []
    quiet = [Way(QUIET, f"{number}: held", (number - 1,)) for number, _ in enumerate(policy.quiet_hours, 1)]
    caps = [way for number, rule in enumerate(policy.caps, 1) for way in _of_cap(number, rule)]
    return required + quiet + caps


class _Message(NamedTuple):
    """A message of a timeline: its step, and the storefront that it is of."""

    send: Send
    storefront: str


def _held_back(policy: Policy, flow: Flow, timeline: Timeline) -> Iterator[Way]:
    decisions = play(flow, timeline, policy=policy).decisions
    events = {one.what.id: one.what for one in timeline.happenings if isinstance(one.what, Event)}
    begun = {one.enrollment_id: events.get(one.cause.event_id or "") for one in decisions if one.outcome == "entered"}
    sends = {step.label: step for step in flow.steps if isinstance(step, Send)}
    for one in decisions:
        event = begun.get(one.enrollment_id)
        if one.step in sends and event is not None:
            said = msgspec.json.decode(event.properties)
            yield from _rules(policy, one, _Message(sends[one.step], str(said.get("storefront", ""))))


def _rules(policy: Policy, one: Decision, message: _Message) -> Iterator[Way]:
    """The rules that a decision speaks of."""
    known, _, about = one.reason.partition(":")
    if one.reason == "quiet_hours" and one.outcome == "held":
        at, zone = from_wire(one.decided_at), str(one.values["zone"])
        for number, quiet in enumerate(policy.quiet_hours, 1):
            if message.send.channel in quiet.channels and windows.is_open(quiet.window, at, zone):
                yield Way(QUIET, f"{number}: held", (number - 1,))
    elif known in ("capped", "cap", "cap_expired"):
        concerned = rules_of(message.send, policy.caps, message.storefront)
        for number, rule in enumerate(policy.caps, 1):
            said = (one.values["max"], one.values["per_seconds"]) == (rule.max, rule.per_ms / 1000)
            if said and rule in concerned and about in ("", name_of(rule)):
                yield _of_cap(number, rule)[known == "cap_expired"]
    elif known == "no_consent" and "withdrawn_at" not in one.values:
        yield Way(CONSENT, "required", ())


def _of_cap(number: int, rule: CapRule) -> list[Way]:
    if rule.when_capped == "skip":
        return [Way(CAPS, f"{number}: skipped", (number - 1, "max"))]
    return [
        Way(CAPS, f"{number}: held", (number - 1, "max")),
        Way(CAPS, f"{number}: expired", (number - 1, "expires")),
    ]


def _add(steps: list[Step], channel: str, *, group: str = "", transactional: bool = False) -> int:
    """A message of this kind; where it stands. It is under a cap of its group, which lets everything by."""
    label = "_".join(filter(None, (channel, "transactional" if transactional else "", group)))
    cap = Cap(group=group, max=_NO_LIMIT, per_ms=1) if group else None
    steps.append(
        Send(
            label=label, template="", channel=channel, cap=cap, next=-1,
            message_class="transactional" if transactional else "marketing",
        )
    )  # fmt: skip
    return len(steps) - 1


def _placed(step: Step, *, end: int) -> Step:
    """One place on, behind the first step; a message leads to the end."""
    if isinstance(step, Route):
        cases = {text: at + 1 for text, at in step.cases.items()}
        return replace(step, cases=cases, otherwise=step.otherwise + 1)
    return replace(step, next=end) if isinstance(step, Send) else step


def _word(name: str) -> Value:
    return Value("trigger", name)


def _named(happens: Happens) -> Happens:
    if not isinstance(happens.what, Event) or happens.what.type != f"custom.{EVENT.removeprefix('custom_')}":
        return happens
    said: dict[str, Any] = msgspec.json.decode(happens.what.properties)
    known = msgspec.Raw(msgspec.json.encode({_NAME: happens.what.id, **(said or {})}))
    return happens._replace(what=replace(happens.what, properties=known))
