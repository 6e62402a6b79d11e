"""Every file of the reference that is made, and what it must hold."""

from __future__ import annotations

import json
from pathlib import Path

from agents.reference import editor_schemas, finding_pages, kind_pages, language, recipe_pages, timeline_schema
from agents.reference.grammar import EXAMPLES, Grammar
from streams.flowfile import policy

ROOT = Path(__file__).parents[2]


def files() -> dict[str, str]:
    """By path below the root."""
    grammar, of_policy = heard(), heard_policy()
    schemas = {
        "flow-file": editor_schemas.flow_file(grammar),
        "policy-file": editor_schemas.policy_file(of_policy),
        "timeline-file": timeline_schema.timeline_file(),
    }
    published = {f"schemas/published/{name}.json": json.dumps(made, indent=2) + "\n" for name, made in schemas.items()}
    pages = finding_pages.files(ROOT) | recipe_pages.files(ROOT) | kind_pages.files(ROOT, grammar)
    return {**pages, **published, language.PATH: language.page(grammar, of_policy)}


def heard() -> Grammar:
    """The grammar, from the flows that use every key."""
    paths = sorted((ROOT / EXAMPLES).glob("*.yaml"))
    return Grammar(path.read_text(encoding="utf-8") for path in paths if path.stem != "policy")


def heard_policy() -> Grammar:
    """The grammar of policy files."""
    return Grammar([(ROOT / EXAMPLES / "policy.yaml").read_text(encoding="utf-8")], read=policy.read)


def outdated() -> list[str]:
    """The paths of files that are missing or differ."""
    return [name for name, text in files().items() if _found(name) != text]


def _found(name: str) -> str | None:
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.is_file() else None
