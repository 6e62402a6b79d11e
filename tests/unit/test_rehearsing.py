"""A person walked through a flow line by line: what is understood, what is shown, and what would come next."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from agents import cli
from schemas.instants import from_wire
from streams.flowfile import load
from streams.rehearsal import Rehearsal
from streams.rehearsing import LINES_MAX, Misunderstood, Session, Turn

RECIPE = Path(__file__).parents[2] / "deploy" / "flows" / "abandoned_checkout.yaml"
FLOW = load(RECIPE.read_bytes(), name=RECIPE.name)
START = "checkout_started checkout_id=C1 total=80.00"


@pytest.fixture
def session() -> Session:
    return Session(FLOW, lambda: Rehearsal([FLOW]))


def outcomes(turn: Turn) -> list[str]:
    return [f"{one.outcome} {one.reason}" for one in turn.decisions]


def test_a_walk_through_the_flow(session: Session) -> None:
    assert outcomes(session.turn(START)) == ["entered triggered"]
    assert session.pending() == ["abandoned_checkout: wait_1, until 2026-01-01 11:00:00 UTC"]
    assert outcomes(session.turn("advance 59m")) == []
    assert outcomes(session.turn("advance 1m")) == ["held settle"]
    turn = session.turn("watermark shop.orders")
    assert outcomes(turn) == ["sent due", "ended done"]
    assert [command.addresses for command in turn.commands] == [{"email": "me@example.test"}]
    assert session.pending() == []
    assert session.ahead() == []


def test_a_look_ahead_says_what_would_come_and_lets_nothing_happen(session: Session) -> None:
    session.turn(START)
    for _ in range(2):
        ahead = [(one.outcome, one.reason, one.decided_at[11:16]) for one in session.ahead()]
        assert ahead == [
            ("held", "settle", "11:00"),
            ("skipped", "settle_timeout", "13:00"),
            ("ended", "done", "13:00"),
        ]
    assert outcomes(session.turn("advance 30m")) == []


def test_an_order_that_arrives_late_keeps_its_time(session: Session) -> None:
    session.turn(START)
    session.turn("until 11:30")
    turn = session.turn("order_placed at=10:59 checkout_id=C1")
    assert outcomes(turn) == ["ended bought_this_cart"]
    assert turn.decisions[0].values["occurred_at"] == "2026-01-01T10:59:00.000Z"


@pytest.mark.parametrize(
    ("lines", "now"),
    [
        (["advance 2h30m"], "2026-01-01T12:30:00Z"),
        (["until 10:00"], "2026-01-02T10:00:00Z"),
        (["until 10:01"], "2026-01-01T10:01:00Z"),
        (["until 09:00", "until 09:00"], "2026-01-03T09:00:00Z"),
        (["until 2026-03-01T09:00:00Z"], "2026-03-01T09:00:00Z"),
        (["site_active at=12:00"], "2026-01-01T12:00:00Z"),
        (['{ at: "10:05", site_active: { profile: p2 } }'], "2026-01-01T10:05:00Z"),
        (['- { advance: "10:07" }'], "2026-01-01T10:07:00Z"),
    ],
)
def test_time_goes_where_a_line_says(session: Session, lines: list[str], now: str) -> None:
    for line in lines:
        session.turn(line)
    assert session.now == from_wire(now)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("advance", "a span such as"),
        ("advance 2 hours", "did you mean 2h"),
        ("until noon", "must be a time"),
        ("until 2025-01-01T00:00:00Z", "time does not go back"),
        ("chekout_started checkout_id=C1", "did you mean checkout_started"),
        ("checkout_started chekout_id=C1", "did you mean checkout_id"),
        ("checkout_started C1", "`C1` is no word=value"),
        ("checkout_started total=much", "total"),
        ("watermark", "needs a source"),
        ("foo bar", "cannot say `foo`"),
        ("until 25:00", "`until` must be a time"),
        ("{ site_active: ", "this is not YAML"),
        ("site_active anonymous=guest", "identifies somebody"),
    ],
)
def test_a_line_that_cannot_be_understood_changes_nothing(session: Session, line: str, message: str) -> None:
    session.turn(START)
    with pytest.raises(Misunderstood, match=message):
        session.turn(line)
    assert session.now == from_wire("2026-01-01T10:00:00Z")
    assert len(session.ahead()) == 3


def test_values_are_of_the_kind_of_their_word(session: Session) -> None:
    session.turn('cart_item_added cart_id=7 name="Mug, blue" quantity=2 categories=[mugs, "blue"]')
    session.turn("checkout_started profile=p2 checkout_id=12345678901234567890")
    told = session.turn("state").answers
    assert any(line.startswith("p2: ") for line in told)
    assert any("checkout_id 12345678901234567890" in line for line in told)


def test_an_event_of_ones_own_has_the_words_that_the_flow_declares() -> None:
    text = """flow: quiz
entry:
  trigger: { event: custom_quiz_done, words: { score: number, topic: text } }
  where: { score: { gte: 5 } }
  reentry: always
steps: [{ label: praise, send: { template: t, channel: log } }]
"""
    flow = load(text, name="quiz.yaml")
    session = Session(flow, lambda: Rehearsal([flow]))
    assert outcomes(session.turn("custom_quiz_done score=7 topic=7"))[0] == "entered triggered"
    assert session.turn("custom_quiz_done score=4").counted[0].startswith("1 of the flows that begin with")
    with pytest.raises(Misunderstood, match="did you mean score"):
        session.turn("custom_quiz_done scor=7")


def test_the_state_tells_facts() -> None:
    text = """flow: personal
entry: { trigger: { event: checkout_started }, reentry: always }
exit: [{ when: { person: { fact: { country: { eq: CH } } } }, reason: lives_there }]
steps: [{ wait: { for: 1h } }, { label: remind, send: { template: t, channel: log } }]
"""
    flow = load(text, name="personal.yaml")
    session = Session(flow, lambda: Rehearsal([flow]))
    session.turn("profile_updated country=CH")
    assert "  facts: country CH; consent: never asked" in session.turn("state").answers


def test_what_is_only_counted_is_told(session: Session) -> None:
    session.turn(START)
    again = session.turn("checkout_started id=line-1 checkout_id=C1 total=80.00")
    assert again.counted == ["the event is known already; the first copy counts"]
    assert [line.split(",")[0] for line in session.turn("checkout_started checkout_id=C2").counted] == [
        "abandoned_checkout: ignored 1"
    ]
    refused = session.turn("checkout_started checkout_id=C3").counted
    assert [line.split(",")[0] for line in refused] == [
        "abandoned_checkout: refused",
        "abandoned_checkout: ignored 1",
    ]


def test_a_message_is_taken_back_by_an_order_and_settled_by_a_receipt(session: Session) -> None:
    """What the next line brings happens after what the last one has: an order of the same minute is no late one."""

    def sent() -> str:
        return next(line for line in session.turn("state").answers if line.startswith("  message remind"))

    session.turn(START)
    session.turn("advance 1h")
    session.turn("watermark shop.orders")
    assert sent().endswith(": no receipt yet")
    assert outcomes(session.turn("order_placed checkout_id=C1 order_id=O1")) == ["recalled bought_this_cart"]
    session.turn("checkout_started profile=p2 checkout_id=C2")
    session.turn("advance 1h")
    session.turn("watermark shop.orders")
    assert (
        session.turn("message_reported profile=p2 command_id=remin outcome=accepted")
        .counted[0]
        .startswith("the receipt is about no message of theirs")
    )
    session.turn("message_reported profile=p2 command_id=remind outcome=accepted")
    assert sum(line.endswith(": its receipt says that it went") for line in session.turn("state").answers) == 1
    assert outcomes(session.turn("order_placed profile=p2 checkout_id=C2 order_id=O2")) == []


def test_a_zone_that_changes_moves_a_wait_by_the_wall_clock() -> None:
    text = """flow: morning
entry: { trigger: { event: checkout_started }, reentry: always }
steps: [{ wait: { until: "09:00" } }, { label: greet, send: { template: t, channel: log } }]
"""
    flow = load(text, name="morning.yaml")
    session = Session(flow, lambda: Rehearsal([flow]))
    session.turn("checkout_started checkout_id=C1")
    assert session.pending() == ["morning: wait_1, until 2026-01-02 09:00:00 UTC"]
    session.turn("profile_identified timezone=Asia/Tokyo")
    assert session.pending() == ["morning: wait_1, until 2026-01-02 00:00:00 UTC"]
    assert "  zone Asia/Tokyo, as profile says" in session.turn("state").answers
    assert session.turn("profile_identified timezone=Nowhere/Atall").counted == [
        "the time zone of the profile is none that is known; the next source counts"
    ]


def test_a_flow_with_a_clock_of_its_own_has_two() -> None:
    """Semantics 5.5: by one it waits, by the other its messages keep their hours."""
    text = """flow: morning
timezone: Europe/Berlin
entry: { trigger: { event: checkout_started }, reentry: always }
steps: [{ label: greet, send: { template: t, channel: log, window: { local: "08:00-21:00" } } }]
"""
    flow = load(text, name="morning.yaml")
    session = Session(flow, lambda: Rehearsal([flow]))
    session.turn("profile_identified timezone=Asia/Tokyo")
    answers = session.turn("state").answers
    at = answers.index("  zone Europe/Berlin, as flow says")
    assert answers[at + 1] == "  zone Asia/Tokyo for the hours of messages, as profile says"


def test_flows_beside_it_say_where_their_events_come_from() -> None:
    text = """flow: looked
entry: { trigger: { event: product_viewed, source: site }, reentry: always }
steps: [{ wait: { for: 1h } }, { label: greet, send: { template: t, channel: log } }]
"""
    other = load(text, name="looked.yaml")
    session = Session(FLOW, lambda: Rehearsal([FLOW, other]), beside=[other])
    assert outcomes(session.turn("product_viewed product_id=P1")) == ["entered triggered"]
    assert outcomes(session.turn(START)) == ["entered triggered"]
    assert len(session.pending()) == 2


def test_why_tells_everything_with_its_cause(session: Session) -> None:
    assert session.turn("why").answers == ["nothing was decided yet"]
    session.turn(START)
    [line] = session.turn("why").answers
    assert line.endswith("; event line-1 with record 1 of rehearsal/0")


def test_a_rehearsal_ends_somewhere(session: Session) -> None:
    for _ in range(LINES_MAX):
        session.turn("advance 0")
    with pytest.raises(Misunderstood, match="at most"):
        session.turn("advance 0")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["rehearse", str(RECIPE), *words])
    return int(ended.value.code or 0), capsys.readouterr().out


def test_the_command_plays_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = tmp_path / "walk.txt"
    lines.write_text(f"# a walk\n\n{START}\nadvance 1h\nwatermark shop.orders\n{START}\nstate\nquit\nnot read\n")
    code, out = run(capsys, "--events", str(lines))
    assert code == 0
    assert f"> {START}\n  2026-01-01 10:00:00 UTC  entered the flow" in out
    assert "  waits   abandoned_checkout: wait_1, until 2026-01-01 11:00:00 UTC\n" in out
    assert "  next    2026-01-01 13:00:00 UTC  remind: a message was not sent" in out
    assert "remind: a message was ordered, email abandoned_checkout to me@example.test\n" in out
    assert "  counted abandoned_checkout: ignored 1, " in out
    code, out = run(capsys, "--events", str(lines), "--json")
    shown: list[dict[str, Any]] = json.loads(out)["turns"]
    assert [turn["line"] for turn in shown] == [START, "advance 1h", "watermark shop.orders", START, "state"]
    assert shown[1]["decisions"][0]["outcome"] == "held"


def test_the_command_reads_stdin_and_says_which_line_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{START}\nadvanse 1h\n"))
    code, out = run(capsys, "--json")
    assert code == 65
    assert json.loads(out)["error"].startswith("stdin line 2: ")
    assert run(capsys, "--events", "nowhere.txt")[0] == 65
