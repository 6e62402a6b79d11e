"""Plug-ins on the real engine: a worker without what a flow asks never decides without it, and loses nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson

from agents.definitions.book import read_book
from agents.plugins import load_plugins
from agents.stack import Addresses
from schemas import codec
from schemas.codec import PARTITION_KEY
from schemas.control import ACTIVATION_KEY
from streams.plugins import registry
from tests.e2e.processes import Done, Process, cartwheel
from tests.integration import engine_flows
from tests.integration.engine_rig import Rig, rig
from tests.integration.engine_verdict import assert_replayed, read

PATIENCE_SECONDS = 60.0
PLUGINS = """from agents.plugins.kinds import predicate, transform


@predicate(version=1, inputs=("trigger.checkout_id",))
def is_ours(inputs):
    return inputs["trigger.checkout_id"] != "c0"


@transform(version=1, inputs=("trigger.checkout_id", "now"))
def shown(inputs):
    return {"id": inputs["trigger.checkout_id"] + "!", "at": inputs["now"]}
"""
ASKING = (
    engine_flows.FLOWS["checkout"]
    .replace("  reentry: always\n", "  reentry: always\n  filter: { plugin: { name: is_ours, version: 1 } }\n")
    .replace("class: marketing }", "class: marketing, variables: { shown: { plugin: { name: shown, version: 1 } } } }")
)


async def _publish(made: Rig, plugins: Path | None) -> Done:
    words = ["--plugins", str(plugins)] if plugins else []
    return await cartwheel("flows", "publish", str(made.flows), *words, "--json", environ=made.environ)


async def _says(process: Process, words: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not any(words in line for line in process.lines):
            await asyncio.sleep(0.1)


async def _is_in_a_log(made: Rig, number: int) -> None:
    """Wait until some partition has this activation in its state."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            states = [one for some in await read(made.kafka, made.topics.profile_state) for one in some]
            records = [codec.unpack_partition(one.value) for one in states if one.key == PARTITION_KEY]
            if any(record.activation == number for record in records):
                return
            await asyncio.sleep(0.2)


async def _replays_the_same(made: Rig, plugins: Path, number: int) -> None:
    """The core over the log of each partition decides what was decided, and has switched."""
    book = await read_book(made.kafka, made.topics, plugins=registry(load_plugins(plugins)))
    log, state = await read(made.kafka, made.topics.profile_log), await read(made.kafka, made.topics.profile_state)
    decided = await read(made.kafka, made.topics.decisions)
    for records in log:
        assert number in [orjson.loads(one.value)["number"] for one in records if one.key == ACTIVATION_KEY]
    assert_replayed(
        book, log=log, state=state, decided=decided, topic=made.topics.profile_log.name,
        incarnation=made.identity.incarnation,
    )  # fmt: skip


async def test_a_worker_without_the_plug_ins_of_a_flow_does_not_decide_by_it(
    stack: Addresses, home: Path, namespace: str
) -> None:
    """Semantics 12.8 and 1.3: the same log and the same flows give the same decisions, whoever works."""
    right, changed = home / "plugins", home / "changed"
    for folder, text in ((right, PLUGINS), (changed, PLUGINS.replace('"!"', '"?"'))):
        folder.mkdir()
        (folder / "both.py").write_text(text)
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        (made.flows / "browse.yaml").unlink()
        without = await made.worker("without")
        await without.until_ready()
        traffic = made.traffic(seed=31, events=100_000, per_second=100, profiles=400)
        writing = asyncio.create_task(traffic.run())
        await asyncio.sleep(2)

        (made.flows / "checkout.yaml").write_text(ASKING)
        refused = await _publish(made, None)
        assert (refused.code, "unknown_plugin" in refused.out + refused.err) == (65, True)
        published = await _publish(made, right)
        assert published.code == 0, published
        refused = await _publish(made, changed)
        assert (refused.code, "shown, version 1, is not the one" in refused.out + refused.err) == (65, True)
        number = published.data["activation"]
        await _says(without, f"activation {number} is not followed: version")
        assert without.is_running(), "it goes on with the flows of before"

        having = await made.worker("having", "--plugins", str(right))
        await having.until_ready()
        await _is_in_a_log(made, number)
        await having.kill()
        assert await without.ended() == 78, without.last_words()
        assert any("asks the plug-in is_ours, version 1, which is not here" in line for line in without.lines)
        other = await Process.start("worker", "--instance", "x", "--plugins", str(changed), environ=made.environ)
        assert await other.ended() == 78, other.last_words()
        assert any("the plug-in shown, version 1, is not the one that version" in line for line in other.lines)

        last = await made.worker("having", "--plugins", str(right))
        await last.until_ready()
        await asyncio.sleep(3)
        traffic.enough()
        await traffic.all_written.wait()
        await made.drained(timers_too=False)
        await asyncio.sleep(3)
        writing.cancel()
        assert await last.stop() == 0

        await _replays_the_same(made, right, number)
        said = [orjson.loads(one.value) for some in await read(made.kafka, made.topics.commands) for one in some]
        asked = [one["variables"] for one in said if "shown" in one.get("variables", {})]
        assert len(asked) > 20
        assert all(one["shown"]["id"] == one["trigger"]["checkout_id"] + "!" != "c0!" for one in asked)
