"""Every file of the reference that is made, and what it must hold."""

from __future__ import annotations

from pathlib import Path

from agents.reference import finding_pages

ROOT = Path(__file__).parents[2]


def files() -> dict[str, str]:
    """By path below the root."""
    return finding_pages.files(ROOT)


def outdated() -> list[str]:
    """The paths of files that are missing or differ."""
    found = {name: ROOT / name for name in files()}
    return [
        name
        for name, text in files().items()
        if not found[name].is_file() or found[name].read_text(encoding="utf-8") != text
    ]
