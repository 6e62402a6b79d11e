"""The Faust app, made by a function: settings, transport, the table that is the local store, the agent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import faust
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types.settings import Settings

from agents.faust_engine.consumer import EngineConsumer
from agents.faust_engine.damage import opening
from agents.faust_engine.database import opener
from agents.faust_engine.duties import Delivery, Duties
from agents.faust_engine.ending import end_process
from agents.faust_engine.expectations import Expectations
from agents.faust_engine.lease import Lease
from agents.faust_engine.options import EngineOptions
from agents.faust_engine.producer import EngineProducer
from agents.faust_engine.store import MARKS_BYTES, LocalStore

TABLE = "profiles"


class EngineTransport(driver.Transport):
    """aiokafka, with our consumer and producer."""

    Consumer = EngineConsumer
    Producer = EngineProducer


class StateTable(faust.Table):  # type: ignore[type-arg]
    """A table whose changelog is our declared state topic. Nobody writes to it as one would to a Faust table."""

    def _changelog_topic_name(self) -> str:
        assert isinstance(self.app, EngineApp)
        return self.app.options.state_topic


class EngineTables(TableManager):
    """Does not begin with a second of waiting for tables that somebody may still declare: there is the one."""

    async def on_start(self) -> None:
        """As Faust's after its wait."""
        await self._update_channels()
        await self.recovery.start()


class BatchSchema(faust.Schema):  # type: ignore[type-arg]
    """Passes a fetched batch through as the value of one event."""

    def compile(self, app: Any, **options: Any) -> Any:
        """A decoder that decodes nothing."""

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.value, None, message)

        return decode


class EngineSettings(Settings):
    """Faust's settings, deaf to the environment: `BROKER_URL`, `PROCESSING_GUARANTEE` and a hundred other names of
    variables would come before what we say.
    """

    def getenv(self, env_name: str) -> Any:
        """Nothing."""
        return None


class EngineApp(faust.App):
    """A Faust app that knows the engine it runs, and whose crash is the end of the process."""

    Settings = EngineSettings
    options: EngineOptions
    duties: Duties
    expectations: Expectations
    lease: Lease
    store: LocalStore
    committed: dict[int, int]
    """Of the log, by partition, since the last assignment."""
    assigned_completely = False
    """False while an assignment is still being worked in."""
    started_now: bool = False
    """True from the seek after a recovery to the next revocation."""
    leaving: bool = False
    """True once the process has been told to stop."""
    touched_at: float = 0.0
    """When a rebalance or recovery last made progress, by the monotonic clock."""

    @property
    def recovery(self) -> Recovery:
        """Faust's recovery service."""
        return cast(Recovery, self.tables.recovery)  # type: ignore[attr-defined]

    @property
    def engine_consumer(self) -> EngineConsumer:
        """The consumer, by its own type."""
        return cast(EngineConsumer, self.consumer)

    def touch(self) -> None:
        """A rebalance or recovery has made progress."""
        self.touched_at = time.monotonic()

    def mark_started(self) -> None:
        """Every assigned partition is where its state is."""
        self.touch()
        self.started_now = True
        self.duties.started()

    def mark_stopped(self) -> None:
        """Partitions are being revoked."""
        self.touch()
        self.started_now = self.assigned_completely = False

    def _crash(self, reason: BaseException) -> None:
        # Faust would now stop every service in turn, waiting for those that are stuck. While leaving, it counts its own
        # interruption of a recovery as a crash.
        if not self.leaving:
            end_process(reason)


def build(options: EngineOptions) -> EngineApp:
    """An app that has not been started; nothing is read or opened yet, and its duties are still to be set."""
    app = EngineApp(options.group, **_settings(options))
    app.options, app.expectations, app.committed = options, Expectations(), {}
    app.lease = Lease(session_seconds=options.session_seconds)
    app.transport = EngineTransport(app.conf.broker_consumer, app)
    app.producer_transport = EngineTransport(app.conf.broker_producer, app)
    table = app.Table(TABLE, key_type=bytes, value_type=bytes, partitions=options.partitions)
    cast(Any, table.data).rocksdb_options.open = opening(opener(options.partitions), end=end_process)
    app.store = LocalStore(table, slots=MARKS_BYTES // options.partitions)
    table.on_recover(_rebuilder(app))
    app.agent(app.topic(options.log_topic, schema=BatchSchema()), name="profile-log")(_taker(app))
    return app


def _settings(options: EngineOptions) -> dict[str, Any]:
    return {
        "broker": [f"kafka://{server}" for server in options.kafka.split(",")],
        "datadir": options.folder,
        "store": "rocksdb://",
        "Table": StateTable,
        "TableManager": EngineTables,
        "table_standby_replicas": 0,
        "topic_partitions": options.partitions,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
        "web_tables_enabled": False,
        "stream_recovery_delay": 0.0,
        "recovery_consistency_check": False,  # ours says what to do
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": options.instance,
        "consumer_max_fetch_size": 1024 * 1024,
        "broker_max_poll_records": options.poll_records,
        "broker_commit_interval": 1.0,
        "broker_session_timeout": options.session_seconds,
        "broker_request_timeout": max(90.0, options.session_seconds),  # Faust takes no longer session than this
        "broker_heartbeat_interval": options.session_seconds / 10,
        "producer_request_timeout": options.produce_seconds,
        "producer_compression_type": "zstd",
        "producer_max_batch_size": 256 * 1024,
        "producer_max_request_size": 2 * 1024 * 1024,
    }


def _taker(app: EngineApp) -> Callable[[Any], Any]:
    async def profile_log(stream: Any) -> None:
        """Hand each batch to its partition; never waits, so that no partition holds up another."""
        async for event in stream.noack().events():
            try:
                delivery = Delivery(partition=event.message.partition, records=event.value, done=event.ack)
                if not app.duties.take(delivery):
                    app.engine_consumer._unacked_messages.discard(event.message)
            except Exception as error:  # noqa: BLE001 - Faust would acknowledge the batch and go on
                end_process(error)

    return profile_log


def _rebuilder(app: EngineApp) -> Callable[[], Any]:
    async def rebuild() -> None:
        """The local store is complete. Log partitions are still paused here."""
        recovery, expectations = app.recovery, app.expectations
        tenure = expectations.tenure
        actives = app.assignor.assigned_actives()
        partitions = frozenset(tp.partition for tp in actives if tp.topic == app.options.log_topic)
        if partitions and not expectations.recovery_is_own():
            return  # the end of an older recovery, reported late
        if recovery.need_recovery() or recovery.signal_recovery_start.is_set():
            return  # Faust reports an interrupted recovery as ended, too; another one follows

        def is_wanted() -> bool:
            app.touch()  # asked every few milliseconds by a rebuild that goes on
            return expectations.tenure == tenure

        try:
            await app.duties.rebuild(partitions, is_wanted)
            app.touch()
            if not partitions and expectations.tenure == tenure:
                app.mark_started()  # Faust seeks nothing for a worker that got nothing
        except Exception as error:  # noqa: BLE001 - Faust drops what is raised here
            end_process(error)

    return rebuild
