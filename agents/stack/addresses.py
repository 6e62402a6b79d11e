"""Where Kafka and PostgreSQL are: what the settings name, else the running local stack, else a clear error."""

from __future__ import annotations

from dataclasses import dataclass

from agents.errors import Unavailable
from agents.settings import Settings
from agents.stack import state


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """`kafka` is a list of bootstrap servers, `host:port[,host:port]`; `postgres` is a DSN."""

    kafka: str
    postgres: str


def resolve(settings: Settings) -> Addresses:
    """Both addresses. Raises `Unavailable` if one is neither configured nor running."""
    return Addresses(kafka=kafka_address(settings), postgres=postgres_address(settings))


def kafka_address(settings: Settings) -> str:
    """Kafka's address alone, for those who need no database."""
    return settings.kafka or _running(settings, "kafka", what="Kafka", variable="CARTWHEEL_KAFKA")


def postgres_address(settings: Settings) -> str:
    """PostgreSQL's address alone."""
    return settings.postgres or _running(settings, "postgres", what="PostgreSQL", variable="CARTWHEEL_POSTGRES")


def _running(settings: Settings, name: str, *, what: str, variable: str) -> str:
    noted = state.read(settings.home).get(name)
    if noted is not None and noted.process() is not None:
        return noted.address
    raise Unavailable(
        f"{what} is not running under {settings.home}, and {variable} is not set",
        next_step=f"run `cartwheel up`, or set {variable} to the address of your own",
    )
