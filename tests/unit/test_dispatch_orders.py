"""What stands on the commands topic, as the dispatcher takes it: a command becomes a row, a recall does not."""

from __future__ import annotations

import pytest

from agents.dispatch.ledger import order
from schemas import codec
from schemas.command import Command
from schemas.examples import COMMANDS, RECALLS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_a_row_with_the_bytes_that_came(command: Command) -> None:
    row = order(codec.encode(command))
    assert row is not None
    assert (row.command_id, row.body) == (command.command_id, codec.encode(command).decode())


def test_a_recall_is_none_and_no_dead_letter() -> None:
    assert [order(codec.encode(recall)) for recall in RECALLS] == [None]


def test_anything_else_is_a_dead_letter() -> None:
    with pytest.raises(codec.Undecodable):
        order(codec.encode({"schema": "cartwheel.wish.v1"}))
    assert codec.commands_of(map(codec.encode, [*COMMANDS, *RECALLS])) == COMMANDS
