"""The dispatcher on real Kafka, PostgreSQL and SMTP: each command at most once, each outcome with its receipt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from agents.dispatch import days, measuring, reading
from agents.dispatch.database import connected
from agents.dispatch.leases import Leases, Outcome
from agents.dispatch.receipts import receipt_id
from agents.errors import Halted, Misconfigured, Unavailable
from agents.mailbox import Mailbox
from agents.settings import LOOPBACK, Settings
from tests.e2e.processes import cartwheel
from tests.integration.dispatch_stage import NOBODY_LISTENS, FaultySmtp, Stage, ago, command, opened
from tests.integration.engine_log import remove

ACCEPTED = ("accepted", None)


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    async with opened(settings) as stage:
        yield stage


async def test_a_command_becomes_one_message_and_one_receipt(stage: Stage) -> None:
    sent, logged = command(1), command(2, channel="log", addresses={}, template="none")
    async with Mailbox() as mailbox, stage.dispatching(mailbox.smtp_port):
        await stage.order(sent, logged)
        outcomes = await stage.settled(2)
    assert outcomes == {sent.command_id: ACCEPTED, logged.command_id: ACCEPTED}
    (stored,) = mailbox.store.newest_first()
    message = message_from_bytes(stored.content, policy=default)
    assert (stored.sender, stored.recipients) == ("shop@localhost", ("shopper1@example.com",))
    assert message["Subject"] == "You left something in your cart"
    assert message["Message-ID"] == f"<{sent.command_id}@localhost>"
    assert message["X-Cartwheel-Command-Id"] == sent.command_id
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    receipts = {receipt.command_id: receipt for receipt in await stage.receipts()}
    assert len(await stage.receipts()) == 2
    receipt = receipts[sent.command_id]
    assert receipt.receipt_id == receipt_id(command_id=sent.command_id, outcome="accepted")
    assert (receipt.tenant, receipt.profile_id, receipt.flow) == ("acme", "profile-1", "abandoned_checkout")
    assert (receipt.channel, receipt.sender, receipt.provider_id) == ("email", "smtp", "2.0.0 kept as number 1")
    assert receipts[logged.command_id].sender == "log"


async def test_the_metrics_tell_outcomes_queue_and_lag(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "EVERY_SECONDS", 0.1)
    expected = [
        'cartwheel_dispatch_outcomes_total{channel="log",outcome="accepted",sender="log"} 1.0',
        "cartwheel_dispatch_duplicates_prevented_total 1.0",
        "cartwheel_dispatch_latency_seconds_count 1.0",
        'cartwheel_dispatch_queue{state="sending"} 0.0',
        "cartwheel_receipts_unpublished 0.0",
        "cartwheel_consumer_lag_records{",
    ]
    async with stage.dispatching():
        await stage.order(command(1, channel="log"), command(1, channel="log"))
        page = await stage.metrics(lambda page: all(line in page for line in expected))
    assert command(1).command_id not in page


async def test_with_too_much_open_the_rest_waits_on_the_topic(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "EVERY_SECONDS", 0.1)
    monkeypatch.setattr(reading, "OPEN_MAX", 10)
    async with FaultySmtp() as smtp:
        pass
    async with stage.dispatching(smtp.port):
        await stage.order(*(command(number) for number in range(20)))
        await stage.metrics(lambda page: 'cartwheel_dispatch_queue{state="pending"} 20.0' in page)
        await stage.order(*(command(number, channel="log") for number in range(20, 120)))
        await stage.metrics(lambda page: records_behind(page) == 100)
        assert len(await stage.outcomes()) == 20
        async with smtp:
            outcomes = await stage.settled(120)
    assert set(outcomes.values()) == {ACCEPTED}


def records_behind(page: str) -> float:
    lines = (line for line in page.splitlines() if line.startswith("cartwheel_consumer_lag_records{"))
    return sum(float(line.split()[-1]) for line in lines)


async def test_a_command_that_comes_again_is_not_sent_again(stage: Stage) -> None:
    first, second = command(1), command(2)
    async with Mailbox() as mailbox, stage.dispatching(mailbox.smtp_port):
        await stage.order(first, first, second)
        await stage.settled(2)
        await stage.order(first, second, first, command(3))
        outcomes = await stage.settled(3)
    assert set(outcomes.values()) == {ACCEPTED}
    assert mailbox.store.per_command() == {f"{number:032x}": 1 for number in (1, 2, 3)}


async def test_the_same_id_with_another_body_is_told_and_the_first_counts(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    first = command(1)
    other = command(1, decided_at=first.decided_at, not_after=first.not_after, addresses={"email": "other@example.com"})
    async with Mailbox() as mailbox, stage.dispatching(mailbox.smtp_port):
        await stage.order(first, other)
        await stage.order(command(2))
        await stage.settled(2)
    assert first.command_id in next(line for line in caplog.messages if "another body" in line)
    assert [stored.recipients for stored in mailbox.store.newest_first(command_id=first.command_id)] == [
        ("shopper1@example.com",)
    ]


async def test_what_is_no_command_becomes_a_dead_letter_and_the_rest_goes_on(stage: Stage) -> None:
    impossible = command(7, decided_at="2026-13-45T10:00:00.000Z")
    poison = [b"{", None, b"\xff\xfe", b"[]", b'{"schema":"cartwheel.command.v9"}']
    async with Mailbox() as mailbox, stage.dispatching(mailbox.smtp_port):
        await stage.put(*((b"acme/profile-1", value) for value in poison))
        await stage.order(impossible, command(1))
        await stage.settled(1)
    letters = await stage.dead_letters()
    assert len(letters) == len(poison) + 1
    assert {(letter.stage, letter.reason, letter.topic) for letter in letters} == {
        ("dispatcher", "undecodable", stage.topics.commands.name)
    }
    assert {letter.value for letter in letters} >= set(poison)
    assert all(letter.detail and letter.key for letter in letters)
    assert mailbox.store.per_command() == {command(1).command_id: 1}


async def test_a_commands_topic_that_is_removed_ends_the_dispatcher(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "EVERY_SECONDS", 0.1)
    topic = stage.topics.commands.name

    async def dispatch_until_it_is_removed() -> None:
        async with stage.dispatching() as task:
            await stage.order(command(1, channel="log"))
            await stage.settled(1)
            await remove(stage.kafka, topic)
            await asyncio.wait([task], timeout=60)
            assert task.done()

    with pytest.raises(Misconfigured, match=f"does not know {topic} any more") as refused:
        await dispatch_until_it_is_removed()
    assert "cartwheel topics apply" in refused.value.next_step


async def test_the_metrics_tell_which_dead_letters_wait_and_what_came_again(stage: Stage) -> None:
    environ = {
        "CARTWHEEL_HOME": str(stage.settings.home),
        "CARTWHEEL_KAFKA": stage.kafka,
        "CARTWHEEL_NAMESPACE": stage.settings.namespace,
        "CARTWHEEL_PARTITIONS": str(stage.settings.partitions),
    }

    async def told(*, waiting: int, replayed: int) -> str:
        lines = (
            f"cartwheel_dead_letters_open {waiting}.0\n",
            f'cartwheel_dead_letters_replayed_total{{stage="dispatcher"}} {replayed}.0\n',
        )
        return await stage.metrics(lambda page: all(line in page for line in lines))

    async with stage.dispatching():
        page = await told(waiting=0, replayed=0)
        assert "cartwheel_dead_letters_oldest_seconds 0.0" in page
        await stage.put((b"acme/profile-1", b"{"), (b"acme/profile-2", b"["))
        page = await told(waiting=2, replayed=0)
        assert "cartwheel_dead_letters_oldest_seconds 0.0\n" not in page
        assert "acme" not in page
        replayed = await cartwheel("dead-letters", "replay", "--key", "acme/profile-1", environ=environ)
        assert replayed.code == 0, replayed
        await told(waiting=2, replayed=1)  # it was refused again
    assert (await cartwheel("dead-letters", "dismiss", "--key", "acme/profile-1", environ=environ)).code == 0
    async with stage.dispatching():
        await told(waiting=1, replayed=0)  # another life has read the topic from its beginning


async def test_what_comes_too_late_expires(stage: Stage) -> None:
    late, good = command(1, not_after=ago(1)), command(2)
    async with Mailbox() as mailbox, stage.dispatching(mailbox.smtp_port):
        await stage.order(late, good)
        outcomes = await stage.settled(2)
    assert outcomes == {late.command_id: ("expired", "not_after"), good.command_id: ACCEPTED}
    assert mailbox.store.per_command() == {good.command_id: 1}


async def test_a_carried_command_is_refused_unless_the_dispatcher_was_started_for_it(stage: Stage) -> None:
    refused, replayed = (
        command(number, clock="carried", decided_at="2017-07-28T10:00:00.000Z", not_after="2017-07-28T10:15:00.000Z")
        for number in (1, 2)
    )
    async with Mailbox() as mailbox:
        async with stage.dispatching(mailbox.smtp_port):
            await stage.order(refused)
            assert await stage.settled(1) == {refused.command_id: ("failed", "carried_clock")}
        async with stage.dispatching(mailbox.smtp_port, carried=True):
            await stage.order(replayed)
            assert (await stage.settled(2))[replayed.command_id] == ACCEPTED
    assert mailbox.store.per_command() == {replayed.command_id: 1}
    (stored,) = mailbox.store.newest_first()
    assert stored.dated_at == 1_501_236_000_000


@pytest.mark.parametrize("changes", [{"carried": True}, {}], ids=["carried", "without a sender address"])
async def test_a_combination_that_could_mail_real_people_is_refused(stage: Stage, changes: dict[str, bool]) -> None:
    with pytest.raises(Misconfigured):
        async with stage.dispatching(smtp_host="192.0.2.1", **changes):
            pass


async def test_a_command_that_makes_no_message_fails_with_a_reason_and_the_rest_goes_on(
    stage: Stage, tmp_path: Path
) -> None:
    for name, text in {"good": "Hello", "hole": "{{ trigger.nothing }}", "broken": "{% if %}"}.items():
        (tmp_path / f"{name}.subject.liquid").write_text("A subject\r\nBcc: eve@example.com")
        (tmp_path / f"{name}.text.liquid").write_text(text)
    expected = {
        "missing": (command(1, template="missing"), ("failed", "template_missing")),
        "outside": (command(2, template="../good"), ("failed", "template_missing")),
        "hole": (command(3, template="hole"), ("failed", "template_error")),
        "broken": (command(4, template="broken"), ("failed", "template_error")),
        "nowhere": (command(5, template="good", addresses={}), ("failed", "address_missing")),
        "two": (command(6, template="good", addresses={"email": "a@b.c, d@e.f"}), ("failed", "address_invalid")),
        "header": (
            command(7, template="good", addresses={"email": "a@b.c\r\nBcc: d@e.f"}),
            ("failed", "address_invalid"),
        ),
        "channel": (command(8, template="good", channel="pigeon"), ("failed", "no_sender")),
        "nul": (command(9, template="good", tenant="nul\0", variables={"trigger": {"a\0": "\0"}}), ACCEPTED),
        "good": (command(10, template="good"), ACCEPTED),
    }
    async with Mailbox() as mailbox, stage.dispatching(mailbox.smtp_port, templates=tmp_path):
        await stage.order(*(given for given, _ in expected.values()))
        outcomes = await stage.settled(len(expected))
    assert outcomes == {given.command_id: outcome for given, outcome in expected.values()}
    assert {receipt.command_id: (receipt.outcome, receipt.reason) for receipt in await stage.receipts()} == outcomes
    stored = next(mailbox.store.newest_first(command_id=command(10).command_id))
    assert stored.subject == "A subject Bcc: eve@example.com"
    assert "Bcc" not in dict(stored.headers())


async def test_a_passing_refusal_is_tried_again_and_a_final_one_is_not(stage: Stage) -> None:
    async with (
        FaultySmtp(answers=["451 later", "421 not now"], refused=["shopper2@example.com"]) as smtp,
        stage.dispatching(smtp.port),
    ):
        await stage.order(command(1), command(2), command(3))
        outcomes = await stage.settled(3)
    assert outcomes == {
        command(1).command_id: ACCEPTED,
        command(2).command_id: ("rejected", "smtp_550"),
        command(3).command_id: ACCEPTED,
    }
    assert smtp.store.per_command() == {command(1).command_id: 1, command(3).command_id: 1}
    assert sum(row["attempts"] for row in await stage.query("SELECT attempts FROM commands")) == 5


async def test_without_an_answer_after_the_text_nobody_knows_and_it_is_not_sent_again(stage: Stage) -> None:
    async with FaultySmtp(answers=["drop"]) as smtp, stage.dispatching(smtp.port):
        await stage.order(command(1))
        assert await stage.settled(1) == {command(1).command_id: ("unknown", "no_answer")}
        await stage.order(command(2))
        await stage.settled(2)
    assert smtp.store.per_command() == {command(1).command_id: 1, command(2).command_id: 1}


async def test_messages_wait_for_a_server_that_is_down_until_it_is_up_or_they_are_late(stage: Stage) -> None:
    async with FaultySmtp() as smtp:
        pass
    patient, hasty = command(1), command(2, not_after=ago(-2))
    async with stage.dispatching(smtp.port):
        await stage.order(patient, hasty)
        await stage.until("SELECT 1 FROM commands WHERE reason = 'smtp_unreachable'", "a first attempt")
        await stage.until("SELECT 1 FROM commands WHERE state = 'expired'", "one expired")
        async with smtp:
            outcomes = await stage.settled(2)
    assert outcomes == {patient.command_id: ACCEPTED, hasty.command_id: ("expired", "not_after")}
    assert smtp.store.per_command() == {patient.command_id: 1}


async def test_postgresql_absent_at_the_start_ends_with_69(stage: Stage) -> None:
    with pytest.raises(Unavailable) as raised:
        async with stage.dispatching(
            postgres=f"postgresql://nobody@{LOOPBACK}:{NOBODY_LISTENS}/none", patience_seconds=1
        ) as task:
            await task
    assert raised.value.exit_code == 69
    assert "PostgreSQL" in raised.value.message


async def test_kafka_absent_at_the_start_ends_with_69(stage: Stage) -> None:
    with pytest.raises(Unavailable) as raised:
        async with stage.dispatching(kafka=f"{LOOPBACK}:{NOBODY_LISTENS}", patience_seconds=1) as task:
            await task
    assert "Kafka" in raised.value.message
    assert raised.value.exit_code == 69


async def test_a_zombie_writes_nothing(stage: Stage) -> None:
    await stage.order(command(1, channel="log"))
    async with stage.dispatching():
        await stage.settled(1)
    await stage.query("UPDATE commands SET state = 'pending', finished_at = NULL, receipt_published_at = NULL")
    async with connected(stage.dsn, namespace=stage.settings.namespace, patience_seconds=5) as database:
        zombie, heir = Leases(database), Leases(database)
        stale = await zombie.claim(10)
        assert await heir.claim(10) == []
        await stage.end_leases()
        assert await zombie.begin(stale) == set()
        fresh = await heir.claim(10)
        assert [row.command_id for row in fresh] == [row.command_id for row in stale]
        assert await heir.begin(fresh) == {command(1).command_id}
        assert await zombie.finish([(row, Outcome("failed")) for row in stale]) == set()
        assert await heir.finish([(row, Outcome("accepted")) for row in fresh]) == {command(1).command_id}
    assert await stage.outcomes() == {command(1).command_id: ACCEPTED}


async def test_one_day_too_many_stops_the_dispatcher_and_loses_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = command(1, channel="log", clock="carried", decided_at="2017-07-28T10:00:00.000Z")
    async with stage.dispatching():
        await stage.order(command(2, channel="log"))
        await stage.settled(1)
    with monkeypatch.context() as patched:
        patched.setattr(days, "PARTITIONS_MAX", 1)
        await stage.order(old)
        with pytest.raises(Halted):
            async with stage.dispatching() as task:
                await task
    async with stage.dispatching(carried=True):
        assert (await stage.settled(2))[old.command_id] == ACCEPTED
