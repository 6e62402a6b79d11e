"""The consumer: one Faust event per fetched batch, positions of our own, and a recovery that writes in batches.

Every method here but the underscored helpers at the end replaces one of Faust's; `docs/faust-engine.md` says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from agents.errors import Halted
from agents.faust_engine.bounds import changelog_trouble, log_trouble, store_trouble
from agents.faust_engine.ending import end_process
from agents.faust_engine.fetching import adjust
from agents.faust_engine.lease import watch_heartbeats

if TYPE_CHECKING:
    from agents.faust_engine.app import EngineApp

POLL_SECONDS = 1.0
#: While some partitions are full, so that they are not forgotten for long.
SHORT_POLL_SECONDS = 0.02


class EngineConsumer(driver.Consumer):
    """Believes its own expectations and nothing that Faust or its client remember about positions."""

    # --- seeking ---------------------------------------------------------------------------------

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Every explicit seek comes through here, those of Faust's recovery included."""
        app = self._engine_app
        tenure = app.expectations.tenure
        app.expectations.seek({TP(*tp): offset for tp, offset in partitions.items()})
        of_state = [tp for tp in partitions if tp.topic == app.options.state_topic]
        await self.check_changelog(*of_state)
        await super().seek_wait(partitions)
        if of_state:
            # From here on the recovery's own numbers are those of this tenure. An end that was signaled before is not.
            app.recovery.signal_recovery_end.clear()
            app.expectations.recovery_sought(tenure=tenure)
            app.touch()

    async def perform_seek(self) -> None:
        """After a recovery: seek the log to the positions kept with the state, whatever the group has committed."""
        app = self._engine_app
        tenure = app.expectations.tenure
        wanted = {TP(app.options.log_topic, number): at for number, at in app.duties.positions().items()}
        if set(wanted) != {tp for tp in self.assignment() if tp.topic == app.options.log_topic}:
            self._refuse_to_seek()
            return
        begins = await self.earliest_offsets(*wanted) if wanted else {}
        ends = await self.highwaters(*wanted) if wanted else {}
        if app.expectations.tenure != tenure:
            return
        for tp, offset in wanted.items():
            if trouble := log_trouble(_name(tp), begins=begins[tp], ends=ends[tp], position=offset):
                end_process(trouble)
        await self.seek_wait(wanted)
        if app.expectations.tenure != tenure:
            return
        for tp in wanted:
            self._committed_offset[tp] = None  # or a commit below an earlier one would be left out
        app.duties.reached("seek")
        app.mark_started()

    async def check_changelog(self, *partitions: TP) -> None:
        """End the process if what a recovery has still to read is not there, or was never written."""
        partitions = tuple(tp for tp in partitions if tp in self.assignment())
        if not partitions:
            return
        store = self._engine_app.store
        # Before the topic is asked: what is written meanwhile must not look like more than there is.
        kept = {tp: store.kept_offset(tp.partition) for tp in partitions}
        begins, ends = await self.earliest_offsets(*partitions), await self.highwaters(*partitions)
        troubles = []
        for tp, offset in kept.items():
            held = -1 if offset is None else offset
            if trouble := changelog_trouble(_name(tp), begins=begins[tp], held=held):
                end_process(trouble)
            if trouble := store_trouble(_name(tp), ends=ends[tp], held=held):
                store.discard_next_time(tp.partition)
                troubles.append(trouble)
        if troubles:
            end_process(troubles[0])

    # --- rebalances --------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what is in flight before Faust goes on; nothing fetched from here on is believed."""
        app = self._engine_app
        app.expectations.end_tenure()
        app.mark_stopped()
        if revoked and not app.lease.is_good():
            end_process(_away(app.options.session_seconds))
        try:
            await app.duties.release()
        except Exception as error:  # noqa: BLE001 - Faust would log it and go on
            end_process(error)
        self._unacked_messages.clear()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """A new tenure begins; its recovery is under way when this returns."""
        app = self._engine_app
        app.expectations.begin_tenure()
        app.committed.clear()
        app.lease.renew(app.lease.now())  # no heartbeats are sent while a group is being joined
        client = cast(Any, self._thread)._consumer
        watch_heartbeats(client._coordinator, app.lease)
        adjust(client._fetcher, is_behind=app.duties.is_behind)
        app.touch()
        await super().on_partitions_assigned(assigned, generation_id)
        app.assigned_completely = True

    # --- fetching ------------------------------------------------------------------------------------

    async def _drain_messages(self, fetcher: Any) -> None:
        """Poll, and hand over what counts, a batch of one partition at a time."""
        expectations = self._engine_app.expectations
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                epoch = expectations.epoch
                records, _ = await self._wait_next_records(POLL_SECONDS)
                await asyncio.sleep(0)
                for tp, batch in (records or {}).items():
                    if self.should_stop:
                        return
                    await self._hand_over(TP(*tp), batch, epoch=epoch)
        except self.consumer_stopped_errors as error:
            if not self._engine_app.should_stop:
                end_process(error)
        except Exception as error:  # noqa: BLE001 - Faust would restart the fetcher, which forgets what it had taken
            end_process(error)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's name
        """Poll those that can take more: one that stands still, or is slow, holds up no other."""
        app = self._engine_app
        active = active_partitions or set()
        able = {tp for tp in active if tp.topic != app.options.log_topic or app.duties.has_room(tp.partition)}
        if able:
            return await super()._getmany(able, timeout if len(able) == len(active) else SHORT_POLL_SECONDS)
        await asyncio.sleep(SHORT_POLL_SECONDS)
        return {}

    async def _hand_over(self, tp: TP, batch: Sequence[Any], *, epoch: int) -> None:
        app, expectations = self._engine_app, self._engine_app.expectations
        of_log = tp.topic == app.options.log_topic
        expected = expectations.next_of(tp)
        if expected is None:
            return  # a seek will say where this partition begins
        if epoch != expectations.epoch or not self.flow_active:
            await self._give_back(tp, expected)
        elif not of_log:
            await self._restore(tp, batch, expected=expected)
        elif app.rebalancing or app.in_recovery or not app.duties.has_room(tp.partition):
            await self._give_back(tp, expected)
        elif batch[0].offset != expected:
            await self._heal(tp, expected, found=batch[0].offset)
        else:
            expectations.taken(tp, next_offset=batch[-1].offset + 1)
            await self.callback(self._message(tp, batch))

    async def _give_back(self, tp: TP, expected: int) -> None:
        """Fetched and not taken: go back to where this partition really is."""
        try:
            await super().seek_wait({tp: expected})
        except IllegalStateError:
            return  # revoked meanwhile

    async def _heal(self, tp: TP, expected: int, *, found: int) -> None:
        begins = (await self.earliest_offsets(tp))[tp]
        if trouble := log_trouble(_name(tp), begins=begins, ends=expected, position=expected):
            end_process(trouble)
        if not self._engine_app.expectations.heals(tp):
            end_process(
                Halted(
                    f"{tp.topic}/{tp.partition} was sought to {expected} and gives {found} again and again",
                    next_step="look at the partition with Kafka's own tools; records may be missing in it",
                )
            )
        self.log.warning("%s/%s: expected %s, got %s; seeking back", tp.topic, tp.partition, expected, found)
        await self._give_back(tp, expected)

    async def _restore(self, tp: TP, batch: Sequence[Any], *, expected: int) -> None:
        """A batch of the changelog: into the local store while a recovery of this tenure runs, else of no use."""
        app = self._engine_app
        recovery = app.recovery
        if not app.expectations.restoring or tp not in recovery.active_tps:
            return
        if batch[0].offset > expected:
            tenure = app.expectations.tenure
            await self.check_changelog(tp)  # a gap: left by compaction, or by somebody who deletes while we read
            if app.expectations.tenure != tenure:
                return
        app.store.restore(tp.partition, batch)
        app.expectations.taken(tp, next_offset=batch[-1].offset + 1)
        recovery.active_offsets[tp] = batch[-1].offset
        app.touch()
        app.duties.restored(len(batch))
        app.duties.reached("recovery")
        if not recovery.need_recovery():
            app.expectations.restoring = False
            recovery.signal_recovery_end.set()

    def _message(self, tp: TP, batch: Sequence[Any]) -> ConsumerMessage:
        last = batch[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000,
            0,
            None,
            None,
            cast(Any, batch),
            None,
            0,
            0,
            tp,
            generation_id=self._engine_app.consumer_generation_id,
        )

    # --- committing: for the display of lag only ----------------------------------------------------

    def _new_offset(self, tp: TP) -> int | None:
        """Batches of a partition are acknowledged in order, so the highest is the one; gaps mean nothing here."""
        acked = self._acked[tp]
        if not acked:
            return None
        offset = max(acked) + 1
        acked.clear()
        self._acked_index[tp].clear()
        return offset

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        """Commit without flushing the producer first, and without dying of a commit that came too late."""
        return await self._thread.call_thread(self._commit_in_thread, offsets)  # type: ignore[no-any-return]

    async def _commit_in_thread(self, offsets: Mapping[TP, int]) -> bool:
        consumer = self._thread._ensure_consumer()
        all_of_them = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
        ours = {tp: offset for tp, offset in all_of_them.items() if tp in consumer.assignment()}
        if not ours:
            return False
        try:
            await consumer.commit(ours)
        except KafkaError as error:
            self.log.info("offsets not committed, the next commit makes up for it: %r", error)
            return False
        self._engine_app.committed.update((tp.partition, one.offset) for tp, one in ours.items())
        return True

    # --- Faust's alarms, which compare two different clocks ------------------------------------------

    async def verify_all_partitions_active(self) -> None:
        """Never right for partitions that Faust itself leaves unpolled."""

    def verify_recovery_event_path(self, now: float, tp: TP) -> None:
        """The engine's own watch ends a recovery that makes no progress."""

    # --- helpers ----------------------------------------------------------------------------------------

    @property
    def _engine_app(self) -> EngineApp:
        return cast("EngineApp", self.app)

    def _refuse_to_seek(self) -> None:
        """The rebuilt partitions are not the assigned ones: fine while another rebalance is on its way."""
        app = self._engine_app
        if app.expectations.held and app.assigned_completely and not app.recovery.signal_recovery_start.is_set():
            end_process(
                Halted(
                    "recovery ended, and the partitions that were rebuilt are not those assigned",
                    next_step="start the worker again; report this if it recurs",
                )
            )


def _away(session_seconds: float) -> Halted:
    return Halted(
        f"this worker was away for longer than its session of {session_seconds:g} s; its partitions may have moved",
        next_step="start the worker again; nothing is lost",
    )


def _name(tp: TP) -> str:
    return f"{tp.topic}/{tp.partition}"
