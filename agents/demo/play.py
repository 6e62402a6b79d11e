"""Plays the sample day and the year after it through the real pipeline, from Kafka to SMTP and a mailbox.

The demo has a stack of its own, wiped at the start, so that a second run starts clean and no other data is touched.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from agents import recipes, stack, topics_admin
from agents.console import Console
from agents.demo.shop import OUTLET, STORES, sample_day
from agents.demo.story import Story, tell
from agents.errors import Halted, Unavailable
from agents.feed import feed
from agents.groups import behind
from agents.mailbox import Mailbox
from agents.settings import LOOPBACK, Settings, choose_ports
from agents.stack import Addresses
from agents.supervisor import Crew, crew
from agents.topic_reader import read_to_end
from schemas import codec
from schemas.command import Command
from schemas.decision import Decision
from schemas.topics import Topics, topics

PARTITIONS = 8
#: Recipes that would write a second time about what another one writes about are for shops of their own.
SHOPS = {
    "abandoned_checkout_per_storefront": STORES,
    "prime_browse": OUTLET,
    "prime_checkout": OUTLET,
    "prime_winback": OUTLET,
}
DRAIN_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Played:
    """What there is to look at after the day."""

    story: Story
    flows: Path
    records: int
    commands: int
    messages: int
    copies: int  # of orders and hits, beyond the first
    seconds: float
    mailbox_url: str
    metrics_urls: dict[str, str]

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        shown = ("records", "commands", "messages", "copies", "seconds", "mailbox_url", "metrics_urls")
        return {name: getattr(self, name) for name in shown} | self.story.as_data()


def prepare(settings: Settings, *, console: Console) -> tuple[Settings, Addresses]:
    """A fresh stack under `demo` in the home. Not to be called inside an event loop."""
    own = replace(
        settings, home=settings.home / "demo", kafka=None, postgres=None, namespace="demo", partitions=PARTITIONS
    )
    stack.down(own, console=Console(as_json=True))
    shutil.rmtree(own.home, ignore_errors=True)
    return own, stack.up(own, console=console)


def write_flows(into: Path) -> Path:
    """Every recipe, for the shop that it is for, and the policy."""
    for name in recipes.library():
        recipes.write(recipes.prepare(name, source=SHOPS.get(name, recipes.SHOP), lags={}), into)
    return into


@asynccontextmanager
async def play(settings: Settings, addresses: Addresses, *, seed: int, console: Console) -> AsyncIterator[Played]:
    """Play the day; everything keeps running until the body has ended.

    Raises Halted when a process of the pipeline ends, Unavailable when the day does not come to its end in time.
    """
    began = time.monotonic()
    declared = topics(settings.namespace, partitions=settings.partitions)
    await topics_admin.apply(addresses.kafka, declared, clock="carried")
    day = list(sample_day(seed=seed))
    file = settings.home / "day.ndjson"
    file.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in day))
    flows = write_flows(settings.home / "flows")
    smtp, page = choose_ports(settings.smtp, settings.mailbox)
    async with AsyncExitStack() as running:
        mailbox = await running.enter_async_context(Mailbox(smtp_port=smtp, page_port=page))
        environ = _environ(settings, addresses, smtp=smtp)
        processes = await running.enter_async_context(crew(environ, say=_to_files(settings.home / "logs")))
        await processes.start("intake", ["intake"])
        await processes.start("worker", ["worker", "--flows", str(flows)])
        await processes.start("dispatcher", ["dispatcher", "--carried", "--templates", str(flows / recipes.TEMPLATES)])
        with console.working(f"playing the day, and the year after it: {len(day):,} records"):
            await feed(addresses.kafka, declared, file, clock="carried")
            await _come_to_the_end(processes, addresses.kafka, declared, settings)
        commands, decisions = await _read(addresses.kafka, declared)
        yield Played(
            story=tell(decisions, commands, day),
            flows=flows,
            records=len(day),
            commands=len({command.command_id for command in commands}),
            messages=mailbox.store.received,
            copies=_copies(day),
            seconds=round(time.monotonic() - began, 1),
            mailbox_url=mailbox.url,
            metrics_urls={one.name: one.metrics_url or "" for one in stack.members(settings.home)},
        )


async def _come_to_the_end(processes: Crew, kafka: str, declared: Topics, settings: Settings) -> None:
    """Wait until every record has gone all the way; a process that ends before that ends the demo."""
    waits = [asyncio.create_task(_drained(kafka, declared, settings)), asyncio.create_task(processes.first_end())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not waits[0].done():
            ended: Any = waits[1].result()
            raise Halted(
                f"{ended.name} ended with code {ended.code}",
                next_step=f"see {settings.home / 'logs' / ended.name}.log for its last words",
            )
        await waits[0]
    finally:
        for wait in waits:
            wait.cancel()


async def _drained(kafka: str, declared: Topics, settings: Settings) -> None:
    """Nothing behind at any stage, and as many receipts as commands."""
    groups = {"intake": declared.raw, "worker": declared.profile_log, "dispatcher": declared.commands}
    deadline = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < deadline:
        lags = {name: await behind(kafka, group=f"{settings.namespace}.{name}", topic=groups[name]) for name in groups}
        if not any(lags.values()) and await _count(kafka, declared, "receipts") == await _count(
            kafka, declared, "commands"
        ):
            return
        await asyncio.sleep(0.3)
    raise Unavailable(
        f"the day did not come to its end within {DRAIN_SECONDS:g} s; records behind: {lags}",
        next_step=f"see the logs in {settings.home / 'logs'}; a busy machine may only need another try",
    )


async def _count(kafka: str, declared: Topics, name: str) -> int:
    return await behind(kafka, group="nobody", topic=getattr(declared, name))


async def _read(kafka: str, declared: Topics) -> tuple[list[Command], list[Decision]]:
    commands = codec.commands_of([record.value async for record in read_to_end(kafka, declared.commands)])
    decisions = [codec.decode(record.value, Decision) async for record in read_to_end(kafka, declared.decisions)]
    return commands, sorted(decisions, key=lambda decision: decision.decided_at)


def _copies(day: list[dict[str, Any]]) -> int:
    keys = [line.get("dedupe_key") or line["id"] for line in day if "type" in line]
    return len(keys) - len(set(keys))


def _environ(settings: Settings, addresses: Addresses, *, smtp: int) -> dict[str, str]:
    return os.environ | {
        "CARTWHEEL_HOME": str(settings.home),
        "CARTWHEEL_KAFKA": addresses.kafka,
        "CARTWHEEL_POSTGRES": addresses.postgres,
        "CARTWHEEL_NAMESPACE": settings.namespace,
        "CARTWHEEL_PARTITIONS": str(settings.partitions),
        "CARTWHEEL_SMTP": f"{LOOPBACK}:{smtp}",
    }


def _to_files(folder: Path) -> Callable[[str, str], None]:
    folder.mkdir(parents=True, exist_ok=True)

    def say(name: str, line: str) -> None:
        with (folder / f"{name}.log").open("a") as file:
            file.write(line + "\n")

    return say
