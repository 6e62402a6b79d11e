"""The local stack on real Kafka and PostgreSQL: it comes, it goes, and it gets over what was killed or lost."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from agents import stack
from agents.console import Console
from agents.errors import Misconfigured, Unavailable
from agents.settings import LOOPBACK, Settings
from agents.stack import Addresses, jars, process, state

QUIET = Console(as_json=True)
TRACE = b"still here"


@pytest.fixture
def bystander() -> Iterator[psutil.Popen]:
    """A program that is none of ours and must be left alone."""
    program = psutil.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield program
    program.kill()
    program.wait()


def test_up_twice_status_down_and_up_again(own_stack: Settings) -> None:
    first = up(own_stack)
    asyncio.run(leave_traces(first))
    started = running(own_stack)
    assert set(started) == {"kafka", "postgres"}

    assert up(own_stack) == first
    assert running(own_stack) == started
    assert stack.resolve(own_stack) == first

    assert stack.down(own_stack, console=QUIET) == ["kafka", "postgres"]
    assert [service.state for service in stack.status(own_stack)] == ["stopped", "stopped"]
    assert not any(lives(pid) for pid in started.values())
    assert stack.down(own_stack, console=QUIET) == []

    assert up(own_stack) == first
    asyncio.run(find_traces(first))


def test_killed_servers_come_back_with_their_data(own_stack: Settings) -> None:
    asyncio.run(leave_traces(up(own_stack)))
    killed = running(own_stack)
    for pid in killed.values():
        psutil.Process(pid).kill()
    asyncio.run(find_traces(up(own_stack)))
    assert not set(killed.values()) & set(running(own_stack).values())


def test_a_damaged_record_leaves_no_second_stack_behind(own_stack: Settings) -> None:
    asyncio.run(leave_traces(up(own_stack)))
    forgotten = running(own_stack)
    (own_stack.home / "stack.json").write_text('{"kafka": {"addr')
    asyncio.run(find_traces(up(own_stack)))
    assert not any(lives(pid) for pid in forgotten.values())
    (own_stack.home / "stack.json").unlink()
    assert stack.down(own_stack, console=QUIET) == ["kafka", "postgres"]


def test_a_noted_pid_that_another_program_has_now_is_not_ours(own_stack: Settings, bystander: psutil.Popen) -> None:
    up(own_stack)
    stack.down(own_stack, console=QUIET)
    word, began = bystander.cmdline()[0], bystander.create_time()
    other_command = process.Running(pid=bystander.pid, started_at=began, marker="-D/somewhere")
    other_start = process.Running(pid=bystander.pid, started_at=began - 60, marker=word)
    noted = state.read(own_stack.home)
    noted["kafka"] = replace(noted["kafka"], running=other_command)
    noted["postgres"] = replace(noted["postgres"], running=other_start)
    state.write(own_stack.home, noted)
    data = own_stack.home / "postgres"
    (data / "postmaster.pid").write_text(f"{bystander.pid}\n{data}\n")

    assert [service.state for service in stack.status(own_stack)] == ["stopped", "stopped"]
    assert stack.down(own_stack, console=QUIET) == []
    up(own_stack)
    assert bystander.pid not in running(own_stack).values()
    assert lives(bystander.pid)


def test_a_port_that_was_taken_meanwhile_is_given_up(own_stack: Settings) -> None:
    first = up(own_stack)
    stack.down(own_stack, console=QUIET)
    (port,) = state.read(own_stack.home)["postgres"].ports
    with socket.create_server((LOOPBACK, port)):
        second = up(own_stack)
    assert second.kafka == first.kafka
    assert second.postgres != first.postgres


def test_servers_of_ones_own_are_named_and_never_started_or_stopped(home: Path) -> None:
    settings = Settings.from_environ(
        {
            "CARTWHEEL_HOME": str(home),
            "CARTWHEEL_KAFKA": "kafka.example:9092",
            "CARTWHEEL_POSTGRES": "postgresql://me:secret@db.example/ledger",
        }
    )
    assert up(settings) == Addresses(kafka="kafka.example:9092", postgres="postgresql://me:secret@db.example/ledger")
    assert [service.state for service in stack.status(settings)] == ["configured", "configured"]
    assert "secret" not in repr(stack.status(settings))
    assert stack.down(settings, console=QUIET) == []
    assert state.read(home) == {}


def test_without_a_stack_the_error_says_what_to_run_or_set(home: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CARTWHEEL_")}
    command = [sys.executable, "-m", "agents.cli", "topics", "check", "--json"]
    done = subprocess.run(
        command, env={**environ, "CARTWHEEL_HOME": str(home)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 69
    answer = json.loads(done.stdout)
    assert "Kafka is not running" in answer["error"]
    assert "`cartwheel up`" in answer["next"]
    assert "CARTWHEEL_KAFKA" in answer["next"]


async def test_an_absent_server_is_asked_for_a_while_and_then_named() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        address = f"{LOOPBACK}:{listener.getsockname()[1]}"
    said: list[str] = []
    with pytest.raises(Unavailable, match=f"Kafka at {address} did not answer within"):
        await stack.wait_for_kafka(address, say=said.append, seconds=0.2)
    with pytest.raises(Unavailable, match=f"PostgreSQL at .*{address}/db did not answer within"):
        await stack.wait_for_postgres(f"postgresql://me@{address}/db", say=said.append, seconds=0.2)
    assert [line.split(" at ")[0] for line in said] == ["Kafka", "PostgreSQL"]


def test_a_fetch_that_fails_says_why_and_leaves_nothing_behind(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_first_on_path(home, monkeypatch, 'echo "[ERROR] Failed to execute goal: no route to the repository"; exit 1')
    with pytest.raises(Unavailable, match="no route to the repository"):
        jars.fetch(home / "cache", console=QUIET)
    assert list((home / "cache").iterdir()) == []


def test_jars_that_differ_from_their_checksums_are_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_first_on_path(home, monkeypatch, 'jars="${@: -1}"; jars="${jars#*=}"; mkdir "$jars"; touch "$jars/other.jar"')
    with pytest.raises(Misconfigured, match=r"kafka-clients-4\.1\.1\.jar.*other\.jar"):
        jars.fetch(home / "cache", console=QUIET)
    assert list((home / "cache").iterdir()) == []


async def test_running_processes_are_listed_and_killed_ones_drop_out(home: Path, bystander: psutil.Popen) -> None:
    with stack.announced(home, "worker", metrics_url="http://127.0.0.1:9102/metrics"):
        note = json.loads(next((home / "processes").iterdir()).read_bytes())
        note["running"]["started_at"] -= 60
        (home / "processes" / "dispatcher-1.json").write_text(json.dumps({**note, "name": "dispatcher"}))
        assert [(member.name, member.metrics_url) for member in stack.members(home)] == [
            ("worker", "http://127.0.0.1:9102/metrics")
        ]
    assert stack.members(home) == []


def up(settings: Settings) -> Addresses:
    return stack.up(settings, console=QUIET)


def running(settings: Settings) -> dict[str, int]:
    return {service.name: service.pid for service in stack.status(settings) if service.pid is not None}


def lives(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def put_first_on_path(home: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let `mvn` be this script."""
    (home / "mvn").write_text(f"#!/bin/bash\n{script}\n")
    (home / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}{os.pathsep}{os.environ['PATH']}")


async def leave_traces(addresses: Addresses) -> None:
    """A record in a topic and a row in a table."""
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses.kafka)
    await admin.start()
    await admin.create_topics([NewTopic("traces", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=addresses.kafka, acks="all") as producer:
        await producer.send_and_wait("traces", TRACE)
    connection = await asyncpg.connect(addresses.postgres)
    await connection.execute("CREATE TABLE traces (word bytea)")
    await connection.execute("INSERT INTO traces VALUES ($1)", TRACE)
    await connection.close()


async def find_traces(addresses: Addresses) -> None:
    """They are still there."""
    connection = await asyncpg.connect(addresses.postgres)
    assert await connection.fetchval("SELECT word FROM traces") == TRACE
    await connection.close()
    async with (
        AIOKafkaConsumer("traces", bootstrap_servers=addresses.kafka, auto_offset_reset="earliest") as consumer,
        asyncio.timeout(30),
    ):
        assert (await consumer.getone()).value == TRACE
