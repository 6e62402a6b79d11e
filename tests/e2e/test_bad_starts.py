"""Starts that cannot go well: each ends with its exit code and says what was found and what to do.

Those of intake, and of a worker that finds foreign state, are tested with them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from socket import create_server

import pytest

from agents import topics_admin
from agents.settings import LOOPBACK, Settings
from schemas.topics import topics
from tests.data.expectations import FLOWS
from tests.e2e.processes import Done, cartwheel

NOBODY = f"{LOOPBACK}:9"  # the discard port
NOWHERE = f"postgresql://nobody@{NOBODY}/none"
WORKER = ("worker", "--flows", str(FLOWS))


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    """The environment of one test, in which everything is as it should be but for the topics."""
    return {
        "CARTWHEEL_HOME": str(settings.home),
        "CARTWHEEL_KAFKA": settings.kafka or "",
        "CARTWHEEL_POSTGRES": settings.postgres or "",
        "CARTWHEEL_NAMESPACE": settings.namespace,
        "CARTWHEEL_PARTITIONS": str(settings.partitions),
    }


@pytest.fixture
def taken_port() -> Iterator[str]:
    """A port on which somebody listens."""
    with create_server((LOOPBACK, 0)) as listener:
        yield str(listener.getsockname()[1])


async def test_a_server_that_is_absent_is_asked_for_a_while_and_then_named(
    environ: dict[str, str], settings: Settings
) -> None:
    await _apply(settings)
    no_kafka, no_postgres = {"CARTWHEEL_KAFKA": NOBODY}, {"CARTWHEEL_POSTGRES": NOWHERE}
    worker, dispatcher, without_ledger = await asyncio.gather(
        cartwheel(*WORKER, environ=environ | no_kafka),
        cartwheel("dispatcher", environ=environ | no_kafka),
        cartwheel("dispatcher", environ=environ | no_postgres),
    )
    for done, what in ((worker, "Kafka"), (dispatcher, "Kafka"), (without_ledger, "PostgreSQL")):
        assert done.code == 69, done
        assert re.search(rf"{what} at \S*{NOBODY}\S* does not answer yet; asking for 30 s", done.err), done
        assert re.search(rf"error: {what} at \S*{NOBODY}\S* did not answer within 30 s", done.err), done
        assert f"CARTWHEEL_{what.upper().removesuffix('QL')}" in _next(done)


@pytest.mark.parametrize(
    "arguments", [WORKER, ("dispatcher",), ("intake",), ("projector",)], ids=lambda words: words[0]
)
async def test_a_configured_port_that_is_taken_is_named(
    environ: dict[str, str], settings: Settings, taken_port: str, arguments: tuple[str, ...]
) -> None:
    await _apply(settings)
    variable = f"CARTWHEEL_METRICS_PORT_{arguments[0].upper()}"
    done = await cartwheel(*arguments, environ=environ | {variable: taken_port})
    assert done.code == 78, done
    assert f"{variable} asks for port {taken_port}" in done.err
    assert variable in _next(done)


@pytest.mark.parametrize(
    "arguments", [WORKER, ("dispatcher",), ("intake",), ("projector",)], ids=lambda words: words[0]
)
async def test_topics_that_are_missing_are_an_error_that_says_how_to_make_them(
    environ: dict[str, str], arguments: tuple[str, ...]
) -> None:
    done = await cartwheel(*arguments, environ=environ)
    assert done.code == 1, done
    assert "cartwheel topics apply" in _next(done)


async def test_a_worker_refuses_a_flow_file_with_a_mistake(environ: dict[str, str], tmp_path: Path) -> None:
    flow = (FLOWS / "checkout_4h.yaml").read_text().replace("checkout_started", "checkout_begun")
    file = tmp_path / "broken.yaml"
    file.write_text(flow)
    done = await cartwheel("worker", "--flows", str(file), environ=environ)
    assert done.code == 65, done
    assert f"{file}:3:" in done.err
    assert "checkout_started" in done.err


async def _apply(settings: Settings) -> None:
    assert settings.kafka is not None
    await topics_admin.apply(settings.kafka, topics(settings.namespace, partitions=settings.partitions), clock="live")


def _next(done: Done) -> str:
    return done.err[done.err.index("next: ") :]
