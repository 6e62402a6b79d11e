"""Plug-ins that flows ask, as conditions and as variables of messages; answering, failing and replayed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.plugins import load_plugins
from schemas import codec
from schemas.dossier import unpack
from schemas.event import Event
from schemas.flow import Flow
from schemas.instants import from_datetime, to_wire
from streams import coverage
from streams.binding import UnknownPlugin, bind
from streams.flowfile import load, load_timelines
from streams.messages import trimmed
from streams.plugins import Name, OverBudget, Plugin, PluginKind, registry
from streams.program import build
from streams.rehearsal import Rehearsal, event_record
from streams.rehearsing import Session
from streams.timeline import play, run
from tests.unit.stage import Stage, at, checkout, event, order

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "plug-ins.md").read_text()
CALLS, PICKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
[PAGE_FLOW] = re.findall(r"^```yaml\n(flow: .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ITEMS = [
    {"product_id": "P-1", "price": "9.50"},
    {"product_id": "P-2", "price": "100.00"},
    {"name": "a gift"},
    {"product_id": "P-3", "price": "20.00"},
    {"product_id": "P-4", "price": "10.00"},
]


def one(
    answer: Callable[[Mapping[str, Any]], Any],
    *inputs: str,
    kind: PluginKind = "transform",
    name: str = "made",
    version: int = 1,
    fingerprint: str = "first",
) -> dict[Name, Plugin]:
    plugin = Plugin(kind=kind, name=name, version=version, inputs=inputs, answer=answer, fingerprint=fingerprint)
    return registry([plugin])


def flow(*, variables: str = "made: { plugin: { name: made, version: 1 } }", entry: str = "", exits: str = "") -> Flow:
    text = f"""
flow: f
entry: {{ trigger: {{ event: checkout_started }}, reentry: always, {entry} }}
{exits and f"exit: {exits}"}
steps:
  - wait: {{ for: 1h }}
  - label: remind
    send: {{ template: t, channel: log, variables: {{ {variables} }} }}
"""
    return load(text, name="f.yaml")


def rehearsed(compiled: Flow, plugins: Mapping[Name, Plugin], *events: Event) -> Rehearsal:
    rehearsal = Rehearsal([compiled], plugins=plugins)
    for happened in events or (checkout("10:00", coupon="A"),):
        rehearsal.event(happened, at=from_datetime(happened.time))
    rehearsal.finish()
    return rehearsal


def over_budget(_: object) -> None:
    raise OverBudget


# --- variables ---------------------------------------------------------------------------------------------


def test_a_variable_is_what_a_plug_in_answers_to_what_it_has_declared() -> None:
    """Semantics 10.7: declared inputs and a version; *now* is that of the decision."""
    asked: list[Mapping[str, Any]] = []

    def answer(inputs: Mapping[str, Any]) -> Any:
        asked.append(inputs)
        return {"code": inputs["trigger.coupon"], "cities": (inputs["fact.city"],)}

    plugins = one(answer, "trigger.coupon", "fact.city", "now")
    done = rehearsed(flow(), plugins, event("profile_updated", "09:00", city="Ulm"), checkout("10:00", coupon="A"))
    [command] = done.commands
    assert command.variables["made"] == {"code": "A", "cities": ["Ulm"]}
    assert asked == [{"trigger.coupon": "A", "fact.city": "Ulm", "now": to_wire(at("11:00"))}]


def test_a_fact_that_only_a_variable_asks_for_is_read_off_events() -> None:
    moved = msgspec.structs.replace(checkout("10:00"), context=msgspec.Raw(b'{"country": "CH"}'))
    [command] = rehearsed(flow(), one(lambda inputs: inputs["fact.country"], "fact.country"), moved).commands
    assert command.variables["made"] == "CH"


@pytest.mark.parametrize(
    ("answer", "told", "reason"),
    [
        (lambda _: None, {}, None),
        (over_budget, {"plugin made 1": "failed: over_budget"}, "over_budget"),
        (lambda inputs: inputs["nothing"], {"plugin made 1": "failed: KeyError"}, "raised"),
        (lambda _: 0.5, {"plugin made 1": "failed: wrong_kind"}, "wrong_kind"),
        (lambda _: "x" * 10_001, {"plugin made 1": "failed: wrong_kind"}, "wrong_kind"),
        (lambda _: ["x" * 6_000, {"a": "x" * 4_000}], {"plugin made 1": "failed: wrong_kind"}, "wrong_kind"),
        (lambda _: {1: "a"}, {"plugin made 1": "failed: wrong_kind"}, "wrong_kind"),
        (lambda _: "\ud83d", {"plugin made 1": "failed: wrong_kind"}, "wrong_kind"),
        (lambda _: [[[[[[[[[[[]]]]]]]]]]], {"plugin made 1": "failed: wrong_kind"}, "wrong_kind"),
        (lambda _: [0] * 1_000, {"plugin made 1": "failed: wrong_kind"}, "wrong_kind"),
        (lambda _: 1 << 53, {"plugin made 1": "failed: wrong_kind"}, "wrong_kind"),
    ],
)  # fmt: skip
def test_what_is_not_answered_is_not_there_and_the_message_goes_all_the_same(
    answer: Callable[[Mapping[str, Any]], Any], told: dict[str, str], reason: str | None
) -> None:
    done = rehearsed(flow(variables="made: { plugin: { name: made, version: 1 } }, code: trigger.coupon"), one(answer))
    [command] = done.commands
    assert (command.variables["code"], "made" in command.variables) == ("A", False)
    [sent] = [decision for decision in done.decisions if decision.outcome == "sent"]
    assert sent.values == told
    counted = {key: count for key, count in done.tallies.items() if key[0] == "plugin_failed"}
    assert counted == ({} if reason is None else {("plugin_failed", "made/1", reason): 1})


@pytest.mark.parametrize("ids", [["P"] * 51, ["P" * 257], [1], "P-1", {"P-1": 1}, ["\udc00"]])
def test_a_recommendation_is_a_bounded_list_of_ids(ids: Any) -> None:
    assert "made" not in rehearsed(flow(), one(lambda _: ids, kind="recommender")).commands[0].variables


def test_the_most_that_may_be_recommended() -> None:
    ids = [f"{number:0256}" for number in range(50)]
    [command] = rehearsed(flow(), one(lambda _: tuple(ids), kind="recommender")).commands
    assert command.variables["made"] == ids
    assert rehearsed(flow(), one(lambda _: [], kind="recommender")).commands[0].variables["made"] == []


def test_nobody_sees_what_a_plug_in_does_to_its_inputs() -> None:
    def spoil(inputs: Mapping[str, Any]) -> Any:
        inputs["trigger.items"].clear()
        return "spoiled"

    cart = msgspec.structs.replace(checkout("10:00"), items=msgspec.Raw(msgspec.json.encode(ITEMS)))
    [command] = rehearsed(flow(), one(spoil, "trigger.items"), cart).commands
    assert command.variables == {"made": "spoiled", "trigger": {"items": ITEMS}}


def test_a_predicate_is_no_variable_and_a_transform_no_condition() -> None:
    with pytest.raises(UnknownPlugin, match="recommender or transform 'made', version 1"):
        bind(flow(), one(lambda _: True, kind="predicate"))
    with pytest.raises(UnknownPlugin, match="the predicate 'made', version 1"):
        bind(flow(variables="a: b", entry="filter: { plugin: { name: made, version: 1 } }"), one(lambda _: True))


def test_memory_that_has_run_out_is_no_answer() -> None:
    """Semantics 1.3: another machine would have one."""

    def starve(_: object) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        rehearsed(flow(), one(starve))


def test_a_flow_that_is_bound_is_bound() -> None:
    """As when somebody makes a program of a flow of another program."""
    asks = "filter: { plugin: { name: ready, version: 1 } }"
    plugins = {**one(lambda _: True), **one(lambda _: True, name="ready", kind="predicate")}
    bound = bind(flow(entry=asks), plugins)
    assert bind(bound, {}) is bound


# --- conditions --------------------------------------------------------------------------------------------


def fails(_: object) -> bool:
    raise ValueError


@pytest.mark.parametrize(
    ("entry", "exits", "story", "times"),
    [
        ("filter: { plugin: { name: made, version: 1 } }", "", "refused", 1),
        # At entry, and once more at the message.
        ("filter: { any: [{ plugin: { name: made, version: 1 } }, { trigger.coupon: { eq: A } }] }", "", "sent", 2),
        # At entry, when the fact is stated, and once more at the message.
        ("", "[{ when: { person: { plugin: { name: made, version: 1 } } }, reason: r }]", "sent", 3),
    ],
)
def test_failures_of_conditions_are_counted_where_they_are_judged(
    entry: str, exits: str, story: str, times: int
) -> None:
    """Semantics 10.7: unknown, and nothing else stops."""
    moved = msgspec.structs.replace(event("product_viewed", "10:20"), context=msgspec.Raw(b'{"country": "CH"}'))
    compiled = flow(variables="a: b", entry=entry, exits=exits)
    done = rehearsed(compiled, one(fails, "fact.country", kind="predicate"), checkout("10:00", coupon="A"), moved)
    assert story in [decision.outcome for decision in done.decisions]
    assert failures_of(done) == {("made/1", "raised"): times}


def failures_of(rehearsal: Rehearsal) -> dict[tuple[str, ...], int]:
    return {key[1:]: count for key, count in rehearsal.tallies.items() if key[0] == "plugin_failed"}


def test_failures_beside_an_exit_that_holds_are_counted() -> None:
    exits = (
        "[{ when: { person: { plugin: { name: made, version: 1 } } }, reason: r }, { when: { event: order_placed } }]"
    )
    compiled = flow(variables="a: b", exits=exits)
    done = rehearsed(compiled, one(fails, kind="predicate"), checkout("10:00"), order("10:20"))
    assert [decision.reason for decision in done.decisions] == ["triggered", "order_placed"]
    assert failures_of(done) == {("made/1", "raised"): 2}, "at entry, and by the order"


def test_an_exit_at_send_and_an_if_are_counted_too() -> None:
    text = """
flow: f
exit_check: at_send
entry: { trigger: { event: checkout_started }, reentry: always }
exit: [{ when: { person: { plugin: { name: made, version: 1 } } }, reason: r }]
steps:
  - wait: { for: 1h }
  - if: { condition: { not: { plugin: { name: made, version: 1 } } }, then: { stop: never } }
  - label: remind
    send: { template: t, channel: log }
"""
    done = rehearsed(load(text, name="f.yaml"), one(over_budget, kind="predicate"))
    assert [command.step for command in done.commands] == ["remind"]
    assert failures_of(done) == {("made/1", "over_budget"): 2}


def test_what_is_judged_again_later_still_has_the_words_that_a_plug_in_asks_for() -> None:
    """Semantics 7.2: a message is not regretted because we have forgotten the words that it went out for."""
    plugins = one(lambda inputs: inputs["trigger.coupon"] == "A", "trigger.coupon", kind="predicate")
    compiled = flow(variables="a: b", entry="filter: { plugin: { name: made, version: 1 } }")
    stage = Stage(clock="live").tick("09:00").restart(build([compiled], plugins=plugins))
    stage.event(checkout("10:00", coupon="A", checkout_url="u")).tick("11:00", through="11:00").tick("11:01")
    [command] = stage.commands
    stage.event(event("message_reported", "11:02", command_id=command.command_id, outcome="accepted"))
    [message] = stage.profile().known().messages
    assert unpack(message.context) == {"coupon": "A"}
    stage.event(event("profile_updated", "10:30", city="Ulm"), "11:05")
    assert [one.outcome for one in stage.decisions] == ["entered", "sent", "ended"]
    left = trimmed(bind(compiled, plugins), codec.pack_words({"coupon": "A", "total": 1}))
    assert unpack(left) == {"coupon": "A"}


# --- replays -----------------------------------------------------------------------------------------------


def test_the_same_log_says_the_same_in_batches_of_any_size() -> None:
    """Semantics 1.3, with plug-ins that judge, answer and fail."""
    compiled = flow(entry="filter: { plugin: { name: judged, version: 1 } }")
    plugins = one(lambda inputs: inputs["trigger.coupon"] * 2, "trigger.coupon") | one(
        lambda inputs: len(inputs["trigger.coupon"] or "") < 3, "trigger.coupon", kind="predicate", name="judged"
    )
    events = [
        checkout(f"10:{n:02}", who=f"p{n % 7}", checkout_id=f"C{n}", **({"coupon": "A" * (n % 5)} if n % 3 else {}))
        for n in range(40)
    ]
    records = [event_record(one, at=from_datetime(one.time)) for one in events]
    said = []
    for size in (1, 7, len(records)):
        rehearsal = Rehearsal([compiled], plugins=plugins)
        for first in range(0, len(records), size):
            rehearsal.feed(records[first : first + size])
        rehearsal.finish()
        said.append((rehearsal.decisions, rehearsal.commands, failures_of(rehearsal)))
    assert said[0] == said[1] == said[2]
    assert {decision.outcome for decision in said[0][0]} == {"entered", "refused", "sent", "ended"}
    assert said[0][2]["made/1", "raised"] > 0


def test_a_rehearsal_tells_that_nothing_was_answered() -> None:
    compiled = flow()
    session = Session(compiled, lambda: Rehearsal([compiled], plugins=one(over_budget)))
    session.turn("checkout_started checkout_id=C1")
    turn = session.turn("advance 2h")
    assert turn.counted == ["the plug-in made, version 1, has not answered: over budget"]
    assert [decision.values for decision in turn.decisions if decision.outcome == "sent"] == [
        {"plugin made 1": "failed: over_budget"}
    ]


# --- the reference ------------------------------------------------------------------------------------------


def test_the_flow_of_the_reference_shows_the_three_dearest_things(tmp_path: Path) -> None:
    (tmp_path / "calls.py").write_text(CALLS)
    (tmp_path / "picks.py").write_text(PICKS)
    plugins, compiled = registry(load_plugins(tmp_path)), load(PAGE_FLOW, name="page.yaml")
    day = f"""
- name: two carts
  timeline:
    - {{ at: "10:00", checkout_started: {{ profile: p1, items: {ITEMS} }} }}
    - {{ at: "10:00", checkout_started: {{ profile: p2 }} }}
  expect: [{{ sent: remind, at: "11:00" }}, {{ sends: 2 }}]
"""
    [written] = load_timelines(day, name="page.test.yaml", flow=compiled)
    assert run(compiled, written, plugins=plugins).failures == ()
    assert coverage.measure(compiled, [written], plugins=plugins).times
    told = play(compiled, written, plugins=plugins).commands
    assert sorted(len(command.variables) for command in told) == [1, 2]
    assert [command.variables["picks"] for command in told if "picks" in command.variables] == [["P-2", "P-3", "P-4"]]
