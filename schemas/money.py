"""Money: a decimal string and an ISO 4217 currency, never a float."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

AMOUNT_PATTERN = r"^-?[0-9]{1,18}(\.[0-9]{1,9})?$"


class Money(msgspec.Struct, frozen=True, gc=False):
    """An amount in the major unit of its currency."""

    amount: Annotated[str, Meta(pattern=AMOUNT_PATTERN, examples=["19.90"])]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$", examples=["USD"])]

    def decimal(self) -> Decimal:
        """The exact amount."""
        return Decimal(self.amount)
