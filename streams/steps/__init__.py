"""Steps: one module per kind, one line each in this table. A step looks at its passage and says where to go.

The kinds of `wait` have no module here: an enrollment waits by being armed (`streams.arming`), and being woken there
completes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas.steps import Emit, EnterFlow, If, Probe, Route, Send, SetFact, Settle, Split, Stop
from streams.passage import Move, Passage
from streams.steps import branch, emit, enter_flow, probe, route, send, set_fact, settle, split, stop

RUN: dict[type, Callable[[Any, Passage], Move]] = {
    Settle: settle.run,
    If: branch.run,
    Route: route.run,
    Send: send.run,
    Split: split.run,
    SetFact: set_fact.run,
    Emit: emit.run,
    EnterFlow: enter_flow.run,
    Stop: stop.run,
    Probe: probe.run,
}
