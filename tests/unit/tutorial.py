"""The tutorial as a list of things to do: commands with what they print, and edits of files.

In `docs/tutorial.md` a block ```console holds commands and what they print, `...` standing for anything: `offline`
behind it needs no server, `live` needs Kafka. A block with a FILE behind it is an edit: `new` makes the file,
`from=WORD` puts the block in place of everything from the line that begins so, `instead=WORD` in place of the line that
has it, `append` puts it at the end. Everything else is for the reader alone.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

from agents import cli

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
COLUMNS = "100"  # of the terminal in which the page was written
_BLOCK = re.compile(r"^```(console|yaml|text|json) ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of the page: what it is, the words behind that, and its text."""

    kind: str
    words: list[str]
    text: str


def blocks() -> list[Block]:
    """The blocks of the page that can be gone through, in order."""
    return [Block(kind, words.split(), text) for kind, words, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8"))]


def edit(block: Block) -> None:
    """Do what the page tells the reader to do to a file."""
    path, how = Path(block.words[0]), block.words[1]
    kind, _, word = how.partition("=")
    lines = [] if kind == "new" else path.read_text().splitlines(keepends=True)
    if kind in ("new", "append"):
        lines += ["\n" if lines else "", block.text]
    else:
        found = [number for number, line in enumerate(lines) if word in line]
        [at] = [number for number in found if kind == "instead" or lines[number].startswith(word)]
        lines[at:] = [block.text, *(lines[at + 1 :] if kind == "instead" else [])]
    path.write_text("".join(lines))


def run(block: Block, capsys: pytest.CaptureFixture[str]) -> int:
    """Run the commands of a block, and compare what they say. Returns how many there were."""
    found = list(_commands(block.text))
    for command, output in found:
        program, *words = shlex.split(command)
        assert program == "cartwheel"
        with pytest.raises(SystemExit):
            cli.main(words)
        said = capsys.readouterr()
        assert fnmatchcase(_tidy(said.out + said.err), _pattern(output)), f"$ {command}\n{said.out}{said.err}"
    return len(found)


def _commands(text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def _tidy(text: str) -> str:
    """Without blanks at the ends of lines, and without lines that are empty."""
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


def _pattern(expected: str) -> str:
    return re.sub(r"[\[*?]", "[\\g<0>]", _tidy(expected)).replace("...", "*")
