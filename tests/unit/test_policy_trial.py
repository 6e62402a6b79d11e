"""A policy tried by itself: timelines in which messages are due, and which of its rules they have seen at work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents import cli
from streams import policy_trial, timeline
from streams.flowfile import check_policy, load_timelines
from streams.policy_trial import told_apart, trial

POLICY = """\
policy: shop
consent: required
quiet_hours:
  - { channels: [sms], local: "21:00-08:00" }
  - { channels: [email, sms], local: "12:00-13:00", on: [sat] }
caps:
  - { channel: email, max: 2, per: 7d, when_capped: defer, expires: 1h }
  - { group: reminders, max: 1, per: 24h, when_capped: skip }
  - { storefront: "2", max: 1, per: 24h, when_capped: defer, expires: 1h }
  - { storefront: "3", max: 1, per: 24h, when_capped: defer, expires: 1h }
storefronts: { "2": { timezone: Asia/Tokyo }, "3": { timezone: Europe/Berlin } }
"""
YES = '{ at: "09:00", consent_changed: { profile: p1, channel: sms, status: granted } }'
MAIL = YES.replace("sms", "email")
ALL = [
    "consent required", "quiet_hours 1: held", "quiet_hours 2: held", "caps 1: held", "caps 1: expired",
    "caps 2: skipped", "caps 3: held", "caps 3: expired", "caps 4: held", "caps 4: expired",
]  # fmt: skip


def due(at: str, channel: str, **words: str) -> str:
    said = ", ".join(f'{word}: "{value}"' for word, value in {"profile": "p1", "channel": channel, **words}.items())
    return f'{{ at: "{at}", custom_message: {{ {said} }} }}'


def text(*lines: str, expect: str = "{ sends: 0 }") -> str:
    return "".join(["- name: a day\n  timeline:\n", *(f"    - {line}\n" for line in lines), f"  expect: [{expect}]\n"])


def play(*lines: str) -> tuple[list[str], list[str]]:
    """What was decided about messages, and the rules that it has shown."""
    policy = check_policy(POLICY, name="policy.yaml").policy
    assert policy is not None
    flow = trial(policy)
    [one] = map(told_apart, load_timelines(text(*lines), name="policy.test.yaml", flow=flow))
    decisions = timeline.play(flow, one, policy=policy).decisions
    told = [f"{d.step} {d.outcome} {d.reason} {d.decided_at[11:16]}" for d in decisions if d.step]
    covered = policy_trial.measure(policy, [one])
    assert [f"{way.step} {way.name}" for way in covered.times] == ALL
    return told, [f"{way.step} {way.name}" for way, times in covered.times.items() if times]


@pytest.mark.parametrize(
    ("lines", "decided", "rules"),
    [
        ([due("10:00", "email")], ["email skipped no_consent:email 10:00"], ["consent required"]),
        ([YES, MAIL, due("10:00", "email"), due("10:00", "sms")], ["email sent due 10:00", "sms sent due 10:00"], []),
        (
            [YES.replace("granted", "withdrawn"), due("10:00", "sms")],
            ["sms skipped no_consent:sms 10:00"],
            [],  # that is not because the policy requires it
        ),
        ([YES, due("21:30", "sms")], ["sms held quiet_hours 21:30", "sms sent due 08:00"], ["quiet_hours 1: held"]),
        (
            [YES, due("21:30", "sms", storefront="3"), due("22:30", "sms", **{"class": "transactional"})],
            ["sms held quiet_hours 21:30", "sms_transactional sent due 22:30", "sms sent due 07:00"],
            ["quiet_hours 1: held"],
        ),
        (
            [MAIL, due("2026-01-03T12:30:00Z", "email")],
            ["email held quiet_hours 12:30", "email sent due 13:00"],
            ["quiet_hours 2: held"],
        ),
        (
            [MAIL, *(due(at, "email") for at in ("10:00", "10:01", "10:02"))],
            ["email sent due 10:00", "email sent due 10:01", "email held cap 10:02",
             "email skipped cap_expired:email 11:02"],
            ["caps 1: held", "caps 1: expired"],
        ),
        (
            [YES, MAIL, due("10:00", "email", group="reminders"), due("10:01", "sms", group="reminders")],
            ["email_reminders sent due 10:00", "sms_reminders skipped capped:reminders 10:01"],
            ["caps 2: skipped"],
        ),
        (
            [YES, MAIL, due("10:00", "email", storefront="3"), due("10:01", "email", storefront="3"),
             due("10:02", "sms", storefront="2")],
            ["email sent due 10:00", "email held cap 10:01", "sms sent due 10:02", "email skipped cap_expired:3 11:01"],
            ["caps 4: held", "caps 4: expired"],  # and not the third, which says the same of another storefront
        ),
        ([YES, due("10:00", "pigeon")], [], []),
    ],
)  # fmt: skip
def test_a_message_meets_the_rules_of_the_policy(lines: list[str], decided: list[str], rules: list[str]) -> None:
    assert play(*lines) == (decided, rules)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["flows", *words, "--json"])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def test_flows_test_plays_them_and_names_the_rules_that_nobody_has_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    tried = tmp_path / "policy.test.yaml"
    tried.write_text(text(YES, due("21:30", "sms"), expect='{ held: quiet_hours, at: "21:30" }'))
    for path in (tmp_path, tried, tmp_path / "policy.yaml"):
        code, told = run(capsys, "test", str(path), "--coverage", "--fail-under", "10")
        assert (code, told["ok"], [one["flow"] for one in told["timelines"]]) == (0, True, ["shop"])
        [covered] = told["coverage"]["flows"]
        lines = [(f"{one['step']} {one['way']}", one["line"]) for one in covered["ways"] if not one["times"]]
        assert lines == list(zip([*ALL[:1], *ALL[2:]], [2, 5, 7, 7, 8, 9, 9, 10, 10], strict=True))
    tried.write_text(text(YES, due("21:30", "sms"), expect='{ sent: sms, at: "21:30" }'))
    code, told = run(capsys, "test", str(tmp_path))
    assert (code, told["timelines"][0]["failures"][0]["got"]) == (1, "sent: sms at 2026-01-02T08:00:00.000Z for p1")
    tried.write_text(text('{ at: "21:30", custom_message: { profile: p1, chanel: sms } }'))
    code, told = run(capsys, "check", str(tmp_path))
    assert (code, told["findings"][0]["code"], told["findings"][0]["suggestion"]) == (1, "unknown_key", "channel")


def test_timelines_without_their_policy_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.test.yaml").write_text(text(YES))
    code, told = run(capsys, "check", str(tmp_path))
    assert (code, "policy.yaml" in told["next"]) == (65, True)
