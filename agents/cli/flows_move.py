"""`cartwheel flows plan` and `apply`: people in older versions of a flow go on in the newest one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from agents.cli.flows_publish import VERSION_SHOWN, opened
from agents.cli.options import takes_console, takes_settings
from agents.cluster_view import Offsets, offsets_of
from agents.console import Console, counted
from agents.definitions.book import read_book
from agents.definitions.desk import stamp
from agents.errors import InputRefused
from agents.relocation import Leg, Where, census, check_labels, legs, write_all
from agents.settings import Settings
from schemas import codec
from schemas.activation import Migration
from schemas.control import MIGRATION_KEY
from schemas.flow import Flow
from schemas.topics import Topics
from streams.flowfile.findings import FlowFileError
from streams.flowfile.label_file import load_labels

PER_SECOND = 500.0


class Move(NamedTuple):
    """A map that fits, and everything that is needed to follow it."""

    kafka: str
    topics: Topics
    offsets: Mapping[int, Offsets]
    flow: Flow
    labels: Mapping[str, str]


def takes_map(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand the flow and the map of labels to a command."""
    for decorate in (
        click.option(
            "--map",
            "map_path",
            type=click.Path(path_type=Path),
            help="YAML: labels of older versions to labels of the newest. What is not in it keeps its label.",
        ),
        click.argument("name"),
        takes_settings,
        takes_console,
    ):
        function = decorate(function)
    return function


@click.command()
@takes_map
def plan(*, settings: Settings, console: Console, name: str, map_path: Path | None) -> None:
    """Count who is in older versions of a flow, step by step, and say where each of them would go. Writes nothing."""

    async def work() -> tuple[Move, list[Leg]]:
        move = await _move(settings, console, name, map_path)
        found = [where async for _, people in _census(move, console) for where in people.values()]
        return move, legs(found, move.labels)

    move, found = asyncio.run(work())
    count = sum(leg.people for leg in found)
    line = f"{count:,} would go on in version {move.flow.version[:VERSION_SHOWN]}"
    console.result(_as_data(move, found), Group(_table(found), Text(line, "bold")))


@click.command()
@takes_map
@click.option("--per-second", type=click.FloatRange(1, 10_000), default=PER_SECOND, show_default=True, help="At most.")
def apply(*, settings: Settings, console: Console, name: str, map_path: Path | None, per_second: float) -> None:
    """Let everybody in older versions of a flow go on in the newest one, as `plan` says.

    Each goes when the worker comes to the order about them. Interrupted, start it again: it goes on with who is left.
    """

    async def work() -> tuple[Move, list[Leg], int]:
        move = await _move(settings, console, name, map_path)
        found: list[tuple[Where, ...]] = []
        ordered = 0
        async for number, people in _census(move, console):
            if not people:
                continue
            with console.working(f"partition {number}: {counted(len(people), 'person', 'people')}") as working:
                async for written in write_all(
                    move.kafka, move.topics.profile_log.name, _orders(move, number, people), per_second=per_second
                ):
                    working.update(f"partition {number}: {written:,} of {len(people):,} people")
            found += people.values()
            ordered += len(people)
        return move, legs(found, move.labels), ordered

    move, found, ordered = asyncio.run(work())
    told = "was told" if ordered == 1 else "were told"
    line = f"{counted(ordered, 'person', 'people')} {told} to go on in version {move.flow.version[:VERSION_SHOWN]}"
    line += "; `cartwheel flows plan` says who is left" if ordered else ""
    console.result(_as_data(move, found) | {"ordered": ordered}, Group(_table(found), Text(line, "bold green")))


async def _move(settings: Settings, console: Console, name: str, map_path: Path | None) -> Move:
    kafka, declared, clock = await opened(settings, console)
    if clock == "carried":
        raise InputRefused("a log with a carried clock keeps its flows", next_step="use a live log, or a new namespace")
    book = await read_book(kafka, declared)
    active = book.order(book.newest).flows.get(name)
    if active is None:
        raise InputRefused(f"no flow {name!r} is active", next_step="`cartwheel flows list` shows which are")
    newest, *older = (book.flow(name, version) for version in active.versions)
    labels = {} if map_path is None else _labels(map_path)
    check_labels(newest, older, labels)
    return Move(kafka, declared, await offsets_of(kafka, declared.profile_state), newest, labels)


def _census(move: Move, console: Console) -> Any:
    console.say(f"reading {move.topics.profile_state.name}")
    return census(move.kafka, move.topics.profile_state, move.offsets, move.flow)


def _orders(move: Move, number: int, people: Iterable[bytes]) -> list[tuple[int, bytes, bytes]]:
    at, by = stamp()
    return [
        (
            number,
            MIGRATION_KEY,
            codec.encode(
                Migration(
                    profile=key.decode(),
                    flow=move.flow.name,
                    version=move.flow.version,
                    labels=dict(move.labels),
                    by=by,
                    at=at,
                )
            ),
        )
        for key in people
    ]


def _labels(path: Path) -> dict[str, str]:
    try:
        return load_labels(path.read_bytes(), name=str(path))
    except FlowFileError as error:
        message = str(error)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
    raise InputRefused(message, next_step="a map of labels is YAML with a line `old: new` for each of them")


def _table(found: Iterable[Leg]) -> Table:
    table = Table("from version", "step", "to step", box=None, pad_edge=False)
    table.add_column("people", justify="right")
    for leg in found:
        color = "" if leg.label == leg.to else "yellow"
        table.add_row(leg.version[:VERSION_SHOWN], leg.label, Text(leg.to, color), f"{leg.people:,}")
    return table


def _as_data(move: Move, found: Iterable[Leg]) -> dict[str, Any]:
    legs_ = [leg._asdict() for leg in found]
    people = sum(leg["people"] for leg in legs_)
    return {"flow": move.flow.name, "version": move.flow.version, "people": people, "steps": legs_}
