"""`cartwheel rehearse`: walk one person through a flow, line by line."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec.structs import replace
from rich.text import Text

from agents.cli.options import takes_console, takes_plugins
from agents.console import Console
from agents.errors import InputRefused
from agents.flow_files import load_flows, load_policy
from schemas.decision import Decision
from schemas.instants import to_wire
from streams.plugins import Name, Plugin
from streams.rehearsal import Rehearsal
from streams.rehearsing import HELP, Misunderstood, Session, Turn
from streams.telling import moment

LINE_LENGTH_MAX = 10_000
#: Of decisions, on a terminal: what goes out, what does not, and what was taken back.
COLORS = {
    "sent": "green", "entered": "bold", "restarted": "bold", "held": "cyan", "skipped": "yellow", "refused": "yellow",
    "ended": "magenta", "recalled": "red", "regretted": "red",
}  # fmt: skip


@click.command()
@click.argument("flow", type=click.Path(path_type=Path))
@click.option("--events", type=click.Path(path_type=Path), help="Play the lines of this file [the keyboard, or stdin].")
@takes_plugins
@takes_console
def command(*, flow: Path, events: Path | None, plugins: Mapping[Name, Plugin], console: Console) -> None:
    """Walk one person through a flow: say what happens, and see every decision with the values that it compared.

    FLOW is a flow file, or a folder of flows that all run. Lines are events in the words of timelines, `advance 2h`,
    `until 09:00`, `watermark SOURCE`, `state`, `why`, `help` and `quit`. After each it shows who waits until when, and
    what would be decided next. A line that cannot be understood ends a file with exit code 65.
    """
    flows = [replace(one, status="live") for one in load_flows(flow, plugins)]
    policy = load_policy(flow)
    session = Session(
        flows[0], lambda: Rehearsal(flows, policy=policy, plugins=plugins), beside=flows[1:], facts=policy.facts
    )
    asking = events is None and sys.stdin.isatty() and not console.as_json
    turns: list[dict[str, Any]] = []
    if asking:
        console.say("\n".join(("It is 10:00 on 1 January 2026 UTC.", *HELP)))
    for number, line in _lines(session, events, asking=asking):
        try:
            turn = session.turn(line)
        except Misunderstood as error:
            if not asking:
                raise InputRefused(
                    f"{events or 'stdin'} line {number}: {error}", next_step="correct the line; `help` lists the others"
                ) from None
            console.err.print(Text(str(error), "red"))
            continue
        ahead = session.ahead()
        turns.append(_as_data(line, turn, session.pending(), ahead))
        if not console.as_json:
            console.out.print(Text("\n").join(_told(line, turn, session, ahead, echo=not asking)))
    console.result({"turns": turns})


def _lines(session: Session, events: Path | None, *, asking: bool) -> Iterator[tuple[int, str]]:
    """Every line that says something, until `quit` or the end."""
    for number, text in enumerate(_typed(session) if asking else _written(events), start=1):
        line = text.strip()
        if line == "quit":
            return
        if line and not line.startswith("#"):
            yield number, line


def _typed(session: Session) -> Iterator[str]:
    with contextlib.suppress(ImportError):
        importlib.import_module("readline")  # it lets lines be edited and called back
    with contextlib.suppress(EOFError):
        while True:
            yield input(f"{moment(to_wire(session.now))}> ")
    print()  # behind the prompt at which it ended


def _written(events: Path | None) -> Iterator[str]:
    try:
        with events.open() if events else contextlib.nullcontext(sys.stdin) as file:
            while text := file.readline(LINE_LENGTH_MAX):
                yield text
    except (OSError, UnicodeDecodeError) as error:
        raise InputRefused(f"{events} cannot be read ({error})", next_step="give a readable file of lines") from error


def _as_data(line: str, turn: Turn, pending: list[str], ahead: list[Decision]) -> dict[str, Any]:
    return {
        "line": line,
        "at": to_wire(turn.at),
        "decisions": msgspec.to_builtins(turn.decisions),
        "commands": msgspec.to_builtins(turn.commands),
        "not_taken": [f"{one.reason}: {one.detail}" for one in turn.dead_letters],
        "counted": turn.counted,
        "answers": turn.answers,
        "pending": pending,
        "next": msgspec.to_builtins(ahead),
    }


def _told(line: str, turn: Turn, session: Session, ahead: list[Decision], *, echo: bool) -> Iterator[Text]:
    if echo:
        yield Text(f"> {line}", "bold")
    if turn.answers:
        yield from map(Text, turn.answers)
        return
    for letter in turn.dead_letters:
        yield Text(f"  not taken: {letter.reason}: {letter.detail}", "red")
    messages = {one.command_id: one for one in turn.commands}
    for one in turn.decisions:
        order = messages.get(one.command_id or "") if one.outcome == "sent" else None
        how = ""
        if order is not None:
            how = f", {order.channel} {order.template} to {', '.join(order.addresses.values()) or 'nobody'}"
        yield Text(f"  {moment(one.decided_at)}  {session.told(one)}{how}", COLORS.get(one.outcome, ""))
    yield from (Text(f"  counted {one}") for one in turn.counted)
    if not (turn.decisions or turn.dead_letters or turn.counted):
        yield Text("  nothing was decided")
    yield from (Text(f"  waits   {one}", "cyan") for one in session.pending())
    yield from (Text(f"  next    {moment(one.decided_at)}  {session.told(one)}", "dim") for one in ahead)
