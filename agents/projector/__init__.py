"""The projector: copies decisions from their topic into PostgreSQL, where `cartwheel why` and `why-not` look them up.

It decides nothing and nothing waits for it: without it messages go all the same, and later it takes up where it was.
"""

from __future__ import annotations

from agents.projector.process import Options, run

__all__ = ["Options", "run"]
