"""`cartwheel down`: stop the local stack."""

from __future__ import annotations

import click

from agents import stack
from agents.cli.options import takes_console, takes_local_settings
from agents.console import Console
from agents.settings import Settings


@click.command()
@takes_local_settings
@takes_console
def command(*, settings: Settings, console: Console) -> None:
    """Stop what `up` started, and nothing else. Data is kept, and the next `up` takes the same ports if it can."""
    console.result({"stopped": stack.down(settings, console=console)})
