"""Intake: judges raw records, forwards the good ones to the profile log, and says how far it is."""

from __future__ import annotations

from agents.intake.metrics import Metrics
from agents.intake.process import run

__all__ = ["Metrics", "run"]
