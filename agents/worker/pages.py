"""The reports of the workers that run from a home, read from their own pages."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from agents.stack import Member
from agents.worker.report import WorkerReport

ANSWER_SECONDS = 3.0


class WorkerPage(NamedTuple):
    """A running worker and its report; None if its page does not answer."""

    member: Member
    report: WorkerReport | None


def read_pages(members: Iterable[Member]) -> list[WorkerPage]:
    """Of the announced processes those that are workers, one page after the other."""
    return [WorkerPage(one, _report(one.metrics_url)) for one in members if one.name == "worker" and one.metrics_url]


def _report(metrics_url: str) -> WorkerReport | None:
    try:
        with urllib.request.urlopen(metrics_url.removesuffix("metrics") + "status", timeout=ANSWER_SECONDS) as answer:
            return msgspec.json.decode(answer.read(), type=WorkerReport)
    except (OSError, msgspec.DecodeError):
        return None  # it has just ended, it hangs, or it is of another version
