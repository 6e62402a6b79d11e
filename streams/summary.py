"""The summary of a replay: per flow, what became of its triggers. Counted from tallies, so it costs nothing extra."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


def summarize(tallies: Mapping[tuple[str, ...], int], flows: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Per flow: `entered`, `ended` by reason, `sent`, `skipped` by reason, `refused` by reason, `ignored`, `restarted`.

    `entered` includes enrollments that end where they begin; `ignored` counts triggers refused because an enrollment
    was live or re-entry forbade it, duplicates excluded; `sent` counts commands, of which a flow in shadow makes none.
    """
    return {flow: _of(flow, tallies) for flow in sorted(flows)}


def _of(flow: str, tallies: Mapping[tuple[str, ...], int]) -> dict[str, Any]:
    by_reason: dict[str, Counter[str]] = {outcome: Counter() for outcome in ("ended", "skipped", "refused")}
    totals: Counter[str] = Counter()
    for key, count in tallies.items():
        if key[0] == "command" and key[1] == flow:
            totals["command"] += count
        elif key[0] == "decision" and key[1] == flow:
            _, _, outcome, reason = key
            totals[outcome] += count
            if outcome in by_reason:
                by_reason[outcome][reason] += count
    return {
        "entered": totals["entered"],
        "ended": dict(sorted(by_reason["ended"].items())),
        "sent": totals["command"],
        "skipped": dict(sorted(by_reason["skipped"].items())),
        "refused": dict(sorted(by_reason["refused"].items())),
        "ignored": tallies.get(("ignored", flow), 0),
        "restarted": totals["restarted"],
    }
