"""The benchmarks' traffic, and the reference that says what must come of it: held against the oracle and the core."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

import pytest

from benchmarks import core
from benchmarks.reference import Reference
from benchmarks.traffic import KINDS, MIX, Kind, drafts
from schemas import codec
from schemas.catalog import is_known_type
from schemas.command import Command
from schemas.control import TICK_KEY, Tick
from schemas.event import Event
from schemas.identity import profile_id, profile_key, strongest
from schemas.instants import to_wire
from streams.partition import Partition, Record
from streams.program import build
from tests.oracle.flowfile import load_flow
from tests.oracle.replay import run_live

AT = 1_790_000_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_traffic_is_canonical_and_as_mixed_and_large_as_it_says(kind: Kind) -> None:
    written = [draft.at(AT) for draft in islice(drafts(seed=3, kind=kind), 20_000)]
    events = [codec.decode_event(event) for event in written]
    for type_, share in MIX:
        assert is_known_type(type_)
        assert sum(event.type == type_ for event in events) / len(events) == pytest.approx(share, abs=0.01)
    assert sum(map(len, written)) / len(written) == pytest.approx(720, abs=30)
    assert 1 - len({event.id for event in events}) / len(events) == pytest.approx(0.01, abs=0.003)


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_stands_under_the_key_that_intake_would_give_it(kind: Kind) -> None:
    for draft in islice(drafts(seed=3, kind=kind), 500):
        event = codec.decode(draft.at(AT), Event)
        who = strongest(event.identity)
        assert who is not None
        profile = profile_id(tenant=event.tenant, kind=who[0], value=who[1])
        assert draft.key == profile_key(tenant=event.tenant, profile_id=profile)


def test_the_seed_decides_everything_but_the_instant() -> None:
    def first(seed: int) -> list[bytes]:
        return [draft.at(AT) for draft in islice(drafts(seed=seed, kind="session"), 1_000)]

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_sessions_are_few_and_short_and_uniform_is_neither() -> None:
    keys = {kind: [draft.key for draft in islice(drafts(seed=1, kind=kind), 6_000)] for kind in KINDS}
    assert 1_000 < len(set(keys["session"])) < 1_400
    assert len(set(keys["uniform"])) > 4_500


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_expects_what_the_oracle_and_the_core_decide(kind: Kind) -> None:
    log = _log(kind, events=4_000)
    expected = _reference(log).commands(len(log))
    assert len(expected) > 100
    assert _by_oracle(log) == Counter((due.key.decode(), log[due.offset].appended_at) for due in expected)
    assert _by_core(log) == Counter((due.key, due.checkout_id) for due in expected)


def test_the_reference_knows_every_prefix() -> None:
    log = _log("session", events=4_000)
    reference = _reference(log)
    for position in (0, len(log) // 2, len(log)):
        prefix = log[:position]
        assert reference.commands(position) == _reference(prefix).commands(position)
        events = [record for record in prefix if record.key != TICK_KEY]
        ids = {codec.decode_event(record.value).id for record in events}
        assert reference.events(position) == len(events)
        assert reference.duplicates(position) == len(events) - len(ids)


def _log(kind: Kind, *, events: int) -> list[Record]:
    """One partition: an event every 2 ms, so that sessions last about as long as the flow waits, and now and then a
    tick that lags a little."""
    log: list[Record] = []
    for number, draft in enumerate(islice(drafts(seed=7, kind=kind), events)):
        now = AT + 2 * number
        log.append(Record(len(log), now, draft.key, draft.at(now - number % 3)))
        if number % 25 == 0 or number == events - 1:
            log.append(Record(len(log), now + 1, TICK_KEY, codec.encode(Tick(through=to_wire(now - 30)))))
    return log


def _reference(log: Sequence[Record]) -> Reference:
    reference = Reference()
    for record in log:
        reference.take(offset=record.offset, appended_at=record.appended_at, key=record.key, value=record.value)
    return reference


def _by_oracle(log: Sequence[Record]) -> Counter[tuple[str, int]]:
    flow = load_flow(core.FLOW_FILE.read_text())
    lines = [(r.offset, r.appended_at, "tick" if r.key == TICK_KEY else "event", r.value) for r in log]
    keys = {record.key.decode().partition("/")[2]: record.key.decode() for record in log}
    return Counter((keys[command.profile_id], command.decided_at) for command in run_live([flow], lines).commands)


def _by_core(log: Sequence[Record]) -> Counter[tuple[bytes, str]]:
    partition = Partition(
        program=build(core.flows(1)),
        topic="log",
        number=0,
        clock="live",
        incarnation="x",
        load=lambda key: None,
        record=None,
    )
    orders = [(key, codec.decode_order(value)) for key, value in partition.process(log).commands]
    return Counter((key, one.variables["trigger"]["checkout_id"]) for key, one in orders if isinstance(one, Command))
