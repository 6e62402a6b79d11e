"""Answers from the table of decisions: why a message was ordered, and why somebody got none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Any, Literal, NamedTuple, TypeVar

import asyncpg

from agents.dispatch.database import Database
from agents.errors import Unavailable
from schemas import codec
from schemas.decision import Decision
from schemas.identity import KINDS, named, profile_id

READ_MAX = 1_000  # decisions of one enrollment, or of one person in one flow: the newest

Verdict = Literal[
    "unknown_person", "never_triggered", "refused", "waiting", "sent", "shadow", "recalled", "skipped", "ended"
]  # fmt: skip
#: Outcomes that answer the question, those first that count most; of those beside each other the newest.
VERDICTS: tuple[tuple[Verdict, ...], ...] = (("sent", "recalled"), ("skipped",), ("ended",))
#: Outcomes of a trigger that was taken.
BEGINS = frozenset({"entered", "restarted"})
#: Outcomes that come to a message once it was ordered. They may concern an enrollment that was over long ago.
AFTERWARDS = frozenset({"recalled", "regretted", "credited"})
#: Outcomes that say what became of an enrollment beside the one that answers.
TOLD = frozenset({"sent", "skipped", "ended", "recalled", "regretted"})

BY_COMMAND = "SELECT body FROM decisions WHERE command_id = $1::uuid"
BY_ENROLLMENT = """
SELECT body FROM decisions WHERE enrollment_id = $1::uuid ORDER BY decided_at DESC, log_offset DESC LIMIT $2
"""
BY_PERSON = """
SELECT body FROM decisions WHERE tenant = $1 AND profile_id = ANY ($2::text[]) AND flow = $3
ORDER BY decided_at DESC, log_offset DESC LIMIT $4
"""
KNOWN = "SELECT EXISTS (SELECT FROM decisions WHERE tenant = $1 AND profile_id = ANY ($2::text[]))"
#: In the order of the flows, what they have earned last.
REVENUE = """
SELECT flow, body -> 'values' ->> 'currency' AS currency, sum((body -> 'values' ->> 'amount')::numeric) AS net,
       count(DISTINCT body -> 'values' ->> 'order_id') AS orders
FROM decisions
WHERE tenant = $1 AND decided_on >= $2 AND body ->> 'outcome' = 'credited'
GROUP BY 1, 2 ORDER BY 1, 2
"""
FATE = """
SELECT state, reason, to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS finished_at
FROM commands WHERE command_id = $1::uuid
"""

_Result = TypeVar("_Result")


class Why(NamedTuple):
    """The decision behind a command, all decisions of its enrollment in order, and what became of the command."""

    decision: Decision
    story: list[Decision]
    fate: tuple[str, str | None, str | None] | None
    """State, reason and end of the command in the ledger; None if it is not there."""
    aftermath: Sequence[Decision] = ()
    """What was decided about the message once it was ordered: that it is taken back, was a mistake, or has earned."""


class Other(NamedTuple):
    """An enrollment in the flow beside the newest attempt: it goes on, or was decided about later."""

    begun: Decision
    """The first decision about it that is known; `entered` unless that day has been dropped."""
    live: bool
    decisions: list[Decision]
    """What to tell of it: of a live one what it has come to and what holds it, else what came after the attempt."""


class WhyNot(NamedTuple):
    """What came of the newest attempt of a flow, the decision that says so, and how often that has been so."""

    verdict: Verdict
    decision: Decision | None
    times: int
    since: str | None
    story: list[Decision]
    inside: Decision | None = None
    """With a refusal: how they came to be in the flow all the same, if they are."""
    others: Sequence[Other] = ()
    """In the order in which they began: who may be in a flow with several keys may be in it several times."""


async def why(database: Database, command_id: str) -> Why | None:
    """None if no decision is known that ordered this command."""

    async def work(connection: Any) -> Why | None:
        named = [_decision(row) for row in await connection.fetch(BY_COMMAND, command_id)]
        decision = next((one for one in named if one.outcome == "sent"), None)
        if decision is None:
            return None
        rows = await connection.fetch(BY_ENROLLMENT, decision.enrollment_id, READ_MAX)
        story = [_decision(row) for row in reversed(rows)]
        whose = (decision.tenant, [decision.profile_id], decision.flow, READ_MAX)
        others = [_decision(row) for row in reversed(await connection.fetch(BY_PERSON, *whose))]
        fate = await connection.fetchrow(FATE, command_id)
        told = (fate["state"], fate["reason"], fate["finished_at"]) if fate else None
        return Why(decision, story, told, [one for one in others if _comes_of(one, command_id)])

    return await _ask(database, work)


class Revenue(NamedTuple):
    """What a flow has been credited with, refunds taken off; decimal text in the major unit."""

    flow: str
    currency: str
    net: str
    orders: int


async def revenue(database: Database, *, tenant: str, since: date) -> list[Revenue]:
    """By flow and currency, of what was credited on this day (UTC) or later."""

    async def work(connection: Any) -> list[Revenue]:
        rows = await connection.fetch(REVENUE, tenant, since)
        return [Revenue(row["flow"], row["currency"], f"{row['net']:f}", row["orders"]) for row in rows]

    return await _ask(database, work)


async def about(database: Database, *, tenant: str, profiles: Sequence[str], flow: str) -> list[Decision] | None:
    """The decisions of a flow about whoever of these it knows, in order; None if no flow has decided about any."""

    async def work(connection: Any) -> list[Decision] | None:
        rows = await connection.fetch(BY_PERSON, tenant, profiles, flow, READ_MAX)
        if not rows and not await connection.fetchval(KNOWN, tenant, profiles):
            return None
        return [_decision(row) for row in reversed(rows)]

    return await _ask(database, work)


def candidates(text: str, *, tenant: str) -> tuple[str, list[str]]:
    """The tenant and the profile ids that a text may mean: tenant/profile id, or an identifier of any kind."""
    if "/" in text and "@" not in text:
        tenant, _, found = text.partition("/")
        return tenant, [found]
    return tenant, [
        profile_id(tenant=tenant, kind=kind, value=name) for kind in KINDS if (name := named(kind, text)) is not None
    ]


def why_not(decisions: Sequence[Decision] | None) -> WhyNot:
    """The newest attempt, a refusal or an enrollment, judged by its own decisions; `decisions` are those of `about`.

    A later decision about an earlier enrollment, such as its end by a late order, is told beside the answer.
    """
    if decisions is None:
        return WhyNot("unknown_person", None, 0, None, [])
    decisions = [one for one in decisions if one.outcome != "credited"]  # what came of a message is no attempt
    if not decisions:
        return WhyNot("never_triggered", None, 0, None, [])
    place = _newest_attempt(decisions)
    attempt = decisions[place]
    if _is_refusal(attempt):
        others = _others(decisions, place, run=None)
        inside = [one.begun for one in others if one.live and one.begun.outcome == "entered"]
        refused = _with_times("refused", attempt, [attempt], decisions)
        return refused._replace(inside=inside[-1] if inside else None, others=others)
    story = [one for one in decisions if one.enrollment_id == attempt.enrollment_id]
    verdict, found = _judge(_newest_visit(story))
    others = _others(decisions, place, run=attempt.enrollment_id)
    return _with_times(verdict, found, story, decisions)._replace(others=others)


def _newest_attempt(decisions: Sequence[Decision]) -> int:
    """Where the newest trigger was judged. If no trigger is known: where an enrollment was heard of last."""
    known = [place for place, one in enumerate(decisions) if one.outcome in BEGINS or _is_refusal(one)]
    heard = [place for place, one in enumerate(decisions) if one.outcome not in AFTERWARDS]
    return (known or heard or [len(decisions) - 1])[-1]


def _is_refusal(one: Decision) -> bool:
    """Of a trigger, even one that met an enrollment; a step that could hand nobody on is refused as well."""
    return one.outcome == "refused" and one.step is None


def _newest_visit(story: Sequence[Decision]) -> list[Decision]:
    """What was decided since it began, or began anew; without what came of messages that it had sent before.

    `extend` begins nothing anew: its messages stay those that they were.
    """
    begun = [place for place, one in enumerate(story) if one.outcome in BEGINS and one.reason != "extend"]
    start = begun[-1] if begun else 0
    before = {one.command_id for one in story[:start] if one.command_id is not None}
    return [one for one in story[start:] if one.command_id not in before]


def _judge(visit: Sequence[Decision]) -> tuple[Verdict, Decision]:
    """What became of it, and the decision that says so."""
    for verdicts in VERDICTS:
        found = [(verdict, one) for one in visit for verdict in verdicts if one.outcome == verdict]
        if found:
            verdict, one = found[-1]
            return ("shadow" if verdict == "sent" and one.shadow else verdict), one
    return "waiting", next((one for one in reversed(visit) if one.outcome not in AFTERWARDS), visit[-1])


def _others(decisions: Sequence[Decision], place: int, *, run: str | None) -> list[Other]:
    """The other enrollments that are live, or of which something was decided after the attempt at this place."""
    runs: dict[str, list[tuple[int, Decision]]] = {}
    for at, one in enumerate(decisions):
        if one.enrollment_id is not None and one.enrollment_id != run and not _is_refusal(one):
            runs.setdefault(one.enrollment_id, []).append((at, one))
    found = []
    for placed in runs.values():
        story = [one for _, one in placed]
        going = [one for one in story if one.outcome not in AFTERWARDS]
        live = bool(going) and not any(one.outcome == "ended" for one in going)
        told = [one for at, one in placed if one.outcome in TOLD and (live or at > place)]
        if live and going[-1].outcome == "held":
            told.append(going[-1])
        if live or told:
            found.append(Other(story[0], live, told))
    return found


def _comes_of(one: Decision, command_id: str) -> bool:
    return (one.outcome != "sent" and one.command_id == command_id) or one.values.get("command_id") == command_id


def _with_times(verdict: Verdict, decision: Decision, story: list[Decision], decisions: Sequence[Decision]) -> WhyNot:
    said = (decision.outcome, decision.reason, decision.step)
    alike = [one for one in decisions if (one.outcome, one.reason, one.step) == said]
    return WhyNot(verdict, decision, len(alike), alike[0].decided_at, story)


def _decision(row: Any) -> Decision:
    return codec.decode(row["body"].encode(), Decision)


async def _ask(database: Database, work: Callable[[Any], Awaitable[_Result]]) -> _Result:
    try:
        return await database.run(work)
    except asyncpg.UndefinedTableError as error:
        raise Unavailable(
            "PostgreSQL has no table of decisions for this namespace",
            next_step="run `cartwheel projector` (it is part of `cartwheel run`) and ask again",
        ) from error
