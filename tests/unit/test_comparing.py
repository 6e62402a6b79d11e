"""Two versions of a flow on the same recorded events: what differs, for whom, and what is no difference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agents import cli
from agents.comparing import Comparison, compare
from streams.flowfile import load

TEXT = """flow: cart
entry: { trigger: { event: checkout_started }, key: trigger.checkout_id, reentry: always }
exit: [{ when: { event: order_placed }, reason: bought }]
steps: [{ wait: { for: 1h } }, { label: remind, send: { template: t, channel: email } }]
"""


def event(type_: str, person: str, at: str, **properties: Any) -> dict[str, Any]:
    return {
        "id": f"{type_}-{person}-{at}",
        "type": f"commerce.{type_}.v1",
        "source": "shop",
        "time": f"2026-01-01T{at}:00Z",
        "tenant": "acme",
        "identity": {"external_id": person, "email": f"{person}@example.com"},
        "properties": properties,
    }


def start(person: str, at: str = "10:00", checkout: str = "C1") -> dict[str, Any]:
    return event("checkout.started", person, at, checkout_id=checkout)


ANN = start("ann")
BOB = [start("bob"), event("order.placed", "bob", "10:30")]
EVENTS = [ANN, BOB[0], BOB[1]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path, EVENTS)


def written(folder: Path, events: Sequence[dict[str, Any]]) -> Path:
    found = folder / "events.jsonl"
    found.write_text("".join(json.dumps(one) + "\n" for one in events))
    return found


def against(path: Path, text: str, *, of: str = TEXT) -> Comparison:
    return compare([load(of, name="a.yaml")], [load(text, name="b.yaml")], path)


def counted(found: Comparison) -> dict[str, int]:
    return {kind: count for kind, count in found.counts.items() if count}


def test_the_same_version_treats_everybody_alike(path: Path) -> None:
    found = against(path, TEXT)
    assert (found.cases, counted(found), found.people) == (2, {}, set())


@pytest.mark.parametrize(
    ("old", "new", "expected", "people"),
    [
        ("for: 1h", "for: 2h", {"sent_at_another_time": 1}, 1),
        ("for: 1h", "for: 20m", {"sent_at_another_time": 1, "sent_only_by_b": 1}, 2),
        ("template: t", "template: u", {"sent_otherwise": 1}, 1),
        ("label: remind", "label: nudge", {}, 0),
        ("reason: bought", "reason: ordered", {"other_reason": 1}, 1),
        ("key: trigger.checkout_id, ", "", {}, 0),
        ("flow: cart", "flow: cart_2", {}, 0),
        ("{ event: checkout_started }", "{ event: cart_updated }", {"sent_only_by_a": 1, "other_reason": 1}, 2),
        ("channel: email } }", "channel: email } }, { stop: over }", {"other_reason": 1}, 1),
    ],
)
def test_every_kind_of_difference(path: Path, old: str, new: str, expected: dict[str, int], people: int) -> None:
    assert old in TEXT
    found = against(path, TEXT.replace(old, new))
    assert (counted(found), len(found.people)) == (expected, people)


def test_both_directions_are_told_apart(path: Path) -> None:
    shorter = TEXT.replace("1h", "20m")
    assert counted(against(path, TEXT, of=shorter)) == {"sent_at_another_time": 1, "sent_only_by_a": 1}


def test_a_refusal_beside_nothing_is_no_difference(tmp_path: Path) -> None:
    once = TEXT.replace("reentry: always", "reentry: { min_gap: 30d, from: start, scope: profile }")
    lines = [start("ann", at, f"C{at}") for at in ("10:00", "12:00", "14:00")]
    picky = once.replace("}, key", "}, where: { checkout_id: { ne: 'C12:00' } }, key")
    found = against(written(tmp_path, lines), picky, of=once)
    assert found.cases == 3
    assert counted(found) == {}


def test_a_second_message_is_paired_with_its_like(path: Path) -> None:
    more = TEXT.replace(
        "steps: [", "steps: [{ wait: { for: 5m } }, { label: first, send: { template: s, channel: log } }, "
    )
    found = against(path, more)
    assert counted(found) == {"sent_only_by_b": 2, "sent_at_another_time": 1}
    assert found.differences[0].kinds == ("sent_at_another_time", "sent_only_by_b")
    assert [one.outcome for one in found.differences[0].b] == ["entered", "sent", "sent", "ended"]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    return run_both(capsys, *words)[:2]


def run_both(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, and what came of it on both streams."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["flows", "compare", *words])
    return int(ended.value.code or 0), *capsys.readouterr()


def test_the_command_shows_both_sides(tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("a", TEXT), ("b", TEXT.replace("1h", "20m"))):
        (tmp_path / f"{name}.yaml").write_text(text)
    words = [str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), "--events", str(path)]
    code, out = run(capsys, *words)
    assert code == 0
    assert "2 people would be treated differently, in 2 of 2 cases" in out
    assert "remind: a message was ordered" in out
    assert "left the flow: bought" in out
    code, out = run(capsys, *words, "--json", "--exit-code", "--show", "1")
    assert code == 1
    shown = json.loads(out)
    assert shown["a"]["sent"] == 1
    assert shown["b"]["sent"] == 2
    assert shown["differences"]["sent_only_by_b"] == 1
    assert [one["kinds"] for one in shown["shown"]] == [["sent_at_another_time"]]
    assert [one["outcome"] for one in shown["shown"][0]["a"]] == ["entered", "sent", "ended"]
    same = [words[0], words[0], *words[2:], "--exit-code"]
    assert run(capsys, *same)[0] == 0


def test_lines_that_cannot_be_read_are_named_and_counted(
    tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are the same lines for both sides, so they are told once."""
    (tmp_path / "a.yaml").write_text(TEXT)
    with path.open("a") as file:
        file.write('garbage\n\n{"source": "shop"}\n' + "more\n" * 10)
    words = [str(tmp_path / "a.yaml")] * 2 + ["--events", str(path), "--exit-code"]
    code, out, err = run_both(capsys, *words)
    assert (code, "0 people would be treated differently, in 0 of 2 cases" in out) == (0, True)
    assert [err.count(f"{path} line {number}: ") for number in (4, 5, 6, 14, 15, 16)] == [1, 0, 1, 1, 0, 0]
    assert "and 2 more lines could not be taken" in err
    shown = json.loads(run(capsys, *words, "--json")[1])
    assert (shown["events"], shown["refused"]) == (3, {"broken_json": 11, "missing_field": 1})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("garbage\nmore\n", "{} has no events: 2 lines could not be taken; line 1: broken_json"),
        ("", "{} has no events"),
        ("\n\n", "{} has no events"),
        ('{"source": "shop", "complete_through": "2026-01-01T10:00:00Z", "tenant": "t"}\n', "{} has no events"),
    ],
)
def test_of_nothing_that_could_be_read_nothing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (tmp_path / "a.yaml").write_text(TEXT)
    (tmp_path / "events.jsonl").write_text(text)
    words = [str(tmp_path / "a.yaml")] * 2 + ["--events", str(tmp_path / "events.jsonl")]
    code, out, err = run_both(capsys, *words)
    assert (code, out) == (65, "")
    assert said.format(tmp_path / "events.jsonl") in err
    assert "error" in json.loads(run(capsys, *words, "--json")[1])
