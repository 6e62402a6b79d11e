"""One week of real clicks as lines for `cartwheel replay`.

    python -m tests.data.clicks EVENTS.csv [--synced] > week.ndjson

The data itself may not be kept here. The file has one row per hit, or one per hit and product; the rows of one hit
become one event, named after the first product.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.data.lines import ORDER_PLACED, Hit, lines

TYPES = {
    "product_detail_view": "commerce.product.viewed.v1",
    "add_to_cart": "commerce.cart.item_added.v1",
    "checkout": "commerce.checkout.started.v1",
    "purchase": ORDER_PLACED,
}


def read_hits(path: Path) -> Iterator[Hit]:
    """The hits of a clickstream file that act on the shop, each once, as the file orders them."""
    seen: set[tuple[str, str, str]] = set()
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            identity = (row["full_visitor_id"], row["visit_id"], row["hit_number"])
            if row["action"] in TYPES and identity not in seen:
                seen.add(identity)
                yield _hit(row)


def money(micros: str) -> str:
    """Millionths of a dollar as a decimal amount."""
    return str((Decimal(micros) / 1_000_000).quantize(Decimal("0.01")))


def _hit(row: dict[str, str]) -> Hit:
    kind = TYPES[row["action"]]
    return Hit(
        occurred_at=int(row["ts_ms"]),
        visitor=row["full_visitor_id"],
        visit=row["visit_id"],
        number=int(row["hit_number"]),
        type=kind,
        properties={"order_id": row["transaction_id"]} if kind == ORDER_PLACED else _product(row),
        order_id=row["transaction_id"],
        revenue=money(row["revenue_micros"]) if row["revenue_micros"] else None,
    )


def _product(row: dict[str, str]) -> dict[str, Any]:
    if not row["sku"] or row["action"] == "checkout":
        return {}
    price = {"amount": money(row["price_micros"] or "0"), "currency": "USD"}
    return {"product_id": row["sku"], "name": row["product_name"], "price": price}


def main() -> None:
    """Write the lines to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", type=Path, help="the saved events file")
    parser.add_argument(
        "--synced", action="store_true", help="orders arrive at :00 and :30, each sync with a watermark"
    )
    arguments = parser.parse_args()
    sys.stdout.writelines(line + "\n" for line in lines(read_hits(arguments.events), synced=arguments.synced))


if __name__ == "__main__":
    main()
