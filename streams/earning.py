"""Earning: clicks, orders and refunds of one person, and what that credits to the flows whose messages were clicked.

A click names its command. Its message is remembered for a while (`streams.messages`); a click after that says itself,
in the words `flow` and `step`, whose message it was. Orders are looked at only for whoever has messages or clicks.

For example:

    10:00 click in a reminder, next day an order of 80.00, later a refund of 30.00
        -> credited 80.00 to the flow of the reminder, then credited -30.00: 50.00 net
"""

from __future__ import annotations

from schemas.dossier import Click, Purchase
from schemas.instants import to_wire
from schemas.profile import Profile
from streams import attribution, messages, weight
from streams.program import Program
from streams.recorder import Recorder
from streams.verdict import Note, Trigger
from streams.words import Parts, by_part, select

CLICK, ORDER, REFUND = "message_clicked", "order_placed", "order_refunded"
PARTS: dict[str, Parts] = {
    CLICK: by_part(CLICK),
    ORDER: by_part(ORDER, ("order_id", "total")),
    REFUND: by_part(REFUND, ("order_id", "refund_id", "total")),
}
CLICK_BYTES, PURCHASE_BYTES = 256, 160  # at most what one adds to the state


def concerns(profile: Profile, type_: str) -> bool:
    """Whether an event of this type may credit something to a flow."""
    if type_ not in PARTS:
        return False
    dossier = profile.dossier
    return type_ == CLICK or (dossier is not None and bool(dossier.clicks or dossier.messages))


def take(program: Program, profile: Profile, trigger: Trigger, *, now: int, out: Recorder) -> None:
    """Apply one event that concerns it, and write down what it credits. Raises Undecodable."""
    words = select(trigger.event, PARTS[trigger.type], trigger.parts)
    if trigger.type == CLICK:
        forgot, size = _clicked(program, profile, trigger, words, out), CLICK_BYTES
    else:
        forgot, size = _bought(profile, trigger, words), PURCHASE_BYTES
    if forgot is None:
        return
    if forgot:
        out.tallies[("evicted", "earnings")] += 1
    for credit in attribution.reckon(profile.known()):
        _write(program, profile, credit, now=now, out=out)
    weight.add(profile, size, out)


def _clicked(program: Program, profile: Profile, trigger: Trigger, words: dict[str, str], out: Recorder) -> bool | None:
    command_id = words.get("command_id", "")
    message = messages.find(profile, command_id)
    if message is not None:
        click = Click(
            command_id, message.flow, message.version, message.step, message.enrollment_id, trigger.occurred_at
        )
    elif command_id and (flow := program.flows.get(words.get("flow", ""))) is not None:
        click = Click(command_id, flow.name, flow.version, words.get("step", ""), "", trigger.occurred_at)
    else:
        out.tallies[("receipt", "not_matched")] += 1
        return None
    return attribution.clicked(profile.known(), click)


def _bought(profile: Profile, trigger: Trigger, words: dict[str, dict[str, str]]) -> bool | None:
    total, order_id = words.get("total"), words.get("order_id")
    if trigger.event.backfill or total is None or not isinstance(order_id, str):
        return None
    amount, currency, at = total["amount"], total["currency"], trigger.occurred_at
    if trigger.type == ORDER:
        return attribution.bought(
            profile.known(), Purchase(order_id=order_id, occurred_at=at, amount=amount, currency=currency)
        )
    refund_id = words.get("refund_id") or trigger.event.dedupe_key or trigger.event.id
    return attribution.refunded(
        profile.known(), order_id=order_id, refund_id=str(refund_id), amount=amount, currency=currency, occurred_at=at
    )


def _write(program: Program, profile: Profile, credit: attribution.Credit, *, now: int, out: Recorder) -> None:
    """A decision of the flow in the version that ordered the message, or the newest; of a flow that is gone, none."""
    click = credit.click
    flow = program.versions.get((click.flow, click.version)) or program.flows.get(click.flow)
    if flow is None:
        return
    values = {
        "order_id": credit.purchase.order_id,
        "amount": credit.amount,
        "currency": credit.purchase.currency,
        "net": credit.net,
        "clicked_at": to_wire(click.occurred_at),
        "command_id": click.command_id,
    }
    order = f"/{credit.purchase.order_id}"
    note = Note(outcome="credited", reason="clicked", step=click.step, values=values, apart=order)
    out.note(flow, profile, None, note, now=now)
