"""`cartwheel topics`: create the topics, or check that they are as declared."""

from __future__ import annotations

import asyncio
from typing import Literal, get_args

import click

from agents import stack, topics_admin
from agents.cli.options import takes_console, takes_settings
from agents.console import Console
from agents.settings import Settings
from schemas.command import Clock
from schemas.topics import topics


@click.group()
def command() -> None:
    """Create the topics, or check that they are as declared."""


@command.command()
@click.option(
    "--clock",
    type=click.Choice(get_args(Clock)),
    default="live",
    show_default=True,
    help="Whose time the log tells: the broker's, or the one that records carry (replays, demos). Chosen once.",
)
@click.option("--replicas", type=click.IntRange(1), help="Copies of each new topic [as many as brokers, at most 3].")
@takes_settings
@takes_console
def apply(*, settings: Settings, console: Console, clock: Literal["live", "carried"], replicas: int | None) -> None:
    """Create what is missing. What exists is never changed: if it is not as declared, that is an error."""

    async def work() -> tuple[list[str], topics_admin.LogIdentity]:
        kafka = stack.kafka_address(settings)
        await stack.wait_for_kafka(kafka, say=console.say)
        declared = topics(settings.namespace, partitions=settings.partitions)
        return await topics_admin.apply(kafka, declared, clock=clock, replicas=replicas)

    created, identity = asyncio.run(work())
    data = {"created": created, "clock": identity.clock, "incarnation": identity.incarnation}
    shown = [f"created {name}" for name in created] or ["every topic exists and is as declared"]
    console.result(data, "\n".join([*shown, f"the log has a {identity.clock} clock ({identity.incarnation})"]))


@command.command()
@takes_settings
@takes_console
def check(*, settings: Settings, console: Console) -> None:
    """Compare the topics with their declaration; exit code 1 names every difference."""

    async def work() -> list[topics_admin.Difference]:
        kafka = stack.kafka_address(settings)
        await stack.wait_for_kafka(kafka, say=console.say)
        return await topics_admin.check(kafka, topics(settings.namespace, partitions=settings.partitions))

    differences = asyncio.run(work())
    if differences:
        raise topics_admin.refusal(differences)
    console.result({"differences": []}, "every topic is as declared")
