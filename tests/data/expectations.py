"""What eight flows do with a week of clicks, measured by the oracle.

    python -m tests.data.expectations LIVE.ndjson[.gz] SYNCED.ndjson[.gz] > expected.json

`LIVE` has every order when it happened, `SYNCED` at the next full or half hour with a watermark per sync. Which of them
a flow is measured on stands in `ORDERS`.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.oracle.flowfile import Flow, load_flow
from tests.oracle.identity import hashed
from tests.oracle.people import Command
from tests.oracle.records import Event, as_mapping, event, instant
from tests.oracle.replay import run_carried

FLOWS = Path(__file__).parent / "flows"
#: The flows of the table, in its order, and how orders reach them.
ORDERS = {
    "checkout_4h": "live",
    "checkout_1h": "live",
    "cart_4h": "live",
    "view_2h": "live",
    "checkout_4h_at_send": "live",
    "checkout_15m_at_send": "live",
    "checkout_15m_unsettled": "synced",
    "checkout_15m_settled": "synced",
}


def load_flows() -> dict[str, Flow]:
    """The eight flows by name, in the order of the table."""
    return {name: load_flow((FLOWS / f"{name}.yaml").read_text(encoding="utf-8")) for name in ORDERS}


def read_lines(path: Path) -> list[str]:
    """The lines of a file, compressed or not."""
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode().splitlines()


def measure(*, live: Sequence[str], synced: Sequence[str]) -> dict[str, Any]:
    """The table for one week, and what the week holds."""
    flows = load_flows()
    table: dict[str, Any] = {}
    duplicates = 0
    for orders, week in (("live", live), ("synced", synced)):
        result = run_carried([flows[name] for name in ORDERS if ORDERS[name] == orders], week)
        duplicates = result.duplicates
        for name, counts in result.summary()["flows"].items():
            commands = [command for command in result.commands if command.flow == name]
            wrong = sent_to_buyers(commands, lines=week, trigger=flows[name].event)
            refused = result.refused[name]["reentry"]
            table[name] = {"orders": orders, **counts, "refused_by_reentry": refused, "sent_to_buyers": wrong}
    return {
        "week": describe(live) | {"duplicates": duplicates},
        "flows": {name: table[name] for name in ORDERS},
    }


def sent_to_buyers(commands: Sequence[Command], *, lines: Sequence[str], trigger: str) -> int:
    """How many went to somebody who, after entering and by the moment it was decided, had bought at the shop.

    Told from the lines alone, whatever had arrived by then, for a flow without a key. Of the copies of an order only
    the first counts: the others say nothing new, though their time is later.
    """
    events = _events(lines)
    entered: dict[str, int] = {}
    bought: dict[str, list[int]] = {}
    flow = commands[0].flow if commands else ""
    for one in events:
        if one.name == trigger:
            enrollment = hashed(one.tenant, one.profile_id, flow, "", one.name, one.dedupe)
            entered.setdefault(enrollment, one.occurred_at)
    for order in _orders(events):
        bought.setdefault(order.profile_id, []).append(order.occurred_at)
    return sum(
        any(entered[command.enrollment_id] < at <= command.decided_at for at in bought.get(command.profile_id, []))
        for command in commands
    )


def describe(lines: Sequence[str]) -> dict[str, Any]:
    """Counts by event, visitors, distinct orders, and their revenue when the first copy is kept."""
    events = _events(lines)
    counts = {name: sum(one.name == name for one in events) for name in sorted({one.name for one in events})}
    orders = _orders(events)
    revenue = sum((Decimal(order.words["total"]["amount"]) for order in orders if order.words["total"]), Decimal())
    visitors = len({one.profile_id for one in events})
    return {"events": counts, "visitors": visitors, "orders": len(orders), "revenue": str(revenue)}


def _orders(events: Sequence[Event]) -> list[Event]:
    """The first copy of each order."""
    first: dict[str, Event] = {}
    for one in events:
        if one.name == "order_placed":
            first.setdefault(one.dedupe, one)
    return list(first.values())


def _events(lines: Sequence[str]) -> list[Event]:
    records = [as_mapping(line) for line in lines]
    return [
        event(record, appended_at=instant(record.get("arrived_at") or record["time"]), position=position)
        for position, record in enumerate(records)
        if "watermark" not in record
    ]


def main() -> None:
    """Print the expectations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("live", type=Path)
    parser.add_argument("synced", type=Path)
    arguments = parser.parse_args()
    print(json.dumps(measure(live=read_lines(arguments.live), synced=read_lines(arguments.synced)), indent=2))


if __name__ == "__main__":
    main()
