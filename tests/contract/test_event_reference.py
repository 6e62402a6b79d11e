"""The page about events says what the code does: every type, word, limit and reason, and its examples are taken."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from agents.replay_file import EventLine, WatermarkLine, read_lines
from schemas import codec, edge, limits
from schemas.catalog import TYPES, Word
from schemas.dead_letter import DeadLetter
from schemas.event import Event
from schemas.identity import KINDS, NOBODY
from schemas.refusals import REASONS

PAGE = (Path(__file__).parents[2] / "docs/reference/events.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
EVERYWHERE = {"channel_id", "store", "locale", "campaign", "subject"}


@pytest.mark.parametrize("name", TYPES)
def test_each_type_has_a_row_with_its_words(name: str) -> None:
    declared = TYPES[name]
    words = [_noted(word, kind) for word, kind in declared.words.items() if word not in EVERYWHERE]
    assert f"| `{name}` | `{declared.short}` | {', '.join(words)} |" in PAGE
    assert declared.words.keys() >= EVERYWHERE


def test_each_reason_has_a_row() -> None:
    for reason, sentence in REASONS.items():
        assert f"| `{reason}` | {sentence} |" in PAGE


def test_each_field_and_identifier_is_named() -> None:
    for name in (*Event.__struct_fields__, *KINDS, *NOBODY - {""}):
        assert f"`{name}`" in PAGE


def test_each_limit_is_stated() -> None:
    for limit in (limits.RECORD_BYTES_MAX, limits.PROPERTIES_MAX, limits.ARRAY_ITEMS_MAX, limits.STRING_BYTES_MAX):
        assert f"{limit:,}" in PAGE
    for length in (
        limits.ID_LENGTH_MAX,
        limits.TYPE_LENGTH_MAX,
        limits.TENANT_LENGTH_MAX,
        limits.IDENTIFIER_LENGTH_MAX,
    ):
        assert f"{length} characters" in PAGE
    assert f"the event itself being 1 | {limits.DEPTH_MAX} |" in PAGE
    assert f"at most {limits.DEDUPE_KEY_LENGTH_MAX} characters" in PAGE
    assert f"within {limits.DEDUPE_HORIZON_MS // 86_400_000} days" in PAGE


def test_the_examples_are_taken(tmp_path: Path) -> None:
    event, watermark, letter, lines = EXAMPLES
    assert edge.accept(event.encode(), received_at=0).type == "commerce.checkout.started.v1"
    assert edge.accept_watermark(json.loads(watermark)).source == "magento1.orders"
    assert codec.decode(letter.encode(), DeadLetter).reason == "time_without_offset"
    file = tmp_path / "events.ndjson"
    file.write_text(lines)
    assert [type(line) for line in read_lines(file)] == [EventLine, WatermarkLine]


def _noted(name: str, word: Word) -> str:
    return name if word.kind == "text" else f"{name} ({word.kind})"
