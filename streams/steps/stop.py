"""`stop`: the end, with its reason."""

from __future__ import annotations

from schemas.steps import Stop
from streams.passage import End, Move, Passage


def run(step: Stop, passage: Passage) -> Move:
    """Ends the enrollment."""
    return End(step.reason)
