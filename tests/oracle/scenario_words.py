"""The few values that random scenarios are made of; few, so that they meet."""

from __future__ import annotations

CHECKOUTS = ("C1", "C2", "C3")
PRODUCTS = ("A", "B", "AB")
CHANNELS = ("1", "2", "3")
AMOUNTS = ("19.99", "20.00", "80.00")
