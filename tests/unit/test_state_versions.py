"""State that a program of version 1 has left, in the hands of this one; and what this one leaves for that.

`tests/data/state_version_1.json` was recorded with the last program of state version 1: the state of a live log in the
middle, with pending timers and people held at gates, the records after it, and the commands which that program made.
"""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas import codec
from schemas.command import Command
from schemas.profile import Enrollment, Fact, Past, Refusal, Seen
from streams.partition import Partition, Record
from streams.program import Program, build
from tests.unit.stage import SAME_CART, flow, send, settle, wait, work

RECORDED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "state_version_1.json").read_text())
STATES = {b64decode(key): b64decode(state) for key, state in RECORDED["states"].items()}
RECORDS = [Record(offset, at, b64decode(key), b64decode(value)) for offset, at, key, value in RECORDED["records"]]
COMMANDS = [msgspec.convert(one, Command) for one in RECORDED["commands"]]
RUNS = {run.enrollment_id for key, state in STATES.items() for run in codec.unpack_profile(state, key=key).enrollments}


class OldProfile(msgspec.Struct, kw_only=True, array_like=True):
    """What a program of version 1 reads."""

    tenant: str
    profile_id: str
    applied_offset: int = -1
    identifiers: dict[str, Fact] = {}
    enrollments: list[Enrollment] = []
    past: dict[str, Past] = {}
    refusals: dict[str, Refusal] = {}
    history: list[Seen] = []
    dedupe: bytes = b""
    conflicts: int = 0
    last_active_at: int = 0


def program() -> Program:
    """The flows of the recording."""
    return build(
        [
            flow(wait(15), send(), wait(30, label="again"), send("second")),
            flow(wait(10), settle(hold=60), send(), name="settled", key="checkout_id", exits=(SAME_CART,)),
        ]
    )


def by_person(commands: list[Command]) -> list[Command]:
    """In the order of time. At one tick, the old program let what was due go before what was held at an open gate.

    Runs that began after the state was taken over go without their ids: the old program left the source out of them.
    """
    told = [
        one
        if one.enrollment_id in RUNS
        else msgspec.structs.replace(one, enrollment_id="", command_id="", decision_id="")
        for one in commands
    ]
    return sorted(told, key=lambda one: (one.profile_id, one.decided_at, one.flow, one.step, one.command_id))


class Owner:
    """A program that takes over what is in a store, and packs in a version."""

    def __init__(self, store: dict[bytes, bytes], partition_record: bytes, *, version: int) -> None:
        self.store, self.partition_record = store, partition_record
        self.partition = Partition(
            program=program(), topic="log", number=0, clock="live", incarnation="i", load=store.get,
            record=codec.unpack_partition(partition_record), state_version=version,
        )  # fmt: skip
        for key, state in store.items():
            self.partition.restore(key, state)

    def take(self, records: list[Record]) -> list[Command]:
        unit = work(self.partition, records)
        self.store.update(unit.states)
        self.partition_record = unit.partition_record
        # Which messages belong together was not said then.
        commands = codec.commands_of(value for _, value in unit.commands)
        return [msgspec.structs.replace(one, decision_group=None) for one in commands]


def test_the_recording_is_of_version_1_and_has_what_matters() -> None:
    assert {state[0] for state in STATES.values()} == {1}
    profiles = [codec.unpack_profile(state, key=key) for key, state in STATES.items()]
    assert any(profile.enrollments for profile in profiles)
    assert any(one.held for profile in profiles for one in profile.enrollments)
    assert len(COMMANDS) > 5
    assert len([one for one in COMMANDS if one.enrollment_id in RUNS]) > 5


@pytest.mark.parametrize("version", codec.STATE_VERSIONS)
def test_this_program_goes_on_as_the_old_one_did(version: int) -> None:
    owner = Owner(dict(STATES), b64decode(RECORDED["partition_record"]), version=version)
    assert by_person(owner.take(RECORDS)) == by_person(COMMANDS)
    touched = [state for key, state in owner.store.items() if state != STATES.get(key)]
    assert touched
    assert {state[0] for state in touched} == {version}


@pytest.mark.parametrize("turns", [1, 3, 10])
def test_owners_of_both_versions_in_turn_make_the_same_commands(turns: int) -> None:
    """A rolling upgrade, and a way back, with timers pending all the while."""
    store, partition_record, said = dict(STATES), b64decode(RECORDED["partition_record"]), []
    for number, start in enumerate(range(0, len(RECORDS), turns)):
        owner = Owner(store, partition_record, version=codec.STATE_VERSIONS[number % 2])
        said += owner.take(RECORDS[start : start + turns])
        store, partition_record = owner.store, owner.partition_record
    assert by_person(said) == by_person(COMMANDS)


def test_what_is_written_in_version_1_is_read_by_a_program_that_knows_no_other() -> None:
    owner = Owner(dict(STATES), b64decode(RECORDED["partition_record"]), version=1)
    owner.take(RECORDS)
    assert owner.partition_record[0] == 1
    for key, state in owner.store.items():
        assert state[0] == 1
        old = msgspec.msgpack.decode(state[codec.HEADER.size :], type=OldProfile)
        ours = codec.unpack_profile(state, key=key)
        assert (old.tenant, old.profile_id, old.enrollments, old.applied_offset, old.last_active_at) == (
            ours.tenant, ours.profile_id, ours.enrollments, ours.applied_offset, ours.last_active_at,
        )  # fmt: skip
