"""`cartwheel up`: start the local stack."""

from __future__ import annotations

import click

from agents import stack
from agents.cli.options import takes_console, takes_local_settings
from agents.console import Console
from agents.settings import Settings, without_password


@click.command()
@click.option("--fetch-only", is_flag=True, help="Bring everything that a start needs, and start nothing.")
@takes_local_settings
@takes_console
def command(*, settings: Settings, console: Console, fetch_only: bool) -> None:
    """Start the local Kafka and PostgreSQL; what runs already is left alone.

    Data and logs lie under CARTWHEEL_HOME. A server named by CARTWHEEL_KAFKA or CARTWHEEL_POSTGRES is used instead of a
    local one.
    """
    if fetch_only:
        stack.fetch(settings, console=console)
        console.result({"fetched": True})
        return
    addresses = stack.up(settings, console=console)
    postgres = without_password(addresses.postgres)
    console.result(
        {"kafka": addresses.kafka, "postgres": postgres},
        f"Kafka       {addresses.kafka}\nPostgreSQL  {postgres}",
    )
