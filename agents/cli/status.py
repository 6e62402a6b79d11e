"""`cartwheel status`: the local stack and the processes that run from this home."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.table import Table

from agents import stack
from agents.cli.options import takes_console, takes_local_settings
from agents.console import Console
from agents.settings import Settings


@click.command()
@takes_local_settings
@takes_console
def command(*, settings: Settings, console: Console) -> None:
    """Show whether Kafka and PostgreSQL run, where they answer, and which processes run from this home."""
    services = stack.status(settings)
    members = stack.members(settings.home)
    table = Table("name", "state", "pid", "address", box=None, pad_edge=False)
    for service in services:
        table.add_row(service.name, service.state, str(service.pid or ""), service.address or "")
    for member in members:
        table.add_row(member.name, "running", str(member.running.pid), member.metrics_url or "")
    data = {
        "services": [asdict(service) for service in services],
        "processes": [
            {"name": member.name, "pid": member.running.pid, "metrics_url": member.metrics_url} for member in members
        ],
    }
    console.result(data, table)
