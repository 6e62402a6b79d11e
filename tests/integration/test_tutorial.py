"""The end of the tutorial: what a newcomer has written is published. The rest of it is in tests/unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.stack import Addresses
from tests.unit import tutorial


def test_a_newcomer_publishes(
    stack: Addresses,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = {"KAFKA": stack.kafka, "POSTGRES": stack.postgres, "NAMESPACE": namespace, "HOME": str(tmp_path / "home")}
    for name, value in (
        *((f"CARTWHEEL_{name}", value) for name, value in named.items()),
        ("COLUMNS", tutorial.COLUMNS),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    ran = 0
    for block in tutorial.blocks():
        if block.kind != "console":
            tutorial.edit(block)
        else:
            ran += tutorial.run(block, capsys)
    assert ran == 13
