"""The tutorial, gone through as a newcomer would, as far as it needs no server: every edit, every word of output."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit import tutorial


def test_a_newcomer_comes_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", tutorial.COLUMNS)
    ran = 0
    for block in tutorial.blocks():
        if block.kind != "console":
            tutorial.edit(block)
        elif block.words == ["offline"]:
            ran += tutorial.run(block, capsys)
    assert ran == 9
