"""`cartwheel flows explain`: the page of a finding."""

from __future__ import annotations

from difflib import get_close_matches

import click
from rich.text import Text

from agents import resources
from agents.cli.options import takes_console
from agents.console import Console
from agents.errors import InputRefused
from streams.flowfile.meanings import MEANINGS, page_of


@click.command("explain")
@click.argument("code")
@takes_console
def command(*, code: str, console: Console) -> int:
    """Show what a finding means, with a wrong example and the right one."""
    meaning = {str(known): meaning for known, meaning in MEANINGS.items()}.get(code)
    if meaning is None:
        near = get_close_matches(code, MEANINGS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InputRefused(f"there is no finding {code!r}", next_step=f"{hint}`cartwheel flows check` names the codes")
    text = (resources.findings() / f"{code}.md").read_text(encoding="utf-8")
    console.result({"code": code, **meaning._asdict(), "page": page_of(code), "text": text}, Text(text))
    return 0
