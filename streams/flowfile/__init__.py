"""Flow files: strict YAML to compiled flows, or to findings with file, line, column and the nearest known word."""

from __future__ import annotations

from streams.flowfile.compiler import Checked, check, load, locate
from streams.flowfile.findings import Finding, FlowFileError
from streams.flowfile.policy import CheckedPolicy, check_policy
from streams.flowfile.timeline_file import load_timelines

__all__ = [
    "Checked", "CheckedPolicy", "Finding", "FlowFileError", "check", "check_policy", "load", "load_timelines", "locate",
]  # fmt: skip
