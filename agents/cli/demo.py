"""`cartwheel demo`: a day of a sample shop, and the year after it, through the real pipeline."""

from __future__ import annotations

import asyncio
import signal

import click

from agents import stack
from agents.cli.options import takes_console, takes_local_settings
from agents.console import Console
from agents.demo.play import Played, play, prepare
from agents.demo.story import table
from agents.errors import CheckFailed
from agents.settings import Settings
from agents.stack import Addresses


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running afterwards, until Ctrl-C.")
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed is another day.")
@takes_local_settings
@takes_console
def command(*, settings: Settings, console: Console, keep: bool, seed: int) -> None:
    """Play a seeded day of a sample shop, and the year after it, through Kafka, intake, worker, PostgreSQL and
    dispatcher, with all recipes. Tells flow by flow who was written to, and who was not, and why.

    Uses a stack of its own under CARTWHEEL_HOME/demo, wiped at the start. Exits with 1 if somebody was reminded who had
    bought before, or if messages and commands differ in number.
    """
    own, addresses = prepare(settings, console=console)
    try:
        asyncio.run(_play(own, addresses, console=console, keep=keep, seed=seed))
    finally:
        stack.down(own, console=Console(as_json=True))


async def _play(settings: Settings, addresses: Addresses, *, console: Console, keep: bool, seed: int) -> None:
    async with play(settings, addresses, seed=seed, console=console) as played:
        console.result(played.as_data())
        if not console.as_json:
            _show(played, console, settings, keep=keep)
        if played.story.broken or played.messages != played.commands:
            raise CheckFailed(
                f"{len(played.story.broken)} reminders to people who had bought; {played.commands} commands became "
                f"{played.messages} messages",
                next_step=f"see the logs in {settings.home / 'logs'}, and report this: it must not happen",
            )
        if keep:
            await _until_interrupted()


def _show(played: Played, console: Console, settings: Settings, *, keep: bool) -> None:
    out = console.out
    out.print(table(played.story))
    out.print(
        f"\n{played.records:,} records, {played.copies:,} of them copies of an event that counted once; "
        f"{played.commands:,} commands, {played.messages:,} messages; "
        f"[bold green]nobody who had bought was reminded[/]. "
        f"{played.seconds:g} s."
    )
    out.print(f"Flows     {played.flows}")
    for name, url in played.metrics_urls.items():
        out.print(f"Metrics   {url}  ({name})")
    out.print(f"Messages  [bold]{played.mailbox_url}[/]")
    if keep:
        own = f"CARTWHEEL_HOME={settings.home} CARTWHEEL_NAMESPACE={settings.namespace}"
        out.print("\nEverything is left running; Ctrl-C ends it. To look at it from another terminal:")
        out.print(f"{own} CARTWHEEL_PARTITIONS={settings.partitions} cartwheel status --cluster")
    else:
        out.print("\nThey end with this command: `make demo KEEP=1` leaves the page and the metrics open.")


async def _until_interrupted() -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
