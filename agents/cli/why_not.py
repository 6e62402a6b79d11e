"""`cartwheel why-not`: why somebody got no message of a flow, from the decisions that the projector has kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import click
import msgspec
from rich.text import Text

from agents import stack
from agents.cli.options import takes_console, takes_settings
from agents.cli.why import PATIENCE_SECONDS, told, told_arms
from agents.console import Console
from agents.dispatch.database import connected
from agents.projector import answers
from agents.projector.answers import AFTERWARDS, Other, WhyNot
from agents.replay_file import DEFAULT_TENANT
from agents.settings import Settings
from schemas.decision import Decision
from streams.telling import moment, tell, tell_cause

BESIDE_MAX = 5  # decisions that are told of one more enrollment, the newest; the data has them all


@click.command("why-not")
@click.argument("profile")
@click.argument("flow")
@click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Of the identifier.")
@takes_settings
@takes_console
def command(*, settings: Settings, console: Console, profile: str, flow: str, tenant: str) -> None:
    """Say why PROFILE got no message of FLOW: what came of the newest attempt, and how often that has been so.

    PROFILE is TENANT/PROFILE_ID, or the identifier that names the person in events: their id in the shop, else their
    e-mail address.
    """
    tenant, profiles = answers.candidates(profile, tenant=tenant)
    found = answers.why_not(asyncio.run(_about(settings, tenant, profiles, flow)))
    lines = list(sentences(found, profile=profile, flow=flow))
    console.result(as_data(found, profile=profile, flow=flow), Text("\n".join(lines)))


async def _about(settings: Settings, tenant: str, profiles: list[str], flow: str) -> list[Decision] | None:
    postgres = stack.postgres_address(settings)
    async with connected(postgres, namespace=settings.namespace, patience_seconds=PATIENCE_SECONDS) as database:
        return await answers.about(database, tenant=tenant, profiles=profiles, flow=flow)


def as_data(found: WhyNot, *, profile: str, flow: str) -> dict[str, object]:
    """The public result, see `docs/how-to/ask-why.md`."""
    return {
        "verdict": found.verdict,
        "sentences": list(sentences(found, profile=profile, flow=flow)),
        "times": found.times,
        "since": found.since,
        "decision": msgspec.to_builtins(found.decision),
        "inside": msgspec.to_builtins(found.inside),
        "story": [msgspec.to_builtins(one) for one in found.story],
        "others": [msgspec.to_builtins(one._asdict()) for one in found.others],
    }


def sentences(found: WhyNot, *, profile: str, flow: str) -> Iterator[str]:
    """The answer, line by line."""
    one = found.decision
    if found.verdict == "unknown_person":
        yield f"Nothing was ever decided about {profile}, as far as decisions are kept."
        yield "Either nothing they did began any flow, or events name them otherwise: who is named by an id in the shop"
        yield "is found by that and not by the e-mail address, and each in their own tenant (`--tenant`)."
        return
    if one is None:
        yield f"{flow} was never triggered by {profile}: nothing of theirs has begun it, as far as decisions are kept."
        yield "`cartwheel flows list` shows how flows are called."
        return
    begin = {
        "sent": f"{profile} did get a message of {flow}, ordered as {one.command_id}",
        "shadow": f"{profile} got no message of {flow}, which is in shadow: it only shows what it would do",
        "waiting": f"{profile} is in {flow} now",
    }.get(found.verdict, f"{profile} got no message of {flow}{_of_which(found)}")
    yield f"{begin}. At {moment(one.decided_at)}: {tell(one)}."
    yield f"It was caused by {tell_cause(one)}, and decided by version {one.flow_version}."
    yield from told_arms(one)
    for later in found.story:
        if later.outcome in AFTERWARDS and later is not one:
            yield f"At {moment(later.decided_at)}: {tell(later)}; by {tell_cause(later)}."
    if found.times > 1 and found.since is not None:
        yield f"That has been written down {found.times} times since {moment(found.since)}."
    for other in found.others:
        yield _told_beside(other, flow=flow, beside="all the same" if found.verdict == "refused" else "besides")
    if len(found.story) > 1:
        yield "All that was decided about this enrollment:"
        yield from told(found.story)


def _of_which(found: WhyNot) -> str:
    """Where another enrollment has sent something, none was got for the newest trigger only."""
    sent = any(one.outcome == "sent" and not one.shadow for other in found.others for one in other.decisions)
    return " for the newest trigger" if sent else ""


def _told_beside(other: Other, *, flow: str, beside: str) -> str:
    """One more enrollment, in a sentence, and what was decided about it."""
    decided = "; at ".join(f"{moment(one.decided_at)}: {tell(one)}" for one in other.decisions[-BESIDE_MAX:])
    is_known = other.begun.outcome == "entered"
    begun = f"{moment(other.begun.decided_at)} by {tell_cause(other.begun)}" if is_known else ""
    if not other.live:
        later = "A later decision was" if len(other.decisions) == 1 else "Later decisions were"
        return f"{later} about an earlier enrollment{f', begun at {begun}' if begun else ''}: at {decided}."
    hope = "" if other.begun.shadow else ", and may get a message yet"
    since = begun or f"{moment(other.begun.decided_at)} at the latest"
    return f"They are in {flow} {beside}, since {since}{hope}.{f' At {decided}.' if decided else ''}"
