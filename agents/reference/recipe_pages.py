"""The pages of recipes. When to use one and what to change is written by hand; what it does is played and put in here.

Everything from the heading `Minute by minute` on is made: the first timeline of each flow as a table, and what becomes
of the others in a line each. So a page never says what the recipe does not do.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agents import flow_files, recipes, resources
from agents.flow_files import TimelineFile
from agents.recipes import POLICY, Recipe
from schemas.catalog import short_name
from schemas.control import Watermark
from schemas.decision import Decision
from schemas.event import Event
from schemas.instants import from_datetime, from_wire, to_wire
from streams.timeline import DAY, Timeline, play

PAGES = "docs/recipes"
INDEX = f"{PAGES}/README.md"
MADE_FROM = "\n## Minute by minute\n"

_INDEX_HEAD = """# Recipes

Flows that come along, each with its test timelines and its messages. `cartwheel flows init NAME --source SOURCE` writes
one into your folder of flows, for the source that reports your events; nothing is overwritten. Each page says when to
use it, what to change, and what it does minute by minute, as its timelines prove. Begin with the
[tutorial](../tutorial.md).

| Recipe | What it does |
|---|---|
"""
_SENTENCES = {
    "entered": "begins",
    "exposed": "tosses for an arm",
    "stated": "states facts",
    "emitted": "reports an event",
    "held": "holds `{step}`: {reason}",
    "skipped": "leaves `{step}` out: {reason}",
    "refused": "does not begin: {reason}",
    "restarted": "counts anew: {reason}",
    "sent": "**sends `{step}`**",
    "ended": "ends: {reason}",
}


def files(root: Path) -> dict[str, str]:
    """Every page and the index of them, by path. Raises FileNotFoundError for a recipe without a page."""
    known = recipes.library().values()
    pages = {_path(recipe): made(recipe, (root / _path(recipe)).read_text(encoding="utf-8")) for recipe in known}
    rows = [f"| [{_title(pages[_path(one)])}]({one.name}.md) `{one.name}` | {one.summary} |\n" for one in known]
    return {**pages, INDEX: _INDEX_HEAD + "".join(rows)}


def made(recipe: Recipe, text: str) -> str:
    """The page with what the recipe does today."""
    written = text.partition(MADE_FROM)[0]
    tables = [_of_flow(stem, with_name=len(recipe.stems) > 1) for stem in recipe.stems]
    return f"{written.rstrip()}\n{MADE_FROM}" + "".join(tables)


def _of_flow(stem: str, *, with_name: bool) -> str:
    beside = _timelines(resources.flows() / f"{stem}.yaml")
    assert beside is not None, f"{stem} has no timelines"
    first, *others = beside.timelines
    head = f"\n### `{stem}`\n" if with_name else ""
    rows = "".join(f"| {name} | {outcome} |\n" for name, outcome in (_in_short(beside, one) for one in others))
    return (
        f"{head}\n{_sentence(first.name)}:\n\n| When | What happens | What Cartwheel does |\n|---|---|---|\n"
        f"{''.join(_rows(beside, first))}\n| Or else | |\n|---|---|\n{rows}"
    )


def _timelines(path: Path) -> TimelineFile | None:
    if path.stem == POLICY:
        policy = flow_files.check_policy_of(path)
        return None if policy is None else flow_files.timelines_of_policy(policy)
    [file] = flow_files.check_flows(path)
    return flow_files.timelines_of(file)


def _rows(file: TimelineFile, timeline: Timeline) -> Iterator[str]:
    """A row for each instant at which something happens or is decided."""
    happens: dict[int, list[str]] = {}
    for one in timeline.happenings:
        if one.what is not None:
            happens.setdefault(one.at, []).append(_happening(one.what, timeline, arrives_at=one.at))
    decided: dict[int, list[str]] = {}
    for decision in _played(file, timeline):
        decided.setdefault(from_wire(decision.decided_at), []).append(_decided(decision, timeline))
    moments = sorted({*happens, *decided})
    on_one_day = all(to_wire(at).startswith(DAY) for at in moments)
    for at in moments:
        when = _when(at) if on_one_day else to_wire(at)[:16].replace("T", " ")
        yield f"| {when} | {'; '.join(happens.get(at, []))} | {', '.join(decided.get(at, []))} |\n"


def _in_short(file: TimelineFile, timeline: Timeline) -> tuple[str, str]:
    """The name of a timeline, and what was decided but for the beginning."""
    decisions = [one for one in _played(file, timeline) if one.outcome != "entered"]
    told = [(_decided(one, timeline), from_wire(one.decided_at)) for one in decisions]
    told = [(text, at) for text, at in told if not text.endswith("ends: `done`")]
    return _sentence(timeline.name), ", ".join(f"{text} ({_when(at)})" for text, at in told) or "nothing"


def _played(file: TimelineFile, timeline: Timeline) -> list[Decision]:
    return play(file.flow, timeline, policy=flow_files.load_policy(file.path)).decisions


def _happening(what: Event | Watermark, timeline: Timeline, *, arrives_at: int) -> str:
    if isinstance(what, Watermark):
        return f"`{what.source}` is complete through {_clock(from_wire(what.complete_through), arrives_at)}"
    at = from_datetime(what.time)
    who = f"{what.identity.external_id} " if len(timeline.people) > 1 else ""
    late = "" if at == arrives_at else f" at {_clock(at, arrives_at)}, known only now"
    return f"{who}`{short_name(what.type)}`{late}"


def _decided(decision: Decision, timeline: Timeline) -> str:
    who = timeline.people.get(decision.profile_id, "")
    step = (decision.step or "").removesuffix(":settle")
    text = _SENTENCES[decision.outcome].format(step=step, reason=f"`{decision.reason}`")
    return f"{who} {text}" if len(timeline.people) > 1 else text


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _when(at: int) -> str:
    day, _, time = to_wire(at).partition("T")
    return time[:5] if day == DAY else f"{day} {time[:5]}"


def _clock(at: int, beside: int) -> str:
    """A time, with its day only where that is another one."""
    return to_wire(at)[11:16] if to_wire(at)[:10] == to_wire(beside)[:10] else _when(at)


def _path(recipe: Recipe) -> str:
    return f"{PAGES}/{recipe.name}.md"


def _title(page: str) -> str:
    return page.partition("\n")[0].removeprefix("# ")
