"""What flows are credited with: clicks, orders and refunds as events of a person, whatever comes first."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from itertools import permutations

from tests.unit.stage import Stage, checkout, event, exit_on, flow, order, send, wait

REMINDER = flow(wait(15), send(), exits=(exit_on("order_canceled", reason="canceled"),))


def reminded() -> Stage:
    return Stage(REMINDER).event(checkout("09:30")).event(event("site_active", "09:50"))


def clicked(stage: Stage, time: str) -> Stage:
    return stage.event(event("message_clicked", time, command_id=stage.commands[0].command_id))


def earned(stage: Stage) -> dict[str, Decimal]:
    """Net by flow and currency."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for one in stage.decisions:
        if one.outcome == "credited":
            sums[f"{one.flow} {one.values['currency']}"] += Decimal(one.values["amount"])
    return sums


def test_S0_21_revenue_per_flow() -> None:  # noqa: N802 - the row's own name
    """Semantics 9.7: click 10:00, order 80 next day, refund 30: the flow has 50; a second copy adds nothing."""
    stage = clicked(reminded(), "10:00")
    refund = event("order_refunded", "+2 10:00", order_id="O1", refund_id="R1", total="30.00")
    for one in (order("+1 09:00", order_id="O1", total="80.00"), refund):
        stage.event(one).event(one)
    assert earned(stage) == {"reminder USD": Decimal("50.00")}
    credits_ = [one for one in stage.decisions if one.outcome == "credited"]
    assert [(one.values["amount"], one.values["net"]) for one in credits_] == [("80.00", "80.00"), ("-30.00", "50.00")]
    assert {one.step for one in credits_} == {"remind"}


def test_S0_21_a_copy_under_another_id_adds_nothing_either() -> None:  # noqa: N802
    """Of the click, of the order and of the refund: as a platform that reports something once more does."""
    stage = clicked(reminded(), "10:00")
    again = event("message_clicked", "10:00", id="again", command_id=stage.commands[0].command_id)
    stage.event(again)
    for copy in ("one", "two"):
        stage.event(order("+1 09:00", id=f"order {copy}", order_id="O1", total="80.00"))
        refund = event("order_refunded", "+2 10:00", id=f"refund {copy}", order_id="O1", refund_id="R1", total="30.00")
        stage.event(refund)
    assert earned(stage) == {"reminder USD": Decimal("50.00")}


def test_what_arrives_first_makes_no_difference() -> None:
    def refund(stage: Stage) -> Stage:
        return stage.event(event("order_refunded", "11:00", order_id="O1", refund_id="R1", total="30.00"), "12:00")

    def click(stage: Stage) -> Stage:
        return clicked(stage, "10:00")

    def buy(stage: Stage) -> Stage:
        return stage.event(order("10:30", order_id="O1", total="80.00"), "12:00")

    for some in permutations((click, buy, refund)):
        stage = reminded()
        for change in some:
            change(stage)
        assert earned(stage) == {"reminder USD": Decimal("50.00")}


def test_a_click_that_nobody_remembers_says_itself_whose_it_was() -> None:
    stage = Stage(REMINDER).event(checkout("09:30", who="bob"))
    stage.event(event("message_clicked", "10:00", command_id="c1", flow="reminder", step="remind"))
    stage.event(event("message_clicked", "10:01", command_id="c2")).event(order("10:30", order_id="O1", total="80.00"))
    assert earned(stage) == {"reminder USD": Decimal("80.00")}


def test_a_late_click_that_two_orders_are_credited_to_makes_two_decisions() -> None:
    stage = reminded().event(order("10:30", order_id="O1", total="80.00"), "12:00")
    clicked(stage.event(order("10:40", order_id="O2", total="20.00"), "12:00"), "10:00")
    found = [one for one in stage.decisions if one.outcome == "credited"]
    assert [one.values["order_id"] for one in found] == ["O1", "O2"]
    assert len({one.decision_id for one in found}) == 2


def test_orders_of_people_without_messages_are_not_looked_at() -> None:
    stage = Stage(REMINDER).event(order("10:30", order_id="O1", total="80.00"))
    assert stage.profile().dossier is None


def test_history_earns_nothing() -> None:
    stage = clicked(reminded(), "10:00").event(order("10:30", order_id="O1", total="80.00", backfill=True))
    assert earned(stage) == {}
