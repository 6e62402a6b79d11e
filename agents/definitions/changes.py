"""Changes: what an order makes of what is active. Pure; `agents.definitions.desk` writes it down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from msgspec import Raw
from msgspec.structs import replace

from agents.definitions.book import RUNBOOK_OF_PLUGINS, Book, spelled
from agents.errors import InputRefused
from agents.flow_files import FlowFile
from schemas import codec
from schemas.activation import ActiveFlow, Definition, Order
from schemas.flow import Flow, Status
from schemas.policy import Policy
from streams.asks import plugins_of
from streams.binding import bind
from streams.plugins import NO_PLUGINS, Name, Plugin

#: Of one flow. Who is pinned to a version that falls out goes on in the newest.
VERSIONS_MAX = 50

#: In place of a flow's name, as no flow can be called.
POLICY = "(policy)"

What = Literal["new", "changed", "status", "draft", "unchanged"]


class Change(NamedTuple):
    """What becomes of one flow. Of one that is new, and of a draft that was never more, there is no `before`."""

    flow: str
    what: What
    before: ActiveFlow | None
    after: ActiveFlow | None

    @property
    def dropped(self) -> tuple[str, ...]:
        """Versions that nobody can be pinned to any more."""
        if self.before is None or self.after is None:
            return ()
        return tuple(version for version in self.before.versions if version not in self.after.versions)


class Draft(NamedTuple):
    """An order that is not written yet; without an order there is nothing to do. Definitions go before it."""

    order: Order | None
    definitions: tuple[tuple[str, str, Definition], ...]  # flow, version
    changes: tuple[Change, ...]


class Stamp(NamedTuple):
    """When it was ordered, and by whom."""

    at: str
    by: str


Make = Callable[[Book, Stamp], Draft]


def publishing(
    files: Sequence[FlowFile], policy: Policy | None = None, *, plugins: Mapping[Name, Plugin] = NO_PLUGINS
) -> Make:
    """Make the flows of these files the newest versions, and this the policy if one is given.

    What is published and not among them stays as it is.

    The status of a file counts when it is another one than at the last time: a flow that was held since stays held.

    What is made of a book raises InputRefused where one of its versions was published with another function under the
    name and version of a plug-in that these flows ask: workers could not have both.
    """
    flows = [(file.flow, file.source) for file in files if file.flow is not None]

    def make(book: Book, stamp: Stamp) -> Draft:
        order = book.order(book.newest)
        active, said, held = dict(order.flows), dict(order.said), dict(order.held_from)
        changes = [_published(flow, active, said, stamp) for flow, _ in flows]
        for flow, _ in flows:
            if flow.status != "draft":
                said[flow.name] = flow.status
        held = {name: status for name, status in held.items() if active[name].status == "held"}
        prints = {name: one.fingerprint for flow, _ in flows for name, one in _asked(flow, plugins).items()}
        _refuse_changed(book, active, prints)
        definitions = tuple(
            (
                flow.name,
                flow.version,
                Definition(
                    flow=_canonical(flow),
                    source=source.decode(),
                    at=stamp.at,
                    by=stamp.by,
                    plugins={name: one.fingerprint for name, one in sorted(_asked(flow, plugins).items())},
                ),
            )
            for flow, source in flows
            if not book.has(flow.name, flow.version)
        )
        after = Order(
            follows=book.newest, flows=active, said=said, held_from=held, at=stamp.at, by=stamp.by,
            policy=order.policy if policy is None else policy,
        )  # fmt: skip
        if after.policy != order.policy:
            changes.append(Change(POLICY, "changed", None, None))
        is_new = (active, said, after.policy) != (order.flows, order.said, order.policy)
        return Draft(after if is_new else None, definitions, tuple(changes))

    return make


def _asked(flow: Flow, plugins: Mapping[Name, Plugin]) -> dict[str, Plugin]:
    """The plug-ins that a flow asks, as its definition names them. Raises UnknownPlugin."""
    bind(flow, plugins)
    return {spelled(name): plugins[name] for name in plugins_of(flow)}


def _refuse_changed(book: Book, active: Mapping[str, ActiveFlow], prints: Mapping[str, str]) -> None:
    versions = ((name, version) for name, one in active.items() for version in one.versions if book.has(name, version))
    for name, version in versions if prints else ():
        for plugin, fingerprint in book.definition(name, version).plugins.items():
            if prints.get(plugin, fingerprint) != fingerprint:
                raise InputRefused(
                    f"the plug-in {plugin.replace('/', ', version ')}, is not the one that version {version} of the"
                    f" flow {name} was published with",
                    next_step="give the changed function another version, beside the one that is published, and let the"
                    f" flow ask for that ({RUNBOOK_OF_PLUGINS})",
                )


def _published(flow: Flow, active: dict[str, ActiveFlow], said: dict[str, Status], stamp: Stamp) -> Change:
    before = active.get(flow.name)
    if flow.status == "draft":
        return Change(flow.name, "draft", before, before)
    older = () if before is None else tuple(version for version in before.versions if version != flow.version)
    is_as_said = before is not None and said.get(flow.name) == flow.status
    status = before.status if before is not None and is_as_said else flow.status
    after = active[flow.name] = ActiveFlow(
        status=status,
        versions=(flow.version, *older)[:VERSIONS_MAX],
        over_before=_over_before(before, status, stamp),
    )
    if before is None:
        return Change(flow.name, "new", None, after)
    if before.versions[0] != after.versions[0]:
        return Change(flow.name, "changed", before, after)
    return Change(flow.name, "unchanged" if before == after else "status", before, after)


def _canonical(flow: Flow) -> Raw:
    return Raw(codec.encode(replace(flow, status="live")))


def _over_before(before: ActiveFlow | None, status: Status, stamp: Stamp) -> str | None:
    if before is None:
        return None
    return stamp.at if before.status == "stopped" and status != "stopped" else before.over_before


Verb = Literal["hold", "resume", "stop", "drain"]
_FROM: dict[Verb, tuple[Status, ...]] = {
    "hold": ("live", "shadow", "draining"),
    "resume": ("held", "draining", "stopped"),
    "stop": ("live", "shadow", "draining", "held"),
    "drain": ("live", "shadow", "held"),
}
_TO: dict[Verb, Status] = {"hold": "held", "stop": "stopped", "drain": "draining"}


def turning(name: str, verb: Verb) -> Make:
    """Change the status of a flow. Done twice, it is done once. Raises InputRefused where it cannot be done."""

    def make(book: Book, stamp: Stamp) -> Draft:
        order = book.order(book.newest)
        before = order.flows.get(name)
        if before is None:
            raise InputRefused(f"no flow {name!r} is active", next_step="`cartwheel flows list` shows which are")
        status = _TO.get(verb) or _resumed(order, name)
        if before.status == status or (verb == "resume" and before.status in ("live", "shadow")):
            return Draft(None, (), (Change(name, "unchanged", before, before),))
        if before.status not in _FROM[verb]:
            raise InputRefused(
                f"the flow {name!r} is {before.status}, and only one that is {', '.join(_FROM[verb])} can {verb}",
                next_step="`cartwheel flows list` shows what every flow is",
            )
        after = ActiveFlow(status=status, versions=before.versions, over_before=_over_before(before, status, stamp))
        held = {flow: was for flow, was in order.held_from.items() if flow != name}
        if verb == "hold":
            held[name] = before.status
        written = Order(
            follows=book.newest, flows={**order.flows, name: after}, said=order.said, held_from=held, at=stamp.at,
            by=stamp.by, policy=order.policy,
        )  # fmt: skip
        return Draft(written, (), (Change(name, "status", before, after),))

    return make


def _resumed(order: Order, name: str) -> Status:
    """What it was when it was held; else what its file says, if that is of a flow that runs."""
    if order.flows[name].status == "held" and name in order.held_from:
        return order.held_from[name]
    said = order.said.get(name, "live")
    return said if said in ("live", "shadow") else "live"
