"""How Faust is set is ours to say: nothing in the environment reaches it, least of all its `exactly_once`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.faust_engine.app import EngineApp, build
from agents.faust_engine.options import EngineOptions

OPTIONS = EngineOptions(
    kafka="127.0.0.1:9",
    group="shop.worker",
    instance="one",
    folder=Path("one"),
    log_topic="shop.profile-log.v1",
    state_topic="shop.profile-state.v1",
    partitions=4,
)
#: What would send the worker to other brokers, leave commands out of transactions, let a zombie write, move the disk.
HARMFUL = {
    "BROKER_URL": "kafka://elsewhere:9092",
    "PROCESSING_GUARANTEE": "exactly_once",
    "PRODUCER_REQUEST_TIMEOUT": "1200",
    "APP_DATADIR": "elsewhere",
    "BROKER_SESSION_TIMEOUT": "1",
    "TABLE_STANDBY_REPLICAS": "1",
}
#: A random word of each app; replies are not used.
RANDOM = {"reply_to"}


def settings() -> Mapping[str, Any]:
    conf = build(OPTIONS).conf
    return {name: str(getattr(conf, name)) for name in sorted(conf.setting_names() - RANDOM)}


async def test_commands_are_never_left_to_a_transaction() -> None:
    """Hole F: with `exactly_once` they would leave outside of it."""
    assert settings()["processing_guarantee"] == "ProcessingGuarantee.AT_LEAST_ONCE"
    assert not build(OPTIONS).in_transaction


@pytest.mark.parametrize("variable", HARMFUL)
async def test_a_variable_that_faust_knows_changes_nothing(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings()
    monkeypatch.setenv(variable, HARMFUL[variable])
    assert settings() == before


async def test_no_variable_at_all_does(monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings()
    known = {param.env_name for param in EngineApp.Settings.SETTINGS.values()}
    variables = known - {None, "APP_ENV_PREFIX"}  # which would change the names of all others
    assert variables >= HARMFUL.keys()
    for variable in variables:
        monkeypatch.setenv(str(variable), "7")
    assert settings() == before
