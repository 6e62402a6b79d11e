"""Settings: what the environment may say, and what is said about it when it is wrong."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.cli.ownership import check_ownership
from agents.errors import Misconfigured
from agents.settings import LOOPBACK, Port, Settings, choose_port


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = Settings.from_environ({})
    assert settings.home == Path.cwd() / ".local"
    assert settings.cache == Path.home() / ".cache" / "cartwheel"
    assert (settings.kafka, settings.postgres) == (None, None)
    assert (settings.namespace, settings.partitions) == ("cartwheel", 32)
    assert (settings.smtp_host, settings.smtp.default, settings.mailbox.default) == (LOOPBACK, 1025, 8025)
    metrics = (settings.intake_metrics, settings.worker_metrics, settings.dispatcher_metrics)
    assert [port.default for port in metrics] == [9101, 9102, 9103]
    assert all((port.configured, port.host) == (None, LOOPBACK) for port in metrics)


def test_every_variable_is_read() -> None:
    settings = Settings.from_environ(
        {
            "CARTWHEEL_HOME": "~/wheel",
            "CARTWHEEL_CACHE": "/var/cache/wheel",
            "CARTWHEEL_NAMESPACE": "shop-7",
            "CARTWHEEL_KAFKA": "one:9092, two:9093",
            "CARTWHEEL_POSTGRES": "postgresql://me:secret@db:5432/ledger",
            "CARTWHEEL_PARTITIONS": "8",
            "CARTWHEEL_METRICS_BIND": "0.0.0.0",
            "CARTWHEEL_METRICS_PORT_INTAKE": "9201",
            "CARTWHEEL_METRICS_PORT_WORKER": "9202",
            "CARTWHEEL_METRICS_PORT_DISPATCHER": "9203",
            "CARTWHEEL_METRICS_PORT_PROJECTOR": "9204",
            "CARTWHEEL_SMTP": "mail.example:25",
            "CARTWHEEL_MAILBOX_PORT": "8080",
        }
    )
    assert settings.home == Path.home() / "wheel"
    assert settings.cache == Path("/var/cache/wheel")
    assert settings.namespace == "shop-7"
    assert settings.kafka == "one:9092,two:9093"
    assert settings.postgres == "postgresql://me:secret@db:5432/ledger"
    assert settings.partitions == 8
    assert settings.intake_metrics.configured == 9201
    assert settings.worker_metrics.configured == 9202
    assert settings.dispatcher_metrics.configured == 9203
    assert settings.projector_metrics.configured == 9204
    assert settings.worker_metrics.host == settings.intake_metrics.host == settings.dispatcher_metrics.host == "0.0.0.0"
    assert settings.mailbox.host == LOOPBACK
    assert (settings.smtp_host, settings.smtp.configured) == ("mail.example", 25)
    assert settings.mailbox.configured == 8080


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("CARTWHEEL_KAFKA", "localhost", "host:port"),
        ("CARTWHEEL_KAFKA", "localhost:9092,", "host:port"),
        ("CARTWHEEL_POSTGRES", "localhost:5432", "postgresql://"),
        ("CARTWHEEL_PARTITIONS", "0", "1 to 1024"),
        ("CARTWHEEL_PARTITIONS", "many", "1 to 1024"),
        ("CARTWHEEL_METRICS_PORT_WORKER", "70000", "1 to 65535"),
        ("CARTWHEEL_METRICS_BIND", "localhost", "an IP address"),
        ("CARTWHEEL_MAILBOX_PORT", "-1", "1 to 65535"),
        ("CARTWHEEL_SMTP", "1025", "host:port"),
        ("CARTWHEEL_NAMESPACE", "a.b", "letters, digits"),
    ],
)
def test_a_bad_value_is_named_with_its_variable_and_what_is_allowed(variable: str, value: str, allowed: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        Settings.from_environ({variable: value})
    assert variable in refused.value.message
    assert repr(value) in refused.value.message
    assert allowed in refused.value.message
    assert variable in refused.value.next_step
    assert refused.value.exit_code == 78


def test_a_password_is_not_shown() -> None:
    with pytest.raises(Misconfigured) as refused:
        Settings.from_environ({"CARTWHEEL_POSTGRES": "mysql://me:secret@db/ledger"})
    assert "secret" not in refused.value.message


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


def test_a_default_port_that_is_taken_moves_to_the_next_free_one(taken: int) -> None:
    chosen = choose_port(Port("CARTWHEEL_MAILBOX_PORT", default=taken))
    assert taken < chosen < taken + 100


def test_a_configured_port_that_is_taken_is_an_error(taken: int) -> None:
    with pytest.raises(Misconfigured) as refused:
        choose_port(Port("CARTWHEEL_MAILBOX_PORT", default=8025, configured=taken))
    assert "CARTWHEEL_MAILBOX_PORT" in refused.value.message
    assert str(taken) in refused.value.message


def test_a_free_port_is_taken_as_asked(taken: int) -> None:
    free = choose_port(Port("CARTWHEEL_MAILBOX_PORT", default=taken))
    assert choose_port(Port("CARTWHEEL_MAILBOX_PORT", default=taken, configured=free)) == free
    assert choose_port(Port("CARTWHEEL_MAILBOX_PORT", default=free)) == free


def test_another_distribution_with_a_package_of_ours_is_named() -> None:
    with pytest.raises(Misconfigured) as refused:
        check_ownership({"agents": ["cartwheel", "other-agents"], "schemas": ["Some.Schemas"], "numpy": ["numpy"]})
    assert "other-agents (agents)" in refused.value.message
    assert "Some.Schemas (schemas)" in refused.value.message
    assert "numpy" not in refused.value.message


def test_ours_alone_passes_installed_or_editable() -> None:
    check_ownership({"agents": ["cartwheel"], "streams": ["Cartwheel", "cartwheel"], "schemas": ["cartwheel"]})
    check_ownership({})
    check_ownership()
