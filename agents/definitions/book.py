"""The book: what the definitions topic says, as far as it has been read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from agents.errors import Misconfigured
from agents.topic_reader import read_to_end
from schemas import codec
from schemas.activation import Activation, Beginning, Definition, Order, definition_key
from schemas.flow import Flow
from schemas.policy import Policy
from schemas.topics import Topics
from streams.asks import plugins_of
from streams.binding import UnknownPlugin
from streams.flowfile.policy import version_of
from streams.plugins import NO_PLUGINS, Name, Plugin
from streams.program import Program, activate, build

ORDER_KEY = b"activation/"  # each with a word of its own behind it
BEGINNING_KEY = b"beginning/"  # likewise, or compaction would keep the last one
NOTHING = -1
PROGRAMS_KEPT = 8  # of several at a time only while partitions switch
PATIENCE_SECONDS = 30.0
RUNBOOK = "deploy/runbooks/definition-missing.md"
RUNBOOK_OF_PLUGINS = "deploy/runbooks/plug-in-missing.md"
EMPTY = Order(follows=NOTHING, flows={}, said={}, at="1970-01-01T00:00:00.000Z", by="")

log = logging.getLogger("cartwheel.definitions")

Said = TypeVar("Said")


class Book:
    """Feed it every record in order. `newest` is the number of the newest valid activation, -1 before the first.

    Flows may ask these `plugins`.
    """

    def __init__(self, plugins: Mapping[Name, Plugin] = NO_PLUGINS) -> None:
        self.plugins = plugins
        self.next_offset = 0
        self.newest = NOTHING
        self._orders: dict[int, Order] = {}
        self._definitions: dict[bytes, bytes] = {}
        self._flows: dict[tuple[str, str], Flow] = {}
        self._programs: dict[int, Program] = {NOTHING: build([])}
        self._began: dict[tuple[str, int], int] = {}
        self._moved = asyncio.Event()

    def take(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        """One record. An order that does not follow the newest valid one is void: two were given at once."""
        self.next_offset = offset + 1
        self._moved.set()
        if key is None or value is None:
            return
        if key.startswith(ORDER_KEY):
            order = _read(value, Order, offset)
            if order is not None and order.follows == self.newest:
                self._orders[offset] = order
                self.newest = offset
        elif key.startswith(definition_key(flow="", version="")[:-1]):
            self._definitions.setdefault(key, value)  # the first one stands: a version never changes
        elif key.startswith(BEGINNING_KEY):
            said = _read(value, Beginning, offset)
            if said is not None:
                self._began.setdefault((said.incarnation, said.partition), said.activation)

    async def reach(self, number: int, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Return when everything through this offset has been read. Raises Misconfigured when that takes too long."""
        try:
            await self._until(lambda: self.next_offset > number, seconds=seconds)
        except TimeoutError:
            raise _missing(f"the definitions end at offset {self.next_offset}, before activation {number}") from None

    def began(self, incarnation: str, partition: int) -> int | None:
        """The number of the activation that a partition of a log begins with, None if nobody has said so."""
        return self._began.get((incarnation, partition))

    async def begun(self, incarnation: str, partition: int, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Return when that has been read. Raises Misconfigured when it takes too long."""
        try:
            await self._until(lambda: self.began(incarnation, partition) is not None, seconds=seconds)
        except TimeoutError:
            raise _missing(f"what partition {partition} begins with was written, and is not to be read") from None

    async def _until(self, true: Callable[[], bool], *, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                self._moved.clear()
                await self._moved.wait()

    def is_valid(self, number: int) -> bool:
        """Whether there is an activation of this number."""
        return number in self._orders

    def order(self, number: int) -> Order:
        """A valid order. Raises Misconfigured for any other number."""
        if number == NOTHING:
            return EMPTY
        if number not in self._orders:
            raise _missing(f"there is no activation {number} among the definitions")
        return self._orders[number]

    def activation(self, number: int) -> Activation:
        """The same as it stands on the profile log."""
        return Activation(number=number, flows=self.order(number).flows)

    def has(self, flow: str, version: str) -> bool:
        """Whether this version was published."""
        return definition_key(flow=flow, version=version) in self._definitions

    def versions_of(self, flow: str) -> list[str]:
        """All that were published, in the order of their first time."""
        prefix = definition_key(flow=flow, version="").decode()
        return [key.decode().removeprefix(prefix) for key in self._definitions if key.decode().startswith(prefix)]

    def definition(self, flow: str, version: str) -> Definition:
        """A version as it was published. Raises Misconfigured when it is not there, or damaged."""
        value = self._definitions.get(definition_key(flow=flow, version=version))
        if value is None:
            raise _missing(f"version {version} of the flow {flow} is not among the definitions")
        try:
            return codec.decode(value, Definition)
        except codec.Undecodable as error:
            raise _missing(f"version {version} of the flow {flow} cannot be read: {error}") from error

    def flow(self, name: str, version: str) -> Flow:
        """A version as the core runs it. Raises Misconfigured also when this program does not know all that it says."""
        if (name, version) not in self._flows:
            written = bytes(self.definition(name, version).flow)
            try:
                flow = codec.decode(written, Flow)
            except codec.Undecodable as error:
                raise _missing(f"version {version} of the flow {name} is not known to this program: {error}") from error
            if codec.encode(flow) != written:
                raise _missing(f"version {version} of the flow {name} says more than this program understands")
            self._flows[name, version] = flow
        return self._flows[name, version]

    def runnable(self, name: str, version: str) -> Flow:
        """The same, if each plug-in that it asks is there, and is the one that it was published with. Of what was
        published before plug-ins had fingerprints, nobody can tell.
        """
        flow, published = self.flow(name, version), self.definition(name, version).plugins
        for asked in sorted(plugins_of(flow)):
            plugin, called = self.plugins.get(asked), f"the plug-in {asked[0]}, version {asked[1]}"
            if plugin is None:
                raise _without_plugin(f"version {version} of the flow {name} asks {called}, which is not here")
            if published.get(spelled(asked), plugin.fingerprint) != plugin.fingerprint:
                what = f"{called}, is not the one that version {version} of the flow {name} was published with"
                raise _without_plugin(what)
        return flow

    def program(self, activation: Activation) -> Program:
        """What an activation makes of the flows. Raises Misconfigured when one of its versions cannot be had."""
        program = self._programs.get(activation.number)
        if program is None:
            try:
                policy = self._policy(activation.number)
                program = activate(activation, self.runnable, policy=policy, plugins=self.plugins)
            except UnknownPlugin as error:
                raise _without_plugin(str(error)) from error
            if len(self._programs) > PROGRAMS_KEPT:
                del self._programs[sorted(self._programs)[1]]  # the lowest number, but for the program without flows
            self._programs[activation.number] = program
        return program

    def _policy(self, number: int) -> Policy:
        policy = self.order(number).policy
        if policy.version and version_of(policy) != policy.version:
            raise _missing(f"the policy of activation {number} says more than this program understands")
        return policy

    def program_of(self, number: int) -> Program:
        """The same by the number of an activation."""
        return self._programs[NOTHING] if number == NOTHING else self.program(self.activation(number))


async def read_book(kafka: str, topics: Topics, *, plugins: Mapping[Name, Plugin] = NO_PLUGINS) -> Book:
    """All that the definitions topic says now."""
    book = Book(plugins)
    async for record in read_to_end(kafka, topics.definitions):
        book.take(record.offset, record.key, record.value)
    return book


def _read(value: bytes, type_: type[Said], offset: int) -> Said | None:
    """What a record says, None if it cannot be read: such a one says nothing."""
    try:
        return codec.decode(value, type_)
    except codec.Undecodable as error:
        log.error("the record at offset %s of the definitions cannot be read: %s", offset, error)
        return None


def spelled(plugin: Name) -> str:
    """As a definition names it."""
    return f"{plugin[0]}/{plugin[1]}"


def _without_plugin(what: str) -> Misconfigured:
    return Misconfigured(
        what,
        next_step="give this process the plug-ins that the flow was published with (`--plugins`, CARTWHEEL_PLUGINS); a"
        f" function that has changed needs another version ({RUNBOOK_OF_PLUGINS})",
    )


def _missing(what: str) -> Misconfigured:
    return Misconfigured(
        what,
        next_step=f"run a program that is as new as the one that published it, or publish it again ({RUNBOOK})",
    )
