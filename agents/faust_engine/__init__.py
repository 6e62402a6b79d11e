"""The part of Faust that is replaced, and the only place that knows Faust's private names.

`docs/faust-engine.md` says which names those are and why; a contract test fails when one of them changes.
"""

from __future__ import annotations

from agents.faust_engine.duties import Delivery, Duties
from agents.faust_engine.ending import end_process
from agents.faust_engine.engine import Engine
from agents.faust_engine.options import EngineOptions
from agents.faust_engine.producer import Batches
from agents.outgoing import Written

__all__ = ["Batches", "Delivery", "Duties", "Engine", "EngineOptions", "Written", "end_process"]
