"""Real Kafka and PostgreSQL for the tests that ask for them: one stack a run, one namespace and database a test.

Nothing here skips: a stack that does not come up fails every test that asks for it. The jars come from the shared
cache; data lies in a temporary folder and is gone afterwards.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import stack as local_stack
from agents.console import Console
from agents.settings import Settings
from agents.stack import Addresses

PARTITIONS = 4


@pytest.fixture(scope="session")
def stack() -> Iterator[Addresses]:
    """A running stack of our own, whatever servers the environment names."""
    home = Path(tempfile.mkdtemp(prefix="cartwheel-stack-"))
    settings = _settings(home)
    try:
        yield local_stack.up(settings, console=Console())
    finally:
        local_stack.down(settings, console=Console())
        shutil.rmtree(home)


@pytest.fixture
def namespace() -> str:
    """A first word for topic names that no other test has."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for the state of one test. Short, and passable for the account that PostgreSQL may need under root."""
    folder = Path(tempfile.mkdtemp(prefix="cartwheel-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def settings(stack: Addresses, home: Path, namespace: str) -> Settings:
    """Settings of one test: the shared stack, a namespace and a home of its own, few partitions."""
    return _settings(
        home, CARTWHEEL_KAFKA=stack.kafka, CARTWHEEL_POSTGRES=stack.postgres, CARTWHEEL_NAMESPACE=namespace
    )


@pytest.fixture
async def database(stack: Addresses) -> str:
    """The DSN of an empty database that no other test has."""
    return await local_stack.create_database(stack.postgres, f"test_{uuid.uuid4().hex[:12]}")


@pytest.fixture
def own_stack(home: Path) -> Iterator[Settings]:
    """Settings of a stack that is not running yet, for tests that start, break and stop one. Stopped at the end."""
    settings = _settings(home)
    yield settings
    local_stack.down(settings, console=Console())


def _settings(home: Path, **variables: str) -> Settings:
    cache = {"CARTWHEEL_CACHE": os.environ["CARTWHEEL_CACHE"]} if "CARTWHEEL_CACHE" in os.environ else {}
    return Settings.from_environ(
        {"CARTWHEEL_HOME": str(home), "CARTWHEEL_PARTITIONS": str(PARTITIONS), **cache, **variables}
    )
