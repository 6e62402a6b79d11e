"""`cartwheel dispatcher`: carry out commands."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from email.headerregistry import Address
from pathlib import Path

import click
import uvloop

from agents import kill_points, resources, stack
from agents.cli.options import takes_settings
from agents.console import Console
from agents.dispatch import process
from agents.dispatch.message import named_address
from agents.errors import InputRefused
from agents.settings import Settings


@click.command()
@click.option("--carried", is_flag=True, help="Also carry out replayed commands; they reach only this machine.")
@click.option(
    "--templates",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the message templates [those that are shipped].",
)
@click.option(
    "--from", "mail_from", metavar="ADDRESS", help='Who sends e-mail: "Shop <shop@example.com>" [shop@localhost].'
)
@takes_settings
def command(*, settings: Settings, carried: bool, templates: Path | None, mail_from: str | None) -> None:
    """Take commands into the ledger, send each at most once, and report what became of it.

    E-mail goes to CARTWHEEL_SMTP (default 127.0.0.1:1025). SIGTERM or Ctrl-C ends it after what is being sent; a second
    one at once, and what was being sent is then `unknown`.
    """
    kill_points.arm(os.environ.get(kill_points.VARIABLE))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("cartwheel").setLevel(logging.INFO)
    addresses = stack.resolve(settings)
    options = process.Options(
        home=settings.home,
        namespace=settings.namespace,
        partitions=settings.partitions,
        kafka=addresses.kafka,
        postgres=addresses.postgres,
        smtp_host=settings.smtp_host,
        smtp_port=settings.smtp.configured or settings.smtp.default,
        templates=templates or resources.flows() / "templates",
        metrics_port=settings.dispatcher_metrics,
        mail_from=_mail_from(mail_from) if mail_from else process.DEFAULT_FROM,
        carried=carried,
    )
    uvloop.run(_until_signaled(options))


async def _until_signaled(options: process.Options) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)

    def ask() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, ask)
    await process.run(options, stop=stop, say=Console().say)


def _mail_from(text: str) -> Address:
    try:
        return named_address(text)
    except ValueError as error:
        raise InputRefused(
            f"--from is {text!r}, {error}", next_step='write it as shop@example.com or "Shop <shop@example.com>"'
        ) from error
