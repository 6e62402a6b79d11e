"""The peers of the benchmarks: that they do the job, that a missing one is named, and how their states are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from zlib import crc32

import msgspec
import pytest

from agents.console import Console
from agents.errors import Unavailable
from benchmarks.comparison import set_up
from benchmarks.peers import environments, job
from benchmarks.peers.peer import counted_in_java, counted_in_job
from benchmarks.peers.plain_loop import Partition
from benchmarks.reference import Reference
from benchmarks.systems import SYSTEMS, Cartwheel
from benchmarks.traffic import KINDS, Kind, drafts
from schemas import codec
from schemas.control import TICK_KEY, Tick
from schemas.instants import to_wire
from streams.unit import Record

QUIET = Console(as_json=True)
AT = 1_790_000_000_000
PEOPLE = 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 700])
def test_the_plain_loop_orders_what_the_reference_orders(kind: Kind, size: int) -> None:
    log = crowded(kind)
    reference = Reference()
    for record in log:
        reference.take(offset=record.offset, appended_at=record.appended_at, key=record.key, value=record.value)
    books = job.Books()
    loop = Partition(books)
    ordered: Counter[tuple[bytes, str]] = Counter()
    states: dict[bytes, bytes] = {}
    for start in range(0, len(log), size):
        loop.take(
            [
                Fetched(record.offset, record.appended_at, record.key, record.value)
                for record in log[start : start + size]
            ]
        )
        commands, changed = loop.flush()
        ordered.update((key, msgspec.json.decode(value)["checkout_id"]) for key, value in commands)
        states.update(changed)
    account = books.account(waiting=loop.waiting)
    end = len(log)
    assert ordered == Counter((due.key, due.checkout_id) for due in reference.commands(end))
    assert len(ordered) > 900
    assert account.did["duplicate"] == reference.duplicates(end) > 0
    assert account.did["applied"] == reference.events(end) - reference.duplicates(end)
    assert sum(map(counted_in_job, states.values())) == account.did["applied"]
    assert account.did["armed"] == account.did["canceled"] + account.did["sent"] + account.waiting


def crowded(kind: Kind) -> list[Record]:
    """A minute of few people, so that everybody is waited for again and again."""
    log: list[Record] = []
    for number, draft in enumerate(islice(drafts(seed=5, kind=kind), 30_000)):
        now = AT + 2 * number
        if number % 25 == 0:
            log.append(Record(len(log), now, TICK_KEY, codec.encode(Tick(through=to_wire(now)))))
        log.append(Record(len(log), now, b"person-%d" % (crc32(draft.key) % PEOPLE), draft.at(now)))
    return log


class Fetched(msgspec.Struct):
    """A record as the client would hand it out."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


class Homeless:
    """A system that cannot be set up here."""

    def set_up(self, folder: Path, console: Console) -> Mapping[str, str]:
        raise Unavailable("there is no Maven", next_step="install it")


def test_a_system_that_cannot_be_set_up_is_left_out_by_name(tmp_path: Path) -> None:
    systems = {"cartwheel": Cartwheel(), "kafka-streams": Homeless()}
    versions, left_out = set_up(systems, tmp_path, QUIET, must_have_all=False)  # type: ignore[arg-type]
    assert list(versions) == ["cartwheel"]
    assert left_out == {"kafka-streams": "there is no Maven; install it"}
    with pytest.raises(Unavailable, match="no Maven"):
        set_up(systems, tmp_path, QUIET, must_have_all=True)  # type: ignore[arg-type]


def half_build(folder: Path, source: Path) -> None:
    with environments.made(folder, "peer", [source], salt="") as (_, empty):
        assert empty is not None
        (empty / "half").touch()
        raise Unavailable("the network is gone", next_step="try again")


def test_an_environment_that_was_not_finished_is_not_taken_for_one(tmp_path: Path) -> None:
    source = tmp_path / "source.txt"
    source.write_text("1")
    with pytest.raises(Unavailable):
        half_build(tmp_path, source)
    assert list(tmp_path.iterdir()) == [source]
    with environments.made(tmp_path, "peer", [source], salt="") as (home, empty):
        assert empty is not None
        (empty / "whole").touch()
    assert (home / "whole").exists()
    with environments.made(tmp_path, "peer", [source], salt="") as (again, empty):
        assert (again, empty) == (home, None)
    source.write_text("2")
    with environments.made(tmp_path, "peer", [source], salt="") as (other, empty):
        assert other != home
        assert empty is not None


def test_every_package_of_a_peer_is_pinned_with_its_hash() -> None:
    for name in ("quix", "bytewax"):
        packages = [line for line in (environments.HERE / f"{name}.txt").read_text().splitlines() if line[:1].isalpha()]
        assert len(packages) > 5
        assert all("==" in line and line.endswith("\\") for line in packages)


def test_the_counters_of_a_java_state_are_read() -> None:
    def text(word: str) -> bytes:
        return bytes([len(word)]) + word.encode()

    many = bytes([0xAC, 0x02])  # 300, seven bits at a time
    state = bytes([2]) + text("viewed") + many + text("ordered") + bytes([5]) + text("2026-11-22T10:00:00.000Z")
    assert counted_in_java(state) == 305
    assert counted_in_java(bytes([0])) == 0


def test_every_peer_says_what_it_is() -> None:
    assert all(name == system.name and system.about for name, system in SYSTEMS.items())
