"""`cartwheel revenue`: what orders were credited to which flow, from the decisions that the projector has kept."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import click
from rich.table import Table

from agents import stack
from agents.cli.options import takes_console, takes_settings
from agents.console import Console
from agents.dispatch.database import connected
from agents.projector import answers
from agents.projector.answers import Revenue
from agents.settings import Settings

PATIENCE_SECONDS = 5.0
DAYS_DEFAULT = 30


@click.command()
@click.option("--tenant", required=True, help="Whose flows.")
@click.option("--days", type=click.IntRange(1, 3_660), default=DAYS_DEFAULT, show_default=True, help="So far back.")
@takes_settings
@takes_console
def command(*, settings: Settings, console: Console, tenant: str, days: int) -> None:
    """Show by flow and currency what orders it was credited with, refunds taken off: those of people who had clicked in
    one of its messages at most five days before. Counted are credits of the last DAYS days (UTC).
    """
    since = (datetime.now(UTC) - timedelta(days=days - 1)).date()
    found = asyncio.run(_revenue(settings, tenant, since))
    table = Table("flow", "currency", "orders", "net", box=None, pad_edge=False)
    for one in found:
        table.add_row(one.flow, one.currency, f"{one.orders:,}", one.net)
    data = {"tenant": tenant, "since": since.isoformat(), "flows": [one._asdict() for one in found]}
    console.result(data, table if found else f"nothing was credited since {since}")


async def _revenue(settings: Settings, tenant: str, since: date) -> list[Revenue]:
    postgres = stack.postgres_address(settings)
    async with connected(postgres, namespace=settings.namespace, patience_seconds=PATIENCE_SECONDS) as database:
        return await answers.revenue(database, tenant=tenant, since=since)
