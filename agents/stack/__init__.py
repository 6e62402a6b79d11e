"""The local stack: real Kafka and PostgreSQL under `CARTWHEEL_HOME`, for laptops and tests; and where either is.

`up`, `down` and `status` need the `local` extra. The rest also serves an installation that has its own servers.
"""

from __future__ import annotations

from agents.stack.addresses import Addresses, kafka_address, postgres_address, resolve
from agents.stack.availability import wait_for_kafka, wait_for_postgres
from agents.stack.lifecycle import ServiceStatus, down, fetch, status, up
from agents.stack.postgres import create_database
from agents.stack.roster import Member, announced, members

__all__ = [
    "Addresses",
    "Member",
    "ServiceStatus",
    "announced",
    "create_database",
    "down",
    "fetch",
    "kafka_address",
    "members",
    "postgres_address",
    "resolve",
    "status",
    "up",
    "wait_for_kafka",
    "wait_for_postgres",
]
