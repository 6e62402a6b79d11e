"""`cartwheel demo`: a day through everything, from an empty home, and a second time."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from agents import recipes, stack
from agents.console import Console
from agents.demo.play import PARTITIONS
from agents.demo.story import LATE_ORDER, REMINDED, THANKED, WORDS
from agents.settings import Settings
from agents.topic_reader import read_to_end
from schemas import codec
from schemas.command import Command
from schemas.topics import topics
from tests.e2e.processes import Process, cartwheel
from tests.e2e.weeks import replay

STORIES = {
    REMINDED,
    THANKED,
    LATE_ORDER,
    *(WORDS[reason] for reason in ("bought_this_cart", "bought_something", "reentry_min_gap", "anonymous")),
}
FLOWS = {stem for recipe in recipes.library().values() for stem in recipe.stems} - {recipes.POLICY}
COUNTS = ("records", "commands", "messages", "copies", "flows", "broken")


@pytest.fixture
def environ(home: Path) -> Iterator[dict[str, str]]:
    """An empty home. Whatever the demo starts there is stopped, also if it cannot do so itself."""
    yield {"CARTWHEEL_HOME": str(home)}
    stack.down(Settings.from_environ({"CARTWHEEL_HOME": str(home / "demo")}), console=Console())


async def test_the_demo_tells_every_story_and_tells_it_again(home: Path, environ: dict[str, str]) -> None:
    demo = await Process.start("demo", "--json", "--keep", environ=environ)
    try:
        await demo.until_ready()
        played = json.loads(demo.lines[-1])
        commands = await _commands(home / "demo")
        pages = [await _page(url) for url in (played["mailbox_url"], *played["metrics_urls"].values())]
    finally:
        code = await demo.stop(signal.SIGINT)
    assert code == 0, demo.last_words()
    assert {words for flow in played["flows"].values() for words in flow} >= STORIES
    assert set(played["flows"]) == FLOWS
    assert (played["broken"], played["messages"]) == ([], played["commands"])
    assert played["copies"] > 0
    assert [pages[0].count("<html"), *("cartwheel_" in page for page in pages[1:])] == [1, True, True, True]

    replayed = await replay(
        flows=home / "demo" / "flows", events=home / "demo" / "day.ndjson", out=home / "decisions.ndjson"
    )
    assert len(commands) == played["commands"]
    assert {command.command_id: command.decided_at for command in commands} == replayed.sent()

    again = await cartwheel("demo", "--json", environ=environ)
    assert again.code == 0, again
    assert {name: again.data[name] for name in COUNTS} == {name: played[name] for name in COUNTS}


async def _commands(home: Path) -> list[Command]:
    kafka = stack.kafka_address(Settings.from_environ({"CARTWHEEL_HOME": str(home)}))
    declared = topics("demo", partitions=PARTITIONS)
    return codec.commands_of([record.value async for record in read_to_end(kafka, declared.commands)])


async def _page(url: str) -> str:
    def read() -> Any:
        with urlopen(url, timeout=30) as answer:
            return answer.read().decode()

    return str(await asyncio.to_thread(read))
