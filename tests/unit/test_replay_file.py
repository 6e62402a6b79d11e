"""Replay files: what a line may say, what is refused, and what file can be read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from agents.errors import InputRefused
from agents.replay_file import EventLine, Line, RefusedLine, WatermarkLine, read_lines
from schemas.instants import from_wire
from schemas.limits import RECORD_BYTES_MAX

EVENT = {
    "id": "e1",
    "source": "shop.orders",
    "type": "commerce.order.placed.v1",
    "time": "2026-11-21T12:00:00.000Z",
    "tenant": "acme",
    "identity": {"external_id": "ada"},
}
PROMISE = {"source": "shop.orders", "complete_through": "2026-11-21T12:30:00.000Z"}


def lines_of(path: Path, *lines: Any) -> list[Line]:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return list(read_lines(path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.ndjson"


def test_an_event_arrives_when_it_says_or_else_when_it_happened(path: Path) -> None:
    at_once, later = lines_of(path, EVENT, EVENT | {"arrived_at": "2026-11-21T13:30:00+01:00"})
    assert isinstance(at_once, EventLine)
    assert isinstance(later, EventLine)
    assert at_once.arrived_at == at_once.accepted.occurred_at == from_wire(str(EVENT["time"]))
    assert later.arrived_at == from_wire("2026-11-21T12:30:00.000Z")
    assert later.accepted == at_once.accepted
    assert later.document == EVENT


def test_a_watermark_is_of_the_tenant_of_the_first_event_unless_it_says_so(path: Path) -> None:
    own = {"watermark": PROMISE | {"tenant": "other"}, "arrived_at": "2026-11-21T12:31:00.000Z"}
    first, _, second = lines_of(path, {"watermark": PROMISE}, EVENT, own)
    assert isinstance(first, WatermarkLine)
    assert isinstance(second, WatermarkLine)
    assert (first.watermark.tenant, first.arrived_at) == ("acme", from_wire(PROMISE["complete_through"]))
    assert (second.watermark.tenant, second.arrived_at) == ("other", from_wire("2026-11-21T12:31:00.000Z"))


def test_without_a_tenant_all_is_of_one(path: Path) -> None:
    nameless = {name: value for name, value in EVENT.items() if name != "tenant"}
    promise, event = lines_of(path, {"watermark": PROMISE}, nameless)
    assert isinstance(promise, WatermarkLine)
    assert isinstance(event, EventLine)
    assert promise.watermark.tenant == "default"
    assert event.accepted.key.startswith(b"default/")


def test_blank_lines_count_but_are_no_lines(path: Path) -> None:
    assert [line.number for line in lines_of(path, EVENT, "", "  ", EVENT)] == [1, 4]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "broken_json"),
        ({"end": {}}, "invalid_field"),
        (EVENT | {"type": "order"}, "unknown_type"),
        (EVENT | {"arrived_at": "2026-11-21T13:30:00"}, "time_without_offset"),
        (EVENT | {"arrived_at": 5}, "invalid_field"),
        ({"watermark": {"source": "shop.orders"}}, "missing_field"),
        (EVENT | {"properties": {"note": "x" * RECORD_BYTES_MAX}}, "too_large"),
    ],
)
def test_a_bad_line_is_named_and_the_next_one_read(path: Path, line: Any, reason: str) -> None:
    good, bad, next_ = lines_of(path, EVENT, line, EVENT)
    assert isinstance(good, EventLine)
    assert isinstance(next_, EventLine)
    assert isinstance(bad, RefusedLine)
    assert (bad.number, bad.refused.reason, next_.number) == (2, reason, 3)


def test_a_compressed_file_reads_the_same_whatever_its_name(path: Path) -> None:
    plain = lines_of(path, EVENT, {"watermark": PROMISE})
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_lines(path)) == plain


def test_progress_is_told_in_bytes_of_the_file(path: Path) -> None:
    lines_of(path, *[EVENT] * 600)
    told: list[int] = []
    assert len(list(read_lines(path, progress=told.append))) == 600
    assert told == sorted(told)
    assert 0 < told[0] < path.stat().st_size


def test_a_file_that_breaks_off_is_refused_by_name(path: Path) -> None:
    lines_of(path, *[EVENT | {"id": f"e{n}"} for n in range(50)])
    path.write_bytes(gzip.compress(path.read_bytes())[:-20])
    with pytest.raises(InputRefused, match=r"events\.ndjson cannot be read"):
        list(read_lines(path))


def test_a_missing_file_is_refused_by_name(path: Path) -> None:
    with pytest.raises(InputRefused, match=r"events\.ndjson cannot be read"):
        list(read_lines(path))
