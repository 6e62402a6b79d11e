"""How much: `CHAOS` is `full` for more than an hour, `quick` for some minutes; without it only the shortest is run."""

from __future__ import annotations

import os
from typing import TypeVar

import pytest

SIZES = ("short", "quick", "full")
SIZE = SIZES.index(os.environ.get("CHAOS") or "short")
T = TypeVar("T")

in_make_chaos = pytest.mark.skipif(SIZE == 0, reason="takes longer than `make test` has; `make chaos` runs it")


def of_size(short: T, quick: T, full: T) -> T:
    """The one that was asked for."""
    return (short, quick, full)[SIZE]
