"""How `status` draws what it has found: for people, in color on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from agents.cluster_view import PartitionInCluster
from agents.stack import Member, ServiceStatus
from agents.worker.pages import WorkerPage
from agents.worker.report import PartitionReport, SourceReport, WorkerReport
from schemas.instants import from_wire

COLORS = {"working": "green", "recovering": "yellow", "starting": "yellow", "stopping": "yellow"}
WORDS = frozenset({"name", "state", "pid", "address", "owner", "host", "source", ""})
LATE_SECONDS = 10.0  # a timer that is overdue for longer is not just about to be released


def draw(
    services: Sequence[ServiceStatus],
    members: Sequence[Member],
    workers: Sequence[WorkerPage],
    cluster: Sequence[PartitionInCluster] | None,
) -> RenderableType:
    """Everything below each other."""
    parts: list[RenderableType] = [_processes(services, members)]
    parts += [part for worker in workers for part in _worker(worker)]
    if cluster is not None:
        parts += ["", "all partitions, as Kafka has them", _cluster(cluster, now=time.time())]
    return Group(*parts)


def _processes(services: Iterable[ServiceStatus], members: Iterable[Member]) -> Table:
    table = _table("name", "state", "pid", "address")
    for service in services:
        table.add_row(service.name, service.state, str(service.pid or ""), service.address or "")
    for member in members:
        table.add_row(member.name, "running", str(member.running.pid), member.metrics_url or "")
    return table


def _worker(worker: WorkerPage) -> Iterator[RenderableType]:
    report, pid = worker.report, worker.member.running.pid
    yield ""
    if report is None:
        yield Text.from_markup(f"worker {pid} [red]does not answer on its page[/]")
        return
    head = f"worker [bold]{escape(report.instance)}[/] of {escape(report.namespace)} (pid {pid})"
    yield Text.from_markup(f"{head}: [{COLORS[report.phase]}]{report.phase}[/]{_beside(report)}")
    if report.partitions:
        yield _partitions(report.partitions)
    if report.timers_pending:
        timers = ", ".join(f"{flow} {count:,}" for flow, count in sorted(report.timers_pending.items()))
        yield f"timers pending: {timers}"
    if report.sources:
        yield _sources(report.sources)


def _beside(report: WorkerReport) -> str:
    said = []
    if report.phase == "recovering":
        said.append(f"{report.recovery_remaining_records:,} changelog records remain ({report.recovery_seconds:.0f} s)")
    elif report.why_not_ready() and report.phase == "working":
        said += report.why_not_ready()
    mark = report.low_water_lag_seconds
    if mark is not None and mark > LATE_SECONDS:
        said.append(f"[red]intake's last mark is {duration(mark)} old: no timer is released[/]")
    return "".join(f", {one}" for one in said)


def _partitions(partitions: Iterable[PartitionReport]) -> Table:
    table = _table("partition", "position", "lag", "behind", "people", "timers", "overdue", "oldest", "")
    for one in partitions:
        late = one.oldest_due_seconds > LATE_SECONDS
        table.add_row(
            str(one.partition),
            f"{one.position:,}",
            _count(one.lag_records, alarm=(one.lag_seconds or 0) > LATE_SECONDS),
            "?" if one.lag_seconds is None else duration(one.lag_seconds),
            f"{one.profiles:,}",
            f"{one.timers_pending:,}",
            _count(one.timers_overdue, alarm=late),
            duration(one.oldest_due_seconds),
            Text(f"STOPPED: {one.stopped}", "bold red") if one.stopped else "",
        )
    return table


def _sources(sources: Iterable[SourceReport]) -> Table:
    table = _table("source", "complete through", "held")
    for one in sources:
        age = one.age_seconds
        told = Text("never told", "yellow") if age is None else f"{duration(age)} ago"
        table.add_row(Text(one.source), told, _count(one.held, alarm=False))
    return table


def _cluster(cluster: Iterable[PartitionInCluster], *, now: float) -> Table:
    table = _table("partition", "owner", "host", "position", "committed", "end", "lag", "released through", "")
    for one in cluster:
        table.add_row(
            str(one.partition),
            one.owner or Text("nobody", "yellow"),
            one.host or "",
            _offset(one.position),
            _offset(one.committed),
            f"{one.end:,}",
            _count(one.lag_records, alarm=one.owner is None and one.lag_records > 0),
            "" if one.through is None else f"{duration(now - from_wire(one.through) / 1000)} ago",
            Text(f"STOPPED: {one.stopped}", "bold red") if one.stopped else "",
        )
    return table


def duration(seconds: float) -> str:
    """Short, for a column: `0.2 s`, `45 s`, `12 min`, `3.4 h`, `5.1 d`."""
    for size, unit, below in ((1.0, "s", 120.0), (60.0, "min", 7200.0), (3600.0, "h", 172_800.0)):
        if seconds < below:
            amount = seconds / size
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return f"{seconds / 86_400:.1f} d"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name in WORDS else "right")
    return table


def _count(count: int | None, *, alarm: bool) -> Text:
    if count is None:
        return Text("?")
    return Text(f"{count:,}", "red" if alarm else "yellow" if count else "")


def _offset(offset: int | None) -> str:
    return "" if offset is None else f"{offset:,}"
