"""The gates in front of a message: each of them, their order, and that whoever waits comes before all of them again.

Semantics 8.1, 8.4 to 8.9.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.codec import pack_words
from schemas.conditions import Compare
from schemas.dossier import Stated
from schemas.flow import Flow, Timezone
from schemas.identity import Identity
from schemas.instants import to_wire
from schemas.policy import HOLIDAYS, CapRule, Policy, QuietHours
from schemas.profile import NEVER, Enrollment, Fact, Profile
from schemas.steps import Cap, Send, Stop
from schemas.window import Window
from streams.gates import GATES
from streams.gates.answer import Answer, Over, Skip, Wait
from streams.passage import End, Go, Hold, Passage
from streams.steps import send as send_step
from streams.watermarks import Gates, Watermarks
from tests.unit.stage import (
    BOUGHT,
    HOUR,
    MINUTE,
    TENANT,
    Stage,
    at,
    checkout,
    consent,
    flow,
    mark,
    order,
    poison,
    resolution,
    send,
    settle,
    wait,
)  # fmt: skip

DAY = 24 * HOUR
WINDOW = Window(8 * HOUR, 21 * HOUR)
NIGHT = QuietHours(channels=("sms",), window=Window(21 * HOUR, 8 * HOUR))
PERSON = Identity(external_id="ann", email="ann@example.test", phone="+12025550100")
NEVER_TRUE = Compare(word="channel_id", kind="text", operator="eq", operand="9")
REQUIRED = Policy(consent="required")


def message(channel: str = "email", **more: Any) -> Send:
    plain = Send(label="remind", template="t", message_class="marketing", next=1, channel=channel)
    return replace(plain, **more)


def ready(step: Send, *, now: str = "12:00", policy: Policy = Policy(), **more: Any) -> Passage:  # noqa: B008 - frozen
    """A passage in which every gate is open."""
    run = Enrollment(
        enrollment_id="e", flow="f", key="", visit=1, anchor_at=at("09:00"), triggered_at=at("09:00"),
        trigger_offset=0, entered_at=at("09:00"), context=pack_words({"channel_id": "2"}), step="remind",
        due_at=at(now), wakeup_at=at(now),
    )  # fmt: skip
    profile = Profile(tenant=TENANT, profile_id="p")
    for kind, value in (("email", "ann@example.test"), ("phone", "+12025550100")):
        profile.identifiers[kind] = Fact(value, 0)
    made = Flow(
        name="f", version="1", trigger=flow().trigger, max_trigger_age_ms=DAY, skew_ms=0, exits=(BOUGHT,),
        steps=(step, Stop(label="end", reason="done")), timezone=Timezone(default="UTC"),
    )  # fmt: skip
    passage = Passage(
        flow=made, enrollment=run, profile=profile, gates=Gates(Watermarks(), TENANT), now=at(now), policy=policy,
        notes=[],
    )  # fmt: skip
    for name, value in more.items():
        setattr(passage.enrollment, name, value)
    return passage


def shut(name: str, step: Send, passage: Passage) -> Send:
    """Shut one gate; returns the step with which it is shut."""
    profile, run = passage.profile, passage.enrollment
    if name == "settle":
        run.unsettled = "skip"
    elif name == "exits":
        run.exits_held = 1
    elif name == "poison":
        profile.poison.append((7, "messages"))
    elif name == "person":
        passage.flow = replace(passage.flow, filter=NEVER_TRUE)
    elif name == "lateness":
        run.due_at -= 2 * HOUR
        step = replace(step, when_late="skip", max_lateness_ms=HOUR)
    elif name == "consent":
        passage.policy = replace(passage.policy, consent="required")
    elif name == "suppression":
        profile.known().suppressed["email"] = at("08:00")
    elif name == "freshness":
        step = replace(step, fresh=(("coupons", HOUR),))
    elif name == "hours":
        step = replace(step, window=Window(13 * HOUR, 14 * HOUR))
    elif name == "caps":
        step = replace(step, cap=Cap(group="g", max=1, per_ms=DAY))
        send_step.run(step, passage)  # one has gone a moment before
        sent = passage.notes.pop().order
        assert sent is not None
        profile.known().messages.append(sent.message)
    else:
        del profile.identifiers["email"]
    return step


REASONS = {
    "settle": "settle_timeout",
    "exits": "bought",
    "poison": "poison",
    "person": "filter_false",
    "lateness": "too_late",
    "consent": "no_consent:email",
    "suppression": "suppressed:email",
    "freshness": "stale_fact:coupons",
    "hours": "window",
    "caps": "capped:g",
    "address": "no_address",
}


class TestTheOrder:
    def test_is_that_of_the_law(self) -> None:
        """Semantics 8.1."""
        assert list(GATES) == list(REASONS)

    @pytest.mark.parametrize("name", REASONS)
    def test_one_shut_gate_names_its_reason(self, name: str) -> None:
        step = message()
        passage = ready(step)
        step = shut(name, step, passage)
        move = send_step.run(step, passage)
        said = move.reason if isinstance(move, End) else passage.notes[-1].reason
        assert said == REASONS[name]
        assert all(note.order is None for note in passage.notes)

    @pytest.mark.parametrize("first", REASONS)
    def test_the_first_of_several_names_the_reason(self, first: str) -> None:
        """Semantics 8.1: all gates from this one on are shut, and this one answers."""
        names = list(REASONS)
        step = message()
        passage = ready(step)
        for name in sorted(names[names.index(first) :], key=lambda one: one != "caps"):  # this needs the others open
            step = shut(name, step, passage)
        move = send_step.run(step, passage)
        assert (move.reason if isinstance(move, End) else passage.notes[-1].reason) == REASONS[first]

    def test_with_all_open_it_goes(self) -> None:
        passage = ready(message())
        assert send_step.run(message(), passage) == Go(1)
        assert [note.outcome for note in passage.notes] == ["sent"]

    @pytest.mark.parametrize("name", REASONS)
    def test_a_transactional_message_passes_consent_hours_and_caps_and_says_so(self, name: str) -> None:
        """Semantics 8.9."""
        step = message(message_class="transactional")
        passage = ready(step)
        if name == "caps":  # transactional messages take no room, so a marketing one has to have taken it
            marketing = shut(name, replace(step, message_class="marketing"), passage)
            step = replace(marketing, message_class="transactional")
        else:
            step = shut(name, step, passage)
        send_step.run(step, passage)
        sent = [note for note in passage.notes if note.outcome == "sent"]
        assert bool(sent) == (name in ("consent", "hours", "caps"))
        assert [note.values for note in sent] == [{"passed": [REASONS[name]]} for _ in sent]


def answer(gate: str, step: Send, passage: Passage) -> Answer | None:
    return GATES[gate](step, passage)


class TestHours:
    """Semantics 5.4 and 8.7: windows and quiet hours on the recipient's clock."""

    @pytest.mark.parametrize(
        ("now", "zone", "until"),
        [
            ("07:59", "UTC", "08:00"),
            ("08:00", "UTC", None),
            ("20:59:59.999", "UTC", None),
            ("21:00", "UTC", "+1 08:00"),
            ("12:00", "America/New_York", "13:00"),  # there it is 07:00
            ("12:00", "Asia/Kolkata", None),  # 17:30
            ("16:00", "Asia/Kolkata", "+1 02:30"),  # 21:30
        ],
    )
    def test_a_window(self, now: str, zone: str, until: str | None) -> None:
        step = message(window=WINDOW)
        passage = ready(step, now=now)
        passage.flow = replace(passage.flow, timezone=Timezone(default=zone))
        found = answer("hours", step, passage)
        assert (found.until_at if isinstance(found, Wait) else found) == (None if until is None else at(until))
        if isinstance(found, Wait):
            assert found.values == {"zone": zone, "zone_from": "flow", "opens_at": to_wire(found.until_at)}

    def test_quiet_hours_concern_their_channels_only(self) -> None:
        policy = Policy(quiet_hours=(NIGHT,))
        waiting = answer("hours", message("sms"), ready(message("sms"), now="22:00", policy=policy))
        assert isinstance(waiting, Wait)
        assert (waiting.reason, waiting.until_at) == ("quiet_hours", at("+1 08:00"))
        assert answer("hours", message(), ready(message(), now="22:00", policy=policy)) is None

    def test_both_are_waited_for_at_once(self) -> None:
        step = message("sms", window=Window(7 * HOUR, 22 * HOUR))
        found = answer("hours", step, ready(step, now="23:00", policy=Policy(quiet_hours=(NIGHT,))))
        assert isinstance(found, Wait)
        assert (found.reason, found.until_at) == ("window", at("+1 08:00"))

    def test_hours_that_never_agree_are_no_reason_to_wait(self) -> None:
        step = message("sms", window=Window(22 * HOUR, 23 * HOUR))
        found = answer("hours", step, ready(step, policy=Policy(quiet_hours=(NIGHT,))))
        assert isinstance(found, Skip)
        assert found.reason == "window_never_opens"

    @pytest.mark.parametrize(("days", "goes"), [(300, True), (399, True), (401, False)])
    def test_they_agree_within_400_days_or_never(self, days: int, goes: bool) -> None:
        """Semantics 8.7. The one quiet night that is left out is the one day on which both let it go."""
        left_out = (date(2026, 11, 20) + timedelta(days=days)).isoformat()
        night = replace(NIGHT, window=replace(NIGHT.window, except_days=(left_out,)))
        step = message("sms", window=Window(22 * HOUR, 23 * HOUR))
        found = answer("hours", step, ready(step, policy=Policy(quiet_hours=(night,))))
        assert (found.until_at if isinstance(found, Wait) else None) == (at(f"+{days} 22:00") if goes else None)

    def test_holidays_are_those_of_the_policy_by_then(self) -> None:
        step = message(window=replace(WINDOW, except_days=(HOLIDAYS,)))
        assert answer("hours", step, ready(step)) is None
        found = answer("hours", step, ready(step, policy=Policy(holidays=("2026-11-20",))))
        assert isinstance(found, Wait)
        assert found.until_at == at("+1 08:00")

    def test_a_command_is_not_valid_beyond_its_hours(self) -> None:
        """Semantics 9.2."""
        quiet, window = message("sms"), message(window=WINDOW)
        for step, now, until in ((quiet, "12:00", "12:15"), (quiet, "20:50", "21:00"), (window, "20:50", "21:00")):
            passage = ready(step, now=now, policy=Policy(quiet_hours=(NIGHT,)))
            send_step.run(step, passage)
            order_ = passage.notes[-1].order
            assert order_ is not None
            assert order_.message.not_after == at(until)
            assert passage.notes[-1].values == {"zone": "UTC", "zone_from": "flow"}


class TestLateness:
    """Semantics 5.8."""

    def test_send_passes_the_filter_and_its_own_window(self) -> None:
        step = message(when_late="send", max_lateness_ms=HOUR, window=Window(13 * HOUR, 14 * HOUR))
        passage = ready(step)
        shut("person", step, passage)
        assert isinstance(send_step.run(step, passage), Go)
        assert passage.notes[-1].reason == "filter_false"
        passage.enrollment.due_at -= 2 * HOUR
        send_step.run(step, passage)
        assert passage.notes[-1].outcome == "sent"

    def test_send_passes_no_quiet_hours(self) -> None:
        step = message("sms", when_late="send", max_lateness_ms=HOUR)
        passage = ready(step, now="22:00", policy=Policy(quiet_hours=(NIGHT,)), due_at=at("12:00"))
        assert send_step.run(step, passage) == Hold(at("+1 08:00"))


class TestFreshness:
    @pytest.mark.parametrize(("stated", "stale"), [("11:00", False), ("10:59:59.999", True), (None, True)])
    def test_a_fact_may_be_as_old_as_said(self, stated: str | None, stale: bool) -> None:
        """Semantics 8.6."""
        step = message(fresh=(("coupons", HOUR),))
        passage = ready(step)
        if stated:
            passage.profile.known().facts["coupons"] = Stated(["A"], at(stated))
        assert isinstance(answer("freshness", step, passage), Skip) == stale


class TestWhoWaits:
    """Semantics 8.8: all gates again, and the moment of the message has moved."""

    def hours(self, **more: Any) -> Send:
        return replace(send(channel="email"), window=WINDOW, **more)

    def test_a_message_waits_for_its_window_and_goes_when_it_opens(self) -> None:
        stage = Stage(flow(wait(15), self.hours())).event(checkout("21:00", identity=PERSON)).finish()
        assert stage.story[1:] == ["21:15 held window", "+1 08:00 sent due", "+1 08:00 ended done"]

    def test_the_next_wait_counts_from_then(self) -> None:
        chain = flow(wait(15), self.hours(), wait(60, label="more"), send("second"))
        stage = Stage(chain).event(checkout("21:00", identity=PERSON)).finish()
        assert stage.sent == ["+1 08:00 remind", "+1 09:00 second"]

    def test_an_order_in_the_night_ends_it(self) -> None:
        stage = Stage(flow(wait(15), self.hours())).event(checkout("21:00", identity=PERSON))
        assert stage.event(order("23:00", identity=PERSON)).finish().story[2:] == ["23:00 ended bought"]

    def test_consent_withdrawn_in_the_night_is_seen_in_the_morning(self) -> None:
        stage = Stage(flow(wait(15), self.hours())).event(checkout("21:00", identity=PERSON))
        stage.event(consent("23:00", "email", "withdrawn", identity=PERSON)).finish()
        assert stage.story[2] == "+1 08:00 skipped no_consent:email"

    @pytest.mark.parametrize("own", [True, False])
    def test_the_night_is_settled_again_in_the_morning(self, own: bool) -> None:
        gate = settle(hold=60)
        step = replace(self.hours(), own_gate=own)
        stage = Stage(flow(wait(15), gate, step)).event(checkout("21:00", identity=PERSON))
        stage.watermark(mark("21:30"), "21:30").pass_time("+1 08:10")
        assert stage.story[1:] == ["21:15 held settle", "21:30 held window", "+1 08:00 held settle"]
        late = Stage(flow(wait(15), gate, step)).event(checkout("21:00", identity=PERSON))
        late.watermark(mark("21:30"), "21:30").event(order("+1 07:55", identity=PERSON), "+1 08:20").finish()
        assert late.story[-1] == "+1 08:20 ended bought"
        assert stage.watermark(mark("+1 08:00"), "+1 08:30").finish().sent == ["+1 08:30 remind"]

    @pytest.mark.parametrize(("on_timeout", "end"), [("skip", "skipped settle_timeout"), ("send", "sent degraded")])
    def test_a_gate_that_stays_shut_in_the_morning_times_out_there(self, on_timeout: Any, end: str) -> None:
        steps = wait(15), settle(hold=60, on_timeout=on_timeout), self.hours()
        stage = Stage(flow(*steps)).event(checkout("21:00", identity=PERSON)).watermark(mark("21:30"), "21:30").finish()
        assert stage.story[-3:] == ["+1 08:00 held settle", f"+1 09:00 {end}", "+1 09:00 ended done"]

    def test_lateness_is_counted_from_the_moment_that_the_window_gave_it(self) -> None:
        step = self.hours(when_late="skip", max_lateness_ms=HOUR)
        stage = Stage(flow(wait(15), step), clock="live").event(checkout("21:00", identity=PERSON)).tick("21:15")
        assert stage.tick("+1 09:00").story[-2:] == ["+1 09:00 sent due", "+1 09:00 ended done"]
        late = Stage(flow(wait(15), step), clock="live").event(checkout("21:00", identity=PERSON)).tick("21:15")
        assert late.tick("+1 09:01").story[2] == "+1 09:01 skipped too_late"

    def test_poison_holds_it_after_the_window(self) -> None:
        stage = Stage(flow(wait(15), self.hours()), clock="live").event(checkout("21:00", identity=PERSON))
        stage.tick("21:15").append(poison("22:00")).tick("+1 08:00")
        assert stage.story[1:] == ["21:15 held window", "+1 08:00 held poison"]
        assert stage.append(resolution("+1 09:00", 2)).tick("+1 09:01").sent == ["+1 09:01 remind"]


def test_a_run_that_is_over_by_an_exit_says_so_at_the_gate() -> None:
    passage = ready(message(), exits_held=1)
    assert answer("exits", message(), passage) == Over("bought")
    assert answer("poison", message(), passage) is None
    passage.profile.poison.append((3, "messages"))
    assert answer("poison", message(), passage) == Wait(reason="poison", until_at=NEVER, values={"offsets": [3]})


def test_a_gate_of_a_step_of_its_own_guards_every_message_up_to_the_next_wait() -> None:
    """Semantics 6.3, 8.8."""
    run = ready(message(), gate="settle", waiting="window")
    run.flow = replace(
        run.flow,
        steps=(
            replace(settle(hold=1), next=1),
            *run.flow.steps,
        ),
    )
    found = answer("settle", message(), run)
    assert isinstance(found, Wait)
    assert found.until_at == run.enrollment.due_at + MINUTE


def test_caps_of_the_policy_are_named_by_what_they_are_about() -> None:
    step = message("sms", cap=Cap(group="g", max=9, per_ms=DAY))
    for rule, name in (
        (CapRule(channel="sms", max=1, per_ms=DAY), "sms"),
        (CapRule(message_class="marketing", max=1, per_ms=DAY), "marketing"),
        (CapRule(group="g", max=1, per_ms=DAY), "g"),
        (CapRule(max=1, per_ms=DAY), "all"),
    ):
        passage = ready(step, policy=Policy(caps=(rule,)))
        send_step.run(step, passage)
        send_step.run(step, passage)  # the one before stands in the notes of this very passage
        assert [note.reason for note in passage.notes] == ["due", f"capped:{name}"]
