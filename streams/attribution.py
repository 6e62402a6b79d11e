"""Attribution: which message an order is credited to, and how much of it is left after refunds.

An order belongs to the last click that occurred at most five days before it. Clicks, orders and refunds may arrive in
any order: whenever one does, everything is reckoned again, and what differs from before is a credit, up or down.

For example:

    10:00 click in a reminder, next day an order of 80, later a refund of 30  -> credits 80 and -30: net 50
    a second copy of the order or of the refund                               -> nothing
    a click of yesterday, heard of after the order of today                   -> the credit moves to its flow
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from schemas.dossier import Click, Dossier, Purchase

WINDOW_MS = 5 * 86_400_000
CLICKS_MAX = 20  # kept of a person; the oldest is forgotten, and what it was credited with stays credited
PURCHASES_MAX = 50


class Credit(NamedTuple):
    """So much more, or less, of an order for the message of a click."""

    click: Click
    purchase: Purchase
    amount: str  # the difference, decimal text
    net: str  # what the message has of this order now


def clicked(dossier: Dossier, click: Click) -> bool:
    """Remember a click; whether the oldest one was forgotten for it."""
    if all(_when(one) != _when(click) for one in dossier.clicks):
        dossier.clicks.append(click)
        dossier.clicks.sort(key=_when)
    return _shorten(dossier.clicks, CLICKS_MAX)


def bought(dossier: Dossier, purchase: Purchase) -> bool:
    """Remember an order; whether the oldest one was forgotten for it. The first copy of an order counts.

    A refund that came before its order has left a purchase without an amount.
    """
    known = _find(dossier, purchase.order_id)
    if known is None:
        dossier.purchases.append(purchase)
    elif not known.amount:
        known.amount, known.currency, known.occurred_at = purchase.amount, purchase.currency, purchase.occurred_at
    dossier.purchases.sort(key=lambda one: (one.occurred_at, one.order_id))
    return _shorten(dossier.purchases, PURCHASES_MAX)


def refunded(dossier: Dossier, *, order_id: str, refund_id: str, amount: str, currency: str, occurred_at: int) -> bool:
    """Remember a refund; whether an older order was forgotten for it. Of one id the first copy counts.

    One in another currency than its order is not reckoned.
    """
    known = _find(dossier, order_id)
    forgot = False
    if known is None:
        known = Purchase(order_id=order_id, occurred_at=occurred_at, amount="", currency=currency)
        forgot = bought(dossier, known)
    if known.currency == currency:
        known.refunds.setdefault(refund_id, amount)
    return forgot


def reckon(dossier: Dossier) -> list[Credit]:
    """What has changed since it was last reckoned, in the order of the purchases; who loses comes before who gains."""
    changes: list[Credit] = []
    if not dossier.clicks:
        return changes  # nobody to credit, as of most who order
    by_command = {click.command_id: click for click in dossier.clicks}
    for purchase in dossier.purchases:
        loser = by_command.get(purchase.credited_to)
        winner = _last_click(dossier, purchase) or loser
        if not purchase.amount or winner is None or (purchase.credited_to and loser is None):
            continue
        net = Decimal(purchase.amount) - sum(map(Decimal, purchase.refunds.values()), Decimal())
        before = Decimal(purchase.credited)
        if winner.command_id != purchase.credited_to:
            if loser is not None:
                changes.append(Credit(loser, purchase, str(-before), "0"))
            before = Decimal()
        elif net == before:
            continue
        changes.append(Credit(winner, purchase, str(net - before), str(net)))
        purchase.credited_to, purchase.credited = winner.command_id, str(net)
    return changes


def _last_click(dossier: Dossier, purchase: Purchase) -> Click | None:
    fitting = [one for one in dossier.clicks if 0 <= purchase.occurred_at - one.occurred_at < WINDOW_MS]
    return max(fitting, key=_when, default=None)


def _when(click: Click) -> tuple[int, str]:
    return click.occurred_at, click.command_id


def _find(dossier: Dossier, order_id: str) -> Purchase | None:
    return next((one for one in dossier.purchases if one.order_id == order_id), None)


def _shorten(kept: list[Click] | list[Purchase], most: int) -> bool:
    forgets = len(kept) > most
    if forgets:
        del kept[: len(kept) - most]
    return forgets
