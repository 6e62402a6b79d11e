"""The replay benchmark: a naive interpreter that decides as the core does, and numbers only when all agree."""

from __future__ import annotations

from collections import Counter

import pytest

from agents.errors import CheckFailed
from benchmarks import replay
from benchmarks.naive import Naive, Sent
from streams.flowfile import load
from streams.rehearsal import Rehearsal

EVENTS = 6_000
TEXT = """flow: abandoned
entry:
  trigger: { event: checkout_started }
  where: { total: { gte: { money: "20.00", currency: USD } } }
  reentry: always
exit: [{ when: { event: order_placed }, reason: bought }]
skew: 0s
steps: [{ wait: { for: 20ms } }, { label: remind, send: { template: t, channel: log } }, { stop: done }]
"""
BRANCHING = """steps:
  - wait: { for: 10ms }
  - if: { condition: { trigger.total: { gt: { money: "200.00", currency: USD } } }, then: big, otherwise: small }
  - label: big
    send: { template: b, channel: log }
  - wait: { for: 5ms }
  - label: small
    send: { template: s, channel: log }
"""


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.replace("reentry: always", "key: trigger.checkout_id\n  reentry: always"),
        TEXT.replace("reentry: always", "reentry: { min_gap: 40ms, from: start, scope: profile }"),
        TEXT.replace("reentry: always", "reentry: never"),
        TEXT.replace("{ event: order_placed }", "{ event: order_placed, match: { cart_id: trigger.cart_id } }"),
        TEXT.replace("skew: 0s", "skew: 1s"),
        TEXT[: TEXT.index("steps")] + BRANCHING,
    ],
    ids=["plain", "key", "min_gap", "never", "match", "skew", "branches"],
)
def test_the_naive_interpreter_sends_what_the_core_sends(text: str) -> None:
    log = list(replay.records(kind="session", events=EVENTS, seed=3))
    rehearsal, naive = Rehearsal([load(text, name="f.yaml")]), Naive(text)
    rehearsal.feed(log)
    rehearsal.finish()
    naive.take(log)
    naive.finish()
    assert Counter(naive.sent) == Counter(replay.messages(rehearsal.commands))
    assert len(naive.sent) > 20


@pytest.mark.parametrize(
    "text",
    [
        TEXT + "exit_check: at_send\n",
        TEXT.replace("reentry", "retrigger: restart\n  reentry"),
        TEXT.replace("stop", "settle"),
    ],
)
def test_the_naive_interpreter_refuses_what_it_does_not_know(text: str) -> None:
    with pytest.raises(ValueError, match="does not know"):
        Naive(text)


def test_all_ways_to_replay_are_measured_and_agree() -> None:
    measured = replay.measure(kind="session", events=EVENTS, rounds=2, seed=1)
    assert set(measured.us_per_event) == {"core", "naive", "file"}
    assert measured.sent > 0
    assert measured.ratio("core").median == 1


def test_who_sends_something_else_has_no_number() -> None:
    right, wrong = Counter([Sent(b"p", "remind", 1)]), Counter([Sent(b"p", "remind", 2)])
    with pytest.raises(CheckFailed, match="differ in 2 messages"):
        replay.require_same({"core": right, "naive": wrong}, "naive")
    with pytest.raises(CheckFailed):
        replay.require_same({"core": Counter(), "naive": Counter()}, "naive")
    replay.require_same({"core": right, "naive": right}, "naive")
