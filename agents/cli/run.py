"""`cartwheel run`: intake, worker, dispatcher and projector together, on a laptop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import click
from rich.markup import escape

from agents import recipes, stack, topics_admin
from agents.cli.options import names_plugins, takes_settings, takes_stops
from agents.console import Console
from agents.errors import Halted
from agents.mailbox import Mailbox
from agents.settings import LOOPBACK, Settings, choose_ports
from agents.supervisor import Crew, Ended, crew
from schemas.command import Clock
from schemas.topics import topics

COLORS = {"intake": "cyan", "worker": "magenta", "dispatcher": "green", "projector": "blue"}


@click.command()
@click.option(
    "--flows",
    type=click.Path(exists=True, path_type=Path),
    help="A flow file, or a folder, to publish first.",
)
@click.option(
    "--templates",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the message templates [`templates` beside the flows, or those of the recipes].",
)
@names_plugins
@takes_stops
@click.option("--clock", type=click.Choice(["live", "carried"]), default="live", show_default=True)
@takes_settings
def command(
    *,
    settings: Settings,
    flows: Path | None,
    templates: Path | None,
    plugins_path: Path | None,
    resume_stopped: tuple[tuple[int, int], ...],
    clock: Clock,
) -> None:
    """Run intake, worker, dispatcher and projector together until Ctrl-C; when one of them ends, all are stopped.

    Creates the topics if they are not there. Unless CARTWHEEL_SMTP names a server, messages go to a local mailbox,
    which shows them and delivers them to nobody. A log with a carried clock is for replays: see `cartwheel feed`.
    """
    beside = None if flows is None else (flows if flows.is_dir() else flows.parent) / recipes.TEMPLATES
    texts = templates or (beside if beside is not None and beside.is_dir() else None)
    stops = [f"--resume-stopped={partition}@{offset}" for partition, offset in resume_stopped]
    arguments = {
        "intake": ["intake"],
        "worker": [
            "worker",
            *stops,
            *(["--flows", str(flows)] if flows else []),
            *(["--plugins", str(plugins_path)] if plugins_path else []),
        ],
        "dispatcher": [
            "dispatcher",
            *(["--carried"] if clock == "carried" else []),
            *(["--templates", str(texts)] if texts else []),
        ],
        "projector": ["projector"],
    }
    asyncio.run(_run(settings, stack.resolve(settings), arguments, clock=clock))


async def _run(
    settings: Settings, addresses: stack.Addresses, arguments: dict[str, list[str]], *, clock: Clock
) -> None:
    console = Console()
    await stack.wait_for_kafka(addresses.kafka, say=console.say)
    await topics_admin.apply(addresses.kafka, topics(settings.namespace, partitions=settings.partitions), clock=clock)
    smtp, page = choose_ports(settings.smtp, settings.mailbox)
    environ = os.environ | {"CARTWHEEL_NAMESPACE": settings.namespace, "CARTWHEEL_HOME": str(settings.home)}
    async with AsyncExitStack() as running:
        if settings.smtp.configured is None:
            mailbox = await running.enter_async_context(Mailbox(smtp_port=smtp, page_port=page))
            environ["CARTWHEEL_SMTP"] = f"{LOOPBACK}:{smtp}"
            console.say(f"messages at {mailbox.url}")
        processes = await running.enter_async_context(crew(environ, say=_in_color(console)))
        for name, words in arguments.items():
            await processes.start(name, words)
        ended = await _first_end_or_signal(processes)
    if ended is not None:
        raise Halted(
            f"{ended.name} ended with code {ended.code}, so the others were stopped",
            next_step="its last lines above say why; nothing is lost, start again with `cartwheel run`",
        )


async def _first_end_or_signal(processes: Crew) -> Ended | None:
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    waits = asyncio.create_task(asked.wait()), asyncio.create_task(processes.first_end())
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return None if asked.is_set() else waits[1].result()


def _in_color(console: Console) -> Callable[[str, str], None]:
    width = max(map(len, COLORS))

    def say(name: str, line: str) -> None:
        console.err.print(f"[{COLORS[name]}]{name:<{width}}[/] {escape(line)}")

    return say
