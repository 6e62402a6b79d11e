"""Named points at which a process may be made to die, so that a test can prove that dying there costs nothing.

Nothing happens at any of them unless the process was started with `CARTWHEEL_KILL_POINT=NAME:PROBABILITY[:SIGNAL]`;
the command that starts the process hands that text to `arm`.
"""

from __future__ import annotations

import os
import random
import signal
from dataclasses import dataclass

from agents.errors import Misconfigured

VARIABLE = "CARTWHEEL_KILL_POINT"

WORKER_POINTS = (
    "claim_written",
    "tick_produced",
    "outputs_produced",
    "outputs_acknowledged",
    "between_state_batches",
    "state_acknowledged",
    "local_store_written",
    "recovery",
    "rebuild",
    "seek",
)
INTAKE_POINTS = ("forward_produced", "forward_acknowledged", "progress_written")
DISPATCHER_POINTS = ("dispatch_inserted", "dispatch_claimed", "dispatch_sent", "receipt_produced")
PROJECTOR_POINTS = ("projector_inserted",)
POINTS = frozenset(WORKER_POINTS + INTAKE_POINTS + DISPATCHER_POINTS + PROJECTOR_POINTS)


@dataclass(frozen=True, slots=True)
class KillPoint:
    """Where to die, how likely each time it is reached, and by which signal."""

    name: str
    probability: float
    signal: signal.Signals


_armed: KillPoint | None = None


def arm(text: str | None) -> None:
    """Set the kill point of this process; `None` or an empty text sets none. Raises `Misconfigured`."""
    global _armed
    _armed = _parse(text) if text else None


def reached(name: str) -> None:
    """Die here if this is the armed point and chance wants it. It strikes once, for signals that one survives."""
    global _armed
    if _armed is None or _armed.name != name or random.random() >= _armed.probability:
        return
    point, _armed = _armed, None
    os.write(2, f"KILL POINT {name} {point.signal.name}\n".encode())
    os.kill(os.getpid(), point.signal)


def _parse(text: str) -> KillPoint:
    name, _, rest = text.partition(":")
    probability, _, signal_name = rest.partition(":")
    try:
        point = KillPoint(name, float(probability), signal.Signals[f"SIG{signal_name or 'KILL'}"])
    except (ValueError, KeyError):
        raise _refusal(text) from None
    if name not in POINTS or not 0 <= point.probability <= 1:
        raise _refusal(text)
    return point


def _refusal(text: str) -> Misconfigured:
    return Misconfigured(
        f"{VARIABLE} is {text!r}; it must be NAME:PROBABILITY[:SIGNAL], for example seek:0.5 or rebuild:1:STOP",
        next_step=f"unset it, or name one of {', '.join(sorted(POINTS))}",
    )
