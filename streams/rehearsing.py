"""A rehearsal one line at a time: somebody says what happens, and sees what the flow makes of it and would do next.

Time stands still between lines. It passes through the moment that a line names, so what is due then happens; what the
next line brings arrives a millisecond later, and has happened after the messages that have been ordered by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from schemas.catalog import Kind
from schemas.command import Command
from schemas.dead_letter import DeadLetter
from schemas.decision import Decision
from schemas.flow import Flow
from schemas.instants import from_wire, to_wire
from schemas.profile import NEVER, SHOWN, Enrollment, Profile
from streams import zone
from streams.flowfile import durations
from streams.flowfile.findings import FlowFileError
from streams.flowfile.timeline_file import NO_FACTS
from streams.flowfile.typed_line import TypedLines
from streams.rehearsal import Nobody, Rehearsal
from streams.telling import arms_of, moment, shown, tell, tell_cause
from streams.timeline import DAY_STARTS_AT, Happens, happen

BEGINS_AT = DAY_STARTS_AT + 10 * 3_600_000
DAY_MS = 86_400_000
LINES_MAX = 1_000  # each look ahead plays them all again
AHEAD_MAX = 12  # decisions of a look ahead
MOMENTS_MAX = 100  # in which a look ahead waits for them

HELP = (
    "EVENT word=value ...     an event about you, such as: checkout_started checkout_id=C1 total=80.00",
    "watermark SOURCE [TIME]  a source is complete through now, or through TIME",
    "advance SPAN             time passes: 90s, 15m, 2h, 1d",
    "until TIME               time passes until 09:00 comes next, or until 2026-03-01T09:00:00Z",
    "state                    where you stand, and what is known of you",
    "why                      everything that was decided, and because of what",
    "quit",
)


_STATUSES = {
    "ordered": "no receipt yet",
    "accepted": "its receipt says that it went",
    "returned": "its receipt says that it did not go",
}
#: What is counted beside decisions, and may be a mistake of whoever types.
_COUNTED: dict[tuple[str, ...], str] = {
    ("receipt", "not_matched"): "the receipt is about no message of theirs; `command_id` takes the label of its step",
    ("unknown_storefront",): "the storefront is none of those that the policy declares",
    ("zone_invalid", "profile"): "the time zone of the profile is none that is known; the next source counts",
}


class Misunderstood(ValueError):
    """A line that says nothing that could be played; the text says what would."""


class Turn(NamedTuple):
    """What came of one line: decisions and messages, or answers to what was asked."""

    at: int
    decisions: list[Decision]
    commands: list[Command]
    dead_letters: list[DeadLetter]
    counted: list[str]  # what was decided, too, and is not written down
    answers: list[str]


class Session:
    """Lines in, turns out. `make` makes an empty rehearsal of `flow` and those beside it.

    They say where an event comes from that does not; the first that names a source for it counts. `facts` are those
    that the policy declares, which can be stated beside the others.
    """

    def __init__(
        self, flow: Flow, make: Callable[[], Rehearsal], *, beside: Sequence[Flow] = (),
        facts: Mapping[str, Kind] = NO_FACTS,
    ) -> None:  # fmt: skip
        self._make, self._flow, self._beside = make, flow, beside
        self._lines = TypedLines(flow, *beside, facts=facts)
        self._happened: list[Happens] = []
        self._turns = 0
        self._rehearsal = make()
        self.now = BEGINS_AT
        self._let(Happens(self.now, None))

    def turn(self, text: str) -> Turn:
        """Play one line. Raises Misunderstood, and then nothing has happened."""
        if self._turns >= LINES_MAX:
            raise Misunderstood(f"a rehearsal has at most {LINES_MAX} lines; begin another one")
        self._turns += 1
        before, counted = [len(records) for records in self._records()], self._rehearsal.tallies.copy()
        answers: list[str] = []
        word, _, rest = text.strip().partition(" ")
        if word == "help":
            answers = list(HELP)
        elif word == "state":
            answers = list(self._state())
        elif word == "why":
            answers = [
                f"{moment(one.decided_at)}  {self.told(one)}; {tell_cause(one)}" for one in self._rehearsal.decisions
            ] or ["nothing was decided yet"]
        else:
            self._play(text.strip(), word, rest.strip())
        decided, ordered, refused = before
        have = self._rehearsal
        decisions = have.decisions[decided:]
        return Turn(
            at=self.now,
            decisions=decisions,
            commands=have.commands[ordered:],
            dead_letters=have.dead_letters[refused:],
            counted=list(_counted(have.tallies - counted, decisions)),
            answers=answers,
        )

    def told(self, one: Decision) -> str:
        """A decision in a sentence, and of which flow it is where there are several."""
        return f"{one.flow}: {tell(one)}" if self._beside else tell(one)

    def pending(self) -> list[str]:
        """Who waits where until when."""
        return [
            f"{one.flow}: {one.step}, {'held until its gate opens, at most ' if one.held else ''}until {_when(one)}"
            for profile in self._rehearsal.profiles()
            for one in profile.enrollments
        ]

    def ahead(self) -> list[Decision]:
        """What would be decided next if nothing else happened."""
        other = self._make()
        for happening in self._happened:
            happen(other, happening)
        decided = len(other.decisions)
        for _ in range(MOMENTS_MAX):
            next_at = min((profile.earliest() for profile in other.profiles()), default=NEVER)
            if next_at == NEVER or len(other.decisions) - decided >= AHEAD_MAX:
                break
            other.advance(max(next_at, other.now_at) + 1)
        return other.decisions[decided:][:AHEAD_MAX]

    def _play(self, text: str, word: str, rest: str) -> None:
        try:
            if word == "advance":
                self._pass(self.now + _span(rest))
            elif word == "until":
                self._pass(self._next(rest))
            else:
                if text == "watermark":
                    raise Misunderstood("`watermark` needs a source, such as `watermark shop.orders`")
                last = max((from_wire(one.decided_at) for one in self._rehearsal.commands[-1:]), default=0)
                here = max(self.now, last + 1)
                happening = self._lines.read(text, now=here)
                self._let(happening)
                self._let(Happens(self._rehearsal.now_at + 1, None))
                self.now = max(self.now, happening.at)
        except FlowFileError as error:
            first = error.findings[0]
            hint = f"; did you mean {first.suggestion}?" if first.instead else f". {first.suggestion}"
            raise Misunderstood(f"{first.message}{hint} (`help` shows what can be said)") from None
        except Nobody as error:
            raise Misunderstood(str(error)) from None

    def _pass(self, at: int) -> None:
        self._let(Happens(at + 1, None))
        self.now = at

    def _next(self, text: str) -> int:
        at = self._lines.time(text)
        if "T" not in text:
            at += -(-max(0, self.now + 1 - at) // DAY_MS) * DAY_MS
        if at < self.now:
            raise Misunderstood(f"it is {moment(to_wire(self.now))} already, and time does not go back")
        return at

    def _let(self, happening: Happens) -> None:
        happen(self._rehearsal, happening)
        self._happened.append(happening)

    def _records(self) -> tuple[list[Decision], list[Command], list[DeadLetter]]:
        return self._rehearsal.decisions, self._rehearsal.commands, self._rehearsal.dead_letters

    def _state(self) -> Iterator[str]:
        profiles = self._rehearsal.profiles()
        if not profiles:
            yield "nobody is known yet"
        for profile in profiles:
            name = self._lines.people.get(profile.profile_id, profile.profile_id)
            known = ", ".join(f"{kind} {fact.value}" for kind, fact in profile.identifiers.items())
            yield f"{name}: {known or 'no address is known'}, {len(profile.history)} events kept for exit rules"
            if (dossier := profile.dossier) is not None:
                facts = {fact: stated.value for fact, stated in dossier.facts.items()}
                consents = {channel: "agreed" if one.granted else "no" for channel, one in dossier.consents.items()}
                yield f"  facts: {shown(facts) or 'none'}; consent: {shown(consents) or 'never asked'}"
                for message in dossier.messages:
                    told = f"{message.step} by {message.channel}, ordered {moment(to_wire(message.decided_at))}"
                    yield f"  message {told}: {_STATUSES.get(message.status, message.status)}"
            yield from _clocks(profile, self._flow)
            for one in profile.enrollments:
                yield f"  in {one.flow} at {one.step} until {_when(one)}, since {moment(to_wire(one.anchor_at))}"
                arms = f"; {arms_of(one.arms)}" if one.arms else ""
                yield f"    trigger: {shown(one.words()) or 'no words'}{arms}"
            for name, past in profile.past.items():
                flow = name.lstrip(SHOWN).replace(chr(31), ", key ")
                yield f"  was in {flow}, begun {moment(to_wire(past.started_at))}"


def _clocks(profile: Profile, flow: Flow) -> Iterator[str]:
    """By which the flow waits; and by which its messages keep their hours, if that is another one."""
    waits = zone.of(profile, flow)
    hours = zone.of_recipient(profile, flow, context=zone.NO_WORDS, storefront=None)
    yield f"  zone {waits.name}, as {waits.source} says"
    if hours.name != waits.name:
        yield f"  zone {hours.name} for the hours of messages, as {hours.source} says"


def _counted(tallies: Counter[tuple[str, ...]], decisions: list[Decision]) -> Iterator[str]:
    written = Counter[tuple[str, ...]](("decision", one.flow, one.outcome, one.reason) for one in decisions)
    for key, count in sorted((tallies - written).items()):
        if key[0] == "decision":
            yield f"{key[1]}: {key[2]}, {key[3]}, as before; it is written down once a day"
        elif key[0] == "ignored":
            yield f"{key[1]}: ignored {count}, because an enrollment is live or re-entry forbids it"
        elif key[0] == "where_false":
            yield f"{count} of the flows that begin with {key[1]} do not want it: their `where` is not true"
        elif key == ("event", "duplicate"):
            yield "the event is known already; the first copy counts"
        elif key in _COUNTED:
            yield _COUNTED[key]
        elif key[0] == "plugin_failed":
            yield f"the plug-in {key[1].replace('/', ', version ')}, has not answered: {key[2].replace('_', ' ')}"


def _span(text: str) -> int:
    found = durations.parse(text)
    if found is None:
        suggestion = durations.suggest(text)
        hint = f"; did you mean {suggestion}?" if suggestion else ""
        raise Misunderstood(f"`advance` takes a span such as 90s, 15m, 2h or 1d, not {text!r}{hint}")
    return found


def _when(enrollment: Enrollment) -> str:
    return "an operator acts" if enrollment.wakeup_at == NEVER else moment(to_wire(enrollment.wakeup_at))
