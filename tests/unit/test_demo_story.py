"""The story of the demo: it finds a message that breaks the promise, and takes none for one that does not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents import recipes
from agents.demo.play import write_flows
from agents.demo.shop import DAY_ENDS_AT, DAY_STARTS_AT, YEAR_ENDS_AT, sample_day
from agents.demo.story import SENT, tell
from agents.dispatch.templates import Templates
from agents.flow_files import load_flows, load_policy
from agents.replaying import replay
from schemas.command import Command
from schemas.instants import from_wire

ANN = {"email": "ann@example.com"}


def line(type_: str, at: str, **properties: str) -> dict[str, Any]:
    return {"type": type_, "time": f"2026-03-14T{at}:00.000Z", "identity": ANN, "properties": properties}


def message(flow: str, at: str, **trigger: str) -> Command:
    return Command(
        command_id="c" * 32, decision_id="d" * 32, enrollment_id="e" * 32, tenant="t", profile_id="p", flow=flow,
        flow_version="v", step="s", visit=1, channel="email", addresses=ANN, message_class="marketing", template="t",
        variables={"trigger": trigger}, decided_at=f"2026-03-14T{at}:00.000Z", not_after=f"2026-03-14T{at}:00.000Z",
        clock="carried",
    )  # fmt: skip


CHECKOUT = line("commerce.checkout.started.v1", "10:00", checkout_id="C1")
ORDER = line("commerce.order.placed.v1", "10:30", order_id="O1")
COPY = line("commerce.order.placed.v1", "10:31", order_id="O1")
NEXT = line("commerce.order.placed.v1", "12:00", order_id="O2")


@pytest.mark.parametrize(
    ("lines", "sent", "broken"),
    [
        ([CHECKOUT, ORDER], message("abandoned_checkout", "11:00", checkout_id="C1"), True),
        ([CHECKOUT, ORDER], message("abandoned_checkout", "10:29", checkout_id="C1"), False),
        ([ORDER, COPY, NEXT], message("winback", "12:00", order_id="O1"), True),
        ([ORDER, COPY, NEXT], message("winback", "11:59", order_id="O1"), False),
        ([ORDER, COPY, NEXT], message("thank_you_first_order", "13:00", order_id="O1"), False),
        ([ORDER], message("welcome", "13:00", list_id="newsletter"), False),
    ],
)
def test_only_a_reminder_of_what_was_bought_breaks_the_promise(
    lines: list[dict[str, Any]], sent: Command, broken: bool
) -> None:
    assert tell([], [sent], lines).broken == ([sent.command_id] if broken else [])


def test_the_same_seed_gives_the_same_day_in_order_of_arrival() -> None:
    day = list(sample_day(seed=7, visitors=60))
    assert day == list(sample_day(seed=7, visitors=60))
    arrivals = [from_wire(one.get("arrived_at") or one["time"]) for one in day]
    assert arrivals == sorted(arrivals)
    assert (DAY_STARTS_AT <= arrivals[0] <= DAY_ENDS_AT, arrivals[-1] <= YEAR_ENDS_AT) == (True, True)


def test_every_recipe_writes_to_somebody_and_no_two_about_the_same_checkout(tmp_path: Path) -> None:
    """The day of `make demo`, by the core alone."""
    flows, file, day = write_flows(tmp_path / "flows"), tmp_path / "day.ndjson", list(sample_day(seed=7))
    file.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in day))
    played = replay(load_flows(flows), file, policy=load_policy(flows))
    commands = played.rehearsal.commands
    story = tell(played.rehearsal.decisions, commands, day)
    assert (played.refused, story.broken) == ([], [])
    stems = {stem for recipe in recipes.library().values() for stem in recipe.stems} - {recipes.POLICY}
    assert {flow for flow, counts in story.counts.items() if counts[SENT.get(flow, "reminded")]} == stems
    assert {"went_on_with_prime", "went_on_in_the_shop", "bought_with_prime", "bought_in_the_shop"} <= {
        one.reason for one in played.rehearsal.decisions if one.outcome == "ended"
    }
    about = Counter(
        (command.addresses["email"], trigger["checkout_id"])
        for command in commands
        if "checkout_id" in (trigger := command.variables["trigger"]) and "order_id" not in trigger
    )
    assert set(about.values()) == {1}
    shipped = Templates(flows / recipes.TEMPLATES)
    for command in commands:
        assert shipped.render(command.template, {**command.variables, "addresses": command.addresses})
