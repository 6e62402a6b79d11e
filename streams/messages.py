"""The messages of a person that were ordered: remembered for caps, for recall and regret, and to be judged again.

One is forgotten when no cap counts it any more and no late event can make us regret it (48 h).
"""

from __future__ import annotations

from msgspec import Raw

from schemas.codec import pack_words
from schemas.dossier import NO_WORDS, Message, unpack
from schemas.flow import Flow
from schemas.limits import MESSAGES_MAX
from schemas.profile import Enrollment, Profile
from streams import weight
from streams.predicates import words_asked
from streams.recorder import Recorder


def remember(profile: Profile, message: Message, *, keep_ms: int, out: Recorder) -> None:
    """One more; those that nobody asks for any more go."""
    messages = profile.known().messages
    since = message.decided_at - keep_ms
    if messages:
        messages[:] = [one for one in messages if one.decided_at > since or one.again_at]
    messages.append(message)
    if len(messages) > MESSAGES_MAX:
        out.tallies[("evicted", "messages")] += 1
        del messages[0]
    weight.add(profile, len(message.context) + weight.MESSAGE_BYTES, out)


def of(profile: Profile) -> tuple[Message, ...]:
    """Those that are remembered now."""
    return () if profile.dossier is None else tuple(profile.dossier.messages)


def find(profile: Profile, command_id: str) -> Message | None:
    """The message of a command."""
    return next((one for one in of(profile) if one.command_id == command_id), None)


def is_undelivered(message: Message, now: int) -> bool:
    """Whether it may still be taken back: no receipt yet, and its time is not over."""
    return message.status == "ordered" and now <= message.not_after


def trimmed(flow: Flow | None, context: Raw) -> Raw:
    """The words of the trigger that are needed to judge the decision again, once it need not be made again."""
    if flow is None:
        return NO_WORDS
    wanted = {theirs for rule in flow.exits for _, theirs in rule.match} | words_asked(flow.filter)
    for rule in flow.exits:
        wanted |= words_asked(rule.person)
    wanted |= {value.of for value in flow.storefronts if value.origin == "trigger"}
    return pack_words({word: value for word, value in unpack(context).items() if word in wanted})


def runs(profile: Profile) -> list[Enrollment]:
    """Every live enrollment, and messages that are to be judged again, each as the run that it was of."""
    if profile.dossier is None:
        return profile.enrollments
    return [*profile.enrollments, *map(run_of, profile.again())]


def run_of(message: Message) -> Enrollment:
    """The run that ordered it, as far as its gates ask for it."""
    run = Enrollment(
        enrollment_id=message.enrollment_id, flow=message.flow, key=message.key, visit=message.visit,
        anchor_at=message.anchor_at, triggered_at=message.anchor_at, trigger_offset=message.trigger_offset,
        entered_at=message.anchor_at, context=message.context, step=message.step, due_at=message.due_at,
        wakeup_at=message.again_at, version=message.version,
    )  # fmt: skip
    # More than fifteen arguments at once would take several times as long.
    run.held, run.waiting, run.gate, run.arms = bool(message.waiting), message.waiting, message.gate, message.arms
    run.room_until, run.held_ms, run.zone = message.room_until, message.held_ms, message.zone
    return run
