"""The garbage collector: how seldom it is to look through what lives on."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: Python's own are 700, 10, 10. Each profile that is loaded brings objects that live on: looked through while they are
#: few, that takes milliseconds, a hundred times as many at once take a second. What has lived on is left alone.
THRESHOLDS = (5_000, 2, 20_000)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """For as long as this lasts. Looking again and again through what a replay keeps would be a tenth of its time."""
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
