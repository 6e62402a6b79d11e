"""The weeks of clicks that the eight flows run over, what `cartwheel replay` makes of them, and what it must."""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from schemas import codec
from schemas.decision import Decision
from tests.data import clicks, expectations, lines
from tests.data.synthetic_week import FILES
from tests.e2e.processes import cartwheel
from tests.oracle.people import Command
from tests.oracle.records import instant

DATA = Path(expectations.__file__).parent
SAVED_WEEK = DATA.parents[2] / "shared/data/ga360-merchandise-store/events_2016-08-01_2016-08-07.csv"
NOT_HERE = "the saved week may not be kept in the project and is not here"
Row = dict[str, Any]


class Week(NamedTuple):
    """A week: its two files, by how orders reach the shop (`live`, `synced`), and what the oracle expects of it."""

    name: str
    files: dict[str, Path]
    expected: dict[str, Any]

    def rows(self, orders: str) -> dict[str, Row]:
        """What is expected of the flows that run on one of the files."""
        return {name: row for name, row in self.expected["flows"].items() if row["orders"] == orders}


def synthetic_week() -> Week:
    """The week that is part of the project."""
    files = {"live": DATA / FILES[False], "synced": DATA / FILES[True]}
    return Week("synthetic", files, _expected("expected_synthetic_week.json"))


def saved_week(folder: Path) -> Week:
    """The week of real clicks, converted into a folder."""
    hits = list(clicks.read_hits(SAVED_WEEK))
    files = {"live": folder / "saved_week.ndjson", "synced": folder / "saved_week_synced.ndjson"}
    for orders, file in files.items():
        file.write_text("".join(line + "\n" for line in lines.lines(hits, synced=orders == "synced")))
    return Week("saved", files, _expected("expected_saved_week.json"))


def flows_on(orders: str, folder: Path) -> Path:
    """The flow files that run on one of the files, copied into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, on in expectations.ORDERS.items():
        if on == orders:
            shutil.copy(expectations.FLOWS / f"{name}.yaml", folder)
    return folder


class Replayed(NamedTuple):
    """What `cartwheel replay` said: the object of `--json`, and the decisions."""

    data: dict[str, Any]
    decisions: list[Decision]

    def sent(self) -> dict[str, str]:
        """When each command was decided, by its id."""
        return {one.command_id: one.decided_at for one in self.decisions if one.command_id and one.outcome == "sent"}


async def replay(*, flows: Path, events: Path, out: Path) -> Replayed:
    """Run `cartwheel replay`."""
    paths = ("--flows", str(flows), "--events", str(events), "--decisions", str(out))
    done = await cartwheel("replay", *paths, "--json")
    assert done.code == 0, done
    return Replayed(done.data, list(_decisions(out)))


def _decisions(file: Path) -> Iterator[Decision]:
    return (codec.decode(line, Decision) for line in file.read_bytes().splitlines())


def rows_of(replayed: Replayed, week: Week, orders: str) -> dict[str, Row]:
    """The rows of the table, from a replay."""
    return {
        name: {
            "orders": orders,
            **{column: counts[column] for column in ("entered", "ended", "sent", "skipped", "ignored")},
            "refused_by_reentry": counts["refused"].get("reentry_min_gap", 0),
            "sent_to_buyers": _sent_to_buyers(replayed.decisions, name, week, orders),
        }
        for name, counts in replayed.data["flows"].items()
    }


def told_by_decisions(rows: dict[str, Row]) -> dict[str, Row]:
    """Of the expected rows what decisions tell: of the refusals by re-entry not each is written."""
    return {
        name: {
            **{column: row[column] for column in ("entered", "ended", "sent", "skipped")},
            "ignored": row["ignored"] - row["refused_by_reentry"],
        }
        for name, row in rows.items()
    }


def rows_of_decisions(decisions: Iterable[Decision]) -> dict[str, Row]:
    """The rows as far as decisions tell them. A decision that is there twice counts once."""
    own: dict[str, list[Decision]] = defaultdict(list)
    for decision in {decision.decision_id: decision for decision in decisions}.values():
        own[decision.flow].append(decision)
    return {flow: _row(some) for flow, some in own.items()}


def _row(decisions: list[Decision]) -> Row:
    counted = Counter((one.outcome, one.reason) for one in decisions)
    by_reason = {
        outcome: {reason: count for (found, reason), count in sorted(counted.items()) if found == outcome}
        for outcome in ("ended", "skipped")
    }
    totals = Counter(one.outcome for one in decisions)
    ignored = sum(one.ignored for one in decisions)
    return {"entered": totals["entered"], "sent": totals["sent"], **by_reason, "ignored": ignored}


def _sent_to_buyers(decisions: Iterable[Decision], flow: str, week: Week, orders: str) -> int:
    commands = [
        Command(
            command_id=one.command_id or "",
            enrollment_id=one.enrollment_id or "",
            profile_id=one.profile_id,
            flow=flow,
            step=one.step or "",
            visit=1,
            decided_at=instant(one.decided_at),
        )
        for one in decisions
        if one.flow == flow and one.outcome == "sent"
    ]
    trigger = expectations.load_flows()[flow].event
    return expectations.sent_to_buyers(commands, lines=expectations.read_lines(week.files[orders]), trigger=trigger)


def _expected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / name).read_text(encoding="utf-8"))
    return found
