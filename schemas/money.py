"""Money: a decimal string and an ISO 4217 currency, never a float."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

_IN_USE = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE "
    "CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ "
    "GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL "
    "LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR "
    "PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY "
    "TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XCD XCG XDR XOF XPD XPF XPT XSU XTS "
    "XUA YER ZAR ZMW ZWG"
)
#: ISO 4217, those in use. Events may carry any three letters; a flow file that asks for others has a slip of the pen.
CURRENCIES = frozenset(_IN_USE.split())
AMOUNT_PATTERN = r"^-?[0-9]{1,18}(\.[0-9]{1,9})?$"


class Money(msgspec.Struct, frozen=True, gc=False):
    """An amount in the major unit of its currency."""

    amount: Annotated[str, Meta(pattern=AMOUNT_PATTERN, examples=["19.90"])]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$", examples=["USD"])]

    def decimal(self) -> Decimal:
        """The exact amount."""
        return Decimal(self.amount)
