"""Steps: one module per kind, one line each in this table. A step looks at its passage and says where to go.

`wait` has no module: an enrollment waits by being armed (`streams.entry.arm`), and being woken there completes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas.steps import If, Probe, Route, Send, Settle, Stop
from streams.passage import Move, Passage
from streams.steps import branch, probe, route, send, settle, stop

RUN: dict[type, Callable[[Any, Passage], Move]] = {
    Settle: settle.run,
    If: branch.run,
    Route: route.run,
    Send: send.run,
    Stop: stop.run,
    Probe: probe.run,
}
