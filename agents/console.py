"""What a command says: results on stdout, everything on the way there on stderr.

With `--json` a command prints exactly one JSON object on stdout, its result or its error, and nothing on the way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console as Terminal
from rich.console import RenderableType
from rich.markup import escape
from rich.status import Status

#: Of tables that no terminal shows: a name that is cut short is of no use to what reads them.
PIPED_WIDTH = 200


def counted(number: int, one: str, many: str = "") -> str:
    """`1 person`, `2,000 people`; without `many` an s makes it."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


class Console:
    """The two voices of a command. `out` and `err` are open to commands that draw more than lines."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = Terminal(highlight=False, soft_wrap=True)
        if not self.out.is_terminal:
            self.out.width = PIPED_WIDTH
        self.err = Terminal(stderr=True, highlight=False, soft_wrap=True, quiet=as_json)

    def say(self, line: str) -> None:
        """One line of progress. Markup in it is shown as it stands."""
        self.err.print(escape(line))

    @contextmanager
    def working(self, line: str) -> Iterator[Status]:
        """A line that moves while the body runs; `update` on it changes its text. A plain line without a terminal."""
        if not self.err.is_terminal:
            self.say(line)
        with self.err.status(escape(line)) as status:
            yield status

    def result(self, data: Mapping[str, Any], shown: RenderableType | None = None) -> None:
        """The result: `data` as one JSON object with `--json`, else `shown` for people, if given."""
        if self.as_json:
            self._print_json(data)
        elif shown is not None:
            self.out.print(shown, markup=False)

    def fail(self, message: str, *, next_step: str) -> None:
        """The error that ends the command, and what to do about it."""
        if self.as_json:
            self._print_json({"error": message, "next": next_step})
        else:
            self.err.print(f"[bold red]error:[/] [red]{escape(message)}[/]")
            self.err.print(f"next: {escape(next_step)}")

    def _print_json(self, data: Mapping[str, Any]) -> None:
        # Not through Rich, which would fold and color it.
        print(json.dumps(data, ensure_ascii=False), file=self.out.file, flush=True)
