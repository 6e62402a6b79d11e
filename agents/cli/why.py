"""`cartwheel why`: why a message was ordered, from the decisions that the projector has kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import click
import msgspec
from rich.text import Text

from agents import stack
from agents.cli.options import takes_console, takes_settings
from agents.console import Console
from agents.dispatch.database import connected
from agents.errors import InputRefused
from agents.projector import answers
from agents.projector.answers import Why
from agents.settings import Settings
from schemas.decision import Decision
from streams.telling import arms_of, moment, tell, tell_cause

PATIENCE_SECONDS = 5.0


@click.command()
@click.argument("command_id")
@takes_settings
@takes_console
def command(*, settings: Settings, console: Console, command_id: str) -> None:
    """Say why the command COMMAND_ID was ordered: the record that caused it, what was compared, and all that the flow
    has decided about this enrollment. Exit code 65 if no such command is known.
    """
    wanted = command_id.strip().lower().replace("-", "")
    if not re.fullmatch("[0-9a-f]{32}", wanted):
        raise InputRefused(
            f"{command_id!r} is no command id", next_step="give the 32 hex digits that the message or the ledger shows"
        )
    found = asyncio.run(_why(settings, wanted))
    if found is None:
        raise InputRefused(
            f"no decision is known that ordered {wanted}",
            next_step="see whether the projector runs and how far it is (`cartwheel status`); it may also be older than"
            " what is kept",
        )
    console.result(as_data(found), Text("\n".join(sentences(found))))


async def _why(settings: Settings, command_id: str) -> Why | None:
    postgres = stack.postgres_address(settings)
    async with connected(postgres, namespace=settings.namespace, patience_seconds=PATIENCE_SECONDS) as database:
        return await answers.why(database, command_id)


def as_data(found: Why) -> dict[str, object]:
    """The public result, see `docs/how-to/ask-why.md`."""
    fate = dict(zip(("state", "reason", "finished_at"), found.fate, strict=True)) if found.fate else None
    return {
        "sentences": list(sentences(found)),
        "decision": msgspec.to_builtins(found.decision),
        "story": [msgspec.to_builtins(one) for one in found.story],
        "aftermath": [msgspec.to_builtins(one) for one in found.aftermath],
        "fate": fate,
    }


def sentences(found: Why) -> Iterator[str]:
    """The answer, line by line."""
    one = found.decision
    yield f"{one.flow} ordered it at {moment(one.decided_at)} for {one.tenant}/{one.profile_id}: {tell(one)}."
    yield f"It was caused by {tell_cause(one)}."
    yield f"The flow decided in version {one.flow_version}, on a {one.clock} clock."
    yield from told_arms(one)
    for later in found.aftermath:
        yield f"At {moment(later.decided_at)}: {tell(later)}; by {tell_cause(later)}."
    if found.fate is None:
        yield "The ledger does not know the command (yet)."
    else:
        state, reason, finished_at = found.fate
        since = f"since {moment(finished_at)}" if finished_at else "not finished yet"
        yield f"In the ledger it is {state}{f' ({reason})' if reason else ''}, {since}."
    yield "All that was decided about this enrollment:"
    yield from told(found.story)


def told_arms(one: Decision) -> Iterator[str]:
    """In which arms of experiments the person was by then."""
    if one.arms:
        yield f"In experiments they were in {arms_of(one.arms)}."


def told(story: list[Decision]) -> Iterator[str]:
    """A line for each decision; with the version where it is another one than before."""
    version = story[0].flow_version if story else ""
    for one in story:
        changed = "" if one.flow_version == version else f"; by version {one.flow_version}"
        version = one.flow_version
        yield f"  {moment(one.decided_at)}  {tell(one)}; {tell_cause(one)}{changed}"
